/*
 * LISTEN: SYNs taken or refused, children, the accept queue.
 *
 * Two queues with one limit, the backlog given to listen (at most somaxconn): handshakes under way, and connections that wait to
 * be accepted. When the first is full a SYN is answered with a cookie or not at all (tcp_syncookies); when the second is, SYNs
 * are dropped, and so is the segment that would complete a handshake (tcp_abort_on_overflow: answered with a reset).
 */
#include "conn.h"

#include <stdlib.h>

static void count_drop(struct tcp_sock *listener)
{
	listener->sk.drops++;
	COUNT(listener->sk.stack, TcpExt, ListenDrops);
}

/* --- the accept queue ------------------------------------------------------------------------------------------------------- */
void tcp_accept_enqueue(struct tcp_request *request, struct tcp_sock *child)
{
	struct tcp_sock *listener = request->listener;
	request->child = child;
	request->next = NULL;
	if (!listener->accept_first)
		listener->accept_last = &listener->accept_first;
	*listener->accept_last = request;
	listener->accept_last = &request->next;
	listener->accept_queue++;
}

static struct tcp_request *accept_dequeue(struct tcp_sock *listener)
{
	struct tcp_request *request = listener->accept_first;
	listener->accept_first = request->next;
	request->next = NULL;
	listener->accept_queue--;
	return request;
}

int64_t tcp_accept(struct sock *sk, struct pl_call *call, int flags, struct sock **child)
{
	struct tcp_sock *listener = tcp_sk(sk);
	if (sk->state != TCP_LISTEN)
		return -EINVAL;
	if (!listener->accept_first)
		return sock_wait_exclusive(sk, call, EPOLLIN, sock_receive_timeout(sk, call, flags));
	struct tcp_request *request = accept_dequeue(listener);
	struct tcp_sock *tp = request->child;
	*child = &tp->sk;
	tp->socket_state = SS_CONNECTED;
	if (request->fastopen)
		request->child = NULL;	/* its handshake is not over: tcp_fastopen_remove frees the request */
	else
		tcp_request_free(request);
	return 0;
}

/* --- listen ------------------------------------------------------------------------------------------------------------------ */
static int start(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	tp->accept_queue = 0;
	tp->migrates = false;
	tp->ack.pending = 0;
	sk->state = TCP_LISTEN;
	/* The port may have to be given up: reuse that suits sockets which connect does not suit two that listen. */
	int error = tcp_get_port(tp, tp->bind ? sk->port : 0);
	if (error) {
		tcp_set_state(tp, TCP_CLOSE);
		return error;
	}
	sk->remote.s_addr = 0;
	sk->remote_port = 0;
	error = tcp_listener_insert(tp);
	if (error)
		tcp_set_state(tp, TCP_CLOSE);
	return error;
}

int64_t tcp_listen(struct sock *sk, int backlog)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int fastopen = sk->stack->sysctl.tcp_fastopen;
	if (tp->socket_state != SS_UNCONNECTED || (sk->state != TCP_CLOSE && sk->state != TCP_LISTEN))
		return -EINVAL;
	tp->accept_backlog = (uint32_t)backlog;
	if (sk->state == TCP_LISTEN)
		return 0;
	if (fastopen & TFO_SERVER_WITHOUT_SOCKOPT && fastopen & TFO_SERVER && !tp->fastopenq.max_qlen) {
		tcp_fastopen_queue_tune(tp, backlog);
		tcp_fastopen_init_key_once(sk->stack);
	}
	return start(tp);
}

/* A child that nobody accepted goes as close() with unread data would make it go. */
static void forget_child(struct tcp_request *request)
{
	struct tcp_sock *child = request->child;
	struct pl_stack *stack = child->sk.stack;
	tcp_disconnect(child);
	sock_flag_set(&child->sk, SF_DEAD, true);
	child->orphan = true;
	stack->tcp->orphans++;
	if (request->fastopen)
		child->request = NULL;
	tcp_destroy_orphan(child);
	tcp_request_free(request);
}

/* Nobody is woken: who waits on the other listener sees it when he looks again, as on Linux. */
static bool migrate_child(struct tcp_request *request)
{
	struct tcp_sock *target = tcp_migrate_target(request);
	if (!target)
		return false;
	tcp_migrate_hold(request, target);
	tcp_accept_enqueue(request, request->child);
	COUNT(target->sk.stack, TcpExt, TCPMigrateReqSuccess);
	return true;
}

void tcp_listen_stop(struct tcp_sock *tp)
{
	bool migrates = tcp_migrate_begin(tp);
	while (tp->requests && !migrates)
		tcp_request_drop(tp->requests);
	while (tp->accept_first) {
		struct tcp_request *request = accept_dequeue(tp);
		if (!migrate_child(request))
			forget_child(request);
	}
	while (tp->fastopenq.rst_first) {
		struct tcp_request *request = tp->fastopenq.rst_first;
		tp->fastopenq.rst_first = request->next;
		tcp_request_free(request);
	}
	tp->fastopenq.rst_last = NULL;
}

