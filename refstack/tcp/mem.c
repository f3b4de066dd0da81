/*
 * Memory: what all TCP sockets hold, against tcp_mem; and how a receive queue that holds too much is made smaller.
 *
 * Linux charges whole pages to the protocol, and a socket keeps what is left of its last page (forward_allocated) for the next
 * packet. Both queues draw on it. Pressure begins above the second value of tcp_mem and ends below the first.
 */
#include "conn.h"

#define PAGE 4096

static void check_pressure(struct pl_stack *stack)
{
	struct tcp_host *host = stack->tcp;
	if (!host->memory_pressure && host->memory > (int64_t)stack->sysctl.tcp_mem[1]) {
		host->memory_pressure = stack->now + 1;
		COUNT(stack, TcpExt, TCPMemoryPressures);
	} else if (host->memory_pressure && host->memory <= (int64_t)stack->sysctl.tcp_mem[0]) {
		pl_time since = stack->now + 1 - host->memory_pressure;
		COUNT_ADD(stack, TcpExt, TCPMemoryPressuresChrono, since / PL_NSEC_PER_MSEC);
		host->memory_pressure = 0;
	}
}

bool tcp_under_memory_pressure(const struct pl_stack *stack)
{
	return stack->tcp->memory_pressure != 0;
}

/* The queues hold more or less than when this was last called: take pages or give them back. */
void tcp_mem_update(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	int32_t more = (int32_t)(sk->receive_allocated + sk->write_queued - tp->charged), pages = 0;
	if (!more)
		return;
	tp->charged += (uint32_t)more;
	sk->forward_allocated -= more;
	if (sk->forward_allocated < 0)
		pages = (PAGE - 1 - sk->forward_allocated) / PAGE;
	else if (sk->forward_allocated >= PAGE)
		pages = -(sk->forward_allocated / PAGE);
	sk->forward_allocated += pages * PAGE;
	sk->stack->tcp->memory += pages;
	check_pressure(sk->stack);
}

void tcp_mem_release(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	sk->stack->tcp->memory -= ((int64_t)tp->charged + sk->forward_allocated) / PAGE;
	tp->charged = 0;
	sk->forward_allocated = 0;
}

/* The protocol's own limit: beyond it only a socket with very little may have more. */
static bool protocol_allows(struct tcp_sock *tp, uint32_t truesize)
{
	const struct pl_stack *stack = tp->sk.stack;
	int64_t wanted = stack->tcp->memory + (truesize + PAGE - 1) / PAGE;
	return wanted <= (int64_t)stack->sysctl.tcp_mem[2] || tp->sk.receive_allocated < (uint32_t)stack->sysctl.tcp_rmem[0];
}

/* The packet at hand may overshoot the buffer; the next one may not. */
static bool buffer_allows(const struct tcp_sock *tp)
{
	return (int64_t)tp->sk.receive_allocated <= tp->sk.receive_buffer;
}

/* --- making room -------------------------------------------------------------------------------------------------------------------- */
/* More has come than was offered: a larger buffer if that is allowed, and a small window from now on. */
static void clamp_window(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	const struct sysctls *sysctl = &sk->stack->sysctl;
	tp->ack.quick = 0;
	if (sk->receive_buffer < sysctl->tcp_rmem[2] && !sk->receive_buffer_locked && !tcp_under_memory_pressure(sk->stack) &&
	    sk->stack->tcp->memory < (int64_t)sysctl->tcp_mem[0])
		sk->receive_buffer = sk->receive_allocated < (uint32_t)sysctl->tcp_rmem[2] ? (int)sk->receive_allocated :
											       sysctl->tcp_rmem[2];
	if ((int64_t)sk->receive_allocated > sk->receive_buffer) {
		uint32_t least = 2u * tp->advmss;
		tp->rcv_ssthresh = tp->window_clamp < least ? tp->window_clamp : least;
	}
}

#define COLLAPSED_SIZE (PAGE - SKB_SHARED_INFO)	/* bytes in a packet that is made to hold several */

/* Is it worth copying: does it cost more than the window it was let in by, or overlap the next? */
static bool wasteful(const struct tcp_sock *tp, const struct pktbuf *packet, uint32_t start)
{
	const struct tcp_control *control = tcp_cb(packet);
	if (control->flags & (TH_SYN | TH_FIN))
		return false;
	if (tcp_window_from_space(tp, (int)packet->truesize) > pktbuf_length(packet) || before(control->seq, start))
		return true;
	return packet->next && control->end_seq != tcp_cb(packet->next)->seq;
}

