/*
 * What is remembered of a destination from one connection to the next (ip tcp_metrics): round trip and its variation, slow start
 * threshold, congestion window, reordering; and Fast Open's cookie, MSS and failures.
 *
 * An entry belongs to a pair of addresses. Values older than an hour are not used. A route's own locked metrics (ip route ...
 * lock) win over what is learnt, and are never overwritten.
 */
#include "send.h"

#include <stdlib.h>

enum metric { METRIC_RTT, METRIC_RTTVAR, METRIC_SSTHRESH, METRIC_CWND, METRIC_REORDERING, METRIC_COUNT };

static const unsigned route_metric[METRIC_COUNT] = {
	[METRIC_RTT] = RTAX_RTT, [METRIC_RTTVAR] = RTAX_RTTVAR, [METRIC_SSTHRESH] = RTAX_SSTHRESH, [METRIC_CWND] = RTAX_CWND,
	[METRIC_REORDERING] = RTAX_REORDERING,
};

#define METRICS_LIFETIME (3600 * PL_NSEC_PER_SEC)
#define METRICS_MOST 4096	/* entries kept; the least recently used goes first */

struct tcp_metrics {
	struct tcp_metrics *next;	/* most recently made or used first */
	struct in_addr source, destination;
	pl_time stamp;			/* when the values were learnt */
	uint32_t locked;		/* 1 << METRIC_* */
	uint32_t value[METRIC_COUNT];	/* round trips in microseconds, unscaled; the others in packets */
	struct {
		uint16_t mss, syn_loss, try_experimental;
		pl_time last_syn_loss;
		struct tcp_fastopen_cookie cookie;
	} fastopen;
};

/* Take over what the route has locked; the others are forgotten, and with `forget_fastopen` the cookie too. */
static void take_route(struct tcp_metrics *entry, const struct route *route, pl_time now, bool forget_fastopen)
{
	entry->stamp = now;
	entry->locked = 0;
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		uint32_t value = route ? route->metric[route_metric[i]] : 0;

		if (route && route->metric[RTAX_LOCK] & 1u << route_metric[i])
			entry->locked |= 1u << i;
		/* Routes count milliseconds, the variation in quarters, the round trip in eighths of the scaled ones. */
		entry->value[i] = i <= METRIC_RTTVAR ? value * 1000 : value;
	}
	if (forget_fastopen)
		memset(&entry->fastopen, 0, sizeof(entry->fastopen));
}

static void check_age(struct tcp_metrics *entry, const struct route *route, pl_time now)
{
	if (now - entry->stamp > METRICS_LIFETIME)
		take_route(entry, route, now, false);
}

/* The entry for a pair, moved to the front; NULL when there is none and none is to be made, or no memory. */
static struct tcp_metrics *find(struct pl_stack *stack, struct in_addr source, struct in_addr destination,
				const struct route *route, bool create)
{
	struct tcp_metrics **place = &stack->tcp->metrics, **last = NULL;
	unsigned count = 0;

	for (; *place; last = place, place = &(*place)->next, count++) {
		struct tcp_metrics *entry = *place;

		if (entry->source.s_addr != source.s_addr || entry->destination.s_addr != destination.s_addr)
			continue;
		*place = entry->next;
		entry->next = stack->tcp->metrics;
		stack->tcp->metrics = entry;
		check_age(entry, route, stack->now);
		return entry;
	}
	if (!create)
		return NULL;
	struct tcp_metrics *entry;
	if (count >= METRICS_MOST && last) {
		entry = *last;
		*last = NULL;
	} else {
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return NULL;
	}
	entry->source = source;
	entry->destination = destination;
	take_route(entry, route, stack->now, true);
	entry->next = stack->tcp->metrics;
	return stack->tcp->metrics = entry;
}

static struct tcp_metrics *find_for(struct tcp_sock *tp, bool create)
{
	int error = 0;
	const struct route *route = sock_route(&tp->sk, &error);

