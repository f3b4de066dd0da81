/*
 * netdevice(7), requests that change a link. Addresses are set as ifconfig(8) sets them: the first SIOCSIFADDR makes an address with
 * the mask of its class; a mask, a broadcast address or a far end that follows changes that address, which is taken away
 * and put back for it, with its routes.
 */
#include <linux/sockios.h>

#include "interface.h"

/* What SIOCSIFFLAGS may change beside IFF_UP. */
#define FLAGS_TO_SET (IFF_DEBUG | IFF_NOTRAILERS | IFF_NOARP | IFF_DYNAMIC | IFF_MULTICAST | IFF_PORTSEL | IFF_AUTOMEDIA)

/* The length of the prefix that the class of an address has; 0 for 0.x.y.z, -1 when it has none (D, E). */
static int class_prefix(struct in_addr address)
{
	uint32_t host = ntohl(address.s_addr);

	if (!(host >> 24))
		return 0;
	if (host == UINT32_MAX)
		return 32;
	return IN_CLASSA(host) ? 8 : IN_CLASSB(host) ? 16 : IN_CLASSC(host) ? 24 : -1;
}

static int64_t put_back(struct pl_stack *stack, struct link *link, const struct inet_address *was, struct inet_address *changed)
{
	struct pl_address address = { .local = changed->local, .broadcast = changed->broadcast,
				      .prefix_length = changed->prefix_length, .scope = changed->scope, .label = changed->label };
	bool had = was && was->local.s_addr;

	if (changed->address.s_addr != changed->local.s_addr)
		address.peer = changed->address;
	if (had)
		pl_address_delete(stack, link->ifindex, was->local, was->prefix_length);
	return changed->local.s_addr ? pl_address_add(stack, link->ifindex, &address) : 0;
}

static int64_t set_local(struct pl_stack *stack, struct link *link, const struct inet_address *own, const char *label,
			 struct in_addr local)
{
	int prefix = class_prefix(local);
	struct inet_address was = { 0 }, changed = { .local = local, .address = local, .prefix_length = 32 };

	if (prefix < 0)
		return -EINVAL;
	if (own && own->local.s_addr == local.s_addr)
		return 0;
	if (own)
		was = *own;
	link_name_join(changed.label, strchr(label, ':') ? label : link->name, "");
	if (!(link->flags & IFF_POINTOPOINT)) {
		changed.prefix_length = (uint8_t)prefix;
		if (link->flags & IFF_BROADCAST && prefix < 31)
			changed.broadcast.s_addr = local.s_addr | ~prefix_mask((unsigned)prefix).s_addr;
	}
	if (ntohl(local.s_addr) >> 24 == IN_LOOPBACKNET)
		changed.scope = RT_SCOPE_HOST;
	return put_back(stack, link, &was, &changed);
}

/* A mask is ones and then zeros. A broadcast address that came from the old mask follows the new one. */
static int64_t set_mask(const struct link *link, struct inet_address *changed, struct in_addr mask)
{
	uint32_t host = ~ntohl(mask.s_addr);
	bool derived = changed->broadcast.s_addr == (changed->local.s_addr | ~changed->mask.s_addr);

	if (host & (host + 1))
		return -EINVAL;
	changed->prefix_length = (uint8_t)(host ? __builtin_clz(host) : 32);
	if (link->flags & IFF_BROADCAST && changed->prefix_length < 31 && derived)
		changed->broadcast.s_addr = changed->local.s_addr | ~mask.s_addr;
	changed->mask = mask;
	return 0;
}

