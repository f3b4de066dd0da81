/*
 * What a flow makes of the numbers in its packets: the script's into live ones and back.
 *
 * Sequence numbers. With SYN set, the script's are absolute for the harness's side, and relative to the script's own first
 * number for the stack's side; without SYN they are relative to each side's first live number.
 */
#include "flows.h"

#include <arpa/inet.h>

#include "../wire/igmp.h"

#define IGMPV3_ROUTERS 0xe0000016	/* 224.0.0.22 */

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
	unsigned flags = packet_tcp_flags(packet);
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

	if (!layer || !flow_port_fields(layer, &source_field, &destination_field))
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
		flow->live.local_port = flow_socket_port(run, flow);
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
	if (!transport || !flow_port_fields(transport, &source, &destination))
		return;
	if (flow->script.local_port && wire_get(transport, source) == flow->live.local_port)
		wire_set(transport, source, flow->script.local_port);
	if (flow->script.remote_port && wire_get(transport, destination) == flow->live.remote_port)
		wire_set(transport, destination, flow->script.remote_port);
}
