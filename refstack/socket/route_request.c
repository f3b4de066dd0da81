/* SIOCADDRT and SIOCDELRT: routes by struct rtentry, as route(8) gives them. */
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/route.h>

#include "interface.h"

/* The device may be named by the label of an address, which becomes the source. */
static int64_t take_device(struct pl_stack *stack, const char *given, struct pl_route *route)
{
	const struct sockaddr_in none = { 0 };
	const struct inet_address *own;
	struct ifreq ifreq = { 0 };
	struct link *link;

	strncpy(ifreq.ifr_name, given, IFNAMSIZ - 1);
	link = interface_link(stack, &ifreq);
	if (!link)
		return -ENODEV;
	route->ifindex = link->ifindex;
	if (!strchr(ifreq.ifr_name, ':'))
		return 0;
	own = interface_address(link, ifreq.ifr_name, &none);
	if (!own)
		return -ENODEV;
	route->preferred_source = own->local;
	return 0;
}

static int64_t take_mask(const struct rtentry *entry, struct pl_route *route)
{
	struct sockaddr_in mask;
	uint32_t host;

	memcpy(&mask, &entry->rt_genmask, sizeof(mask));
	if (mask.sin_family != AF_INET && (mask.sin_addr.s_addr || mask.sin_family))
		return -EAFNOSUPPORT;
	host = ~ntohl(mask.sin_addr.s_addr);
	if (host & (host + 1) || route->destination.s_addr & ~mask.sin_addr.s_addr)
		return -EINVAL;
	route->prefix_length = host ? (unsigned)__builtin_clz(host) : 32;
	return 0;
}

static void take_metrics(const struct rtentry *entry, struct pl_route *route)
{
	if (entry->rt_flags & RTF_MTU)
		route->metric[RTAX_ADVMSS] = entry->rt_mtu > 40 ? (uint32_t)entry->rt_mtu - 40 : 0;
	if (entry->rt_flags & RTF_WINDOW)
		route->metric[RTAX_WINDOW] = (uint32_t)entry->rt_window;
	if (entry->rt_flags & RTF_IRTT)
		route->metric[RTAX_RTT] = (uint32_t)entry->rt_irtt << 3;
}

static int64_t take_gateway(struct pl_stack *stack, const struct rtentry *entry, struct pl_route *route)
{
	struct sockaddr_in gateway;

	memcpy(&gateway, &entry->rt_gateway, sizeof(gateway));
	if (gateway.sin_family == AF_INET && gateway.sin_addr.s_addr) {
		route->gateway = gateway.sin_addr;
		if (entry->rt_flags & RTF_GATEWAY && address_type(stack, gateway.sin_addr) == RTN_UNICAST)
			route->scope = RT_SCOPE_UNIVERSE;
	}
	return 0;
}

/* What the entry says as `ip route` would say it. 0 or the error. */
static int64_t route_of(struct pl_stack *stack, const struct rtentry *entry, bool adding, struct pl_route *route)
{
	struct sockaddr_in destination;
	int64_t result = 0;

	memcpy(&destination, &entry->rt_dst, sizeof(destination));
	if (destination.sin_family != AF_INET)
		return -EAFNOSUPPORT;
	*route = (struct pl_route){ .destination = destination.sin_addr, .prefix_length = 32, .type = RTN_UNICAST,
				    .scope = RT_SCOPE_NOWHERE, .protocol = RTPROT_BOOT, .table = RT_TABLE_MAIN };
	if (!(entry->rt_flags & RTF_HOST))
		result = take_mask(entry, route);
	if (result)
		return result;
	if (entry->rt_metric)
		route->priority = (unsigned)entry->rt_metric - 1;
	if (entry->rt_flags & RTF_REJECT) {
		route->scope = RT_SCOPE_HOST;
		route->type = RTN_UNREACHABLE;
		return 0;
	}
	if (entry->rt_dev)
		result = take_device(stack, entry->rt_dev, route);
	if (!result)
		result = take_gateway(stack, entry, route);
	if (result)
		return result;
	if (!adding) {		/* whoever made it, and of whatever kind and scope it is */
		route->type = 0;
		route->scope = 0;
		route->protocol = 0;
		return 0;
	}
	if (entry->rt_flags & RTF_GATEWAY && !route->gateway.s_addr)
		return -EINVAL;
	if (route->scope == RT_SCOPE_NOWHERE)
		route->scope = RT_SCOPE_LINK;
	take_metrics(entry, route);
	return 0;
}

int64_t route_ioctl(struct pl_stack *stack, unsigned long request, void *argument)
{
	struct rtentry entry;
	struct pl_route route;
	int64_t result;

	if (request != SIOCADDRT && request != SIOCDELRT)
		return -ENOTTY;
	if (!argument)
		return -EFAULT;
	memcpy(&entry, argument, sizeof(entry));
	if (!capable(stack, CAP_NET_ADMIN))
		return -EPERM;
	result = route_of(stack, &entry, request == SIOCADDRT, &route);
	if (result)
		return result;
	return request == SIOCADDRT ? pl_route_add(stack, &route, false) : pl_route_delete(stack, &route);
}
