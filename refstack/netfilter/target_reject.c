/* REJECT: drop, and tell the sender so, by an ICMP error or by a TCP reset as the addressee would have sent it. */
#include <arpa/inet.h>

#include "../ip/output.h"
#include "extensions.h"

#include <linux/netfilter_ipv4/ipt_REJECT.h>

static const struct {
	uint8_t code;
	bool is_icmp;
} answers[] = {
	[IPT_ICMP_NET_UNREACHABLE] = { ICMP_NET_UNREACH, true },	[IPT_ICMP_HOST_UNREACHABLE] = { ICMP_HOST_UNREACH, true },
	[IPT_ICMP_PROT_UNREACHABLE] = { ICMP_PROT_UNREACH, true },	[IPT_ICMP_PORT_UNREACHABLE] = { ICMP_PORT_UNREACH, true },
	[IPT_ICMP_ECHOREPLY] = { 0, false },				[IPT_ICMP_NET_PROHIBITED] = { ICMP_NET_ANO, true },
	[IPT_ICMP_HOST_PROHIBITED] = { ICMP_HOST_ANO, true },		[IPT_TCP_RESET] = { 0, false },
	[IPT_ICMP_ADMIN_PROHIBITED] = { ICMP_PKT_FILTERED, true },
};

/* Nothing is said about a packet that is damaged: its sender need not be who it seems. */
static bool is_intact(const struct rule_packet *at)
{
	const uint16_t *udp = transport_at(at, 0, 8);

	switch (at->ip->protocol) {
	case IPPROTO_UDP:
		return (udp && !udp[3]) || transport_checksum_right(at->packet);
	case IPPROTO_GRE:
	case IPPROTO_AH:
	case IPPROTO_ESP:
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return true;
	default:
		return transport_checksum_right(at->packet);
	}
}

static void send_reset(struct rule_packet *at)
{
	const struct filter_tcp *tcp = transport_at(at, 0, sizeof(*tcp));
	const struct route *route = at->packet->route;
	uint32_t length = pktbuf_length(at->packet) - at->transport;

	if (at->ip->frag_off & htons(IP_OFFMASK) || !tcp || tcp->flags & FILTER_RST || !transport_checksum_right(at->packet))
		return;
	if (route && (route->type == RTN_BROADCAST || route->type == RTN_MULTICAST))
		return;
	struct pktbuf *reset = pktbuf_new(at->stack, IP_HEADROOM, sizeof(struct iphdr) + sizeof(struct filter_tcp));
	if (!reset)
		return;
	struct iphdr *ip = pktbuf_put(reset, sizeof(*ip));
	struct filter_tcp *answer = pktbuf_put(reset, sizeof(*answer));
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .tot_len = htons((uint16_t)pktbuf_length(reset)), .frag_off = htons(IP_DF),
			      .protocol = IPPROTO_TCP, .saddr = at->ip->daddr, .daddr = at->ip->saddr };
	*answer = (struct filter_tcp){ .source = tcp->destination, .destination = tcp->source, .offset = 5 << 4,
				       .flags = FILTER_RST };
	if (tcp->flags & FILTER_ACK) {
		answer->seq = tcp->ack;
	} else {
		uint32_t data = length - (uint32_t)(tcp->offset >> 4) * 4;

		answer->flags |= FILTER_ACK;
		answer->ack = htonl(ntohl(tcp->seq) + data + !!(tcp->flags & FILTER_SYN) + !!(tcp->flags & FILTER_FIN));
	}
	answer->checksum = checksum_finish(checksum_add(answer, sizeof(*answer),
		checksum_pseudo((struct in_addr){ ip->saddr }, (struct in_addr){ ip->daddr }, IPPROTO_TCP, sizeof(*answer))));
	reset->network = reset->data;
	reset->transport = (uint8_t *)answer;
	reset->checksum_ok = true;
	reset->mark = at->stack->sysctl.fwmark_reflect ? at->packet->mark : 0;
	if (route_again(at->stack, reset, NULL)) {
		pktbuf_free(at->stack, reset);
		return;
	}
	uint8_t ttl = (uint8_t)reset->route->metric[RTAX_HOPLIMIT];
	ip->ttl = ttl ? ttl : (uint8_t)at->stack->sysctl.ip_default_ttl;
	ip_header_changed(ip);
	nf_packet_attach(reset, at->packet);
	ip_local_out(at->stack, reset, NULL);
}

static enum target_verdict target_reject(struct rule_packet *at, const void *data)
{
	unsigned with = ((const struct ipt_reject_info *)data)->with;

	if (with == IPT_TCP_RESET)
		send_reset(at);
	else if (!(at->ip->frag_off & htons(IP_OFFMASK)) && is_intact(at))
		icmp_send_error(at->stack, at->packet, ICMP_DEST_UNREACH, answers[with].code, 0);
	return TARGET_DROP;
}

static int check_reject(const struct rule_place *place, const void *data)
{
	unsigned with = ((const struct ipt_reject_info *)data)->with;

	if (with == IPT_TCP_RESET)
		return place->ip->proto == IPPROTO_TCP && !(place->ip->invflags & IPT_INV_PROTO) ? 0 : -EINVAL;
	return with < sizeof(answers) / sizeof(answers[0]) && answers[with].is_icmp ? 0 : -EINVAL;
}

const struct target_type targets_of_reject[] = {
	{ "REJECT", 0, sizeof(struct ipt_reject_info), .tables = TABLE_BIT(FILTER),
	  .hooks = HOOK_BIT(LOCAL_IN) | HOOK_BIT(FORWARD) | HOOK_BIT(LOCAL_OUT), .check = check_reject, .target = target_reject },
	{ 0 },
};
