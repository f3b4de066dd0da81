/*
 * Data that arrives: the receive queue, the out-of-order queue and the SACK blocks that describe it, FIN, urgent data.
 *
 * A packet in either queue has its data at the payload and its sequence numbers in tcp_control. The out-of-order queue is
 * ordered by sequence number and its packets do not cover each other whole; they may overlap. SACK blocks are kept in Linux's
 * order: the block of the segment that came last first (RFC 2018 section 4), the others pushed down as they were reported.
 * D-SACK (RFC 2883) tells the peer once of every duplicate.
 */
#include "conn.h"

#define QUICKACKS_MAX 16
#define SACKS_BEFORE_FLUSH 2	/* a segment that touches a later block means reordering worth reporting now */

/* --- SACK blocks ----------------------------------------------------------------------------------------------------------- */
static void dsack_set(struct tcp_sock *tp, uint32_t start, uint32_t end)
{
	struct pl_stack *stack = tp->sk.stack;
	if (!tp->sack_ok || !stack->sysctl.tcp_dsack)
		return;
	if (before(start, tp->rcv_nxt))
		COUNT(stack, TcpExt, TCPDSACKOldSent);
	else
		COUNT(stack, TcpExt, TCPDSACKOfoSent);
	tp->dsack_due = true;
	tp->duplicate_sack = (struct tcp_sack_block){ start, end };
}

/* Widen *block by [start, end) when they touch or overlap. */
static bool block_extend(struct tcp_sack_block *block, uint32_t start, uint32_t end)
{
	if (after(start, block->end) || after(block->start, end))
		return false;
	if (before(start, block->start))
		block->start = start;
	if (after(end, block->end))
		block->end = end;
	return true;
}

static void dsack_extend(struct tcp_sock *tp, uint32_t start, uint32_t end)
{
	if (tp->dsack_due)
		block_extend(&tp->duplicate_sack, start, end);
	else
		dsack_set(tp, start, end);
}

static void blocks_remove(struct tcp_sock *tp, unsigned at)
{
	tp->num_sacks--;
	memmove(&tp->selective_acks[at], &tp->selective_acks[at + 1], (tp->num_sacks - at) * sizeof(tp->selective_acks[0]));
}

/* The first block has grown: swallow the others that it now touches. */
static void blocks_coalesce(struct tcp_sock *tp)
{
	for (unsigned i = 1; i < tp->num_sacks;) {
		if (block_extend(&tp->selective_acks[0], tp->selective_acks[i].start, tp->selective_acks[i].end))
			blocks_remove(tp, i);
		else
			i++;
	}
}

static void blocks_to_front(struct tcp_sock *tp, unsigned at, struct tcp_sack_block block)
{
	memmove(&tp->selective_acks[1], &tp->selective_acks[0], at * sizeof(block));
	tp->selective_acks[0] = block;
}

static void blocks_add(struct tcp_sock *tp, uint32_t start, uint32_t end)
{
	unsigned i = 0;
	while (i < tp->num_sacks && !block_extend(&tp->selective_acks[i], start, end))
		i++;
	if (i >= SACKS_BEFORE_FLUSH)
		tcp_flush_compressed_ack(tp);
	if (i < tp->num_sacks) {
		blocks_to_front(tp, i, tp->selective_acks[i]);
		blocks_coalesce(tp);
		return;
	}
	if (tp->num_sacks == TCP_MAX_SACKS)
		tp->num_sacks--;
	blocks_to_front(tp, tp->num_sacks, (struct tcp_sack_block){ start, end });
	tp->num_sacks++;
}

/* Blocks that rcv_nxt has passed are told no more. */
static void blocks_prune(struct tcp_sock *tp)
{
	if (!tp->out_of_order.count) {
		tp->num_sacks = 0;
		return;
	}
	for (unsigned i = 0; i < tp->num_sacks;) {
		if (before(tp->rcv_nxt, tp->selective_acks[i].start))
			i++;
		else
			blocks_remove(tp, i);
	}
}

/* --- FIN ----------------------------------------------------------------------------------------------------------------------- */
static void out_of_order_purge(struct tcp_sock *tp)
{
	pktbuf_queue_purge(tp->sk.stack, &tp->out_of_order);
}

