/*
 * Flows: which packets belong together, and how the script's view of them maps to the live one.
 *
 * As in packetdrill, one flow is under test at a time: the latest socket(), or the connection that the first packet for a
 * listener made. Packets without ports are its. Plumbline adds to that: a packet that gives ports (or addresses) belongs to
 * the flow that has them, and makes one when there is none, so that a script may follow several; and a packet that no socket
 * can own (a ping, a segment for a closed port) makes a bare flow of its protocol.
 *
 * Sequence numbers. With SYN set, the script's are absolute for the harness's side, and relative to the script's own first
 * number for the stack's side; without SYN they are relative to each side's first live number.
 */
#include "run.h"

#include <arpa/inet.h>

#include "../wire/igmp.h"

#define IGMPV3_ROUTERS 0xe0000016	/* 224.0.0.22 */

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

/* The port fields of a transport layer; false when it has none. */
static bool port_fields(const struct layer *layer, enum wire_field *source, enum wire_field *destination)
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

/* Where a packet comes from and goes to, as far as it says; zeros for the rest. As seen by the sender. */
struct tuple {
	struct in_addr source, destination;
	uint16_t source_port, destination_port;
};

static struct tuple packet_tuple(const struct packet *packet)
{
	const struct layer *ip = packet_layer(packet, LAYER_IPV4), *transport = packet_transport(packet);
	enum wire_field source, destination;
	struct tuple tuple = { 0 };

	if (ip) {
		tuple.source.s_addr = htonl((uint32_t)wire_get(ip, WF_IPV4_SRC));
		tuple.destination.s_addr = htonl((uint32_t)wire_get(ip, WF_IPV4_DST));
	}
	if (transport && port_fields(transport, &source, &destination)) {
		tuple.source_port = (uint16_t)wire_get(transport, source);
		tuple.destination_port = (uint16_t)wire_get(transport, destination);
	}
	return tuple;
}

static unsigned tcp_flags(const struct packet *packet)
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

/* The flow that has the ports and addresses that the packet gives, or NULL. */
static struct flow *flow_named(const struct run *run, const struct tuple *tuple, int protocol, bool inbound)
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

/* Does a packet that gives both its addresses go between others than the flow's ends, as one does that the stack forwards? */
static bool passes_through(const struct tuple *tuple, const struct flow_ends *live, struct in_addr own)
{
	struct in_addr local = live->local.s_addr ? live->local : own;

	return tuple->source.s_addr && tuple->destination.s_addr && live->remote.s_addr &&
	       (tuple->source.s_addr != local.s_addr || tuple->destination.s_addr != live->remote.s_addr);
}

