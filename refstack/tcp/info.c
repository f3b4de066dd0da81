/* TCP_INFO, and what of it goes with a time stamp. */
#include "info.h"

#include <linux/netlink.h>

#include "send.h"

enum { NLA_REHASH = TCP_NLA_TTL + 1 };	/* TCP_NLA_REHASH, newer than the headers of some machines */

enum { OPT_TIMESTAMPS = 1, OPT_SACK = 2, OPT_WSCALE = 4, OPT_ECN = 8, OPT_ECN_SEEN = 16, OPT_SYN_DATA = 32, OPT_USEC_TS = 64,
       OPT_TFO_CHILD = 128 };

static uint8_t options(const struct tcp_sock *tp)
{
	return (uint8_t)((tp->tstamp_ok ? OPT_TIMESTAMPS : 0) | (tp->sack_ok ? OPT_SACK : 0) | (tp->wscale_ok ? OPT_WSCALE : 0) |
			 (tp->ecn_flags & ECN_ANY ? OPT_ECN : 0) | (tp->ecn_flags & ECN_SEEN ? OPT_ECN_SEEN : 0) |
			 (tp->syn_data_acked ? OPT_SYN_DATA : 0) | (tp->usec_ts ? OPT_USEC_TS : 0) |
			 (tp->syn_fastopen_child ? OPT_TFO_CHILD : 0));
}

static uint32_t ms_since(const struct tcp_sock *tp, uint32_t jiffies)
{
	return (uint32_t)tcp_jiffies_to_ms(tp, tcp_jiffies32(tp) - jiffies);
}

/* Microseconds: being limited is a part of being busy. */
static void chrono_info(const struct tcp_sock *tp, struct tcp_info_linux *info)
{
	uint64_t us[3], total = 0;

	for (unsigned i = 0; i < 3; i++) {
		uint64_t jiffies = tp->chrono_stat[i];

		if (i + 1u == tp->chrono_type)
			jiffies += tcp_jiffies32(tp) - tp->chrono_start;
		us[i] = tcp_jiffies_to_us(tp, jiffies);
		total += us[i];
	}
	info->tcpi_busy_time = total;
	info->tcpi_rwnd_limited = us[CHRONO_RWND_LIMITED - 1];
	info->tcpi_sndbuf_limited = us[CHRONO_SNDBUF_LIMITED - 1];
}

static void loss_info(const struct tcp_sock *tp, struct tcp_info_linux *info)
{
	info->tcpi_ca_state = tp->ca_state;
	info->tcpi_retransmits = tp->retransmits;
	info->tcpi_probes = tp->probes_out;
	info->tcpi_backoff = tp->backoff;
	info->tcpi_unacked = tp->packets_out;
	info->tcpi_sacked = tp->sacked_out;
	info->tcpi_lost = tp->lost_out;
	info->tcpi_retrans = tp->retrans_out;
	info->tcpi_total_retrans = tp->total_retrans;
	info->tcpi_bytes_retrans = tp->bytes_retrans;
	info->tcpi_dsack_dups = tp->dsack_dups;
	info->tcpi_reord_seen = tp->reord_seen;
	info->tcpi_rehash = tp->timeout_rehash;
	info->tcpi_total_rto = tp->total_rto;
	info->tcpi_total_rto_recoveries = tp->total_rto_recoveries;
	info->tcpi_total_rto_time = tp->total_rto_time;
	if (tp->rto_stamp)
		info->tcpi_total_rto_time += tcp_clock_ts(tp->sk.stack, false) - tp->rto_stamp;
}

