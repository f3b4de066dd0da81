/* Socket calls in unit tests: one line each. */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <plumbline/call.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "support.h"

/* A call carried out now: its result, -EAGAIN when it would wait. Arguments past the given ones are 0. */
#define CALL(fixture, name, ...) pl_call_now((fixture)->stack, PL_OP_##name, (int64_t[6]){ __VA_ARGS__ })
/* The same, and the result has to be this. */
#define CALL_IS(fixture, expected, name, ...)                                                                                  \
	do {                                                                                                                   \
		int64_t result_ = CALL(fixture, name, __VA_ARGS__);                                                            \
		cr_assert_eq(result_, (int64_t)(expected), "%s gives %lld", #name, (long long)result_);                        \
	} while (0)
/* A call that may wait: submitted, it stays in *call until call->finished. */
#define SUBMIT(fixture, call, name, ...)                                                                                       \
	do {                                                                                                                   \
		*(call) = (struct pl_call){ .op = PL_OP_##name, .arg = { __VA_ARGS__ } };                                      \
		pl_call_submit((fixture)->stack, call);                                                                        \
	} while (0)

static inline struct sockaddr_in socket_address(const char *address, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = addr(address) };
}

static inline int open_socket(struct fixture *fixture, int type, int protocol)
{
	int64_t fd = CALL(fixture, socket, AF_INET, type, protocol);

	cr_assert_geq(fd, 3);
	return (int)fd;
}

static inline int udp_bound(struct fixture *fixture, const char *address, uint16_t port)
{
	struct sockaddr_in name = socket_address(address, port);
	int fd = open_socket(fixture, SOCK_DGRAM, 0);

	CALL_IS(fixture, 0, bind, fd, PL_PTR(&name), sizeof(name));
	return fd;
}

static inline void set_int(struct fixture *fixture, int fd, int level, int name, int value)
{
	CALL_IS(fixture, 0, setsockopt, fd, level, name, PL_PTR(&value), sizeof(value));
}

static inline int get_int(struct fixture *fixture, int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	CALL_IS(fixture, 0, getsockopt, fd, level, name, PL_PTR(&value), PL_PTR(&length));
	return value;
}

/* A UDP datagram arrives from REMOTE:source at LOCAL:destination. */
static inline void inject_udp(struct fixture *fixture, uint16_t source, uint16_t destination, const void *bytes, size_t length)
{
	uint8_t payload[2000], packet[2100];
	struct udphdr header = { .source = htons(source), .dest = htons(destination), .len = htons((uint16_t)(8 + length)) };

	memcpy(payload, &header, sizeof(header));
	memcpy(payload + sizeof(header), bytes, length);
	length = make_ip(packet, NULL, REMOTE, LOCAL, IPPROTO_UDP, payload, sizeof(header) + length);
	pl_link_input(fixture->stack, fixture->tun, packet, length);
}

/* An ICMP message about a packet that the stack sent arrives from 192.0.2.254. */
static inline void inject_icmp_about(struct fixture *fixture, uint8_t type, uint8_t code, uint16_t mtu, const struct sent_packet *sent)
{
	uint8_t message[600] = { type, code, 0, 0, 0, 0, (uint8_t)(mtu >> 8), (uint8_t)mtu }, packet[700];
	size_t length = sent->length < 500 ? sent->length : 500;
	uint16_t check;

	memcpy(message + 8, sent->bytes, length);
	check = sum(message, 8 + length);
	memcpy(message + 2, &check, sizeof(check));
	length = make_ip(packet, NULL, "192.0.2.254", LOCAL, IPPROTO_ICMP, message, 8 + length);
	pl_link_input(fixture->stack, fixture->tun, packet, length);
}

#endif
