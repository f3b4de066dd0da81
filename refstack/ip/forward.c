/* Forwarding, RFC 1812 section 5.2. */
#include "forward.h"

#include <arpa/inet.h>

#include "options.h"
#include "output.h"
#include "../netfilter/netfilter.h"

void ip_decrement_ttl(struct iphdr *ip)
{
	ip->ttl--;
	ip->check = 0;
	ip->check = checksum_finish(checksum_add(ip, ip->ihl * 4u, 0));
}

void ip_forward(struct pl_stack *stack, struct pktbuf *packet)
{
	struct iphdr *ip = ip_header(packet);
	struct route *route = packet->route;
	int error;

	if (packet->packet_type != PACKET_HOST) {
		pktbuf_free(stack, packet);
		return;
	}
	if (packet->options.router_alert && ip_router_alert && ip_router_alert(stack, packet))
		return;
	if (ip->ttl <= 1) {
		COUNT(stack, Ip, InHdrErrors);
		icmp_send_error(stack, packet, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
		pktbuf_free(stack, packet);
		return;
	}
	if (packet->options.strict && route->uses_gateway) {
		icmp_send_error(stack, packet, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0);
		pktbuf_free(stack, packet);
		return;
	}
	COUNT(stack, Ip, ForwDatagrams);
	packet->forwarded = true;
	uint32_t mtu = route_forward_mtu(stack, route);
	bool too_long = pktbuf_length(packet) > mtu && (packet->frag_max_size > mtu || !packet->df_allowed_frag);
	if (too_long && (ip->frag_off & htons(IP_DF)) && !packet->gso_size) {
		COUNT(stack, Ip, FragFails);
		icmp_send_error(stack, packet, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
		pktbuf_free(stack, packet);
		return;
	}
	ip_decrement_ttl(ip);
	if (route->do_redirect && !packet->options.source_route)
		icmp_send_redirect(stack, packet);
	if (stack->sysctl.ip_forward_update_priority)
		packet->priority = ip_tos_priority(ip->tos);
	packet = nf_hook(stack, packet, NF_INET_FORWARD, packet->link, route->link, NULL, &error);
	if (!packet)
		return;
	route = packet->route;
	if (packet->options.length)
		options_forward(stack, packet);
	packet->gateway = route->gateway;
	ip_output(stack, packet, NULL);
}
