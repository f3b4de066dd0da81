/*
 * Handshakes under way: between a SYN and the segment that completes them no socket exists, only a struct tcp_request.
 *
 * The SYN-ACK is sent again after 1, 2, 4, … seconds, tcp_synack_retries times. A request waits in its listener's list; when the
 * handshake is complete it becomes the node that holds the child in the accept queue. With Fast Open the child exists from the
 * SYN on and is accepted at once; its request lives on beside it until the third segment comes, so that the SYN-ACK can be
 * repeated and the listener's count of such children be kept.
 */
#include "conn.h"

#define IP_LEAST_MTU 68

#include <stdlib.h>

#include "../ip/options.h"

#define LEAST_MTU 68	/* RFC 791 */

/* --- made and freed ------------------------------------------------------------------------------------------------------- */
static void request_timer(struct pl_stack *stack, struct pl_timer *timer);

/* What the options of a SYN (or of the third segment, with a cookie) agree on. */
static void agree_on_options(struct tcp_request *request, const struct tcp_segment *segment)
{
	const struct tcp_sock *listener = request->listener;
	const struct sysctls *sysctl = &listener->sk.stack->sysctl;
	const struct tcp_options *option = &segment->option;
	request->mss = tcp_syn_mss(segment, listener->user_mss, TCP_MSS_DEFAULT);
	request->wscale_ok = option->has_wscale && sysctl->tcp_window_scaling;
	request->snd_wscale = option->wscale < TCP_MAX_WSCALE ? option->wscale : TCP_MAX_WSCALE;
	request->sack_ok = option->has_sackok && sysctl->tcp_sack;
	request->tstamp_ok = option->has_timestamp && sysctl->tcp_timestamps;
	request->ts_recent = request->tstamp_ok ? option->tsval : 0;
}

/* The IP options of the SYN, turned round for what is sent back. */
static struct ip_options *reply_options(struct pl_stack *stack, const struct pktbuf *packet)
{
	if (!packet->options.length)
		return NULL;
	struct ip_options *options = calloc(1, sizeof(*options));
	if (options && options_echo(stack, packet, options))
		return options;
	free(options);
	return NULL;
}

struct tcp_request *tcp_request_new(struct tcp_sock *listener, const struct tcp_segment *segment)
{
	struct pl_stack *stack = listener->sk.stack;
	struct tcp_request *request = calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	sock_hold(&listener->sk);
	request->stack = stack;
	request->listener = listener;
	request->entry = (struct tcp_entry){ .kind = TCP_ENTRY_REQUEST,
					     .local = segment->destination,
					     .remote = segment->source,
					     .port = segment->destination_port,
					     .remote_port = segment->source_port,
					     .bound_link = listener->sk.bound_link };
	timer_init(&request->timer, request_timer);
	request->timeout = TCP_TIMEOUT_INIT;
	request->rcv_isn = segment->seq;
	request->rcv_nxt = segment->seq + 1;
	request->syn_tos = segment->ip_tos;
	request->link = segment->packet->input_ifindex;
	request->mark = listener->sk.mark;
	if (!request->mark && stack->sysctl.tcp_fwmark_accept)
		request->mark = segment->packet->mark;
	agree_on_options(request, segment);
	if (request->tstamp_ok)
		request->ts_offset = tcp_timestamp_offset(stack, segment->destination, segment->destination_port, segment->source,
							  segment->source_port);
	request->options = reply_options(stack, segment->packet);
	return request;
}

void tcp_request_free(struct tcp_request *request)
{
	timer_cancel(request->stack, &request->timer);
	tcp_entry_remove(request->stack, &request->entry);
	if (request->listener)	/* else it went before, with the whole stack */
		sock_put(&request->listener->sk);
	free(request->options);
	free(request->saved_syn);
	free(request);
}

/* Out of the listener's list of handshakes; false: it was not there. */
static bool leave_list(struct tcp_request *request)
{
	struct tcp_sock *listener = request->listener;
	struct tcp_request **at = &listener->requests;
	while (*at && *at != request)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = request->next;
	request->next = NULL;
	listener->request_count--;
	if (!request->num_timeout)
		listener->request_young--;
	return true;
}

