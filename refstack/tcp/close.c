/*
 * The ends of a connection: states, close and shutdown, resets taken and sent, sockets that nobody holds any more (orphans), and
 * when their memory goes.
 *
 * A socket that is closed lives on while its FIN is on the way; it has a reference of its own then. When it is done with it
 * joins host->dead and is freed by tcp_reap, which ends every way into the stack, so that no function has to fear for the socket
 * in its hands.
 */
#include "conn.h"

#include <stdlib.h>

#define TIMEWAIT_LENGTH (60 * PL_NSEC_PER_SEC)
#define SEND_BUFFER_MINIMUM 4608	/* Linux's SOCK_MIN_SNDBUF */

/* --- states -------------------------------------------------------------------------------------------------------------------- */
static void leave_tables(struct tcp_sock *tp)
{
	if (tp->sk.state == TCP_LISTEN)
		tcp_listener_remove(tp);
	tcp_entry_remove(tp->sk.stack, &tp->entry);
}

void tcp_set_state(struct tcp_sock *tp, uint8_t state)
{
	struct pl_stack *stack = tp->sk.stack;
	uint8_t old = tp->sk.state;
	bool was_current = old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT;
	bool is_current = state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
	if (is_current && !was_current)
		stack->counter[CNT_Tcp_CurrEstab]++;
	if (was_current && !is_current)
		stack->counter[CNT_Tcp_CurrEstab]--;
	if (state == TCP_CLOSE) {
		if (was_current)
			COUNT(stack, Tcp, EstabResets);
		leave_tables(tp);
		if (!tp->sk.bound_port)
			tcp_put_port(tp);
	}
	tp->sk.state = state;
}

/* What closing our side does to the state, and whether a FIN says so (RFC 9293 3.10.4). */
static bool close_state(struct tcp_sock *tp)
{
	static const struct {
		uint8_t state;
		bool fin;
	} after_close[] = {
		[TCP_ESTABLISHED] = { TCP_FIN_WAIT1, true },
		[TCP_SYN_SENT] = { TCP_CLOSE, false },
		[TCP_SYN_RECV] = { TCP_FIN_WAIT1, true },
		[TCP_FIN_WAIT1] = { TCP_FIN_WAIT1, false },
		[TCP_FIN_WAIT2] = { TCP_FIN_WAIT2, false },
		[TCP_TIME_WAIT] = { TCP_CLOSE, false },
		[TCP_CLOSE] = { TCP_CLOSE, false },
		[TCP_CLOSE_WAIT] = { TCP_LAST_ACK, true },
		[TCP_LAST_ACK] = { TCP_LAST_ACK, false },
		[TCP_LISTEN] = { TCP_CLOSE, false },
		[TCP_CLOSING] = { TCP_CLOSING, false },
		[TCP_NEW_SYN_RECV] = { TCP_CLOSE, false },
	};
	uint8_t state = tp->sk.state;
	tcp_set_state(tp, after_close[state].state);
	return after_close[state].fin;
}

/* How long an orphan stays in FIN-WAIT-2. */
pl_time tcp_fin_time(const struct tcp_sock *tp)
{
	const struct pl_stack *stack = tp->sk.stack;
	pl_time span = tp->linger2 ? jiffies_to_time(stack, tp->linger2) : SYSCTL_TIME(stack, stack->sysctl.tcp_fin_timeout);
	pl_time least = jiffies_to_time(stack, (int64_t)tp->rto * 4 - tp->rto / 2);
	return span > least ? span : least;
}

/* --- the socket's own end -------------------------------------------------------------------------------------------------------- */
void tcp_reap(struct pl_stack *stack)
{
	struct tcp_host *host = stack->tcp;
	while (host && host->dead) {
		struct tcp_sock *tp = host->dead;
		host->dead = tp->listen_next;
		tp->listen_next = NULL;
		sock_put(&tp->sk);
	}
}

/* Give up one reference, later. */
static void bury(struct tcp_sock *tp)
{
	struct tcp_host *host = tp->sk.stack->tcp;
	tp->listen_next = host->dead;
	host->dead = tp;
}

