/*
 * Flows: which packets belong together. How the script's view of their numbers maps to the live one is in flow_map.c.
 *
 * As in packetdrill, one flow is under test at a time: the latest socket(), or the connection that the first packet for a
 * listener made. Packets without ports are its. Plumbline adds to that: a packet that gives ports (or addresses) belongs to
 * the flow that has them, and makes one when there is none, so that a script may follow several; and a packet that no socket
 * can own (a ping, a segment for a closed port) makes a bare flow of its protocol.
 */
#include "flows.h"

#include <arpa/inet.h>

/* --- packet helpers ----------------------------------------------------------------------------------------------------- */
struct layer *packet_transport(const struct packet *packet)
{
	for (unsigned i = packet->layers; i-- > 0;) {
		const struct layer *layer = &packet->layer[i];

		switch (layer->kind) {
		case LAYER_TCP:
		case LAYER_UDP:
		case LAYER_UDPLITE:
		case LAYER_ICMP:
		case LAYER_ICMPV6:
		case LAYER_IGMP:
			return (struct layer *)layer;
		default:
			break;
		}
	}
	return NULL;
}

void layer_clear(struct layer *layer, enum wire_field field)
{
	unsigned bit = 0;

	for (int i = field - 1; i >= 0 && wire_field_table[i].layer == layer->kind; i--)
		bit++;
	layer->given &= ~(1u << bit);
	layer->any &= ~(1u << bit);
}

int flow_protocol(enum layer_kind kind)
{
	switch (kind) {
	case LAYER_TCP:
		return IPPROTO_TCP;
	case LAYER_UDP:
		return IPPROTO_UDP;
	case LAYER_UDPLITE:
		return IPPROTO_UDPLITE;
	case LAYER_ICMP:
		return IPPROTO_ICMP;
	case LAYER_IGMP:
		return IPPROTO_IGMP;
	default:
		return IPPROTO_RAW;
	}
}

bool flow_port_fields(const struct layer *layer, enum wire_field *source, enum wire_field *destination)
{
	switch (layer->kind) {
	case LAYER_TCP:
		*source = WF_TCP_SPORT;
		*destination = WF_TCP_DPORT;
		return true;
	case LAYER_UDP:
		*source = WF_UDP_SPORT;
		*destination = WF_UDP_DPORT;
		return true;
	case LAYER_UDPLITE:
		*source = WF_UDPLITE_SPORT;
		*destination = WF_UDPLITE_DPORT;
		return true;
	default:
		return false;
	}
}

struct tuple packet_tuple(const struct packet *packet)
{
	const struct layer *ip = packet_layer(packet, LAYER_IPV4), *transport = packet_transport(packet);
	enum wire_field source, destination;
	struct tuple tuple = { 0 };

	if (ip) {
		tuple.source.s_addr = htonl((uint32_t)wire_get(ip, WF_IPV4_SRC));
		tuple.destination.s_addr = htonl((uint32_t)wire_get(ip, WF_IPV4_DST));
	}
	if (transport && flow_port_fields(transport, &source, &destination)) {
		tuple.source_port = (uint16_t)wire_get(transport, source);
		tuple.destination_port = (uint16_t)wire_get(transport, destination);
	}
	return tuple;
}

unsigned packet_tcp_flags(const struct packet *packet)
{
	const struct layer *tcp = packet_layer(packet, LAYER_TCP);

	return tcp ? (unsigned)wire_get(tcp, WF_TCP_FLAGS) : 0;
}

/* --- finding and making --------------------------------------------------------------------------------------------------- */
struct flow *flow_new(struct run *run, enum flow_state state, int type, int protocol)
{
	struct flow *flow = arena_alloc(run->arena, sizeof(*flow));

	*flow = (struct flow){ .next = run->flows, .state = state, .type = type, .protocol = protocol, .live_fd = -1 };
	run->flows = flow;
	return flow;
}

uint16_t flow_ephemeral_port(struct run *run)
{
	if (run->next_port < 49152 || run->next_port > 65535)
		run->next_port = 49152;
	return (uint16_t)run->next_port++;
}

