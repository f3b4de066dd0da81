#include "netstate.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct netstate_link *link_of(struct netstate *state, int ifindex)
{
	for (unsigned i = 0; i < state->links; i++)
		if (state->link[i].ifindex == ifindex)
			return &state->link[i];
	return NULL;
}

uint32_t netstate_u32(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t) ? mnl_attr_get_u32(attribute) : 0;
}

static void parse_link(const struct nlmsghdr *message, struct netstate_link *link)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	*link = (struct netstate_link){ .ifindex = info->ifi_index, .up = info->ifi_flags & IFF_UP,
					.arp = !(info->ifi_flags & IFF_NOARP), .carrier = true };
	mnl_attr_for_each(attribute, message, sizeof(*info)) {
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_IFNAME:
			strncpy(link->name, mnl_attr_get_str(attribute), sizeof(link->name) - 1);
			break;
		case IFLA_MTU:
			link->mtu = netstate_u32(attribute);
			break;
		case IFLA_TXQLEN:
			link->txqueuelen = netstate_u32(attribute);
			break;
		case IFLA_CARRIER:
			link->carrier = mnl_attr_get_u8(attribute);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attribute) == sizeof(link->hwaddr))
				memcpy(link->hwaddr, mnl_attr_get_payload(attribute), sizeof(link->hwaddr));
			break;
		}
	}
}

static int read_link(const struct nlmsghdr *message, void *data)
{
	struct netstate_reading *reading = data;

	if (reading->state->links == NETSTATE_LINKS)
		reading->full = true;
	else
		parse_link(message, &reading->state->link[reading->state->links++]);
	return MNL_CB_OK;
}

static int read_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct netstate_reading *reading = data;
	struct netstate_address *entry = &reading->state->address[reading->state->addresses];
	const struct nlattr *attribute;

	if (info->ifa_family != AF_INET)
		return MNL_CB_OK;
	if (reading->state->addresses == NETSTATE_ENTRIES) {
		reading->full = true;
		return MNL_CB_OK;
	}
	memset(entry, 0, sizeof(*entry));	/* the padding too: states are compared as bytes */
	entry->ifindex = (int)info->ifa_index;
	entry->address.prefix_length = info->ifa_prefixlen;
	entry->address.scope = info->ifa_scope;
	mnl_attr_for_each(attribute, message, sizeof(*info)) {
		switch (mnl_attr_get_type(attribute)) {
		case IFA_LOCAL:
			entry->address.local.s_addr = netstate_u32(attribute);
			break;
		case IFA_ADDRESS:
			entry->address.peer.s_addr = netstate_u32(attribute);
			break;
		case IFA_BROADCAST:
			entry->address.broadcast.s_addr = netstate_u32(attribute);
			break;
		}
	}
	if (entry->address.peer.s_addr == entry->address.local.s_addr)
		entry->address.peer.s_addr = 0;
	reading->state->addresses++;
	return MNL_CB_OK;
}

/* Entries that the kernel makes by itself, of groups and broadcasts, have the state NOARP. */
static int read_neighbour(const struct nlmsghdr *message, void *data)
{
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	struct netstate_reading *reading = data;
	struct pl_neighbour *entry = &reading->state->neighbour[reading->state->neighbours];
	const struct nlattr *attribute;

	if (info->ndm_family != AF_INET || info->ndm_state == NUD_NOARP)
		return MNL_CB_OK;
	if (reading->state->neighbours == NETSTATE_NEIGHBOURS) {
		reading->full = true;
		return MNL_CB_OK;
	}
	memset(entry, 0, sizeof(*entry));
	entry->ifindex = info->ndm_ifindex;
	entry->state = info->ndm_state;
	entry->flags = info->ndm_flags;
	mnl_attr_for_each(attribute, message, sizeof(*info)) {
		switch (mnl_attr_get_type(attribute)) {
		case NDA_DST:
			entry->address.s_addr = netstate_u32(attribute);
			break;
		case NDA_LLADDR:
			entry->has_hwaddr = mnl_attr_get_payload_len(attribute) == sizeof(entry->hwaddr);
			if (entry->has_hwaddr)
				memcpy(entry->hwaddr, mnl_attr_get_payload(attribute), sizeof(entry->hwaddr));
			break;
		case NDA_FLAGS_EXT:
			entry->managed = netstate_u32(attribute) & NTF_EXT_MANAGED;
			break;
		}
	}
	reading->state->neighbours++;
	return MNL_CB_OK;
}

