/* Which protocol a socket(2) call gets: what Linux has in inetsw[]. */
#include "../packet/packet.h"
#include "file.h"

#include <linux/capability.h>
#include <linux/net.h>
#include <netinet/in.h>

/*
 * In the kernel's order: with protocol 0 the first row of the type is taken. A row whose protocol is 0 takes any protocol but 0.
 * Protocols join as their files do.
 */
static const struct proto *const protocols[] = {
	&tcp_proto,
	&udp_proto,
	&udplite_proto,
	&ping_proto,
	&raw_proto,
};

/*
 * The checks of __sock_create() and inet_create(): address family, type, protocol number, the row, and the privilege that raw
 * sockets need. type is without SOCK_NONBLOCK and SOCK_CLOEXEC. 0 with *proto and the protocol's *number, or minus the error.
 */
int protocol_find(struct pl_stack *stack, int family, int type, int protocol, const struct proto **proto, int *number)
{
	int error = -ESOCKTNOSUPPORT;

	if (family < 0 || family >= AF_MAX)
		return -EAFNOSUPPORT;
	if (type < 0 || type >= SOCK_PACKET + 1)
		return -EINVAL;
	if (family != AF_INET)
		return -EAFNOSUPPORT;
	if (type == SOCK_PACKET) {	/* the old name of packet sockets: the protocol is an Ethernet type */
		*proto = &packet_proto;
		*number = protocol;
		return capable(stack, CAP_NET_RAW) ? 0 : -EPERM;
	}
	if (protocol < 0 || protocol >= IPPROTO_MAX)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		const struct proto *row = protocols[i];

		if (!row || row->type != type)
			continue;
		error = -EPROTONOSUPPORT;
		if (row->protocol ? protocol && protocol != row->protocol : !protocol)
			continue;
		if (type == SOCK_RAW && !capable(stack, CAP_NET_RAW))
			return -EPERM;
		*proto = row;
		*number = protocol ? protocol : row->protocol;
		return 0;
	}
	return error;
}
