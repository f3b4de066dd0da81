/*
 * ICMP errors that quote a segment of ours.
 *
 * An error counts when the quoted sequence number is one that is in flight (RFC 5927 section 4). While connecting it ends the
 * attempt (RFC 1122 4.2.3.9 would tell soft errors from hard ones; Linux takes both), later it is remembered as the reason to
 * give if the connection times out, or told at once to those who asked with IP_RECVERR. "Fragmentation needed" makes the
 * segments smaller.
 */
#include "conn.h"

#include <linux/errqueue.h>

/* What the quoted packet and the ICMP header say. */
struct report {
	struct pktbuf *icmp;
	const struct iphdr *quoted;
	const uint8_t *tcp;	/* the quoted TCP header, 8 bytes at least */
	uint8_t type, code;
	uint32_t info, seq;
	int error;
};

static bool quotes_in_flight(const struct tcp_sock *tp, uint32_t seq)
{
	uint32_t first = tp->request ? tp->request->snt_isn : tp->snd_una;
	return tp->sk.state == TCP_LISTEN || (!before(seq, first) && !after(seq, tp->snd_nxt));
}

static bool unreachable_for_now(const struct report *r)
{
	return r->type == ICMP_DEST_UNREACH && (r->code == ICMP_NET_UNREACH || r->code == ICMP_HOST_UNREACH);
}

static void to_request(struct tcp_request *request, const struct report *r)
{
	struct tcp_sock *listener = request->listener;
	if (r->seq != request->snt_isn) {
		COUNT(listener->sk.stack, TcpExt, OutOfWindowIcmps);
		return;
	}
	if (r->type != ICMP_PARAMETERPROB && r->type != ICMP_TIME_EXCEEDED && !unreachable_for_now(r))
		return;
	tcp_request_drop(request);
	listener->sk.drops++;
	COUNT(listener->sk.stack, TcpExt, ListenDrops);
}

/* The errno of an error, 0 when it is none. */
static int error_of(const struct report *r)
{
	switch (r->type) {
	case ICMP_PARAMETERPROB:
		return EPROTO;
	case ICMP_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP_DEST_UNREACH:
		return r->code <= NR_ICMP_UNREACH ? icmp_error_map[r->code].error : 0;
	default:
		return 0;
	}
}

static void end_attempt(struct tcp_sock *tp, const struct report *r)
{
	sock_queue_icmp_error(&tp->sk, r->icmp, r->error, htons(tp->sk.remote_port), r->info, r->tcp);
	tcp_done_with_error(tp, r->error);
}

static void to_socket(struct tcp_sock *tp, struct report *r)
{
	struct sock *sk = &tp->sk;
	struct pl_stack *stack = sk->stack;
	if (sk->state == TCP_CLOSE)
		return;
	if (r->quoted->ttl < sk->min_ttl) {
		COUNT(stack, TcpExt, TCPMinTTLDrop);
		return;
	}
	if (!quotes_in_flight(tp, r->seq)) {
		COUNT(stack, TcpExt, OutOfWindowIcmps);
		return;
	}
	if (r->type == ICMP_REDIRECT && sk->route && route_valid(stack, sk->route)) {
		struct flow flow = quoted_flow(sk, r->quoted, 0);

		flow.source_port = sk->port;
		flow.destination_port = sk->remote_port;
		route_redirect(stack, r->icmp, &flow, sk->route);
		return;
	}
	if (r->type == ICMP_DEST_UNREACH && r->code == ICMP_FRAG_NEEDED) {
		if (sk->state != TCP_LISTEN)
			tcp_mtu_reduced(tp, r->info);
		return;
	}
	r->error = error_of(r);
	if (!r->error)
		return;
	/* RFC 6069: the loss was not congestion, so the timeout need not stay long. */
	if (!tp->request && unreachable_for_now(r))
		tcp_revert_backoff(tp, r->seq);
	bool accepted = tp->request && !tp->request->child;
	if ((sk->state == TCP_SYN_SENT || sk->state == TCP_SYN_RECV) && !accepted) {
		end_attempt(tp, r);
	} else if (sock_flag(sk, SF_RECVERR)) {
		sk->error = r->error;
		sock_wake(sk, TCP_WAKE_ERROR);
	} else {
		sk->error_soft = r->error;
	}
}

void tcp_icmp_error(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info)
{
	size_t header = quoted->ihl * 4u;
	const uint8_t *message = pktbuf_at(icmp, 0, 8);
	if (!message || length < header + 8)
		return;
	const uint8_t *tcp = (const uint8_t *)quoted + header;
	struct report r = { .icmp = icmp, .quoted = quoted, .tcp = tcp, .type = message[0], .code = message[1],
			    .info = info };
	uint16_t source_port, destination_port;
	memcpy(&source_port, tcp, 2);
	memcpy(&destination_port, tcp + 2, 2);
	memcpy(&r.seq, tcp + 4, 4);
	r.seq = ntohl(r.seq);
	struct in_addr local = { quoted->saddr }, remote = { quoted->daddr };
	struct tcp_entry *entry = tcp_entry_find(stack, local, ntohs(source_port), remote, ntohs(destination_port),
						 icmp->input_ifindex);
	if (!entry) {
		COUNT(stack, Icmp, InErrors);
		return;
	}
	switch (entry->kind) {
	case TCP_ENTRY_TIMEWAIT:
		break;
	case TCP_ENTRY_REQUEST:
		to_request((struct tcp_request *)entry, &r);
		break;
	case TCP_ENTRY_SOCKET:
		to_socket((struct tcp_sock *)((char *)entry - offsetof(struct tcp_sock, entry)), &r);
		break;
	}
}
