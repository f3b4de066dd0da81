/* IPv4's side of a link: addresses, and what becomes of them when the link changes. */
#include <stdlib.h>

#include "../netfilter/netfilter.h"
#include "../link/arp.h"
#include "fib.h"
#include "igmp.h"
#include "mroute.h"

int in_device_attach(struct pl_stack *stack, struct link *link)
{
	struct in_device *device = calloc(1, sizeof(*device));

	if (!device)
		return -ENOMEM;
	device->link = link;
	sysctl_link_init(stack, device);
	link->ipv4 = device;
	device->multicast = mc_device_new(stack, link);
	if (!device->multicast) {
		link->ipv4 = NULL;
		free(device);
		return -ENOMEM;
	}
	if (link->kind == PL_LINK_ETHERNET)
		neighbour_reachable_time(stack, device);
	return 0;
}

void in_device_detach(struct pl_stack *stack, struct link *link)
{
	struct in_device *device = link->ipv4;

	mc_device_free(device->multicast);
	device->multicast = NULL;
	neighbour_link_down(stack, link, false);
	fib_link_gone(stack, link);
	mroute_link_gone(stack, link);
	while (device->addresses) {
		struct inet_address *ifa = device->addresses;

		device->addresses = ifa->next;
		free(ifa);
	}
}

/* Put an address in its place: primary ones by falling scope, secondary ones at the end. */
static void address_insert(struct in_device *device, struct inet_address *ifa)
{
	struct inet_address **place = &device->addresses, **after_primary = place;

	for (; *place; place = &(*place)->next)
		if (!((*place)->flags & IFA_F_SECONDARY) && ifa->scope <= (*place)->scope)
			after_primary = &(*place)->next;
	if (!(ifa->flags & IFA_F_SECONDARY))
		place = after_primary;
	ifa->next = *place;
	*place = ifa;
}

int pl_address_add(struct pl_stack *stack, int ifindex, const struct pl_address *address)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	if (address->prefix_length > 32 || address->scope > UINT8_MAX)
		return -EINVAL;
	struct in_device *device = link->ipv4;
	struct inet_address *ifa = calloc(1, sizeof(*ifa));
	if (!ifa)
		return -ENOMEM;
	ifa->local = address->local;
	ifa->address = address->peer.s_addr ? address->peer : address->local;
	ifa->broadcast = address->broadcast;
	ifa->prefix_length = (uint8_t)address->prefix_length;
	ifa->mask = prefix_mask(address->prefix_length);
	ifa->scope = (uint8_t)address->scope;
	ifa->flags = IFA_F_PERMANENT;
	link_name_join(ifa->label, address->label ? address->label : link->name, "");
	for (const struct inet_address *other = device->addresses; other; other = other->next) {
		if (other->mask.s_addr != ifa->mask.s_addr || !address_matches(ifa->address, other))
			continue;
		if (other->local.s_addr == ifa->local.s_addr || other->scope != ifa->scope) {
			bool same = other->local.s_addr == ifa->local.s_addr;

			free(ifa);
			return same ? -EEXIST : -EINVAL;
		}
		ifa->flags |= IFA_F_SECONDARY;
	}
	address_insert(device, ifa);
	sysctl_link_pin(device);
	fib_add_address(stack, device, ifa);
	fib_changed(stack);
	stack_settle(stack);
	return 0;
}

static struct inet_address *address_take_out(struct in_device *device, struct inet_address **place)
{
	struct inet_address *ifa = *place;

	(void)device;
	*place = ifa->next;
	return ifa;
}

/* With a primary address its secondary ones go too, unless the first of them is to take its place. */
static void drop_secondaries(struct pl_stack *stack, struct in_device *device, const struct inet_address *gone)
{
	bool promote = CONF_OR(stack, device, promote_secondaries);
	struct inet_address **place = &device->addresses;
	struct inet_address *promoted = NULL;

	while (*place) {
		struct inet_address *ifa = *place;

		if (!(ifa->flags & IFA_F_SECONDARY) || ifa->mask.s_addr != gone->mask.s_addr ||
		    !address_matches(ifa->address, gone)) {
			place = &ifa->next;
			continue;
		}
		if (promote && !promoted) {
			promoted = address_take_out(device, place);
			continue;
		}
		if (promote) {
			place = &ifa->next;
			continue;
		}
		address_take_out(device, place);
		fib_delete_address(stack, device, ifa);
		nf_address_gone(stack, device->link, ifa->local);
		free(ifa);
	}
	if (!promoted)
		return;
	promoted->flags &= (uint8_t)~IFA_F_SECONDARY;
	address_insert(device, promoted);
}

int pl_address_delete(struct pl_stack *stack, int ifindex, struct in_addr local, unsigned prefix_length)
{
	struct link *link = link_by_index(stack, ifindex);

	if (!link)
		return -ENODEV;
	struct in_device *device = link->ipv4;
	for (struct inet_address **place = &device->addresses; *place; place = &(*place)->next) {
		if ((*place)->local.s_addr != local.s_addr || (*place)->prefix_length != prefix_length)
			continue;
		struct inet_address *gone = address_take_out(device, place);

		if (!(gone->flags & IFA_F_SECONDARY))
			drop_secondaries(stack, device, gone);
		fib_delete_address(stack, device, gone);
		nf_address_gone(stack, link, gone->local);
		/* What a promoted address needs and the old one took away. */
		for (const struct inet_address *ifa = device->addresses; ifa; ifa = ifa->next)
			if (ifa->mask.s_addr == gone->mask.s_addr && address_matches(ifa->address, gone))
				fib_add_address(stack, device, ifa);
		free(gone);
		if (!device->addresses)
			neighbour_link_down(stack, link, false);
		stack_settle(stack);
		return 0;
	}
	return -EADDRNOTAVAIL;
}

