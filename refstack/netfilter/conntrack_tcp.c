/*
 * TCP as somebody sees it who stands between the two ends, or behind one of them.
 *
 * Two questions are asked of every segment. Which state does it take the connection to: a table says so for each direction, kind
 * of segment and state. And can it be part of this connection at all: the method is that of Guido van Rooij, "Real Stateful TCP
 * Packet Filtering in IP Filter" (2000). What one end has sent (end) and what the other has allowed it (max_end) bound the
 * sequence numbers and acknowledgements that make sense:
 *
 *	sequence number   <= max_end of the sender
 *	end of the data   >= end of the sender - largest window of the receiver
 *	acknowledgement   <= end of the receiver
 *	acknowledgement   >= end of the receiver - the most that can be under way
 *
 * A segment that is out of bounds is invalid, or (an old one) passes without being believed. The host at the end knows better than
 * anybody between, so a SYN that makes no sense here passes too and is annotated: the answer tells who was right.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "conntrack.h"
#include "tables.h"

struct tcp_header {
	uint16_t source, destination;
	uint32_t seq, ack;
	uint8_t offset, flags;
	uint16_t window, checksum, urgent;
};
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

enum kind { KIND_SYN, KIND_SYNACK, KIND_FIN, KIND_ACK, KIND_RST, KIND_NONE, KIND_NOTHING };	/* the last: no segment before */
enum { TO_INVALID = TRACKED_STATES, TO_IGNORE };

/* One letter a state; '-' invalid, '?' passed on unbelieved. In the order of enum tracked_tcp. */
static const char letters[] = "0sreFCLTX2-?";
static const char *const next_state[2][KIND_NOTHING] = {
	/*                               0sreFCLTX2 */
	[ORIGINAL] = { [KIND_SYN]	= "ss?????ss2",
		       [KIND_SYNACK]	= "--r------r",
		       [KIND_FIN]	= "--FFLLLTX-",
		       [KIND_ACK]	= "e-eeCCTTX-",
		       [KIND_RST]	= "-XXXXXXXXX",
		       [KIND_NONE]	= "----------" },
	[REPLY] = { [KIND_SYN]		= "-2-----s-2",
		    [KIND_SYNACK]	= "-r???????r",
		    [KIND_FIN]		= "--FFLLLTX-",
		    [KIND_ACK]		= "-?reCCTTX?",
		    [KIND_RST]		= "-XXXXXXXXX",
		    [KIND_NONE]		= "----------" },
};

static unsigned state_after(enum direction direction, enum kind kind, enum tracked_tcp state)
{
	return (unsigned)(strchr(letters, next_state[direction][kind][state]) - letters);
}

/* A segment, taken apart once. */
struct seen_segment {
	const struct tcp_header *header;
	enum kind kind;
	enum direction direction;
	uint32_t seq, ack, end;		/* end: past the last octet, SYN and FIN counted */
	uint32_t sacked;		/* the furthest octet acknowledged, blocks of SACK included */
	uint16_t window;
	bool scales, sacks;		/* what a SYN offers */
	uint8_t scale;
};

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static bool after(uint32_t a, uint32_t b)
{
	return before(b, a);
}

/* --- taking a segment apart ---------------------------------------------------------------------------------------- */

static void read_sack(struct seen_segment *segment, const uint8_t *blocks, unsigned length)
{
	for (unsigned at = 0; at + 8 <= length; at += 8) {
		uint32_t right;

		memcpy(&right, blocks + at + 4, sizeof(right));
		if (after(ntohl(right), segment->sacked))
			segment->sacked = ntohl(right);
	}
}

