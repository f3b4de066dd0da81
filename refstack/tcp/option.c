/*
 * Options of level IPPROTO_TCP: one row each, with what may be set and what reads back (tcp(7), linux/tcp.h).
 *
 * Most are ints and are rows of {set, get}; those that take structures or strings have functions of their own. As on Linux a
 * value shorter than an int is EINVAL before the number of the option is looked at, and an option that is unknown, or cannot be
 * set or read, is ENOPROTOOPT.
 */
#include "../socket/options.h"
#include "conn.h"

#ifndef TCP_AO_REPAIR
#define TCP_AO_REPAIR 42
#endif
#ifndef TCP_IS_MPTCP
#define TCP_IS_MPTCP 43
#endif
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44
#endif
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45
#endif
#ifndef TCP_DELACK_MAX_US
#define TCP_DELACK_MAX_US 46
#endif
#define OPTION_COUNT (TCP_DELACK_MAX_US + 1)

#define MAX_KEEP_SECONDS 32767
#define MAX_COUNT 127
#define MAX_LINGER2_SECONDS 120
#define MAX_MSS 32767
#define RTO_MAX_SECONDS 120
#define TX_DELAY_LIMIT (INT32_MAX / 1000 * 1000)

static uint32_t seconds_to_jiffies(const struct tcp_sock *tp, int seconds)
{
	return (uint32_t)time_to_jiffies_up(tp->sk.stack, seconds * PL_NSEC_PER_SEC);
}

static int jiffies_to_seconds(const struct tcp_sock *tp, uint32_t jiffies)
{
	return (int)(jiffies / tp->sk.stack->machine.hz);
}

static uint32_t us_to_jiffies(const struct tcp_sock *tp, int us)
{
	return us < 0 ? UINT32_MAX : (uint32_t)time_to_jiffies_up(tp->sk.stack, us * PL_NSEC_PER_USEC);
}

static bool in_states(const struct tcp_sock *tp, uint32_t states)
{
	return states >> tp->sk.state & 1;
}
#define STATES_UNCONNECTED (1u << TCP_CLOSE | 1u << TCP_LISTEN)

static int64_t as_flag(bool *field, int value)
{
	if (value < 0 || value > 1)
		return -EINVAL;
	*field = value;
	return 0;
}

/* --- ints: setting ------------------------------------------------------------------------------------------------------------- */
static int64_t set_nodelay(struct tcp_sock *tp, int value)
{
	if (value) {
		tp->nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
		tcp_push_pending(tp);
	} else {
		tp->nonagle &= (uint8_t)~TCP_NAGLE_OFF;
	}
	return 0;
}

static int64_t set_cork(struct tcp_sock *tp, int value)
{
	if (value) {
		tp->nonagle |= TCP_NAGLE_CORK;
		return 0;
	}
	tp->nonagle &= (uint8_t)~TCP_NAGLE_CORK;
	if (tp->nonagle & TCP_NAGLE_OFF)
		tp->nonagle |= TCP_NAGLE_PUSH;
	tcp_push_pending(tp);
	return 0;
}

static int64_t set_maxseg(struct tcp_sock *tp, int value)
{
	if (value && (value < TCP_MIN_MSS || value > MAX_MSS))
		return -EINVAL;
	tp->user_mss = (uint16_t)value;
	return 0;
}

static int64_t set_keepidle(struct tcp_sock *tp, int value)
{
	if (value < 1 || value > MAX_KEEP_SECONDS)
		return -EINVAL;
	tp->keepalive_time = (int)seconds_to_jiffies(tp, value);
	if (sock_flag(&tp->sk, SF_KEEPOPEN) && !in_states(tp, STATES_UNCONNECTED)) {
		uint32_t elapsed = tcp_keepalive_elapsed(tp), when = (uint32_t)tp->keepalive_time;
		tcp_keepalive_arm(tp, jiffies_to_time(tp->sk.stack, when > elapsed ? when - elapsed : 0));
	}
	return 0;
}

