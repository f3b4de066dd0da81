/*
 * The keepalive timer (RFC 9293 3.8.4): probes of a connection on which nothing has come for long. The same timer ends
 * FIN-WAIT-2 of an orphan that waits longer than TIME-WAIT would.
 */
#include "conn.h"

#define TIMEWAIT_LENGTH (60 * PL_NSEC_PER_SEC)
#define RETRY_MS 500	/* when a probe could not leave */

uint32_t tcp_keepalive_time_when(const struct tcp_sock *tp)
{
	return (uint32_t)(tp->keepalive_time ? tp->keepalive_time : tp->sk.stack->sysctl.tcp_keepalive_time);
}

uint32_t tcp_keepalive_interval(const struct tcp_sock *tp)
{
	return (uint32_t)(tp->keepalive_intvl ? tp->keepalive_intvl : tp->sk.stack->sysctl.tcp_keepalive_intvl);
}

int tcp_keepalive_probes(const struct tcp_sock *tp)
{
	return tp->keepalive_probes ? tp->keepalive_probes : tp->sk.stack->sysctl.tcp_keepalive_probes;
}

/* Jiffies since the peer was last heard. */
uint32_t tcp_keepalive_elapsed(const struct tcp_sock *tp)
{
	uint32_t now = tcp_jiffies32(tp), data = now - tp->ack.lrcvtime, ack = now - tp->rcv_tstamp;
	return data < ack ? data : ack;
}

void tcp_keepalive_arm(struct tcp_sock *tp, pl_time after)
{
	tcp_timer_arm(tp->sk.stack, &tp->keepalive_timer, after);
}

void tcp_keepalive_stop(struct tcp_sock *tp)
{
	timer_cancel(tp->sk.stack, &tp->keepalive_timer);
}

/* SO_KEEPALIVE was switched. */
void tcp_set_keepalive(struct tcp_sock *tp, bool on)
{
	uint8_t state = tp->sk.state;
	if (state == TCP_CLOSE || state == TCP_LISTEN)
		return;
	if (on && !sock_flag(&tp->sk, SF_KEEPOPEN))
		tcp_keepalive_arm(tp, jiffies_to_time(tp->sk.stack, tcp_keepalive_time_when(tp)));
	else if (!on)
		tcp_keepalive_stop(tp);
}

static void fin_wait2_over(struct tcp_sock *tp)
{
	if (tp->linger2 >= 0) {
		pl_time left = tcp_fin_time(tp) - TIMEWAIT_LENGTH;
		if (left > 0) {
			tcp_time_wait(tp, TCP_FIN_WAIT2, left);
			return;
		}
	}
	tcp_send_active_reset(tp);
	tcp_done(tp);
}

/* TCP_USER_TIMEOUT, where it is set, decides instead of the number of probes. */
static bool given_up(const struct tcp_sock *tp, uint32_t elapsed)
{
	if (!tp->user_timeout)
		return tp->probes_out >= tcp_keepalive_probes(tp);
	return tp->probes_out &&
	       elapsed >= (uint32_t)time_to_jiffies_up(tp->sk.stack, tp->user_timeout * PL_NSEC_PER_MSEC);
}

static void probe(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	uint32_t when = tcp_keepalive_time_when(tp), elapsed = tcp_keepalive_elapsed(tp);
	pl_time next;
	if (tp->packets_out || tp->write_queue.count) {
		next = jiffies_to_time(stack, when);	/* alive, or found dead by retransmission */
	} else if (elapsed < when) {
		next = jiffies_to_time(stack, when - elapsed);
	} else if (given_up(tp, elapsed)) {
		tcp_send_active_reset(tp);
		tcp_write_error(tp);
		return;
	} else if (tcp_write_wakeup(tp, CNT_TcpExt_TCPKeepAlive) <= 0) {
		tp->probes_out++;
		next = jiffies_to_time(stack, tcp_keepalive_interval(tp));
	} else {
		next = RETRY_MS * PL_NSEC_PER_MSEC;
	}
	tcp_keepalive_arm(tp, next);
}

static void fire(struct pl_stack *stack, struct pl_timer *timer)
{
	struct tcp_sock *tp = (struct tcp_sock *)((char *)timer - offsetof(struct tcp_sock, keepalive_timer));
	(void)stack;
	if (tp->sk.state == TCP_FIN_WAIT2 && sock_flag(&tp->sk, SF_DEAD))
		fin_wait2_over(tp);
	else if (sock_flag(&tp->sk, SF_KEEPOPEN) && tp->sk.state != TCP_CLOSE && tp->sk.state != TCP_SYN_SENT &&
		 tp->sk.state != TCP_LISTEN)
		probe(tp);
}

void tcp_keepalive_init(struct tcp_sock *tp)
{
	timer_init(&tp->keepalive_timer, fire);
}