/* A packet that gives ports or addresses. */
static struct flow *flow_by_name(struct run *run, const struct packet *packet, const struct tuple *tuple, int protocol,
				 bool inbound, unsigned link)
{
	struct flow *flow = flow_named(run, tuple, protocol, inbound);

	if (flow)
		return flow;
	if (!inbound && run->flow && run->flow->protocol == protocol && run->flow->state != FLOW_LISTENING &&
	    !passes_through(tuple, &run->flow->live, link_local(run, link)))
		return run->flow;
	if (inbound && protocol == IPPROTO_TCP && (tcp_flags(packet) & (WIRE_SYN | WIRE_ACK | WIRE_RST)) == WIRE_SYN) {
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
	    (tcp_flags(packet) & (WIRE_SYN | WIRE_ACK)) == WIRE_SYN) {
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

/* The port that the stack has given to the flow's socket; 0: none, or it does not tell. */
static uint16_t socket_port(struct run *run, const struct flow *flow)
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
		return flow->state == FLOW_SYN_SENT && (tcp_flags(packet) & (WIRE_SYN | WIRE_ACK)) == WIRE_SYN;
	return flow->state == FLOW_CONNECTING;
}

/* What an Ethernet header would have inside: IP of either version, ARP, or bytes of another type. */
static enum layer_kind network_layer(const struct packet *packet)
{
	unsigned i = packet->layers && packet->layer[0].kind == LAYER_ETHERNET;

	return i < packet->layers ? packet->layer[i].kind : LAYER_NONE;
}

bool flow_takes_live_packet(struct run *run, struct flow *flow, const struct packet *expected, const struct packet *packet)
{
	const struct layer *wanted = packet_transport(expected), *transport = packet_transport(packet);
	struct tuple tuple = packet_tuple(packet), asked = packet_tuple(expected);
	struct in_addr local = flow->live.local.s_addr ? flow->live.local : run->settings.local;
	struct in_addr remote = flow->live.remote.s_addr ? flow->live.remote : run->settings.remote;
	uint16_t port;

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
	if (!is_first_of(flow, packet, transport) || tuple.destination.s_addr != remote.s_addr ||
	    tuple.destination_port != flow->live.remote_port)
		return false;
	/* Another socket, forgotten by the script, may be sending its SYN once more. */
	port = socket_port(run, flow);
	if (port && port != tuple.source_port)
		return false;
	flow->live.local = tuple.source;
	flow->live.local_port = tuple.source_port;
	if (transport->kind == LAYER_TCP)
		flow->live.local_isn = (uint32_t)wire_get(transport, WF_TCP_SEQ);
	return true;
}

/* --- mapping -------------------------------------------------------------------------------------------------------------- */
static struct wire_option *timestamp_option(const struct packet *packet)
{
	const struct layer *tcp = packet_layer(packet, LAYER_TCP);

	for (unsigned i = 0; tcp && i < tcp->options; i++)
		if (tcp->option[i].kind == 8 && tcp->option[i].length == 10)
			return &tcp->option[i];
	return NULL;
}

static void move_sack(struct layer *tcp, uint32_t offset)
{
	for (unsigned i = 0; i < tcp->options; i++) {
		struct wire_option *option = &tcp->option[i];

		if (option->kind != 5 || option->length < 2 || (option->length - 2) % 8 || option->any_value)
			continue;
		for (unsigned j = 0; j < option->sack.count; j++) {
			option->sack.block[j].start += offset;
			option->sack.block[j].end += offset;
		}
	}
}

static void move_field(struct layer *layer, enum wire_field field, uint32_t offset)
{
	wire_set(layer, field, (uint32_t)wire_get(layer, field) + offset);
}

static uint32_t local_offset(const struct flow *flow, bool syn)
{
	return syn ? flow->live.local_isn - flow->script.local_isn : flow->live.local_isn;
}

/*
 * An echoed timestamp is the live value of an outbound one that the script has named, or, with tcp_ts_ecr_scaled, as far from
 * the first as the script says.
 */
static bool map_echo(struct run *run, struct flow *flow, struct wire_option *option, const char **error)
{
	for (struct timestamp_pair *pair = flow->timestamps; pair; pair = pair->next)
		if (pair->script == option->timestamp.ecr) {
			option->timestamp.ecr = pair->live;
			return true;
		}
	if (flow->timestamp_base && (run->settings.tcp_ts_ecr_scaled || run->observing)) {
		option->timestamp.ecr += flow->first_live_val - flow->first_script_val;
		return true;
	}
	if (run->observing)
		return true;
	*error = arena_printf(run->arena,
			      "no live timestamp is known for ecr %u: no outbound packet with that val came before it",
			      option->timestamp.ecr);
	return false;
}

static bool map_inbound_tcp(struct run *run, struct flow *flow, struct packet *packet, const char **error)
{
	struct layer *tcp = packet_layer(packet, LAYER_TCP);
	unsigned flags = tcp_flags(packet);
	bool syn = flags & WIRE_SYN;
	struct wire_option *timestamp = timestamp_option(packet);

	move_field(tcp, WF_TCP_SEQ, syn ? 0 : flow->live.remote_isn);
	layer_clear(tcp, WF_TCP_END);
	if (flags & WIRE_ACK)
		move_field(tcp, WF_TCP_ACK, local_offset(flow, syn));
	move_sack(tcp, local_offset(flow, syn));
	if (!(flags & WIRE_ACK) || !timestamp)
		return true;
	return map_echo(run, flow, timestamp, error);
}

static void default_field(struct layer *layer, enum wire_field field, uint64_t value)
{
	if (layer && !wire_given(layer, field))
		wire_set(layer, field, value);
}

static void default_ports(struct layer *layer, uint16_t source, uint16_t destination)
{
	enum wire_field source_field, destination_field;

	if (!layer || !port_fields(layer, &source_field, &destination_field))
		return;
	default_field(layer, source_field, source);
	default_field(layer, destination_field, destination);
}

static void default_addresses(struct packet *packet, struct in_addr source, struct in_addr destination)
{
	struct layer *ip = packet_layer(packet, LAYER_IPV4);

	default_field(ip, WF_IPV4_SRC, ntohl(source.s_addr));
	default_field(ip, WF_IPV4_DST, ntohl(destination.s_addr));
}

/* To whom a message goes that does not say it (RFC 1112 appendix I, RFC 2236 9, RFC 3376 4); it does not leave the link. */
static void default_igmp(struct packet *packet, const struct layer *igmp)
{
	struct layer *ip = packet_layer(packet, LAYER_IPV4);
	uint32_t group = (uint32_t)wire_get(igmp, WF_IGMP_GROUP);

	switch (wire_get(igmp, WF_IGMP_TYPE)) {
	case IGMP_QUERY:
		group = group ? group : INADDR_ALLHOSTS_GROUP;
		break;
	case IGMP_LEAVE:
		group = INADDR_ALLRTRS_GROUP;
		break;
	case IGMP_REPORT_V3:
		group = IGMPV3_ROUTERS;
		break;
	}
	if (group)
		default_field(ip, WF_IPV4_DST, group);
	default_field(ip, WF_IPV4_TTL, 1);
}

/*
 * What an ICMP error quotes is a packet of the flow, in the other direction; or, when it says both its ends, of the flow between
 * those: a router on the way tells of it, and has no flow of its own.
 */
static void map_quoted(const struct run *run, const struct flow *flow, struct packet *quoted)
{
	struct layer *transport = packet_transport(quoted);
	struct tuple tuple = packet_tuple(quoted);

	if (transport && tuple.source.s_addr && tuple.destination.s_addr) {
		const struct flow *named = flow_named(run, &tuple, flow_protocol(transport->kind), false);

		flow = named ? named : flow;
	}

	default_addresses(quoted, flow->live.local, flow->live.remote);
	default_ports(transport, flow->live.local_port, flow->live.remote_port);
	if (transport && transport->kind == LAYER_TCP) {
		move_field(transport, WF_TCP_SEQ, flow->live.local_isn);
		layer_clear(transport, WF_TCP_END);
	}
}

/* A datagram socket's own addresses, when no packet of it has been seen yet. */
static void flow_complete(struct run *run, struct flow *flow)
{
	if (!flow->live.remote.s_addr)
		flow->live.remote = run->settings.remote;
	if (!flow->live.local.s_addr)
		flow->live.local = run->settings.local;
	if (flow->protocol == IPPROTO_ICMP)
		return;
	if (!flow->live.remote_port)
		flow->live.remote_port = (uint16_t)run->settings.connect_port;
	if (!flow->live.local_port && flow->state == FLOW_CONNECTING)
		flow->live.local_port = socket_port(run, flow);
	if (!flow->live.local_port)
		flow->live.local_port = (uint16_t)run->settings.bind_port;
}

void flow_map_to_live(struct run *run, struct flow *flow, struct packet *packet)
{
	flow_complete(run, flow);
	default_addresses(packet, flow->live.local, flow->live.remote);
	default_ports(packet_transport(packet), flow->live.local_port, flow->live.remote_port);
}

bool flow_map_inbound(struct run *run, struct flow *flow, struct packet *packet, const char **error)
{
	struct layer *transport = packet_transport(packet);
	struct in_addr remote;

	flow_complete(run, flow);
	remote = flow->live.remote;
	if (transport && transport->kind == LAYER_IGMP)
		default_igmp(packet, transport);
	/* What the stack sends to a group, one host of it answers. */
	if (IN_MULTICAST(ntohl(flow->live.remote.s_addr)))
		remote = link_remote(run, flow->link);
	default_addresses(packet, remote, flow->live.local);
	default_ports(transport, flow->live.remote_port, flow->live.local_port);
	if (packet->quoted)
		map_quoted(run, flow, packet->quoted);
	if (!transport || transport->kind != LAYER_TCP)
		return true;
	return map_inbound_tcp(run, flow, packet, error);
}

void flow_map_sequence(const struct flow *flow, struct packet *packet)
{
	struct layer *tcp = packet_layer(packet, LAYER_TCP);
	unsigned flags;
	bool syn;

	if (!tcp)
		return;
	flags = (unsigned)wire_get(tcp, WF_TCP_FLAGS);
	syn = flags & WIRE_SYN;
	move_field(tcp, WF_TCP_SEQ, -local_offset(flow, syn));
	if (wire_given(tcp, WF_TCP_END))
		move_field(tcp, WF_TCP_END, -local_offset(flow, syn));
	if (flags & WIRE_ACK)
		move_field(tcp, WF_TCP_ACK, syn ? 0 : -flow->live.remote_isn);
	move_sack(tcp, syn ? 0 : -flow->live.remote_isn);
}

static void timestamp_pair(struct run *run, struct flow *flow, uint32_t script, uint32_t live)
{
	struct timestamp_pair *pair;

	if (!flow->timestamp_base) {
		flow->timestamp_base = true;
		flow->first_script_val = script;
		flow->first_live_val = live;
	}
	for (pair = flow->timestamps; pair; pair = pair->next)
		if (pair->script == script) {
			pair->live = live;
			return;
		}
	pair = arena_alloc(run->arena, sizeof(*pair));
	*pair = (struct timestamp_pair){ .next = flow->timestamps, .script = script, .live = live };
	flow->timestamps = pair;
}

void flow_map_outbound(struct run *run, struct flow *flow, const struct packet *expected, struct packet *packet)
{
	struct wire_option *wanted = timestamp_option(expected), *actual = timestamp_option(packet);
	struct layer *transport = packet_transport(packet);
	enum wire_field source, destination;

	if (wanted && actual && !wanted->any_value) {
		timestamp_pair(run, flow, wanted->timestamp.val, actual->timestamp.val);
		actual->timestamp.val += flow->first_script_val - flow->first_live_val;
	}
	if (!transport || !port_fields(transport, &source, &destination))
		return;
	if (flow->script.local_port && wire_get(transport, source) == flow->live.local_port)
		wire_set(transport, source, flow->script.local_port);
	if (flow->script.remote_port && wire_get(transport, destination) == flow->live.remote_port)
		wire_set(transport, destination, flow->script.remote_port);
}
