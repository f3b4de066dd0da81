/*
 * Connections at rest: TIME-WAIT (RFC 9293 3.10.7.4, RFC 1337, RFC 6191), and FIN-WAIT-2 of a socket that nobody holds.
 *
 * An entry keeps what is needed to answer a segment and to let a new connection begin where the old one ended; the socket is
 * gone. It lives for 60 s after the last segment that was out of place.
 */
#include "conn.h"

#include <stdlib.h>

#define TIMEWAIT_LENGTH (60 * PL_NSEC_PER_SEC)

static struct tcp_timewait *of_timer(struct pl_timer *timer)
{
	return (struct tcp_timewait *)((char *)timer - offsetof(struct tcp_timewait, timer));
}

void tcp_timewait_free(struct tcp_timewait *tw)
{
	timer_cancel(tw->stack, &tw->timer);
	tcp_entry_remove(tw->stack, &tw->entry);
	tcp_timewait_unbind(tw);
	free(tw->md5);
	tw->stack->tcp->timewaits--;
	free(tw);
}

static void expire(struct pl_stack *stack, struct pl_timer *timer)
{
	tcp_timewait_free(of_timer(timer));
}

static void rearm(struct tcp_timewait *tw)
{
	tcp_timer_arm(tw->stack, &tw->timer, TIMEWAIT_LENGTH);
}

static struct tcp_timewait *timewait_new(struct tcp_sock *tp, uint8_t state)
{
	struct pl_stack *stack = tp->sk.stack;
	if (stack->tcp->timewaits >= (uint32_t)stack->sysctl.tcp_max_tw_buckets)
		return NULL;
	struct tcp_timewait *tw = calloc(1, sizeof(*tw));
	if (!tw)
		return NULL;
	*tw = (struct tcp_timewait){
		.stack = stack,
		.substate = state,
		.rcv_nxt = tp->rcv_nxt,
		.snd_nxt = tp->snd_nxt,
		.rcv_wnd = tcp_receive_window(tp),
		.ts_recent = tp->ts_recent,
		.ts_recent_stamp = tp->ts_recent_stamp,
		.ts_offset = tp->tsoffset,
		.usec_ts = tp->usec_ts,
		.rcv_wscale = tp->rcv_wscale,
		.tos = tp->sk.tos,
		.reuse = tp->sk.reuse,
		.reuseport = tp->sk.reuseport,
		.transparent = sock_flag(&tp->sk, SF_TRANSPARENT),
		.mark = tp->sk.mark,
		.priority = tp->sk.priority,
		.uid = tp->sk.uid,
		.connect_bound = tp->connect_bound,
		.entered = stack->now,
		.entry = { .kind = TCP_ENTRY_TIMEWAIT,
			   .local = tp->entry.local,
			   .remote = tp->entry.remote,
			   .port = tp->entry.port,
			   .remote_port = tp->entry.remote_port,
			   .bound_link = tp->entry.bound_link },
	};
	const struct tcp_md5_key *key = tcp_md5_lookup(tp, tp->sk.remote);
	if (key && (tw->md5 = malloc(sizeof(*key))))
		*tw->md5 = *key;
	timer_init(&tw->timer, expire);
	stack->tcp->timewaits++;
	return tw;
}

void tcp_time_wait(struct tcp_sock *tp, uint8_t state, pl_time timeout)
{
	struct pl_stack *stack = tp->sk.stack;
	struct tcp_timewait *tw = timewait_new(tp, state);
	if (tw) {
		/* Three and a half retransmission timeouts at least, so that a FIN that was lost can come again. */
		pl_time least = jiffies_to_time(stack, (int64_t)tp->rto * 4 - tp->rto / 2);
		if (timeout < least)
			timeout = least;
		if (state == TCP_TIME_WAIT)
			timeout = TIMEWAIT_LENGTH;
		if (tp->bind)
			tcp_timewait_bind(tw, tp->bind);
		tcp_entry_remove(stack, &tp->entry);
		tcp_entry_insert(stack, &tw->entry);
		tcp_timer_arm(stack, &tw->timer, timeout);
		/* Counted when the rest begins; a short one as killed. */
		if (timeout <= 4 * PL_NSEC_PER_SEC)
			COUNT(stack, TcpExt, TWKilled);
		else
			COUNT(stack, TcpExt, TW);
	} else {
		COUNT(stack, TcpExt, TCPTimeWaitOverflow);
	}
	tcp_metrics_update(tp);
	tcp_done(tp);
}

/* --- a segment comes ---------------------------------------------------------------------------------------------------------- */
/* What the segment's timestamp says. */
struct stamp {
	bool present, stale;
	uint32_t tsval;
};

static struct stamp look_at_timestamp(const struct tcp_timewait *tw, const struct tcp_segment *segment)
{
	const struct pl_stack *stack = tw->stack;
	struct stamp stamp = { .tsval = segment->option.tsval };
	if (!tw->ts_recent_stamp || !segment->option.has_timestamp || !stack->sysctl.tcp_timestamps)
		return stamp;
	stamp.present = true;
	stamp.stale = tcp_paws_reject(stack, tw->ts_recent, tw->ts_recent_stamp, stamp.tsval, segment->flags & TH_RST);
	return stamp;
}

static void take_timestamp(struct tcp_timewait *tw, const struct stamp *stamp)
{
	if (!stamp->present)
		return;
	tw->ts_recent = stamp->tsval;
	tw->ts_recent_stamp = tcp_seconds(tw->stack);
}

