/*
 * Segment sizes: the MSS from the path MTU, the size goal of the application's writes, path MTU probing (RFC 4821).
 *
 * mss_cache is the payload of a full packet: the path MTU less the IP header, its options and the TCP header with the options
 * that every segment of this connection carries (tcp_header_len), no more than the peer's MSS option allows. Options that come
 * and go (SACK blocks) are taken off for the segment at hand by tcp_current_mss.
 */
#include "send.h"

#include <netinet/ip.h>

#define IP_HEADER ((uint32_t)sizeof(struct iphdr))

/* The payload that fits a packet of `pmtu` bytes without TCP options; never below tcp_min_snd_mss. */
static uint32_t base_mss(const struct tcp_sock *tp, uint32_t pmtu)
{
	int64_t mss = (int64_t)pmtu - IP_HEADER - TCP_HEADER;

	if (mss > tp->mss_clamp)
		mss = tp->mss_clamp;
	mss -= tp->ext_header_length;
	return mss < tcp_sysctl(tp)->tcp_min_snd_mss ? (uint32_t)tcp_sysctl(tp)->tcp_min_snd_mss : (uint32_t)mss;
}

uint32_t tcp_mtu_to_mss(struct tcp_sock *tp, uint32_t pmtu)
{
	return base_mss(tp, pmtu) - (tp->tcp_header_len - TCP_HEADER);
}

uint32_t tcp_mss_to_mtu(const struct tcp_sock *tp, uint32_t mss)
{
	return mss + tp->tcp_header_len + tp->ext_header_length + IP_HEADER;
}

/* Never more than half of the largest window the peer offered, so that two segments can be under way; small windows whole. */
static uint32_t bound_to_half_window(const struct tcp_sock *tp, uint32_t size)
{
	uint32_t cutoff = tp->max_window > TCP_DEFAULT_MSS ? tp->max_window / 2 : tp->max_window;
	uint32_t least = 68 - tp->tcp_header_len;

	if (!cutoff || size <= cutoff)
		return size;
	return (int32_t)cutoff > (int32_t)least ? cutoff : least;
}

/* The path MTU is now `pmtu`: compute mss_cache anew and return it. */
uint32_t tcp_sync_mss(struct tcp_sock *tp, uint32_t pmtu)
{
	if (tp->mtup.search_high > pmtu)
		tp->mtup.search_high = pmtu;
	uint32_t mss = bound_to_half_window(tp, tcp_mtu_to_mss(tp, pmtu));
	tp->pmtu_cookie = pmtu;
	if (tp->mtup.enabled) {
		uint32_t proven = tcp_mtu_to_mss(tp, tp->mtup.search_low);

		mss = mss < proven ? mss : proven;
	}
	return tp->mss_cache = mss;
}

uint32_t tcp_current_mss(struct tcp_sock *tp)
{
	uint32_t mss = tp->mss_cache;
	const struct route *route = tp->sk.route;	/* as it is: whether it is still right is looked at when a segment leaves */
	struct tcp_out_options options;

	if (route) {
		uint32_t mtu = route_mtu(tp->sk.stack, route);

		if (mtu != tp->pmtu_cookie)
			mss = tcp_sync_mss(tp, mtu);
	}
	memset(&options, 0, sizeof(options));
	uint32_t header = TCP_HEADER + tcp_options_established(tp, NULL, &options);
	return mss - (header - tp->tcp_header_len);
}

/* The current MSS, and in *size_goal how much a buffer of the write queue should hold; MSG_OOB in flags: one packet. */
uint32_t tcp_send_mss(struct tcp_sock *tp, uint32_t *size_goal, int flags)
{
	uint32_t mss = tcp_current_mss(tp);

	*size_goal = mss;
	if (flags & MSG_OOB)
		return mss;
	uint32_t room = bound_to_half_window(tp, TCP_GSO_MAX_SIZE), goal = tp->gso_segs * mss;
	if (room < goal || room >= goal + mss) {
		uint32_t segments = room / mss;

		tp->gso_segs = (uint16_t)(segments < TCP_GSO_MAX_SEGS ? segments : TCP_GSO_MAX_SEGS);
		goal = tp->gso_segs * mss;
	}
	if (goal > mss)
		*size_goal = goal;
	return mss;
}

/* --- path MTU discovery by ICMP -------------------------------------------------------------------------------------- */