static void read_options(struct seen_segment *segment, const uint8_t *option, unsigned length)
{
	enum { END, NOP, MSS, WINDOW, SACK_PERMITTED, SACK };

	for (unsigned at = 0; at < length && option[at] != END;) {
		if (option[at] == NOP) {
			at++;
			continue;
		}
		if (at + 2 > length || option[at + 1] < 2 || at + option[at + 1] > length)
			return;
		if (option[at] == WINDOW && option[at + 1] == 3) {
			segment->scales = true;
			segment->scale = option[at + 2] < 14 ? option[at + 2] : 14;
		} else if (option[at] == SACK_PERMITTED && option[at + 1] == 2) {
			segment->sacks = true;
		} else if (option[at] == SACK && option[at + 1] >= 10 && (option[at + 1] - 2) % 8 == 0) {
			read_sack(segment, option + at + 2, option[at + 1] - 2u);
		}
		at += option[at + 1];
	}
}

static enum kind kind_of(uint8_t flags)
{
	if (flags & RST)
		return KIND_RST;
	if (flags & SYN)
		return flags & ACK ? KIND_SYNACK : KIND_SYN;
	return flags & FIN ? KIND_FIN : flags & ACK ? KIND_ACK : KIND_NONE;
}

/* Flags that no end in its right mind sends together. PSH says nothing. */
static bool flags_make_sense(uint8_t flags)
{
	switch (flags & (FIN | SYN | RST | ACK | URG)) {
	case SYN:
	case SYN | URG:
	case SYN | ACK:
	case RST:
	case RST | ACK:
	case FIN | ACK:
	case FIN | ACK | URG:
	case ACK:
	case ACK | URG:
		return true;
	default:
		return false;
	}
}

/* False: it is none. */
static bool read_segment(struct pl_stack *stack, const struct pktbuf *packet, const struct nf_place *place,
			 struct seen_segment *segment)
{
	uint32_t offset = ip_header(packet)->ihl * 4u;
	const struct tcp_header *header = pktbuf_at(packet, offset, sizeof(*header));
	uint32_t length = pktbuf_length(packet) - offset;
	uint32_t size = header ? (uint32_t)(header->offset >> 4) * 4 : 0;

	if (!header || size < sizeof(*header) || size > length || !flags_make_sense(header->flags))
		return false;
	if (stack->sysctl.nf_conntrack_checksum && place->hook == NF_INET_PRE_ROUTING && !transport_checksum_right(packet))
		return false;
	segment->header = header;
	segment->kind = kind_of(header->flags);
	segment->seq = ntohl(header->seq);
	segment->ack = segment->sacked = ntohl(header->ack);
	segment->end = segment->seq + length - size + !!(header->flags & SYN) + !!(header->flags & FIN);
	segment->window = ntohs(header->window);
	read_options(segment, (const uint8_t *)(header + 1), size - sizeof(*header));
	return true;
}

/* --- windows ------------------------------------------------------------------------------------------------------------ */

static uint32_t at_least_one(uint32_t window)
{
	return window ? window : 1;
}

/* What a SYN offers for its end. */
static void end_takes_options(struct tracked_end *end, const struct seen_segment *segment)
{
	end->scale = segment->scale;
	end->scales = segment->scales;
	end->sacks = segment->sacks;
}

/* The first segment seen of this end, or a SYN of another beginning. */
static void end_begins(struct tracked_end *sender, struct tracked_end *receiver, const struct seen_segment *segment,
		       uint32_t sacked)
{
	sender->end = segment->end;
	if (segment->header->flags & SYN) {
		sender->max_end = segment->end;
		sender->max_window = at_least_one(segment->window);
		end_takes_options(sender, segment);
		/* RFC 7323 section 2.2: both have to offer scaling. */
		if (segment->direction == REPLY && !(sender->scales && receiver->scales))
			sender->scale = receiver->scale = 0;
		return;
	}
	sender->max_window = at_least_one((uint32_t)segment->window << sender->scale);
	sender->max_end = segment->end + sender->max_window;
	if (receiver->max_window == 0)
		receiver->end = receiver->max_end = sacked;
	else if (sacked == receiver->end + 1)	/* an answer to a keep-alive probe */
		receiver->end++;
}

