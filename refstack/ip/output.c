/*
 * IPv4 output: the header, identification, don't fragment, fragmentation, copies for this host.
 *
 * A packet comes from a transport (ip_send_packet) with its data at the transport header, or from forwarding with its header in
 * place (ip_output). Both end in finish_output, which fragments and gives the packet to its link.
 */
#include <arpa/inet.h>

#include "host.h"
#include "mroute.h"
#include "options.h"
#include "output.h"
#include "../netfilter/netfilter.h"

/* --- identification ----------------------------------------------------------------------------------------------- */

/*
 * Linux: a counter per group of destinations, moved on by a random amount that is bounded by the ticks since it was last used,
 * so that nobody learns from the ids how much is sent to others.
 */
static uint16_t id_from_bucket(struct pl_stack *stack, const struct ip_send *send, unsigned segments)
{
	struct ip_host *host = stack->ip;
	struct {
		uint32_t destination, source, protocol;
	} about = { send->destination.s_addr, send->source.s_addr, send->protocol };
	size_t bucket = siphash(host->id_key, &about, sizeof(about)) % IP_ID_BUCKETS;
	uint32_t now = stack_jiffies(stack);

	if (!host->ids[bucket].used) {
		host->ids[bucket].used = true;
		host->ids[bucket].next = (uint16_t)prng_u32(&stack->prng);
		host->ids[bucket].jiffies = now;
	}
	uint32_t skip = prng_below(&stack->prng, now - host->ids[bucket].jiffies);
	uint16_t id = (uint16_t)(host->ids[bucket].next + skip);

	host->ids[bucket].jiffies = now;
	host->ids[bucket].next = (uint16_t)(id + segments);
	return id;
}

uint16_t ip_select_id(struct pl_stack *stack, const struct ip_send *send, unsigned segments)
{
	struct sock *sk = send->sk;

	if (sk && sk->remote.s_addr) {
		uint16_t id;

		if (!sk->ip_id_set)
			sk->ip_id = (uint16_t)prng_u32(&stack->prng);
		sk->ip_id_set = true;
		id = sk->ip_id;
		sk->ip_id = (uint16_t)(id + segments);
		return id;
	}
	if (send->dont_fragment && !send->ignore_df)
		return 0;	/* RFC 6864: an atomic datagram's id means nothing */
	return id_from_bucket(stack, send, segments);
}

/* --- the rules of IP_MTU_DISCOVER --------------------------------------------------------------------------------- */

uint32_t sock_path_mtu(const struct sock *sk, const struct route *route)
{
	if (sk->pmtudisc >= IP_PMTUDISC_PROBE)
		return route->link->mtu < 65535 ? route->link->mtu : 65535;
	return route_mtu(sk->stack, route);
}

bool sock_dont_fragment(const struct sock *sk, const struct route *route)
{
	return sk->pmtudisc == IP_PMTUDISC_DO || (sk->pmtudisc == IP_PMTUDISC_WANT && !route_mtu_locked(route));
}

bool sock_ignores_df(const struct sock *sk)
{
	return sk->pmtudisc < IP_PMTUDISC_DO || sk->pmtudisc == IP_PMTUDISC_OMIT;
}

void ip_send_datagram_df(struct ip_send *send, const struct sock *sk, const struct route *route, uint32_t length)
{
	send->ignore_df = sock_ignores_df(sk);
	send->dont_fragment = sk->pmtudisc == IP_PMTUDISC_DO || sk->pmtudisc == IP_PMTUDISC_PROBE ||
			      (length <= route_mtu(sk->stack, route) && sock_dont_fragment(sk, route));
}

/* --- fragments ---------------------------------------------------------------------------------------------------- */

static int transmit(struct pl_stack *stack, struct pktbuf *packet)
{
	uint32_t length = pktbuf_length(packet);
	const struct route *route = packet->route;

	if (route && route->type == RTN_MULTICAST) {
		COUNT(stack, IpExt, OutMcastPkts);
		COUNT_ADD(stack, IpExt, OutMcastOctets, length);
	} else if (route && route->type == RTN_BROADCAST) {
		COUNT(stack, IpExt, OutBcastPkts);
		COUNT_ADD(stack, IpExt, OutBcastOctets, length);
	}
	COUNT(stack, Ip, OutTransmits);
	COUNT_ADD(stack, IpExt, OutOctets, length);
	return link_send(stack, packet);
}

