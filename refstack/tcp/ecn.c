/*
 * Explicit Congestion Notification: RFC 3168.
 *
 * Negotiation: a SYN with ECE and CWR asks, a SYN-ACK with ECE alone agrees. Afterwards data goes out as ECT(0) (retransmissions
 * and pure ACKs do not); CE on what arrives is echoed by ECE on every ACK until CWR comes back; an ECE that arrives reduces the
 * congestion window once a round trip, and the next new data carries CWR.
 */
#include "send.h"

#define ECN_MASK 3
#define ECN_ECT_0 2
#define ECN_CE 3

/* Values of the tcp_ecn tunable: what is asked of others, and what is granted. */
static bool asks_for_ecn(const struct tcp_sock *tp)
{
	int mode = tcp_sysctl(tp)->tcp_ecn;

	return mode == 1 || mode == 4;
}

static bool route_wants_ecn(const struct route *route)
{
	return route && route->metric[RTAX_FEATURES] & RTAX_FEATURE_ECN;
}

void tcp_ecn_send_syn(struct tcp_sock *tp, struct pktbuf *syn)
{
	tp->ecn_flags = 0;
	if (!asks_for_ecn(tp) && !tp->cong->needs_ecn && !route_wants_ecn(tp->sk.route))
		return;
	tcp_cb(syn)->flags |= TH_ECE | TH_CWR;
	tp->ecn_flags = ECN_OK;
	if (tp->cong->needs_ecn)
		tp->sk.tos |= ECN_ECT_0;
}

/* A SYN is sent again: perhaps the request for ECN is what got it dropped (tcp_ecn_fallback, RFC 3168 6.1.1.1). */
void tcp_ecn_clear_syn(struct tcp_sock *tp, struct pktbuf *syn)
{
	if (tcp_sysctl(tp)->tcp_ecn_fallback)
		tcp_cb(syn)->flags &= (uint16_t)~(TH_ECE | TH_CWR | TH_AE);
}

void tcp_ecn_send_synack(struct tcp_sock *tp, struct pktbuf *synack)
{
	tcp_cb(synack)->flags &= (uint16_t)~(TH_CWR | TH_AE);
	if (!(tp->ecn_flags & ECN_OK))
		tcp_cb(synack)->flags &= (uint16_t)~TH_ECE;
}

/* --- handshakes of others ------------------------------------------------------------------------------------------------- */

/* A SYN asks for ECN: granted unless its own IP header is marked, which a SYN's must not be. */
void tcp_ecn_request(struct tcp_request *request, const struct tcp_segment *syn)
{
	const struct tcp_sock *listener = request->listener;
	bool marked = syn->ip_tos & ECN_MASK, odd = syn->flags & TH_AE;

	request->ecn = 0;
	if ((syn->flags & (TH_ECE | TH_CWR)) != (TH_ECE | TH_CWR))
		return;
	if (((!marked || odd) && tcp_sysctl(listener)->tcp_ecn) || listener->cong->needs_ecn)
		request->ecn = ECN_OK;
}

void tcp_ecn_cookie(struct tcp_request *request, const struct route *route, bool asked)
{
	request->ecn = asked && (tcp_sysctl(request->listener)->tcp_ecn || route_wants_ecn(route)) ? ECN_OK : 0;
}

uint16_t tcp_ecn_synack_flags(const struct tcp_request *request)
{
	return request->ecn & ECN_OK ? TH_ECE : 0;
}

void tcp_ecn_child(struct tcp_sock *tp, const struct tcp_request *request)
{
	tp->ecn_flags = request->ecn & ECN_OK;
}

void tcp_ecn_third_ack(struct tcp_sock *tp, const struct tcp_segment *segment)
{
}

void tcp_ecn_receive_synack(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if ((segment->flags & (TH_ECE | TH_CWR)) != TH_ECE)
		tp->ecn_flags &= (uint16_t)~ECN_OK;
}

void tcp_ecn_receive_syn(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if ((segment->flags & (TH_ECE | TH_CWR)) != (TH_ECE | TH_CWR))
		tp->ecn_flags &= (uint16_t)~ECN_OK;
}

/* --- what arrives --------------------------------------------------------------------------------------------------------------- */