/* A router said that packets beyond `mtu` do not pass; error.c has checked that it may be believed and taught the route. */
void tcp_mtu_reduced(struct tcp_sock *tp, uint32_t mtu)
{
	int error = 0;
	const struct route *route = sock_route(&tp->sk, &error);

	if (!route)
		return;
	struct flow flow = sock_flow(&tp->sk);
	flow.source = route->source;
	route_pmtu_learn(tp->sk.stack, &flow, mtu);
	route = sock_route(&tp->sk, &error);	/* with what was learnt */
	if (!route)
		return;
	uint32_t known = route_mtu(tp->sk.stack, route);
	if (mtu < known && sock_dont_fragment(&tp->sk, route))
		tp->sk.error_soft = EMSGSIZE;
	bool accepts = tp->sk.pmtudisc != IP_PMTUDISC_DONT && tp->sk.pmtudisc < IP_PMTUDISC_INTERFACE;
	if (accepts && tp->pmtu_cookie > known) {
		tcp_sync_mss(tp, known);
		/* What is too large would be lost again: send it now, in smaller packets, without slowing down. */
		tcp_simple_retransmit(tp);
	}
}

/* --- probing ---------------------------------------------------------------------------------------------------------- */

void tcp_mtup_init(struct tcp_sock *tp)
{
	tp->mtup.enabled = tcp_sysctl(tp)->tcp_mtu_probing > 1;
	tp->mtup.search_high = tp->mss_clamp + TCP_HEADER + IP_HEADER;
	tp->mtup.search_low = tcp_mss_to_mtu(tp, (uint32_t)tcp_sysctl(tp)->tcp_base_mss);
	tp->mtup.probe_size = 0;
	if (tp->mtup.enabled)
		tp->mtup.probe_timestamp = tcp_jiffies32(tp);
}

/* The search has ended long ago: the path may have changed, so look upwards again. */
static void search_again_when_due(struct tcp_sock *tp)
{
	uint32_t now = tcp_jiffies32(tp);

	if (now - tp->mtup.probe_timestamp < (uint32_t)tcp_sysctl(tp)->tcp_probe_interval * tcp_hz(tp))
		return;
	tp->mtup.probe_size = 0;
	tp->mtup.search_high = tp->mss_clamp + TCP_HEADER + IP_HEADER;
	tp->mtup.search_low = tcp_mss_to_mtu(tp, tcp_current_mss(tp));
	tp->mtup.probe_timestamp = now;
}

/* Can the first `length` bytes of the write queue be one packet? */
static bool head_can_merge(const struct tcp_sock *tp, uint32_t length)
{
	for (const struct pktbuf *packet = tcp_send_head(tp); packet; packet = packet->next) {
		uint32_t here = pktbuf_length(packet);

		if (length <= here)
			return true;
		if (tcp_cb(packet)->eor || (packet->next && !tcp_may_merge(packet, packet->next)))
			return false;
		length -= here;
	}
	return true;
}

/* Move `size` bytes from the head of the write queue into one buffer in front of it. NULL: no memory. */
static struct pktbuf *build_probe(struct tcp_sock *tp, uint32_t size)
{
	struct pktbuf *head = tcp_send_head(tp), *probe = tcp_stream_alloc(tp, size), *next;

	if (!probe)
		return NULL;
	struct tcp_control *cb = tcp_cb(probe);
	cb->seq = tcp_cb(head)->seq;
	cb->end_seq = cb->seq + size;
	cb->flags = TH_ACK;
	tcp_wmem_add(tp, (int32_t)(probe->truesize + size));
	probe->truesize += size;
	for (struct pktbuf *packet = head; packet && pktbuf_length(probe) < size; packet = next) {
		uint32_t left = size - pktbuf_length(probe), length = pktbuf_length(packet);
		struct tcp_control *from = tcp_cb(packet);

		next = packet->next;
		memcpy(pktbuf_put(probe, length < left ? length : left), packet->data, length < left ? length : left);
		if (length <= left) {
			cb->flags |= from->flags;
			cb->eor = from->eor;
			tcp_merge_stamps(probe, packet);
			tcp_highest_sack_replace(tp, packet, probe);
			tcp_send_buffer_free(tp, &tp->write_queue, packet);
			continue;
		}
		cb->flags |= from->flags & (uint16_t)~(TH_FIN | TH_PSH);
		pktbuf_pull(packet, left);
		from->seq += left;
		packet->truesize -= left;
		tcp_wmem_add(tp, -(int32_t)left);
	}
	pktbuf_queue_insert_after(&tp->write_queue, NULL, probe);
	cb->segments = 1;
	return probe;
}

