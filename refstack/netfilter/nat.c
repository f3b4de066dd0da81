/*
 * How a new connection is translated: an address of the range, and a port that leaves the reply's tuple unique. Linux tries to
 * keep what there is: a source port is changed only where another connection has the same reply, and then within its own class
 * (below 512, below 1024, above), which is what others rely on who give such ports a meaning.
 */
#include "nat.h"

#include <arpa/inet.h>

#include "tables.h"

/* --- which address of several ---------------------------------------------------------------------------------------- */

static uint32_t rotate(uint32_t value, unsigned by)
{
	return value << by | value >> (32 - by);
}

/*
 * Bob Jenkins' lookup3 (2006, in the public domain) over an address in a field of four words. Linux chooses an address of a range by
 * it, so that the same sender gets the same one each time.
 */
static uint32_t hash_address(struct in_addr address, uint32_t seed)
{
	uint32_t a = 0xdeadbeef + 16 + seed, b = a, c = a;

	a += address.s_addr;
	a -= c, a ^= rotate(c, 4), c += b;
	b -= a, b ^= rotate(a, 6), a += c;
	c -= b, c ^= rotate(b, 8), b += a;
	a -= c, a ^= rotate(c, 16), c += b;
	b -= a, b ^= rotate(a, 19), a += c;
	c -= b, c ^= rotate(b, 4), b += a;
	c ^= b, c -= rotate(b, 14);
	a ^= c, a -= rotate(c, 11);
	b ^= a, b -= rotate(a, 25);
	c ^= b, c -= rotate(b, 16);
	a ^= c, a -= rotate(c, 4);
	b ^= a, b -= rotate(a, 14);
	c ^= b, c -= rotate(b, 24);
	return c;
}

static void choose_address(struct tuple *tuple, const struct nf_nat_range2 *range, enum manipulation manipulation)
{
	struct in_addr *address = manipulation == MANIP_SOURCE ? &tuple->source : &tuple->destination;
	uint32_t low = ntohl(range->min_addr.ip), high = ntohl(range->max_addr.ip);

	if (!(range->flags & NF_NAT_RANGE_MAP_IPS))
		return;
	if (low == high) {
		address->s_addr = range->min_addr.ip;
		return;
	}
	uint32_t seed = range->flags & NF_NAT_RANGE_PERSISTENT ? 0 : tuple->destination.s_addr;
	uint64_t count = (uint64_t)high - low + 1;
	address->s_addr = htonl(low + (uint32_t)(hash_address(tuple->source, seed) * count >> 32));
}

/* --- which port -------------------------------------------------------------------------------------------------------- */

/* Would the reply to this tuple be taken for one of another connection? */
static bool is_used(const struct pl_stack *stack, const struct conntrack *conntrack, const struct tuple *tuple)
{
	enum direction direction;
	struct tuple reply;

	if (!tuple_invert(tuple, &reply))
		return false;
	const struct conntrack *other = conntrack_find(stack, &reply, &direction);
	return other && other != conntrack;
}

static uint16_t *key_of(struct tuple *tuple, enum manipulation manipulation)
{
	return tuple->protocol == IPPROTO_ICMP || manipulation == MANIP_SOURCE ? &tuple->source_port : &tuple->destination_port;
}

static bool port_in_range(const struct tuple *tuple, const struct nf_nat_range2 *range, enum manipulation manipulation)
{
	uint16_t port = ntohs(*key_of((struct tuple *)tuple, manipulation));

	return port >= ntohs(range->min_proto.all) && port <= ntohs(range->max_proto.all);
}

/* The ports that may be tried, from *low on. 0: none but the one that it has. */
static uint32_t ports_to_try(const struct tuple *tuple, const struct nf_nat_range2 *range, enum manipulation manipulation,
			     uint32_t *low)
{
	uint16_t port = ntohs(*key_of((struct tuple *)tuple, manipulation));

	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
		uint32_t from = ntohs(range->min_proto.all), to = ntohs(range->max_proto.all);

		*low = from < to ? from : to;
		return (from < to ? to - from : from - to) + 1;
	}
	if (tuple->protocol == IPPROTO_ICMP) {
		*low = 0;
		return 65536;
	}
	if (manipulation == MANIP_DESTINATION)
		return 0;
	*low = port < 512 ? 1 : port < 1024 ? 600 : 1024;
	return port < 512 ? 511 : port < 1024 ? 424 : 64512;
}

