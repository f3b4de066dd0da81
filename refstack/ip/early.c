/*
 * Early demultiplexing: the packets of a connection all come the same way.
 *
 * A connected socket keeps the route that a packet of its came by (its way into this host, that is), and the next one need not
 * look for its own. That saves Linux a lookup; what shows is that the source of the packet is not judged again: a reverse path
 * filter that is switched on later spares connections that were there before, until something changes the routes.
 */
#include "../netfilter/netfilter.h"

#define ANY_LINK (-1)

struct route *early_route(struct pl_stack *stack, const struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);
	const struct ip_protocol *protocol;
	const struct sock *sk;

	if (!stack->sysctl.ip_early_demux || ip->frag_off & htons(IP_MF | IP_OFFMASK) || nf_assigned_socket(packet))
		return NULL;
	protocol = ip_protocol_find(stack, ip->protocol);
	sk = protocol && protocol->early ? protocol->early(stack, packet) : NULL;
	if (!sk || !sk->arrival || !route_valid(stack, sk->arrival))
		return NULL;
	if (sk->arrival_link != ANY_LINK && sk->arrival_link != packet->input_ifindex)
		return NULL;
	return route_hold(sk->arrival);
}

void sock_arrival_keep(struct sock *sk, const struct pktbuf *packet, bool any_link)
{
	int link = any_link ? ANY_LINK : packet->input_ifindex;

	if (sk->arrival == packet->route || !packet->route)
		return;
	if (sk->arrival && sk->arrival_link == link && !any_link && route_valid(sk->stack, sk->arrival))
		return;
	sock_arrival_forget(sk);
	sk->arrival = route_hold(packet->route);
	sk->arrival_link = link;
}

void sock_arrival_forget(struct sock *sk)
{
	route_put(sk->stack, sk->arrival);
	sk->arrival = NULL;
}