enum fit { FITS, PASSES, OUT_OF_BOUNDS };

/* Out of bounds, unless the sender's history is not known or nobody is to be that strict. */
static enum fit strictly(const struct pl_stack *stack, const struct tracked_end *sender, enum fit fit)
{
	return sender->liberal || stack->sysctl.nf_conntrack_tcp_be_liberal ? FITS : fit;
}

#define MOST_UNDER_WAY 66000u

/* *believed: the segment is within every bound, and its numbers count. */
static enum fit check_bounds(const struct pl_stack *stack, struct tracked_end *sender, const struct tracked_end *receiver,
			     uint32_t seq, uint32_t end, uint32_t sacked, bool *believed)
{
	uint32_t under_way = sender->max_window > MOST_UNDER_WAY ? sender->max_window : MOST_UNDER_WAY;
	bool in_window = !receiver->max_window || after(end, sender->end - receiver->max_window - 1);
	bool ack_known = before(sacked, receiver->end + 1), ack_recent = after(sacked, receiver->end - under_way - 1);

	*believed = false;
	if (!before(seq, sender->max_end + 1)) {
		uint32_t overshot = end - sender->max_end + 1;

		/* More than was allowed, but nothing else is wrong: the receiver may take it, and its acknowledgement then fits. */
		if (in_window && receiver->max_window && overshot <= receiver->max_window && ack_known && ack_recent) {
			sender->end = end;
			sender->unacknowledged = true;
			return strictly(stack, sender, PASSES);
		}
		return strictly(stack, sender, OUT_OF_BOUNDS);
	}
	if (!ack_known)
		return strictly(stack, sender, OUT_OF_BOUNDS);
	if (!in_window || !ack_recent)
		return strictly(stack, sender, PASSES);
	*believed = true;
	return FITS;
}

static void learn(struct tracked_end *sender, struct tracked_end *receiver, const struct seen_segment *segment, uint32_t ack,
		  uint32_t sacked, uint32_t end)
{
	uint32_t window = segment->window;

	if (!(segment->header->flags & SYN))
		window <<= sender->scale;
	if (sender->max_window < window + (sacked - ack))
		sender->max_window = window + (sacked - ack);
	if (after(end, sender->end)) {
		sender->end = end;
		sender->unacknowledged = true;
	}
	if (segment->header->flags & ACK && (!sender->acked || after(ack, sender->max_ack))) {
		sender->max_ack = ack;
		sender->acked = true;
	}
	if (receiver->max_window && after(end, sender->max_end))
		receiver->max_window += end - sender->max_end;
	if (after(sacked + window, receiver->max_end - 1))
		receiver->max_end = sacked + window + (window == 0);
	if (ack == receiver->end)
		receiver->unacknowledged = false;
}

static void count_retransmissions(struct tracked_tcp_state *tcp, const struct seen_segment *segment, uint32_t ack, uint32_t end)
{
	if (segment->kind != KIND_ACK)
		return;
	if (tcp->last_direction == segment->direction && tcp->last_seq == segment->seq && tcp->last_ack == ack &&
	    tcp->last_end == end && tcp->last_window == segment->window) {
		tcp->retransmissions++;
		return;
	}
	tcp->last_direction = (uint8_t)segment->direction;
	tcp->last_seq = segment->seq;
	tcp->last_ack = ack;
	tcp->last_end = end;
	tcp->last_window = segment->window;
	tcp->retransmissions = 0;
}

static enum fit check_window(struct pl_stack *stack, struct tracked_tcp_state *tcp, const struct seen_segment *segment)
{
	struct tracked_end *sender = &tcp->seen[segment->direction], *receiver = &tcp->seen[!segment->direction];
	uint8_t flags = segment->header->flags;
	uint32_t seq = segment->seq, end = segment->end, ack = segment->ack, sacked = receiver->sacks ? segment->sacked : ack;
	bool believed;