/* An orphan in state CLOSE goes. */
void tcp_destroy_orphan(struct tcp_sock *tp)
{
	if (!tp->orphan)
		return;
	tp->orphan = false;
	tp->sk.stack->tcp->orphans--;
	tcp_fastopen_ofo_check(tp);
	tcp_put_port(tp);
	bury(tp);
}

/* A child that never came to life: out of everything, without a word. */
void tcp_discard(struct tcp_sock *tp)
{
	tp->sk.state = TCP_CLOSE;
	tcp_entry_remove(tp->sk.stack, &tp->entry);
	tcp_put_port(tp);
	bury(tp);
}

static void stop_timers(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	tcp_clear_xmit_timers(tp);
	timer_cancel(stack, &tp->delack_timer);
	timer_cancel(stack, &tp->compressed_ack_timer);
	timer_cancel(stack, &tp->keepalive_timer);
	tp->ack.pending = 0;
	tp->ack.retry = 0;
}

void tcp_done(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	if (sk->state == TCP_SYN_SENT || sk->state == TCP_SYN_RECV)
		COUNT(sk->stack, Tcp, AttemptFails);
	tcp_set_state(tp, TCP_CLOSE);
	stop_timers(tp);
	if (tp->request)
		tcp_fastopen_remove(tp, false);
	sk->shutdown = SHUTDOWN_MASK;
	if (sock_flag(sk, SF_DEAD))
		tcp_destroy_orphan(tp);
	else
		sock_wake(sk, TCP_WAKE_STATE);
}

void tcp_done_with_error(struct tcp_sock *tp, int error)
{
	tp->sk.error = error;
	tcp_write_queue_purge(tp);
	tcp_done(tp);
	if (!sock_flag(&tp->sk, SF_DEAD))
		sock_wake(&tp->sk, TCP_WAKE_ERROR);
}

void tcp_connection_reset(struct tcp_sock *tp)
{
	switch (tp->sk.state) {
	case TCP_CLOSE:
		return;
	case TCP_SYN_SENT:
		tcp_done_with_error(tp, ECONNREFUSED);
		return;
	case TCP_CLOSE_WAIT:
		tcp_done_with_error(tp, EPIPE);
		return;
	default:
		tcp_done_with_error(tp, ECONNRESET);
		return;
	}
}

void tcp_write_error(struct tcp_sock *tp)
{
	tcp_done_with_error(tp, tp->sk.error_soft ? tp->sk.error_soft : ETIMEDOUT);
	COUNT(tp->sk.stack, TcpExt, TCPAbortOnTimeout);
}

/* --- too many orphans, too little memory --------------------------------------------------------------------------------------------- */
static bool too_much(const struct tcp_sock *tp, int shift)
{
	const struct pl_stack *stack = tp->sk.stack;
	if ((int64_t)stack->tcp->orphans << shift > stack->sysctl.tcp_max_orphans)
		return true;
	return tp->sk.write_queued > SEND_BUFFER_MINIMUM && stack->tcp->memory > (int64_t)stack->sysctl.tcp_mem[2];
}

/* One that has long sent nothing, or whose peer seems unreachable, goes earlier. */
bool tcp_out_of_resources(struct tcp_sock *tp, bool do_reset)
{
	struct pl_stack *stack = tp->sk.stack;
	uint32_t idle = tcp_jiffies32(tp) - tp->lsndtime;
	int shift = ((int32_t)idle > (int32_t)(2 * tp->rto_max) || !do_reset) + !!tp->sk.error_soft;
	if (!too_much(tp, shift))
		return false;
	if ((int32_t)idle <= time_to_jiffies_up(stack, TIMEWAIT_LENGTH) || (!tp->snd_wnd && !tp->packets_out))
		do_reset = true;
	if (do_reset)
		tcp_send_active_reset(tp);
	tcp_done(tp);
	COUNT(stack, TcpExt, TCPAbortOnMemory);
	return true;
}

/* --- disconnect ------------------------------------------------------------------------------------------------------------------ */
void tcp_reset_source(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	if (!sk->bound_address)
		sk->source.s_addr = sk->local.s_addr = 0;
}