/* Move the bytes from `seq` on of the packets from *from into `to`, until it is full or there is a gap. The next seq. */
static uint32_t refill(struct tcp_sock *tp, struct pktbuf_queue *queue, struct pktbuf *to, struct pktbuf **from, uint32_t seq)
{
	struct pl_stack *stack = tp->sk.stack;
	size_t room = COLLAPSED_SIZE;
	while (*from && room && !(tcp_cb(*from)->flags & (TH_SYN | TH_FIN)) && !after(tcp_cb(*from)->seq, seq)) {
		struct pktbuf *packet = *from, *next = packet->next;
		if (before(seq, tcp_cb(packet)->end_seq)) {
			uint32_t offset = seq - tcp_cb(packet)->seq, length = tcp_cb(packet)->end_seq - seq;
			if (length > room)
				length = (uint32_t)room;
			memcpy(pktbuf_put(to, length), packet->data + offset, length);
			seq += length;
			room -= length;
		}
		if (before(seq, tcp_cb(packet)->end_seq))
			break;
		pktbuf_queue_remove(queue, packet);
		pktbuf_free(stack, packet);
		COUNT(stack, TcpExt, TCPRcvCollapsed);
		*from = next;
	}
	tcp_cb(to)->end_seq = seq;
	return seq;
}

/* Copy what is in `queue` into packets that waste less, from the first that does. */
static void collapse(struct tcp_sock *tp, struct pktbuf_queue *queue, uint32_t start)
{
	struct pl_stack *stack = tp->sk.stack;
	struct pktbuf *from = queue->first;
	while (from && !wasteful(tp, from, start)) {
		start = tcp_cb(from)->end_seq;
		from = from->next;
	}
	while (from && !(tcp_cb(from)->flags & (TH_SYN | TH_FIN))) {
		struct pktbuf *to = pktbuf_new(stack, 0, COLLAPSED_SIZE);
		if (!to)
			return;
		if (before(start, tcp_cb(from)->seq))
			start = tcp_cb(from)->seq;
		*tcp_cb(to) = (struct tcp_control){ .seq = start, .end_seq = start, .flags = TH_ACK };
		to->arrival = from->arrival;
		struct pktbuf *place = from->prev;
		start = refill(tp, queue, to, &from, start);
		to->truesize = truesize_linear(pktbuf_length(to));
		pktbuf_queue_insert_after(queue, place, to);
		sock_charge_receive(&tp->sk, to);
	}
}

/* Out-of-order packets may be thrown away, the furthest first, until there is room with something to spare. */
static bool prune_out_of_order(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct pl_stack *stack = tp->sk.stack;
	int64_t goal = tp->sk.receive_buffer >> 3;
	bool pruned = false;
	if (!tp->out_of_order.count)
		return false;
	COUNT(stack, TcpExt, OfoPruned);
	while (tp->out_of_order.last) {
		struct pktbuf *packet = tp->out_of_order.last;
		/* What lies before the newcomer is worth more than it. */
		if (after(segment->seq, tcp_cb(packet)->seq))
			break;
		goal -= packet->truesize;
		tp->sk.drops++;
		pktbuf_queue_remove(&tp->out_of_order, packet);
		pktbuf_free(stack, packet);
		pruned = true;
		if (goal <= 0 && buffer_allows(tp) && !tcp_under_memory_pressure(stack))
			break;
		if (goal <= 0)
			goal = tp->sk.receive_buffer >> 3;
	}
	/* RFC 2018 section 8: SACKed data was dropped; what is told of it now is nothing. */
	if (pruned && tp->sack_ok)
		tp->num_sacks = 0;
	tp->dsack_due = pruned && tp->sack_ok ? false : tp->dsack_due;
	return pruned;
}

static bool prune(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct pl_stack *stack = tp->sk.stack;
	if (!tp->sk.receive_allocated)
		return false;
	COUNT(stack, TcpExt, PruneCalled);
	if (!buffer_allows(tp))
		clamp_window(tp);
	else if (tcp_under_memory_pressure(stack))
		tcp_adjust_rcv_ssthresh(tp);
	if (buffer_allows(tp))
		return true;
	collapse(tp, &tp->out_of_order, tp->out_of_order.first ? tcp_cb(tp->out_of_order.first)->seq : 0);
	collapse(tp, &tp->sk.receive_queue, tp->copied_seq);
	if (buffer_allows(tp))
		return true;
	prune_out_of_order(tp, segment);
	if (buffer_allows(tp))
		return true;
	COUNT(stack, TcpExt, RcvPruned);
	return false;
}

/* May the segment's packet be queued? Everything is done to make it so (tcp_try_rmem_schedule). */
bool tcp_receive_memory(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t truesize = segment->packet->truesize;
	if (buffer_allows(tp) && protocol_allows(tp, truesize))
		return true;
	if (!prune(tp, segment))
		return false;
	while (!protocol_allows(tp, truesize))
		if (!prune_out_of_order(tp, segment))
			return false;
	return true;
}