static int64_t set_keepintvl(struct tcp_sock *tp, int value)
{
	if (value < 1 || value > MAX_KEEP_SECONDS)
		return -EINVAL;
	tp->keepalive_intvl = (int)seconds_to_jiffies(tp, value);
	return 0;
}

static int64_t set_count(uint8_t *field, int value)
{
	if (value < 1 || value > MAX_COUNT)
		return -EINVAL;
	*field = (uint8_t)value;
	return 0;
}

static int64_t set_keepcnt(struct tcp_sock *tp, int value)
{
	return set_count(&tp->keepalive_probes, value);
}

static int64_t set_syncnt(struct tcp_sock *tp, int value)
{
	return set_count(&tp->syn_retries, value);
}

static int64_t set_linger2(struct tcp_sock *tp, int value)
{
	if (value > MAX_LINGER2_SECONDS)
		value = MAX_LINGER2_SECONDS;
	tp->linger2 = value < 0 ? -1 : (int)seconds_to_jiffies(tp, value);
	return 0;
}

/* How many retransmissions of the SYN-ACK, each after twice the time of the one before, `seconds` stand for; and back. */
static uint8_t seconds_to_retransmissions(int seconds)
{
	uint8_t count = 0;
	int64_t timeout = 1, period = 0;
	while (period < seconds && count < UINT8_MAX) {
		period += timeout;
		timeout = timeout * 2 < RTO_MAX_SECONDS ? timeout * 2 : RTO_MAX_SECONDS;
		count++;
	}
	return count;
}

static int retransmissions_to_seconds(uint8_t count)
{
	int timeout = 1, period = 0;
	while (count--) {
		period += timeout;
		timeout = timeout * 2 < RTO_MAX_SECONDS ? timeout * 2 : RTO_MAX_SECONDS;
	}
	return period;
}

static int64_t set_defer_accept(struct tcp_sock *tp, int value)
{
	tp->defer_accept = seconds_to_retransmissions(value);
	return 0;
}

static int64_t set_window_clamp(struct tcp_sock *tp, int value)
{
	return tcp_set_window_clamp(tp, value < 0 ? 1 : (uint32_t)value);
}

/* Odd values end interactive mode for good, even ones only for the acknowledgement that is pending. */
static int64_t set_quickack(struct tcp_sock *tp, int value)
{
	if (!value) {
		tcp_enter_pingpong(tp);
		return 0;
	}
	tp->ack.pingpong = 0;
	if (in_states(tp, 1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT) && tp->ack.pending & ACK_SCHED) {
		tp->ack.pending |= ACK_PUSHED;
		tcp_cleanup_rbuf(tp, 1);
		if (!(value & 1))
			tcp_enter_pingpong(tp);
	}
	return 0;
}

static int64_t set_thin_linear(struct tcp_sock *tp, int value)
{
	return as_flag(&tp->thin_lto, value);
}

static int64_t set_thin_dupack(struct tcp_sock *tp, int value)
{
	bool ignored;
	(void)tp;
	return as_flag(&ignored, value);
}

static int64_t set_user_timeout(struct tcp_sock *tp, int value)
{
	if (value < 0)
		return -EINVAL;
	tp->user_timeout = (uint32_t)value;
	return 0;
}

static int64_t set_fastopen(struct tcp_sock *tp, int value)
{
	if (value < 0 || !in_states(tp, STATES_UNCONNECTED))
		return -EINVAL;
	tcp_fastopen_init_key_once(tp->sk.stack);
	tcp_fastopen_queue_tune(tp, value);
	return 0;
}

static int64_t set_fastopen_connect(struct tcp_sock *tp, int value)
{
	if (value < 0 || value > 1)
		return -EINVAL;
	if (!(tp->sk.stack->sysctl.tcp_fastopen & TFO_CLIENT))
		return -EOPNOTSUPP;
	if (tp->sk.state != TCP_CLOSE)
		return -EINVAL;
	tp->fastopen_connect = value;
	return 0;
}