static void enter_list(struct tcp_request *request)
{
	struct tcp_sock *listener = request->listener;
	request->next = listener->requests;
	listener->requests = request;
	listener->request_count++;
	if (!request->num_timeout)
		listener->request_young++;
}

static void request_unlink(struct tcp_request *request)
{
	if (!leave_list(request))
		return;
	timer_cancel(request->stack, &request->timer);
	tcp_entry_remove(request->stack, &request->entry);
}

void tcp_request_move(struct tcp_request *request, struct tcp_sock *target)
{
	bool listed = leave_list(request);
	tcp_migrate_hold(request, target);
	if (listed)
		enter_list(request);
}

void tcp_request_drop(struct tcp_request *request)
{
	request_unlink(request);
	tcp_request_free(request);
}

void tcp_request_enter(struct tcp_request *request)
{
	struct pl_stack *stack = request->stack;
	enter_list(request);
	tcp_entry_insert(stack, &request->entry);
	tcp_timer_arm(stack, &request->timer, request->timeout);
}

/* --- the SYN-ACK ------------------------------------------------------------------------------------------------------------ */
struct route *tcp_request_route(const struct tcp_request *request, int *error)
{
	const struct sock *sk = &request->listener->sk;
	struct flow flow = {
		.destination = request->options && request->options->first_hop.s_addr ? request->options->first_hop :
											 request->entry.remote,
		.source = request->entry.local,
		.output_link = sk->bound_link,
		.tos = sk->tos,
		.protocol = IPPROTO_TCP,
		.mark = request->mark,
		.uid = sk->uid,
		.flags = sock_flag(sk, SF_TRANSPARENT) ? FLOW_ANY_SOURCE : 0,
		.source_port = request->entry.port,
		.destination_port = request->entry.remote_port,
	};
	struct route *route = NULL;
	*error = route_output(sk->stack, &flow, &route);
	return *error ? NULL : route;
}

uint16_t tcp_mss_clamp(const struct tcp_sock *tp, uint32_t mss)
{
	return (uint16_t)(tp->user_mss && tp->user_mss < mss ? tp->user_mss : mss);
}

/* What the child's buffer will be good for. */
void tcp_request_choose_window(struct tcp_request *request, const struct route *route, uint32_t mss)
{
	const struct tcp_sock *listener = request->listener;
	struct pl_stack *stack = listener->sk.stack;
	int full = tcp_full_space(listener);
	uint32_t initial = route->metric[RTAX_INITRWND];
	request->window_clamp = listener->window_clamp ? listener->window_clamp : route->metric[RTAX_WINDOW];
	if (listener->sk.receive_buffer_locked && (!request->window_clamp || (int64_t)request->window_clamp > full))
		request->window_clamp = (uint32_t)full;
	if (initial && full < (int)(initial * mss))
		full = (int)(initial * mss);
	tcp_select_initial_window(stack, full, mss, &request->rcv_wnd, &request->window_clamp, request->wscale_ok,
				  &request->rcv_wscale, initial);
}

static uint8_t synack_tos(const struct tcp_request *request)
{
	const struct sock *sk = &request->listener->sk;
	if (!sk->stack->sysctl.tcp_reflect_tos)
		return sk->tos;
	return (uint8_t)((request->syn_tos & ~3) | (sk->tos & 3));
}

static struct pktbuf *make_synack(struct tcp_request *request, const struct route *route,
				  const struct tcp_fastopen_cookie *cookie)
{
	struct pl_stack *stack = request->listener->sk.stack;
	struct pktbuf *packet = pktbuf_new(stack, IP_HEADROOM + TCP_MAX_HEADER, 0);
	if (!packet)
		return NULL;
	struct tcp_out_options options;
	uint16_t mss = tcp_mss_clamp(request->listener, route_advmss(stack, route));
	uint32_t now = tcp_clock_ts(stack, request->req_usec_ts);
	uint32_t tsval = (request->cookie && request->tstamp_ok ? tcp_syncookie_timestamp(request, now) : now) +
			 request->ts_offset;
	tcp_options_synack(request, mss, cookie, tsval, &options);
	struct tcp_out_header header = {
		.source_port = request->entry.port,
		.destination_port = request->entry.remote_port,
		.source = request->entry.local,
		.destination = request->entry.remote,
		.seq = request->snt_isn,
		.ack = request->rcv_nxt,
		.flags = (uint16_t)(TH_SYN | TH_ACK | tcp_ecn_synack_flags(request)),
		.window = (uint16_t)(request->rcv_wnd < 65535 ? request->rcv_wnd : 65535),
	};
	if (!request->synack_sent)
		request->synack_sent = stack->now ? stack->now : 1;	/* 0 is "unknown" */
	tcp_header_push(packet, &header, &options);
	return packet;
}