	if (sender->max_window == 0) {
		end_begins(sender, receiver, segment, sacked);
		if (!(flags & ACK))
			return FITS;	/* both ends open at once */
	} else if (flags & SYN && after(end, sender->end) &&
		   (tcp->state == TRACKED_SYN_SENT || tcp->state == TRACKED_SYN_RECV)) {
		end_begins(sender, receiver, segment, sacked);
		if (segment->direction == REPLY && !(flags & ACK))
			return FITS;
	}
	if (!(flags & ACK) || ((flags & RST) && ack == 0))
		ack = sacked = receiver->end;
	if (flags & RST && seq == 0 && tcp->state == TRACKED_SYN_SENT)
		seq = end = sender->end;	/* what answers a SYN without acknowledgement */
	enum fit fit = check_bounds(stack, sender, receiver, seq, end, sacked, &believed);
	if (believed) {
		learn(sender, receiver, segment, ack, sacked, end);
		count_retransmissions(tcp, segment, ack, end);
	}
	return fit;
}

/* --- the steps of a segment ---------------------------------------------------------------------------------------------- */

/* A new connection begins with this segment: a SYN, or anything else from the middle. */
static bool begin(struct pl_stack *stack, struct conntrack *conntrack, const struct seen_segment *segment)
{
	struct tracked_tcp_state *tcp = &conntrack->tcp;
	unsigned next = state_after(ORIGINAL, segment->kind, TRACKED_NONE);
	struct tracked_end *sender = &tcp->seen[ORIGINAL];

	if (next >= TRACKED_STATES || (next != TRACKED_SYN_SENT && !stack->sysctl.nf_conntrack_tcp_loose))
		return false;
	*tcp = (struct tracked_tcp_state){ .last_kind = KIND_NOTHING };
	sender->end = sender->max_end = segment->end;
	sender->max_window = at_least_one(segment->window);
	if (next == TRACKED_SYN_SENT) {
		end_takes_options(sender, segment);
		return true;
	}
	sender->max_end += sender->max_window;
	tcp->seen[ORIGINAL].sacks = tcp->seen[REPLY].sacks = true;
	tcp->seen[ORIGINAL].liberal = tcp->seen[REPLY].liberal = true;
	return true;
}

/* A segment that the table does not believe passes; what it may turn out to be is noted. */
static void note_unbelieved(struct tracked_tcp_state *tcp, const struct seen_segment *segment, enum tracked_tcp old)
{
	tcp->last_kind = (uint8_t)segment->kind;
	tcp->last_direction = (uint8_t)segment->direction;
	tcp->last_seq = segment->seq;
	tcp->last_end = segment->end;
	tcp->last_window = segment->window;
	if (segment->kind == KIND_SYN && segment->direction == ORIGINAL) {
		tcp->last_scales = segment->scales;
		tcp->last_scale = segment->scale;
		tcp->last_sacks = segment->sacks;
		tcp->challenge_expected = old == TRACKED_LAST_ACK;
		tcp->simultaneous = false;
	}
	if (old == TRACKED_SYN_SENT && segment->kind == KIND_ACK && segment->direction == REPLY)
		tcp->last_ack = segment->ack;	/* a challenge, perhaps: the reset that answers it has this number */
}

/* Does this SYN|ACK answer a SYN that passed unbelieved? Then that SYN was right, and tracking begins anew with it. */
static bool answers_noted_syn(const struct tracked_tcp_state *tcp, const struct seen_segment *segment)
{
	return segment->kind == KIND_SYNACK && tcp->last_kind == KIND_SYN && tcp->last_direction != segment->direction &&
	       segment->ack == tcp->last_end;
}

static void begin_with_noted_syn(struct tracked_tcp_state *tcp, const struct seen_segment *segment)
{
	struct tracked_end *end = &tcp->seen[tcp->last_direction];

	*end = (struct tracked_end){
		.end = tcp->last_end, .max_end = tcp->last_end, .max_window = at_least_one(tcp->last_window),
		.scale = tcp->last_scale, .scales = tcp->last_scales, .sacks = tcp->last_sacks,
	};
	tcp->challenge_expected = false;
	tcp->seen[segment->direction] = (struct tracked_end){ 0 };
}

