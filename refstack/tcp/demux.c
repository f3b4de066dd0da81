/*
 * From IP to whoever a segment is for: a connection, a handshake under way, a connection at rest, a listener, nobody.
 */
#include "conn.h"

#include "../netfilter/netfilter.h"

static void note_segment(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t packets = segment->packet->gso_segs ? segment->packet->gso_segs : 1;
	tp->segs_in += packets;
	tp->sk.incoming_cpu = 0;	/* the one that there is */
	if (segment->length)
		tp->data_segs_in += packets;
}

/* SO_ATTACH_FILTER: a filter sees the segment from its TCP header on, and says at least that it passes. */
static bool filter_passes(const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct pktbuf whole;

	if (!tp->sk.filter)
		return true;
	whole = *segment->packet;
	whole.data = whole.transport;
	return sock_filter(&tp->sk, &whole) != 0;
}

static void to_socket(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct pl_stack *stack = tp->sk.stack;
	if (ip_header(segment->packet)->ttl < tp->sk.min_ttl) {
		COUNT(stack, TcpExt, TCPMinTTLDrop);
		return;
	}
	if (!tcp_md5_accept(stack, tp, segment))
		return;
	if (!filter_passes(tp, segment)) {
		tp->sk.drops++;
		return;
	}
	if (tp->sk.state != TCP_LISTEN)
		note_segment(tp, segment);
	if (tp->sk.state == TCP_ESTABLISHED)
		sock_arrival_keep(&tp->sk, segment->packet, false);
	tcp_socket_segment(tp, segment);
}

void tcp_child_segment(struct tcp_sock *listener, struct tcp_sock *child, const struct tcp_segment *segment)
{
	note_segment(child, segment);
	tcp_socket_segment(child, segment);
	if (child->sk.state != TCP_SYN_RECV)
		sock_wake(&listener->sk, TCP_WAKE_DATA);
}

static void dispatch(struct pl_stack *stack, const struct tcp_segment *segment);

/* The request decides; a segment that is not for it is the listener's to refuse. */
static void to_request(struct tcp_request *request, const struct tcp_segment *segment)
{
	struct pl_stack *stack = request->stack;
	struct tcp_sock *listener = request->listener;
	if (listener->sk.state != TCP_LISTEN) {
		listener = tcp_migrate_target(request);
		if (!listener) {
			tcp_request_drop(request);
			dispatch(stack, segment);
			return;
		}
	}
	if (!tcp_md5_accept(stack, listener, segment) || !filter_passes(listener, segment))
		return;
	struct tcp_sock *taker = tcp_request_segment(request, listener, segment);
	if (taker == listener)
		to_socket(listener, segment);
	else if (taker)
		tcp_child_segment(listener, taker, segment);
}

/* Who listens for a segment that belongs to no connection. */
static struct tcp_sock *listener_of(struct pl_stack *stack, const struct tcp_segment *segment)
{
	const struct pktbuf *packet = segment->packet;
	struct sock *assigned = nf_assigned_socket(packet);
	if (assigned)
		return tcp_sk(assigned);
	return tcp_listener_find(stack, segment->destination, segment->destination_port, segment->source, segment->source_port,
				 packet->input_ifindex, packet, (size_t)(packet->data - packet->network));
}

static void to_timewait(struct tcp_timewait *tw, const struct tcp_segment *segment)
{
	struct pl_stack *stack = tw->stack;
	uint32_t isn = 0;
	struct tcp_sock *listener;
	switch (tcp_timewait_segment(tw, segment, &isn)) {
	case TIMEWAIT_DONE:
		break;
	case TIMEWAIT_SYN:
		listener = listener_of(stack, segment);
		if (listener) {
			tcp_timewait_free(tw);
			if (tcp_md5_accept(stack, listener, segment))
				tcp_listen_syn(listener, segment, isn);
			break;
		}
		tcp_timewait_ack(tw, segment);
		break;
	case TIMEWAIT_ACK:
		tcp_timewait_ack(tw, segment);
		break;
	case TIMEWAIT_RESET:
		tcp_send_reset(stack, NULL, segment);
		tcp_timewait_free(tw);
		break;
	}
}

static void dispatch(struct pl_stack *stack, const struct tcp_segment *segment)
{
	int ifindex = segment->packet->input_ifindex;
	struct tcp_entry *entry = tcp_entry_find(stack, segment->destination, segment->destination_port, segment->source,
						 segment->source_port, ifindex);
	if (entry) {
		switch (entry->kind) {
		case TCP_ENTRY_SOCKET:
			to_socket((struct tcp_sock *)((char *)entry - offsetof(struct tcp_sock, entry)), segment);
			break;
		case TCP_ENTRY_REQUEST:
			to_request((struct tcp_request *)entry, segment);
			break;
		case TCP_ENTRY_TIMEWAIT:
			to_timewait((struct tcp_timewait *)entry, segment);
			break;
		}
		return;
	}
	struct tcp_sock *listener = listener_of(stack, segment);
	if (listener)
		to_socket(listener, segment);
	else
		tcp_send_reset(stack, NULL, segment);
}

static bool tcp_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	struct tcp_segment segment;
	if (packet->packet_type == PACKET_HOST) {
		COUNT(stack, Tcp, InSegs);
		if (tcp_segment_decode(stack, packet, &segment))
			dispatch(stack, &segment);
	}
	pktbuf_free(stack, packet);
	return true;
}

static struct sock *tcp_early(struct pl_stack *stack, const struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);
	const struct tcphdr *tcp = pktbuf_at(packet, ip->ihl * 4u, sizeof(*tcp));
	struct tcp_entry *entry;
	if (!stack->sysctl.tcp_early_demux || packet->packet_type != PACKET_HOST || !tcp)
		return NULL;
	entry = tcp_entry_find(stack, ip_destination(packet), ntohs(tcp->dest), ip_source(packet), ntohs(tcp->source),
			       packet->input_ifindex);
	return entry && entry->kind == TCP_ENTRY_SOCKET ? &((struct tcp_sock *)((char *)entry - offsetof(struct tcp_sock, entry)))->sk
							: NULL;
}

const struct ip_protocol tcp_protocol = {
	.number = IPPROTO_TCP,
	.receive = tcp_receive,
	.early = tcp_early,
	.error = tcp_icmp_error,
	.icmp_strict_tag_validation = true,
};