int tcp_request_synack(struct tcp_request *request, const struct tcp_fastopen_cookie *cookie)
{
	struct sock *sk = &request->listener->sk;
	int error;
	struct route *route = tcp_request_route(request, &error);
	if (!route)
		return error;
	struct pktbuf *packet = make_synack(request, route, cookie);
	if (packet) {
		size_t ip_length = pktbuf_length(packet) + 20 + (request->options ? request->options->length : 0);
		packet->mark = request->mark;
		packet->priority = sk->priority;
		struct ip_send send = {
			.source = request->entry.local,
			.destination = request->entry.remote,
			.protocol = IPPROTO_TCP,
			.tos = synack_tos(request),
			.ttl = sk->unicast_ttl > 0 ? (uint8_t)sk->unicast_ttl : 0,
			/* One that every host must take whole needs no identification. */
			.dont_fragment = ip_length <= LEAST_MTU || sock_dont_fragment(sk, route),
			.options = request->options,
			.route = route,
			.id = 0,
			.mark = request->mark,
		};
		/* Who could not carry 68 bytes whole could not carry IP: RFC 791 3.2. Such packets are atomic whatever the rules say. */
		if (sizeof(struct iphdr) + (request->options ? request->options->length : 0) + pktbuf_length(packet) <= IP_LEAST_MTU)
			send.dont_fragment = true;
		if (!send.dont_fragment)
			send.id = (int)prng_below(&sk->stack->prng, 65536);
		COUNT(sk->stack, Tcp, OutSegs);
		error = ip_send_packet(sk->stack, packet, &send);
	} else {
		error = -ENOMEM;
	}
	route_put(sk->stack, route);
	/* A full queue in front of the link is a loss like any other: the timer sees to it. */
	return error == -ENOBUFS ? 0 : error;
}

int tcp_request_retransmit(struct tcp_request *request)
{
	struct pl_stack *stack = request->listener->sk.stack;
	int error = tcp_request_synack(request, NULL);
	if (error)
		return error;
	request->num_retrans++;
	COUNT(stack, Tcp, RetransSegs);
	COUNT(stack, TcpExt, TCPSynRetrans);
	if (request->fastopen)
		request->fastopen->total_retrans++;
	return 0;
}

pl_time tcp_request_timeout(const struct tcp_request *request)
{
	/* Linux does not look at tcp_rto_max_ms here. */
	pl_time most = 120 * PL_NSEC_PER_SEC;
	pl_time span = request->num_timeout < 32 ? request->timeout << request->num_timeout : most;
	return span < most ? span : most;
}

/* --- the timer ---------------------------------------------------------------------------------------------------------------- */
/*
 * How often to try. When the list is more than half full old handshakes are given up early: half of the room is kept for young
 * ones, those that were never repeated.
 */
static int most_retries(const struct tcp_sock *listener)
{
	int retries = listener->syn_retries ? listener->syn_retries : listener->sk.stack->sysctl.tcp_synack_retries;
	uint32_t room = listener->accept_backlog > 8 ? listener->accept_backlog : 8;
	if (listener->request_count * 2 <= room)
		return retries;
	for (uint32_t young = listener->request_young * 2; retries > 2 && listener->request_count >= young; young *= 2) {
		retries--;
		if (!young)
			return 2;
	}
	return retries;
}

/*
 * TCP_DEFER_ACCEPT: a handshake whose third segment came without data waits silently, and near the end of the period the SYN-ACK
 * goes out again, so that the next acknowledgement makes the connection.
 */
