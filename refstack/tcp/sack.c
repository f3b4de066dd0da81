/*
 * The scoreboard: what the peer's SACK and D-SACK blocks (RFC 2018, RFC 2883) say about the packets in flight.
 *
 * Each buffer of the retransmit queue carries its own tags, so a block that ends inside a large segment splits it, at a packet
 * boundary. Neighbours that are SACKed are merged again, as the kernel does to keep its queue short; packets keep their sizes
 * in that (gso_size), and what can be seen of it are the counters TCPSackShifted, TCPSackMerged and TCPSackShiftFallback.
 *
 * A never retransmitted packet that is delivered although a later one had been SACKed shows reordering. How far it was
 * overtaken, in packets, becomes tp->reordering, the number of duplicates that are taken for reordering and not for loss.
 */
#include "send.h"

/* Reordering was seen down to low_seq: more tolerance from now on. */
void tcp_check_sack_reordering(struct tcp_sock *tp, uint32_t low_seq, bool by_timestamp)
{
	uint32_t highest = tcp_highest_sack_seq(tp), mss = tp->mss_cache;

	if (!before(low_seq, highest))
		return;
	uint32_t distance = highest - low_seq;
	if (mss && distance > tp->reordering * mss) {
		uint32_t packets = (distance + mss - 1) / mss, most = (uint32_t)tcp_sysctl(tp)->tcp_max_reordering;

		tp->reordering = packets < most ? packets : most;
	}
	tp->reord_seen++;
	if (by_timestamp)
		COUNT(tp->sk.stack, TcpExt, TCPTSReorder);
	else
		COUNT(tp->sk.stack, TcpExt, TCPSACKReorder);
}

/* --- which blocks to believe ------------------------------------------------------------------------------------------------ */

/*
 * A block has to lie in what is outstanding; a D-SACK may lie below snd_una, but not below what could have been retransmitted
 * needlessly since undo_marker, give or take the largest window.
 */
static bool block_is_valid(const struct tcp_sock *tp, bool duplicate, const struct tcp_sack_block *block)
{
	uint32_t start = block->start, end = block->end;

	if (after(end, tp->snd_nxt) || !before(start, end) || !before(start, tp->snd_nxt))
		return false;
	if (after(start, tp->snd_una))
		return true;
	if (!duplicate || !tp->undo_marker || after(end, tp->snd_una))
		return false;
	if (!before(start, tp->undo_marker))
		return true;
	return after(end, tp->undo_marker) && !before(start, end - tp->max_window);
}

static void count_bad_block(struct tcp_sock *tp, bool duplicate)
{
	if (!duplicate)
		COUNT(tp->sk.stack, TcpExt, TCPSACKDiscard);
	else if (!tp->undo_marker)
		COUNT(tp->sk.stack, TcpExt, TCPDSACKIgnoredNoUndo);
	else
		COUNT(tp->sk.stack, TcpExt, TCPDSACKIgnoredOld);
}

/* A D-SACK came for [start, end): how many packets that is; 0: it cannot be true of anything that was sent again. */
static uint32_t duplicate_packets(struct tcp_sock *tp, const struct tcp_sack_block *block, struct sack_result *result)
{
	uint32_t length = block->end - block->start, packets = 1;

	if (!before(block->start, block->end) || length > tp->max_window)
		return 0;
	if (length > tp->mss_cache)
		packets = (length + tp->mss_cache - 1) / tp->mss_cache;
	else if (tp->tlp_high_seq && tp->tlp_high_seq == block->end)
		result->flag |= FLAG_DSACK_TLP;
	tp->dsack_dups += packets;
	if (tp->dsack_dups > tp->total_retrans)
		return 0;
	tp->dsack_seen = true;
	/* RACK was too quick, unless it was a loss probe that caused this, or the path does not reorder at all. */
	if (tp->reord_seen && !(result->flag & FLAG_DSACK_TLP))
		tp->rack.dsack_seen = true;
	result->flag |= FLAG_DSACKING_ACK;
	result->delivered += packets;
	return packets;
}