static void rate_info(const struct tcp_sock *tp, struct tcp_info_linux *info)
{
	info->tcpi_delivery_rate_app_limited = tp->rate_app_limited;
	if (tp->rate_delivered && tp->rate_interval_us)
		info->tcpi_delivery_rate = (uint64_t)tp->rate_delivered * tp->mss_cache * 1000000 / tp->rate_interval_us;
	info->tcpi_delivered = tp->delivered;
	info->tcpi_delivered_ce = tp->delivered_ce;
	info->tcpi_bytes_sent = tp->bytes_sent;
	info->tcpi_bytes_acked = tp->bytes_acked;
	info->tcpi_segs_out = (uint32_t)tp->segs_out;
	info->tcpi_data_segs_out = (uint32_t)tp->data_segs_out;
	info->tcpi_min_rtt = tcp_min_rtt(tp);
	info->tcpi_rtt = tp->srtt_us >> 3;
	info->tcpi_rttvar = tp->mdev_us >> 2;
	info->tcpi_snd_ssthresh = tp->snd_ssthresh;
	info->tcpi_snd_mss = tp->mss_cache;
	info->tcpi_snd_wnd = tp->snd_wnd;
	info->tcpi_pmtu = tp->pmtu_cookie;
	info->tcpi_notsent_bytes = (int32_t)(tp->write_seq - tp->snd_nxt) > 0 ? tp->write_seq - tp->snd_nxt : 0;
	info->tcpi_rto = (uint32_t)tcp_jiffies_to_us(tp, tp->rto);
	info->tcpi_last_data_sent = ms_since(tp, tp->lsndtime);
	info->tcpi_last_ack_recv = ms_since(tp, tp->rcv_tstamp);
}

static void receive_info(const struct tcp_sock *tp, struct tcp_info_linux *info)
{
	uint32_t delay = tp->ack.ato < tp->delack_max ? tp->ack.ato : tp->delack_max;

	info->tcpi_ato = (uint32_t)tcp_jiffies_to_us(tp, delay);
	info->tcpi_rcv_mss = tp->ack.rcv_mss;
	info->tcpi_last_data_recv = ms_since(tp, tp->ack.lrcvtime);
	info->tcpi_rcv_ssthresh = tp->rcv_ssthresh;
	info->tcpi_advmss = tp->advmss;
	info->tcpi_rcv_rtt = tp->rcv_rtt_est.rtt_us >> 3;
	info->tcpi_rcv_space = tp->rcvq_space.space;
	info->tcpi_bytes_received = tp->bytes_received;
	info->tcpi_segs_in = (uint32_t)tp->segs_in;
	info->tcpi_data_segs_in = (uint32_t)tp->data_segs_in;
	info->tcpi_rcv_ooopack = tp->rcv_ooopack;
	info->tcpi_rcv_wnd = tp->rcv_wnd;
	info->tcpi_received_ce = tp->received_ce;
	info->tcpi_received_e1_bytes = tp->received_ecn_bytes[0];
	info->tcpi_received_e0_bytes = tp->received_ecn_bytes[1];
	info->tcpi_received_ce_bytes = tp->received_ecn_bytes[2];
}

/* Fill *info. Of a listener most fields mean nothing, and two mean its queue. */
void tcp_get_info(struct tcp_sock *tp, struct tcp_info_linux *info)
{
	memset(info, 0, sizeof(*info));
	info->tcpi_state = tp->sk.state;
	info->tcpi_pacing_rate = tp->sk.pacing_rate;
	info->tcpi_max_pacing_rate = tp->sk.max_pacing_rate;
	info->tcpi_reordering = tp->reordering;
	info->tcpi_snd_cwnd = tp->snd_cwnd;
	if (tp->sk.state == TCP_LISTEN) {
		info->tcpi_unacked = tp->accept_queue;
		info->tcpi_sacked = tp->accept_backlog;
		return;
	}
	info->tcpi_options = options(tp);
	if (tp->wscale_ok) {
		info->tcpi_snd_wscale = tp->snd_wscale & 15;
		info->tcpi_rcv_wscale = tp->rcv_wscale & 15;
	}
	info->tcpi_fastopen_client_fail = tp->fastopen_client_fail & 3;
	loss_info(tp, info);
	rate_info(tp, info);
	receive_info(tp, info);
	chrono_info(tp, info);
}

/* --- statistics with a time stamp ---------------------------------------------------------------------------------------------- */