static void decide(const struct tcp_request *request, bool *expired, bool *resend)
{
	int most = most_retries(request->listener), defer = request->listener->defer_accept;
	*expired = request->num_timeout >= most && (!defer || !request->acked || request->num_timeout >= defer);
	*resend = !defer || !request->acked || request->num_timeout >= defer - 1;
}

static void request_timer(struct pl_stack *stack, struct pl_timer *timer)
{
	struct tcp_request *request = (struct tcp_request *)((char *)timer - offsetof(struct tcp_request, timer));
	bool expired, resend, moved = request->listener->sk.state != TCP_LISTEN;
	if (moved) {
		struct tcp_sock *target = tcp_migrate_target(request);
		if (!target) {
			tcp_request_drop(request);
			return;
		}
		tcp_request_move(request, target);
	}
	decide(request, &expired, &resend);
	COUNT(stack, TcpExt, TCPTimeouts);
	if (!expired && (!resend || tcp_request_retransmit(request) == 0 || request->acked)) {
		if (!request->num_timeout++)
			request->listener->request_young--;
		tcp_timer_arm(stack, timer, tcp_request_timeout(request));
		if (moved)
			COUNT(stack, TcpExt, TCPMigrateReqSuccess);
		return;
	}
	if (moved)
		COUNT(stack, TcpExt, TCPMigrateReqFailure);
	tcp_request_drop(request);
}

/* --- a segment for a request --------------------------------------------------------------------------------------------------- */
struct verdict {
	bool stale, bad_echo;
};

static struct verdict look_at_timestamp(const struct tcp_request *request, const struct tcp_segment *segment, bool fastopen)
{
	const struct pl_stack *stack = request->listener->sk.stack;
	const struct tcp_options *option = &segment->option;
	struct verdict v = { 0 };
	if (!option->has_timestamp || !stack->sysctl.tcp_timestamps)
		return v;
	/* RFC 7323 3.2: an echo of something that was never sent. */
	if (option->tsecr && request->tstamp_ok && !fastopen)
		v.bad_echo = before(option->tsecr, request->tsval_first) || after(option->tsecr, request->tsval_last);
	int64_t stamp = tcp_seconds(stack) - tcp_request_timeout(request) / PL_NSEC_PER_SEC;
	v.stale = tcp_paws_reject(stack, request->ts_recent, stamp, option->tsval, segment->flags & TH_RST);
	return v;
}

/* The SYN again: so is the SYN-ACK. */
static void repeated_syn(struct tcp_request *request, const struct tcp_segment *segment)
{
	struct pl_stack *stack = request->listener->sk.stack;
	if (tcp_oow_limited(stack, segment, CNT_TcpExt_TCPACKSkippedSynRecv, &request->last_oow_ack_time))
		return;
	if (tcp_request_retransmit(request) == 0 && timer_armed(&request->timer))
		tcp_timer_arm(stack, &request->timer, tcp_request_timeout(request));
}

static void out_of_place(struct tcp_request *request, const struct tcp_segment *segment, const struct verdict *v)
{
	struct pl_stack *stack = request->listener->sk.stack;
	if (!(segment->flags & TH_RST) &&
	    !tcp_oow_limited(stack, segment, CNT_TcpExt_TCPACKSkippedSynRecv, &request->last_oow_ack_time))
		tcp_request_ack(request, segment);
	if (v->stale)
		COUNT(stack, TcpExt, PAWSEstab);
	else if (v->bad_echo)
		COUNT(stack, TcpExt, TSEcrRejected);
}

/* The handshake ends badly: a reset came, or something that deserves one. */
static void embryonic_reset(struct tcp_request *request, const struct tcp_segment *segment, bool fastopen)
{
	struct tcp_sock *child = request->fastopen;
	if (!(segment->flags & TH_RST)) {
		tcp_send_reset(request->listener->sk.stack, fastopen ? child : request->listener, segment);
	} else if (fastopen) {
		tcp_fastopen_remove(child, true);
		tcp_connection_reset(child);
	}
	if (!fastopen) {
		COUNT(request->listener->sk.stack, TcpExt, EmbryonicRsts);
		tcp_request_drop(request);
	}
}