static int read_proxy(const struct nlmsghdr *message, void *data)
{
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);

	return info->ndm_flags & NTF_PROXY ? read_neighbour(message, data) : MNL_CB_OK;
}

/* The root qdisc of a link: a pfifo with a limit, or anything else, which the stack's own queue stands for. */
static int read_qdisc(const struct nlmsghdr *message, void *data)
{
	const struct tcmsg *info = mnl_nlmsg_get_payload(message);
	struct netstate_reading *reading = data;
	struct netstate_link *link = link_of(reading->state, info->tcm_ifindex);
	const struct nlattr *attribute;
	bool fifo = false;

	if (!link || info->tcm_parent != TC_H_ROOT)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*info)) {
		unsigned type = mnl_attr_get_type(attribute);

		if (type == TCA_KIND)
			fifo = !strcmp(mnl_attr_get_str(attribute), "pfifo");
		else if (type == TCA_OPTIONS && fifo && mnl_attr_get_payload_len(attribute) >= sizeof(struct tc_fifo_qopt))
			link->queue_limit = ((const struct tc_fifo_qopt *)mnl_attr_get_payload(attribute))->limit;
	}
	link->limited = fifo;
	return MNL_CB_OK;
}

/* Dump one kind of object into the state. */
static bool dump(struct mnl_socket *socket, uint16_t type, size_t header, mnl_cb_t each, struct netstate_reading *reading)
{
	static const size_t room = 32768;
	char *buffer = malloc(room);
	struct nlmsghdr *request;
	unsigned char *body;
	ssize_t length;
	int more = 1;

	if (!buffer)
		return false;
	request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* The address family stands first in every one of these headers; packets and links have AF_UNSPEC. */
	body = mnl_nlmsg_put_extra_header(request, header);
	body[0] = type == RTM_GETLINK || type == RTM_GETQDISC ? AF_UNSPEC : AF_INET;
	if (each == read_proxy)		/* they are another dump */
		((struct ndmsg *)body)->ndm_flags = NTF_PROXY;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		more = -1;
	while (more > 0) {
		length = mnl_socket_recvfrom(socket, buffer, room);
		more = length < 0 ? -1 : mnl_cb_run(buffer, (size_t)length, 0, mnl_socket_get_portid(socket), each, reading);
	}
	free(buffer);
	return more == 0;
}

static bool ethtool_flag(int fd, const char *name, uint32_t command)
{
	struct ethtool_value value = { .cmd = command };
	struct ifreq request = { .ifr_data = (void *)&value };

	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 || value.data;
}

static bool read_offloads(struct netstate *state)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	for (unsigned i = 0; i < state->links; i++)
		/* Without TSO large segments are cut before the link, and before whoever captures there. */
		state->link[i].gso = ethtool_flag(fd, state->link[i].name, ETHTOOL_GTSO);
	close(fd);
	return true;
}

bool netstate_read(struct netstate *state, const char **error)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct netstate_reading reading = { .state = state };
	bool done;

	*state = (struct netstate){ 0 };
	done = socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	       dump(socket, RTM_GETLINK, sizeof(struct ifinfomsg), read_link, &reading) &&
	       dump(socket, RTM_GETADDR, sizeof(struct ifaddrmsg), read_address, &reading) &&
	       dump(socket, RTM_GETROUTE, sizeof(struct rtmsg), netstate_read_route, &reading) &&
	       dump(socket, RTM_GETRULE, sizeof(struct fib_rule_hdr), netstate_read_rule, &reading) &&
	       dump(socket, RTM_GETNEIGH, sizeof(struct ndmsg), read_neighbour, &reading) &&
	       dump(socket, RTM_GETNEIGH, sizeof(struct ndmsg), read_proxy, &reading) &&
	       dump(socket, RTM_GETQDISC, sizeof(struct tcmsg), read_qdisc, &reading) && read_offloads(state);
	if (socket)
		mnl_socket_close(socket);
	*error = !done ? "netlink does not tell what the command has set" :
		 reading.full ? "the command has set more links, addresses, routes, rules or neighbours than can be carried over" : NULL;
	return !*error;
}