enum reset { RESET_CHECK_WINDOW, RESET_TAKEN, RESET_INVALID, RESET_KEEPS_STATE };

static bool is_closing(enum tracked_tcp state)
{
	return state == TRACKED_FIN_WAIT || state == TRACKED_LAST_ACK || state == TRACKED_TIME_WAIT || state == TRACKED_CLOSE ||
	       state == TRACKED_CLOSE_WAIT;
}

/* RFC 5961 section 3.2 seen from between: a reset counts when its number is the one that the receiver expects. */
static enum reset judge_reset(const struct pl_stack *stack, const struct conntrack *conntrack, const struct seen_segment *segment,
			      enum tracked_tcp old)
{
	const struct tracked_tcp_state *tcp = &conntrack->tcp;
	const struct tracked_end *other = &tcp->seen[!segment->direction];
	bool established = old == TRACKED_ESTABLISHED && conntrack->status & IPS_ASSURED;
	bool answered = conntrack->status & IPS_SEEN_REPLY;

	if (is_closing(old))
		return RESET_TAKEN;
	if (other->acked && tcp->last_kind != KIND_SYN) {
		if (segment->seq == 0 && !established)
			return RESET_CHECK_WINDOW;
		if (before(segment->seq, other->max_ack) && !stack->sysctl.nf_conntrack_tcp_ignore_invalid_rst)
			return RESET_INVALID;
		if (!established || segment->seq == other->max_ack)
			return RESET_CHECK_WINDOW;
		/* Right behind the sender's own last segment. */
		if (tcp->last_kind == KIND_ACK && tcp->last_direction == segment->direction && segment->seq == tcp->last_end)
			return RESET_CHECK_WINDOW;
		return RESET_KEEPS_STATE;
	}
	/* The answer to a SYN or an ACK that had passed unbelieved. */
	if (((answered && tcp->last_kind == KIND_SYN) ||
	     (!(conntrack->status & IPS_ASSURED) && tcp->last_kind == KIND_ACK)) && segment->ack == tcp->last_end)
		return RESET_TAKEN;
	if (old == TRACKED_SYN_SENT && tcp->last_kind == KIND_ACK && tcp->last_direction == REPLY &&
	    segment->seq == tcp->last_ack)
		return RESET_TAKEN;
	return RESET_CHECK_WINDOW;
}

static pl_time timeout_of(const struct pl_stack *stack, const struct conntrack *conntrack, const struct seen_segment *segment)
{
	const struct sysctls *s = &stack->sysctl;
	const struct tracked_tcp_state *tcp = &conntrack->tcp;
	const int of_state[TRACKED_STATES] = {
		[TRACKED_SYN_SENT] = s->nf_conntrack_tcp_timeout_syn_sent,
		[TRACKED_SYN_RECV] = s->nf_conntrack_tcp_timeout_syn_recv,
		[TRACKED_ESTABLISHED] = s->nf_conntrack_tcp_timeout_established,
		[TRACKED_FIN_WAIT] = s->nf_conntrack_tcp_timeout_fin_wait,
		[TRACKED_CLOSE_WAIT] = s->nf_conntrack_tcp_timeout_close_wait,
		[TRACKED_LAST_ACK] = s->nf_conntrack_tcp_timeout_last_ack,
		[TRACKED_TIME_WAIT] = s->nf_conntrack_tcp_timeout_time_wait,
		[TRACKED_CLOSE] = s->nf_conntrack_tcp_timeout_close,
		[TRACKED_SYN_SENT2] = s->nf_conntrack_tcp_timeout_syn_sent,
	};
	int span = of_state[tcp->state], retrans = s->nf_conntrack_tcp_timeout_max_retrans;
	int unacknowledged = s->nf_conntrack_tcp_timeout_unacknowledged;

	if (tcp->retransmissions >= s->nf_conntrack_tcp_max_retrans && span > retrans)
		span = retrans;
	else if (segment->kind == KIND_RST)
		span = s->nf_conntrack_tcp_timeout_close;
	else if ((tcp->seen[ORIGINAL].unacknowledged || tcp->seen[REPLY].unacknowledged) && span > unacknowledged)
		span = unacknowledged;
	else if (tcp->last_window == 0 && span > retrans)
		span = retrans;
	/* Taken up in the middle and not answered yet: it is not to stay for days. */
	if (!(conntrack->status & IPS_SEEN_REPLY) && tcp->state == TRACKED_ESTABLISHED && span > unacknowledged)
		span = unacknowledged;
	return SYSCTL_TIME(stack, span);
}