static int64_t set_fastopen_no_cookie(struct tcp_sock *tp, int value)
{
	if (value < 0 || value > 1 || !in_states(tp, STATES_UNCONNECTED))
		return -EINVAL;
	tp->fastopen_no_cookie = value;
	return 0;
}

static int64_t set_timestamp(struct tcp_sock *tp, int value)
{
	if (!tp->repair)
		return -EPERM;
	tp->usec_ts = value & 1;
	tp->tsoffset = (uint32_t)value - tcp_clock_ts(tp->sk.stack, tp->usec_ts);
	return 0;
}

static int64_t set_notsent_lowat(struct tcp_sock *tp, int value)
{
	tp->notsent_lowat = (uint32_t)value;
	tcp_write_space(tp);
	return 0;
}

static int64_t set_save_syn(struct tcp_sock *tp, int value)
{
	if (value < 0 || value > 2)
		return -EINVAL;
	tp->save_syn = (uint8_t)value;
	return 0;
}

static int64_t set_inq(struct tcp_sock *tp, int value)
{
	return as_flag(&tp->recvmsg_inq, value);
}

static int64_t set_tx_delay(struct tcp_sock *tp, int value)
{
	if (value < 0 || value >= TX_DELAY_LIMIT)
		return -EINVAL;
	tcp_set_tx_delay(tp, (uint32_t)value);
	return 0;
}

static int64_t set_rto_max(struct tcp_sock *tp, int value)
{
	if (value < 1000 || value > RTO_MAX_SECONDS * 1000)
		return -EINVAL;
	tp->rto_max = (uint32_t)time_to_jiffies_up(tp->sk.stack, value * PL_NSEC_PER_MSEC);
	return 0;
}

/* Between two ticks and 200 ms. */
static int64_t set_short_span(struct tcp_sock *tp, uint32_t *field, int value)
{
	uint32_t jiffies = us_to_jiffies(tp, value);
	if (jiffies > us_to_jiffies(tp, 200000) || jiffies < 2)
		return -EINVAL;
	*field = jiffies;
	return 0;
}

static int64_t set_rto_min(struct tcp_sock *tp, int value)
{
	return set_short_span(tp, &tp->rto_min, value);
}

static int64_t set_delack_max(struct tcp_sock *tp, int value)
{
	return set_short_span(tp, &tp->delack_max, value);
}

/* --- ints: reading ---------------------------------------------------------------------------------------------------------------- */
static int64_t get_nodelay(struct tcp_sock *tp)
{
	return !!(tp->nonagle & TCP_NAGLE_OFF);
}

static int64_t get_cork(struct tcp_sock *tp)
{
	return !!(tp->nonagle & TCP_NAGLE_CORK);
}

static int64_t get_maxseg(struct tcp_sock *tp)
{
	if (tp->repair)
		return tp->mss_clamp;
	if (tp->user_mss && in_states(tp, STATES_UNCONNECTED))
		return tp->user_mss;
	return tp->mss_cache;
}

static int64_t get_keepidle(struct tcp_sock *tp)
{
	return jiffies_to_seconds(tp, tcp_keepalive_time_when(tp));
}

static int64_t get_keepintvl(struct tcp_sock *tp)
{
	return jiffies_to_seconds(tp, tcp_keepalive_interval(tp));
}

static int64_t get_keepcnt(struct tcp_sock *tp)
{
	return tcp_keepalive_probes(tp);
}

static int64_t get_syncnt(struct tcp_sock *tp)
{
	return tp->syn_retries ? tp->syn_retries : tp->sk.stack->sysctl.tcp_syn_retries;
}

static int64_t get_linger2(struct tcp_sock *tp)
{
	if (tp->linger2 < 0)
		return (uint32_t)-1;
	return jiffies_to_seconds(tp, (uint32_t)(tp->linger2 ? tp->linger2 : tp->sk.stack->sysctl.tcp_fin_timeout));
}

static int64_t get_defer_accept(struct tcp_sock *tp)
{
	return retransmissions_to_seconds(tp->defer_accept);
}

