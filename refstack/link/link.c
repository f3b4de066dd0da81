/*
 * Links: the loopback link, point-to-point links that carry bare IP packets (what Linux calls tun), and Ethernet (ethernet.c),
 * where the neighbour's hardware address has to be known before a packet can leave (neighbour.c).
 *
 * A packet leaves at once: there is no wire that could be busy, so the queue in front of a link never holds a packet, and its
 * limit only matters when it is zero. A packet on the loopback link arrives when what is being done now has ended
 * (stack_softirq), as it does on Linux when the softirq runs.
 */
#include "link.h"

#include <net/if_arp.h>
#include <netinet/ip.h>
#include <stdlib.h>

#include "../ip/ip.h"
#include "../packet/packet.h"
#include "ethernet.h"
#include "neighbour.h"

/* Bytes free in front of a packet that came in: room to put a link header before it when it is forwarded. */
#define RECEIVE_HEADROOM 64

static void transmit_loopback(struct pl_stack *stack, struct link *link, struct pktbuf *packet)
{
	link_loop_back(stack, link, packet);
}

static void transmit_out(struct pl_stack *stack, struct link *link, struct pktbuf *packet)
{
	if (link->output)
		link->output(link->context, &(struct pl_frame){
			.bytes = packet->data,
			.length = pktbuf_length(packet),
			.time = stack->now,
			.ifindex = link->ifindex,
			.gso_size = packet->gso_size,
			.gso_segs = packet->gso_segs,
		});
	pktbuf_free(stack, packet);
}

/* The protocol is told by the version alone; other than 4 and 6 the device refuses, and there is no IPv6 here. */
static int receive_tun(struct pl_stack *stack, struct link *link, struct pktbuf *packet)
{
	const uint8_t *first = pktbuf_at(packet, 0, 1);
	int version = first ? *first >> 4 : 0;

	if (version != 4 && version != 6) {
		link->rx_dropped++;
		pktbuf_free(stack, packet);
		return -EINVAL;
	}
	link->rx_packets++;
	link->rx_bytes += pktbuf_length(packet);
	if (version == 6)
		pktbuf_free(stack, packet);
	else
		ip_receive(stack, packet);
	return 0;
}

static const struct link_kind kinds[] = {
	[PL_LINK_LOOPBACK] = {
		.name = "loopback", .mtu = 65536, .txqueuelen = 1000, .flags = IFF_LOOPBACK,
		.hardware_type = ARPHRD_LOOPBACK, .min_mtu = 0, .max_mtu = INT32_MAX, .transmit = transmit_loopback,
	},
	[PL_LINK_TUN] = {
		.name = "tun", .mtu = 1500, .txqueuelen = 500, .flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST,
		.hardware_type = ARPHRD_NONE, .min_mtu = 68, .max_mtu = 65535,
		.transmit = transmit_out, .receive = receive_tun,
	},
	[PL_LINK_ETHERNET] = {
		.name = "ethernet", .mtu = 1500, .txqueuelen = 1000, .flags = IFF_BROADCAST | IFF_MULTICAST,
		.hardware_type = ARPHRD_ETHER, .header_length = ETH_HLEN, .min_mtu = 68, .max_mtu = 65535 - ETH_HLEN,
		.transmit = transmit_out, .receive = ethernet_receive,
	},
};

static const struct link_kind *kind_find(enum pl_link_kind kind)
{
	return (size_t)kind < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[kind] : NULL;
}

struct link *link_by_index(const struct pl_stack *stack, int ifindex)
{
	for (struct link *link = stack->links; link; link = link->next)
		if (link->ifindex == ifindex)
			return link;
	return NULL;
}

void link_name_join(char *to, const char *name, const char *rest)
{
	size_t head = strnlen(name, IFNAMSIZ - 1), tail = strnlen(rest, IFNAMSIZ - 1 - head);

	memset(to, 0, IFNAMSIZ);
	memmove(to, name, head);
	memmove(to + head, rest, tail);
}