void in_device_up(struct pl_stack *stack, struct link *link)
{
	struct in_device *device = link->ipv4;

	if (link->flags & IFF_LOOPBACK && !device->addresses)
		pl_address_add(stack, link->ifindex, &(struct pl_address){ .local.s_addr = htonl(INADDR_LOOPBACK),
									   .prefix_length = 8, .scope = RT_SCOPE_HOST });
	for (const struct inet_address *ifa = device->addresses; ifa; ifa = ifa->next)
		fib_add_address(stack, device, ifa);
	fib_link_up(stack, link);
	mc_device_up(device->multicast);
	if (CONF_MAX(stack, device, arp_notify))
		arp_announce(stack, link);
}

void in_device_down(struct pl_stack *stack, struct link *link)
{
	mc_device_down(link->ipv4->multicast);
	fib_link_down(stack, link);
	nf_address_gone(stack, link, (struct in_addr){ 0 });
	neighbour_link_down(stack, link, false);
}

void in_device_mtu_changed(struct pl_stack *stack, struct link *link, unsigned old_mtu)
{
	fib_changed(stack);
}

void in_device_hwaddr_changed(struct pl_stack *stack, struct link *link)
{
	neighbours_forget(stack, link, false);
	fib_changed(stack);
	if (CONF_MAX(stack, link->ipv4, arp_notify))
		arp_announce(stack, link);
}

void in_device_carrier_changed(struct pl_stack *stack, struct link *link)
{
	if (!link->carrier && CONF_AND(stack, link->ipv4, arp_evict_nocarrier))
		neighbour_link_down(stack, link, true);
	fib_carrier_changed(stack, link);
}

struct link *address_owner(const struct pl_stack *stack, struct in_addr local)
{
	for (struct link *link = stack->links; link; link = link->next)
		for (const struct inet_address *ifa = link->ipv4 ? link->ipv4->addresses : NULL; ifa; ifa = ifa->next)
			if (ifa->local.s_addr == local.s_addr)
				return link;
	return NULL;
}

bool address_on_link(const struct in_device *device, struct in_addr a, struct in_addr b)
{
	for (const struct inet_address *ifa = device->addresses; ifa; ifa = ifa->next)
		if (!(ifa->flags & IFA_F_SECONDARY) && address_matches(a, ifa) && (!b.s_addr || address_matches(b, ifa)))
			return true;
	return false;
}

/*
 * The best address of one device for a destination: a primary one of fitting scope, better one of the same prefix. Addresses of
 * scope host never go out, unless route_localnet allows 127/8 on the link.
 */
static struct in_addr select_on_device(const struct pl_stack *stack, const struct in_device *device, struct in_addr destination,
				       uint8_t scope)
{
	uint8_t widest = CONF_OR(stack, device, route_localnet) ? RT_SCOPE_LINK : RT_SCOPE_HOST;
	struct in_addr first = { 0 };

	for (const struct inet_address *ifa = device->addresses; ifa; ifa = ifa->next) {
		uint8_t own = ifa->scope < widest ? ifa->scope : widest;

		if (ifa->flags & IFA_F_SECONDARY || own > scope)
			continue;
		if (!destination.s_addr || address_matches(destination, ifa))
			return ifa->local;
		if (!first.s_addr)
			first = ifa->local;
	}
	return first;
}

struct in_addr select_source(struct pl_stack *stack, const struct link *link, struct in_addr destination, uint8_t scope)
{
	struct in_addr source = { 0 };

	if (link)
		source = select_on_device(stack, link->ipv4, destination, scope);
	if (source.s_addr)
		return source;
	/* Linux: an address of scope wider than link, of any link, in the order of the links. */
	for (const struct link *other = stack->links; other; other = other->next)
		for (const struct inet_address *ifa = other->ipv4->addresses; ifa; ifa = ifa->next)
			if (!(ifa->flags & IFA_F_SECONDARY) && ifa->scope != RT_SCOPE_LINK && ifa->scope <= scope)
				return ifa->local;
	return source;
}

/* inet_confirm_addr's search: the address and the subnet may be those of different entries of the device. */
static struct in_addr confirm_on_device(const struct pl_stack *stack, const struct in_device *device, struct in_addr destination,
					struct in_addr local, uint8_t scope)
{
	uint8_t widest = CONF_OR(stack, device, route_localnet) ? RT_SCOPE_LINK : RT_SCOPE_HOST;
	struct in_addr address = { 0 };
	bool same = false;

	for (const struct inet_address *ifa = device->addresses; ifa && !(same && address.s_addr); ifa = ifa->next) {
		bool fits = (ifa->scope < widest ? ifa->scope : widest) <= scope;

		if (!address.s_addr && fits && (!local.s_addr || local.s_addr == ifa->local.s_addr))
			address = ifa->local;
		if (same)
			continue;
		same = (!local.s_addr || address_matches(local, ifa)) && (!destination.s_addr || address_matches(destination, ifa));
		if (!same || !address.s_addr || local.s_addr || !destination.s_addr || address_matches(address, ifa))
			continue;
		/* The address found first is of another subnet than the destination's: this one, if it may be used, is better. */
		if (fits)
			address = ifa->local;
		else
			same = false;
	}
	return same ? address : (struct in_addr){ 0 };
}

struct in_addr address_confirm(const struct pl_stack *stack, const struct in_device *device, struct in_addr destination,
			       struct in_addr local, uint8_t scope)
{
	struct in_addr found = { 0 };

	if (device)
		return confirm_on_device(stack, device, destination, local, scope);
	for (const struct link *link = stack->links; link && !found.s_addr; link = link->next)
		found = confirm_on_device(stack, link->ipv4, destination, local, scope);
	return found;
}