/* --- carrying over ----------------------------------------------------------------------------------------------------------- */

/* The stack's index of a link of the namespace, or -1. */
static int stack_link(struct pl_stack *stack, const struct netstate *state, int ifindex)
{
	for (unsigned i = 0; i < state->links; i++)
		if (state->link[i].ifindex == ifindex)
			return pl_link_find(stack, state->link[i].name);
	return -1;
}

static const struct netstate_link *link_before(const struct netstate *before, const struct netstate_link *link)
{
	for (unsigned i = 0; i < before->links; i++)
		if (before->link[i].ifindex == link->ifindex)
			return &before->link[i];
	return NULL;
}

static void apply_link(struct pl_stack *stack, const struct netstate_link *old, const struct netstate_link *new)
{
	int ifindex = pl_link_find(stack, new->name);

	if (ifindex < 0)
		return;
	if (old->mtu != new->mtu)
		pl_link_set_mtu(stack, ifindex, new->mtu);
	if (old->gso != new->gso)
		pl_link_set_gso(stack, ifindex, new->gso);
	if (old->limited != new->limited || old->queue_limit != new->queue_limit)
		pl_link_set_queue_limit(stack, ifindex, new->limited ? new->queue_limit : new->txqueuelen);
	if (memcmp(old->hwaddr, new->hwaddr, sizeof(old->hwaddr)))
		pl_link_set_hwaddr(stack, ifindex, new->hwaddr);
	if (old->arp != new->arp)
		pl_link_set_arp(stack, ifindex, new->arp);
	if (old->carrier != new->carrier && old->up == new->up)	/* a link that is down shows no carrier */
		pl_link_set_carrier(stack, ifindex, new->carrier);
	if (old->up != new->up)
		pl_link_set_up(stack, ifindex, new->up);
}

