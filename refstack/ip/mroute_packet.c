/* Multicast routing: the packets. From where one may come and over which links it goes on, the daemon has said (mroute.c). */
#include <arpa/inet.h>

#include "../netfilter/netfilter.h"
#include "../raw/raw.h"
#include "forward.h"
#include "host.h"
#include "mroute_table.h"
#include "options.h"
#include "output.h"

#define WAITING_MOST 4				/* packets that wait for what the daemon says of their source and group */
#define ANSWER_TIME (10 * PL_NSEC_PER_SEC)
#define ASSERT_INTERVAL (3 * PL_NSEC_PER_SEC)	/* between two messages about wrong vifs */

bool mroute_routes(const struct pl_stack *stack, const struct in_device *device, struct in_addr group)
{
	return stack->ip->mroute && device && CONF_AND(stack, device, mc_forwarding) && !ip_is_local_multicast(group);
}

/* A message on the daemon's socket: the packet's IP header, in part overwritten, and the message's type once more. False: no room. */
static bool tell_daemon(struct pl_stack *stack, const struct pktbuf *packet, uint8_t type, int vif)
{
	size_t header = ip_header(packet)->ihl * 4u;
	struct sock *sk = stack->ip->mroute->sk;
	bool room = sk->receive_allocated < (uint32_t)sk->receive_buffer;
	struct pktbuf *message = pktbuf_new(stack, 0, header + 8);
	struct igmpmsg *said;

	if (!message)
		return false;
	message->network = message->transport = pktbuf_put(message, header + 8);
	memset(message->network + header, 0, 8);
	memcpy(message->network, packet->network, header);
	message->network[header] = type;
	said = (struct igmpmsg *)message->network;
	said->im_msgtype = type;
	said->im_mbz = 0;
	said->im_vif = (uint8_t)vif;
	said->im_vif_hi = (uint8_t)(vif >> 8);
	ip_header(message)->tot_len = htons((uint16_t)(header + 8));
	message->truesize = truesize_linear(128);
	message->input_ifindex = packet->input_ifindex;
	message->arrival = stack->now;
	*datagram_control_of(message) = (struct datagram_control){ 0 };
	raw_queue(sk, message);
	return room;
}

static void wait_for_answer(struct pl_stack *stack, struct pktbuf *packet, int vif)
{
	struct mroute *mroute = stack->ip->mroute;
	struct mfc *entry = mroute_find(mroute, ip_source(packet), ip_destination(packet), false);

	if (!entry && tell_daemon(stack, packet, IGMPMSG_NOCACHE, vif)) {
		entry = mroute_entry_new(mroute, ip_source(packet), ip_destination(packet), false);
		if (entry)
			timer_arm(stack, &entry->expires, stack->now + ANSWER_TIME);
	}
	if (entry && entry->waiting.count < WAITING_MOST)
		pktbuf_queue_push(&entry->waiting, packet);
	else
		pktbuf_free(stack, packet);
}

/* The tree of any source and any group that this vif is on; NULL: none. */
static struct mfc *tree_of(struct mroute *mroute, int vif)
{
	for (struct mfc *entry = mroute->entries; entry; entry = entry->next)
		if (entry->resolved && !entry->origin.s_addr && !entry->group.s_addr && entry->ttl[vif] < 255)
			return entry;
	return NULL;
}

/* Do entries for any source with this parent take packets by the vif as well? If both are on one tree. */
static bool on_one_tree(struct mroute *mroute, int parent, int vif)
{
	const struct mfc *tree = tree_of(mroute, parent);

	return tree && tree->ttl[vif] < 255;
}

/* The entry of that source, or of any, for packets by this vif (-1: none). */
static struct mfc *entry_for(struct mroute *mroute, struct in_addr origin, struct in_addr group, int vif)
{
	struct mfc *entry = mroute_find(mroute, origin, group, true);

	if (entry || vif < 0)
		return entry;
	for (entry = mroute->entries; entry; entry = entry->next)
		if (entry->resolved && !entry->origin.s_addr && entry->group.s_addr == group.s_addr &&
		    (entry->ttl[vif] < 255 || on_one_tree(mroute, entry->parent, vif)))
			return entry;
	return tree_of(mroute, vif);
}