static bool needs_reset(const struct tcp_sock *tp, uint8_t state)
{
	switch (state) {
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_SYN_RECV:
		return true;
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return tp->snd_nxt != tp->write_seq;
	default:
		return false;
	}
}

/* As new, but for what the user has set; and a sequence number that no old segment can be mistaken for. */
static void forget_connection(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	sk->shutdown = 0;
	sock_flag_set(sk, SF_DONE, false);
	tp->write_seq += tp->max_window + 2;
	if (!tp->write_seq)
		tp->write_seq = 1;
	tp->window_clamp = 0;
	tcp_send_disconnect(tp);
	memset(&tp->ack, 0, sizeof(tp->ack));
	tp->ack.rcv_mss = TCP_MIN_MSS;
	tp->tstamp_ok = tp->sack_ok = tp->wscale_ok = tp->dsack_seen = tp->saw_tstamp = tp->dsack_due = false;
	tp->snd_wscale = tp->rcv_wscale = tp->num_sacks = 0;
	tp->mss_clamp = tp->user_mss = 0;
	tp->ts_recent = 0;
	tp->ts_recent_stamp = 0;
	tp->rcv_rtt_last_tsecr = 0;
	tp->compressed_ack = 0;
	tp->segs_in = tp->data_segs_in = tp->bytes_received = 0;
	tp->last_oow_ack_time = 0;
	tp->rcv_ooopack = 0;
	tp->syn_data_acked = false;
	tp->fastopen_client_fail = 0;
	free(tp->saved_syn);
	tp->saved_syn = NULL;
	tcp_fastopen_request_free(tp);
	sock_flag_set(sk, SF_DEFER_CONNECT, false);
	sock_route_forget(sk);
	sock_arrival_forget(sk);
}

int tcp_disconnect(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	uint8_t state = sk->state;
	if (state != TCP_CLOSE)
		tcp_set_state(tp, TCP_CLOSE);
	if (state == TCP_LISTEN) {
		tcp_listen_stop(tp);
	} else if (tp->repair) {
		sk->error = ECONNABORTED;
	} else if (needs_reset(tp, state)) {
		tcp_send_active_reset(tp);
		sk->error = ECONNRESET;
	} else if (state == TCP_SYN_SENT) {
		sk->error = ECONNRESET;
	}
	if (tp->request)
		tcp_fastopen_remove(tp, false);
	stop_timers(tp);
	pktbuf_queue_purge(sk->stack, &sk->receive_queue);
	tp->copied_seq = tp->rcv_nxt;
	tp->urg_data = 0;
	sk->peek_offset = -1;
	tcp_write_queue_purge(tp);
	tcp_fastopen_ofo_check(tp);
	pktbuf_queue_purge(sk->stack, &tp->out_of_order);
	sk->remote_port = 0;
	sk->remote.s_addr = 0;
	tcp_reset_source(tp);
	forget_connection(tp);
	sock_wake(sk, TCP_WAKE_ERROR);
	return 0;
}

/* --- shutdown ------------------------------------------------------------------------------------------------------------------------ */
void tcp_shutdown_send(struct tcp_sock *tp)
{
	uint8_t state = tp->sk.state;
	if (state != TCP_ESTABLISHED && state != TCP_SYN_SENT && state != TCP_CLOSE_WAIT)
		return;
	if (close_state(tp))
		tcp_send_fin(tp);
}

int64_t tcp_shutdown(struct sock *sk, int how)
{
	struct tcp_sock *tp = tcp_sk(sk);
	uint8_t sides = (uint8_t)(how + 1), state = sk->state;
	int64_t result = 0;
	if (tp->socket_state == SS_CONNECTING) {
		bool open = state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_CLOSE;
		tp->socket_state = open ? SS_CONNECTED : SS_DISCONNECTING;
	}
	if (state == TCP_SYN_SENT || (state == TCP_LISTEN && sides & RCV_SHUTDOWN)) {
		tcp_disconnect(tp);
		tp->socket_state = SS_UNCONNECTED;
	} else if (state != TCP_LISTEN) {
		if (state == TCP_CLOSE)
			result = -ENOTCONN;
		sk->shutdown |= sides;
		if (sides & SEND_SHUTDOWN)
			tcp_shutdown_send(tp);
	}
	stack_softirq(sk->stack);	/* a peer on this host hears of it before those who wait here */
	sock_wake(sk, TCP_WAKE_STATE);
	return result;
}

