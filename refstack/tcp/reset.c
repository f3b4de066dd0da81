/*
 * Segments that leave without a connection behind them: resets, and acknowledgements for handshakes and for TIME-WAIT.
 *
 * They carry no data and few options, have DF set and identification 0, and echo type of service and IP options of what they answer.
 */
#include "../ip/options.h"
#include "conn.h"

struct detached {
	struct tcp_out_header header;
	struct tcp_out_options options;
	uint8_t tos;
	uint32_t mark, priority;
	int link;
	const struct pktbuf *answered;	/* whose IP options are echoed; NULL: none are */
};

/* The mark of what is answered, where that is reflected, goes before that of the connection. */
static uint32_t answer_mark(const struct pl_stack *stack, const struct tcp_segment *segment, uint32_t mark)
{
	return stack->sysctl.fwmark_reflect && segment->packet->mark ? segment->packet->mark : mark;
}

static void send_detached(struct pl_stack *stack, const struct detached *d)
{
	struct pktbuf *packet;
	struct ip_options echoed = { 0 };

	if (d->answered && !options_echo(stack, d->answered, &echoed))
		return;
	packet = pktbuf_new(stack, IP_HEADROOM + TCP_MAX_HEADER, 0);
	if (!packet)
		return;
	tcp_header_push(packet, &d->header, &d->options);
	packet->mark = d->mark;
	packet->priority = d->priority;
	struct ip_send send = {
		.source = d->header.source,
		.destination = d->header.destination,
		.protocol = IPPROTO_TCP,
		.tos = d->tos & ~IPTOS_ECN_MASK,	/* it is no part of a connection that does ECN */
		.dont_fragment = true,
		.id = 0,
		.mark = d->mark,
		.output_link = d->link,
		.options = echoed.length ? &echoed : NULL,
	};
	COUNT(stack, Tcp, OutSegs);
	ip_send_packet(stack, packet, &send);
}

/* The header of an answer: addresses and ports turned round. */
static struct tcp_out_header answer(const struct tcp_segment *segment)
{
	return (struct tcp_out_header){
		.source_port = segment->destination_port,
		.destination_port = segment->source_port,
		.source = segment->destination,
		.destination = segment->source,
	};
}

/*
 * The key of a signed segment that no connection takes: a reset must be signed too, and only a listener can know the key. Linux
 * looks for one on the port that the segment came from, and keeps silent when there is none.
 */
static const struct tcp_md5_key *reset_key(struct pl_stack *stack, const struct tcp_sock *tp, const struct tcp_segment *segment,
					   bool *refused)
{
	*refused = segment->option.bad_md5;
	if (*refused)
		return NULL;
	if (tp)
		return tcp_md5_lookup(tp, segment->source);
	if (!segment->option.has_md5)
		return NULL;
	struct tcp_sock *listener = tcp_listener_find(stack, segment->destination, segment->source_port, segment->source,
						      segment->source_port, segment->packet->input_ifindex, NULL, 0);
	*refused = true;
	if (!listener)
		return NULL;
	const struct tcp_md5_key *key = tcp_md5_lookup(listener, segment->source);
	*refused = !key || !tcp_md5_accept_key(stack, key, segment);
	return key;
}

/* RFC 9293 3.10.7.1: the sequence number that the other side expects, or zero with an acknowledgement of what it sent. */
void tcp_send_reset(struct pl_stack *stack, struct tcp_sock *tp, const struct tcp_segment *segment)
{
	bool refused;
	if (segment->flags & TH_RST)
		return;
	/* A segment for nobody may still have come to an address that is not ours (a group's, a broadcast). */
	if (!tp && segment->packet->route && segment->packet->route->type != RTN_LOCAL)
		return;
	struct detached d = { .header = answer(segment), .answered = segment->packet, .tos = segment->ip_tos & ~3 };
	d.options.md5 = reset_key(stack, tp, segment, &refused);
	if (refused)
		return;
	d.header.flags = TH_RST;
	if (segment->flags & TH_ACK) {
		d.header.seq = segment->ack;
	} else {
		d.header.flags |= TH_ACK;
		d.header.ack = segment->end_seq;
	}
	if (tp)
		d.link = tp->sk.bound_link;
	if (tp && tp->sk.state != TCP_LISTEN) {
		d.mark = tp->sk.mark;
		d.priority = tp->sk.priority;
	}
	d.mark = answer_mark(stack, segment, d.mark);
	COUNT(stack, Tcp, OutRsts);
	send_detached(stack, &d);
}

void tcp_timewait_ack(struct tcp_timewait *tw, const struct tcp_segment *segment)
{
	struct detached d = {
		.header = answer(segment),
		.answered = segment->packet,
		.tos = tw->tos,
		.mark = answer_mark(tw->stack, segment, tw->mark),
		.priority = tw->priority,
		.link = tw->entry.bound_link,
	};
	d.header.seq = tw->snd_nxt;
	d.header.ack = tw->rcv_nxt;
	d.header.flags = TH_ACK;
	d.header.window = (uint16_t)(tw->rcv_wnd >> tw->rcv_wscale);
	d.options.md5 = tw->md5;
	if (tw->ts_recent) {
		d.options.has_timestamp = true;
		d.options.tsval = tcp_clock_ts(tw->stack, tw->usec_ts) + tw->ts_offset;
		d.options.tsecr = tw->ts_recent;
	}
	send_detached(tw->stack, &d);
}

/* A segment outside the window of a handshake is told what is expected. */
void tcp_request_ack(struct tcp_request *request, const struct tcp_segment *segment)
{
	struct pl_stack *stack = request->listener->sk.stack;
	const struct tcp_sock *child = request->fastopen;
	struct detached d = { .header = answer(segment), .answered = segment->packet, .tos = segment->ip_tos & ~3 };
	/* A Fast Open child may have sent data after its SYN-ACK. */
	d.header.seq = child ? child->snd_nxt : request->snt_isn + 1;
	d.header.ack = request->rcv_nxt;
	d.header.flags = TH_ACK;
	d.header.window = (uint16_t)(request->rcv_wnd >> request->rcv_wscale);
	d.options.md5 = tcp_md5_lookup(request->listener, segment->source);
	if (request->ts_recent) {
		d.options.has_timestamp = true;
		d.options.tsval = tcp_clock_ts(stack, request->req_usec_ts) + request->ts_offset;
		d.options.tsecr = request->ts_recent;
	}
	d.mark = answer_mark(stack, segment, request->mark);
	send_detached(stack, &d);
}
