/*
 * Buffers of the two send queues: making, splitting, merging, freeing, and the counts and the memory that go with them.
 *
 * Memory. sk->write_queued (the kernel's sk_wmem_queued) is the sum of the truesizes of all buffers in both queues. A buffer
 * costs a fixed part and one byte a byte of payload, so splitting one adds the fixed part and merging two frees it.
 *
 * pktbuf_queue.bytes is not kept for these queues: their buffers change length while queued.
 */
#include "send.h"

/* Charge or give back memory of the write side. */
void tcp_wmem_add(struct tcp_sock *tp, int32_t truesize)
{
	tp->sk.write_queued += (uint32_t)truesize;
	tcp_mem_update(tp);
}

struct pktbuf *tcp_stream_alloc(struct tcp_sock *tp, size_t size)
{
	struct pktbuf *packet = pktbuf_new(tp->sk.stack, 0, size);

	if (packet) {
		memset(packet->control, 0, sizeof(packet->control));
		packet->truesize = truesize_tcp_data(0);
	}
	return packet;
}

/* A segment without payload: SYN and FIN take one sequence number each. NULL: no memory. */
struct pktbuf *tcp_nondata(struct tcp_sock *tp, uint32_t seq, uint16_t flags)
{
	struct pktbuf *packet = tcp_stream_alloc(tp, 0);

	if (!packet)
		return NULL;
	*tcp_cb(packet) = (struct tcp_control){
		.seq = seq,
		.end_seq = seq + !!(flags & (TH_SYN | TH_FIN)),
		.flags = flags,
		.segments = 1,
	};
	return packet;
}

/*
 * Put a new buffer (empty, or with bytes already) at the end of the write queue and charge it. Its sequence numbers start at
 * write_seq; whoever fills it moves end_seq and write_seq.
 */
void tcp_queue_entail(struct tcp_sock *tp, struct pktbuf *packet)
{
	struct tcp_control *cb = tcp_cb(packet);

	cb->seq = cb->end_seq = tp->write_seq;
	cb->flags = TH_ACK;
	if (!tp->write_queue.first)
		tcp_chrono_start(tp, CHRONO_BUSY);
	pktbuf_queue_push(&tp->write_queue, packet);
	tcp_wmem_add(tp, (int32_t)packet->truesize);
	tp->nonagle &= (uint8_t)~TCP_NAGLE_PUSH;
	tcp_cwnd_after_idle(tp);
}

/* Take a buffer off `queue` (NULL: it is on none) and free it with what it holds and costs. */
void tcp_send_buffer_free(struct tcp_sock *tp, struct pktbuf_queue *queue, struct pktbuf *packet)
{
	if (queue)
		pktbuf_queue_remove(queue, packet);
	if (tcp_cb(packet)->zerocopy)
		tcp_zerocopy_release(tp, tcp_cb(packet)->zerocopy);
	tcp_wmem_add(tp, -(int32_t)packet->truesize);
	pktbuf_free(tp->sk.stack, packet);
}

/* Throw both queues away, with the counts of what was in flight (tcp_write_queue_purge). */
void tcp_write_queue_purge(struct tcp_sock *tp)
{
	tcp_chrono_stop(tp, CHRONO_BUSY);
	while (tp->write_queue.first)
		tcp_send_buffer_free(tp, &tp->write_queue, tp->write_queue.first);
	while (tp->retransmit_queue.first)
		tcp_send_buffer_free(tp, &tp->retransmit_queue, tp->retransmit_queue.first);
	tcp_forget_hints(tp);
	tp->highest_sack = NULL;
	tp->packets_out = 0;
	tp->backoff = 0;
}

/* How many packets of at most `mss` bytes the buffer is on the wire. */
void tcp_set_segments(struct pktbuf *packet, uint32_t mss)
{
	struct tcp_control *cb = tcp_cb(packet);
	uint32_t length = pktbuf_length(packet);

	cb->segments = length <= mss ? 1 : (length + mss - 1) / mss;
	cb->gso_size = length <= mss ? 0 : mss;
}

/* `fewer` packets less than were counted are in this sent buffer, by its tags (negative: more). */
void tcp_adjust_counts(struct tcp_sock *tp, const struct pktbuf *packet, int64_t fewer)
{
	uint8_t sacked = tcp_cb(packet)->sacked;
	uint32_t less = (uint32_t)fewer;

	tp->packets_out -= less;
	if (sacked & TCPCB_SACKED_ACKED)
		tp->sacked_out -= less;
	if (sacked & TCPCB_SACKED_RETRANS)
		tp->retrans_out -= less;
	if (sacked & TCPCB_LOST)
		tp->lost_out -= less;
	if (tcp_is_reno(tp) && fewer > 0)	/* duplicates are counted, not placed: keep them within what is out */
		tp->sacked_out -= less < tp->sacked_out ? less : tp->sacked_out;
}

void tcp_highest_sack_replace(struct tcp_sock *tp, const struct pktbuf *old, struct pktbuf *replacement)
{
	if (old == tp->highest_sack)
		tp->highest_sack = replacement;
}

