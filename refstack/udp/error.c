/* ICMP errors about datagrams of ours: RFC 1122 4.1.3.3. */
#include "udp.h"

/* errno of an error, and whether it is told to a socket that did not ask for it; false: none of either. */
static bool error_of(struct pl_stack *stack, struct sock *sk, const struct icmphdr *icmp, const struct iphdr *quoted, uint32_t info,
		     struct icmp_error_map *map)
{
	*map = (struct icmp_error_map){ EHOSTUNREACH, false };
	switch (icmp->type) {
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:		/* the route is told in udp_error */
		return false;
	case ICMP_PARAMETERPROB:
		*map = (struct icmp_error_map){ EPROTO, true };
		return true;
	case ICMP_DEST_UNREACH:
		if (icmp->code == ICMP_FRAG_NEEDED) {
			sock_pmtu_learn(sk, quoted, info);
			*map = (struct icmp_error_map){ EMSGSIZE, true };
			return sk->pmtudisc != IP_PMTUDISC_DONT;
		}
		if (icmp->code <= NR_ICMP_UNREACH)
			*map = icmp_error_map[icmp->code];
		return true;
	}
	return true;
}

void udp_error(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info)
{
	const struct icmphdr *header = pktbuf_at(icmp, 0, sizeof(*header));
	const struct udphdr *udp = (const struct udphdr *)((const uint8_t *)quoted + quoted->ihl * 4u);
	struct in_addr source = { quoted->saddr }, destination = { quoted->daddr };
	struct icmp_error_map map;
	struct sock *sk;

	sk = udp_lookup(stack, quoted->protocol == IPPROTO_UDPLITE, destination, ntohs(udp->dest), source, ntohs(udp->source),
			icmp->link->ifindex, NULL);	/* the device it is on, unlike for datagrams */
	if (!sk) {
		COUNT(stack, Icmp, InErrors);
		return;
	}
	if (header->type == ICMP_REDIRECT) {
		struct flow flow = quoted_flow(sk, quoted, 0);

		route_redirect(stack, icmp, &flow, NULL);
	}
	if (!error_of(stack, sk, header, quoted, info, &map))
		return;
	if (sock_flag(sk, SF_RECVERR))
		sock_queue_icmp_error(sk, icmp, map.error, ntohs(udp->dest), info, (const uint8_t *)(udp + 1));
	else if (!map.fatal || sk->state != TCP_ESTABLISHED)
		return;
	sk->error = map.error;
	sock_error_report(sk);
}
