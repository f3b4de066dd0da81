/*
 * One trace, made comparable. Values that a stack is free to choose are replaced by what they stand for: ephemeral ports by
 * their order of use, sequence numbers by their distance from the first of their connection, timestamps and IP ids likewise.
 */
#include "compare.h"

#include <arpa/inet.h>
#include <string.h>

#include "../wire/ipopt.h"
#include "../wire/layer.h"
#include "run.h"

#define TIME_OF_DAY_SLACK_MS 20

/* --- fields --------------------------------------------------------------------------------------------------------------- */
static const struct port_row {
	enum layer_kind kind;
	int protocol;
	enum wire_field source, destination;
} port_rows[] = {
	{ LAYER_TCP, IPPROTO_TCP, WF_TCP_SPORT, WF_TCP_DPORT },
	{ LAYER_UDP, IPPROTO_UDP, WF_UDP_SPORT, WF_UDP_DPORT },
	{ LAYER_UDPLITE, IPPROTO_UDPLITE, WF_UDPLITE_SPORT, WF_UDPLITE_DPORT },
};

static const struct port_row *port_row(const struct layer *transport)
{
	for (size_t i = 0; transport && i < sizeof(port_rows) / sizeof(port_rows[0]); i++)
		if (port_rows[i].kind == transport->kind)
			return &port_rows[i];
	return NULL;
}

static unsigned tcp_flags(const struct layer *tcp)
{
	return (unsigned)wire_get(tcp, WF_TCP_FLAGS);
}

static void move(struct layer *layer, enum wire_field field, uint32_t offset)
{
	if (wire_given(layer, field))
		wire_set(layer, field, (uint32_t)wire_get(layer, field) + offset);
}

/* --- flows ---------------------------------------------------------------------------------------------------------------- */
uint16_t side_port(const struct side *side, uint16_t port)
{
	for (const struct side_flow *flow = side->flows; side_chose(side, port) && flow; flow = flow->next)
		if (flow->local_port == port)
			return flow->named_port;
	return port;
}

/* What tells a flow, from its sender's side: addresses, protocol, ports. ICMP errors are one flow, echoes one for each id. */
static struct side_flow *flow_find(struct side *side, const struct side_flow *key)
{
	for (struct side_flow *flow = side->flows; flow; flow = flow->next)
		if (flow->protocol == key->protocol && flow->local.s_addr == key->local.s_addr &&
		    flow->remote.s_addr == key->remote.s_addr && flow->local_port == key->local_port &&
		    flow->remote_port == key->remote_port && flow->echo_id == key->echo_id && flow->link == key->link)
			return flow;
	return NULL;
}

static struct side_flow *flow_make(struct side *side, const struct side_flow *key, struct arena *arena)
{
	struct side_flow *flow = arena_alloc(arena, sizeof(*flow));
	uint16_t named = side_port(side, key->local_port);

	*flow = *key;
	flow->tail = &flow->packets;
	flow->named_port = named;
	if (side_chose(side, key->local_port) && named == key->local_port)
		flow->named_port = (uint16_t)(EPHEMERAL + side->chosen_ports++);
	*side->tail = flow;
	side->tail = &flow->next;
	return flow;
}

static struct side_flow *flow_of(struct side *side, const struct packet *packet, unsigned link, struct arena *arena)
{
	const struct layer *ip = packet_layer(packet, LAYER_IPV4), *transport = packet_transport(packet);
	const struct port_row *ports = port_row(transport);
	struct side_flow key = { .link = link }, *flow;

	if (ip) {
		key.protocol = (int)wire_get(ip, WF_IPV4_PROTOCOL);
		key.local.s_addr = htonl((uint32_t)wire_get(ip, WF_IPV4_SRC));
		key.remote.s_addr = htonl((uint32_t)wire_get(ip, WF_IPV4_DST));
	}
	if (ports) {
		key.local_port = (uint16_t)wire_get(transport, ports->source);
		key.remote_port = (uint16_t)wire_get(transport, ports->destination);
	}
	if (transport && transport->kind == LAYER_ICMP && wire_get(transport, WF_ICMP_TYPE) == 8)
		key.echo_id = (uint16_t)wire_get(transport, WF_ICMP_ID);
	flow = flow_find(side, &key);
	return flow ? flow : flow_make(side, &key, arena);
}

/* --- naming --------------------------------------------------------------------------------------------------------------- */
static uint32_t distance(uint32_t a, uint32_t b)
{
	return a - b < b - a ? a - b : b - a;
}

/*
 * A reset without ACK has the number that the segment it answers acknowledged (RFC 9293 3.10.7.1), which the script may have
 * taken from another connection of the same ends, or from none: then it is what the script says there. False: no segment is found.
 */
