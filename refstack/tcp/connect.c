/*
 * Active opens: connect(), SYN-SENT, and both sides opening at once.
 */
#include "conn.h"

#include <stdlib.h>

/* --- connect() -------------------------------------------------------------------------------------------------------------- */
static int64_t check_address(const struct sockaddr *address, socklen_t length)
{
	if (!address || length < sizeof(struct sockaddr_in))
		return -EINVAL;
	return address->sa_family == AF_INET ? 0 : -EAFNOSUPPORT;
}

/* The way there, and the source address that it gives a socket which has none. */
static int find_route(struct tcp_sock *tp, struct in_addr remote)
{
	struct sock *sk = &tp->sk;
	struct pl_stack *stack = sk->stack;
	bool source_route = sk->options && sk->options->first_hop.s_addr;
	struct flow flow = {
		.destination = source_route ? sk->options->first_hop : remote,
		.source = sk->source,
		.output_link = sk->bound_link,
		.tos = sk->tos,
		.scope = sock_flag(sk, SF_LOCALROUTE) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.protocol = IPPROTO_TCP,
		.mark = sk->mark,
		.uid = sk->uid,
		.flags = sock_flag(sk, SF_TRANSPARENT) ? FLOW_ANY_SOURCE : 0,
		.source_port = sk->port,
		.destination_port = sk->remote_port,
	};
	struct route *route = NULL;
	int error = route_output(stack, &flow, &route);
	if (error) {
		if (error == -ENETUNREACH)
			COUNT(stack, Ip, OutNoRoutes);
		return error;
	}
	if (route->type == RTN_MULTICAST || route->type == RTN_BROADCAST) {
		route_put(stack, route);
		return -ENETUNREACH;
	}
	/* 0.0.0.0 is this host, by the address that the lookup filled in. */
	sk->remote = source_route ? remote : flow.destination;
	/* Also a socket bound to a group's or a broadcast address, which is no source, gets one now. */
	if (!sk->source.s_addr)
		sk->source = sk->local = flow.source;
	if (sk->route)
		route_put(stack, sk->route);
	sk->route = route;
	return 0;
}

/*
 * ip_dynaddr: the address that a SYN was sent from has gone with a link that gets another one each time it is dialled. The attempt
 * goes on from the new one (inet_sk_reselect_saddr). 0 or -errno.
 */
static int reselect_source(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	struct in_addr old = sk->source;
	int error;

	sk->source.s_addr = 0;
	error = find_route(tp, sk->remote);
	if (error) {
		sk->source = old;
		return error;
	}
	if (sk->source.s_addr != old.s_addr) {
		tcp_entry_remove(sk->stack, &tp->entry);
		tp->entry.local = sk->source;
		tcp_entry_insert(sk->stack, &tp->entry);
	}
	return 0;
}

bool tcp_route_ready(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	int error = 0;

	if (sock_route(sk, &error))
		return true;
	if (sk->stack->sysctl.ip_dynaddr && sk->state == TCP_SYN_SENT && !sk->bound_address)
		error = reselect_source(tp);
	if (error)
		sk->error_soft = -error;
	return !error;
}

static void begin_failed(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	tcp_set_state(tp, TCP_CLOSE);
	tcp_reset_source(tp);
	if (sk->route)
		route_put(sk->stack, sk->route);
	sk->route = NULL;
	sk->remote_port = 0;
}

/* Sizes, windows and sequence numbers that the SYN speaks of (tcp_connect_init). */
static void init_connection(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	struct pl_stack *stack = sk->stack;
	const struct route *route = sk->route;
	int full = tcp_full_space(tp);
	tp->tcp_header_len = TCP_HEADER + (stack->sysctl.tcp_timestamps ? 12 : 0);
	if (tcp_md5_lookup(tp, sk->remote))
		tp->tcp_header_len += 20;
	if (tp->user_mss)
		tp->mss_clamp = tp->user_mss;
	tp->max_window = 0;
	tcp_mtup_init(tp);
	tcp_sync_mss(tp, route_mtu(stack, route));
	tcp_cong_of_route(tp);
	if (!tp->window_clamp)
		tp->window_clamp = route->metric[RTAX_WINDOW];
	tp->advmss = tcp_mss_clamp(tp, route_advmss(stack, route));
	tcp_initialize_rcv_mss(tp);
	if (sk->receive_buffer_locked && (!tp->window_clamp || (int64_t)tp->window_clamp > full))
		tp->window_clamp = (uint32_t)full;
	tcp_select_initial_window(stack, full, tp->advmss - (tp->ts_recent_stamp ? tp->tcp_header_len - TCP_HEADER : 0),
				  &tp->rcv_wnd, &tp->window_clamp, stack->sysctl.tcp_window_scaling, &tp->rcv_wscale,
				  route->metric[RTAX_INITRWND]);
	tp->rcv_ssthresh = tp->rcv_wnd;
	sk->error = 0;
	sock_flag_set(sk, SF_DONE, false);
	tp->snd_wnd = tp->snd_wl1 = 0;
	tcp_write_queue_purge(tp);
	tp->snd_una = tp->snd_sml = tp->snd_up = tp->snd_nxt = tp->write_seq;
	tp->iss = tp->write_seq;
	if (tp->repair)
		tp->rcv_tstamp = tcp_jiffies32(tp);
	else
		tp->rcv_nxt = 0;
	tp->rcv_wup = tp->copied_seq = tp->rcv_nxt;
	tp->rto = (uint32_t)time_to_jiffies_up(stack, TCP_TIMEOUT_INIT);
	tp->retransmits = 0;
	tcp_clear_retrans(tp);
}