void tcp_fin(struct tcp_sock *tp)
{
	tcp_schedule_delack(tp);
	tp->sk.shutdown |= RCV_SHUTDOWN;
	sock_flag_set(&tp->sk, SF_DONE, true);
	switch (tp->sk.state) {
	case TCP_SYN_RECV:
	case TCP_ESTABLISHED:
		tcp_set_state(tp, TCP_CLOSE_WAIT);
		tcp_enter_pingpong(tp);
		break;
	case TCP_FIN_WAIT1:
		/* Both close at once. */
		tcp_send_ack(tp);
		tcp_set_state(tp, TCP_CLOSING);
		break;
	case TCP_FIN_WAIT2:
		tcp_send_ack(tp);
		tcp_time_wait(tp, TCP_TIME_WAIT, 0);
		break;
	default:
		break;	/* CLOSE-WAIT, CLOSING, LAST-ACK: the FIN again */
	}
	/* What lies beyond the FIN cannot be data. */
	out_of_order_purge(tp);
	tp->num_sacks = 0;
	tp->dsack_due = false;
	if (!sock_flag(&tp->sk, SF_DEAD))
		sock_wake(&tp->sk, TCP_WAKE_STATE);
}

/* --- the receive queue ------------------------------------------------------------------------------------------------------- */
/* The packet with a reference of its own, described for a queue. NULL: no memory. */
static struct pktbuf *packet_for_queue(const struct tcp_segment *segment)
{
	struct pktbuf *packet = pktbuf_hold(segment->packet);
	*tcp_cb(packet) = (struct tcp_control){ .seq = segment->seq, .end_seq = segment->end_seq, .flags = segment->flags };
	return packet;
}

static void rcv_nxt_update(struct tcp_sock *tp, uint32_t seq)
{
	tp->bytes_received += seq - tp->rcv_nxt;
	tp->rcv_nxt = seq;
}

/*
 * Linux copies a packet that fits into the room behind the one before it, and so saves its memory: the queue then has one packet
 * for both. The room is what is left of the allocation, pktbuf.tailroom. A packet that others hold too stays as it is; `at_hand`
 * is held once more by those who receive it just now. true: `from` is not needed any more.
 */
static bool coalesce(struct tcp_sock *tp, struct pktbuf *to, const struct pktbuf *from, const struct pktbuf *at_hand)
{
	uint32_t length = pktbuf_length(from);
	if (!to || tcp_cb(to)->end_seq != tcp_cb(from)->seq || length > to->tailroom || to->references > (to == at_hand ? 2 : 1))
		return false;
	if (!pktbuf_reserve(tp->sk.stack, to, length))
		return false;
	memcpy(pktbuf_put(to, length), from->data, length);
	to->tailroom -= length;
	tcp_cb(to)->end_seq = tcp_cb(from)->end_seq;
	tcp_cb(to)->flags |= tcp_cb(from)->flags;
	to->arrival = from->arrival;
	COUNT(tp->sk.stack, TcpExt, TCPRcvCoalesce);
	return true;
}

/* Takes the packet over; it is the segment's own, or one that waited for it. */
static void receive_queue_add(struct tcp_sock *tp, struct pktbuf *packet, const struct tcp_segment *segment)
{
	rcv_nxt_update(tp, tcp_cb(packet)->end_seq);
	if (coalesce(tp, tp->sk.receive_queue.last, packet, segment->packet)) {
		pktbuf_free(tp->sk.stack, packet);
		return;
	}
	pktbuf_queue_push(&tp->sk.receive_queue, packet);
	if (!packet->charge)
		sock_charge_receive(&tp->sk, packet);
}

/* The short cut: a segment that was expected, with nothing else going on and memory at hand. */
void tcp_queue_predicted(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	receive_queue_add(tp, packet_for_queue(segment), segment);
	tcp_receive_event(tp, segment);
	if (!sock_flag(&tp->sk, SF_DEAD))
		tcp_data_ready(tp);
}

/* The gap is filled: move what is in order now. */
static void out_of_order_deliver(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t told = tp->rcv_nxt;
	while (tp->out_of_order.first) {
		struct pktbuf *packet = tp->out_of_order.first;
		const struct tcp_control *control = tcp_cb(packet);
		if (after(control->seq, tp->rcv_nxt))
			break;
		if (before(control->seq, told))
			dsack_extend(tp, control->seq, before(control->end_seq, told) ? control->end_seq : told);
		pktbuf_queue_remove(&tp->out_of_order, packet);
		if (!after(control->end_seq, tp->rcv_nxt)) {
			pktbuf_free(tp->sk.stack, packet);
			tp->sk.drops++;
			continue;
		}
		bool fin = control->flags & TH_FIN;
		receive_queue_add(tp, packet, segment);
		if (fin) {
			tcp_fin(tp);	/* purges the queue */
			break;
		}
	}
}

void tcp_data_ready(struct tcp_sock *tp)
{
	if (tcp_readable(tp, tp->sk.receive_low_water) || sock_flag(&tp->sk, SF_DONE))
		sock_wake(&tp->sk, TCP_WAKE_DATA);
}