/* Data came: is it marked CE? Then acknowledge at once and say so until the sender answers with CWR. */
void tcp_ecn_check_ce(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (!(tp->ecn_flags & ECN_OK))
		return;
	switch (segment->ip_tos & ECN_MASK) {
	case 0:
		/* A retransmission, most likely: the sender may be waiting for it to be acknowledged. */
		if (tp->ecn_flags & ECN_SEEN)
			tcp_enter_quickack(tp, 2);
		break;
	case ECN_CE:
		if (tp->cong->needs_ecn)
			tcp_cong_tell(tp, CONG_ECN_IS_CE);
		if (!(tp->ecn_flags & ECN_DEMAND_CWR)) {
			tcp_enter_quickack(tp, 2);
			tp->ecn_flags |= ECN_DEMAND_CWR;
		}
		tp->ecn_flags |= ECN_SEEN;
		break;
	default:
		if (tp->cong->needs_ecn)
			tcp_cong_tell(tp, CONG_ECN_NO_CE);
		tp->ecn_flags |= ECN_SEEN;
		break;
	}
}

/* The sender has reduced its window, perhaps to a single packet: do not make it wait for the acknowledgement of data. */
void tcp_ecn_accept_cwr(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (!(segment->flags & TH_CWR) || !(tp->ecn_flags & ECN_OK))
		return;
	tp->ecn_flags &= (uint16_t)~ECN_DEMAND_CWR;
	if (segment->seq != segment->end_seq)
		tp->ack.pending |= ACK_NOW;
}

/* What TCP_INFO tells of marks, which is counted whether or not ECN was agreed upon. */
void tcp_ecn_received(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	unsigned mark = segment->ip_tos & ECN_MASK;

	if (!mark)
		return;
	if (!(tp->ecn_flags & ECN_OK))
		tp->ecn_flags |= ECN_SEEN;
	if (mark == ECN_CE)
		tp->received_ce += segment->packet->gso_segs ? segment->packet->gso_segs : 1;
	tp->received_ecn_bytes[mark - 1] += segment->length;
}

bool tcp_ecn_echo_received(const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	return (segment->flags & (TH_ECE | TH_SYN)) == TH_ECE && (tp->ecn_flags & ECN_OK);
}

/* --- what leaves ------------------------------------------------------------------------------------------------------------------ */

void tcp_ecn_queue_cwr(struct tcp_sock *tp)
{
	if (tp->ecn_flags & ECN_OK)
		tp->ecn_flags |= ECN_QUEUE_CWR;
}

void tcp_ecn_withdraw_cwr(struct tcp_sock *tp)
{
	tp->ecn_flags &= (uint16_t)~ECN_QUEUE_CWR;
}

/* The ECN bits of a segment that is not a SYN: in its IP header by sk->tos, in its TCP header as returned. */
uint16_t tcp_ecn_send(struct tcp_sock *tp, const struct pktbuf *packet)
{
	uint16_t flags = 0;

	if (!(tp->ecn_flags & ECN_OK))
		return 0;
	if (pktbuf_length(packet) && !before(tcp_cb(packet)->seq, tp->snd_nxt)) {
		tp->sk.tos |= ECN_ECT_0;
		if (tp->ecn_flags & ECN_QUEUE_CWR) {
			tp->ecn_flags &= (uint16_t)~ECN_QUEUE_CWR;
			flags |= TH_CWR;
		}
	} else if (!tp->cong->needs_ecn) {
		tp->sk.tos &= (uint8_t)~ECN_MASK;
	}
	if (tp->ecn_flags & ECN_DEMAND_CWR)
		flags |= TH_ECE;
	return flags;
}

/* --- AccECN ----------------------------------------------------------------------------------------------------------------------- */

unsigned tcp_accecn_syn_options(struct tcp_sock *tp, const struct pktbuf *packet, struct tcp_out_options *options, unsigned size)
{
	return size;
}

unsigned tcp_accecn_synack_options(struct tcp_request *request, struct tcp_out_options *options, unsigned size)
{
	return size;
}

unsigned tcp_accecn_options(struct tcp_sock *tp, const struct pktbuf *packet, struct tcp_out_options *options, unsigned size)
{
	return size;
}
