/*
 * TCP Fast Open, the client's side: the cookie that is remembered of a server, data in the SYN, what the SYN-ACK says of it, and
 * the suspicion that a middlebox swallows such SYNs.
 */
#include "conn.h"
#include "send.h"

#define OPTION_RESERVE 40	/* a SYN with data leaves room for every option that somebody may add */
#define MAX_BLACKHOLE_SHIFT 6

void tcp_fastopen_request_free(struct tcp_sock *tp)
{
	tp->fastopen_req = (struct tcp_fastopen_request){ .cookie = { .length = -1 } };
}

bool tcp_fastopen_cookie_check(struct tcp_sock *tp, uint16_t *mss, struct tcp_fastopen_cookie *cookie)
{
	tcp_fastopen_cache_get(tp, mss, cookie);
	if (tcp_fastopen_active_should_disable(tp)) {
		cookie->length = -1;
		return false;
	}
	if (tcp_fastopen_no_cookie(tp, TFO_CLIENT_NO_COOKIE)) {
		cookie->length = -1;
		return true;
	}
	if (cookie->length > 0)
		return true;
	tp->fastopen_client_fail = TFO_COOKIE_UNAVAILABLE;
	return false;
}

/*
 * TCP_FASTOPEN_CONNECT: with a cookie connect() only remembers where to, and the first write sends the SYN with data. Without
 * one the SYN goes out at once and asks for it.
 */
bool tcp_fastopen_defer_connect(struct tcp_sock *tp, int *error)
{
	struct tcp_fastopen_cookie cookie = { .length = 0 };
	uint16_t mss;
	(void)error;
	if (!tp->fastopen_connect || tp->fastopen_req.active)
		return false;
	if (tcp_fastopen_cookie_check(tp, &mss, &cookie)) {
		sock_flag_set(&tp->sk, SF_DEFER_CONNECT, true);
		return true;
	}
	tp->fastopen_req = (struct tcp_fastopen_request){ .active = true, .cookie = cookie };
	return false;
}

/* --- the SYN --------------------------------------------------------------------------------------------------------------------- */
static int send_plain_syn(struct tcp_sock *tp, struct pktbuf *syn)
{
	struct tcp_fastopen_cookie *cookie = &tp->fastopen_req.cookie;
	if (cookie->length > 0)
		cookie->length = 0;
	int error = tcp_transmit(tp, syn, true);
	if (error)
		tp->syn_fastopen = false;
	return error;
}

/* A buffer with the SYN's control state and as much of the data as fits; NULL: no memory. */
static struct pktbuf *make_syn_data(struct tcp_sock *tp, const struct pktbuf *syn)
{
	struct tcp_fastopen_request *fo = &tp->fastopen_req;
	uint32_t room = tcp_mtu_to_mss(tp, tp->pmtu_cookie) + (tp->tcp_header_len - TCP_HEADER) - OPTION_RESERVE;
	size_t length = fo->size < room ? fo->size : room;
	struct pktbuf *packet = tcp_stream_alloc(tp, length);
	if (!packet)
		return NULL;
	*tcp_cb(packet) = *tcp_cb(syn);
	if (length && msg_copy_in(fo->data, 0, packet->tail, length) != length) {
		pktbuf_free(tp->sk.stack, packet);
		return NULL;
	}
	if (tp->sending.zerocopy)
		tcp_zerocopy_attach(tp->sending.zerocopy, packet);
	pktbuf_put(packet, length);
	packet->truesize += (uint32_t)length;
	tcp_cb(packet)->end_seq += (uint32_t)length;
	if (length == fo->size)
		fo->data = NULL;	/* nothing waits to be sent after the SYN */
	fo->copied = length;
	return packet;
}

int tcp_fastopen_send_syn(struct tcp_sock *tp, struct pktbuf *syn)
{
	struct tcp_fastopen_request *fo = &tp->fastopen_req;
	struct pktbuf *packet = NULL;
	int error;
	tp->mss_clamp = tp->advmss;	/* if none is remembered */
	if (tcp_fastopen_cookie_check(tp, &tp->mss_clamp, &fo->cookie)) {
		tp->mss_clamp = tcp_mss_clamp(tp, tp->mss_clamp);
		tcp_sync_mss(tp, tp->pmtu_cookie);
		packet = make_syn_data(tp, syn);
	}
	if (!packet) {
		error = send_plain_syn(tp, syn);
		fo->cookie.length = -1;
		return error;
	}
	tp->write_seq = tcp_cb(packet)->end_seq;
	tcp_wmem_add(tp, (int32_t)packet->truesize);
	tp->packets_out += tcp_cb(packet)->segments;
	error = tcp_transmit(tp, packet, true);
	tcp_cb(syn)->sent = tcp_cb(packet)->sent;
	/* The SYN is queued by itself: what is repeated of this packet is its data. */
	tcp_cb(packet)->seq++;
	tcp_cb(packet)->flags = TH_ACK | TH_PSH;
	if (!error) {
		tp->syn_data = fo->copied > 0;
		pktbuf_queue_push(&tp->retransmit_queue, packet);
		COUNT(tp->sk.stack, TcpExt, TCPOrigDataSent);
	} else {
		pktbuf_queue_push(&tp->write_queue, packet);
		tp->packets_out -= tcp_cb(packet)->segments;
		error = send_plain_syn(tp, syn);
	}
	fo->cookie.length = -1;	/* a SYN that is sent again has no cookie */
	return error;
}