static void put_attribute(struct pktbuf *to, uint16_t type, const void *value, uint16_t length)
{
	struct nlattr header = { .nla_len = (uint16_t)(NLA_HDRLEN + length), .nla_type = type };
	uint8_t *at = pktbuf_put(to, NLA_HDRLEN + (size_t)NLA_ALIGN(length));

	memset(at, 0, NLA_HDRLEN + (size_t)NLA_ALIGN(length));
	memcpy(at, &header, sizeof(header));
	memcpy(at + NLA_HDRLEN, value, length);
}

static void put_u64(struct pktbuf *to, uint16_t type, uint64_t value)
{
	put_attribute(to, type, &value, sizeof(value));
}

static void put_u32(struct pktbuf *to, uint16_t type, uint32_t value)
{
	put_attribute(to, type, &value, sizeof(value));
}

static void put_u8(struct pktbuf *to, uint16_t type, uint8_t value)
{
	put_attribute(to, type, &value, sizeof(value));
}

#define STATISTICS_ROOM 400	/* 27 attributes of at most 12 bytes */

/*
 * SOF_TIMESTAMPING_OPT_STATS: netlink attributes TCP_NLA_* about the connection as it is now, and the departure of `packet`.
 * ttl is that of the acknowledging packet, -1 when there is none. NULL: no memory.
 */
struct pktbuf *tcp_statistics(struct tcp_sock *tp, const struct pktbuf *packet, int ttl)
{
	struct pktbuf *to = pktbuf_new(tp->sk.stack, 0, STATISTICS_ROOM);
	struct tcp_info_linux info;
	uint16_t rehash = tp->timeout_rehash;

	if (!to)
		return NULL;
	tcp_get_info(tp, &info);
	put_u64(to, TCP_NLA_BUSY, info.tcpi_busy_time);
	put_u64(to, TCP_NLA_RWND_LIMITED, info.tcpi_rwnd_limited);
	put_u64(to, TCP_NLA_SNDBUF_LIMITED, info.tcpi_sndbuf_limited);
	put_u64(to, TCP_NLA_DATA_SEGS_OUT, tp->data_segs_out);
	put_u64(to, TCP_NLA_TOTAL_RETRANS, tp->total_retrans);
	put_u64(to, TCP_NLA_PACING_RATE, info.tcpi_pacing_rate);
	put_u64(to, TCP_NLA_DELIVERY_RATE, info.tcpi_delivery_rate);
	put_u32(to, TCP_NLA_SND_CWND, tp->snd_cwnd);
	put_u32(to, TCP_NLA_REORDERING, tp->reordering);
	put_u32(to, TCP_NLA_MIN_RTT, info.tcpi_min_rtt);
	put_u8(to, TCP_NLA_RECUR_RETRANS, tp->retransmits);
	put_u8(to, TCP_NLA_DELIVERY_RATE_APP_LMT, tp->rate_app_limited);
	put_u32(to, TCP_NLA_SND_SSTHRESH, tp->snd_ssthresh);
	put_u32(to, TCP_NLA_DELIVERED, tp->delivered);
	put_u32(to, TCP_NLA_DELIVERED_CE, tp->delivered_ce);
	put_u32(to, TCP_NLA_SNDQ_SIZE, tp->write_seq - tp->snd_una);
	put_u8(to, TCP_NLA_CA_STATE, tp->ca_state);
	put_u64(to, TCP_NLA_BYTES_SENT, tp->bytes_sent);
	put_u64(to, TCP_NLA_BYTES_RETRANS, tp->bytes_retrans);
	put_u32(to, TCP_NLA_DSACK_DUPS, tp->dsack_dups);
	put_u32(to, TCP_NLA_REORD_SEEN, tp->reord_seen);
	put_u32(to, TCP_NLA_SRTT, info.tcpi_rtt);
	put_attribute(to, TCP_NLA_TIMEOUT_REHASH, &rehash, sizeof(rehash));
	put_u32(to, TCP_NLA_BYTES_NOTSENT, info.tcpi_notsent_bytes);
	put_u64(to, TCP_NLA_EDT, (uint64_t)tcp_cb(packet)->sent);
	if (ttl >= 0)
		put_u8(to, TCP_NLA_TTL, (uint8_t)ttl);
	put_u32(to, NLA_REHASH, info.tcpi_rehash);
	return to;
}
