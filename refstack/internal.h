/* The instance. One struct holds a host; nothing here is reachable but through it. */
#ifndef REFSTACK_INTERNAL_H
#define REFSTACK_INTERNAL_H

#include <errno.h>
#include <plumbline/call.h>
#include <plumbline/inspect.h>
#include <plumbline/link.h>
#include <plumbline/stack.h>
#include <plumbline/sysctl.h>
#include <pthread.h>
#include <string.h>

#include "counters.h"
#include "pktbuf.h"
#include "random.h"
#include "sysctl/sysctl.h"
#include "timer.h"

struct link;
struct sock;
struct tcp_host;
struct udp_host;
struct raw_host;
struct ip_host;
struct icmp_host;
struct fib;
struct descriptor_table;
struct neighbour_table;
struct netfilter;

struct pl_stack {
	pl_time now;
	int64_t wall_clock;		/* CLOCK_REALTIME at instant 0, nanoseconds */
	struct pl_machine machine;	/* strings owned */
	struct timer_heap timers;
	struct prng prng;
	struct sysctls sysctl;
	bool first_namespace;		/* has the tunables that only the first network namespace has */
	uint64_t counter[CNT_COUNT];
	uint64_t icmp_in_type[256], icmp_out_type[256];
	pthread_mutex_t lock;

	/* Each part of the stack keeps its own state behind its own pointer, made by its _host_new and freed by _host_free. */
	struct link *links;		/* by ifindex, ascending */
	int next_ifindex;
	uint64_t tree_generation;
	struct neighbour_table *neighbours;	/* link/neighbour.c */
	struct fib *fib;		/* ip/route.c */
	struct ip_host *ip;		/* ip/: fragments, ids, path MTU exceptions */
	struct icmp_host *icmp;		/* ip/icmp.c: rate limits */
	struct netfilter *netfilter;	/* netfilter/: rules and connections; NULL until a table is set */
	struct descriptor_table *descriptors;	/* socket/ */
	struct tcp_host *tcp;		/* tcp/ */
	struct udp_host *udp;		/* udp/, with UDP-Lite */
	struct raw_host *raw;		/* raw/ and ping/ */

	struct pktbuf_queue backlog;	/* packets that came over the loopback link, waiting for stack_softirq */
	struct sock *senders;		/* whose packets waited and left: sock_senders_tell; held */
	struct pl_call *ready_first, *ready_last;	/* calls woken, looked at again by stack_settle; socket/wait.c */
	const struct pl_host_files *files;	/* from the configuration, may be NULL */
	bool settling, in_softirq;
	struct pl_usage usage;

	unsigned packet_sockets;	/* so many; without any no frame is copied */
	uint64_t capabilities;
	uint32_t uid, gid;
};

static inline bool capable(const struct pl_stack *stack, int capability)
{
	return stack->capabilities >> capability & 1;
}
static inline int64_t stack_wall_clock(const struct pl_stack *stack)
{
	return stack->wall_clock + stack->now;
}

/*
 * Look again at every call that something woke, in the order of waking. Every way into the stack (a call, a packet, a timer)
 * ends with it, as woken processes run after the softirq on Linux.
 */
void stack_settle(struct pl_stack *stack);

/*
 * Let the packets on the loopback link arrive. stack_settle does it, so only a call that sends several packets and would see
 * on Linux what the first of them led to (sendmmsg: an ICMP error, say) needs to call it in between.
 */
void stack_softirq(struct pl_stack *stack);

/*
 * The parts of a stack, in the order of making; freed in the reverse order, so that sockets (last made) go before what they
 * use. A part that does not exist yet has no row. `make` gives 0 or -ENOMEM; `free` copes with a part that was never made.
 */
struct stack_part {
	int (*make)(struct pl_stack *stack);
	void (*free)(struct pl_stack *stack);
};
extern const struct stack_part stack_parts[];	/* parts.c; ends with a row of NULLs */

/*
 * Run every call that is ready, until none is (socket/wait.c). stack_settle calls it; calls made ready meanwhile, also by calls
 * that a finished call's done() submits, are run by the same loop.
 */
void calls_run_ready(struct pl_stack *stack);

/* The parts that have no header of their own to be declared in. */
int neighbour_host_new(struct pl_stack *stack);
void neighbour_host_free(struct pl_stack *stack);
int link_host_new(struct pl_stack *stack);
void link_host_free(struct pl_stack *stack);
int fib_host_new(struct pl_stack *stack);
void fib_host_free(struct pl_stack *stack);
int ip_host_new(struct pl_stack *stack);
void ip_host_free(struct pl_stack *stack);
int icmp_host_new(struct pl_stack *stack);
void icmp_host_free(struct pl_stack *stack);
int netfilter_host_new(struct pl_stack *stack);
void netfilter_host_free(struct pl_stack *stack);
int socket_host_new(struct pl_stack *stack);
void socket_host_free(struct pl_stack *stack);	/* cancels waiting calls, then destroys every descriptor and socket, silently */
int tcp_host_new(struct pl_stack *stack);
void tcp_host_free(struct pl_stack *stack);
uint32_t tcp_cong_key(const char *name);	/* of a congestion control, for a route's metrics; 0: there is none of that name */
void tcp_reap(struct pl_stack *stack);	/* free connections that are done with: the last thing of every settling */
int udp_host_new(struct pl_stack *stack);
void udp_host_free(struct pl_stack *stack);
int raw_host_new(struct pl_stack *stack);
void raw_host_free(struct pl_stack *stack);

#endif
