/*
 * Routes with several next hops: which one a packet takes.
 *
 * A hash over fields of the packet decides, so that the packets of one flow keep to one path; each next hop gets a share of the
 * hash values by its weight. With fib_multipath_hash_seed set, the hash is the kernel's to the bit: SipHash keyed by the seed, over
 * the layout below. The fields are put in order first (the lesser address in front, and the lesser port), so both directions of
 * a flow have one hash. RFC 2992 is about the idea.
 */
#include <arpa/inet.h>
#include <netinet/udp.h>

#include "../link/neighbour.h"
#include "fib.h"
#include "host.h"

/* What is hashed, in network order: 48 bytes, most of which (VLAN tags, tunnel keys) are never set here. */
struct hash_fields {
	uint16_t ethernet_protocol;
	uint8_t protocol, padding;
	uint32_t flow_label;
	uint8_t vlan[16];
	uint32_t tunnel_key;
	uint16_t source_port, destination_port;
	uint32_t icmp;
	uint32_t source, destination;
	uint32_t unused;
};
_Static_assert(sizeof(struct hash_fields) == 48, "the kernel hashes 48 bytes for IPv4");

/* fib_multipath_hash_fields */
enum { FIELD_SOURCE = 1, FIELD_DESTINATION = 2, FIELD_PROTOCOL = 4, FIELD_SOURCE_PORT = 16, FIELD_DESTINATION_PORT = 32,
       FIELD_INNER_SOURCE = 64, FIELD_INNER_DESTINATION = 128, FIELD_INNER_PROTOCOL = 256, FIELD_INNER_SOURCE_PORT = 1024,
       FIELD_INNER_DESTINATION_PORT = 2048, FIELDS_OUTER = 0x03f, FIELDS_INNER = 0xfc0 };

static void swap_u32(uint32_t *a, uint32_t *b)
{
	uint32_t kept = *a;

	*a = *b;
	*b = kept;
}

static uint32_t rotate(uint32_t value, unsigned by)
{
	return value << by | value >> (32 - by);
}

/* Two hashes into one: Bob Jenkins' lookup3 of two words (burtleburtle.net/bob/c/lookup3.c, public domain), as the kernel has it. */
static uint32_t mix(uint32_t first, uint32_t second)
{
	uint32_t start = 0xdeadbeef + (2 << 2), a = first + start, b = second + start, c = start;

	c = (c ^ b) - rotate(b, 14);
	a = (a ^ c) - rotate(c, 11);
	b = (b ^ a) - rotate(a, 25);
	c = (c ^ b) - rotate(b, 16);
	a = (a ^ c) - rotate(c, 4);
	b = (b ^ a) - rotate(a, 14);
	return (c ^ b) - rotate(b, 24);
}

static uint32_t hash_of(const struct pl_stack *stack, struct hash_fields *fields)
{
	uint32_t seed = stack->sysctl.fib_multipath_hash_seed;
	const uint8_t *key = stack->ip->multipath_key;
	uint8_t seeded[16];

	if (fields->destination < fields->source)
		swap_u32(&fields->source, &fields->destination);
	if (fields->destination_port < fields->source_port) {
		uint16_t kept = fields->source_port;

		fields->source_port = fields->destination_port;
		fields->destination_port = kept;
	}
	for (unsigned i = 0; i < sizeof(seeded); i++)
		seeded[i] = (uint8_t)(seed >> i % 4 * 8);
	uint32_t hash = (uint32_t)siphash(seed ? seeded : key, fields, sizeof(*fields));
	return hash ? hash : 1;
}

/* --- the packet's fields ------------------------------------------------------------------------------------------ */

/* One header of a packet, or of the packet inside it. */
struct layer {
	const struct iphdr *ip;
	const uint8_t *end;		/* of the bytes that are there */
};

static const uint8_t *payload(const struct layer *layer, size_t length)
{
	const uint8_t *at = (const uint8_t *)layer->ip + layer->ip->ihl * 4u;

	return at + length <= layer->end ? at : NULL;
}