/* Is the first block a D-SACK: below the acknowledgement, or inside the second block (RFC 2883 section 4)? */
static bool check_duplicate(struct tcp_sock *tp, const struct tcp_segment *segment, uint32_t prior_una, struct sack_result *result)
{
	const struct tcp_sack_block *first = &segment->option.sack[0], *second = &segment->option.sack[1];

	if (before(first->start, segment->ack)) {
		COUNT(tp->sk.stack, TcpExt, TCPDSACKRecv);
	} else if (segment->option.sacks > 1 && !after(first->end, second->end) && !before(first->start, second->start)) {
		COUNT(tp->sk.stack, TcpExt, TCPDSACKOfoRecv);
	} else {
		return false;
	}
	uint32_t packets = duplicate_packets(tp, first, result);
	if (!packets) {
		COUNT(tp->sk.stack, TcpExt, TCPDSACKIgnoredDubious);
		return false;
	}
	COUNT_ADD(tp->sk.stack, TcpExt, TCPDSACKRecvSegs, packets);
	/* About data long gone from the queue: no tag is left to be cleared, so count it here. */
	if (tp->undo_marker && tp->undo_retrans > 0 && !after(first->end, prior_una) && after(first->end, tp->undo_marker))
		tp->undo_retrans = tp->undo_retrans > (int32_t)packets ? tp->undo_retrans - (int32_t)packets : 0;
	return true;
}

/* --- tags -------------------------------------------------------------------------------------------------------------------------- */

/*
 * The range [start, end) of `packet`, `segments` packets of it, is covered by a block. Updates the counts and returns the
 * buffer's new tags, which the caller sets.
 */
uint8_t tcp_sack_tag(struct tcp_sock *tp, struct sack_result *result, struct pktbuf *packet, uint32_t start, uint32_t end,
		     bool duplicate, uint32_t segments)
{
	uint8_t sacked = tcp_cb(packet)->sacked;
	uint64_t sent_us = tcp_sent_us(packet);

	if (duplicate && (sacked & TCPCB_RETRANS)) {
		if (tp->undo_marker && tp->undo_retrans > 0 && after(end, tp->undo_marker))
			tp->undo_retrans = tp->undo_retrans > (int32_t)segments ? tp->undo_retrans - (int32_t)segments : 0;
		if ((sacked & TCPCB_SACKED_ACKED) && before(start, result->reordered_from))
			result->reordered_from = start;
	}
	if (!after(end, tp->snd_una))
		return sacked;	/* this acknowledgement is about to remove it */
	if (!(sacked & TCPCB_SACKED_ACKED)) {
		tcp_rack_advance(tp, sacked, end, sent_us);
		if (!(sacked & TCPCB_RETRANS)) {
			if (before(start, tcp_highest_sack_seq(tp)) && before(start, result->reordered_from))
				result->reordered_from = start;
			if (!after(end, tp->high_seq))
				result->flag |= FLAG_ORIG_SACK_ACKED;
			if (!result->first_sent_us)
				result->first_sent_us = sent_us;
			result->last_sent_us = sent_us;
		}
		if (sacked & TCPCB_LOST) {
			tp->lost_out -= segments;
			if (sacked & TCPCB_SACKED_RETRANS)
				tp->retrans_out -= segments;
			sacked &= (uint8_t)~(TCPCB_LOST | TCPCB_SACKED_RETRANS);
		}	/* else a retransmission, if there is one, is still in flight */
		sacked |= TCPCB_SACKED_ACKED;
		result->flag |= FLAG_DATA_SACKED;
		tp->sacked_out += segments;
		result->delivered += segments;
	}
	if (duplicate && (sacked & TCPCB_SACKED_RETRANS)) {
		sacked &= (uint8_t)~TCPCB_SACKED_RETRANS;
		tp->retrans_out -= segments;
	}
	return sacked;
}

static void tag_whole(struct tcp_sock *tp, struct sack_result *result, struct pktbuf *packet, bool duplicate)
{
	struct tcp_control *cb = tcp_cb(packet);

	cb->sacked = tcp_sack_tag(tp, result, packet, cb->seq, cb->end_seq, duplicate, cb->segments);
	tcp_rate_delivered(tp, packet, result->rate);
	if (!(cb->sacked & TCPCB_SACKED_ACKED))
		return;
	cb->rack_watched = false;
	if (!before(cb->seq, tcp_highest_sack_seq(tp)))
		tp->highest_sack = packet->next;
}

enum cover { COVER_ERROR = -1, COVER_NO, COVER_WHOLE };

/*
 * Is the buffer wholly within [start, end)? A large segment that is covered in part is split so that it is, or is not: at a
 * packet boundary, in favour of "not received".
 */
static enum cover cover(struct tcp_sock *tp, struct pktbuf *packet, uint32_t start, uint32_t end)
{
	struct tcp_control *cb = tcp_cb(packet);
	bool from_start = !after(start, cb->seq);