static void choose_port(struct pl_stack *stack, const struct conntrack *conntrack, struct tuple *tuple,
			const struct nf_nat_range2 *range, enum manipulation manipulation)
{
	uint16_t *key = key_of(tuple, manipulation);
	uint32_t low = 0, count = ports_to_try(tuple, range, manipulation, &low), offset = 0;
	uint32_t attempts = count < 128 ? count : 128;

	if (range->flags & NF_NAT_RANGE_PROTO_OFFSET)
		offset = (uint16_t)(ntohs(*key) - ntohs(range->base_proto.all));
	else if (range->flags & NF_NAT_RANGE_PROTO_RANDOM_ALL || manipulation == MANIP_SOURCE)
		offset = filter_random(stack) & 0xffff;
	while (count) {
		for (uint32_t i = 0; i < attempts; i++, offset++) {
			*key = htons((uint16_t)(low + offset % count));
			if (!is_used(stack, conntrack, tuple))
				return;
		}
		if (attempts >= count || attempts < 16)
			return;
		attempts /= 2;
		offset = filter_random(stack) & 0xffff;
	}
}

/* --- the translation ----------------------------------------------------------------------------------------------------- */

static bool same_source(const struct tuple *a, const struct tuple *b)
{
	return a->protocol == b->protocol && a->source.s_addr == b->source.s_addr && a->source_port == b->source_port;
}

static bool source_in_range(const struct tuple *tuple, const struct nf_nat_range2 *range)
{
	uint32_t address = ntohl(tuple->source.s_addr);

	if (range->flags & NF_NAT_RANGE_MAP_IPS &&
	    (address < ntohl(range->min_addr.ip) || address > ntohl(range->max_addr.ip)))
		return false;
	return !(range->flags & NF_NAT_RANGE_PROTO_SPECIFIED) || port_in_range(tuple, range, MANIP_SOURCE);
}

/* The mapping that this source address and port already have, when it lies in the range: RFC 4787's endpoint independence. */
static bool mapping_of_source(const struct pl_stack *stack, const struct tuple *tuple, const struct nf_nat_range2 *range,
			      struct tuple *mapped)
{
	for (const struct conntrack *other = conntrack_next(stack, NULL); other; other = conntrack_next(stack, other)) {
		struct tuple theirs;

		if (!(other->status & IPS_SRC_NAT_DONE) || !same_source(&other->tuple[ORIGINAL], tuple) ||
		    conntrack_expired(stack, other) || !tuple_invert(&other->tuple[REPLY], &theirs))
			continue;
		*mapped = *tuple;
		mapped->source = theirs.source;
		mapped->source_port = theirs.source_port;
		if (source_in_range(mapped, range))
			return true;
	}
	return false;
}

static void make_unique(struct pl_stack *stack, const struct conntrack *conntrack, struct tuple *tuple,
			const struct nf_nat_range2 *range, enum manipulation manipulation)
{
	struct tuple mapped;

	if (manipulation == MANIP_SOURCE && !(range->flags & NF_NAT_RANGE_PROTO_RANDOM_ALL)) {
		if (source_in_range(tuple, range)) {
			if (!is_used(stack, conntrack, tuple))
				return;
		} else if (mapping_of_source(stack, tuple, range, &mapped) && !is_used(stack, conntrack, &mapped)) {
			*tuple = mapped;
			return;
		}
	}
	choose_address(tuple, range, manipulation);
	if (!tuple_has_ports(tuple) && tuple->protocol != IPPROTO_ICMP)
		return;
	if (!(range->flags & NF_NAT_RANGE_PROTO_RANDOM_ALL)) {
		if (!(range->flags & NF_NAT_RANGE_PROTO_SPECIFIED)) {
			if (!is_used(stack, conntrack, tuple))
				return;
		} else if (!(range->flags & NF_NAT_RANGE_PROTO_OFFSET) && port_in_range(tuple, range, manipulation) &&
			   (range->min_proto.all == range->max_proto.all || !is_used(stack, conntrack, tuple))) {
			return;
		}
	}
	choose_port(stack, conntrack, tuple, range, manipulation);
}

enum nf_verdict nat_setup(struct pl_stack *stack, struct conntrack *conntrack, const struct nf_nat_range2 *range,
			  enum manipulation manipulation)
{
	struct tuple now, new;

	if (conntrack_is_confirmed(conntrack))
		return NF_VERDICT_ACCEPT;
	if (!tuple_invert(&conntrack->tuple[REPLY], &now))
		return NF_VERDICT_DROP;
	new = now;
	make_unique(stack, conntrack, &new, range, manipulation);
	if (!tuple_equal(&new, &now)) {
		tuple_invert(&new, &conntrack->tuple[REPLY]);
		conntrack->status |= manipulation == MANIP_SOURCE ? IPS_SRC_NAT : IPS_DST_NAT;
	}
	conntrack->status |= manipulation == MANIP_SOURCE ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
	return NF_VERDICT_ACCEPT;
}

