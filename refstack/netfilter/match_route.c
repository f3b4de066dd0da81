/* Matches of where a packet would go or come from: socket, rpfilter, realm. */
#include <arpa/inet.h>

#include "../ip/fib.h"
#include "sockets.h"

#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_socket.h>

/* --- socket ------------------------------------------------------------------------------------------------------------- */

static bool match_socket_flags(struct rule_packet *at, uint8_t flags)
{
	const uint16_t *ports = transport_at(at, 0, 4);
	struct filter_socket found;

	if (!ports || (at->ip->protocol != IPPROTO_TCP && at->ip->protocol != IPPROTO_UDP))
		return false;
	if (!filter_find_connected(at, &found) &&
	    !filter_find_listener(at, (struct in_addr){ at->ip->daddr }, ntohs(ports[1]), &found))
		return false;
	bool wildcard = !(flags & XT_SOCKET_NOWILDCARD) && found.is_full && found.is_wildcard;
	bool transparent = !(flags & XT_SOCKET_TRANSPARENT) || found.is_transparent;
	if (flags & XT_SOCKET_RESTORESKMARK && !wildcard && transparent && found.is_full)
		at->packet->mark = found.mark;
	return !wildcard && transparent;
}

static bool match_any_socket(struct rule_packet *at, const void *data, void *state)
{
	(void)data;
	(void)state;
	return match_socket_flags(at, 0);
}

static bool match_socket(struct rule_packet *at, const void *data, void *state)
{
	(void)state;
	return match_socket_flags(at, ((const struct xt_socket_mtinfo1 *)data)->flags);
}

static int check_socket(const struct rule_place *place, const void *data, void *state)
{
	(void)place;
	(void)state;
	return ((const struct xt_socket_mtinfo1 *)data)->flags & ~XT_SOCKET_FLAGS_V3 ? -EINVAL : 0;
}

/* --- rpfilter ----------------------------------------------------------------------------------------------------------- */

/* Would an answer leave over the link that the packet came in on? RFC 3704 section 2.2, and 2.4 when loose. */
static bool comes_the_way_back(const struct rule_packet *at, uint8_t flags)
{
	struct in_addr source = { at->ip->saddr }, destination = { at->ip->daddr };
	struct flow flow = { .destination = source, .tos = at->ip->tos,
			     .mark = flags & XT_RPFILTER_VALID_MARK ? at->packet->mark : 0 };
	struct fib_result found = { 0 };

	if (!ip_is_multicast(destination) && !ip_is_limited_broadcast(destination) && ntohl(destination.s_addr) >> 24)
		flow.source = destination;
	if (fib_lookup(at->stack, &flow, &found))
		return false;
	if (found.entry->type != RTN_UNICAST && (found.entry->type != RTN_LOCAL || !(flags & XT_RPFILTER_ACCEPT_LOCAL)))
		return false;
	for (unsigned i = 0; i < found.entry->nexthops; i++)
		if (found.entry->nexthop[i].link == at->place->in)
			return true;
	return flags & XT_RPFILTER_LOOSE;
}

static bool match_rpfilter(struct rule_packet *at, const void *data, void *state)
{
	uint8_t flags = ((const struct xt_rpfilter_info *)data)->flags;
	struct in_addr destination = { at->ip->daddr };
	bool fits;

	(void)state;
	if (at->packet->packet_type == PACKET_LOOPBACK || (at->place->in && at->place->in->flags & IFF_LOOPBACK))
		fits = true;
	else if (!(ntohl(at->ip->saddr) >> 24) && (ip_is_limited_broadcast(destination) || ip_is_local_multicast(destination)))
		fits = true;	/* a host that has no address yet */
	else
		fits = comes_the_way_back(at, flags);
	return fits != !!(flags & XT_RPFILTER_INVERT);
}

static int check_rpfilter(const struct rule_place *place, const void *data, void *state)
{
	const uint8_t known = XT_RPFILTER_LOOSE | XT_RPFILTER_VALID_MARK | XT_RPFILTER_ACCEPT_LOCAL | XT_RPFILTER_INVERT;

	(void)state;
	if (((const struct xt_rpfilter_info *)data)->flags & ~known)
		return -EINVAL;
	return place->table == TABLE_RAW || place->table == TABLE_MANGLE ? 0 : -EINVAL;
}

/* Routes have no realms here: every packet's is 0. */
static bool match_realm(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_realm_info *rule = data;

	(void)at;
	(void)state;
	return (rule->id == 0) != !!rule->invert;
}

#define OF_SOCKET .hooks = HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_IN), .needs = NEEDS_DEFRAGMENTED
const struct match_type matches_of_routes[] = {
	{ "socket", 0, 0, OF_SOCKET, .match = match_any_socket },
	{ "socket", 1, sizeof(struct xt_socket_mtinfo1), OF_SOCKET, .check = check_socket, .match = match_socket },
	{ "socket", 2, sizeof(struct xt_socket_mtinfo1), OF_SOCKET, .check = check_socket, .match = match_socket },
	{ "socket", 3, sizeof(struct xt_socket_mtinfo1), OF_SOCKET, .check = check_socket, .match = match_socket },
	{ "rpfilter", 0, sizeof(struct xt_rpfilter_info), .hooks = HOOK_BIT(PRE_ROUTING), .check = check_rpfilter,
	  .match = match_rpfilter },
	{ "realm", 0, sizeof(struct xt_realm_info),
	  .hooks = HOOK_BIT(POST_ROUTING) | HOOK_BIT(FORWARD) | HOOK_BIT(LOCAL_OUT) | HOOK_BIT(LOCAL_IN), .match = match_realm },
	{ 0 },
};