/* A listener goes with the whole stack: what it holds goes without a word, and the sockets among it by themselves. */
void tcp_listen_forget(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	while (tp->requests)
		tcp_request_drop(tp->requests);
	while (tp->accept_first) {
		struct tcp_request *request = accept_dequeue(tp);
		if (request->child)
			request->child->request = NULL;
		tcp_request_free(request);
	}
	while (tp->fastopenq.rst_first) {
		struct tcp_request *request = tp->fastopenq.rst_first;
		tp->fastopenq.rst_first = request->next;
		tcp_request_free(request);
	}
	if (tp->fastopenq.qlen || tp->fastopenq.adopted)
		for (struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
			if (sk->proto == &tcp_proto && tcp_sk(sk)->request && tcp_sk(sk)->request->listener == tp)
				tcp_sk(sk)->request->listener = NULL;
}

/* --- a SYN ------------------------------------------------------------------------------------------------------------------- */
/* There is room for one more than the backlog, as in the accept queue. */
static bool request_queue_full(const struct tcp_sock *listener)
{
	return listener->request_count > listener->accept_backlog;
}

/* May this SYN be remembered, or answered with a cookie? */
static bool admit(struct tcp_sock *listener, bool from_timewait, bool *want_cookie)
{
	struct pl_stack *stack = listener->sk.stack;
	int cookies = stack->sysctl.tcp_syncookies;
	*want_cookie = false;
	if (!from_timewait && (cookies == 2 || request_queue_full(listener))) {
		if (!cookies) {
			COUNT(stack, TcpExt, TCPReqQFullDrop);
			return false;
		}
		COUNT(stack, TcpExt, TCPReqQFullDoCookies);
		*want_cookie = true;
	}
	if (tcp_accept_full(listener)) {
		COUNT(stack, TcpExt, ListenOverflows);
		return false;
	}
	return true;
}

/* Without cookies the last quarter of the backlog is for hosts that have been seen alive. */
static bool last_quarter_refused(struct tcp_request *request)
{
	struct pl_stack *stack = request->listener->sk.stack;
	int most = stack->sysctl.tcp_max_syn_backlog;
	return !stack->sysctl.tcp_syncookies && most - (int)request->listener->request_count < most >> 2 &&
	       !tcp_peer_is_proven(stack, request->entry.remote);
}

/* TCP_SAVE_SYN: the SYN's headers, from IP (1) or as much as there is of the link's (2: none on tun). */
static void save_syn(struct tcp_request *request, const struct tcp_segment *segment)
{
	if (!request->listener->save_syn)
		return;
	size_t ip = (size_t)(segment->header - segment->packet->network), length = ip + segment->header_length;
	struct tcp_saved_syn *saved = malloc(sizeof(*saved) + length);
	if (!saved)
		return;
	saved->length = (uint32_t)length;
	memcpy(saved->bytes, segment->packet->network, length);
	request->saved_syn = saved;
}

/* The SYN is remembered and answered; with Fast Open the child may start at once. false: no memory. */
static bool remember(struct tcp_request *request, const struct tcp_segment *segment)
{
	struct tcp_sock *listener = request->listener;
	struct tcp_fastopen_cookie cookie = { .length = -1 };
	save_syn(request, segment);
	struct tcp_sock *child = tcp_fastopen_try(listener, segment, request, &cookie);
	const struct tcp_fastopen_cookie *returned = cookie.length >= 0 ? &cookie : NULL;
	if (child) {
		tcp_request_synack(request, returned);
		tcp_accept_enqueue(request, child);
		sock_wake(&listener->sk, TCP_WAKE_DATA);
		return true;
	}
	tcp_request_enter(request);
	tcp_request_synack(request, returned);
	return true;
}

static bool take_syn(struct tcp_sock *listener, const struct tcp_segment *segment, uint32_t isn, bool want_cookie)
{
	struct pl_stack *stack = listener->sk.stack;
	struct tcp_request *request = tcp_request_new(listener, segment);
	int error;
	if (!request)
		return false;
	request->cookie = want_cookie;
	if (want_cookie && !segment->option.has_timestamp)
		request->wscale_ok = request->sack_ok = false;
	struct route *route = tcp_request_route(request, &error);
	if (!route || (!want_cookie && !isn && last_quarter_refused(request))) {
		route_put(stack, route);
		tcp_request_free(request);
		return false;
	}
	if (!isn)
		isn = tcp_initial_sequence(stack, segment->destination, segment->destination_port, segment->source,
					   segment->source_port);
	tcp_ecn_request(request, segment);
	if (want_cookie) {
		isn = tcp_syncookie_make(listener, segment, &request->mss);
		if (!request->tstamp_ok)
			request->ecn = 0;
	}
	request->snt_isn = isn;
	uint32_t mss = tcp_mss_clamp(listener, route_advmss(stack, route));
	tcp_request_choose_window(request, route, mss - (request->tstamp_ok ? 12 : 0));
	route_put(stack, route);
	if (!want_cookie)
		return remember(request, segment);
	tcp_request_synack(request, NULL);
	tcp_request_free(request);
	return true;
}

void tcp_listen_syn(struct tcp_sock *listener, const struct tcp_segment *segment, uint32_t isn)
{
	const struct route *route = segment->packet->route;
	bool want_cookie;
	/* RFC 1122 4.2.3.10: no connection with a group. */
	if (route && (route->type == RTN_BROADCAST || route->type == RTN_MULTICAST))
		count_drop(listener);
	else if (!admit(listener, isn != 0, &want_cookie) || !take_syn(listener, segment, isn, want_cookie))
		count_drop(listener);
}

void tcp_listen_segment(struct tcp_sock *listener, const struct tcp_segment *segment)
{
	struct pl_stack *stack = listener->sk.stack;
	bool valid = false;
	if (!(segment->flags & TH_SYN)) {
		struct tcp_sock *child = tcp_syncookie_check(listener, segment, &valid);
		if (child)
			tcp_child_segment(listener, child, segment);
		if (valid)
			return;
	}
	if (segment->flags & TH_ACK)
		tcp_send_reset(stack, listener, segment);
	else if ((segment->flags & (TH_RST | TH_SYN | TH_FIN)) == TH_SYN)
		tcp_listen_syn(listener, segment, 0);
}