/* An IPv4 header at `at` that is there as a whole. */
static bool layer_at(const uint8_t *at, const uint8_t *end, struct layer *layer)
{
	*layer = (struct layer){ (const struct iphdr *)at, end };
	return at && at + sizeof(struct iphdr) <= end && layer->ip->ihl >= 5 && layer->ip->version == 4;
}

/* The packet that an ICMP error quotes belongs to the flow, and so does the error. */
static struct layer flow_layer(struct layer outer)
{
	const uint8_t *icmp = outer.ip->protocol == IPPROTO_ICMP && !(outer.ip->frag_off & htons(IP_OFFMASK)) ? payload(&outer, 8) : NULL;
	struct layer quoted;
	bool error = icmp && (*icmp == ICMP_DEST_UNREACH || *icmp == ICMP_REDIRECT || *icmp == ICMP_TIME_EXCEEDED ||
			      *icmp == ICMP_PARAMETERPROB);

	return error && layer_at(icmp + 8, outer.end, &quoted) ? quoted : outer;
}

/* Where the transport header has its ports, -1: nowhere. Fragments have none, not even the first. */
static int ports_offset(const struct iphdr *ip)
{
	if (ip->frag_off & htons(IP_MF | IP_OFFMASK))
		return -1;
	switch (ip->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_ESP:		/* its SPI stands there */
		return 0;
	case IPPROTO_AH:
		return 4;
	default:
		return -1;
	}
}

static void take_ports(const struct layer *layer, struct hash_fields *fields)
{
	int offset = ports_offset(layer->ip);
	const uint8_t *ports = offset < 0 ? NULL : payload(layer, (size_t)offset + 4);

	fields->source_port = fields->destination_port = 0;
	if (!ports)
		return;
	memcpy(&fields->source_port, ports + offset, 2);
	memcpy(&fields->destination_port, ports + offset + 2, 2);
}

/* The packet in a tunnel's packet: IPv4 in IPv4, or in GRE (RFC 2784, RFC 2890). */
static bool layer_within(const struct layer *outer, struct layer *inner)
{
	const uint8_t *at = NULL;

	if (outer->ip->frag_off & htons(IP_MF | IP_OFFMASK))
		return false;
	if (outer->ip->protocol == IPPROTO_IPIP) {
		at = payload(outer, 0);
	} else if (outer->ip->protocol == IPPROTO_GRE) {
		const uint8_t *gre = payload(outer, 4);

		if (gre && !(gre[0] & 0x40) && (gre[1] & 7) == 0 && gre[2] == 0x08 && gre[3] == 0)
			at = gre + 4 + (gre[0] & 0x80 ? 4 : 0) + (gre[0] & 0x20 ? 4 : 0) + (gre[0] & 0x10 ? 4 : 0);
	}
	return at && layer_at(at, outer->end, inner);
}

/* The innermost of them. */
static bool inner_layer(const struct layer *outer, struct layer *inner)
{
	struct layer next;

	if (!layer_within(outer, inner))
		return false;
	while (layer_within(inner, &next))
		*inner = next;
	return true;
}

/* --- the policies ------------------------------------------------------------------------------------------------- */

static void take_addresses(const struct iphdr *ip, struct hash_fields *fields)
{
	fields->source = ip->saddr;
	fields->destination = ip->daddr;
}

static void keep_chosen(struct hash_fields *fields, unsigned chosen)
{
	fields->source = chosen & FIELD_SOURCE ? fields->source : 0;
	fields->destination = chosen & FIELD_DESTINATION ? fields->destination : 0;
	fields->protocol = chosen & FIELD_PROTOCOL ? fields->protocol : 0;
	fields->source_port = chosen & FIELD_SOURCE_PORT ? fields->source_port : 0;
	fields->destination_port = chosen & FIELD_DESTINATION_PORT ? fields->destination_port : 0;
}

static void take_all(const struct layer *layer, struct hash_fields *fields)
{
	take_addresses(layer->ip, fields);
	fields->protocol = layer->ip->protocol;
	take_ports(layer, fields);
}