struct link *link_by_name(const struct pl_stack *stack, const char *name)
{
	for (struct link *link = stack->links; link; link = link->next)
		if (strcmp(link->name, name) == 0)
			return link;
	return NULL;
}

/* The kernel's rule for names of devices: not empty, not "." or "..", no slash, colon or white space. */
static bool name_is_valid(const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (length == 0 || length >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	return !strpbrk(name, "/: \t\n\v\f\r");
}

/* One host's address: neither a group's nor zero. */
static bool hwaddr_is_valid(const uint8_t hwaddr[6])
{
	return !ethernet_is_group(hwaddr) && memcmp(hwaddr, (const uint8_t[6]){ 0 }, 6);
}

int pl_link_add(struct pl_stack *stack, const struct pl_link_config *config)
{
	const struct link_kind *kind = kind_find(config->kind);
	struct link **place = &stack->links;

	if (!kind || !name_is_valid(config->name) || (config->kind == PL_LINK_LOOPBACK && stack->links))
		return -EINVAL;
	if (config->mtu && (config->mtu < kind->min_mtu || config->mtu > kind->max_mtu))
		return -EINVAL;
	if (link_by_name(stack, config->name))
		return -EEXIST;
	struct link *link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	strcpy(link->name, config->name);
	link->kind = config->kind;
	link->ops = kind;
	link->flags = kind->flags;
	link->mtu = config->mtu ? config->mtu : kind->mtu;
	link->txqueuelen = config->txqueuelen ? config->txqueuelen : kind->txqueuelen;
	link->queue_limit = UINT32_MAX;
	link->gso = !config->no_gso;
	link->output = config->output;
	link->context = config->context;
	link->ifindex = stack->next_ifindex++;
	link->carrier = true;
	memcpy(link->hwaddr, config->hwaddr, sizeof(link->hwaddr));
	memset(link->broadcast, 0xff, sizeof(link->broadcast));
	if (config->kind == PL_LINK_ETHERNET && !hwaddr_is_valid(link->hwaddr))
		memcpy(link->hwaddr, (const uint8_t[]){ PL_HWADDR_OWN(link->ifindex - 2) }, sizeof(link->hwaddr));
	while (*place)
		place = &(*place)->next;
	*place = link;
	int error = in_device_attach(stack, link);
	if (error) {
		*place = NULL;
		free(link);
		return error;
	}
	stack->tree_generation++;
	return link->ifindex;
}

static void link_remove(struct pl_stack *stack, struct link *link)
{
	struct link **place = &stack->links;

	while (*place != link)
		place = &(*place)->next;
	*place = link->next;
	link->deleted = true;
	link->references++;
	link_put(link);
}

void link_put(struct link *link)
{
	if (--link->references > 0 || !link->deleted)
		return;
	free(link->ipv4);
	free(link);
}

int pl_link_delete(struct pl_stack *stack, int ifindex)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	if (link == link_loopback(stack))
		return -EOPNOTSUPP;
	pl_link_set_up(stack, ifindex, false);
	in_device_detach(stack, link);
	link_remove(stack, link);
	stack->tree_generation++;
	stack_settle(stack);
	return 0;
}

int pl_link_find(struct pl_stack *stack, const char *name)
{
	const struct link *link = link_by_name(stack, name);

	return link ? link->ifindex : -ENODEV;
}

/* Up, and with somebody at the other end. */
static void link_running_update(struct link *link)
{
	link->flags &= ~(unsigned)IFF_RUNNING;
	if (link_is_up(link) && link->carrier)
		link->flags |= IFF_RUNNING;
}

int pl_link_set_up(struct pl_stack *stack, int ifindex, bool up)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	if (link_is_up(link) == up)
		return 0;
	link->flags ^= IFF_UP;
	link_running_update(link);
	if (up)
		in_device_up(stack, link);
	else
		in_device_down(stack, link);
	stack_settle(stack);
	return 0;
}

