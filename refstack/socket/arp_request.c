/* arp(7)'s requests: entries of the neighbour table by struct arpreq. */
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>

#include "../link/neighbour.h"
#include "interface.h"

static struct in_addr protocol_address(const struct arpreq *arp)
{
	struct sockaddr_in address;

	memcpy(&address, &arp->arp_pa, sizeof(address));
	return address.sin_addr;
}

/* The link that it names, or, when it names none, the one that the way to the address leads over. */
static int64_t find_link(struct pl_stack *stack, const struct arpreq *arp, struct link **link)
{
	struct flow flow = { .destination = protocol_address(arp) };
	struct route *route;
	int error;

	*link = NULL;
	if (arp->arp_dev[0]) {
		*link = link_by_name(stack, arp->arp_dev);
		return *link ? 0 : -ENODEV;
	}
	error = route_output(stack, &flow, &route);
	if (error)
		return error;
	*link = route->link;
	route_put(stack, route);
	return *link ? 0 : -EINVAL;
}

static int64_t arp_get(struct pl_stack *stack, struct link *link, struct arpreq *arp)
{
	struct neighbour *neighbour = neighbour_find(stack, link, protocol_address(arp));

	if (!neighbour)
		return -ENXIO;
	if (!(neighbour->state & NUD_NOARP)) {
		memcpy(arp->arp_ha.sa_data, neighbour->hwaddr, ETH_ALEN);
		arp->arp_flags = (int)neighbour_arp_flags(neighbour);
	}
	arp->arp_ha.sa_family = (sa_family_t)link->ops->hardware_type;
	memset(arp->arp_dev, 0, sizeof(arp->arp_dev));
	memcpy(arp->arp_dev, link->name, sizeof(arp->arp_dev) - 1);
	return 0;
}

/* Published entries: somebody else's address, answered for on one link or on all. */
static int64_t arp_published(struct pl_stack *stack, const struct arpreq *arp, unsigned long request, const struct link *link)
{
	struct sockaddr_in mask;
	struct pl_neighbour proxy = { .ifindex = link ? link->ifindex : 0, .address = protocol_address(arp), .flags = NTF_PROXY };

	memcpy(&mask, &arp->arp_netmask, sizeof(mask));
	if (mask.sin_addr.s_addr && mask.sin_addr.s_addr != INADDR_BROADCAST)
		return -EINVAL;
	if (!mask.sin_addr.s_addr) {
		if (link)
			link->ipv4->conf.proxy_arp = request == SIOCSARP;
		else
			stack->sysctl.conf_all.proxy_arp = request == SIOCSARP;
		return 0;
	}
	if (request == SIOCSARP)
		return pl_neighbour_set(stack, &proxy, NLM_F_CREATE | NLM_F_REPLACE);
	return pl_neighbour_delete(stack, &proxy) == -ENOENT ? -ENXIO : 0;
}

static int64_t arp_set(struct pl_stack *stack, const struct link *link, const struct arpreq *arp)
{
	struct pl_neighbour entry = { .ifindex = link->ifindex, .address = protocol_address(arp), .has_hwaddr = true,
				      .state = arp->arp_flags & ATF_PERM ? NUD_PERMANENT : NUD_STALE };

	if (arp->arp_ha.sa_family != link->ops->hardware_type)
		return -EINVAL;
	memcpy(entry.hwaddr, arp->arp_ha.sa_data, ETH_ALEN);
	return pl_neighbour_set(stack, &entry, NLM_F_CREATE | NLM_F_REPLACE);
}

static int64_t arp_delete(struct pl_stack *stack, const struct link *link, const struct arpreq *arp)
{
	struct pl_neighbour entry = { .ifindex = link->ifindex, .address = protocol_address(arp) };

	return pl_neighbour_delete(stack, &entry) == -ENOENT ? -ENXIO : 0;
}

int64_t arp_ioctl(struct pl_stack *stack, unsigned long request, void *argument)
{
	struct arpreq arp;
	struct link *link;
	int64_t result;

	if (request != SIOCSARP && request != SIOCGARP && request != SIOCDARP)
		return -ENOTTY;
	if (request != SIOCGARP && !capable(stack, CAP_NET_ADMIN))
		return -EPERM;
	if (!argument)
		return -EFAULT;
	memcpy(&arp, argument, sizeof(arp));
	arp.arp_dev[sizeof(arp.arp_dev) - 1] = '\0';
	if (arp.arp_pa.sa_family != AF_INET)
		return -EPFNOSUPPORT;
	if (!(arp.arp_flags & ATF_PUBL) && arp.arp_flags & (ATF_NETMASK | ATF_DONTPUB))
		return -EINVAL;
	if (!(arp.arp_flags & ATF_NETMASK))
		((struct sockaddr_in *)&arp.arp_netmask)->sin_addr.s_addr = INADDR_BROADCAST;
	if (request == SIOCGARP && !arp.arp_dev[0])
		return -ENODEV;
	if (request != SIOCGARP && arp.arp_flags & ATF_PUBL && !arp.arp_dev[0])
		return arp_published(stack, &arp, request, NULL);
	result = find_link(stack, &arp, &link);
	if (result)
		return result;
	if (!arp.arp_ha.sa_family)
		arp.arp_ha.sa_family = (sa_family_t)link->ops->hardware_type;
	if (arp.arp_flags & ATF_COM && arp.arp_ha.sa_family != link->ops->hardware_type)
		return -EINVAL;
	if (request == SIOCGARP) {
		result = arp_get(stack, link, &arp);
		if (!result)
			memcpy(argument, &arp, sizeof(arp));
		return result;
	}
	if (arp.arp_flags & ATF_PUBL)
		return arp_published(stack, &arp, request, link);
	return request == SIOCSARP ? arp_set(stack, link, &arp) : arp_delete(stack, link, &arp);
}
