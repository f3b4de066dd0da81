/*
 * Proxy ARP (RFC 1027): a router answers for hosts that it leads to, so that hosts find each other that think they share a link.
 *
 * A request that was broadcast waits for a random part of proxy_delay, so that the host asked for can answer first, and goes the whole
 * way again when its time has come.
 */
#include "../ip/ip.h"
#include "arp.h"

/* proxy_arp, between links of different media (medium_id: 0 is of its own, -1 takes no part). */
static bool leads_elsewhere(struct pl_stack *stack, const struct link *link, const struct route *route)
{
	int in = link->ipv4->conf.medium_id, out = route->link->ipv4->conf.medium_id;

	if (route->link == link || !CONF_OR(stack, link->ipv4, proxy_arp) || in == -1)
		return false;
	return in == 0 || (out != in && out != -1);
}

/* proxy_arp_pvlan (RFC 3069): hosts of one link that must not hear each other. */
static bool leads_back(struct pl_stack *stack, const struct link *link, const struct route *route, struct in_addr sender,
		       struct in_addr target)
{
	return route->link == link && sender.s_addr != target.s_addr && CONF_OR(stack, link->ipv4, proxy_arp_pvlan);
}

bool arp_is_proxy(struct pl_stack *stack, struct link *link, const struct route *route, struct in_addr sender,
		  struct in_addr target)
{
	return leads_elsewhere(stack, link, route) || leads_back(stack, link, route, sender, target) ||
	       (route->link != link && neighbour_proxy_find(stack, link, target));
}

/* --- put off ------------------------------------------------------------------------------------------------------ */

static pl_time *due(struct pktbuf *packet)
{
	return (pl_time *)packet->control;
}

void arp_delay(struct pl_stack *stack, struct pktbuf *packet)
{
	struct neighbour_table *table = stack->neighbours;
	struct in_device *device = packet->link->ipv4;
	pl_time at = stack->now + SYSCTL_TIME(stack, prng_below(&stack->prng, (uint32_t)device->neigh.proxy_delay));

	if ((int64_t)device->proxy_queued > device->neigh.proxy_qlen) {
		pktbuf_free(stack, packet);
		return;
	}
	*due(packet) = at;
	device->proxy_queued++;
	pktbuf_queue_push(&table->delayed, packet);
	if (!timer_armed(&table->delayed_timer) || at < table->delayed_timer.deadline)
		timer_arm(stack, &table->delayed_timer, at);
}

static void take_out(struct neighbour_table *table, struct pktbuf *packet)
{
	pktbuf_queue_remove(&table->delayed, packet);
	packet->link->ipv4->proxy_queued--;
}

void arp_delayed_due(struct pl_stack *stack, struct pl_timer *timer)
{
	struct neighbour_table *table = stack->neighbours;
	pl_time next = PL_TIME_NEVER;

	for (struct pktbuf *packet = table->delayed.first, *after; packet; packet = after) {
		after = packet->next;
		if (*due(packet) > stack->now) {
			if (*due(packet) < next)
				next = *due(packet);
			continue;
		}
		take_out(table, packet);
		arp_process_delayed(stack, packet);
	}
	if (next != PL_TIME_NEVER)
		timer_arm(stack, timer, next);
}

void arp_delayed_drop(struct pl_stack *stack, const struct link *link)
{
	struct neighbour_table *table = stack->neighbours;

	for (struct pktbuf *packet = table->delayed.first, *after; packet; packet = after) {
		after = packet->next;
		if (link && packet->link != link)
			continue;
		take_out(table, packet);
		pktbuf_free(stack, packet);
	}
	if (!table->delayed.count)
		timer_cancel(stack, &table->delayed_timer);
}
