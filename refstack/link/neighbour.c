/* Neighbours: groups and broadcasts, whose hardware addresses need no question. */
#include "neighbour.h"

#include "../ip/ip.h"
#include "ethernet.h"

int neighbour_output(struct pl_stack *stack, struct pktbuf *packet)
{
	uint8_t hwaddr[ETH_ALEN];

	if (ip_is_multicast(packet->gateway)) {
		ethernet_map_multicast(packet->gateway, hwaddr);
	} else if (packet->route && packet->route->type == RTN_BROADCAST) {
		memcpy(hwaddr, ethernet_broadcast, sizeof(hwaddr));
	} else {
		pktbuf_free(stack, packet);
		return 0;
	}
	return ethernet_send(stack, packet->link, packet, ETH_P_IP, hwaddr);
}

void neighbours_forget(struct pl_stack *stack, struct link *link, bool keep_permanent)
{
}

bool neighbour_good(struct pl_stack *stack, struct link *link, struct in_addr address)
{
	return true;
}

bool neighbour_ready(struct pl_stack *stack, struct link *link, struct in_addr address)
{
	return link->kind != PL_LINK_ETHERNET;
}