	if (from_start && !before(end, cb->end_seq))
		return COVER_WHOLE;
	if (cb->segments <= 1 || !after(cb->end_seq, start))
		return COVER_NO;
	uint32_t mss = cb->gso_size, length = from_start ? end - cb->seq : start - cb->seq;
	if (length < mss) {
		if (from_start)
			return COVER_ERROR;	/* less than its first packet */
		length = mss;
	}
	uint32_t whole = length / mss * mss;
	if (!from_start && whole < length)
		whole += mss;
	if (whole >= pktbuf_length(packet) && !from_start)
		return COVER_NO;
	if (whole < pktbuf_length(packet) && tcp_split(tp, &tp->retransmit_queue, packet, whole, mss))
		return COVER_ERROR;
	return from_start ? COVER_WHOLE : COVER_NO;
}

/* --- merging SACKed neighbours ----------------------------------------------------------------------------------------------- */

static uint32_t packet_size(const struct pktbuf *packet)
{
	return tcp_cb(packet)->segments == 1 ? pktbuf_length(packet) : tcp_cb(packet)->gso_size;
}

/* `packet` was emptied into `to`. */
static void absorb_rest(struct tcp_sock *tp, struct pktbuf *to, struct pktbuf *packet)
{
	struct tcp_control *into = tcp_cb(to), *cb = tcp_cb(packet);

	if (tp->retransmit_hint == packet)
		tp->retransmit_hint = to;
	into->flags |= cb->flags;
	into->eor = cb->eor;
	if (cb->flags & TH_FIN)
		into->end_seq++;
	if (tp->highest_sack == packet)
		tp->highest_sack = packet->next;
	tcp_merge_stamps(to, packet);
	into->delivered_us = 0;
	tcp_send_buffer_free(tp, &tp->retransmit_queue, packet);
	COUNT(tp->sk.stack, TcpExt, TCPSackMerged);
}

/* Tag `length` bytes, `segments` packets, at the start of `packet` and move them to the SACKed buffer before it. */
static bool shift(struct tcp_sock *tp, struct pktbuf *packet, struct sack_result *result, uint32_t length, uint32_t segments,
		  uint32_t mss, bool duplicate, bool *emptied)
{
	struct pktbuf *to = packet->prev;
	struct tcp_control *cb = tcp_cb(packet), *into = tcp_cb(to);

	if (!tcp_move_bytes(tp, to, packet, length))
		return false;
	tcp_sack_tag(tp, result, packet, cb->seq, cb->seq + length, duplicate, segments);
	tcp_rate_delivered(tp, packet, result->rate);
	into->end_seq += length;
	cb->seq += length;
	into->segments += segments;
	cb->segments -= segments;
	if (!into->gso_size)
		into->gso_size = mss;
	if (cb->segments <= 1)
		cb->gso_size = 0;
	into->sacked |= cb->sacked & TCPCB_EVER_RETRANS;
	*emptied = pktbuf_length(packet) == 0;
	if (*emptied)
		absorb_rest(tp, to, packet);
	else
		COUNT(tp->sk.stack, TcpExt, TCPSackShifted);
	return true;
}

/* May the part of `packet` that lies in the block join the buffer before it? */
static bool shift_allowed(const struct tcp_sock *tp, const struct pktbuf *packet, bool duplicate)
{
	uint8_t sacked = tcp_cb(packet)->sacked;

	if (!duplicate && (sacked & (TCPCB_LOST | TCPCB_SACKED_RETRANS)) == TCPCB_SACKED_RETRANS)
		return false;	/* its retransmission stays in flight, its neighbour has none */
	return pktbuf_length(packet) > 0 && after(tcp_cb(packet)->end_seq, tp->snd_una) && packet->prev &&
	       (tcp_cb(packet->prev)->sacked & TCPCB_TAGS) == TCPCB_SACKED_ACKED && tcp_may_merge(packet->prev, packet);
}

/*
 * Try to merge what the block covers of `packet` into the SACKed buffer before it. The buffer to go on from; `packet` itself:
 * the block covers no whole packet of it; NULL: it has to be tagged where it is.
 */