	return route ? find(tp->sk.stack, tp->sk.source, tp->sk.remote, route, create) : NULL;
}

static bool is_locked(const struct tcp_metrics *entry, enum metric metric)
{
	return entry->locked >> metric & 1;
}

static void set(struct tcp_metrics *entry, enum metric metric, uint32_t value)
{
	if (!is_locked(entry, metric))
		entry->value[metric] = value;
}

/* --- at the end of a connection ---------------------------------------------------------------------------------------------- */

static void learn_rtt(struct tcp_sock *tp, struct tcp_metrics *entry)
{
	int64_t rtt = entry->value[METRIC_RTT], off = rtt - tp->srtt_us;

	/* Longer round trips count at once, shorter ones by and by. */
	set(entry, METRIC_RTT, off <= 0 ? tp->srtt_us : (uint32_t)(rtt - (off >> 3)));
	off = (off < 0 ? -off : off) >> 1;	/* the scales of the two are 8 and 4 */
	uint32_t deviation = off > tp->mdev_us ? (uint32_t)off : tp->mdev_us;
	int64_t variation = entry->value[METRIC_RTTVAR];
	set(entry, METRIC_RTTVAR, deviation >= variation ? deviation : (uint32_t)(variation - ((variation - deviation) >> 2)));
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Where the connection ended: still in slow start, in congestion avoidance, or recovering from a loss. */
static void learn_window(struct tcp_sock *tp, struct tcp_metrics *entry)
{
	bool keep_ssthresh = tcp_sysctl(tp)->tcp_no_ssthresh_metrics_save;
	uint32_t cwnd = tp->snd_cwnd, ssthresh = entry->value[METRIC_SSTHRESH], known = entry->value[METRIC_CWND];

	if (tp->snd_ssthresh >= TCP_INFINITE_SSTHRESH) {
		if (!keep_ssthresh && ssthresh && (cwnd >> 1) > ssthresh)
			set(entry, METRIC_SSTHRESH, cwnd >> 1);
		if (cwnd > known)
			set(entry, METRIC_CWND, cwnd);
	} else if (!tcp_in_slow_start(tp) && tp->ca_state == TCP_CA_STATE_OPEN) {
		if (!keep_ssthresh)
			set(entry, METRIC_SSTHRESH, larger(cwnd >> 1, tp->snd_ssthresh));
		set(entry, METRIC_CWND, (known + cwnd) >> 1);
	} else {
		set(entry, METRIC_CWND, (known + tp->snd_ssthresh) >> 1);
		if (!keep_ssthresh && ssthresh && tp->snd_ssthresh > ssthresh)
			set(entry, METRIC_SSTHRESH, tp->snd_ssthresh);
		if (tp->reordering != (uint32_t)tcp_sysctl(tp)->tcp_reordering && entry->value[METRIC_REORDERING] < tp->reordering)
			set(entry, METRIC_REORDERING, tp->reordering);
	}
}

/* The connection is done sending: remember what it found out. */
void tcp_metrics_update(struct tcp_sock *tp)
{
	if (tcp_sysctl(tp)->tcp_no_metrics_save)
		return;
	if (tp->backoff || !tp->srtt_us) {
		/* It ended in trouble: what is known of the round trip is not to be trusted, a new measurement is due. */
		struct tcp_metrics *entry = find_for(tp, false);

		if (entry)
			set(entry, METRIC_RTT, 0);
		return;
	}
	struct tcp_metrics *entry = find_for(tp, true);
	if (!entry)
		return;
	learn_rtt(tp, entry);
	learn_window(tp, entry);
	entry->stamp = tp->sk.stack->now;
}

/* --- at the beginning -------------------------------------------------------------------------------------------------------------- */

/*
 * The SYN's round trip is that of a small packet: a longer one that is remembered makes the first timeout safer, but the
 * estimate starts from what was measured.
 */
static void use_rtt(struct tcp_sock *tp, uint32_t remembered)
{
	if (remembered > tp->srtt_us) {
		uint32_t jiffies = remembered / (8 * (1000000 / tcp_hz(tp)));

		tp->rto = jiffies + larger(2 * jiffies, tcp_rto_min(tp));
	} else if (tp->srtt_us == 0) {
		/* RFC 6298 5.7: the SYN was resent, so that there is no sample at all: three seconds until there is one. */
		tp->rttvar_us = tp->mdev_us = tp->mdev_max_us = 3000000;
		tp->rto = 3 * tcp_hz(tp);
	}
}

/* The connection is established: start from what is known of the destination. */
void tcp_metrics_init(struct tcp_sock *tp)
{
	struct tcp_metrics *entry = find_for(tp, false);
	uint32_t remembered = 0;

	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	if (entry) {
		if (is_locked(entry, METRIC_CWND))
			tp->snd_cwnd_clamp = entry->value[METRIC_CWND];
		uint32_t ssthresh = tcp_sysctl(tp)->tcp_no_ssthresh_metrics_save ? 0 : entry->value[METRIC_SSTHRESH];
		if (ssthresh)
			tp->snd_ssthresh = ssthresh < tp->snd_cwnd_clamp ? ssthresh : tp->snd_cwnd_clamp;
		if (entry->value[METRIC_REORDERING])
			tp->reordering = entry->value[METRIC_REORDERING];
		remembered = entry->value[METRIC_RTT];
	}
	use_rtt(tp, remembered);
}

/* A SYN from there is worth more than another's: a connection was established before, and its timestamps are known. */
bool tcp_peer_is_proven(struct pl_stack *stack, struct in_addr remote)
{
	for (const struct tcp_metrics *entry = stack->tcp->metrics; entry; entry = entry->next)
		if (entry->destination.s_addr == remote.s_addr && entry->value[METRIC_RTT])
			return true;
	return false;
}

/* --- Fast Open ---------------------------------------------------------------------------------------------------------------------- */

void tcp_fastopen_cache_get(struct tcp_sock *tp, uint16_t *mss, struct tcp_fastopen_cookie *cookie)
{
	const struct tcp_metrics *entry = find(tp->sk.stack, tp->sk.source, tp->sk.remote, tp->sk.route, false);

	if (!entry)
		return;
	if (entry->fastopen.mss)
		*mss = entry->fastopen.mss;
	*cookie = entry->fastopen.cookie;
	if (cookie->length <= 0 && entry->fastopen.try_experimental == 1)
		cookie->experimental = true;
}

void tcp_fastopen_cache_set(struct tcp_sock *tp, uint16_t mss, const struct tcp_fastopen_cookie *cookie, bool syn_lost,
			    uint16_t try_experimental)
{
	struct tcp_metrics *entry = find_for(tp, true);

	if (!entry)
		return;
	if (mss)
		entry->fastopen.mss = mss;
	if (cookie && cookie->length > 0)
		entry->fastopen.cookie = *cookie;
	else if (try_experimental > entry->fastopen.try_experimental && entry->fastopen.cookie.length <= 0)
		entry->fastopen.try_experimental = try_experimental;
	if (syn_lost) {
		entry->fastopen.syn_loss++;
		entry->fastopen.last_syn_loss = tp->sk.stack->now;
	} else {
		entry->fastopen.syn_loss = 0;
	}
}

/* --- all of them ----------------------------------------------------------------------------------------------------------------------- */

void tcp_metrics_free(struct pl_stack *stack)
{
	struct tcp_metrics *entry;

	while ((entry = stack->tcp->metrics)) {
		stack->tcp->metrics = entry->next;
		free(entry);
	}
}

bool pl_tcp_metrics_known(const struct pl_stack *stack)
{
	return stack->tcp->metrics;
}

void pl_tcp_metrics_flush(struct pl_stack *stack)
{
	tcp_metrics_free(stack);
}
