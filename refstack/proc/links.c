/* /proc/net/dev, arp, packet: what belongs to links. */
#include <inttypes.h>

#include "../ip/ip.h"
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

void proc_arp(struct pl_stack *stack, FILE *to)
{
	fputs("IP address       HW type     Flags       HW address            Mask     Device\n", to);
}

void proc_packet(struct pl_stack *stack, FILE *to)
{
	fputs("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n", to);
}