/* --- close --------------------------------------------------------------------------------------------------------------------------- */
/* Throw away what nobody will read; was there data? */
static bool drop_unread(struct tcp_sock *tp)
{
	bool unread = false;
	struct pktbuf *packet;
	while ((packet = pktbuf_queue_pop(&tp->sk.receive_queue))) {
		const struct tcp_control *control = tcp_cb(packet);
		unread |= after(control->end_seq - !!(control->flags & TH_FIN), tp->copied_seq);
		pktbuf_free(tp->sk.stack, packet);
	}
	return unread;
}

/* Say goodbye in the way that fits: RFC 2525 2.17 asks for a reset when data was lost. */
static void part(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	bool unread = drop_unread(tp);
	if (sk->state == TCP_CLOSE)
		return;
	if (tp->repair) {
		tcp_disconnect(tp);
	} else if (unread) {
		COUNT(sk->stack, TcpExt, TCPAbortOnClose);
		tcp_set_state(tp, TCP_CLOSE);
		tcp_send_active_reset(tp);
	} else if (sock_flag(sk, SF_LINGER) && !sk->linger_seconds) {
		tcp_disconnect(tp);
		COUNT(sk->stack, TcpExt, TCPAbortOnData);
	} else if (close_state(tp)) {
		tcp_send_fin(tp);
	}
}

static void abort_orphan(struct tcp_sock *tp)
{
	tcp_set_state(tp, TCP_CLOSE);
	tcp_send_active_reset(tp);
}

/* Nobody holds it any more: what is it still here for? */
static void orphan(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	struct pl_stack *stack = sk->stack;
	sock_flag_set(sk, SF_DEAD, true);
	sock_hold(sk);
	tp->orphan = true;
	stack->tcp->orphans++;
	if (sk->state == TCP_FIN_WAIT2) {
		pl_time span = tcp_fin_time(tp);
		if (tp->linger2 < 0) {
			abort_orphan(tp);
			COUNT(stack, TcpExt, TCPAbortOnLinger);
		} else if (span > TIMEWAIT_LENGTH) {
			tcp_keepalive_arm(tp, span - TIMEWAIT_LENGTH);
		} else {
			tcp_time_wait(tp, TCP_FIN_WAIT2, span);
			return;
		}
	}
	if (sk->state != TCP_CLOSE && too_much(tp, 0)) {
		abort_orphan(tp);
		COUNT(stack, TcpExt, TCPAbortOnMemory);
	}
	if (sk->state == TCP_CLOSE) {
		if (tp->request)
			tcp_fastopen_remove(tp, false);
		stop_timers(tp);
		tcp_destroy_orphan(tp);
	}
}

static bool lingering(const struct tcp_sock *tp)
{
	uint8_t state = tp->sk.state;
	return sock_flag(&tp->sk, SF_LINGER) && tp->sk.linger_seconds > 0 &&
	       (state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK);
}

int64_t tcp_close(struct sock *sk, struct pl_call *call)
{
	struct tcp_sock *tp = tcp_sk(sk);
	if (!call || !call->waiting) {
		sk->shutdown = SHUTDOWN_MASK;
		if (sk->state == TCP_LISTEN) {
			tcp_set_state(tp, TCP_CLOSE);
			tcp_listen_stop(tp);
		} else {
			part(tp);
		}
	}
	if (call && lingering(tp)) {
		pl_time span = sk->linger_seconds > INT32_MAX ? PL_TIME_NEVER : sk->linger_seconds * PL_NSEC_PER_SEC;
		if (sock_wait(sk, call, EPOLLHUP | EPOLLIN, span) == CALL_WAITS)
			return CALL_WAITS;
	}
	orphan(tp);
	return 0;
}