/* A flow that nothing but this packet speaks of. Numbers it cannot give are the flow under test's, as packetdrill has them. */
static struct flow *flow_bare(struct run *run, const struct tuple *tuple, int protocol, bool inbound, unsigned link)
{
	const struct flow *model = run->flow;
	struct flow *flow = flow_new(run, FLOW_BARE, 0, protocol);
	const struct in_addr *local = inbound ? &tuple->destination : &tuple->source;
	const struct in_addr *remote = inbound ? &tuple->source : &tuple->destination;
	uint16_t local_port = inbound ? tuple->destination_port : tuple->source_port;
	uint16_t remote_port = inbound ? tuple->source_port : tuple->destination_port;

	flow->link = link;
	flow->live.local = local->s_addr ? *local : link_local(run, link);
	flow->live.remote = remote->s_addr ? *remote : link_remote(run, link);
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE) {
		flow->live.local_port = local_port ? local_port : (uint16_t)run->settings.bind_port;
		flow->live.remote_port = remote_port ? remote_port : flow_ephemeral_port(run);
	}
	if (model && model->protocol == protocol) {
		flow->live.local_isn = model->live.local_isn;
		flow->live.remote_isn = model->live.remote_isn;
		flow->script.local_isn = model->script.local_isn;
	}
	return flow;
}

/* A packet for a listener makes a connection. */
static struct flow *flow_passive(struct run *run, const struct packet *packet, const struct tuple *tuple, unsigned link)
{
	struct flow *flow = flow_new(run, FLOW_PASSIVE, SOCK_STREAM, IPPROTO_TCP);
	uint32_t first = (uint32_t)wire_get(packet_layer(packet, LAYER_TCP), WF_TCP_SEQ);

	flow->script.remote_port = tuple->source_port;
	flow->script.local_port = tuple->destination_port;
	flow->script.remote_isn = flow->live.remote_isn = first;
	flow->live.remote = tuple->source.s_addr ? tuple->source : link_remote(run, link);
	flow->live.local = tuple->destination.s_addr ? tuple->destination : link_local(run, link);
	flow->live.remote_port = tuple->source_port ? tuple->source_port : flow_ephemeral_port(run);
	flow->live.local_port = tuple->destination_port ? tuple->destination_port : (uint16_t)run->settings.bind_port;
	return flow;
}

static bool fits(struct in_addr asked, struct in_addr has)
{
	return !asked.s_addr || asked.s_addr == has.s_addr;
}

struct flow *flow_named(const struct run *run, const struct tuple *tuple, int protocol, bool inbound)
{
	struct in_addr local = inbound ? tuple->destination : tuple->source;
	struct in_addr remote = inbound ? tuple->source : tuple->destination;
	uint16_t local_port = inbound ? tuple->destination_port : tuple->source_port;
	uint16_t remote_port = inbound ? tuple->source_port : tuple->destination_port;

	for (struct flow *flow = run->flows; flow; flow = flow->next) {
		const struct flow_ends *live = &flow->live, *script = &flow->script;

		if (flow->protocol != protocol || !live->remote.s_addr || !fits(local, live->local) ||
		    !fits(remote, live->remote))
			continue;
		if ((!local_port || local_port == live->local_port || local_port == script->local_port) &&
		    (!remote_port || remote_port == live->remote_port || remote_port == script->remote_port))
			return flow;
	}
	return NULL;
}

/*
 * Does a packet that gives both its addresses go between others than the flow's ends, as one does that the stack forwards? A socket
 * that has only now been given a destination may send from any address that the stack has by now: its packets are told by their
 * port from others to the same destination, when the script says one.
 */
static bool passes_through(const struct tuple *tuple, const struct flow *flow, struct in_addr own)
{
	const struct flow_ends *live = &flow->live;
	struct in_addr local = live->local.s_addr ? live->local : own;
	bool address_unknown = !live->local.s_addr && flow->state == FLOW_CONNECTING && !tuple->source_port;

	if (!tuple->source.s_addr || !tuple->destination.s_addr || !live->remote.s_addr)
		return false;
	if (flow->sent_to.s_addr && tuple->destination.s_addr == flow->sent_to.s_addr && !tuple->source_port)
		return false;
	return tuple->destination.s_addr != live->remote.s_addr || (tuple->source.s_addr != local.s_addr && !address_unknown);
}