/* No rule wants it: the address stays, and the port where nothing speaks against it. */
static enum nf_verdict setup_nothing(struct pl_stack *stack, struct conntrack *conntrack, enum manipulation manipulation)
{
	struct tuple now;
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	if (!tuple_invert(&conntrack->tuple[REPLY], &now))
		return NF_VERDICT_DROP;
	range.min_addr.ip = range.max_addr.ip = manipulation == MANIP_SOURCE ? now.source.s_addr : now.destination.s_addr;
	return nat_setup(stack, conntrack, &range, manipulation);
}

/* --- the hook -------------------------------------------------------------------------------------------------------------- */

/* Which of the two translations a packet of this direction undergoes when its `manipulation` is due here. */
static bool is_translated(const struct conntrack *conntrack, enum direction direction, enum manipulation manipulation)
{
	bool source = (manipulation == MANIP_SOURCE) == (direction == ORIGINAL);

	return conntrack->status & (source ? IPS_SRC_NAT : IPS_DST_NAT);
}

bool nat_change_icmp_error(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack,
			   enum ip_conntrack_info info, unsigned hook)
{
	uint32_t offset = ip_header(packet)->ihl * 4u;
	struct icmphdr *icmp = pktbuf_at(packet, offset, sizeof(*icmp) + sizeof(struct iphdr));
	enum manipulation manipulation = hook_manipulation(hook);
	enum direction direction = info_direction(info);
	struct tuple target;

	if (!icmp || (hook == NF_INET_PRE_ROUTING && !transport_checksum_right(packet)))
		return false;
	if (icmp->type == ICMP_REDIRECT &&
	    ((conntrack->status & IPS_NAT_DONE_MASK) != IPS_NAT_DONE_MASK || conntrack->status & IPS_NAT_MASK))
		return false;	/* what it says of the way is not true for the translated address */
	if (!is_translated(conntrack, direction, manipulation))
		return true;
	/* What is quoted went the other way: its other end is the one to change. */
	if (!nat_change_packet(packet, offset + sizeof(*icmp), &conntrack->tuple[!direction],
			       manipulation == MANIP_SOURCE ? MANIP_DESTINATION : MANIP_SOURCE))
		return false;
	icmp->checksum = 0;
	icmp->checksum = checksum_finish(checksum_add(icmp, pktbuf_length(packet) - offset, 0));
	if (!tuple_invert(&conntrack->tuple[!direction], &target))
		return false;
	target.protocol = IPPROTO_ICMP;
	return nat_change_packet(packet, 0, &target, manipulation);
}

/* A connection was masqueraded for one link and leaves over another now: it begins anew with the next packet. */
static bool link_changed(const struct conntrack *conntrack, enum ip_conntrack_info info, const struct nf_place *place)
{
	return conntrack->masquerade_link && place->hook == NF_INET_POST_ROUTING && info_direction(info) == ORIGINAL &&
	       place->out && conntrack->masquerade_link != place->out->ifindex;
}

enum nf_verdict nat_hook(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	struct conntrack *conntrack = packet->conntrack;
	enum ip_conntrack_info info = packet->conntrack_info;
	enum manipulation manipulation = hook_manipulation(place->hook);
	enum nf_verdict verdict = NF_VERDICT_ACCEPT;
	uint32_t done = manipulation == MANIP_SOURCE ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
	struct tuple target;

	if (!conntrack)
		return NF_VERDICT_ACCEPT;
	bool related = info == IP_CT_RELATED || info == IP_CT_RELATED_REPLY;
	if (related && ip_header(packet)->protocol == IPPROTO_ICMP)
		return nat_change_icmp_error(stack, packet, conntrack, info, place->hook) ? NF_VERDICT_ACCEPT : NF_VERDICT_DROP;
	if ((info == IP_CT_NEW || related) && !(conntrack->status & done)) {
		verdict = table_run(stack, TABLE_NAT, packet, place, error);
		if (verdict != NF_VERDICT_ACCEPT)
			return verdict;
		if (!(conntrack->status & done))
			verdict = setup_nothing(stack, conntrack, manipulation);
		if (verdict != NF_VERDICT_ACCEPT)
			return verdict;
	} else if (link_changed(conntrack, info, place)) {
		conntrack_kill(stack, conntrack);
		return NF_VERDICT_DROP;
	}
	enum direction direction = info_direction(info);
	if (!is_translated(conntrack, direction, manipulation))
		return NF_VERDICT_ACCEPT;
	if (!tuple_invert(&conntrack->tuple[!direction], &target))
		return NF_VERDICT_DROP;
	return nat_change_packet(packet, 0, &target, manipulation) ? NF_VERDICT_ACCEPT : NF_VERDICT_DROP;
}
