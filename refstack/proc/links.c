/* /proc/net/dev, arp, packet: what belongs to links. */
#include <inttypes.h>

#include <net/if_arp.h>

#include "../ip/ip.h"
#include "../link/neighbour.h"
#include "../socket/file.h"
#include "proc.h"

void proc_dev(struct pl_stack *stack, FILE *to)
{
	fputs("Inter-|   Receive                                                |  Transmit\n"
	      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
	      "compressed\n",
	      to);
	for (const struct link *link = stack->links; link; link = link->next)
		fprintf(to,
			"%6s: %7" PRIu64 " %7" PRIu64 " %4" PRIu64 " %4" PRIu64 " %4d %5d %10d %9" PRIu64 " %8" PRIu64 " %7" PRIu64
			" %4" PRIu64 " %4" PRIu64 " %4d %5d %7d %10d\n",
			link->name, link->rx_bytes, link->rx_packets, link->rx_errors, link->rx_dropped, 0, 0, 0, link->multicast,
			link->tx_bytes, link->tx_packets, link->tx_errors, link->tx_dropped, 0, 0, 0, 0);
}

static void arp_line(FILE *to, struct in_addr address, unsigned type, unsigned flags, const uint8_t *hwaddr, const char *device)
{
	const uint8_t *a = (const uint8_t *)&address;
	char text[INET_ADDRSTRLEN];

	snprintf(text, sizeof(text), "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
	fprintf(to, "%-16s 0x%-10x0x%-10x%02x:%02x:%02x:%02x:%02x:%02x     *        %s\n", text, type, flags, hwaddr[0], hwaddr[1],
		hwaddr[2], hwaddr[3], hwaddr[4], hwaddr[5], device);
}

/* Those that ARP is about: not groups and broadcasts, whose addresses are known without. Then what is answered for. */
void proc_arp(struct pl_stack *stack, FILE *to)
{
	static const uint8_t none[ETH_ALEN];

	fputs("IP address       HW type     Flags       HW address            Mask     Device\n", to);
	for (const struct neighbour *n = stack->neighbours->oldest; n; n = n->newer)
		if (n->state & ~NUD_NOARP)
			arp_line(to, n->address, n->link->ops->hardware_type, neighbour_arp_flags(n), n->hwaddr, n->link->name);
	for (const struct neighbour_proxy *p = stack->neighbours->proxies; p; p = p->next)
		arp_line(to, p->address, p->link ? p->link->ops->hardware_type : 0, ATF_PUBL | ATF_PERM, none,
			 p->link ? p->link->name : "*");
}

void proc_packet(struct pl_stack *stack, FILE *to)
{
	fputs("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n", to);
}