static bool name_reset(const struct side *side, const struct side_packet *packet, struct layer *tcp)
{
	const struct trace *trace = side->trace;

	for (unsigned i = packet->index; i-- > 0;) {
		const struct trace_entry *entry = &trace->entry[i];
		const struct layer *said = entry->kind == TRACE_PACKET_IN ? packet_layer(entry->packet, LAYER_TCP) : NULL;
		struct arena *arena;
		struct packet live;
		const struct layer *sent;
		bool answers;

		if (!said || !wire_known(said, WF_TCP_ACK))
			continue;
		arena = arena_new();
		packet_decode(entry->bytes, entry->length, trace->ethernet_links >> entry->link & 1, arena, &live);
		sent = packet_layer(&live, LAYER_TCP);
		answers = sent && wire_get(sent, WF_TCP_ACK) == wire_get(tcp, WF_TCP_SEQ) &&
			  wire_get(sent, WF_TCP_SPORT) == wire_get(tcp, WF_TCP_DPORT);
		arena_free(arena);
		if (!answers)
			continue;
		wire_set(tcp, WF_TCP_SEQ, wire_get(said, WF_TCP_ACK));
		wire_set(tcp, WF_TCP_END, wire_get(said, WF_TCP_ACK));
		return true;
	}
	return false;
}

/* A connection's first number is that of its first SYN; a new SYN begins a new one. What never had one is as it stands. */
static void name_sequence(struct side_flow *flow, struct layer *tcp)
{
	uint32_t sequence = (uint32_t)wire_get(tcp, WF_TCP_SEQ), first;

	/* The reset of what acknowledged nothing has the number 0, of no connection (RFC 9293 3.10.7.1). */
	if (!sequence && (tcp_flags(tcp) & (WIRE_RST | WIRE_ACK)) == (WIRE_RST | WIRE_ACK))
		return;
	if ((tcp_flags(tcp) & WIRE_SYN) && !(flow->isn_known && flow->isn == sequence)) {
		flow->isn_before = flow->isn_known ? flow->isn : sequence;
		flow->isn_known = true;
		flow->isn = sequence;
		flow->val_known = flow->id_known = false;
	}
	first = flow->isn;
	/* A reset that answers an acknowledgement takes its number from there (RFC 9293 3.5.2): it may be of the connection before. */
	if ((tcp_flags(tcp) & (WIRE_RST | WIRE_ACK)) == WIRE_RST && distance(sequence, flow->isn_before) < distance(sequence, first))
		first = flow->isn_before;
	move(tcp, WF_TCP_SEQ, -first);
	move(tcp, WF_TCP_END, -first);
}

/* Timestamps are compared apart, as they follow the time; a digest covers ports and numbers that the stack chose. */
static void name_options(struct side_flow *flow, struct side_packet *packet, struct layer *tcp)
{
	for (unsigned i = 0; i < tcp->options; i++) {
		struct wire_option *option = &tcp->option[i];

		if (option->kind == 19 && option->length == 18)
			option->any_value = true;
		if (option->kind != 8 || option->length != 10)
			continue;
		if (!flow->val_known) {
			flow->val_known = true;
			flow->first_val = option->timestamp.val;
			flow->val_of_synack = (tcp_flags(tcp) & WIRE_SYN) && (tcp_flags(tcp) & WIRE_ACK);
		}
		packet->has_val = true;
		packet->val_is_rough = flow->val_of_synack;
		packet->val = option->timestamp.val - flow->first_val;
		option->timestamp.val = 0;
	}
}

/* TCP counts the ids of a connection from one that it draws; for the rest only whether there is one is told. */
static void name_id(struct side_flow *flow, struct layer *ip)
{
	uint16_t id = (uint16_t)wire_get(ip, WF_IPV4_ID);

	if (!id && !(flow->id_known && flow->last_id > UINT16_MAX - 64))	/* none, unless the count has come around */
		return;
	if (flow->protocol != IPPROTO_TCP || !wire_get(ip, WF_IPV4_DF)) {
		wire_set(ip, WF_IPV4_ID, 1);
		return;
	}
	if (!flow->id_known) {
		flow->id_known = true;
		flow->first_id = id;
	}
	flow->last_id = id;
	wire_set(ip, WF_IPV4_ID, (uint16_t)(id - flow->first_id) + 1u);
}

/* The other flow of the same ends, for what an ICMP error says of it. */
static const struct side_flow *flow_quoted(const struct side *side, const struct packet *quoted, uint16_t local_port)
{
	const struct layer *ip = packet_layer(quoted, LAYER_IPV4);

	for (const struct side_flow *flow = side->flows; ip && flow; flow = flow->next)
		if (flow->protocol == (int)wire_get(ip, WF_IPV4_PROTOCOL) && flow->local_port == local_port)
			return flow;
	return NULL;
}

/*
 * The times of day in an ICMP timestamp reply, in milliseconds since midnight UTC (RFC 792): each is counted from what the side's
 * own clock said when the packet left, so that a right one becomes 0 on any clock. The two of one packet may be a little apart.
 */
static bool is_time_of_day(const struct side *side, const struct trace_entry *entry, uint32_t value)
{
	const int64_t day = INT64_C(24) * 3600 * 1000;
	int64_t then = (side->trace->wall_clock + entry->time) / PL_NSEC_PER_MSEC % day, apart = value - then;

	return apart >= -TIME_OF_DAY_SLACK_MS && apart <= TIME_OF_DAY_SLACK_MS;
}

