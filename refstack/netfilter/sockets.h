/* Sockets of this host, as rules ask for them. */
#ifndef REFSTACK_NETFILTER_SOCKETS_H
#define REFSTACK_NETFILTER_SOCKETS_H

#include "extensions.h"

struct filter_socket {
	struct sock *sk;		/* to give the packet to; NULL: its own addresses lead it there */
	bool is_full;			/* neither a handshake under way nor TIME-WAIT */
	bool is_transparent, is_wildcard;	/* IP_TRANSPARENT; bound to no address */
	uint32_t mark;
};

/* Who has the connection of the packet's own addresses and ports. */
bool filter_find_connected(const struct rule_packet *at, struct filter_socket *found);
/* Who would take a packet to this address and port (host order) that belongs to no connection yet. */
bool filter_find_listener(const struct rule_packet *at, struct in_addr address, uint16_t port, struct filter_socket *found);

#endif