/* No memory for it. In order, an empty receive queue still takes one packet, so that the connection can go on. */
static bool in_order_refused(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (tcp_receive_memory(tp, segment))
		return false;
	tp->ack.pending |= ACK_NOMEM | ACK_NOW | ACK_SCHED;
	sock_wake(&tp->sk, TCP_WAKE_DATA);
	if (!tp->sk.receive_queue.count || !segment->length)
		return false;
	COUNT(tp->sk.stack, TcpExt, TCPRcvQDrop);
	tp->sk.drops++;
	return true;
}

/* [seq, end_seq) starts at or before rcv_nxt and reaches beyond. */
static void receive_in_order(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (in_order_refused(tp, segment))
		return;
	receive_queue_add(tp, packet_for_queue(segment), segment);
	if (segment->length)
		tcp_receive_event(tp, segment);
	if (segment->flags & TH_FIN)
		tcp_fin(tp);
	if (tp->out_of_order.count) {
		out_of_order_deliver(tp, segment);
		/* RFC 5681 4.2: a filled gap is acknowledged at once. */
		if (!tp->out_of_order.count)
			tp->ack.pending |= ACK_NOW;
	}
	if (tp->num_sacks)
		blocks_prune(tp);
	if (!sock_flag(&tp->sk, SF_DEAD))
		tcp_data_ready(tp);
}

/* --- the out-of-order queue ------------------------------------------------------------------------------------------------------ */
/* The last packet that starts at or before seq; NULL: none. */
static struct pktbuf *out_of_order_before(const struct tcp_sock *tp, uint32_t seq)
{
	struct pktbuf *packet = tp->out_of_order.last;
	while (packet && before(seq, tcp_cb(packet)->seq))
		packet = packet->prev;
	return packet;
}

static void out_of_order_drop(struct tcp_sock *tp, struct pktbuf *packet)
{
	pktbuf_queue_remove(&tp->out_of_order, packet);
	pktbuf_free(tp->sk.stack, packet);
	COUNT(tp->sk.stack, TcpExt, TCPOFOMerge);
	tp->sk.drops++;
}

/* Packets after `packet` that it covers are not needed any more; one that it covers in part stays. */
static void out_of_order_swallow(struct tcp_sock *tp, struct pktbuf *packet)
{
	uint32_t end = tcp_cb(packet)->end_seq;
	while (packet->next && after(end, tcp_cb(packet->next)->seq)) {
		struct tcp_control *next = tcp_cb(packet->next);
		if (before(end, next->end_seq)) {
			dsack_extend(tp, next->seq, end);
			return;
		}
		dsack_extend(tp, next->seq, next->end_seq);
		out_of_order_drop(tp, packet->next);
	}
}

enum insertion { INSERT_NOTHING, INSERT_COALESCED, INSERT_QUEUED };

/* Into its place, not charged yet; nothing: every byte was there already. */
static enum insertion out_of_order_insert(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct pktbuf *earlier = out_of_order_before(tp, segment->seq), *covered = NULL;
	if (earlier && before(segment->seq, tcp_cb(earlier)->end_seq)) {
		const struct tcp_control *held = tcp_cb(earlier);
		if (!after(segment->end_seq, held->end_seq)) {
			COUNT(tp->sk.stack, TcpExt, TCPOFOMerge);
			tp->sk.drops++;
			dsack_set(tp, segment->seq, segment->end_seq);
			return INSERT_NOTHING;
		}
		if (segment->seq == held->seq) {
			dsack_extend(tp, held->seq, held->end_seq);
			covered = earlier;
		} else {
			dsack_set(tp, segment->seq, held->end_seq);
		}
	}
	struct pktbuf *packet = packet_for_queue(segment);
	if (coalesce(tp, earlier, packet, NULL)) {
		pktbuf_free(tp->sk.stack, packet);
		return INSERT_COALESCED;
	}
	pktbuf_queue_insert_after(&tp->out_of_order, earlier, packet);
	if (covered)
		out_of_order_drop(tp, covered);
	out_of_order_swallow(tp, packet);
	return INSERT_QUEUED;
}

static void receive_out_of_order(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct pl_stack *stack = tp->sk.stack;
	tcp_ecn_check_ce(tp, segment);
	if (!tcp_receive_memory(tp, segment)) {
		COUNT(stack, TcpExt, TCPOFODrop);
		tp->sk.drops++;
		sock_wake(&tp->sk, TCP_WAKE_DATA);
		return;
	}
	tcp_measure_rcv_mss(tp, segment);
	tcp_schedule_delack(tp);
	tp->rcv_ooopack += segment->packet->gso_segs ? segment->packet->gso_segs : 1;
	COUNT(stack, TcpExt, TCPOFOQueue);
	bool first = !tp->out_of_order.count;
	enum insertion done = out_of_order_insert(tp, segment);
	if (tp->sack_ok) {
		if (first)
			tp->num_sacks = 0;
		blocks_add(tp, segment->seq, segment->end_seq);
		/* Without SACK the window stays as it is: a window update is no duplicate acknowledgement. */
		if (done != INSERT_NOTHING)
			tcp_grow_window(tp, segment);
	}
	/* Only now: the window grows by what was free before the packet came. */
	if (done == INSERT_QUEUED)
		sock_charge_receive(&tp->sk, segment->packet);
	if (tp->sk.has_descriptor)
		tcp_rcvbuf_grow(tp, tp->rcvq_space.space);
}