/* The time stamp wanted is that of one byte: it stays with the part that has it. */
static void split_stamps(struct pktbuf *first, struct pktbuf *second)
{
	struct tcp_control *a = tcp_cb(first), *b = tcp_cb(second);

	if ((!a->tx_flags && !a->txstamp_ack) || before(a->timestamp_key, b->seq))
		return;
	b->tx_flags = a->tx_flags;
	b->timestamp_key = a->timestamp_key;
	b->txstamp_ack = a->txstamp_ack;
	a->tx_flags = 0;
	a->txstamp_ack = false;
}

void tcp_merge_stamps(struct pktbuf *to, const struct pktbuf *from)
{
	struct tcp_control *a = tcp_cb(to);
	const struct tcp_control *b = tcp_cb(from);

	if (!b->tx_flags && !b->txstamp_ack)
		return;
	a->tx_flags |= b->tx_flags;
	a->timestamp_key = b->timestamp_key;
	a->txstamp_ack |= b->txstamp_ack;
}

/* Linux refuses to split when a peer's SACKs have already made it pay for far more than the buffer's limit (CVE-2019-11478). */
static bool split_too_costly(const struct tcp_sock *tp, const struct pktbuf_queue *queue, const struct pktbuf *packet)
{
	int64_t limit = (int64_t)tp->sk.send_buffer + 2 * (int64_t)truesize_linear(TCP_LEGACY_GSO_MAX);

	return tp->sk.write_queued / 2 > limit && queue == &tp->retransmit_queue && packet != queue->first && packet != queue->last;
}

/*
 * Split a queued buffer: it keeps `length` bytes, a new one behind it has the rest. Packets are counted anew at `mss`. 0 or
 * -ENOMEM. What was sent keeps its tags and its stamps in both parts.
 */
int tcp_split(struct tcp_sock *tp, struct pktbuf_queue *queue, struct pktbuf *packet, uint32_t length, uint32_t mss)
{
	struct tcp_control *cb = tcp_cb(packet);
	uint32_t rest = pktbuf_length(packet) - length;

	if (split_too_costly(tp, queue, packet)) {
		COUNT(tp->sk.stack, TcpExt, TCPWqueueTooBig);
		return -ENOMEM;
	}
	struct pktbuf *second = tcp_stream_alloc(tp, rest);
	if (!second)
		return -ENOMEM;
	memcpy(pktbuf_put(second, rest), packet->data + length, rest);
	pktbuf_trim(packet, length);
	tcp_wmem_add(tp, (int32_t)second->truesize);
	second->truesize += rest;
	packet->truesize -= rest;

	struct tcp_control *tail = tcp_cb(second);
	uint32_t before_split = cb->segments;
	*tail = *cb;
	if (tail->zerocopy)
		tcp_zerocopy_hold(tail->zerocopy);
	tail->tx_flags = 0;
	tail->txstamp_ack = false;
	tail->seq = cb->end_seq = cb->seq + length;
	cb->flags &= (uint16_t)~(TH_FIN | TH_PSH);
	cb->eor = false;
	split_stamps(packet, second);
	tcp_set_segments(packet, mss);
	tcp_set_segments(second, mss);
	if (!before(tp->snd_nxt, tail->end_seq) && queue == &tp->retransmit_queue)
		tcp_adjust_counts(tp, packet, (int64_t)before_split - cb->segments - tail->segments);
	pktbuf_queue_insert_after(queue, packet, second);
	return 0;
}

/* The first `length` bytes of a sent buffer were acknowledged: drop them. */
void tcp_trim_acked(struct tcp_sock *tp, struct pktbuf *packet, uint32_t length)
{
	struct tcp_control *cb = tcp_cb(packet);

	pktbuf_pull(packet, length);
	cb->seq += length;
	packet->truesize -= length;
	tcp_wmem_add(tp, -(int32_t)length);
	if (cb->segments > 1)
		tcp_set_segments(packet, cb->gso_size);
}

/* May the bytes of `from` join those of `to`, the buffer before it? Not across MSG_EOR, nor user pages with copied bytes. */
bool tcp_may_merge(const struct pktbuf *to, const struct pktbuf *from)
{
	return !tcp_cb(to)->eor && !tcp_cb(to)->zerocopy == !tcp_cb(from)->zerocopy;
}

/*
 * Move the first `length` bytes of `from` to the end of `to`; sequence numbers, flags and counts are the caller's. false: no
 * memory, or the bytes are user pages, which cannot be moved.
 */
bool tcp_move_bytes(struct tcp_sock *tp, struct pktbuf *to, struct pktbuf *from, uint32_t length)
{
	if (tcp_cb(to)->zerocopy || tcp_cb(from)->zerocopy || !pktbuf_reserve(tp->sk.stack, to, length))
		return false;
	memcpy(pktbuf_put(to, length), from->data, length);
	pktbuf_pull(from, length);
	to->truesize += length;
	from->truesize -= length;
	return true;
}
