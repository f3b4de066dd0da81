/*
 * SYN cookies: a handshake that is not remembered. What the third segment must prove is in the sequence number of the SYN-ACK:
 * a keyed hash of the four-tuple, the client's sequence number, the minute, and (in 24 bits, hashed with the minute) which of
 * four MSS values comes next below the client's. Window scale, SACK and ECN, when timestamps are in use, are in the low six bits
 * of the SYN-ACK's timestamp.
 */
#include "conn.h"

#define MINUTE (60 * PL_NSEC_PER_SEC)
#define COOKIE_BITS 24
#define COOKIE_MASK ((1u << COOKIE_BITS) - 1)
#define MAX_AGE 2	/* minutes that a cookie is good for */

#define TS_BITS 6
#define TS_MASK ((1u << TS_BITS) - 1)
#define TS_WSCALE_MASK 0xfu	/* 15: no scaling */
#define TS_SACK 0x10u
#define TS_ECN 0x20u

static const uint16_t mss_table[] = { 536, 1300, 1440, 1460 };
#define MSS_COUNT (sizeof(mss_table) / sizeof(mss_table[0]))

static uint32_t minute(const struct pl_stack *stack)
{
	/* The clock of jiffies: it stood at five minutes before the wrap when the stack was made, and only differences count. */
	return (uint32_t)(stack->now / MINUTE) + 1;
}

static uint32_t hash(const struct pl_stack *stack, const struct tcp_segment *segment, uint32_t count, int which)
{
	struct {
		uint32_t source, destination;
		uint16_t source_port, destination_port;
		uint32_t count;
	} about = { segment->source.s_addr, segment->destination.s_addr, segment->source_port, segment->destination_port, count };
	return (uint32_t)siphash(stack->tcp->syncookie_key[which], &about, sizeof(about));
}

uint32_t tcp_syncookie_make(struct tcp_sock *listener, const struct tcp_segment *syn, uint16_t *mss)
{
	struct pl_stack *stack = listener->sk.stack;
	uint32_t index = MSS_COUNT - 1, now = minute(stack);
	while (index && *mss < mss_table[index])
		index--;
	*mss = mss_table[index];
	listener->syncookie_overflow = stack->now;
	listener->syncookie_sent = true;
	COUNT(stack, TcpExt, SyncookiesSent);
	return hash(stack, syn, 0, 0) + syn->seq + (now << COOKIE_BITS) + ((hash(stack, syn, now, 1) + index) & COOKIE_MASK);
}

/* The SYN-ACK's timestamp: the options in the low bits, and not later than now. */
uint32_t tcp_syncookie_timestamp(const struct tcp_request *request, uint32_t now)
{
	uint32_t options = request->wscale_ok ? request->snd_wscale : TS_WSCALE_MASK;
	if (request->sack_ok)
		options |= TS_SACK;
	if (request->ecn)
		options |= TS_ECN;
	uint32_t stamp = (now & ~TS_MASK) | options;
	return stamp > now ? stamp - (1u << TS_BITS) : stamp;
}

/* The MSS that the cookie stands for, 0 when it is not one of ours or too old. */
static uint16_t check(const struct pl_stack *stack, const struct tcp_segment *segment)
{
	uint32_t cookie = segment->ack - 1, seq = segment->seq - 1, now = minute(stack);
	cookie -= hash(stack, segment, 0, 0) + seq;
	uint32_t age = (now - (cookie >> COOKIE_BITS)) & (UINT32_MAX >> COOKIE_BITS);
	if (age >= MAX_AGE)
		return 0;
	uint32_t index = (cookie - hash(stack, segment, now - age, 1)) & COOKIE_MASK;
	return index < MSS_COUNT ? mss_table[index] : 0;
}

/* What the echoed timestamp says the SYN offered. false: options that this host would not have agreed to. */
static bool restore_options(struct tcp_request *request, const struct tcp_segment *segment)
{
	const struct sysctls *sysctl = &request->listener->sk.stack->sysctl;
	uint32_t echo = segment->option.tsecr;
	request->sack_ok = request->wscale_ok = false;
	request->ecn = 0;
	if (!segment->option.has_timestamp) {
		request->tstamp_ok = false;
		return true;
	}
	if (!sysctl->tcp_timestamps)
		return false;
	if (echo)
		echo -= request->ts_offset;
	request->sack_ok = echo & TS_SACK;
	if (request->sack_ok && !sysctl->tcp_sack)
		return false;
	if ((echo & TS_WSCALE_MASK) != TS_WSCALE_MASK) {
		request->wscale_ok = true;
		request->snd_wscale = (uint8_t)(echo & TS_WSCALE_MASK);
		if (!sysctl->tcp_window_scaling)
			return false;
	}
	request->ecn_cookie = echo & TS_ECN;
	return true;
}

/* The request as it was when the SYN came. */
static struct tcp_request *rebuild(struct tcp_sock *listener, const struct tcp_segment *segment, uint16_t mss)
{
	struct tcp_request *request = tcp_request_new(listener, segment);
	if (!request)
		return NULL;
	request->rcv_isn = segment->seq - 1;
	request->rcv_nxt = segment->seq;
	request->snt_isn = segment->ack - 1;
	request->mss = mss;
	request->cookie = true;
	request->synack_sent = 0;
	if (restore_options(request, segment))
		return request;
	tcp_request_free(request);
	return NULL;
}

static bool overflowed_lately(const struct tcp_sock *listener)
{
	const struct pl_stack *stack = listener->sk.stack;
	return stack->sysctl.tcp_syncookies == 2 ||
	       (listener->syncookie_sent && stack->now - listener->syncookie_overflow <= MAX_AGE * MINUTE);
}

struct tcp_sock *tcp_syncookie_check(struct tcp_sock *listener, const struct tcp_segment *segment, bool *valid)
{
	struct pl_stack *stack = listener->sk.stack;
	int error;
	*valid = false;
	if (!stack->sysctl.tcp_syncookies || !(segment->flags & TH_ACK) || segment->flags & TH_RST || !overflowed_lately(listener))
		return NULL;
	uint16_t mss = check(stack, segment);
	if (!mss) {
		COUNT(stack, TcpExt, SyncookiesFailed);
		return NULL;
	}
	COUNT(stack, TcpExt, SyncookiesRecv);
	struct tcp_request *request = rebuild(listener, segment, mss);
	if (!request)
		return NULL;
	*valid = true;
	struct route *route = tcp_request_route(request, &error);
	struct tcp_sock *child = NULL;
	if (route) {
		tcp_request_choose_window(request, route, request->mss);
		tcp_ecn_cookie(request, route, request->ecn_cookie);
		route_put(stack, route);
		child = tcp_child_new(request, segment);
	}
	if (!child) {
		tcp_request_free(request);
		return NULL;
	}
	tcp_accept_enqueue(request, child);
	return child;
}