static struct pktbuf *shift_into_previous(struct tcp_sock *tp, struct pktbuf *packet, struct sack_result *result,
					  const struct tcp_sack_block *block, bool duplicate)
{
	struct tcp_control *cb = tcp_cb(packet);
	uint32_t length = pktbuf_length(packet), segments = cb->segments, mss = packet_size(packet);
	bool emptied;

	if (!shift_allowed(tp, packet, duplicate))
		goto fallback;
	if (after(block->start, cb->seq) || before(block->end, cb->end_seq)) {
		if (!after(cb->end_seq, block->start) || segments <= 1)
			return packet;
		if (after(block->start, cb->seq))
			goto fallback;
		segments = (block->end - cb->seq) / mss;
		length = segments * mss;
	}
	if (mss != packet_size(packet->prev))
		goto fallback;
	if (segments == 0)
		return packet;
	if (!after(cb->seq + length, tp->snd_una))
		goto fallback;
	struct pktbuf *to = packet->prev;
	if (!shift(tp, packet, result, length, segments, mss, duplicate, &emptied))
		goto fallback;
	/* The hole was filled: what follows may be SACKed already. */
	struct pktbuf *next = to->next;
	if (emptied && next && pktbuf_length(next) && (tcp_cb(next)->sacked & TCPCB_TAGS) == TCPCB_SACKED_ACKED &&
	    mss == packet_size(next) && tcp_may_merge(to, next))
		shift(tp, next, result, pktbuf_length(next), tcp_cb(next)->segments, mss, false, &emptied);
	return to;
fallback:
	COUNT(tp->sk.stack, TcpExt, TCPSackShiftFallback);
	return NULL;
}

/* --- one acknowledgement ------------------------------------------------------------------------------------------------------- */

/*
 * Tag what `block` covers, from `packet` on. The D-SACK block, when it comes next, is looked at on the way, because a buffer
 * may be covered by both. The buffer to go on from for the next block.
 */
static struct pktbuf *tag_block(struct tcp_sock *tp, struct pktbuf *packet, struct sack_result *result,
				const struct tcp_sack_block *block, bool duplicate, const struct tcp_sack_block *next_duplicate)
{
	bool both = duplicate;

	for (; packet && before(tcp_cb(packet)->seq, block->end); packet = packet->next) {
		enum cover covered = COVER_NO;

		both = duplicate;
		if (next_duplicate && before(tcp_cb(packet)->seq, next_duplicate->end)) {
			covered = cover(tp, packet, next_duplicate->start, next_duplicate->end);
			if (covered == COVER_WHOLE)
				both = true;
		}
		if (covered != COVER_WHOLE) {
			struct pktbuf *merged = shift_into_previous(tp, packet, result, block, both);

			if (merged && merged != packet) {
				packet = merged;
				continue;
			}
			covered = merged ? COVER_NO : cover(tp, packet, block->start, block->end);
		}
		if (covered == COVER_ERROR)
			break;
		if (covered == COVER_WHOLE)
			tag_whole(tp, result, packet, both);
	}
	return packet;
}

struct block_list {
	struct tcp_sack_block block[TCP_MAX_SACKS];
	unsigned count;
	int first;	/* where the first block of the option is now; -1: it was not used */
};

/* The blocks worth a look, by ascending start, so that one walk of the queue is enough. */
static struct block_list usable_blocks(struct tcp_sock *tp, const struct tcp_segment *segment, uint32_t prior_una, bool duplicate)
{
	struct block_list list = { .first = -1 };

	for (unsigned i = 0; i < segment->option.sacks; i++) {
		const struct tcp_sack_block *block = &segment->option.sack[i];
		bool is_duplicate = i == 0 && duplicate;

		if (!block_is_valid(tp, is_duplicate, block)) {
			/* An acknowledgement that was overtaken may speak of what is acknowledged by now: no fault. */
			if (is_duplicate || segment->ack == tp->snd_una || after(block->end, tp->snd_una))
				count_bad_block(tp, is_duplicate);
			continue;
		}
		if (!after(block->end, prior_una))
			continue;
		unsigned at = list.count++;
		for (; at > 0 && after(list.block[at - 1].start, block->start); at--) {
			list.block[at] = list.block[at - 1];
			if (list.first == (int)at - 1)
				list.first = (int)at;
		}
		list.block[at] = *block;
		if (i == 0)
			list.first = (int)at;
	}
	return list;
}

/* The walk through the queue that one acknowledgement's blocks need. */
struct walk {
	struct tcp_sock *tp;
	struct sack_result *result;
	struct pktbuf *packet;			/* where it has come to; NULL: nowhere */
	const struct tcp_sack_block *known;	/* the next block of the last acknowledgement, end_known: no more */
	const struct tcp_sack_block *end_known;
};

/* Go to the buffer that holds `seq`, unless the walk is beyond it already. */
static void skip_to(struct walk *walk, uint32_t seq)
{
	if (walk->packet && after(tcp_cb(walk->packet)->seq, seq))
		return;
	for (walk->packet = tcp_rtx_head(walk->tp); walk->packet; walk->packet = walk->packet->next)
		if (!before(seq, tcp_cb(walk->packet)->seq) && before(seq, tcp_cb(walk->packet)->end_seq))
			return;
}