int tcp_connect_start(struct tcp_sock *tp)
{
	init_connection(tp);
	if (!tp->repair)
		return tcp_connect_send(tp);
	tcp_finish_connect(tp);
	return 0;
}

/* From CLOSE to SYN-SENT, and the SYN out, unless Fast Open keeps it until there is data. */
static int64_t begin(struct tcp_sock *tp, const struct sockaddr *address, socklen_t length)
{
	struct sock *sk = &tp->sk;
	const struct sockaddr_in *to = (const struct sockaddr_in *)address;
	int64_t result = check_address(address, length);
	if (result)
		return result;
	int error = find_route(tp, to->sin_addr);
	if (error)
		return error;
	if (tp->ts_recent_stamp && tp->entry.remote.s_addr != sk->remote.s_addr) {
		tp->ts_recent = 0;
		tp->ts_recent_stamp = 0;
		if (!tp->repair)
			tp->write_seq = 0;
	}
	sk->remote_port = ntohs(to->sin_port);
	tp->ext_header_length = sk->options ? sk->options->length : 0;
	tp->mss_clamp = TCP_MSS_DEFAULT;
	tcp_set_state(tp, TCP_SYN_SENT);
	error = tcp_hash_connect(tp);
	if (error) {
		begin_failed(tp);
		return error;
	}
	if (!tp->repair) {
		if (!tp->write_seq)
			tp->write_seq = tcp_initial_sequence(sk->stack, sk->source, sk->port, sk->remote, sk->remote_port);
		tp->tsoffset = tcp_timestamp_offset(sk->stack, sk->source, sk->port, sk->remote, sk->remote_port);
	}
	if (tcp_fastopen_defer_connect(tp, &error))
		return error;
	if (!error)
		error = tcp_connect_start(tp);
	if (error)
		begin_failed(tp);
	return error;
}

/* The attempt is over and failed, or the connection ended before anyone looked: tell why, and be ready for another try. */
static int64_t attempt_failed(struct tcp_sock *tp)
{
	int error = sock_error_take(&tp->sk);
	tp->socket_state = SS_UNCONNECTED;
	if (tcp_disconnect(tp))
		tp->socket_state = SS_DISCONNECTING;
	return error ? error : -ECONNABORTED;
}

static bool handshaking(const struct tcp_sock *tp)
{
	return tp->sk.state == TCP_SYN_SENT || tp->sk.state == TCP_SYN_RECV;
}

