/* TCPMSS: lower the segment size that a SYN announces, or put one into a SYN that announces none. */
#include <arpa/inet.h>

#include "extensions.h"

#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_tcpudp.h>

#define HEADERS 40u		/* IP and TCP without options: what --clamp-mss-to-pmtu takes off the MTU */
#define MSS_OPTION 2
#define MSS_LENGTH 4
#define MSS_DEFAULT 536u	/* RFC 9293 section 3.7.1: what a SYN without the option means */

/* The MTU of the way back to the sender. */
static uint32_t reverse_mtu(const struct rule_packet *at)
{
	struct flow flow = { .destination.s_addr = at->ip->saddr };
	struct route *route = NULL;
	uint32_t mtu = UINT32_MAX;

	if (route_output(at->stack, &flow, &route))
		return mtu;
	mtu = route_mtu(at->stack, route);
	route_put(at->stack, route);
	return mtu;
}

static void mend(uint16_t *checksum, uint16_t before, uint16_t after)
{
	uint32_t sum = (uint16_t)~*checksum + (uint32_t)(uint16_t)~before + after;

	sum = (sum & 0xffff) + (sum >> 16);
	*checksum = (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

/* The option is put in front of the others, and everything behind moves. */
static bool insert_option(struct rule_packet *at, uint16_t mss)
{
	struct pktbuf *packet = at->packet;
	struct filter_tcp *tcp;

	if (!pktbuf_reserve(at->stack, packet, MSS_LENGTH))
		return false;
	pktbuf_put(packet, MSS_LENGTH);
	tcp = transport_at(at, 0, sizeof(*tcp));
	uint8_t *options = (uint8_t *)(tcp + 1);
	memmove(options + MSS_LENGTH, options, (size_t)(packet->tail - options) - MSS_LENGTH);
	options[0] = MSS_OPTION;
	options[1] = MSS_LENGTH;
	options[2] = (uint8_t)(mss >> 8);
	options[3] = (uint8_t)mss;
	tcp->offset = (uint8_t)(tcp->offset + 0x10);
	uint32_t length = pktbuf_length(packet) - at->transport;
	tcp->checksum = 0;
	tcp->checksum = checksum_finish(checksum_add(tcp, length,
		checksum_pseudo(ip_source(packet), ip_destination(packet), IPPROTO_TCP, length)));
	struct iphdr *ip = ip_header(packet);
	ip->tot_len = htons((uint16_t)pktbuf_length(packet));
	ip_header_changed(ip);
	return true;
}

static enum target_verdict target_tcpmss(struct rule_packet *at, const void *data)
{
	uint32_t mss = ((const struct xt_tcpmss_info *)data)->mss;
	struct filter_tcp *tcp = transport_at(at, 0, sizeof(*tcp));
	uint32_t size = tcp ? (uint32_t)(tcp->offset >> 4) * 4 : 0;
	uint8_t length = 0;

	if (at->fragment)
		return TARGET_CONTINUE;
	if (!tcp || size < sizeof(*tcp) || !transport_at(at, 0, size))
		return TARGET_DROP;
	if (mss == XT_TCPMSS_CLAMP_PMTU) {
		uint32_t there = at->packet->route ? route_mtu(at->stack, at->packet->route) : UINT32_MAX, back = reverse_mtu(at);
		uint32_t mtu = there < back ? there : back;

		if (mtu <= HEADERS)
			return TARGET_DROP;
		mss = mtu - HEADERS;
	}
	uint8_t *option = (uint8_t *)filter_tcp_option(at, MSS_OPTION, &length);
	if (option && length == MSS_LENGTH) {
		uint16_t before, after = htons((uint16_t)mss);
		bool odd = (option + 2 - (uint8_t *)tcp) % 2;

		memcpy(&before, option + 2, sizeof(before));
		if (ntohs(before) <= mss)
			return TARGET_CONTINUE;
		memcpy(option + 2, &after, sizeof(after));
		mend(&tcp->checksum, odd ? (uint16_t)(before << 8 | before >> 8) : before,
		     odd ? (uint16_t)(after << 8 | after >> 8) : after);
		return TARGET_CONTINUE;
	}
	/* No room, or data that would have to move. */
	if (pktbuf_length(at->packet) - at->transport > size || size >= 60)
		return TARGET_CONTINUE;
	return insert_option(at, (uint16_t)(mss < MSS_DEFAULT ? mss : MSS_DEFAULT)) ? TARGET_CONTINUE : TARGET_DROP;
}

static bool matches_syn(const struct ipt_entry *entry)
{
	for (unsigned i = sizeof(*entry); i < entry->target_offset;) {
		const struct xt_entry_match *match = (const struct xt_entry_match *)((const char *)entry + i);
		const struct xt_tcp *tcp = (const struct xt_tcp *)match->data;

		if (!strcmp(match->u.user.name, "tcp") && tcp->flg_cmp & FILTER_SYN && !(tcp->invflags & XT_TCP_INV_FLAGS))
			return true;
		i += match->u.match_size;
	}
	return false;
}

static int check_tcpmss(const struct rule_place *place, const void *data)
{
	const unsigned routed = HOOK_BIT(FORWARD) | HOOK_BIT(LOCAL_OUT) | HOOK_BIT(POST_ROUTING);

	if (((const struct xt_tcpmss_info *)data)->mss == XT_TCPMSS_CLAMP_PMTU && place->hooks & ~routed)
		return -EINVAL;
	return matches_syn(place->entry) ? 0 : -EINVAL;
}

const struct target_type targets_of_tcpmss[] = {
	{ "TCPMSS", 0, sizeof(struct xt_tcpmss_info), IPPROTO_TCP, .check = check_tcpmss, .target = target_tcpmss },
	{ 0 },
};
