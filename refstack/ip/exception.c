/*
 * What is known of single destinations beyond what their routes say: path MTUs learnt from ICMP (RFC 1191), and better gateways
 * learnt from redirects (RFC 1122 section 3.2.2.2).
 *
 * As in Linux they hang on the next hop of the route by which the destination is reached, and go with it. A path MTU is kept for
 * the time mtu_expires, a gateway for gc_timeout, which nothing else uses any more; where both are known, the later report
 * tells for how long. A path MTU below min_pmtu is taken as min_pmtu and locks the path: packets go without DF from then on. A
 * report above what is known is not believed.
 */
#include <stdlib.h>

#include "../link/neighbour.h"
#include "host.h"

#define MAX_EXCEPTIONS 2048	/* the oldest gives way */

static void forget_all(struct route_exceptions *exceptions)
{
	while (exceptions->first) {
		struct route_exception *exception = exceptions->first;

		exceptions->first = exception->next;
		free(exception);
	}
	exceptions->count = 0;
}

void exceptions_put(struct fib_nexthop *nexthop)
{
	struct route_exceptions *exceptions = nexthop->exceptions;

	nexthop->exceptions = NULL;
	if (!exceptions || --exceptions->references)
		return;
	forget_all(exceptions);
	free(exceptions);
}

void exceptions_share(const struct pl_stack *stack, struct fib_entry *entry)
{
	const struct fib_entry *other = stack->fib->entries;

	while (other && !fib_same_route(other, entry))
		other = other->next;
	for (unsigned i = 0; i < entry->nexthops; i++) {
		struct fib_nexthop *nexthop = &entry->nexthop[i];

		nexthop->exceptions = other ? other->nexthop[i].exceptions : calloc(1, sizeof(*nexthop->exceptions));
		if (nexthop->exceptions)
			nexthop->exceptions->references++;
	}
}

static struct route_exception *find(struct fib_nexthop *nexthop, struct in_addr destination)
{
	struct route_exception *exception = nexthop->exceptions ? nexthop->exceptions->first : NULL;

	while (exception && exception->destination.s_addr != destination.s_addr)
		exception = exception->next;
	return exception;
}

/* The destination's entry, made when there is none, first in the list. NULL: no memory. */
static struct route_exception *find_or_make(struct fib_nexthop *nexthop, struct in_addr destination)
{
	struct route_exceptions *exceptions = nexthop->exceptions;
	struct route_exception *exception = find(nexthop, destination), **place;

	if (exception || !exceptions)
		return exception;
	if (exceptions->count >= MAX_EXCEPTIONS) {
		for (place = &exceptions->first; (*place)->next;)
			place = &(*place)->next;
		exception = *place;
		*place = NULL;
	} else {
		exception = malloc(sizeof(*exception));
		if (!exception)
			return NULL;
		exceptions->count++;
	}
	*exception = (struct route_exception){ .next = exceptions->first, .destination = destination };
	exceptions->first = exception;
	return exception;
}

const struct route_exception *exception_find(struct pl_stack *stack, struct fib_nexthop *nexthop, struct in_addr destination)
{
	struct route_exception *exception = find(nexthop, destination);

	if (!exception)
		return NULL;
	if (stack->now < exception->expires)
		return exception;
	/* Nothing of it counts any more, whatever a later report renews. */
	exception->gateway.s_addr = 0;
	exception->pmtu = 0;
	exception->locked = false;
	return NULL;
}

void route_exceptions_flush(struct pl_stack *stack)
{
	for (struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next)
		for (unsigned i = 0; i < entry->nexthops; i++)
			if (entry->nexthop[i].exceptions)
				forget_all(entry->nexthop[i].exceptions);
	fib_changed(stack);
}

static void note_pmtu(struct pl_stack *stack, struct fib_nexthop *nexthop, struct in_addr destination, uint32_t mtu, bool locked)
{
	struct route_exception *exception;

	exception_find(stack, nexthop, destination);
	exception = find_or_make(nexthop, destination);
	if (!exception)
		return;
	exception->pmtu = mtu;
	exception->locked = locked;
	exception->expires = stack->now + SYSCTL_TIME(stack, stack->sysctl.route_mtu_expires);
}

