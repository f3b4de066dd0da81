/*
 * What the engine does for the far ends of links.
 *
 * A script about IP need not speak of Ethernet: an inbound packet without an Ethernet header of its own gets one, from the far
 * end's hardware address to the stack's (or to the broadcast or multicast address that its IP destination maps to, RFC 894 and
 * RFC 1112 6.4). On a link with arp=answer the far end answers requests for every address that is not the stack's own; neither the
 * requests nor the answers are seen by the script.
 */
#include <arpa/inet.h>
#include <string.h>

#include "run.h"

#define BROADCAST UINT64_C(0xffffffffffff)

static uint64_t hwaddr(const uint8_t bytes[6])
{
	uint64_t address = 0;

	for (unsigned i = 0; i < 6; i++)
		address = address << 8 | bytes[i];
	return address;
}

static uint64_t own_hwaddr(unsigned link)
{
	return hwaddr((const uint8_t[]){ PL_HWADDR_OWN(link) });
}

static uint64_t peer_hwaddr(unsigned link)
{
	return hwaddr((const uint8_t[]){ PL_HWADDR_PEER(link) });
}

int link_index(const struct run *run, const char *name)
{
	if (!name)
		return 0;
	for (unsigned i = 0; i < run->config.links; i++)
		if (!strcmp(run->config.link[i].name, name))
			return (int)i;
	return -1;
}

struct in_addr link_local(const struct run *run, unsigned link)
{
	return link && run->config.link[link].local.s_addr ? run->config.link[link].local : run->settings.local;
}

struct in_addr link_remote(const struct run *run, unsigned link)
{
	return link && run->far_end[link].s_addr ? run->far_end[link] : run->settings.remote;
}

static bool is_broadcast(const struct target_link *link, uint32_t address)
{
	uint32_t host = link->prefix_length < 31 && link->local.s_addr ? UINT32_MAX >> link->prefix_length : 0;

	return address == INADDR_BROADCAST || (host && (address | host) == address && !((address ^ ntohl(link->local.s_addr)) & ~host));
}

static void give(struct layer *layer, enum wire_field field, uint64_t value)
{
	if (!wire_given(layer, field))
		wire_set(layer, field, value);
}

static void complete_arp(const struct run *run, unsigned link, struct layer *arp)
{
	bool request;

	give(arp, WF_ARP_OP, 1);
	request = wire_get(arp, WF_ARP_OP) == 1;
	give(arp, WF_ARP_SHA, peer_hwaddr(link));
	give(arp, WF_ARP_SPA, ntohl(link_remote(run, link).s_addr));
	give(arp, WF_ARP_THA, request ? 0 : own_hwaddr(link));
	give(arp, WF_ARP_TPA, ntohl(link_local(run, link).s_addr));
}

/* The hardware address that a packet goes to. */
static uint64_t destination(const struct run *run, unsigned link, const struct packet *packet)
{
	const struct layer *arp = packet_layer(packet, LAYER_ARP), *ip = NULL;
	uint32_t address;

	for (unsigned i = packet->layers; i-- > 0;)
		if (packet->layer[i].kind == LAYER_IPV4)
			ip = &packet->layer[i];
	if (arp)
		return wire_get(arp, WF_ARP_OP) == 1 ? BROADCAST : own_hwaddr(link);
	if (!ip)
		return own_hwaddr(link);
	address = (uint32_t)wire_get(ip, WF_IPV4_DST);
	if (is_broadcast(&run->config.link[link], address))
		return BROADCAST;
	return IN_MULTICAST(address) ? UINT64_C(0x01005e000000) | (address & 0x7fffff) : own_hwaddr(link);
}

bool link_complete(const struct run *run, unsigned link, struct packet *packet, const char **error)
{
	struct layer *first = &packet->layer[0], *arp = packet_layer(packet, LAYER_ARP);

	if (run->config.link[link].kind != PL_LINK_ETHERNET) {
		if (first->kind != LAYER_ETHERNET && !arp)
			return true;
		*error = arena_printf(run->arena, "%s is no Ethernet link (--link=NAME,ethernet)", run->config.link[link].name);
		return false;
	}
	if (arp)
		complete_arp(run, link, arp);
	if (first->kind != LAYER_ETHERNET && packet->layers == PACKET_LAYERS) {
		*error = "the packet has too many headers";
		return false;
	}
	if (first->kind != LAYER_ETHERNET) {
		memmove(first + 1, first, packet->layers++ * sizeof(*first));
		*first = (struct layer){ .kind = LAYER_ETHERNET };
	}
	give(first, WF_ETHERNET_SRC, peer_hwaddr(link));
	give(first, WF_ETHERNET_DST, destination(run, link, packet));
	return true;
}

bool link_answered(struct run *run, unsigned link, const struct packet *packet)
{
	const struct layer *asked = packet_layer(packet, LAYER_ARP);
	struct packet answer = { .layers = 1, .layer[0].kind = LAYER_ARP };
	const uint8_t *bytes;
	const char *error;
	uint64_t target;
	size_t length;

	if (!(run->answering >> link & 1) || !asked || wire_get(asked, WF_ARP_OP) != 1)
		return false;
	target = wire_get(asked, WF_ARP_TPA);
	/* An announcement, or a question whether an address is in use (RFC 5227), gets no answer. */
	if (!wire_get(asked, WF_ARP_SPA) || target == wire_get(asked, WF_ARP_SPA))
		return false;
	wire_set(&answer.layer[0], WF_ARP_OP, 2);
	wire_set(&answer.layer[0], WF_ARP_SPA, target);
	wire_set(&answer.layer[0], WF_ARP_THA, wire_get(asked, WF_ARP_SHA));
	wire_set(&answer.layer[0], WF_ARP_TPA, wire_get(asked, WF_ARP_SPA));
	if (!link_complete(run, link, &answer, &error))
		return false;
	bytes = packet_encode(&answer, run->arena, &length, &error);
	return bytes && !run->ops->inject(run->target, link, bytes, length, 0);
}