int pl_link_set_mtu(struct pl_stack *stack, int ifindex, unsigned mtu)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	if (mtu < link->ops->min_mtu || mtu > link->ops->max_mtu)
		return -EINVAL;
	unsigned old = link->mtu;
	link->mtu = mtu;
	if (mtu != old)
		in_device_mtu_changed(stack, link, old);
	return 0;
}

int pl_link_set_gso(struct pl_stack *stack, int ifindex, bool on)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	link->gso = on;
	return 0;
}

int pl_link_set_hwaddr(struct pl_stack *stack, int ifindex, const uint8_t hwaddr[6])
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	if (link->kind != PL_LINK_ETHERNET)
		return -EOPNOTSUPP;
	if (!hwaddr_is_valid(hwaddr))
		return -EADDRNOTAVAIL;
	memcpy(link->hwaddr, hwaddr, sizeof(link->hwaddr));
	in_device_hwaddr_changed(stack, link);
	stack_settle(stack);
	return 0;
}

int pl_link_set_carrier(struct pl_stack *stack, int ifindex, bool on)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	if (link == link_loopback(stack))
		return -EOPNOTSUPP;
	if (link->carrier == on)
		return 0;
	link->carrier = on;
	link_running_update(link);
	in_device_carrier_changed(stack, link);
	stack_settle(stack);
	return 0;
}

int pl_link_set_arp(struct pl_stack *stack, int ifindex, bool on)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	if (!(link->flags & IFF_NOARP) == on)
		return 0;
	link->flags ^= IFF_NOARP;
	neighbours_forget(stack, link, false);
	stack_settle(stack);
	return 0;
}

int pl_link_set_queue_limit(struct pl_stack *stack, int ifindex, unsigned limit)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	link->queue_limit = limit;
	return 0;
}

int pl_link_input(struct pl_stack *stack, int ifindex, const void *bytes, size_t length)
{
	return pl_link_input_gso(stack, ifindex, bytes, length, 0);
}

/* How many packets a large TCP segment stands for; 0: it is none. */
static uint16_t segments_in(const uint8_t *bytes, size_t length, size_t link_header, unsigned gso_size)
{
	size_t headers = link_header + 40;

	if (gso_size == 0 || length <= headers)
		return 0;
	headers = link_header + (bytes[link_header] & 15) * 4u;
	if (headers + 20 > length)
		return 0;
	headers += (bytes[headers + 12] >> 4) * 4u;
	return headers < length ? (uint16_t)((length - headers + gso_size - 1) / gso_size) : 0;
}

int pl_link_input_gso(struct pl_stack *stack, int ifindex, const void *bytes, size_t length, unsigned gso_size)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link || !link->ops->receive)
		return -ENODEV;
	if (!link_is_up(link))
		return -ENETDOWN;
	if (length > UINT16_MAX + 64)
		return -EINVAL;
	/* What ip_receive reads as words has to lie on word boundaries, so the IP header does and not the link header. */
	size_t headroom = RECEIVE_HEADROOM + (4 - link->ops->header_length % 4) % 4;
	struct pktbuf *packet = pktbuf_new(stack, headroom, length);
	if (!packet) {
		link->rx_dropped++;
		return -ENOMEM;
	}
	if (length)
		memcpy(pktbuf_put(packet, length), bytes, length);
	packet->truesize = truesize_received(length, link->kind == PL_LINK_ETHERNET);
	packet->tailroom = tailroom_received(length, link->kind == PL_LINK_ETHERNET);
	packet->arrival = stack->now;
	packet->link = link;
	packet->input_ifindex = link->ifindex;
	packet->gso_size = (uint16_t)gso_size;
	packet->gso_segs = segments_in(bytes, length, link->ops->header_length, gso_size);
	packet_tap(stack, link, packet, false);
	int result = link->ops->receive(stack, link, packet);
	stack_settle(stack);
	return result;
}

static int drop_outgoing(struct pl_stack *stack, struct link *link, struct pktbuf *packet, int error)
{
	link->tx_dropped++;
	pktbuf_free(stack, packet);
	return error;
}