int64_t interface_set_address(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	struct sockaddr_in given, none = { 0 };
	const struct inet_address *own = interface_address(link, ifreq->ifr_name, &none);
	struct inet_address was, changed;
	int64_t result = 0;

	memcpy(&given, &ifreq->ifr_addr, sizeof(given));
	if (request == SIOCSIFADDR)
		return set_local(stack, link, own, ifreq->ifr_name, given.sin_addr);
	if (!own)
		return -EADDRNOTAVAIL;
	was = changed = *own;
	if (request == SIOCSIFBRDADDR) {
		changed.broadcast = given.sin_addr;
	} else if (request == SIOCSIFNETMASK) {
		result = set_mask(link, &changed, given.sin_addr);
	} else {
		if (was.address.s_addr != given.sin_addr.s_addr && class_prefix(given.sin_addr) < 0)
			return -EINVAL;
		changed.address = given.sin_addr;
	}
	if (result || (changed.broadcast.s_addr == was.broadcast.s_addr && changed.mask.s_addr == was.mask.s_addr &&
		       changed.address.s_addr == was.address.s_addr))
		return result;
	return put_back(stack, link, &was, &changed);
}

/* Of an alias: without IFF_UP its address goes. */
static int64_t set_alias_flags(struct pl_stack *stack, struct link *link, const struct ifreq *ifreq)
{
	const struct sockaddr_in none = { 0 };
	const struct inet_address *own = interface_address(link, ifreq->ifr_name, &none);

	if (!own)
		return -EADDRNOTAVAIL;
	return ifreq->ifr_flags & IFF_UP ? 0 : pl_address_delete(stack, link->ifindex, own->local, own->prefix_length);
}

int64_t interface_set_flags(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	if (strchr(ifreq->ifr_name, ':'))
		return set_alias_flags(stack, link, ifreq);
	link->flags = (link->flags & ~(unsigned)FLAGS_TO_SET) | ((unsigned)(unsigned short)ifreq->ifr_flags & FLAGS_TO_SET);
	return pl_link_set_up(stack, link->ifindex, ifreq->ifr_flags & IFF_UP);
}

int64_t interface_set_mtu(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return pl_link_set_mtu(stack, link->ifindex, (unsigned)ifreq->ifr_mtu);
}

int64_t interface_set_queue_length(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	if (ifreq->ifr_qlen < 0)
		return -EINVAL;
	link->txqueuelen = (unsigned)ifreq->ifr_qlen;
	return 0;
}

int64_t interface_set_hardware_address(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	if (link->kind == PL_LINK_TUN)
		return -EOPNOTSUPP;
	if (ifreq->ifr_hwaddr.sa_family != link->ops->hardware_type)
		return -EINVAL;
	return pl_link_set_hwaddr(stack, link->ifindex, (const uint8_t *)ifreq->ifr_hwaddr.sa_data);
}

/* Frames to everybody go there from then on. To neighbours that are known it is a change of address. */
int64_t interface_set_hardware_broadcast(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	if (ifreq->ifr_hwaddr.sa_family != link->ops->hardware_type)
		return -EINVAL;
	if (link->kind != PL_LINK_ETHERNET)
		return 0;
	memcpy(link->broadcast, ifreq->ifr_hwaddr.sa_data, sizeof(link->broadcast));
	in_device_hwaddr_changed(stack, link);
	return 0;
}

static bool name_valid(const char *name)
{
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || *name == ' ' || (*name >= '\t' && *name <= '\r'))
			return false;
	return true;
}

/* The labels of its addresses go with it: what stands behind the colon stays. */
int64_t interface_set_name(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	char name[IFNAMSIZ], old[IFNAMSIZ];
	size_t length = strlen(link->name);

	memcpy(name, ifreq->ifr_newname, IFNAMSIZ);
	name[IFNAMSIZ - 1] = '\0';
	if (!strcmp(name, link->name))
		return 0;
	if (!name_valid(name))
		return -EINVAL;
	if (link_by_name(stack, name))
		return -EEXIST;
	for (struct inet_address *own = link->ipv4->addresses; own; own = own->next) {
		char rest[IFNAMSIZ];

		memcpy(old, own->label, IFNAMSIZ);
		if (strncmp(old, link->name, length) || (old[length] && old[length] != ':'))
			continue;
		memcpy(rest, old + length, IFNAMSIZ - length);
		rest[IFNAMSIZ - length - 1] = '\0';
		link_name_join(own->label, name, rest);
	}
	memcpy(link->name, name, IFNAMSIZ);
	return 0;
}
