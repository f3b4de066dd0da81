/*
 * The congestion controls and what they share.
 *
 * A connection is given one when it is made and starts it when it is established (or at once, when it is changed later); the
 * hooks are called at the moments at which Linux calls those of its tcp_congestion_ops. Windows are counted in packets.
 */
#include "send.h"

static const struct tcp_cong *const cong_table[] = { &tcp_cong_reno, &tcp_cong_cubic, &tcp_cong_bbr };

const struct tcp_cong *tcp_cong_find(const char *name)
{
	for (size_t i = 0; i < sizeof(cong_table) / sizeof(cong_table[0]); i++)
		if (!strcmp(cong_table[i]->name, name))
			return cong_table[i];
	return NULL;
}

uint32_t tcp_cong_key(const char *name)
{
	for (uint32_t i = 0; i < sizeof(cong_table) / sizeof(cong_table[0]); i++)
		if (!strcmp(cong_table[i]->name, name))
			return i + 1;
	return 0;
}

bool tcp_cong_of_route(struct tcp_sock *tp)
{
	const struct route *route = tp->sk.route;
	uint32_t key = route ? route->metric[RTAX_CC_ALGO] : 0;

	if (!key)
		return false;
	tp->cong = cong_table[key - 1];
	tp->cong_dst_locked = route->metric[RTAX_LOCK] & 1u << RTAX_CC_ALGO;
	memset(tp->cong_priv, 0, sizeof(tp->cong_priv));
	return true;
}

void tcp_cong_assign(struct tcp_sock *tp)
{
	const struct tcp_cong *cong = tcp_cong_find(tcp_sysctl(tp)->tcp_congestion_control);

	tp->cong = cong ? cong : &tcp_cong_reno;
	memset(tp->cong_priv, 0, sizeof(tp->cong_priv));
}

void tcp_cong_init(struct tcp_sock *tp)
{
	tp->prior_ssthresh = 0;
	if (tp->cong->init)
		tp->cong->init(tp);
	tp->cong_initialized = true;
}

void tcp_cong_release(struct tcp_sock *tp)
{
	if (tp->cong && tp->cong->release && tp->cong_initialized)
		tp->cong->release(tp);
	tp->cong_initialized = false;
}

/* RFC 5681 3.1 with appropriate byte counting in packets: up to the threshold; what is left of acked goes beyond it. */
uint32_t tcp_slow_start(struct tcp_sock *tp, uint32_t acked)
{
	uint32_t old = tp->snd_cwnd, window = old + acked;

	if (window > tp->snd_ssthresh)
		window = tp->snd_ssthresh;
	acked -= window - old;
	tp->snd_cwnd = window < tp->snd_cwnd_clamp ? window : tp->snd_cwnd_clamp;
	return acked;
}

/* One more packet of window for each `per` that were acknowledged. */
void tcp_cong_avoid_additive(struct tcp_sock *tp, uint32_t per, uint32_t acked)
{
	/* Credit that was gathered when more were needed counts for one. */
	if (tp->snd_cwnd_cnt >= per) {
		tp->snd_cwnd_cnt = 0;
		tp->snd_cwnd++;
	}
	tp->snd_cwnd_cnt += acked;
	if (tp->snd_cwnd_cnt >= per) {
		uint32_t more = tp->snd_cwnd_cnt / per;

		tp->snd_cwnd_cnt -= more * per;
		tp->snd_cwnd += more;
	}
	if (tp->snd_cwnd > tp->snd_cwnd_clamp)
		tp->snd_cwnd = tp->snd_cwnd_clamp;
}

/* --- TCP_CONGESTION ---------------------------------------------------------------------------------------------------------- */

static bool list_has(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; length && (at = strstr(at, name)); at += length)
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	return false;
}

/* A change on a connection takes effect at once: the new one starts from the state as it is. */
static void change(struct tcp_sock *tp, const struct tcp_cong *cong)
{
	tcp_cong_release(tp);
	tp->cong = cong;
	tp->cong_setsockopt = true;
	memset(tp->cong_priv, 0, sizeof(tp->cong_priv));
	if (cong->needs_ecn)
		tp->sk.tos |= 2;
	else
		tp->sk.tos &= (uint8_t)~3;
	if (tp->sk.state == TCP_CLOSE || tp->sk.state == TCP_LISTEN)
		return;
	tcp_cong_init(tp);
}

/* 0; -ENOENT: not available; -EPERM: not allowed, and not privileged; the route's choice stays (ip route ... congctl lock). */
int tcp_set_congestion_control(struct tcp_sock *tp, const char *name, bool privileged)
{
	const struct sysctls *tunable = tcp_sysctl(tp);

	if (tp->cong_dst_locked)
		return -EPERM;
	const struct tcp_cong *cong = list_has(tunable->tcp_available_congestion_control, name) ? tcp_cong_find(name) : NULL;
	if (!cong)
		return -ENOENT;
	if (cong == tp->cong) {
		tp->cong_setsockopt = true;
		return 0;
	}
	if (!privileged && !list_has(tunable->tcp_allowed_congestion_control, name))
		return -EPERM;
	change(tp, cong);
	return 0;
}