bool tcp_in_window(uint32_t seq, uint32_t end_seq, uint32_t left, uint32_t right)
{
	if (seq == left || (after(end_seq, left) && before(seq, right)))
		return true;
	return seq == right && seq == end_seq;
}

static enum tcp_timewait_verdict limited_ack(struct tcp_timewait *tw, const struct tcp_segment *segment, enum counter counter)
{
	return tcp_oow_limited(tw->stack, segment, counter, &tw->last_oow_ack_time) ? TIMEWAIT_DONE : TIMEWAIT_ACK;
}

/* The peer has not closed yet, and nobody is left who could read what it sends: only its FIN is welcome. */
static enum tcp_timewait_verdict fin_wait2(struct tcp_timewait *tw, const struct tcp_segment *segment, const struct stamp *stamp)
{
	uint32_t left = tw->rcv_nxt, right = tw->rcv_nxt + tw->rcv_wnd;
	if (stamp->stale || !tcp_in_window(segment->seq, segment->end_seq, left, right))
		return limited_ack(tw, segment, CNT_TcpExt_TCPACKSkippedFinWait2);
	if (segment->flags & TH_RST) {
		tcp_timewait_free(tw);
		return TIMEWAIT_DONE;
	}
	if (segment->flags & TH_SYN && !before(segment->seq, left))
		return TIMEWAIT_RESET;
	if (!(segment->flags & TH_ACK) || !after(segment->end_seq, left) || segment->end_seq == segment->seq)
		return TIMEWAIT_DONE;
	if (!(segment->flags & TH_FIN) || segment->end_seq != left + 1)
		return TIMEWAIT_RESET;
	tw->substate = TCP_TIME_WAIT;
	tw->rcv_nxt = segment->end_seq;
	if (stamp->present)
		tw->entered = tw->stack->now;
	take_timestamp(tw, stamp);
	rearm(tw);
	return TIMEWAIT_ACK;
}

/* A SYN that cannot be an old duplicate opens a new connection (RFC 9293 3.6.1, RFC 6191): beyond all that was, or younger. */
static bool opens_anew(const struct tcp_timewait *tw, const struct tcp_segment *segment, const struct stamp *stamp)
{
	if ((segment->flags & (TH_SYN | TH_RST | TH_ACK)) != TH_SYN || stamp->stale)
		return false;
	return after(segment->seq, tw->rcv_nxt) || (stamp->present && (int32_t)(tw->ts_recent - stamp->tsval) < 0);
}

uint32_t tcp_timewait_next_isn(const struct tcp_timewait *tw)
{
	uint32_t isn = tw->snd_nxt + 65535 + 2;
	return isn ? isn : 1;
}

enum tcp_timewait_verdict tcp_timewait_segment(struct tcp_timewait *tw, const struct tcp_segment *segment, uint32_t *isn)
{
	struct stamp stamp = look_at_timestamp(tw, segment);
	bool rst = segment->flags & TH_RST;
	if (tw->substate == TCP_FIN_WAIT2)
		return fin_wait2(tw, segment, &stamp);
	if (!stamp.stale && segment->seq == tw->rcv_nxt && (segment->seq == segment->end_seq || rst)) {
		/* RFC 1337: a reset that is exactly right ends TIME-WAIT early, unless that is switched off. */
		if (rst && !tw->stack->sysctl.tcp_rfc1337) {
			tcp_timewait_free(tw);
			return TIMEWAIT_DONE;
		}
		if (!rst)
			rearm(tw);
		take_timestamp(tw, &stamp);
		return TIMEWAIT_DONE;
	}
	if (opens_anew(tw, segment, &stamp)) {
		*isn = tcp_timewait_next_isn(tw);
		return TIMEWAIT_SYN;
	}
	if (stamp.stale)
		COUNT(tw->stack, TcpExt, PAWSTimewait);
	if (rst)
		return TIMEWAIT_DONE;
	if (stamp.stale || segment->flags & TH_ACK)
		rearm(tw);
	return limited_ack(tw, segment, CNT_TcpExt_TCPACKSkippedTimeWait);
}

/* --- taken over by connect() ------------------------------------------------------------------------------------------------------ */
/* tcp_tw_reuse 2: only between addresses of this host. */
static bool over_loopback(const struct tcp_timewait *tw)
{
	const struct link *link = tw->entry.bound_link ? link_by_index(tw->stack, tw->entry.bound_link) : NULL;
	return (link && link->flags & IFF_LOOPBACK) || ntohl(tw->entry.local.s_addr) >> 24 == 127 ||
	       ntohl(tw->entry.remote.s_addr) >> 24 == 127;
}

bool tcp_timewait_reusable(struct tcp_sock *tp, const struct tcp_timewait *tw, bool chosen_port)
{
	const struct pl_stack *stack = tw->stack;
	int reuse = stack->sysctl.tcp_tw_reuse;
	if (tw->substate == TCP_FIN_WAIT2)
		reuse = 0;
	if (reuse == 2 && !over_loopback(tw))
		reuse = 0;
	if (!tw->ts_recent_stamp)
		return false;
	/* Whoever names the port himself is taken at his word; else timestamps must have moved on since. */
	bool rested = stack->now - tw->entered > (pl_time)stack->sysctl.tcp_tw_reuse_delay * PL_NSEC_PER_MSEC;
	if (chosen_port && !(reuse && rested))
		return false;
	if (!tp->repair) {
		tp->write_seq = tcp_timewait_next_isn(tw);
		tp->ts_recent = tw->ts_recent;
		tp->ts_recent_stamp = tw->ts_recent_stamp;
	}
	return true;
}