/* A packet that gives ports or addresses. */
static struct flow *flow_by_name(struct run *run, const struct packet *packet, const struct tuple *tuple, int protocol,
				 bool inbound, unsigned link)
{
	struct flow *flow = flow_named(run, tuple, protocol, inbound);

	if (flow)
		return flow;
	if (!inbound && run->flow && run->flow->protocol == protocol && run->flow->state != FLOW_LISTENING &&
	    !passes_through(tuple, run->flow, link_local(run, link)))
		return run->flow;
	if (inbound && protocol == IPPROTO_TCP && (packet_tcp_flags(packet) & (WIRE_SYN | WIRE_ACK | WIRE_RST)) == WIRE_SYN) {
		flow = flow_passive(run, packet, tuple, link);
		if (!run->flow || run->flow->state == FLOW_LISTENING || run->flow->state == FLOW_BARE)
			run->flow = flow;
		return flow;
	}
	return flow_bare(run, tuple, protocol, inbound, link);
}

/* An ICMP error speaks of the flow under test, whatever that is. */
bool is_icmp_error(const struct packet *packet)
{
	const struct layer *icmp = packet_layer(packet, LAYER_ICMP);

	switch (icmp ? wire_get(icmp, WF_ICMP_TYPE) : 0) {
	case 3: case 4: case 5: case 11: case 12:
		return true;
	default:
		return packet->quoted;
	}
}

static struct flow *flow_of_protocol(const struct run *run, int protocol, unsigned link)
{
	for (struct flow *flow = run->flows; flow; flow = flow->next)
		if (flow->protocol == protocol && flow->state == FLOW_BARE && flow->link == link)
			return flow;
	return NULL;
}

struct flow *flow_for_script_packet(struct run *run, const struct packet *packet, bool inbound, unsigned link)
{
	const struct layer *transport = packet_transport(packet);
	int protocol = transport ? flow_protocol(transport->kind) : IPPROTO_RAW;
	struct tuple tuple = packet_tuple(packet);
	struct flow *flow = run->flow;
	bool named = tuple.source_port || tuple.destination_port || tuple.source.s_addr || tuple.destination.s_addr;

	if (protocol == IPPROTO_TCP && !inbound && flow && flow->state == FLOW_CONNECTING && flow->protocol == IPPROTO_TCP &&
	    (packet_tcp_flags(packet) & (WIRE_SYN | WIRE_ACK)) == WIRE_SYN) {
		flow->state = FLOW_SYN_SENT;
		flow->script.local_port = tuple.source_port;
		flow->script.remote_port = tuple.destination_port;
		flow->script.local_isn = (uint32_t)wire_get(transport, WF_TCP_SEQ);
		return flow;
	}
	if (named)
		return flow_by_name(run, packet, &tuple, protocol, inbound, link);
	if (protocol == IPPROTO_TCP && inbound &&
	    (!flow || flow->state == FLOW_LISTENING || flow->protocol != IPPROTO_TCP))
		return run->flow = flow_passive(run, packet, &tuple, link);
	if (flow && (flow->protocol == protocol || is_icmp_error(packet)))
		return flow;
	flow = flow_of_protocol(run, protocol, link);
	return flow ? flow : flow_bare(run, &tuple, protocol, inbound, link);
}

/* --- what the stack sent -------------------------------------------------------------------------------------------------- */
static bool is_from_to(const struct tuple *tuple, const struct flow_ends *live)
{
	return tuple->source.s_addr == live->local.s_addr && tuple->destination.s_addr == live->remote.s_addr &&
	       tuple->source_port == live->local_port && tuple->destination_port == live->remote_port;
}

uint16_t flow_socket_port(struct run *run, const struct flow *flow)
{
	struct sockaddr_in name = { 0 };
	socklen_t length = sizeof(name);
	struct pl_call call = { .op = PL_OP_getsockname, .arg = { flow->live_fd, PL_PTR(&name), PL_PTR(&length) } };

	if (flow->live_fd < 0)
		return 0;
	run->ops->submit(run->target, &call);
	return call.finished && !call.result ? ntohs(name.sin_port) : 0;
}

/* The first packet of a socket that connects or sends: it tells the local address and port. */
static bool is_first_of(const struct flow *flow, const struct packet *packet, const struct layer *transport)
{
	if (transport->kind == LAYER_TCP)
		return flow->state == FLOW_SYN_SENT && (packet_tcp_flags(packet) & (WIRE_SYN | WIRE_ACK)) == WIRE_SYN;
	return flow->state == FLOW_CONNECTING;
}