static int64_t get_window_clamp(struct tcp_sock *tp)
{
	return tp->window_clamp;
}

static int64_t get_quickack(struct tcp_sock *tp)
{
	return !tcp_in_pingpong(tp);
}

static int64_t get_thin_linear(struct tcp_sock *tp)
{
	return tp->thin_lto;
}

static int64_t get_zero(struct tcp_sock *tp)
{
	(void)tp;
	return 0;
}

static int64_t get_user_timeout(struct tcp_sock *tp)
{
	return tp->user_timeout;
}

static int64_t get_fastopen(struct tcp_sock *tp)
{
	return tp->fastopenq.max_qlen;
}

static int64_t get_fastopen_connect(struct tcp_sock *tp)
{
	return tp->fastopen_connect;
}

static int64_t get_fastopen_no_cookie(struct tcp_sock *tp)
{
	return tp->fastopen_no_cookie;
}

static int64_t get_timestamp(struct tcp_sock *tp)
{
	uint32_t value = tcp_clock_ts(tp->sk.stack, tp->usec_ts) + tp->tsoffset;
	return tp->usec_ts ? value | 1 : value & ~1u;
}

static int64_t get_notsent_lowat(struct tcp_sock *tp)
{
	return tp->notsent_lowat;
}

static int64_t get_save_syn(struct tcp_sock *tp)
{
	return tp->save_syn;
}

static int64_t get_inq(struct tcp_sock *tp)
{
	return tp->recvmsg_inq;
}

static int64_t get_tx_delay(struct tcp_sock *tp)
{
	return tp->tx_delay;
}

static int64_t span_in(const struct tcp_sock *tp, uint32_t jiffies, pl_time unit)
{
	return jiffies_to_time(tp->sk.stack, jiffies) / unit;
}

static int64_t get_rto_max(struct tcp_sock *tp)
{
	return span_in(tp, tp->rto_max, PL_NSEC_PER_MSEC);
}

static int64_t get_rto_min(struct tcp_sock *tp)
{
	return span_in(tp, tp->rto_min, PL_NSEC_PER_USEC);
}

static int64_t get_delack_max(struct tcp_sock *tp)
{
	return span_in(tp, tp->delack_max, PL_NSEC_PER_USEC);
}

/* Values that are read are 32 bits: a negative result is an error. */
static const struct int_option {
	int64_t (*set)(struct tcp_sock *tp, int value);
	int64_t (*get)(struct tcp_sock *tp);
} int_options[OPTION_COUNT] = {
	[TCP_NODELAY] = { set_nodelay, get_nodelay },
	[TCP_MAXSEG] = { set_maxseg, get_maxseg },
	[TCP_CORK] = { set_cork, get_cork },
	[TCP_KEEPIDLE] = { set_keepidle, get_keepidle },
	[TCP_KEEPINTVL] = { set_keepintvl, get_keepintvl },
	[TCP_KEEPCNT] = { set_keepcnt, get_keepcnt },
	[TCP_SYNCNT] = { set_syncnt, get_syncnt },
	[TCP_LINGER2] = { set_linger2, get_linger2 },
	[TCP_DEFER_ACCEPT] = { set_defer_accept, get_defer_accept },
	[TCP_WINDOW_CLAMP] = { set_window_clamp, get_window_clamp },
	[TCP_QUICKACK] = { set_quickack, get_quickack },
	[TCP_THIN_LINEAR_TIMEOUTS] = { set_thin_linear, get_thin_linear },
	[TCP_THIN_DUPACK] = { set_thin_dupack, get_zero },
	[TCP_USER_TIMEOUT] = { set_user_timeout, get_user_timeout },
	[TCP_REPAIR] = { tcp_set_repair, tcp_get_repair },
	[TCP_REPAIR_QUEUE] = { tcp_set_repair_queue, tcp_get_repair_queue },
	[TCP_QUEUE_SEQ] = { tcp_set_queue_seq, tcp_get_queue_seq },
	[TCP_FASTOPEN] = { set_fastopen, get_fastopen },
	[TCP_TIMESTAMP] = { set_timestamp, get_timestamp },
	[TCP_NOTSENT_LOWAT] = { set_notsent_lowat, get_notsent_lowat },
	[TCP_SAVE_SYN] = { set_save_syn, get_save_syn },
	[TCP_FASTOPEN_CONNECT] = { set_fastopen_connect, get_fastopen_connect },
	[TCP_FASTOPEN_NO_COOKIE] = { set_fastopen_no_cookie, get_fastopen_no_cookie },
	[TCP_INQ] = { set_inq, get_inq },
	[TCP_TX_DELAY] = { set_tx_delay, get_tx_delay },
	[TCP_IS_MPTCP] = { NULL, get_zero },
	[TCP_RTO_MAX_MS] = { set_rto_max, get_rto_max },
	[TCP_RTO_MIN_US] = { set_rto_min, get_rto_min },
	[TCP_DELACK_MAX_US] = { set_delack_max, get_delack_max },
};