/* The segment is the connection's: its state, its timeout. */
static enum tracked settle(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack,
			   enum ip_conntrack_info info, const struct seen_segment *segment, enum tracked_tcp old,
			   enum tracked_tcp new)
{
	struct tracked_tcp_state *tcp = &conntrack->tcp;

	tcp->last_kind = (uint8_t)segment->kind;
	tcp->last_direction = (uint8_t)segment->direction;
	tcp->state = new;
	if (old != new && new == TRACKED_FIN_WAIT)
		tcp->seen[segment->direction].closed_first = true;
	if (!(conntrack->status & IPS_SEEN_REPLY) && segment->header->flags & RST) {
		/* Nothing came of it. */
		conntrack_kill(stack, conntrack);
		return TRACKED_VALID;
	}
	/* A SYN sent again does not keep it alive. */
	if (!(conntrack->status & IPS_SEEN_REPLY) && segment->kind == KIND_SYN && old == TRACKED_SYN_SENT)
		return TRACKED_VALID;
	pl_time span = timeout_of(stack, conntrack, segment);
	if (conntrack->status & IPS_SEEN_REPLY && new == TRACKED_ESTABLISHED &&
	    (old == TRACKED_SYN_RECV || old == TRACKED_ESTABLISHED))
		conntrack->status |= IPS_ASSURED;
	conntrack_refresh(stack, conntrack, info, packet, span);
	return TRACKED_VALID;
}

/* Another connection of the same addresses begins where the old one was closed: that is forgotten. */
static bool begins_anew(const struct tracked_tcp_state *tcp, const struct seen_segment *segment, enum tracked_tcp old)
{
	return old >= TRACKED_TIME_WAIT && old != TRACKED_SYN_SENT2 &&
	       (tcp->seen[ORIGINAL].closed_first || tcp->seen[REPLY].closed_first ||
		(tcp->last_direction == segment->direction && tcp->last_kind == KIND_RST));
}

enum step { STEP_CHECK_WINDOW, STEP_TAKEN, STEP_PASSES, STEP_INVALID, STEP_REPEAT };

/* What the table says of the segment, and where it knows too little. *old and *next: the states before and after it. */
static enum step decide(struct pl_stack *stack, struct conntrack *conntrack, const struct seen_segment *segment,
			enum tracked_tcp *old, enum tracked_tcp *next)
{
	struct tracked_tcp_state *tcp = &conntrack->tcp;
	unsigned after_it = state_after(segment->direction, segment->kind, *old);
	bool again = after_it == TRACKED_SYN_SENT && *old >= TRACKED_TIME_WAIT && *old != TRACKED_SYN_SENT2;