/* --- the SYN-ACK -------------------------------------------------------------------------------------------------------------------- */
/* The cookie that came; length -1: none. */
static struct tcp_fastopen_cookie cookie_received(const struct tcp_segment *synack)
{
	const struct tcp_options *option = &synack->option;
	struct tcp_fastopen_cookie cookie = { .length = -1 };
	if (!option->has_fastopen)
		return cookie;
	cookie.length = (int8_t)option->fastopen_length;
	cookie.experimental = option->fastopen_experimental;
	memcpy(cookie.bytes, option->fastopen_cookie, option->fastopen_length);
	return cookie;
}

/* Remember what the SYN-ACK tells of the server. */
static void learn(struct tcp_sock *tp, const struct tcp_segment *synack, bool data_refused)
{
	struct tcp_fastopen_cookie cookie = cookie_received(synack);
	uint16_t mss = tp->mss_clamp, try_experimental = 0;
	bool syn_lost = false;
	if (mss == tp->user_mss)
		mss = tcp_syn_mss(synack, 0, 0);	/* what the user limited says nothing of the server */
	if (!tp->syn_fastopen)
		cookie.length = -1;		/* nobody asked */
	else if (tp->total_retrans)
		syn_lost = cookie.length < 0 && data_refused;	/* it was the plain SYN that got through */
	else if (cookie.length < 0 && !tp->syn_data)
		try_experimental = tp->syn_fastopen_exp ? 2 : 1;	/* asked in vain: the other form of the option next */
	tcp_fastopen_cache_set(tp, mss, &cookie, syn_lost, try_experimental);
}

/* true: data of the SYN was not taken and was sent again; this segment has no more to say. */
bool tcp_fastopen_synack(struct tcp_sock *tp, const struct tcp_segment *synack)
{
	struct pktbuf *data = tp->syn_data ? tp->retransmit_queue.first : NULL;
	learn(tp, synack, data);
	if (data) {
		tp->fastopen_client_fail = tp->total_retrans ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
		tcp_resend_syn_data(tp);
		COUNT(tp->sk.stack, TcpExt, TCPFastOpenActiveFail);
		return true;
	}
	tp->syn_data_acked = tp->syn_data;
	if (tp->syn_data_acked) {
		COUNT(tp->sk.stack, TcpExt, TCPFastOpenActive);
		/* One packet, but two buffers were acknowledged. */
		if (tp->delivered > 1)
			tp->delivered--;
	}
	tcp_fastopen_add_data(tp, synack);
	return false;
}

/* --- blackholes ------------------------------------------------------------------------------------------------------------------------ */
/* Something suggests that the path does not let such SYNs or their answers through: no Fast Open for a while, longer each time. */
void tcp_fastopen_active_disable(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	if (!stack->sysctl.tcp_fastopen_blackhole_timeout_sec)
		return;
	stack->tcp->fastopen_blackhole_since = stack->now;
	stack->tcp->fastopen_blackholes++;
	COUNT(stack, TcpExt, TCPFastOpenBlackhole);
}

bool tcp_fastopen_active_should_disable(struct tcp_sock *tp)
{
	const struct pl_stack *stack = tp->sk.stack;
	uint32_t times = stack->tcp->fastopen_blackholes;
	int seconds = stack->sysctl.tcp_fastopen_blackhole_timeout_sec;
	if (!seconds || !times)
		return false;
	unsigned shift = times - 1 < MAX_BLACKHOLE_SHIFT ? times - 1 : MAX_BLACKHOLE_SHIFT;
	pl_time until = stack->tcp->fastopen_blackhole_since + ((pl_time)seconds << shift) * PL_NSEC_PER_SEC;
	if (stack->now < until)
		return true;
	/* The first connection after that is watched: its success takes the back-off away. */
	tp->syn_fastopen_ch = true;
	return false;
}

/* A connection that ends: a FIN or data out of order that never came together, on a Fast Open connection, is suspicious. */
void tcp_fastopen_ofo_check(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	if (!tp->syn_fastopen)
		return;
	if (!tp->data_segs_in) {
		const struct pktbuf *first = tp->out_of_order.first;
		if (first && !first->next && tcp_cb(first)->flags & TH_FIN)
			tcp_fastopen_active_disable(tp);
	} else if (tp->syn_fastopen_ch && stack->tcp->fastopen_blackholes) {
		const struct route *route = tp->sk.route;
		if (!(route && route->link->flags & IFF_LOOPBACK))
			stack->tcp->fastopen_blackholes = 0;
	}
}

/* A Fast Open connection times out twice in a row, or before that for the last time: its packets may be swallowed on purpose. */
void tcp_fastopen_active_detect_blackhole(struct tcp_sock *tp, bool expired)
{
	uint32_t timeouts = tp->retransmits;
	if ((tp->syn_fastopen || tp->syn_data || tp->syn_data_acked) && (timeouts == 2 || (timeouts < 2 && expired)))
		tcp_fastopen_active_disable(tp);
}