/* There is no TCP-AO here; that it cannot be repaired is told only to those who may repair at all. */
static int64_t refuse_ao_repair(const struct tcp_sock *tp)
{
	return tcp_may_repair(tp) ? -ENOPROTOOPT : -EPERM;
}

/* --- the calls -------------------------------------------------------------------------------------------------------------------- */
int64_t tcp_setsockopt(struct sock *sk, int level, int name, const void *value, socklen_t length)
{
	struct tcp_sock *tp = tcp_sk(sk);
	if (level != IPPROTO_TCP)
		return inet_setsockopt(sk, level, name, value, length);
	switch (name) {	/* those that may be shorter than an int */
	case TCP_CONGESTION:
		return tcp_set_congestion(tp, value, length);
	case TCP_ULP:
		return tcp_set_ulp(tp, value, length);
	case TCP_FASTOPEN_KEY:
		return tcp_set_fastopen_key(tp, value, length);
	default:
		break;
	}
	if (length < sizeof(int))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	switch (name) {
	case TCP_MD5SIG:
	case TCP_MD5SIG_EXT:
		return tcp_md5_set(tp, name, value, length);
	case TCP_REPAIR_OPTIONS:
		return tcp_set_repair_options(tp, value, length);
	case TCP_REPAIR_WINDOW:
		return tcp_set_repair_window(tp, value, length);
	case TCP_AO_REPAIR:
		return refuse_ao_repair(tp);
	default:
		break;
	}
	if (name < 0 || name >= OPTION_COUNT || !int_options[name].set)
		return -ENOPROTOOPT;
	int number;
	memcpy(&number, value, sizeof(number));
	return int_options[name].set(tp, number);
}

int64_t tcp_getsockopt(struct sock *sk, int level, int name, void *value, socklen_t *length)
{
	struct tcp_sock *tp = tcp_sk(sk);
	if (level != IPPROTO_TCP)
		return inet_getsockopt(sk, level, name, value, length);
	if (!length)
		return -EFAULT;
	if ((int)*length < 0)
		return -EINVAL;
	switch (name) {
	case TCP_INFO:
	case TCP_CC_INFO:
	case TCP_CONGESTION:
	case TCP_ULP:
	case TCP_FASTOPEN_KEY:
	case TCP_REPAIR_WINDOW:
	case TCP_SAVED_SYN:
	case TCP_ZEROCOPY_RECEIVE:
		return tcp_get_structure(tp, name, value, length);
	default:
		break;
	}
	if (name == TCP_AO_REPAIR)
		return refuse_ao_repair(tp);
	if (name < 0 || name >= OPTION_COUNT || !int_options[name].get)
		return -ENOPROTOOPT;
	int64_t result = int_options[name].get(tp);
	if (result < 0)
		return result;
	int number = (int)(uint32_t)result;
	return sockopt_copy_out(value, length, &number, sizeof(number));
}
