/* A stack with a manual clock for unit tests, its packets kept, and a check that nothing is left when it is freed. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <plumbline/inspect.h>
#include <plumbline/link.h>
#include <plumbline/stack.h>
#include <plumbline/sysctl.h>

#define LOCAL "192.168.0.1"
#define REMOTE "192.0.2.1"

/* What left over the stack's links, the oldest first. */
struct sent_packet {
	int ifindex;
	pl_time time;
	size_t length;
	unsigned gso_size;
	uint8_t bytes[65536 + 64];
};
struct fixture {
	struct pl_stack *stack;
	int tun;			/* 192.168.0.1/16, MTU 1500, default route */
	struct sent_packet *sent;
	size_t count, taken;
};

void fixture_new(struct fixture *fixture);
void fixture_free(struct fixture *fixture);	/* the stack too */
/* A further tun link, up, with an address. Its index. */
int fixture_link(struct fixture *fixture, const char *name, const char *address, unsigned prefix_length);
/* The next packet that was sent and not yet taken; fails the test when there is none. */
const struct sent_packet *take(struct fixture *fixture);
size_t left(const struct fixture *fixture);	/* sent and not taken */

struct in_addr addr(const char *text);
/* An IP header in front of `length` bytes of payload, both written to `to`; header fields that are 0 get usual values. The total. */
size_t make_ip(uint8_t *to, const struct iphdr *header, const char *source, const char *destination, uint8_t protocol,
	       const void *payload, size_t length);
uint16_t sum(const void *bytes, size_t length);	/* RFC 1071, complemented; 0 over something that holds its right checksum */
#define COUNTER_IS(fixture, group, name, value)                                                                                \
	cr_assert_eq(pl_counter((fixture)->stack, group, name), value, "%s%s is %lld", group, name,                            \
		     (long long)pl_counter((fixture)->stack, group, name))

#endif