	if (again && begins_anew(tcp, segment, *old)) {
		conntrack_kill(stack, conntrack);
		return STEP_REPEAT;
	}
	if (again || after_it == TO_IGNORE) {
		if (!answers_noted_syn(tcp, segment)) {
			note_unbelieved(tcp, segment, *old);
			return STEP_PASSES;
		}
		begin_with_noted_syn(tcp, segment);
		*old = TRACKED_SYN_SENT;
		*next = TRACKED_SYN_RECV;
		return STEP_CHECK_WINDOW;
	}
	if (after_it == TO_INVALID)
		return STEP_INVALID;
	*next = (enum tracked_tcp)after_it;
	if (*next == TRACKED_TIME_WAIT && *old == TRACKED_LAST_ACK && segment->kind == KIND_ACK &&
	    tcp->last_direction != segment->direction && tcp->last_kind == KIND_SYN && tcp->challenge_expected) {
		tcp->challenge_expected = false;	/* RFC 5961's challenge: nothing is closed by it */
		return STEP_PASSES;
	}
	if (*next == TRACKED_SYN_SENT2)
		tcp->simultaneous = true;
	if (*next == TRACKED_SYN_RECV && segment->direction == REPLY && segment->kind == KIND_ACK && tcp->simultaneous)
		*next = TRACKED_ESTABLISHED;
	if (*next != TRACKED_CLOSE || segment->kind != KIND_RST)
		return STEP_CHECK_WINDOW;
	switch (judge_reset(stack, conntrack, segment, *old)) {
	case RESET_TAKEN:
		return STEP_TAKEN;
	case RESET_INVALID:
		return STEP_INVALID;
	case RESET_KEEPS_STATE:
		*next = *old;
		break;
	case RESET_CHECK_WINDOW:
		break;
	}
	return STEP_CHECK_WINDOW;
}

#define LONG_TIMEOUT (120 * PL_NSEC_PER_SEC)

/*
 * A FIN or reset out of bounds. When one has come from either end, what is known of their numbers is wrong: the connection is
 * not to be remembered for days as one that is alive.
 */
static void note_stray_end(const struct pl_stack *stack, struct conntrack *conntrack, const struct seen_segment *segment)
{
	struct tracked_tcp_state *tcp = &conntrack->tcp;
	pl_time sooner = stack->now + SYSCTL_TIME(stack, stack->sysctl.nf_conntrack_tcp_timeout_unacknowledged);

	if (!(conntrack->status & IPS_ASSURED) || (segment->kind != KIND_FIN && segment->kind != KIND_RST))
		return;
	if (tcp->last_direction == segment->direction || (tcp->last_kind != KIND_FIN && tcp->last_kind != KIND_RST)) {
		tcp->last_kind = (uint8_t)segment->kind;
		tcp->last_direction = (uint8_t)segment->direction;
	} else if (conntrack->timeout - stack->now >= LONG_TIMEOUT && conntrack->timeout > sooner) {
		conntrack->timeout = sooner;
	}
}

enum tracked track_tcp(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack, enum ip_conntrack_info info,
		       const struct nf_place *place)
{
	struct tracked_tcp_state *tcp = &conntrack->tcp;
	struct seen_segment segment = { .direction = info_direction(info) };
	enum tracked_tcp old, next = TRACKED_NONE;

	if (!read_segment(stack, packet, place, &segment))
		return TRACKED_INVALID;
	if (!conntrack_is_confirmed(conntrack) && !begin(stack, conntrack, &segment))
		return TRACKED_INVALID;
	old = tcp->state;
	switch (decide(stack, conntrack, &segment, &old, &next)) {
	case STEP_REPEAT:
		return TRACKED_REPEAT;
	case STEP_INVALID:
		return TRACKED_INVALID;
	case STEP_PASSES:
		return TRACKED_VALID;
	case STEP_TAKEN:
		return settle(stack, packet, conntrack, info, &segment, old, next);
	case STEP_CHECK_WINDOW:
		break;
	}
	switch (check_window(stack, tcp, &segment)) {
	case OUT_OF_BOUNDS:
		note_stray_end(stack, conntrack, &segment);
		return TRACKED_INVALID;
	case PASSES:
		return TRACKED_VALID;
	case FITS:
		break;
	}
	return settle(stack, packet, conntrack, info, &segment, old, next);
}
