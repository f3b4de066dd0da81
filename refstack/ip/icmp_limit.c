/*
 * Limits on ICMP that is sent, RFC 1812 section 4.3.2.8, as Linux has them: for the types in icmp_ratemask, a bucket for the
 * whole host (icmp_msgs_per_sec, icmp_msgs_burst) and one for each destination (icmp_ratelimit). Fragmentation needed is never
 * limited, and nothing is on the loopback link.
 */
#include <stdlib.h>

#include "icmp.h"

#define PEER_BURST 6		/* messages to one destination that may come at once */
#define NR_TYPES_LIMITED 32

int icmp_host_new(struct pl_stack *stack)
{
	stack->icmp = calloc(1, sizeof(*stack->icmp));
	if (!stack->icmp)
		return -ENOMEM;
	return 0;
}

void icmp_host_free(struct pl_stack *stack)
{
	struct icmp_host *host = stack->icmp;

	while (host && host->peers) {
		struct icmp_peer *peer = host->peers;

		host->peers = peer->next;
		free(peer);
	}
	free(host);
}

/* How long an unused peer is kept, in jiffies: the more there are, the shorter; from the threshold on, not at all. */
static uint32_t peer_lifetime(const struct pl_stack *stack)
{
	const struct sysctls *sysctl = &stack->sysctl;
	int hz = (int)stack->machine.hz, total = (int)stack->icmp->peer_count, threshold = sysctl->inet_peer_threshold;

	if (total >= threshold)
		return 0;
	int64_t shorter = (int64_t)(sysctl->inet_peer_maxttl - sysctl->inet_peer_minttl) / hz * total / threshold * hz;
	return (uint32_t)(sysctl->inet_peer_maxttl - shorter);
}

/*
 * Peers are only forgotten when another one is made. (Linux looks at those that it passes on the way to the new one's place in
 * its tree: at all of them as long as they are few.)
 */
static void collect_peers(struct pl_stack *stack, const struct icmp_peer *keep)
{
	uint32_t lifetime = peer_lifetime(stack), now = stack_jiffies(stack);
	struct icmp_peer **place = &stack->icmp->peers, *peer;

	while ((peer = *place)) {
		if (peer == keep || now - peer->used < lifetime) {
			place = &peer->next;
			continue;
		}
		*place = peer->next;
		free(peer);
		stack->icmp->peer_count--;
	}
}

struct icmp_peer *icmp_peer_find(struct pl_stack *stack, struct in_addr address)
{
	struct icmp_host *host = stack->icmp;
	struct icmp_peer **place = &host->peers, *peer;

	while ((peer = *place) && peer->address.s_addr != address.s_addr)
		place = &peer->next;
	if (peer) {
		*place = peer->next;	/* those that are asked for often stand in front */
		peer->next = host->peers;
		host->peers = peer;
	} else {
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			return NULL;
		*peer = (struct icmp_peer){ .next = host->peers, .address = address,
					    .last = stack_jiffies(stack) - 60 * stack->machine.hz };
		host->peers = peer;
		host->peer_count++;
		collect_peers(stack, peer);
	}
	peer->used = stack_jiffies(stack);
	return peer;
}

bool icmp_peer_spend(struct pl_stack *stack, struct icmp_peer *peer, uint32_t cost, uint32_t burst)
{
	uint32_t now = stack_jiffies(stack);
	uint32_t tokens = peer->tokens;

	if (now != peer->last) {	/* within one jiffy nothing is added, and the burst is not looked at either */
		tokens += now - peer->last;
		peer->last = now;
		if (tokens > burst)
			tokens = burst;
	}
	bool allowed = tokens >= cost;
	peer->tokens = allowed ? tokens - cost : tokens;
	return allowed;
}

static bool never_limited(const struct pl_stack *stack, uint8_t type, uint8_t code)
{
	if (type > ICMP_TYPE_MAX || (type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED))
		return true;
	return !(stack->sysctl.icmp_ratemask >> type & 1);
}

bool icmp_global_allows(struct pl_stack *stack, uint8_t type, uint8_t code, bool *limited)
{
	struct icmp_host *host = stack->icmp;
	uint32_t now = stack_jiffies(stack), hz = stack->machine.hz;

	*limited = false;
	if (never_limited(stack, type, code))
		return true;
	*limited = true;
	if (host->credit > 0)
		return true;
	uint32_t passed = now - host->credit_stamp;
	if (passed > hz)
		passed = hz;
	if (passed >= hz / 50) {
		int64_t grown = (int64_t)stack->sysctl.icmp_msgs_per_sec * passed / hz;

		if (grown > 0) {
			int64_t credit = host->credit + grown;

			host->credit = credit < stack->sysctl.icmp_msgs_burst ? (int32_t)credit : stack->sysctl.icmp_msgs_burst;
			host->credit_stamp = now;
			return true;	/* whoever comes when it grows may pass, even where nothing may be saved up */
		}
	}
	COUNT(stack, Icmp, OutRateLimitGlobal);
	return false;
}

bool icmp_peer_allows(struct pl_stack *stack, const struct route *route, struct in_addr destination, bool limited)
{
	struct icmp_peer *peer;
	int limit = stack->sysctl.icmp_ratelimit;

	if (!limited)
		return true;
	/* With 0 nothing is limited here, but what was saved up, for errors about routes too, is taken all the same. */
	if (!(route->link->flags & IFF_LOOPBACK) && limit >= 0) {
		uint32_t cost = (uint32_t)limit;	/* jiffies */

		peer = icmp_peer_find(stack, destination);
		if (peer && !icmp_peer_spend(stack, peer, cost, PEER_BURST * cost)) {
			COUNT(stack, Icmp, OutRateLimitHost);
			return false;
		}
	}
	/* Linux takes a random number of credits, so that nobody learns from the bucket how much this host sends. */
	stack->icmp->credit -= (int32_t)prng_below(&stack->prng, 3);
	return true;
}

bool icmp_route_error_allowed(struct pl_stack *stack, struct in_addr sender)
{
	struct icmp_peer *peer = icmp_peer_find(stack, sender);
	int cost = stack->sysctl.route_error_cost, burst = stack->sysctl.route_error_burst;

	return !peer || icmp_peer_spend(stack, peer, cost > 0 ? (uint32_t)cost : 0, burst > 0 ? (uint32_t)burst : 0);
}
