/* /proc/net/udp, udplite, raw, icmp, sockstat: the sockets. TCP's have their own file. */
#include <inttypes.h>
#include <stdlib.h>

#include "../ip/host.h"
#include "../socket/file.h"
#include "proc.h"
#include "../udp/udp.h"
#include "sockets.h"

#define WIDTH 127
#define TITLE "sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops"

/* What stands for the address of the kernel's structure: a number that says nothing but tells two sockets apart. */
unsigned long long proc_pointer(uint32_t inode)
{
	uint32_t mixed = inode * UINT32_C(2654435761);

	return mixed ^ mixed >> 16;
}

static unsigned bucket_of(const struct pl_stack *stack, const struct sock *sk)
{
	int entries = stack->sysctl.udp_hash_entries;
	unsigned mask = (unsigned)(entries < 0 ? -entries : entries) - 1;

	if (sk->type == SOCK_RAW)
		return (unsigned)sk->protocol & 255;
	return sk->protocol == IPPROTO_ICMP ? sk->port & 63 : sk->port & mask;
}

/* Does the socket belong to the file: the protocol's, and in its tables? */
static bool belongs(const struct sock *sk, int type, int protocol)
{
	if (sk->type != type || (type != SOCK_RAW && sk->protocol != protocol))
		return false;
	return type == SOCK_RAW || sk->port;
}

struct listed {
	unsigned bucket;
	const struct sock *sk;
};

static int by_bucket(const void *left, const void *right)
{
	const struct listed *a = left, *b = right;

	if (a->bucket != b->bucket)
		return a->bucket < b->bucket ? -1 : 1;
	return a->sk->inode > b->sk->inode ? -1 : a->sk->inode < b->sk->inode;
}

static void write_sockets(struct pl_stack *stack, FILE *to, int type, int protocol, int bucket_width, int width)
{
	struct listed *listed = NULL;
	size_t count = 0;

	for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
		count += belongs(sk, type, protocol);
	listed = count ? calloc(count, sizeof(*listed)) : NULL;
	if (!listed)
		return;
	count = 0;
	for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
		if (belongs(sk, type, protocol))
			listed[count++] = (struct listed){ bucket_of(stack, sk), sk };
	qsort(listed, count, sizeof(*listed), by_bucket);
	for (size_t i = 0; i < count; i++) {
		const struct sock *sk = listed[i].sk;

		proc_line(to, width, "%*u: %08X:%04X %08X:%04X %02X %08X:%08X %02X:%08lX %08X %5u %8d %u %d %016llx %u", bucket_width,
			  listed[i].bucket, sk->local.s_addr, type == SOCK_RAW ? (unsigned)sk->protocol : sk->port,
			  sk->remote.s_addr, type == SOCK_RAW ? 0 : sk->remote_port, sk->state, sk->write_allocated,
			  sk->receive_allocated, 0, 0L, 0, sk->uid, 0, sk->inode, 2, proc_pointer(sk->inode), sk->drops);
	}
	free(listed);
}

void proc_udp(struct pl_stack *stack, FILE *to)
{
	proc_line(to, WIDTH, "   " TITLE);
	write_sockets(stack, to, SOCK_DGRAM, IPPROTO_UDP, 5, WIDTH);
}

void proc_udplite(struct pl_stack *stack, FILE *to)
{
	proc_line(to, WIDTH, "   " TITLE);
	write_sockets(stack, to, SOCK_DGRAM, IPPROTO_UDPLITE, 5, WIDTH);
}

void proc_icmp(struct pl_stack *stack, FILE *to)
{
	proc_line(to, WIDTH, "  " TITLE);
	write_sockets(stack, to, SOCK_DGRAM, IPPROTO_ICMP, 5, WIDTH);
}

void proc_raw(struct pl_stack *stack, FILE *to)
{
	fprintf(to, "  " TITLE "\n");
	write_sockets(stack, to, SOCK_RAW, 0, 4, 0);
}

static unsigned in_use(const struct pl_stack *stack, int type, int protocol)
{
	unsigned count = 0;

	for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
		count += belongs(sk, type, protocol);
	return count;
}

void proc_sockstat(struct pl_stack *stack, FILE *to)
{
	unsigned used = 0;

	for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
		used += sk->has_descriptor;
	fprintf(to, "sockets: used %u\n", used);
	proc_tcp_summary(stack, to);
	fprintf(to, "UDP: inuse %u mem %" PRId64 "\n", in_use(stack, SOCK_DGRAM, IPPROTO_UDP), udp_memory(stack));
	fprintf(to, "UDPLITE: inuse %u\n", in_use(stack, SOCK_DGRAM, IPPROTO_UDPLITE));
	fprintf(to, "RAW: inuse %u\n", in_use(stack, SOCK_RAW, 0));
	fprintf(to, "FRAG: inuse %u memory %" PRIu64 "\n", stack->ip->fragment_queues, stack->ip->fragment_memory);
}