/* --- what a segment's text is ------------------------------------------------------------------------------------------------------ */
/* A segment is dropped, and its sender told at once what is known. */
static void answer_quickly(struct tcp_sock *tp)
{
	tp->sk.drops++;
	tcp_enter_quickack(tp, QUICKACKS_MAX);
	tcp_schedule_delack(tp);
}

static void zero_window_drop(struct tcp_sock *tp)
{
	COUNT(tp->sk.stack, TcpExt, TCPZeroWindowDrop);
	answer_quickly(tp);
}

void tcp_data_queue(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t window = tcp_receive_window(tp);
	if (segment->seq == segment->end_seq)
		return;
	tp->dsack_due = false;
	if (segment->seq == tp->rcv_nxt) {
		/* A bare FIN needs no room. */
		if (!window && (segment->length || !(segment->flags & TH_FIN)))
			zero_window_drop(tp);
		else
			receive_in_order(tp, segment);
	} else if (!after(segment->end_seq, tp->rcv_nxt)) {
		COUNT(tp->sk.stack, TcpExt, DelayedACKLost);
		dsack_set(tp, segment->seq, segment->end_seq);
		answer_quickly(tp);
	} else if (!before(segment->seq, tp->rcv_nxt + window)) {
		answer_quickly(tp);
	} else if (before(segment->seq, tp->rcv_nxt)) {
		dsack_set(tp, segment->seq, tp->rcv_nxt);
		if (window)
			receive_in_order(tp, segment);
		else
			zero_window_drop(tp);
	} else {
		receive_out_of_order(tp, segment);
	}
}

/* A segment that is not acceptable is answered; when it repeats what is known, quickly and with a D-SACK. */
void tcp_send_dupack(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (segment->end_seq != segment->seq && before(segment->seq, tp->rcv_nxt)) {
		COUNT(tp->sk.stack, TcpExt, DelayedACKLost);
		tcp_enter_quickack(tp, QUICKACKS_MAX);
		dsack_set(tp, segment->seq, after(segment->end_seq, tp->rcv_nxt) ? tp->rcv_nxt : segment->end_seq);
	}
	tcp_send_ack(tp);
}

/* --- urgent data (RFC 9293 3.8.5, RFC 6093) ------------------------------------------------------------------------------------------- */
/*
 * The urgent pointer of a segment. Linux takes it to point at the byte after the urgent one, and the urgent byte out of the
 * stream, unless tcp_stdurg or SO_OOBINLINE say otherwise.
 */
static void urgent_mark(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t pointer = segment->urgent;
	if (pointer && !tp->sk.stack->sysctl.tcp_stdurg)
		pointer--;
	pointer += segment->seq;
	if (after(tp->copied_seq, pointer) || before(pointer, tp->rcv_nxt))
		return;
	if (tp->urg_data && !after(pointer, tp->urg_seq))
		return;
	/* The process group is told; here, whoever waits. */
	sock_wake(&tp->sk, EPOLLPRI);
	/*
	 * An urgent byte that was not read, with nothing read since: it becomes ordinary data, and the reader that stands right
	 * before it must not stop there again.
	 */
	if (tp->urg_seq == tp->copied_seq && tp->urg_data && !sock_flag(&tp->sk, SF_URGINLINE) && tp->copied_seq != tp->rcv_nxt) {
		struct pktbuf *first = tp->sk.receive_queue.first;
		tp->copied_seq++;
		if (first && !before(tp->copied_seq, tcp_cb(first)->end_seq)) {
			pktbuf_queue_remove(&tp->sk.receive_queue, first);
			pktbuf_free(tp->sk.stack, first);
		}
	}
	tp->urg_data = TCP_URG_NOTYET;
	tp->urg_seq = pointer;
}

void tcp_urgent(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (segment->flags & TH_URG)
		urgent_mark(tp, segment);
	if (tp->urg_data != TCP_URG_NOTYET)
		return;
	uint32_t offset = tp->urg_seq - segment->seq - !!(segment->flags & TH_SYN);
	if (offset < segment->length) {
		tp->urg_data = (uint16_t)(TCP_URG_VALID | segment->packet->data[offset]);
		if (!sock_flag(&tp->sk, SF_DEAD))
			sock_wake(&tp->sk, TCP_WAKE_DATA);
	}
}