/* One fragment: `header` bytes copied, `length` bytes of payload from `offset`. NULL: no memory. */
static struct pktbuf *make_fragment(struct pl_stack *stack, const struct pktbuf *packet, uint32_t header, uint32_t offset,
				    uint32_t length)
{
	struct pktbuf *piece = pktbuf_new(stack, IP_HEADROOM, header + length);
	const struct iphdr *whole = (const struct iphdr *)packet->data;

	if (!piece)
		return NULL;
	struct iphdr *ip = memcpy(pktbuf_put(piece, header), packet->data, header);
	memcpy(pktbuf_put(piece, length), packet->data + header + offset, length);
	piece->network = piece->data;
	piece->transport = piece->data + header;
	piece->link = packet->link;
	piece->gateway = packet->gateway;
	piece->route = packet->route ? route_hold(packet->route) : NULL;
	piece->mark = packet->mark;
	piece->priority = packet->priority;
	piece->packet_type = packet->packet_type;
	piece->confirms = packet->confirms;
	piece->owner = packet->owner;
	bool last = header + offset + length == pktbuf_length(packet);
	uint16_t field = ntohs(whole->frag_off);
	uint16_t more = last ? field & IP_MF : IP_MF;
	ip->frag_off = htons((uint16_t)((field & IP_OFFMASK) + offset / 8) | more);
	if (packet->frag_df)
		ip->frag_off |= htons(IP_DF);
	if (offset > 0 && !(field & IP_OFFMASK))	/* what was a later fragment before has lost them already */
		options_keep_copied((uint8_t *)(ip + 1), header - sizeof(*ip));
	ip->tot_len = htons((uint16_t)(header + length));
	ip->check = 0;
	ip->check = checksum_finish(checksum_add(ip, header, 0));
	return piece;
}

/* Whether the packet can go as the fragments that it came as. */
static bool pieces_fit(const struct pktbuf *packet, uint32_t payload, uint32_t room)
{
	const uint16_t *piece = packet->pieces;

	for (; piece && *piece && payload; payload -= *piece++)
		if (*piece > room || *piece > payload || (piece[1] && *piece % 8))
			return false;
	return piece && !payload && !*piece;
}

static int fragment(struct pl_stack *stack, struct pktbuf *packet, uint32_t mtu)
{
	uint32_t header = ip_header(packet)->ihl * 4u, payload = pktbuf_length(packet) - header;
	const uint16_t *piece_length = mtu > header && pieces_fit(packet, payload, mtu - header) ? packet->pieces : NULL;
	uint32_t room;
	int result = 0;

	if (packet->built_mtu && packet->built_mtu < mtu)
		mtu = packet->built_mtu;
	room = mtu > header ? (mtu - header) & ~7u : 0;
	if (piece_length)
		packet->frag_df = false;	/* Linux forgets it on this way */

	if (room == 0) {
		COUNT(stack, Ip, FragFails);
		pktbuf_free(stack, packet);
		return -EINVAL;
	}
	for (uint32_t offset = 0, length; offset < payload && result == 0; offset += length) {
		length = payload - offset;
		/* The last may use the room that is no multiple of eight. */
		if (piece_length)
			length = *piece_length++;
		else if (length > mtu - header)
			length = room;
		struct pktbuf *piece = make_fragment(stack, packet, header, offset, length);
		result = piece ? transmit(stack, piece) : -ENOMEM;
		if (result == 0)
			COUNT(stack, Ip, FragCreates);
		if (packet->link->flags & IFF_LOOPBACK)
			stack_softirq(stack);	/* each arrives before the next is sent */
	}
	if (result == 0)
		COUNT(stack, Ip, FragOKs);
	else
		COUNT(stack, Ip, FragFails);
	pktbuf_free(stack, packet);
	return result;
}