enum request_check tcp_request_check(struct tcp_request *request, const struct tcp_segment *segment, bool fastopen)
{
	struct pl_stack *stack = request->listener->sk.stack;
	struct verdict v = look_at_timestamp(request, segment, fastopen);
	unsigned flags = segment->flags & (TH_RST | TH_SYN | TH_ACK);
	if (segment->seq == request->rcv_isn && flags == TH_SYN && !v.stale) {
		repeated_syn(request, segment);
		return REQUEST_DONE;
	}
	bool in_window = tcp_in_window(segment->seq, segment->end_seq, request->rcv_nxt, request->rcv_nxt + request->rcv_wnd);
	/* RFC 5961 3.2: a reset within the window but not at its left edge is answered, and has to come again with the right number. */
	if (flags & TH_RST && in_window && segment->seq != request->rcv_nxt && !v.stale && !v.bad_echo && !fastopen) {
		if (!tcp_oow_limited(stack, segment, CNT_TcpExt_TCPACKSkippedSynRecv, &request->last_oow_ack_time))
			tcp_request_ack(request, segment);
		return REQUEST_DONE;
	}
	/* RFC 9293 3.10.7.4, SYN-RECEIVED: an acknowledgement of something never sent. */
	if (flags & TH_ACK && !fastopen && segment->ack != request->snt_isn + 1)
		return REQUEST_NOT_OURS;
	if (v.stale || v.bad_echo || !in_window) {
		out_of_place(request, segment, &v);
		return REQUEST_DONE;
	}
	if (segment->seq == request->rcv_isn)
		flags &= ~(unsigned)TH_SYN;	/* cut off: it lies before the window */
	if (flags & (TH_RST | TH_SYN)) {
		COUNT(stack, Tcp, AttemptFails);
		embryonic_reset(request, segment, fastopen);
		return REQUEST_DONE;
	}
	return flags & TH_ACK ? REQUEST_GOOD : REQUEST_DONE;
}

/* The child of a handshake that is complete. A listener that stopped gives the request to the one that took over, and has it back
 * when that has no room. */
static struct tcp_sock *complete(struct tcp_request *request, struct tcp_sock *listener, const struct tcp_segment *segment)
{
	struct tcp_sock *stopped = request->listener;
	if (stopped == listener)
		return tcp_child_new(request, segment);
	sock_hold(&stopped->sk);
	tcp_request_move(request, listener);
	struct tcp_sock *child = tcp_child_new(request, segment);
	if (child) {
		COUNT(request->stack, TcpExt, TCPMigrateReqSuccess);
	} else {
		COUNT(request->stack, TcpExt, TCPMigrateReqFailure);
		tcp_request_move(request, stopped);
	}
	sock_put(&stopped->sk);
	return child;
}

struct tcp_sock *tcp_request_segment(struct tcp_request *request, struct tcp_sock *listener, const struct tcp_segment *segment)
{
	struct pl_stack *stack = listener->sk.stack;
	switch (tcp_request_check(request, segment, false)) {
	case REQUEST_NOT_OURS:
		return listener;
	case REQUEST_DONE:
		return NULL;
	case REQUEST_GOOD:
		break;
	}
	if (request->num_timeout < listener->defer_accept && segment->end_seq == request->rcv_isn + 1) {
		request->acked = true;
		COUNT(stack, TcpExt, TCPDeferAcceptDrop);
		return NULL;
	}
	struct tcp_sock *child = complete(request, listener, segment);
	if (!child) {
		/* No room. The peer believes to be connected: it will send, and try us again; or it is told at once. */
		request->acked = true;
		if (stack->sysctl.tcp_abort_on_overflow)
			embryonic_reset(request, segment, false);
		return NULL;
	}
	if (segment->option.has_timestamp && stack->sysctl.tcp_timestamps && !after(segment->seq, request->rcv_nxt))
		child->ts_recent = segment->option.tsval;
	tcp_synack_rtt(child, request->num_retrans ? 0 : request->synack_sent);
	request_unlink(request);
	tcp_accept_enqueue(request, child);
	return child;
}