struct mnl_socket *netstate_watch_open(void)
{
	struct mnl_socket *watch = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (watch && mnl_socket_bind(watch, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(watch);
		return NULL;
	}
	return watch;
}

struct watching {
	struct pl_stack *stack;
	struct netstate *state;
};

static int watch_link(const struct nlmsghdr *message, void *data)
{
	struct watching *watching = data;
	const struct ifinfomsg *body = mnl_nlmsg_get_payload(message);
	struct netstate_link *old, new;

	if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
		return MNL_CB_OK;
	parse_link(message, &new);
	old = link_of(watching->state, new.ifindex);
	if (!old)
		return MNL_CB_OK;
	if (message->nlmsg_type == RTM_DELLINK) {
		if (body->ifi_family == AF_UNSPEC)	/* a bridge's message is about its port */
			pl_link_delete(watching->stack, pl_link_find(watching->stack, old->name));
		return MNL_CB_OK;
	}
	/* What these messages do not tell. */
	new.gso = old->gso;
	new.limited = old->limited;
	new.queue_limit = old->queue_limit;
	apply_link(watching->stack, old, &new);
	*old = new;
	return MNL_CB_OK;
}

void netstate_watch_apply(struct mnl_socket *watch, struct pl_stack *stack, struct netstate *state)
{
	struct watching watching = { stack, state };
	char buffer[16384];
	ssize_t length;

	while (watch && (length = mnl_socket_recvfrom(watch, buffer, sizeof(buffer))) > 0)
		mnl_cb_run(buffer, (size_t)length, 0, 0, watch_link, &watching);
}

void netstate_watch_close(struct mnl_socket *watch)
{
	if (watch)
		mnl_socket_close(watch);
}

static bool has_address(const struct netstate *state, const struct netstate_address *address)
{
	for (unsigned i = 0; i < state->addresses; i++)
		if (!memcmp(&state->address[i], address, sizeof(*address)))
			return true;
	return false;
}

static bool has_route(const struct netstate *state, const struct pl_route *route)
{
	for (unsigned i = 0; i < state->routes; i++)
		if (!memcmp(&state->route[i], route, sizeof(*route)))
			return true;
	return false;
}

static void apply_addresses(struct pl_stack *stack, const struct netstate *before, const struct netstate *after)
{
	for (unsigned i = 0; i < before->addresses; i++) {
		const struct netstate_address *gone = &before->address[i];
		int ifindex = stack_link(stack, before, gone->ifindex);

		if (ifindex >= 0 && !has_address(after, gone))
			pl_address_delete(stack, ifindex, gone->address.local, gone->address.prefix_length);
	}
	for (unsigned i = 0; i < after->addresses; i++) {
		const struct netstate_address *new = &after->address[i];
		int ifindex = stack_link(stack, after, new->ifindex);

		if (ifindex >= 0 && !has_address(before, new))
			pl_address_add(stack, ifindex, &new->address);
	}
}

/* A route over no link (blackhole, unreachable) has index 0 on both sides; one over a link that the stack lacks is passed by. */
static bool route_over(struct pl_stack *stack, const struct netstate *state, const struct pl_route *from, struct pl_route *route)
{
	*route = *from;
	if (from->ifindex)
		route->ifindex = stack_link(stack, state, from->ifindex);
	for (unsigned i = 0; i < from->nexthops; i++) {
		route->nexthop[i].ifindex = stack_link(stack, state, from->nexthop[i].ifindex);
		if (route->nexthop[i].ifindex < 0)
			return false;
	}
	return route->ifindex >= 0;
}

static const char *apply_routes(struct pl_stack *stack, const struct netstate *before, const struct netstate *after)
{
	const char *refused = NULL;
	struct pl_route route;
	int error;

	for (unsigned i = 0; i < before->routes; i++)
		if (!has_route(after, &before->route[i]) && route_over(stack, before, &before->route[i], &route))
			pl_route_delete(stack, &route);
	for (unsigned i = 0; i < after->routes; i++) {
		if (has_route(before, &after->route[i]) || !route_over(stack, after, &after->route[i], &route))
			continue;
		error = pl_route_append(stack, &route);
		if (error && error != -EEXIST)
			refused = "the reference stack does not take a route that the command has set";
	}
	return refused;
}

static bool has_rule(const struct netstate *state, const struct pl_rule *rule)
{
	for (unsigned i = 0; i < state->rules; i++)
		if (!memcmp(&state->rule[i], rule, sizeof(*rule)))
			return true;
	return false;
}

static const char *apply_rules(struct pl_stack *stack, const struct netstate *before, const struct netstate *after)
{
	const char *refused = NULL;

	for (unsigned i = 0; i < before->rules; i++)
		if (!has_rule(after, &before->rule[i]))
			pl_rule_delete(stack, &before->rule[i]);
	for (unsigned i = 0; i < after->rules; i++)
		if (!has_rule(before, &after->rule[i]) && pl_rule_add(stack, &after->rule[i]))
			refused = "the reference stack does not take a rule of routing that the command has set";
	return refused;
}

static const struct pl_neighbour *find_neighbour(const struct netstate *state, const struct pl_neighbour *like)
{
	for (unsigned i = 0; i < state->neighbours; i++) {
		const struct pl_neighbour *one = &state->neighbour[i];

		if (one->ifindex == like->ifindex && one->address.s_addr == like->address.s_addr &&
		    (one->flags & NTF_PROXY) == (like->flags & NTF_PROXY))
			return one;
	}
	return NULL;
}

/* Time goes on in the namespace while the command runs: what changed by that alone is not the command's doing. */
static bool same_neighbour(const struct pl_neighbour *old, const struct pl_neighbour *new)
{
	return old && old->has_hwaddr == new->has_hwaddr && !memcmp(old->hwaddr, new->hwaddr, sizeof(old->hwaddr)) &&
	       old->flags == new->flags && old->managed == new->managed &&
	       (old->state == new->state || new->state & (NUD_DELAY | NUD_PROBE | NUD_FAILED | NUD_INCOMPLETE));
}

static void apply_neighbours(struct pl_stack *stack, const struct netstate *before, const struct netstate *after)
{
	struct pl_neighbour neighbour;

	for (unsigned i = 0; i < before->neighbours; i++) {
		neighbour = before->neighbour[i];
		if (neighbour.ifindex)
			neighbour.ifindex = stack_link(stack, before, neighbour.ifindex);
		if (neighbour.ifindex >= 0 && !find_neighbour(after, &before->neighbour[i]))
			pl_neighbour_delete(stack, &neighbour);
	}
	for (unsigned i = 0; i < after->neighbours; i++) {
		neighbour = after->neighbour[i];
		if (neighbour.ifindex)
			neighbour.ifindex = stack_link(stack, after, neighbour.ifindex);
		if (neighbour.ifindex >= 0 && !same_neighbour(find_neighbour(before, &after->neighbour[i]), &after->neighbour[i]))
			pl_neighbour_set(stack, &neighbour, NLM_F_CREATE | NLM_F_REPLACE);
	}
}

const char *netstate_apply(struct pl_stack *stack, const struct netstate *before, const struct netstate *after)
{
	const char *no_route, *no_rule;

	for (unsigned i = 0; i < after->links; i++) {
		const struct netstate_link *old = link_before(before, &after->link[i]);

		if (old)
			apply_link(stack, old, &after->link[i]);
	}
	apply_addresses(stack, before, after);
	no_route = apply_routes(stack, before, after);
	no_rule = apply_rules(stack, before, after);
	apply_neighbours(stack, before, after);
	return after->foreign ? after->foreign : no_route ? no_route : no_rule;
}

/* --- the stack's neighbours, shown --------------------------------------------------------------------------------------------- */

static void ask_neighbour(struct mnl_socket *socket, uint16_t type, const struct pl_neighbour *neighbour, uint32_t flags)
{
	char buffer[512];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *body;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	body->ndm_family = AF_INET;
	body->ndm_ifindex = neighbour->ifindex;
	/* One in doubt would be asked about at once: it is shown as stale. */
	body->ndm_state = neighbour->state & (NUD_DELAY | NUD_PROBE) ? NUD_STALE : neighbour->state;
	body->ndm_flags = neighbour->flags;
	mnl_attr_put_u32(request, NDA_DST, neighbour->address.s_addr);
	if (neighbour->has_hwaddr)
		mnl_attr_put(request, NDA_LLADDR, sizeof(neighbour->hwaddr), neighbour->hwaddr);
	if (flags)
		mnl_attr_put_u32(request, NDA_FLAGS_EXT, flags);
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0)
		mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
}

