/*
 * TCP Fast Open (RFC 7413), the server's side: cookies, and children that exist before the handshake is over.
 *
 * A cookie is SipHash-2-4 of the client's and the server's address under the key that TCP_FASTOPEN_KEY or tcp_fastopen_key give;
 * with two keys the first one makes cookies and both are accepted.
 */
#include "conn.h"
#include "send.h"

#include <stdlib.h>

#define MOST (600 * PL_NSEC_PER_SEC)	/* beyond every timeout */
#define RST_PENALTY (60 * PL_NSEC_PER_SEC)	/* a child that was reset counts against the limit for so long */

void tcp_fastopen_init_key_once(struct pl_stack *stack)
{
	struct sysctls *sysctl = &stack->sysctl;
	if (sysctl->tcp_fastopen_keys)
		return;
	prng_bytes(&stack->prng, sysctl->tcp_fastopen_key[0], sizeof(sysctl->tcp_fastopen_key[0]));
	sysctl->tcp_fastopen_keys = 1;
}

/* The limit of children whose handshake is not over, never more than somaxconn. */
void tcp_fastopen_queue_tune(struct tcp_sock *listener, int backlog)
{
	int most = listener->sk.stack->sysctl.somaxconn;
	listener->fastopenq.max_qlen = backlog < most ? backlog : most;
}

static struct tcp_fastopen_cookie make_cookie(const uint8_t key[16], const struct tcp_segment *syn)
{
	struct tcp_fastopen_cookie cookie = { .length = FASTOPEN_COOKIE_SIZE };
	struct in_addr addresses[2] = { syn->source, syn->destination };
	uint64_t hash = siphash(key, addresses, sizeof(addresses));
	for (unsigned i = 0; i < FASTOPEN_COOKIE_SIZE; i++)
		cookie.bytes[i] = (uint8_t)(hash >> 8 * i);
	return cookie;
}

/* The keys in use: the listener's own, or the host's. */
static unsigned keys_of(const struct tcp_sock *listener, const uint8_t (**keys)[16])
{
	const struct sysctls *sysctl = &listener->sk.stack->sysctl;
	if (listener->fastopenq.keys) {
		*keys = listener->fastopenq.key;
		return listener->fastopenq.keys;
	}
	*keys = sysctl->tcp_fastopen_key;
	return sysctl->tcp_fastopen_keys;
}

/* Which of the keys made the cookie of the SYN, from 1; 0: none. *fresh: the cookie that the first key makes. */
static unsigned which_key(const struct tcp_sock *listener, const struct tcp_segment *syn, struct tcp_fastopen_cookie *fresh)
{
	const uint8_t (*keys)[16];
	unsigned count = keys_of(listener, &keys);
	for (unsigned i = 0; i < count; i++) {
		struct tcp_fastopen_cookie cookie = make_cookie(keys[i], syn);
		if (i == 0)
			*fresh = cookie;
		if (syn->option.fastopen_length == FASTOPEN_COOKIE_SIZE &&
		    memcmp(cookie.bytes, syn->option.fastopen_cookie, FASTOPEN_COOKIE_SIZE) == 0)
			return i + 1;
	}
	return 0;
}

/* Is there room for one more? Those that were reset make room when their time is over. */
static bool queue_check(struct tcp_sock *listener)
{
	struct pl_stack *stack = listener->sk.stack;
	struct tcp_request *oldest = listener->fastopenq.rst_first;
	if (!listener->fastopenq.max_qlen)
		return false;
	if (listener->fastopenq.qlen < listener->fastopenq.max_qlen)
		return true;
	if (!oldest || oldest->rst_expires > stack->now) {
		COUNT(stack, TcpExt, TCPFastOpenListenOverflow);
		return false;
	}
	listener->fastopenq.rst_first = oldest->next;
	if (!oldest->next)
		listener->fastopenq.rst_last = NULL;
	listener->fastopenq.qlen--;
	tcp_request_free(oldest);
	return true;
}

bool tcp_fastopen_no_cookie(const struct tcp_sock *tp, int flag)
{
	const struct route *route = tp->sk.route;
	return tp->sk.stack->sysctl.tcp_fastopen & flag || tp->fastopen_no_cookie ||
	       (route && route->metric[RTAX_FASTOPEN_NO_COOKIE]);
}

/* The data of a SYN, or of the SYN-ACK that answers one with data. */
void tcp_fastopen_add_data(struct tcp_sock *tp, const struct tcp_segment *syn)
{
	if (syn->end_seq == tp->rcv_nxt)
		return;
	struct pktbuf *packet = pktbuf_hold(syn->packet);
	*tcp_cb(packet) = (struct tcp_control){ .seq = syn->seq + 1,
						.end_seq = syn->end_seq,
						.flags = (uint16_t)(syn->flags & ~TH_SYN) };
	tp->segs_in = 1;
	tp->data_segs_in += !!syn->length;
	pktbuf_queue_push(&tp->sk.receive_queue, packet);
	sock_charge_receive(&tp->sk, packet);
	tp->rcv_nxt = syn->end_seq;
	tp->syn_data_acked = true;
	tp->bytes_received = syn->length;
	if (syn->flags & TH_FIN)
		tcp_fin(tp);
}

