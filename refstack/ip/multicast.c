/* Which groups a link listens to. Memberships themselves are the sockets' (socket/multicast.c). */
#include "ip.h"

bool multicast_accepts(struct pl_stack *stack, const struct in_device *device, struct in_addr group, struct in_addr source,
		       uint8_t protocol)
{
	if (group.s_addr == htonl(INADDR_ALLHOSTS_GROUP))	/* every host is a member, RFC 1112 section 4 */
		return true;
	/* IGMP reports of others are heard whatever their source. */
	return ip_mc_member(stack, device->link, group, protocol == IPPROTO_IGMP ? (struct in_addr){ 0 } : source);
}