static void transmit_counted(struct pl_stack *stack, struct link *link, struct pktbuf *packet, const void *header)
{
	if (header)
		memcpy(pktbuf_push(packet, link->ops->header_length), header, link->ops->header_length);
	link->tx_packets++;		/* a large segment is one, as Linux's devices count */
	link->tx_bytes += pktbuf_length(packet);
	packet_tap(stack, link, packet, true);
	pktbuf_orphan(packet);
	link->ops->transmit(stack, link, packet);
}

int link_transmit(struct pl_stack *stack, struct pktbuf *packet, const void *header)
{
	struct link *link = packet->link;

	if (link->queue_limit == 0)
		return drop_outgoing(stack, link, packet, -ENOBUFS);
	if (!link->carrier)	/* Linux's queue of a dead link drops, and tells the sender nothing that counts as an error */
		return drop_outgoing(stack, link, packet, 0);
	if (packet->gso_size && !link->gso) {
		struct pktbuf_queue pieces = { 0 };

		link_segment(stack, packet, &pieces);
		while ((packet = pktbuf_queue_pop(&pieces)))
			transmit_counted(stack, link, packet, header);
		return 0;
	}
	transmit_counted(stack, link, packet, header);
	return 0;
}

int link_send(struct pl_stack *stack, struct pktbuf *packet)
{
	if (!link_is_up(packet->link)) {	/* over a route from before: Linux drops it without an error */
		pktbuf_free(stack, packet);
		return 0;
	}
	if (packet->link->kind == PL_LINK_ETHERNET)
		return neighbour_output(stack, packet);
	return link_transmit(stack, packet, NULL);
}

void link_loop_back(struct pl_stack *stack, struct link *link, struct pktbuf *packet)
{
	pktbuf_orphan(packet);
	if (packet->references > 1) {
		/* Whoever else holds it must not see headers being pulled off. */
		struct pktbuf *copy = pktbuf_copy(stack, packet, RECEIVE_HEADROOM);

		pktbuf_free(stack, packet);
		packet = copy;
	}
	if (!packet || stack->backlog.count > (unsigned)stack->sysctl.netdev_max_backlog) {
		link->rx_dropped++;
		pktbuf_free(stack, packet);
		return;
	}
	packet->link = link;
	/* What this host sends to an address of a link of its own seems to come in on that link (rt_iif). */
	packet->input_ifindex = packet->route && packet->route->asked_link ? packet->route->asked_link : link->ifindex;
	packet->arrival = stack->now;
	packet->checksum_ok = !packet->checksum_in_software;
	pktbuf_queue_push(&stack->backlog, packet);
}

void stack_softirq(struct pl_stack *stack)
{
	struct pktbuf *packet;

	if (stack->in_softirq)
		return;
	stack->in_softirq = true;
	/* What comes while these are dealt with waits in a queue of its own, as far as netdev_max_backlog is concerned. */
	while (stack->backlog.count) {
		struct pktbuf_queue batch = stack->backlog;

		stack->backlog = (struct pktbuf_queue){ 0 };
		while ((packet = pktbuf_queue_pop(&batch))) {
			struct link *link = packet->link;

			link->rx_packets++;
			link->rx_bytes += pktbuf_length(packet);
			if (link->kind == PL_LINK_LOOPBACK)
				packet_tap(stack, link, packet, false);
			ip_receive(stack, packet);
		}
	}
	stack->in_softirq = false;
}

int link_host_new(struct pl_stack *stack)
{
	int ifindex = pl_link_add(stack, &(struct pl_link_config){ .name = "lo", .kind = PL_LINK_LOOPBACK });

	return ifindex < 0 ? ifindex : 0;
}

void link_host_free(struct pl_stack *stack)
{
	pktbuf_queue_purge(stack, &stack->backlog);
	while (stack->links) {
		struct link *link = stack->links;

		in_device_detach(stack, link);
		link_remove(stack, link);
	}
}