/* What an Ethernet header would have inside: IP of either version, ARP, or bytes of another type. */
static enum layer_kind network_layer(const struct packet *packet)
{
	unsigned i = packet->layers && packet->layer[0].kind == LAYER_ETHERNET;

	return i < packet->layers ? packet->layer[i].kind : LAYER_NONE;
}

/* A datagram of the flow's socket to where it sent last, or one whose addresses the script says, and not its ports. */
static bool is_datagram_asked_for(const struct flow *flow, const struct tuple *asked, const struct tuple *tuple)
{
	if (flow->protocol != IPPROTO_UDP && flow->protocol != IPPROTO_UDPLITE)
		return false;
	if (asked->source.s_addr && asked->destination.s_addr && !asked->source_port && !asked->destination_port)
		return asked->source.s_addr == tuple->source.s_addr && asked->destination.s_addr == tuple->destination.s_addr;
	return flow->live.local_port && tuple->source_port == flow->live.local_port && flow->sent_to.s_addr &&
	       tuple->destination.s_addr == flow->sent_to.s_addr && tuple->destination_port == flow->sent_to_port;
}

/* To the far end that the socket sends to, or, when a filter has changed that, to the one that the script names. */
static bool goes_where(const struct tuple *tuple, const struct tuple *asked, struct in_addr remote, uint16_t remote_port)
{
	return (tuple->destination.s_addr == remote.s_addr || tuple->destination.s_addr == asked->destination.s_addr) &&
	       (tuple->destination_port == remote_port || tuple->destination_port == asked->destination_port);
}

/*
 * From the flow's socket: another one, forgotten by the script, may be sending its SYN once more. When a filter has changed where
 * it comes from, the port is not the socket's; then the script names the address or the port.
 */
static bool comes_from(struct run *run, const struct flow *flow, const struct tuple *tuple, const struct tuple *asked)
{
	uint16_t port = flow_socket_port(run, flow);

	return !port || port == tuple->source_port || asked->source_port == tuple->source_port ||
	       asked->source.s_addr == tuple->source.s_addr;
}

bool flow_takes_live_packet(struct run *run, struct flow *flow, const struct packet *expected, const struct packet *packet)
{
	const struct layer *wanted = packet_transport(expected), *transport = packet_transport(packet);
	struct tuple tuple = packet_tuple(packet), asked = packet_tuple(expected);
	struct in_addr local = flow->live.local.s_addr ? flow->live.local : run->settings.local;
	struct in_addr remote = flow->live.remote.s_addr ? flow->live.remote : run->settings.remote;

	if (network_layer(expected) != network_layer(packet))
		return false;
	if (!transport)
		return !wanted;
	if (wanted && transport->kind == LAYER_ICMP && wanted->kind == LAYER_ICMP)
		return tuple.source.s_addr == local.s_addr && tuple.destination.s_addr == remote.s_addr;
	/* IGMP goes to groups, and is nobody's conversation. */
	if (wanted && transport->kind == LAYER_IGMP && wanted->kind == LAYER_IGMP)
		return fits(asked.source, tuple.source) && fits(asked.destination, tuple.destination);
	if (flow_protocol(transport->kind) != flow->protocol)
		return false;
	if (is_from_to(&tuple, &flow->live))
		return true;
	if (!is_first_of(flow, packet, transport) || !goes_where(&tuple, &asked, remote, flow->live.remote_port)) {
		if (!is_datagram_asked_for(flow, &asked, &tuple))
			return false;
		/* Of a flow that only packets speak of, this is what its ports are. */
		if (flow->state == FLOW_BARE) {
			flow->live.local_port = tuple.source_port;
			flow->live.remote_port = tuple.destination_port;
		}
		return true;
	}
	if (!comes_from(run, flow, &tuple, &asked))
		return false;
	flow->live.local = tuple.source;
	flow->live.remote = tuple.destination;
	flow->live.local_port = tuple.source_port;
	flow->live.remote_port = tuple.destination_port;
	if (transport->kind == LAYER_TCP)
		flow->live.local_isn = (uint32_t)wire_get(transport, WF_TCP_SEQ);
	return true;
}
