/*
 * Path MTUs learnt from ICMP (RFC 1191), kept by destination.
 *
 * Linux keeps them beside the next hop for the time mtu_expires. A report below min_pmtu is taken as min_pmtu and locks the
 * path: packets go without DF from then on. A report above what is known is not believed.
 */
#include <stdlib.h>

#include "host.h"

#define MAX_EXCEPTIONS 2048	/* the oldest gives way */

static struct pmtu_exception *find(const struct pl_stack *stack, struct in_addr destination)
{
	for (struct pmtu_exception *exception = stack->ip->exceptions; exception; exception = exception->next)
		if (exception->destination.s_addr == destination.s_addr)
			return exception;
	return NULL;
}

/* The destination's entry, made when there is none, first in the list. NULL: no memory. */
static struct pmtu_exception *find_or_make(struct pl_stack *stack, struct in_addr destination)
{
	struct ip_host *host = stack->ip;
	struct pmtu_exception *exception = find(stack, destination), **place = &host->exceptions;

	if (exception)
		return exception;
	if (host->exception_count >= MAX_EXCEPTIONS) {
		while ((*place)->next)
			place = &(*place)->next;
		exception = *place;
		*place = NULL;
	} else {
		exception = malloc(sizeof(*exception));
		if (!exception)
			return NULL;
		host->exception_count++;
	}
	*exception = (struct pmtu_exception){ .next = host->exceptions, .destination = destination };
	host->exceptions = exception;
	return exception;
}

void pmtu_apply(struct pl_stack *stack, struct route *route)
{
	const struct pmtu_exception *exception = find(stack, route->destination);

	if (!exception || stack->now >= exception->expires)
		return;
	route->pmtu = exception->pmtu;
	route->pmtu_locked = exception->locked;
	route->pmtu_expires = exception->expires;
}

void route_pmtu_learn(struct pl_stack *stack, struct in_addr destination, uint32_t mtu)
{
	struct flow flow = { .destination = destination };
	struct route *route = NULL;
	uint32_t least = (uint32_t)stack->sysctl.route_min_pmtu;
	pl_time lifetime = SYSCTL_TIME(stack, stack->sysctl.route_mtu_expires);
	bool locked = false;

	if (route_output(stack, &flow, &route))
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
	if (fresh && !locked)
		return;
	struct pmtu_exception *exception = find_or_make(stack, destination);
	if (!exception)
		return;
	exception->pmtu = mtu;
	exception->locked = locked;
	exception->expires = stack->now + lifetime;
	fib_changed(stack);
}