static void tag_range(struct walk *walk, uint32_t start, uint32_t end, bool duplicate, const struct tcp_sack_block *next_duplicate)
{
	walk->packet = tag_block(walk->tp, walk->packet, walk->result, &(struct tcp_sack_block){ start, end }, duplicate,
				 next_duplicate);
}

/*
 * Part of the block was in the last acknowledgement's and is tagged already: do what lies before that part and leave *from at
 * its end. false: nothing is left of the block; true: there is, and *there says that the walk is at it.
 */
static bool use_known(struct walk *walk, const struct tcp_sack_block *block, const struct tcp_sack_block *next_duplicate,
		      bool *there)
{
	const struct tcp_sack_block *known = walk->known;

	if (before(block->start, known->start)) {
		skip_to(walk, block->start);
		tag_range(walk, block->start, known->start, false, next_duplicate);
	}
	if (!after(block->end, known->end))
		return false;
	/* A D-SACK within what is skipped is not to be missed. */
	if (next_duplicate && before(next_duplicate->start, known->end)) {
		skip_to(walk, next_duplicate->start);
		tag_range(walk, next_duplicate->start, next_duplicate->end, true, NULL);
	}
	*there = tcp_highest_sack_seq(walk->tp) == known->end;
	if (*there)
		walk->packet = walk->tp->highest_sack;
	else
		skip_to(walk, known->end);
	walk->known++;
	return true;
}

/* Tag one block. false: it begins beyond everything sent, and so do those after it. */
static bool walk_block(struct walk *walk, const struct tcp_sack_block *block, bool duplicate,
		       const struct tcp_sack_block *next_duplicate)
{
	struct tcp_sock *tp = walk->tp;

	for (;;) {
		bool there = false;

		while (walk->known < walk->end_known && !before(block->start, walk->known->end))
			walk->known++;
		if (walk->known == walk->end_known || duplicate || !after(block->end, walk->known->start))
			break;
		if (!use_known(walk, block, next_duplicate, &there))
			return true;
		if (!there)
			continue;
		if (!walk->packet)
			return false;
		tag_range(walk, block->start, block->end, duplicate, next_duplicate);
		return true;
	}
	if (!before(block->start, tcp_highest_sack_seq(tp))) {
		walk->packet = tp->highest_sack;
		if (!walk->packet)
			return false;
	}
	skip_to(walk, block->start);
	tag_range(walk, block->start, block->end, duplicate, next_duplicate);
	return true;
}

/* What this acknowledgement said need not be looked at again in the next: kept at the end of the cache, empty ones before. */
static void remember(struct tcp_sock *tp, const struct block_list *list)
{
	unsigned empty = TCP_MAX_SACKS - list->count;

	memset(tp->recv_sack_cache, 0, empty * sizeof(tp->recv_sack_cache[0]));
	memcpy(tp->recv_sack_cache + empty, list->block, list->count * sizeof(list->block[0]));
}

/*
 * Everything that the segment's SACK blocks say. FLAG_* of what was found, which also stand in result; prior_una is snd_una as
 * it was before this segment.
 */
int tcp_sack_process(struct tcp_sock *tp, const struct tcp_segment *segment, uint32_t prior_una, struct sack_result *result)
{
	result->flag = 0;
	result->reordered_from = tp->snd_nxt;
	if (!tp->sacked_out)
		tp->highest_sack = tcp_rtx_head(tp);
	bool duplicate = check_duplicate(tp, segment, prior_una, result);
	/* Too old to be about anything that is still in the queue. */
	if (before(segment->ack, prior_una - tp->max_window))
		return 0;
	if (!tp->packets_out)
		return result->flag;

	struct block_list list = usable_blocks(tp, segment, prior_una, duplicate);
	struct walk walk = { .tp = tp, .result = result, .end_known = tp->recv_sack_cache + TCP_MAX_SACKS };
	walk.known = tp->sacked_out ? tp->recv_sack_cache : walk.end_known;
	while (walk.known < walk.end_known && !walk.known->start && !walk.known->end)
		walk.known++;
	result->mss_now = tcp_current_mss(tp);
	for (unsigned i = 0; i < list.count; i++) {
		bool is_duplicate = duplicate && list.first == (int)i, next_is = duplicate && list.first == (int)i + 1;

		if (!walk_block(&walk, &list.block[i], is_duplicate, next_is ? &list.block[i + 1] : NULL))
			break;
	}
	remember(tp, &list);
	if (tp->ca_state != TCP_CA_STATE_LOSS || tp->undo_marker)
		tcp_check_sack_reordering(tp, result->reordered_from, false);
	return result->flag;
}