/* What a first look says: 0 to go on and wait, with the error of one who does not wait in *impatient. */
static int64_t enter(struct tcp_sock *tp, const struct sockaddr *address, socklen_t length, bool from_sendmsg, bool *deferred,
		     int64_t *impatient)
{
	int64_t result;
	switch (tp->socket_state) {
	case SS_CONNECTED:
		return -EISCONN;
	case SS_CONNECTING:
		if (sock_flag(&tp->sk, SF_DEFER_CONNECT))
			*impatient = from_sendmsg ? -EINPROGRESS : -EISCONN;
		else
			*impatient = -EALREADY;
		return 0;
	case SS_UNCONNECTED:
		if (tp->sk.state != TCP_CLOSE)
			return -EISCONN;
		result = begin(tp, address, length);
		if (result < 0)
			return result;
		tp->socket_state = SS_CONNECTING;
		*deferred = sock_flag(&tp->sk, SF_DEFER_CONNECT);
		*impatient = -EINPROGRESS;
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t tcp_stream_connect(struct sock *sk, struct pl_call *call, const struct sockaddr *address, socklen_t length, int flags,
			   bool from_sendmsg)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int64_t impatient = -EINPROGRESS;
	bool deferred = false;
	if (address && length < sizeof(address->sa_family))
		return -EINVAL;
	if (address && address->sa_family == AF_UNSPEC) {
		tcp_disconnect(tp);
		tp->socket_state = SS_UNCONNECTED;
		return 0;
	}
	/* A call that waits is run again from the top: then it has entered already. */
	if (!call->waiting) {
		int64_t result = enter(tp, address, length, from_sendmsg, &deferred, &impatient);
		if (result < 0)
			return result;
		if (deferred)
			return 0;
		if (!from_sendmsg)
			call->progress = -impatient;	/* what to say when the timeout ends the wait */
	} else if (!from_sendmsg) {
		impatient = -call->progress;
	}
	if (handshaking(tp)) {
		int64_t wait = sock_wait(sk, call, EPOLLOUT | EPOLLIN, sock_send_timeout(sk, call, flags));
		return wait == -EAGAIN ? impatient : wait;
	}
	if (sk->state == TCP_CLOSE)
		return attempt_failed(tp);
	tp->socket_state = SS_CONNECTED;
	return 0;
}

int64_t tcp_connect_call(struct sock *sk, struct pl_call *call, const struct sockaddr *address, socklen_t length, int flags)
{
	return tcp_stream_connect(sk, call, address, length, flags, false);
}

/* --- connected ---------------------------------------------------------------------------------------------------------------- */
void tcp_finish_connect(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	tcp_set_state(tp, TCP_ESTABLISHED);
	tp->ack.lrcvtime = tcp_jiffies32(tp);
	tcp_init_transfer(tp);
	/* The first data is no start after idleness. */
	tp->lsndtime = tcp_jiffies32(tp);
	if (sock_flag(&tp->sk, SF_KEEPOPEN))
		tcp_keepalive_arm(tp, jiffies_to_time(stack, tcp_keepalive_time_when(tp)));
	if (!sock_flag(&tp->sk, SF_DEAD))
		sock_wake(&tp->sk, TCP_WAKE_STATE);
}

uint16_t tcp_advertise_mss(struct tcp_sock *tp)
{
	int error = 0;
	const struct route *route = sock_route(&tp->sk, &error);
	if (route) {
		uint32_t most = route_advmss(tp->sk.stack, route);
		if (most < tp->advmss)
			tp->advmss = (uint16_t)most;
	}
	return tp->advmss;
}

uint16_t tcp_syn_mss(const struct tcp_segment *segment, uint16_t user_mss, uint16_t otherwise)
{
	if (!segment->option.has_mss || !segment->option.mss)
		return otherwise;
	return user_mss && user_mss < segment->option.mss ? user_mss : segment->option.mss;
}

/* What the peer's SYN says, to a socket that has sent its own. */
static void take_syn_options(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	const struct tcp_options *option = &segment->option;
	const struct sysctls *sysctl = &tp->sk.stack->sysctl;
	tp->mss_clamp = tcp_syn_mss(segment, tp->user_mss, tp->mss_clamp);
	if (option->has_wscale && sysctl->tcp_window_scaling) {
		tp->wscale_ok = true;
		tp->snd_wscale = option->wscale < TCP_MAX_WSCALE ? option->wscale : TCP_MAX_WSCALE;
	}
	if (option->has_sackok && sysctl->tcp_sack)
		tp->sack_ok = true;
	tp->saw_tstamp = option->has_timestamp && sysctl->tcp_timestamps;
	if (tp->saw_tstamp) {
		tp->rcv_tsval = option->tsval;
		tp->rcv_tsecr = option->tsecr ? option->tsecr - tp->tsoffset : 0;
	}
}

static void no_window_scale(struct tcp_sock *tp)
{
	tp->snd_wscale = tp->rcv_wscale = 0;
	if (tp->window_clamp > 65535)
		tp->window_clamp = 65535;
}

static void agree_on_timestamps(struct tcp_sock *tp)
{
	uint32_t md5 = tcp_md5_lookup(tp, tp->sk.remote) ? 20 : 0;
	tp->tcp_header_len = TCP_HEADER + md5;
	if (!tp->saw_tstamp)
		return;
	tp->tstamp_ok = true;
	tp->tcp_header_len += 12;
	tp->advmss = (uint16_t)(tp->advmss - 12);
	tcp_store_ts_recent(tp);
}

static void take_receive_sequence(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	tp->irs = segment->seq;
	tp->rcv_nxt = tp->rcv_wup = tp->copied_seq = segment->seq + 1;
	tp->snd_wnd = segment->window;	/* the window of a SYN is never scaled */
	tp->snd_wl1 = segment->seq;
}

/* --- SYN-SENT: RFC 9293 3.10.7.3 ------------------------------------------------------------------------------------------------ */
/* The acknowledgement in SYN-SENT is acceptable: of our SYN, and of nothing that was not sent. */
static bool ack_acceptable(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (!after(segment->ack, tp->snd_una) || after(segment->ack, tp->snd_nxt)) {
		/* RFC 9293 says to reset; a retransmission timeout in between means that the answer may be an old one: soon again. */
		if (!tp->retransmits)
			tcp_retransmit_soon(tp);
		return false;
	}
	if (tp->saw_tstamp && tp->rcv_tsecr &&
	    (before(tp->rcv_tsecr, tp->retrans_stamp) || after(tp->rcv_tsecr, tcp_clock_ts(tp->sk.stack, tp->usec_ts)))) {
		COUNT(tp->sk.stack, TcpExt, PAWSActive);
		return false;
	}
	return true;
}

/* May the acknowledgement of the SYN-ACK wait for data that goes with it, or for the server to speak first? */
static bool ack_may_wait(const struct tcp_sock *tp)
{
	return tp->write_pending || tp->defer_accept || tp->ack.pingpong >= tp->sk.stack->sysctl.tcp_pingpong_thresh;
}

/* SYN-ACK: the connection is established. */
static void established(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	tcp_ecn_receive_synack(tp, segment);
	tp->snd_wl1 = segment->seq;
	tcp_try_undo_spurious_syn(tp);
	tcp_ack(tp, segment, TCP_ACK_SLOWPATH);
	take_receive_sequence(tp, segment);
	if (!tp->wscale_ok)
		no_window_scale(tp);
	agree_on_timestamps(tp);
	tcp_sync_mss(tp, tp->pmtu_cookie);
	tcp_initialize_rcv_mss(tp);
	tp->copied_seq = tp->rcv_nxt;
	tcp_finish_connect(tp);
	sock_arrival_keep(&tp->sk, segment->packet, false);
	bool fastopen_failed = (tp->syn_fastopen || tp->syn_data) && tcp_fastopen_synack(tp, segment);
	if (!fastopen_failed && ack_may_wait(tp)) {
		tcp_schedule_delack(tp);
		tcp_enter_quickack(tp, 16);
		tcp_delack_arm(tp);
		return;
	}
	if (!fastopen_failed)
		tcp_send_ack(tp);
	tcp_urgent(tp, segment);
	tcp_data_send_check(tp);
}

/*
 * A SYN without ACK: the other side opens too. The SYN-ACK repeats the window scale of the SYN, and Linux goes on to scale the windows
 * that it sends even when the peer offered none (RFC 7323 2.2 would have it otherwise).
 */
static void crossed(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	tcp_set_state(tp, TCP_SYN_RECV);
	if (tp->saw_tstamp) {
		tp->tstamp_ok = true;
		tcp_store_ts_recent(tp);
		tp->tcp_header_len = TCP_HEADER + 12;
	} else {
		tp->tcp_header_len = TCP_HEADER;
	}
	take_receive_sequence(tp, segment);
	tp->max_window = tp->snd_wnd;
	tcp_ecn_receive_syn(tp, segment);
	tcp_mtup_init(tp);
	tcp_sync_mss(tp, tp->pmtu_cookie);
	tcp_initialize_rcv_mss(tp);
	tcp_send_synack(tp);
}

void tcp_synsent_segment(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint16_t mss_clamp = tp->mss_clamp;
	take_syn_options(tp, segment);
	if (segment->flags & TH_ACK) {
		if (!ack_acceptable(tp, segment)) {
			tcp_send_reset(tp->sk.stack, tp, segment);
			goto forget;
		}
		if (segment->flags & TH_RST) {
			tcp_connection_reset(tp);
			return;
		}
		if (!(segment->flags & TH_SYN))
			goto forget;
		established(tp, segment);
		return;
	}
	if (segment->flags & TH_RST)
		goto forget;
	if (tp->ts_recent_stamp && tp->saw_tstamp &&
	    tcp_paws_reject(tp->sk.stack, tp->ts_recent, tp->ts_recent_stamp, tp->rcv_tsval, false))
		goto forget;
	if (segment->flags & TH_SYN) {
		crossed(tp, segment);
		return;
	}
forget:
	/* It was not for this attempt: neither was what it said. */
	tp->saw_tstamp = tp->wscale_ok = tp->sack_ok = false;
	tp->snd_wscale = 0;
	tp->mss_clamp = mss_clamp;
}