void route_pmtu_learn(struct pl_stack *stack, const struct flow *flow, uint32_t mtu)
{
	struct flow way = *flow;
	struct route *route = NULL;
	struct fib_result found = { 0 };
	uint32_t least = (uint32_t)stack->sysctl.route_min_pmtu;
	pl_time lifetime = SYSCTL_TIME(stack, stack->sysctl.route_mtu_expires);
	bool locked = false;

	if (route_output(stack, &way, &route))
		return;
	uint32_t old = route_mtu(stack, route);
	bool fixed = route_mtu_locked(route);
	bool fresh = route->pmtu == mtu && stack->now < route->pmtu_expires - lifetime / 2;
	route_put(stack, route);
	if (fixed || old < mtu)
		return;
	if (mtu < least) {
		locked = true;
		mtu = old < least ? old : least;
	}
	way.output_link = flow->output_link;	/* the one that was found is no wish of the flow's */
	if ((fresh && !locked) || fib_lookup(stack, &way, &found) || !found.nexthop)
		return;
	/* Of several next hops nobody knows which the report was about. */
	if (found.entry->nexthops > 1 && !way.output_link) {
		for (unsigned i = 0; i < found.entry->nexthops; i++)
			note_pmtu(stack, (struct fib_nexthop *)&found.entry->nexthop[i], way.destination, mtu, locked);
	} else {
		note_pmtu(stack, found.nexthop, way.destination, mtu, locked);
	}
	fib_changed(stack);
}

/* --- redirects ---------------------------------------------------------------------------------------------------- */

/* Hosts follow redirects when either file says so, routers when both do. */
static bool follows_redirects(const struct pl_stack *stack, const struct in_device *device)
{
	return device->conf.forwarding ? CONF_AND(stack, device, accept_redirects) : CONF_OR(stack, device, accept_redirects);
}

/* Is the address a gateway that some route over the link uses already? */
static bool known_gateway(const struct pl_stack *stack, const struct link *link, struct in_addr gateway)
{
	for (const struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next)
		for (unsigned i = 0; i < entry->nexthops; i++)
			if (entry->nexthop[i].link == link && !entry->nexthop[i].dead &&
			    entry->nexthop[i].gateway.s_addr == gateway.s_addr)
				return true;
	return false;
}

/* RFC 1122 section 3.2.2.2: the new gateway has to be on the link, and the old one has to be the one that says so. */
static bool believable(struct pl_stack *stack, const struct link *link, struct in_addr old, struct in_addr gateway)
{
	const struct in_device *device = link->ipv4;

	if (gateway.s_addr == old.s_addr || !follows_redirects(stack, device) || ip_is_multicast(gateway) ||
	    ip_is_limited_broadcast(gateway) || ip_is_zero(gateway))
		return false;
	if (CONF_OR(stack, device, shared_media))
		return address_type(stack, gateway) == RTN_UNICAST;
	return address_on_link(device, gateway, old) &&
	       (!CONF_OR(stack, device, secure_redirects) || known_gateway(stack, link, gateway));
}

void route_redirect(struct pl_stack *stack, const struct pktbuf *icmp, const struct flow *flow, const struct route *used)
{
	const struct icmphdr *header = pktbuf_at((struct pktbuf *)icmp, 0, sizeof(*header));
	struct in_addr gateway = { header->un.gateway }, old = ip_source(icmp);
	struct flow way = *flow;
	struct route *route = NULL;
	struct fib_result found = { 0 };

	if ((header->code & 7) > ICMP_REDIR_HOSTTOS)
		return;
	if (!used && route_output(stack, &way, &route))
		return;
	const struct route *current = used ? used : route;
	bool right = current->uses_gateway && current->gateway.s_addr == old.s_addr;
	struct link *link = current->link;
	if (used)
		way.source = used->source;
	if (right && believable(stack, icmp->link, old, gateway) && neighbour_ready(stack, link, gateway)) {
		way.output_link = flow->output_link;
		if (fib_lookup(stack, &way, &found) == 0 && found.nexthop) {
			fib_select_path(stack, &way, &found);
			exception_find(stack, found.nexthop, way.destination);
			struct route_exception *exception = find_or_make(found.nexthop, way.destination);
			if (exception) {
				exception->gateway = gateway;
				exception->expires = stack->now + SYSCTL_TIME(stack, stack->sysctl.route_gc_timeout);
			}
			fib_changed(stack);
		}
	}
	route_put(stack, route);
}
