/*
 * Fragments of a datagram that the script writes whole: "fragment 0:1480 of [id 7] udp (4000)".
 *
 * The datagram is made as ever, with its addresses, ports and checksums, and cut here (RFC 791 3.2). Offsets count bytes from the
 * end of its IP header. What the script says of the fragment's own header stands over what the cut gives.
 */
#include <string.h>

#include "run.h"

/* The IP header that is cut: the outermost one. */
static struct layer *ip_of(struct packet *packet)
{
	for (unsigned i = 0; i < packet->layers; i++)
		if (packet->layer[i].kind == LAYER_IPV4)
			return &packet->layer[i];
	return NULL;
}

/* Options of which only the first fragment has a copy go. */
static void keep_copied(struct layer *ip)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < ip->options; i++)
		if (ip->option[i].kind & 0x80)
			ip->option[kept++] = ip->option[i];
	ip->options = kept;
}

static void override(struct layer *ip, const struct layer *said)
{
	for (unsigned field = WF_IPV4_VERSION; field <= WF_IPV4_DST; field++)
		if (wire_given(said, field))
			wire_set(ip, field, wire_get(said, field));
	if (said->options_given) {
		ip->option = said->option;
		ip->options = said->options;
	}
}

/* With its options and their padding, whatever the script says that it has. */
static size_t header_length(struct run *run, const struct layer *ip)
{
	struct packet header = { .layers = 1 };
	const char *error;
	size_t length = 0;

	header.layer[0] = *ip;
	return packet_encode(&header, run->arena, &length, &error) ? length : 0;
}

struct packet *fragment_cut(struct run *run, const struct packet_spec *spec, const struct packet *whole, const char **error)
{
	struct packet *datagram = packet_clone(whole, run->arena), *fragment;
	struct layer *ip = ip_of(datagram);
	const uint8_t *bytes;
	size_t length, before = 0;
	unsigned outer;

	if (!ip) {
		*error = "only an IPv4 packet has fragments";
		return NULL;
	}
	outer = (unsigned)(ip - datagram->layer);
	memmove(datagram->layer, ip, (datagram->layers - outer) * sizeof(*ip));
	datagram->layers -= outer;
	bytes = packet_encode(datagram, run->arena, &length, error);
	if (!bytes)
		return NULL;
	before = header_length(run, &datagram->layer[0]);
	if (!before || spec->until + before > length) {
		*error = arena_printf(run->arena, "the datagram has %zu bytes behind its IP header, no fragment reaches to %u",
				      length - before, spec->until);
		return NULL;
	}
	fragment = packet_clone(whole, run->arena);
	ip = &fragment->layer[outer];
	fragment->layers = outer + 2;
	fragment->quoted = NULL;
	fragment->layer[outer + 1] = (struct layer){ .kind = LAYER_RAW };
	wire_set(&fragment->layer[outer + 1], WF_RAW_PROTOCOL, bytes[9]);
	layer_clear(ip, WF_IPV4_LENGTH);
	layer_clear(ip, WF_IPV4_CHECKSUM);
	wire_set(ip, WF_IPV4_OFFSET, spec->from / 8);
	wire_set(ip, WF_IPV4_MF, spec->until + before < length);
	if (spec->from)
		keep_copied(ip);
	override(ip, &spec->fragment);
	fragment->payload = bytes + before + spec->from;
	fragment->payload_length = spec->until - spec->from;
	fragment->payload_given = true;
	return fragment;
}

bool fragment_is_of(const struct run *run, const struct flow *flow, const struct packet *said, const struct packet *packet)
{
	const struct layer *ip = packet_layer(packet, LAYER_IPV4), *wanted = packet_layer(said, LAYER_IPV4);
	const struct layer *inner = &said->layer[said->layers - 1];
	uint32_t local = ntohl(flow->live.local.s_addr ? flow->live.local.s_addr : run->settings.local.s_addr);
	uint32_t remote = ntohl(flow->live.remote.s_addr ? flow->live.remote.s_addr : run->settings.remote.s_addr);
	unsigned protocol;

	if (!ip || !wanted)
		return false;
	protocol = (unsigned)wire_get(ip, WF_IPV4_PROTOCOL);
	if (wire_given(wanted, WF_IPV4_SRC))
		local = (uint32_t)wire_get(wanted, WF_IPV4_SRC);
	if (wire_given(wanted, WF_IPV4_DST))
		remote = (uint32_t)wire_get(wanted, WF_IPV4_DST);
	if (inner->kind == LAYER_RAW)
		return wire_get(ip, WF_IPV4_SRC) == local && wire_get(ip, WF_IPV4_DST) == remote;
	return wire_get(ip, WF_IPV4_SRC) == local && wire_get(ip, WF_IPV4_DST) == remote &&
	       protocol == (unsigned)flow_protocol(inner->kind);
}

/* Only what the script says of the IP header is looked at, besides where the fragment lies. */
static void keep_said(struct layer *ip, const struct layer *said, const struct layer *own)
{
	for (unsigned field = WF_IPV4_VERSION; field <= WF_IPV4_DST; field++)
		if (field != WF_IPV4_OFFSET && field != WF_IPV4_MF && !wire_given(said, field) && !wire_given(own, field))
			layer_clear(ip, field);
	ip->options_any = !said->options_given && !own->options_given;
}

struct packet *fragment_expected(struct run *run, struct flow *flow, const struct packet_spec *spec, const char **error)
{
	struct packet *whole = packet_clone(&spec->packet, run->arena), *fragment, *decoded;
	const struct layer *said = packet_layer(&spec->packet, LAYER_IPV4);
	bool contents = spec->packet.payload || !run->contents_matter;
	struct layer *transport;
	const uint8_t *bytes;
	size_t length;

	flow_map_to_live(run, flow, whole);
	fragment = fragment_cut(run, spec, whole, error);
	bytes = fragment ? packet_encode(fragment, run->arena, &length, error) : NULL;
	if (!bytes)
		return NULL;
	decoded = arena_alloc(run->arena, sizeof(*decoded));
	packet_decode(bytes, length, fragment->layer[0].kind == LAYER_ETHERNET, run->arena, decoded);
	decoded->decoded = false;
	keep_said(packet_layer(decoded, LAYER_IPV4), said, &spec->fragment);
	transport = packet_transport(decoded);
	if (!contents) {
		decoded->payload = NULL;
		if (transport && transport->kind == LAYER_UDP)
			layer_clear(transport, WF_UDP_CHECKSUM);
		if (transport && transport->kind == LAYER_ICMP)
			layer_clear(transport, WF_ICMP_CHECKSUM);
	}
	return decoded;
}
