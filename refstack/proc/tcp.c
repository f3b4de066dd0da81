/* /proc/net/tcp: listeners, connections, those being set up, those at rest. */
#include <inttypes.h>

#include "../tcp/conn.h"
#include "../socket/file.h"
#include "sockets.h"

#define WIDTH 149
#define USER_HZ 100

/* From now to then in the ticks that user space is told of. */
static unsigned long ticks_until(const struct pl_stack *stack, pl_time then)
{
	return then > stack->now ? (unsigned long)((then - stack->now) / (PL_NSEC_PER_SEC / USER_HZ)) : 0;
}

static unsigned long jiffies_as_ticks(const struct pl_stack *stack, int64_t jiffies)
{
	return jiffies > 0 ? (unsigned long)(jiffies * USER_HZ / stack->machine.hz) : 0;
}

/* Which timer the tr column tells of: 1 retransmission and its kin, 2 keepalive, 4 zero-window probe. */
static int running_timer(const struct tcp_sock *tp, pl_time *when)
{
	if (timer_armed(&tp->retransmit_timer)) {
		*when = tp->retransmit_timer.deadline;
		return tp->pending == ICSK_TIME_PROBE0 ? 4 : 1;
	}
	if (timer_armed(&tp->keepalive_timer)) {
		*when = tp->keepalive_timer.deadline;
		return 2;
	}
	*when = tp->sk.stack->now;
	return 0;
}

static void write_socket(struct pl_stack *stack, FILE *to, unsigned line, const struct tcp_sock *tp)
{
	const struct sock *sk = &tp->sk;
	bool listens = sk->state == TCP_LISTEN;
	uint32_t unread = listens ? tp->accept_queue : tp->rcv_nxt - tp->copied_seq;
	pl_time when;
	int timer = running_timer(tp, &when);
	/* Of a listener, each handshake under way and each connection that waits to be accepted holds one. */
	int references = 1 + (int)(listens ? tp->request_count + tp->accept_queue : 0) + timer_armed(&tp->retransmit_timer) + timer_armed(&tp->keepalive_timer) + timer_armed(&tp->delack_timer);

	proc_line(to, WIDTH,
		  "%4u: %08X:%04X %08X:%04X %02X %08X:%08X %02X:%08lX %08X %5u %8d %u %d %016llx %lu %lu %u %u %d", line,
		  sk->local.s_addr, sk->port, sk->remote.s_addr, sk->remote_port, sk->state, tp->write_seq - tp->snd_una,
		  (int32_t)unread > 0 ? unread : 0, timer, ticks_until(stack, when), tp->retransmits, sk->uid, tp->probes_out,
		  sk->has_descriptor ? sk->inode : 0, references, proc_pointer(sk->inode), jiffies_as_ticks(stack, tp->rto),
		  jiffies_as_ticks(stack, tp->ack.ato), (unsigned)(tp->ack.quick << 1 | tcp_in_pingpong(tp)), tp->snd_cwnd,
		  listens ? (int)tp->fastopenq.max_qlen : tp->snd_ssthresh >= TCP_INFINITE_SSTHRESH ? -1 : (int)tp->snd_ssthresh);
}

/* A handshake under way: the listener's user, no descriptor, and the timer of the SYN-ACK. */
static void write_request(struct pl_stack *stack, FILE *to, unsigned line, const struct tcp_request *request)
{
	const struct tcp_entry *entry = &request->entry;

	proc_line(to, WIDTH, "%4u: %08X:%04X %08X:%04X %02X %08X:%08X %02X:%08lX %08X %5u %8d %u %d %016llx", line, entry->local.s_addr,
		  entry->port, entry->remote.s_addr, entry->remote_port, TCP_SYN_RECV, 0, 0, 1, ticks_until(stack, request->timer.deadline),
		  request->num_timeout, request->listener->sk.uid, 0, 0, 0, proc_pointer(request->snt_isn));
}

static void write_timewait(struct pl_stack *stack, FILE *to, unsigned line, const struct tcp_timewait *tw)
{
	const struct tcp_entry *entry = &tw->entry;

	proc_line(to, WIDTH, "%4u: %08X:%04X %08X:%04X %02X %08X:%08X %02X:%08lX %08X %5d %8d %d %d %016llx", line, entry->local.s_addr,
		  entry->port, entry->remote.s_addr, entry->remote_port, tw->substate, 0, 0, 3, ticks_until(stack, tw->timer.deadline), 0, 0,
		  0, 0, 3, proc_pointer(tw->snd_nxt));
}

/* What is in the table of connections and is no socket. */
static void write_others(struct pl_stack *stack, FILE *to, unsigned line)
{
	const struct tcp_host *host = stack->tcp;

	for (size_t i = 0; host && i < host->entry_buckets; i++)
		for (const struct tcp_entry *entry = host->entries[i]; entry; entry = entry->next)
			if (entry->kind == TCP_ENTRY_REQUEST)
				write_request(stack, to, line++, (const struct tcp_request *)entry);
			else if (entry->kind == TCP_ENTRY_TIMEWAIT)
				write_timewait(stack, to, line++, (const struct tcp_timewait *)entry);
}

void proc_tcp(struct pl_stack *stack, FILE *to)
{
	unsigned line = 0;

	proc_line(to, WIDTH, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode");
	for (int listeners = 1; listeners >= 0; listeners--)
		for (struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
			if (sk->proto->type == SOCK_STREAM && sk->state != TCP_CLOSE && (sk->state == TCP_LISTEN) == listeners)
				write_socket(stack, to, line++, tcp_sk(sk));
	write_others(stack, to, line);
}

void proc_tcp_summary(struct pl_stack *stack, FILE *to)
{
	const struct tcp_host *host = stack->tcp;
	unsigned in_use = 0, allocated = 0;

	for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
		if (sk->proto->type == SOCK_STREAM) {
			allocated++;
			in_use += sk->state != TCP_CLOSE;
		}
	fprintf(to, "TCP: inuse %u orphan %u tw %u alloc %u mem %" PRId64 "\n", in_use, host ? host->orphans : 0,
		host ? host->timewaits : 0, allocated, host ? host->memory : 0);
}