static struct tcp_sock *create_child(struct tcp_sock *listener, const struct tcp_segment *syn, struct tcp_request *request)
{
	struct tcp_sock *tp = tcp_child_new(request, syn);
	if (!tp)
		return NULL;
	listener->fastopenq.qlen++;
	tp->request = request;
	tp->syn_fastopen_child = true;
	request->fastopen = tp;
	/* The window of a SYN is not scaled. */
	tp->snd_wnd = tp->max_window = syn->window;
	tcp_arm(tp, ICSK_TIME_RETRANS, (uint32_t)time_to_jiffies_up(listener->sk.stack, request->timeout), false);
	tcp_init_transfer(tp);
	tp->rcv_nxt = syn->seq + 1;
	tcp_fastopen_add_data(tp, syn);
	request->rcv_nxt = tp->rcv_nxt;
	tp->rcv_wup = tp->rcv_nxt;
	return tp;
}

/* A good cookie, or none needed. */
static struct tcp_sock *start_child(struct tcp_sock *listener, const struct tcp_segment *syn, struct tcp_request *request)
{
	struct tcp_sock *child = create_child(listener, syn, request);
	if (child)
		COUNT(listener->sk.stack, TcpExt, TCPFastOpenPassive);
	else
		COUNT(listener->sk.stack, TcpExt, TCPFastOpenPassiveFail);
	return child;
}

struct tcp_sock *tcp_fastopen_try(struct tcp_sock *listener, const struct tcp_segment *syn, struct tcp_request *request,
				  struct tcp_fastopen_cookie *answer)
{
	struct pl_stack *stack = listener->sk.stack;
	const struct tcp_options *option = &syn->option;
	bool data = syn->end_seq != syn->seq + 1;
	*answer = (struct tcp_fastopen_cookie){ .length = -1 };
	if (option->has_fastopen && !option->fastopen_length)
		COUNT(stack, TcpExt, TCPFastOpenCookieReqd);
	if (!(stack->sysctl.tcp_fastopen & TFO_SERVER) || !(data || option->has_fastopen) || !queue_check(listener))
		return NULL;
	if (tcp_fastopen_no_cookie(listener, TFO_SERVER_COOKIE_NOT_REQUIRED)) {
		struct tcp_sock *child = start_child(listener, syn, request);
		if (child)
			return child;
	}
	if (!option->has_fastopen)
		return NULL;
	struct tcp_fastopen_cookie fresh = { .length = -1 };
	unsigned key = which_key(listener, syn, &fresh);
	fresh.experimental = option->fastopen_experimental;
	if (option->fastopen_length && key) {
		struct tcp_sock *child = start_child(listener, syn, request);
		if (child) {
			/* A cookie of the second key is good, but the client should have a new one. */
			if (key == 2) {
				*answer = fresh;
				COUNT(stack, TcpExt, TCPFastOpenPassiveAltKey);
			}
			return child;
		}
	} else if (option->fastopen_length) {
		COUNT(stack, TcpExt, TCPFastOpenPassiveFail);
	}
	*answer = fresh;
	return NULL;
}

void tcp_fastopen_remove(struct tcp_sock *child, bool reset)
{
	struct tcp_request *request = child->request;
	struct tcp_sock *listener = request->listener;
	child->request = NULL;
	listener->fastopenq.qlen--;
	request->fastopen = NULL;
	if (request->child)
		return;		/* not accepted yet: it still holds the child's place in the queue */
	if (!reset || listener->sk.state != TCP_LISTEN) {
		tcp_request_free(request);
		return;
	}
	/* A forged SYN leads to a reset: so the limit bounds how many of them there can be in a minute. */
	request->rst_expires = listener->sk.stack->now + RST_PENALTY;
	request->next = NULL;
	if (listener->fastopenq.rst_last)
		listener->fastopenq.rst_last->next = request;
	else
		listener->fastopenq.rst_first = request;
	listener->fastopenq.rst_last = request;
	listener->fastopenq.qlen++;
}

/* A segment for a child in SYN-RECV: the checks of its request first. false: the segment is done with. */
bool tcp_fastopen_child_check(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	return tcp_request_check(tp->request, segment, true) == REQUEST_GOOD;
}

/* The SYN-ACK of a child was not acknowledged in time. */
void tcp_fastopen_synack_timer(struct tcp_sock *tp)
{
	struct tcp_request *request = tp->request;
	struct pl_stack *stack = tp->sk.stack;
	int most = tp->syn_retries ? tp->syn_retries : stack->sysctl.tcp_synack_retries + 1;
	COUNT(stack, TcpExt, TCPTimeouts);
	if (request->num_timeout >= most) {
		tcp_write_error(tp);
		return;
	}
	if (tp->retransmits == 1)
		tcp_enter_loss(tp);
	tcp_request_retransmit(request);
	request->num_timeout++;
	tp->retransmits++;
	if (!tp->retrans_stamp)
		tp->retrans_stamp = tcp_clock_ts(stack, tp->usec_ts);
	pl_time span = request->num_timeout < 32 ? request->timeout << request->num_timeout : PL_TIME_NEVER / 2;
	tcp_arm(tp, ICSK_TIME_RETRANS, (uint32_t)time_to_jiffies_up(stack, span < MOST ? span : MOST), false);
}
