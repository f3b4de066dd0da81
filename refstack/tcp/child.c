/*
 * The full socket of a completed handshake: a copy of the listener with the connection's own state.
 */
#include "conn.h"

#include <stdlib.h>

/* What a copy of the listener must not share with it. */
static void cut_loose(struct tcp_sock *tp)
{
	tp->entry = (struct tcp_entry){ 0 };
	tp->listen_next = NULL;
	tp->bind = NULL;
	tp->bind_next = NULL;
	tp->bind_previous = NULL;
	tp->write_queue = tp->retransmit_queue = tp->out_of_order = (struct pktbuf_queue){ 0 };
	tp->md5_keys = NULL;
	tp->accept_first = NULL;
	tp->accept_last = NULL;
	tp->requests = tp->request = NULL;
	tp->accept_queue = tp->request_count = tp->request_young = 0;
	memset(&tp->fastopenq, 0, sizeof(tp->fastopenq));
	memset(&tp->fastopen_req, 0, sizeof(tp->fastopen_req));
	tp->saved_syn = NULL;
	tp->orphan = tp->counted = false;
	tp->charged = 0;
	tp->socket_state = SS_UNCONNECTED;
}

static void set_addresses(struct tcp_sock *tp, const struct tcp_request *request)
{
	struct sock *sk = &tp->sk;
	sk->local = sk->source = request->entry.local;
	sk->remote = request->entry.remote;
	sk->remote_port = request->entry.remote_port;
	sk->mark = request->mark;
	tp->entry = request->entry;
	tp->entry.next = NULL;
	tp->entry.previous = NULL;
	tp->entry.kind = TCP_ENTRY_SOCKET;
}

static void set_receiving_half(struct tcp_sock *tp, const struct tcp_request *request, const struct tcp_segment *segment)
{
	uint32_t now = tcp_jiffies32(tp);
	tp->irs = request->rcv_isn;
	tp->rcv_wup = tp->copied_seq = tp->rcv_nxt = request->rcv_isn + 1;
	tp->segs_in = 1;	/* the SYN */
	tp->data_segs_in = 0;
	tp->bytes_received = 0;
	tp->snd_wl1 = request->rcv_isn;
	memset(&tp->ack, 0, sizeof(tp->ack));
	tp->ack.lrcvtime = now;
	if (segment->length >= TCP_MSS_DEFAULT + tp->tcp_header_len)
		tp->ack.last_seg_size = segment->length - tp->tcp_header_len;
	tp->rcv_wnd = tp->rcv_ssthresh = request->rcv_wnd;
	tp->window_clamp = request->window_clamp;
	tp->num_sacks = 0;
	tp->dsack_due = false;
	tp->urg_data = 0;
	tp->last_oow_ack_time = 0;
	memset(&tp->rcvq_space, 0, sizeof(tp->rcvq_space));
	memset(&tp->rcv_rtt_est, 0, sizeof(tp->rcv_rtt_est));
	tp->rcv_rtt_last_tsecr = 0;
	tp->compressed_ack = tp->dup_ack_counter = 0;
	tp->rcv_ooopack = 0;
	if (!tp->wscale_ok && tp->window_clamp > 65535)
		tp->window_clamp = 65535;
}

static void set_options(struct tcp_sock *tp, const struct tcp_request *request)
{
	tp->tstamp_ok = request->tstamp_ok;
	tp->sack_ok = request->sack_ok;
	tp->dsack_seen = false;
	tp->wscale_ok = request->wscale_ok;
	tp->snd_wscale = tp->wscale_ok ? request->snd_wscale : 0;
	tp->rcv_wscale = tp->wscale_ok ? request->rcv_wscale : 0;
	tp->usec_ts = request->tstamp_ok && request->req_usec_ts;
	tp->ts_recent = request->tstamp_ok ? request->ts_recent : 0;
	tp->ts_recent_stamp = request->tstamp_ok ? tcp_seconds(tp->sk.stack) : 0;
	tp->tsoffset = request->ts_offset;
	tp->tcp_header_len = TCP_HEADER + (request->tstamp_ok ? 12 : 0);
	tp->mss_clamp = request->mss;
}

static void set_sending_half(struct tcp_sock *tp, const struct tcp_request *request, const struct tcp_segment *segment)
{
	uint32_t first = request->snt_isn + 1;
	tp->iss = request->snt_isn;
	tp->snd_una = tp->snd_nxt = tp->snd_up = tp->snd_sml = tp->write_seq = tp->pushed_seq = first;
	tp->snd_wnd = (uint32_t)segment->window << tp->snd_wscale;
	tp->max_window = tp->snd_wnd;
	tp->lsndtime = tcp_jiffies32(tp);
	tcp_send_init_child(tp, request);
}

/* The way back to the peer, and what it allows. */
static int set_route(struct tcp_sock *tp, struct tcp_request *request)
{
	struct sock *sk = &tp->sk;
	int error;
	sk->route = tcp_request_route(request, &error);
	if (!sk->route)
		return error;
	sk->options = request->options;
	request->options = NULL;
	tp->ext_header_length = sk->options ? sk->options->length : 0;
	if (sk->stack->sysctl.tcp_reflect_tos)
		sk->tos = request->syn_tos & 0xfc;
	tcp_cong_of_route(tp);
	tcp_sync_mss(tp, route_mtu(sk->stack, sk->route));
	tp->advmss = tcp_mss_clamp(request->listener, route_advmss(sk->stack, sk->route));
	tcp_initialize_rcv_mss(tp);
	return 0;
}

struct tcp_sock *tcp_child_new(struct tcp_request *request, const struct tcp_segment *segment)
{
	struct tcp_sock *listener = request->listener;
	struct pl_stack *stack = listener->sk.stack;
	if (tcp_accept_full(listener)) {
		COUNT(stack, TcpExt, ListenOverflows);
		goto refused;
	}
	struct sock *sk = sock_clone(&listener->sk);
	if (!sk)
		goto refused;
	struct tcp_sock *tp = tcp_sk(sk);
	cut_loose(tp);
	tcp_count_sock(tp);
	sk->state = TCP_SYN_RECV;
	set_addresses(tp, request);
	sk->multicast_link = segment->packet->input_ifindex;	/* for IP_PKTOPTIONS, and all that IP_MULTICAST_* are good for here */
	sk->multicast_ttl = ip_header(segment->packet)->ttl;
	sk->received_tos = ip_header(segment->packet)->tos;
	tcp_delack_init(tp);
	tcp_keepalive_init(tp);
	set_options(tp, request);
	set_receiving_half(tp, request, segment);
	set_sending_half(tp, request, segment);
	tcp_ecn_child(tp, request);
	if (set_route(tp, request) || tcp_md5_copy(tp, listener, request->entry.remote) || tcp_inherit_port(listener, tp)) {
		tcp_discard(tp);
		goto refused;
	}
	tp->saved_syn = request->saved_syn;
	request->saved_syn = NULL;
	if (tp->md5_keys)
		tp->tcp_header_len += 20;
	if (sock_flag(sk, SF_KEEPOPEN))
		tcp_keepalive_arm(tp, jiffies_to_time(stack, tcp_keepalive_time_when(tp)));
	tcp_entry_remove(stack, &request->entry);
	tcp_entry_insert(stack, &tp->entry);
	sock_arrival_keep(sk, segment->packet, false);
	COUNT(stack, Tcp, PassiveOpens);
	return tp;
refused:
	listener->sk.drops++;
	COUNT(stack, TcpExt, ListenDrops);
	return NULL;
}