/* A copy of the packet goes on over a vif. */
static void send_over(struct pl_stack *stack, const struct pktbuf *packet, struct vif *vif)
{
	const struct iphdr *ip = ip_header(packet);
	struct flow flow = { .destination = ip_destination(packet), .output_link = vif->ifindex, .tos = ip->tos };
	struct route *route = NULL;
	struct pktbuf *copy;
	int error;

	if (!vif->ifindex || route_output(stack, &flow, &route))
		return;
	if (pktbuf_length(packet) > route_mtu(stack, route) && ip->frag_off & htons(IP_DF)) {
		COUNT(stack, Ip, FragFails);		/* nobody is told: there are no errors about multicasts */
		route_put(stack, route);
		return;
	}
	vif->packets_out++;
	vif->bytes_out += pktbuf_length(packet);
	copy = pktbuf_copy(stack, packet, IP_HEADROOM);
	if (!copy) {
		route_put(stack, route);
		return;
	}
	route_put(stack, copy->route);
	copy->route = route;
	copy->gateway = route->gateway;
	copy->packet_type = PACKET_HOST;
	copy->forwarded = true;
	ip_decrement_ttl(ip_header(copy));
	copy = nf_hook(stack, copy, NF_INET_FORWARD, packet->link, route->link, NULL, &error);
	if (!copy)
		return;
	COUNT(stack, Ip, ForwDatagrams);
	if (copy->options.length)
		options_forward(stack, copy);
	ip_output(stack, copy, NULL);
}

/* It came by another vif than it should. The daemon may want to know, if packets go out that way. */
static void came_wrong(struct pl_stack *stack, const struct pktbuf *packet, struct mfc *entry, int vif)
{
	const struct mroute *mroute = stack->ip->mroute;

	entry->wrong++;
	if (vif < 0 || !mroute->asserts || !(mroute->pim || entry->ttl[vif] < 255))
		return;
	if (entry->was_asserted && stack->now <= entry->asserted + ASSERT_INTERVAL)
		return;
	entry->was_asserted = true;
	entry->asserted = stack->now;
	tell_daemon(stack, packet, IGMPMSG_WRONGVIF, vif);
}

static void pass_on(struct pl_stack *stack, const struct pktbuf *packet, struct mfc *entry)
{
	struct mroute *mroute = stack->ip->mroute;
	struct vif *parent = &mroute->vif[entry->parent];
	uint8_t ttl = ip_header(packet)->ttl;
	bool any_origin = !entry->origin.s_addr;
	int came_by = -1;

	mroute_vif_of(mroute, packet->link, &came_by);
	entry->packets++;
	entry->bytes += pktbuf_length(packet);
	if (parent->ifindex != packet->link->ifindex &&
	    !(any_origin && came_by >= 0 && on_one_tree(mroute, entry->parent, came_by))) {
		if (packet->packet_type != PACKET_LOOPBACK)
			came_wrong(stack, packet, entry, came_by);
		return;
	}
	parent->packets_in++;
	parent->bytes_in += pktbuf_length(packet);
	if (any_origin && !entry->group.s_addr) {	/* of no known group: only to the tree's root */
		if (came_by >= 0 && came_by != entry->parent && ttl > entry->ttl[entry->parent])
			send_over(stack, packet, parent);
		return;
	}
	for (int i = MAXVIFS - 1; i >= 0; i--)
		if (mroute->vif[i].ifindex && ttl > entry->ttl[i] && !(any_origin && i == came_by))
			send_over(stack, packet, &mroute->vif[i]);
}

void mroute_resolve(struct pl_stack *stack, struct mfc *entry, struct pktbuf_queue *waiting)
{
	struct pktbuf *packet;

	while ((packet = pktbuf_queue_pop(waiting))) {
		pass_on(stack, packet, entry);
		pktbuf_free(stack, packet);
	}
}

/* Of what is not for this host some is all the same, as a router: alerts, and what the daemon's protocol says. */
static bool for_the_router(struct pl_stack *stack, struct pktbuf *packet)
{
	if (packet->options.router_alert)
		return ip_router_alert && ip_router_alert(stack, packet);
	if (ip_header(packet)->protocol != IPPROTO_IGMP)
		return false;
	*datagram_control_of(packet) = (struct datagram_control){ 0 };
	raw_queue(stack->ip->mroute->sk, packet);
	return true;
}

void mroute_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	struct mroute *mroute = stack->ip->mroute;
	bool local = packet->route->is_local;
	struct pktbuf *passing = packet;
	struct mfc *entry;
	int vif = -1;

	if (packet->forwarded) {	/* this host's own copy of what it has passed on */
		ip_deliver(stack, packet);
		return;
	}
	if (!local && for_the_router(stack, packet))
		return;
	mroute_vif_of(mroute, packet->link, &vif);
	entry = entry_for(mroute, ip_source(packet), ip_destination(packet), vif);
	if (entry)
		pass_on(stack, packet, entry);
	else if (local && vif >= 0)
		passing = pktbuf_copy(stack, packet, 0);
	if (!entry && vif >= 0 && passing)
		wait_for_answer(stack, passing, vif);
	if (local)
		ip_deliver(stack, packet);
	else if (entry || vif < 0)
		pktbuf_free(stack, packet);
}