static void name_time_of_day(const struct side *side, const struct trace_entry *entry, struct layer *icmp,
			     enum wire_field field)
{
	if (wire_given(icmp, field) && is_time_of_day(side, entry, (uint32_t)wire_get(icmp, field)))
		wire_set(icmp, field, 0);
}

/* Likewise those that the stack has entered into the timestamp option of an IP header. */
static void name_ip_timestamps(const struct side *side, const struct trace_entry *entry, struct layer *ip)
{
	for (unsigned i = 0; i < ip->options; i++) {
		unsigned at = 0, step = 0, count = wire_ip_timestamps(&ip->option[i], &at, &step);

		for (; count--; at += step) {
			uint8_t *bytes = ip->option[i].blob.bytes + at;
			uint32_t value = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];

			if (is_time_of_day(side, entry, value))
				memset(bytes, 0, 4);
		}
	}
}

/* What an error that the stack sends quotes was sent to it: its destination is the local side. */
static void name_quoted(const struct side *side, const struct trace_entry *entry, struct packet *quoted)
{
	struct layer *ip = packet_layer(quoted, LAYER_IPV4), *transport = packet_transport(quoted);
	const struct port_row *ports = port_row(transport);
	const struct side_flow *flow;
	uint16_t port;

	for (unsigned i = 0; i < quoted->layers; i++)
		quoted->layer[i].checksum = CHECKSUM_UNKNOWN;
	if (ip)
		name_ip_timestamps(side, entry, ip);
	if (!ports)
		return;
	port = (uint16_t)wire_get(transport, ports->destination);
	flow = flow_quoted(side, quoted, port);
	wire_set(transport, ports->destination, side_port(side, port));
	if (transport->kind == LAYER_TCP && flow && (tcp_flags(transport) & WIRE_ACK))
		move(transport, WF_TCP_ACK, -flow->isn);
	if (transport->kind == LAYER_TCP && wire_given(transport, WF_TCP_CHECKSUM))
		wire_set_any(transport, WF_TCP_CHECKSUM);
}

static void packet_name(struct side *side, struct side_flow *flow, struct side_packet *packet)
{
	struct layer *ip = packet_layer(packet->packet, LAYER_IPV4), *transport = packet_transport(packet->packet);
	const struct port_row *ports = port_row(transport);

	if (ip)
		name_ip_timestamps(side, packet->entry, ip);
	if (ports)
		wire_set(transport, ports->source, flow->named_port);
	if (transport && transport->kind == LAYER_ICMP && side_chose(side, flow->echo_id))
		wire_set(transport, WF_ICMP_ID, EPHEMERAL);
	if (transport && transport->kind == LAYER_ICMP) {
		name_time_of_day(side, packet->entry, transport, WF_ICMP_RECEIVE);
		name_time_of_day(side, packet->entry, transport, WF_ICMP_TRANSMIT);
	}
	if (packet->packet->quoted)
		name_quoted(side, packet->entry, packet->packet->quoted);
	if (transport && transport->kind == LAYER_TCP) {
		if ((tcp_flags(transport) & (WIRE_RST | WIRE_ACK)) != WIRE_RST || !name_reset(side, packet, transport))
			name_sequence(flow, transport);
		name_options(flow, packet, transport);
	}
	if (ip)
		name_id(flow, ip);	/* after the sequence number: a new connection has ids of its own */
}

const uint8_t *script_numbers(const struct script *script, struct arena *arena)
{
	uint8_t *named = arena_alloc(arena, (UINT16_MAX + 1) / 8);
	const char *at = script->text, *end = at + script->length;

	while (at < end) {
		unsigned long number = 0;

		for (; at < end && (*at < '0' || *at > '9'); at++)
			;
		for (; at < end && *at >= '0' && *at <= '9'; at++)
			number = number > UINT16_MAX ? number : number * 10 + (unsigned long)(*at - '0');
		if (number <= UINT16_MAX)
			named[number / 8] |= (uint8_t)(1u << number % 8);
	}
	return named;
}

void side_make(struct side *side, const struct trace *trace, const char *name, bool is_virtual, const uint8_t *named,
	       struct arena *arena)
{
	*side = (struct side){ .name = name, .is_virtual = is_virtual, .trace = trace, .named = named };
	side->tail = &side->flows;
	for (unsigned i = 0; i < trace->count; i++) {
		const struct trace_entry *entry = &trace->entry[i];
		struct side_packet *packet;
		struct side_flow *flow;

		if (entry->kind != TRACE_PACKET_OUT)
			continue;
		packet = arena_alloc(arena, sizeof(*packet));
		packet->entry = entry;
		packet->index = i;
		packet->packet = arena_alloc(arena, sizeof(*packet->packet));
		packet_decode(entry->bytes, entry->length, trace->ethernet_links >> entry->link & 1, arena, packet->packet);
		flow = flow_of(side, packet->packet, entry->link, arena);
		packet_name(side, flow, packet);
		packet->before = flow->last;
		flow->last = packet;
		*flow->tail = packet;
		flow->tail = &packet->next;
	}
}