/*
 * Send a probe of a larger packet when the time is right: nothing lost, a window of eleven packets or more, and enough data to
 * tell by what follows whether the probe alone was lost. 1: sent, 0: wait for room first, -1: not now.
 */
int tcp_mtu_probe(struct tcp_sock *tp)
{
	uint32_t low = tp->mtup.search_low, high = tp->mtup.search_high;

	if (!tp->mtup.enabled || tp->mtup.probe_size || tp->ca_state != TCP_CA_STATE_OPEN || tp->snd_cwnd < 11 || tp->num_sacks ||
	    tp->dsack_due)
		return -1;
	tcp_current_mss(tp);
	uint32_t size = tcp_mtu_to_mss(tp, (high + low) / 2), needed = size + (tp->reordering + 1) * tp->mss_cache;
	if (size > tcp_mtu_to_mss(tp, high) || (int64_t)high - low < tcp_sysctl(tp)->tcp_probe_threshold) {
		search_again_when_due(tp);
		return -1;
	}
	if (tp->write_seq - tp->snd_nxt < needed || tp->snd_wnd < needed)
		return -1;
	if (after(tp->snd_nxt + needed, tcp_wnd_end(tp)))
		return 0;
	if (tcp_packets_in_flight(tp) + 2 > tp->snd_cwnd)
		return tcp_packets_in_flight(tp) ? 0 : -1;
	if (!head_can_merge(tp, size) || tcp_pacing_blocks(tp))
		return -1;
	struct pktbuf *probe = build_probe(tp, size);
	if (!probe || tcp_transmit(tp, probe, true) != 0)
		return -1;	/* if built, it is cut to the usual size like anything else in the queue */
	tp->snd_cwnd--;		/* it is as large as two packets */
	tcp_new_data_sent(tp, probe);
	tp->mtup.probe_size = tcp_mss_to_mtu(tp, size);
	tp->mtup.probe_seq_start = tcp_cb(probe)->seq;
	tp->mtup.probe_seq_end = tcp_cb(probe)->end_seq;
	return 1;
}

void tcp_mtu_probe_failed(struct tcp_sock *tp)
{
	tp->mtup.search_high = tp->mtup.probe_size - 1;
	tp->mtup.probe_size = 0;
	COUNT(tp->sk.stack, TcpExt, TCPMTUPFail);
}

/* The probe arrived: larger packets from now on, and the window, counted in packets, keeps its bytes. */
void tcp_mtu_probe_success(struct tcp_sock *tp)
{
	uint64_t window = (uint64_t)tp->snd_cwnd * tcp_mss_to_mtu(tp, tp->mss_cache) / tp->mtup.probe_size;

	tp->prior_ssthresh = tcp_current_ssthresh(tp);
	tp->snd_cwnd = window > 1 ? (uint32_t)window : 1;
	tp->snd_cwnd_cnt = 0;
	tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	tp->snd_ssthresh = tcp_current_ssthresh(tp);
	tp->mtup.search_low = tp->mtup.probe_size;
	tp->mtup.probe_size = 0;
	tcp_sync_mss(tp, tp->pmtu_cookie);
	COUNT(tp->sk.stack, TcpExt, TCPMTUPSuccess);
}

/* Timeouts have gone on beyond tcp_retries1: perhaps large packets vanish. Begin probing, or halve the size that is relied on. */
void tcp_mtu_black_hole(struct tcp_sock *tp)
{
	const struct sysctls *tunable = tcp_sysctl(tp);

	if (!tunable->tcp_mtu_probing)
		return;
	if (!tp->mtup.enabled) {
		tp->mtup.enabled = true;
		tp->mtup.probe_timestamp = tcp_jiffies32(tp);
	} else {
		uint32_t mss = tcp_mtu_to_mss(tp, tp->mtup.search_low) / 2;

		mss = mss < (uint32_t)tunable->tcp_base_mss ? mss : (uint32_t)tunable->tcp_base_mss;
		mss = mss > (uint32_t)tunable->tcp_mtu_probe_floor ? mss : (uint32_t)tunable->tcp_mtu_probe_floor;
		mss = mss > (uint32_t)tunable->tcp_min_snd_mss ? mss : (uint32_t)tunable->tcp_min_snd_mss;
		tp->mtup.search_low = tcp_mss_to_mtu(tp, mss);
	}
	tcp_sync_mss(tp, tp->pmtu_cookie);
}