/* The link of the namespace that mirrors one of the stack's, or -1. */
static int mirror_link(const struct pl_stack *stack, const struct netstate *state, int ifindex)
{
	for (unsigned i = 0; i < state->links; i++)
		if (pl_link_find((struct pl_stack *)stack, state->link[i].name) == ifindex)
			return state->link[i].ifindex;
	return -1;
}

static bool stack_has_neighbour(const struct pl_stack *stack, const struct netstate *state, const struct pl_neighbour *like)
{
	struct pl_neighbour own;

	for (unsigned i = 0; pl_neighbour_get(stack, i, &own); i++)
		if (own.address.s_addr == like->address.s_addr && (own.flags & NTF_PROXY) == (like->flags & NTF_PROXY) &&
		    (own.ifindex ? mirror_link(stack, state, own.ifindex) : 0) == like->ifindex)
			return true;
	return false;
}

void netstate_show_neighbours(const struct pl_stack *stack)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct netstate *state = malloc(sizeof(*state));
	struct pl_neighbour neighbour;
	const char *error;

	if (socket && state && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 && netstate_read(state, &error)) {
		for (unsigned i = 0; i < state->neighbours; i++)
			if (!stack_has_neighbour(stack, state, &state->neighbour[i]))
				ask_neighbour(socket, RTM_DELNEIGH, &state->neighbour[i], 0);
		for (unsigned i = 0; pl_neighbour_get(stack, i, &neighbour); i++) {
			if (neighbour.ifindex)
				neighbour.ifindex = mirror_link(stack, state, neighbour.ifindex);
			if (neighbour.ifindex < 0 || neighbour.state == NUD_NOARP)
				continue;
			ask_neighbour(socket, RTM_NEWNEIGH, &neighbour, 0);
			if (neighbour.managed)	/* the kernel takes the state or this, not both at once */
				ask_neighbour(socket, RTM_NEWNEIGH, &neighbour, NTF_EXT_MANAGED);
		}
	}
	if (socket)
		mnl_socket_close(socket);
	free(state);
}