/* Policy 3. A packet's outer and inner header each give a hash; what has no packet yet gives one. */
static uint32_t hash_chosen(const struct pl_stack *stack, const struct layer *layer, struct hash_fields *fields)
{
	unsigned chosen = stack->sysctl.fib_multipath_hash_fields;
	uint32_t outer = 0, within = 0;
	struct hash_fields inner_fields = { 0 };
	struct layer inner;

	if (layer)
		take_all(layer, fields);
	keep_chosen(fields, chosen);
	if (chosen & FIELDS_OUTER)
		outer = hash_of(stack, fields);
	if (!layer)
		return outer;
	if (chosen & FIELDS_INNER && inner_layer(layer, &inner)) {
		take_all(&inner, &inner_fields);
		keep_chosen(&inner_fields, chosen / FIELD_INNER_SOURCE);
		within = hash_of(stack, &inner_fields);
	}
	return mix(outer, within);
}

static uint32_t multipath_hash(const struct pl_stack *stack, const struct flow *flow)
{
	struct hash_fields fields = {
		.protocol = flow->protocol, .source_port = htons(flow->source_port), .destination_port = htons(flow->destination_port),
		.source = flow->source.s_addr, .destination = flow->destination.s_addr,
	};
	struct hash_fields addresses = { .source = fields.source, .destination = fields.destination };
	struct layer layer, inner;
	bool packet = flow->packet && layer_at(flow->packet->network, flow->packet->tail, &layer);

	switch (stack->sysctl.fib_multipath_hash_policy) {
	case 0:
		if (packet)
			take_addresses(flow_layer(layer).ip, &addresses);
		return hash_of(stack, &addresses);
	case 1:
		if (packet)
			take_all(&layer, &fields);
		return hash_of(stack, &fields);
	case 2:
		if (packet)
			take_addresses(inner_layer(&layer, &inner) ? inner.ip : layer.ip, &addresses);
		return hash_of(stack, &addresses);
	default:
		return hash_chosen(stack, packet ? &layer : NULL, &fields);
	}
}

/* --- the choice --------------------------------------------------------------------------------------------------- */

static bool takes_part(const struct pl_stack *stack, const struct fib_nexthop *nexthop)
{
	return !nexthop->dead && !(nexthop->link && fib_nexthop_ignored(stack, nexthop));
}

void fib_rebalance(const struct pl_stack *stack, struct fib_entry *entry)
{
	uint64_t total = 0, before = 0;

	for (unsigned i = 0; i < entry->nexthops; i++)
		total += takes_part(stack, &entry->nexthop[i]) ? entry->nexthop[i].weight : 0;
	for (unsigned i = 0; i < entry->nexthops; i++) {
		struct fib_nexthop *nexthop = &entry->nexthop[i];

		nexthop->upper_bound = -1;
		if (!takes_part(stack, nexthop) || !total)
			continue;
		before += nexthop->weight;
		nexthop->upper_bound = (int32_t)(((before << 31) + total / 2) / total - 1);
	}
}

/*
 * A next hop whose own source address is the flow's is better than the one that the hash says: whoever has chosen that source has
 * chosen that path. The first of the best wins.
 */
void fib_select_path(struct pl_stack *stack, const struct flow *flow, struct fib_result *result)
{
	const struct fib_entry *entry = result->entry;
	bool any_source = !flow->source.s_addr || flow->input_link;
	int best = -1;

	if (entry->nexthops < 2 || flow->output_link)
		return;
	int32_t hash = (int32_t)(multipath_hash(stack, flow) >> 1);
	for (unsigned i = 0; i < entry->nexthops; i++) {
		const struct fib_nexthop *nexthop = &entry->nexthop[i];
		int score = 0;

		if (nexthop->upper_bound == -1)
			continue;
		if (stack->sysctl.fib_multipath_use_neigh && nexthop->scope == RT_SCOPE_LINK &&
		    !neighbour_good(stack, nexthop->link, nexthop->gateway))
			continue;
		if (!any_source && nexthop->source.s_addr == flow->source.s_addr)
			score += 2;
		if (hash <= nexthop->upper_bound)
			score++;
		if (score <= best)
			continue;
		best = score;
		result->nexthop = (struct fib_nexthop *)nexthop;
		if (score == 3 || (any_source && score == 1))
			return;
	}
}