static int finish_output(struct pl_stack *stack, struct pktbuf *packet, struct sock *sk)
{
	uint32_t mtu = packet->forwarded ? route_forward_mtu(stack, packet->route) :
		       sk		 ? sock_path_mtu(sk, packet->route) :
					   route_mtu(stack, packet->route);
	const struct iphdr *ip = ip_header(packet);
	uint32_t limit = packet->frag_max_size && packet->frag_max_size < mtu ? packet->frag_max_size : mtu;

	if (packet->gso_size || (pktbuf_length(packet) <= mtu && !packet->frag_max_size))
		return transmit(stack, packet);
	if ((ip->frag_off & htons(IP_DF)) && (!packet->df_allowed_frag || packet->frag_max_size > mtu)) {
		COUNT(stack, Ip, FragFails);
		icmp_send_error(stack, packet, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
		pktbuf_free(stack, packet);
		return -EMSGSIZE;
	}
	return fragment(stack, packet, limit);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* A multicast or broadcast packet that this host wants to see too. */
static void copy_to_self(struct pl_stack *stack, struct pktbuf *packet)
{
	struct pktbuf *copy = pktbuf_copy(stack, packet, IP_HEADROOM);
	int error;

	if (!copy)
		return;
	copy = nf_hook(stack, copy, NF_INET_POST_ROUTING, NULL, copy->link, NULL, &error);
	if (!copy)
		return;
	copy->packet_type = PACKET_LOOPBACK;
	link_loop_back(stack, packet->link, copy);
}

int ip_output(struct pl_stack *stack, struct pktbuf *packet, struct sock *sk)
{
	const struct route *route = packet->route;
	struct link *in = packet->forwarded ? packet->link : NULL;
	int error;

	packet->link = route->link;
	bool routed = route->type == RTN_MULTICAST && mroute_routes(stack, route->link->ipv4, ip_destination(packet));

	if ((route->is_local || routed) && !(route->link->flags & IFF_LOOPBACK)) {
		if (route->type == RTN_MULTICAST) {
			if ((!sk || sock_flag(sk, SF_MC_LOOP)) && (route->is_local || !packet->forwarded))
				copy_to_self(stack, packet);
			if (ip_header(packet)->ttl == 0) {	/* such a packet stays on this host */
				pktbuf_free(stack, packet);
				return 0;
			}
		} else if (route->type == RTN_BROADCAST) {
			copy_to_self(stack, packet);
		}
	}
	packet = nf_hook(stack, packet, NF_INET_POST_ROUTING, in, packet->link, sk, &error);
	return packet ? finish_output(stack, packet, sk) : error;
}

int ip_local_out(struct pl_stack *stack, struct pktbuf *packet, struct sock *sk)
{
	int error;

	packet->link = packet->route->link;
	packet = nf_hook(stack, packet, NF_INET_LOCAL_OUT, NULL, packet->link, sk, &error);
	return packet ? ip_output(stack, packet, sk) : error;
}

static struct route *find_route(struct pl_stack *stack, const struct ip_send *send, int *error)
{
	struct flow flow = {
		.destination = send->options && send->options->source_route ? send->options->first_hop : send->destination,
		.source = send->source, .tos = send->tos, .protocol = send->protocol,
		.output_link = send->sk ? send->sk->bound_link : send->output_link, .mark = send->sk ? send->sk->mark : send->mark,
	};
	struct route *route = NULL;

	*error = route_output(stack, &flow, &route);
	return route;
}

static void write_header(struct pl_stack *stack, struct pktbuf *packet, const struct ip_send *send, const struct route *route)
{
	uint32_t options = send->options ? send->options->length : 0;
	struct iphdr *ip = pktbuf_push(packet, sizeof(*ip) + options);
	uint8_t route_ttl = (uint8_t)route->metric[RTAX_HOPLIMIT];
	uint8_t ttl = send->ttl ? send->ttl : route_ttl ? route_ttl : (uint8_t)stack->sysctl.ip_default_ttl;

	*ip = (struct iphdr){
		.version = 4, .ihl = (sizeof(*ip) + options) / 4, .tos = send->tos,
		.tot_len = htons((uint16_t)pktbuf_length(packet)), .frag_off = send->dont_fragment ? htons(IP_DF) : 0,
		.ttl = send->ttl_zero ? 0 : ttl, .protocol = send->protocol, .saddr = send->source.s_addr,
		.daddr = send->destination.s_addr,
	};
	unsigned segments = packet->gso_segs ? packet->gso_segs : 1;
	ip->id = htons(send->id >= 0 ? (uint16_t)send->id : ip_select_id(stack, send, segments));
	if (options)
		options_write(stack, packet, send->options);
	ip->check = checksum_finish(checksum_add(ip, ip->ihl * 4u, 0));
	packet->network = packet->data;
	packet->transport = packet->data + ip->ihl * 4u;
}

int ip_send_packet(struct pl_stack *stack, struct pktbuf *packet, const struct ip_send *send)
{
	int error = 0;
	struct route *route = send->route ? route_hold(send->route) : find_route(stack, send, &error);
	size_t length = pktbuf_length(packet) + sizeof(struct iphdr) + (send->options ? send->options->length : 0);

	if (!route) {
		COUNT(stack, Ip, OutNoRoutes);
		pktbuf_free(stack, packet);
		return error;
	}
	if (length > UINT16_MAX) {
		route_put(stack, route);
		pktbuf_free(stack, packet);
		return -EMSGSIZE;
	}
	if (packet->route)
		route_put(stack, packet->route);
	packet->route = route;
	packet->df_allowed_frag = send->ignore_df;
	if (send->protocol != IPPROTO_TCP)
		packet->built_mtu = (uint16_t)(send->sk ? sock_path_mtu(send->sk, route) : route_mtu(stack, route));
	packet->confirms = send->confirms;
	if (send->marked || send->sk) {
		packet->mark = send->marked ? send->mark : send->sk->mark;
		packet->priority = send->marked ? send->priority : send->sk->priority;
	}
	write_header(stack, packet, send, route);
	packet->gateway.s_addr = route->uses_gateway ? route->gateway.s_addr : ip_header(packet)->daddr;
	COUNT(stack, Ip, OutRequests);
	return ip_local_out(stack, packet, send->sk);
}
