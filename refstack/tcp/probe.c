/*
 * Probing a closed window (RFC 9293 3.8.6.1). The probe is a segment one below snd_una, which the peer must answer with its
 * window; when the window has opened meanwhile, data goes instead.
 */
#include "send.h"

/* The unit that the back-off doubles. */
uint32_t tcp_probe0_base(const struct tcp_sock *tp)
{
	uint32_t least = tcp_rto_min_default(tp);

	return tp->rto > least ? tp->rto : least;
}

/* When the next probe is due, in jiffies from now. */
uint32_t tcp_probe0_when(const struct tcp_sock *tp)
{
	unsigned most = tcp_log2((uint64_t)120 * 1000 / TCP_RTO_MIN_MS) + 1, backoff = tp->backoff < most ? tp->backoff : most;
	uint64_t when = (uint64_t)tcp_probe0_base(tp) << backoff;

	return when < tp->rto_max ? (uint32_t)when : tp->rto_max;
}

/* TCP_USER_TIMEOUT may end the connection before the next probe would be due: look at it then. */
uint32_t tcp_clamp_probe0_to_user_timeout(const struct tcp_sock *tp, uint32_t when)
{
	if (!tp->user_timeout || !tp->probes_tstamp)
		return when;
	int32_t elapsed = (int32_t)(tcp_jiffies32(tp) - tp->probes_tstamp);
	int32_t left = (int32_t)(tcp_ms_to_jiffies(tp, tp->user_timeout) - (uint32_t)(elapsed > 0 ? elapsed : 0));
	if (left < TCP_TIMEOUT_MIN_JIFFIES)
		left = TCP_TIMEOUT_MIN_JIFFIES;
	return (uint32_t)left < when ? (uint32_t)left : when;
}

/* Data waits, nothing is in flight and no timer runs: let the probe timer see to it. */
void tcp_check_probe_timer(struct tcp_sock *tp)
{
	if (!tp->packets_out && tp->pending == ICSK_TIME_NONE)
		tcp_arm(tp, ICSK_TIME_PROBE0, tcp_probe0_base(tp), true);
}

/* A segment without data: below the window, or at it to tell where urgent data ends. */
static int send_bare_probe(struct tcp_sock *tp, bool urgent, enum counter counter)
{
	struct pktbuf *probe = tcp_nondata(tp, tp->snd_una - !urgent, TH_ACK);

	if (!probe)
		return -1;
	tp->sk.stack->counter[counter]++;
	return tcp_transmit(tp, probe, false);
}

/* Data that the window lets through, though less than would be sent otherwise (sender side of silly window avoidance). */
static int send_data_probe(struct tcp_sock *tp, struct pktbuf *head)
{
	struct tcp_control *cb = tcp_cb(head);
	uint32_t mss = tcp_current_mss(tp), room = tcp_wnd_end(tp) - cb->seq;

	if (before(tp->pushed_seq, cb->end_seq))
		tp->pushed_seq = cb->end_seq;
	cb->flags |= TH_PSH;
	if (room < cb->end_seq - cb->seq || pktbuf_length(head) > mss) {
		if (room > mss)
			room = mss;
		if (tcp_split(tp, &tp->write_queue, head, room, mss))
			return -1;
		cb->flags |= TH_PSH;
	} else if (!cb->segments) {
		tcp_set_segments(head, mss);
	}
	int error = tcp_transmit(tp, head, true);
	if (error == 0)
		tcp_new_data_sent(tp, head);
	return error;
}

/* Provoke an answer: zero-window probe or keepalive, counted under `counter`. 0 sent, negative error, positive: queue full. */
int tcp_write_wakeup(struct tcp_sock *tp, enum counter counter)
{
	struct pktbuf *head = tcp_send_head(tp);

	if (tp->sk.state == TCP_CLOSE)
		return -1;
	if (head && before(tcp_cb(head)->seq, tcp_wnd_end(tp)))
		return send_data_probe(tp, head);
	if (tp->snd_up - (tp->snd_una + 1) <= 0xffff - 1)
		send_bare_probe(tp, true, counter);
	return send_bare_probe(tp, false, counter);
}

/* The connection leaves TCP_REPAIR: learn the peer's window. */
void tcp_send_window_probe(struct tcp_sock *tp)
{
	if (tp->sk.state != TCP_ESTABLISHED)
		return;
	tp->snd_wl1 = tp->rcv_nxt - 1;
	send_bare_probe(tp, false, CNT_TcpExt_TCPWinProbe);
}

static void send_probe(struct tcp_sock *tp)
{
	int error = tcp_write_wakeup(tp, CNT_TcpExt_TCPWinProbe);
	uint32_t when;

	if (tp->packets_out || !tcp_send_head(tp)) {	/* data went: it has its own timer */
		tp->probes_out = 0;
		tp->backoff = 0;
		tp->probes_tstamp = 0;
		return;
	}
	tp->probes_out++;
	if (error <= 0) {
		if (tp->backoff < tcp_sysctl(tp)->tcp_retries2)
			tp->backoff++;
		when = tcp_probe0_when(tp);
	} else {
		when = tcp_hz(tp) / 2;
	}
	tcp_arm(tp, ICSK_TIME_PROBE0, tcp_clamp_probe0_to_user_timeout(tp, when), true);
}

/* How many more timeouts an orphan is worth; an ICMP error and a long silence make it none. */
uint32_t tcp_orphan_retries_left(const struct tcp_sock *tp, bool alive)
{
	int retries = tcp_sysctl(tp)->tcp_orphan_retries;

	if (tp->sk.error_soft && !alive)
		retries = 0;
	if (retries == 0 && alive)
		retries = 8;	/* more than 100 seconds even with the shortest timeout */
	return (uint32_t)retries;
}

/*
 * The probe timer has fired. A peer that answers probes may keep its window closed for ever (RFC 1122 4.2.2.17); the connection
 * ends when probes go unanswered too often, or for longer than TCP_USER_TIMEOUT, or when nobody owns it any more.
 */
void tcp_probe_timer(struct tcp_sock *tp)
{
	uint32_t most = (uint32_t)tcp_sysctl(tp)->tcp_retries2, now = tcp_jiffies32(tp);

	if (tp->packets_out || !tcp_send_head(tp)) {
		tp->probes_out = 0;
		tp->probes_tstamp = 0;
		return;
	}
	if (!tp->probes_tstamp) {
		tp->probes_tstamp = now;
	} else if (tp->user_timeout && (int32_t)(now - tp->probes_tstamp) >= (int32_t)tcp_ms_to_jiffies(tp, tp->user_timeout)) {
		tcp_write_error(tp);
		return;
	}
	if (sock_flag(&tp->sk, SF_DEAD)) {
		uint64_t backed_off = (uint64_t)tp->rto << tp->backoff;
		bool alive = backed_off < tp->rto_max;

		most = tcp_orphan_retries_left(tp, alive);
		if (!alive && tp->backoff >= most) {
			tcp_write_error(tp);
			return;
		}
		if (tcp_out_of_resources(tp, true))
			return;
	}
	if (tp->probes_out >= most)
		tcp_write_error(tp);
	else
		send_probe(tp);
}
