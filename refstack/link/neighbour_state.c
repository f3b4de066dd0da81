/*
 * The states of a neighbour, after Linux and RFC 4861 section 7.3.
 *
 *	(nothing) --somebody sends--> INCOMPLETE: ask everybody, up to mcast_solicit times, retrans_time apart; packets wait
 *	INCOMPLETE --answer--> REACHABLE for the link's reachable time, longer when confirmed meanwhile
 *	REACHABLE --time over--> STALE, or DELAY when it was used lately
 *	STALE --somebody sends--> DELAY: the packet leaves; delay_first_probe_time for somebody to confirm
 *	DELAY --confirmed--> REACHABLE; --time over--> PROBE: ask it directly, up to ucast_solicit times
 *	INCOMPLETE, PROBE --no answer--> FAILED: what waits is lost, its senders are told "host unreachable"
 *
 * Confirmation comes from an answer to ARP, from TCP when the peer's acknowledgements show progress, from MSG_CONFIRM. It does
 * not change the state at once: the timer looks at when it last came. So do uses. Sending over a connected entry does not count
 * as use once a first packet has left, because Linux then sends by a cached header.
 */
#include "../ip/ip.h"
#include "../socket/sock.h"
#include "arp.h"
#include "ethernet.h"
#include "neighbour.h"

static const struct neigh_sysctls *settings(const struct neighbour *neighbour)
{
	return &neighbour->link->ipv4->neigh;
}

static pl_time delay_time(const struct pl_stack *stack, const struct neighbour *neighbour)
{
	return SYSCTL_TIME(stack, settings(neighbour)->delay_first_probe_time);
}

/* Between two questions: never less than ten milliseconds. */
static pl_time retransmit_time(const struct pl_stack *stack, const struct neighbour *neighbour)
{
	pl_time least = PL_NSEC_PER_SEC / 100, span = SYSCTL_TIME(stack, settings(neighbour)->retrans_time);

	return span > least ? span : least;
}

/* How many questions an entry in its state may ask: direct ones, the daemon's, those to everybody. */
static unsigned questions(const struct neighbour *neighbour)
{
	const struct neigh_sysctls *set = settings(neighbour);

	return (unsigned)set->ucast_solicit + (unsigned)set->app_solicit +
	       (unsigned)(neighbour->state == NUD_PROBE ? set->mcast_resolicit : set->mcast_solicit);
}

static void change_state(struct pl_stack *stack, struct neighbour *neighbour, uint8_t state)
{
	neighbour->state = state;
	neighbour->updated = stack->now;
}

/* Ask once more. The last packet that waits tells the source address to ask from. */
static void ask(struct pl_stack *stack, struct neighbour *neighbour)
{
	arp_solicit(stack, neighbour, neighbour->queue.last);
	neighbour->probes++;
}

/*
 * A datagram that waits is charged to its sender's send buffer, as every packet is on Linux until the device has it; here devices
 * take packets at once, so it shows only while they wait. The memory is that of a buffer for the packet and room for a link header.
 */
#define LINK_ROOM 31

static void charge_sender(struct pktbuf *packet)
{
	if (!packet->owner || packet->charge)
		return;
	packet->truesize = truesize_linear(pktbuf_length(packet) + LINK_ROOM);
	packet->charge = &packet->owner->write_allocated;
	*packet->charge += packet->truesize;
}

/* The next packet that waits, no longer charged to anybody; NULL: none. */
static struct pktbuf *take_waiting(struct neighbour *neighbour)
{
	struct pktbuf *packet = pktbuf_queue_pop(&neighbour->queue);
	struct sock *sender = packet && packet->charge ? packet->owner : NULL;

	if (!packet)
		return NULL;
	neighbour->queue_truesize -= packet->truesize;
	if (packet->waits)
		sock_send_left(packet->sender->stack, packet);
	pktbuf_orphan(packet);
	if (sender)
		sock_write_space(sender);
	return packet;
}

void neighbour_drop_waiting(struct pl_stack *stack, struct neighbour *neighbour)
{
	struct pktbuf *packet;

	while ((packet = take_waiting(neighbour)))
		pktbuf_free(stack, packet);
}

/* What waited for an address that does not come is lost, and its senders hear of it (RFC 1122 section 2.3.2.2). */
static void give_up(struct pl_stack *stack, struct neighbour *neighbour)
{
	struct pktbuf *packet;

	stack->neighbours->stat.res_failed++;
	neighbour->updated = stack->now;
	neighbour->held++;
	while ((packet = take_waiting(neighbour))) {
		icmp_send_error(stack, packet, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		pktbuf_free(stack, packet);
	}
	neighbour->held--;
}

/* --- being used --------------------------------------------------------------------------------------------------- */

/* The first question, or none: with no questions to everybody allowed the neighbour has failed already. false: it has. */
static bool begin_asking(struct pl_stack *stack, struct neighbour *neighbour, bool at_once)
{
	const struct neigh_sysctls *set = settings(neighbour);

	timer_cancel(stack, &neighbour->timer);
	if (!set->mcast_solicit && !set->app_solicit) {
		change_state(stack, neighbour, NUD_FAILED);
		return false;
	}
	neighbour->probes = (unsigned)set->ucast_solicit;
	change_state(stack, neighbour, NUD_INCOMPLETE);
	timer_arm(stack, &neighbour->timer,
		  stack->now + (at_once ? retransmit_time(stack, neighbour) : SYSCTL_TIME(stack, 1)));
	return true;
}

/* Let a packet wait; what waited longest makes room, if need be all of it. */
static void queue_packet(struct pl_stack *stack, struct neighbour *neighbour, struct pktbuf *packet)
{
	int64_t limit = settings(neighbour)->unres_qlen_bytes;

	charge_sender(packet);
	while (neighbour->queue.count && (int64_t)neighbour->queue_truesize + packet->truesize > limit) {
		stack->neighbours->stat.unresolved_discards++;
		pktbuf_free(stack, take_waiting(neighbour));
	}
	sock_send_waits(packet);
	pktbuf_queue_push(&neighbour->queue, packet);
	neighbour->queue_truesize += packet->truesize;
}

/* May a packet leave now? Otherwise it is consumed. packet NULL: nobody sends, the neighbour is only of interest. */
static bool use(struct pl_stack *stack, struct neighbour *neighbour, struct pktbuf *packet, bool at_once)
{
	bool asking = false;

	neighbour->used = stack->now;
	switch (neighbour->state) {
	case NUD_STALE:
		change_state(stack, neighbour, NUD_DELAY);
		timer_arm(stack, &neighbour->timer, stack->now + delay_time(stack, neighbour));
		return true;
	case NUD_NONE:
	case NUD_FAILED:
		asking = begin_asking(stack, neighbour, at_once) && at_once;
		break;
	}
	if (neighbour->state & NUD_VALID)
		return true;
	if (packet && neighbour->state == NUD_INCOMPLETE)
		queue_packet(stack, neighbour, packet);
	else if (packet)
		pktbuf_free(stack, packet);
	if (asking)
		ask(stack, neighbour);
	return false;
}

void neighbour_use(struct pl_stack *stack, struct neighbour *neighbour, bool at_once)
{
	use(stack, neighbour, NULL, at_once);
}

/* The entry may be gone when this returns. */
static int send_to(struct pl_stack *stack, struct neighbour *neighbour, struct pktbuf *packet)
{
	if (!(neighbour->state & NUD_CONNECTED && neighbour->header_cached) && !use(stack, neighbour, packet, true))
		return 0;
	neighbour->header_cached = true;
	return ethernet_send(stack, neighbour->link, packet, ETH_P_IP, neighbour->hwaddr);
}

int neighbour_output(struct pl_stack *stack, struct pktbuf *packet)
{
	struct neighbour *neighbour = neighbour_get(stack, packet->link, packet->gateway, false);

	if (!neighbour) {
		pktbuf_free(stack, packet);
		return -ENOBUFS;
	}
	if (packet->confirms)
		neighbour->confirmed = stack->now;
	return send_to(stack, neighbour, packet);
}

bool neighbour_good(struct pl_stack *stack, struct link *link, struct in_addr address)
{
	const struct neighbour *neighbour = link->kind == PL_LINK_ETHERNET ? neighbour_find(stack, link, address) : NULL;

	return !neighbour || neighbour->state & NUD_VALID;
}

bool neighbour_ready(struct pl_stack *stack, struct link *link, struct in_addr address)
{
	struct neighbour *neighbour;

	if (link->kind != PL_LINK_ETHERNET)
		return true;
	neighbour = neighbour_get(stack, link, address, false);
	if (neighbour && !(neighbour->state & NUD_VALID))
		neighbour_use(stack, neighbour, true);
	return neighbour && neighbour->state & NUD_VALID;
}

void neighbour_confirm_route(struct pl_stack *stack, const struct route *route)
{
	struct neighbour *neighbour = NULL;

	if (route->link->kind == PL_LINK_ETHERNET && route->type == RTN_UNICAST)
		neighbour = neighbour_find(stack, route->link, route->gateway);
	if (neighbour)
		neighbour->confirmed = stack->now;
}

/* --- news --------------------------------------------------------------------------------------------------------- */

/* An end to what was known: by hand, or because questions were in vain. */
static void invalidate(struct pl_stack *stack, struct neighbour *neighbour, uint8_t state)
{
	bool asked = neighbour->state & (NUD_INCOMPLETE | NUD_PROBE);

	timer_cancel(stack, &neighbour->timer);
	neighbour->state = state;
	if (asked && state == NUD_FAILED)
		give_up(stack, neighbour);
}

static void enter_state(struct pl_stack *stack, struct neighbour *neighbour, uint8_t state)
{
	timer_cancel(stack, &neighbour->timer);
	if (state == NUD_PROBE)
		neighbour->probes = 0;
	neighbour->state = state;
	if (state & NUD_TIMED)
		timer_arm(stack, &neighbour->timer,
			  stack->now + (state == NUD_REACHABLE ? neighbour->link->ipv4->reachable_time : 0));
}

/* Now that the address is known: what waited, in order. */
static void send_waiting(struct pl_stack *stack, struct neighbour *neighbour)
{
	struct pktbuf *packet;

	neighbour->held++;
	while (neighbour->state & NUD_VALID && (packet = take_waiting(neighbour)))
		send_to(stack, neighbour, packet);
	neighbour->held--;
	neighbour_drop_waiting(stack, neighbour);
}

int neighbour_update(struct pl_stack *stack, struct neighbour *neighbour, const uint8_t *hwaddr, uint8_t state, unsigned flags)
{
	uint8_t old = neighbour->state;

	if (!(flags & NEIGHBOUR_ADMIN) && old & (NUD_NOARP | NUD_PERMANENT))
		return -EPERM;
	if (flags & NEIGHBOUR_USE) {
		neighbour->state &= (uint8_t)~NUD_PERMANENT;
		return 0;
	}
	if (!(state & NUD_VALID)) {
		invalidate(stack, neighbour, state);
		return 0;
	}
	if (!hwaddr && !(old & NUD_VALID))
		return -EINVAL;
	bool same = !hwaddr || (old & NUD_VALID && !memcmp(hwaddr, neighbour->hwaddr, ETH_ALEN));
	if (state & NUD_CONNECTED)
		neighbour->confirmed = stack->now;
	if (old & NUD_VALID) {
		if (!same && !(flags & NEIGHBOUR_OVERRIDE))
			return 0;
		if (same && state == NUD_STALE && !(flags & NEIGHBOUR_ADMIN))
			state = old;
	}
	if (state != old || !same)
		neighbour->updated = stack->now;
	if (state != old)
		enter_state(stack, neighbour, state);
	if (!same) {
		memcpy(neighbour->hwaddr, hwaddr, ETH_ALEN);
		if (!(state & NUD_CONNECTED))
			neighbour->confirmed = stack->now - 2 * SYSCTL_TIME(stack, settings(neighbour)->base_reachable_time);
	}
	if (!(old & NUD_VALID))
		send_waiting(stack, neighbour);
	return 0;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

/* REACHABLE and its time may be over. Gives the instant to look again. */
static pl_time reachable_due(struct pl_stack *stack, struct neighbour *neighbour)
{
	pl_time until = neighbour->confirmed + neighbour->link->ipv4->reachable_time;
	pl_time delay = delay_time(stack, neighbour);

	if (stack->now < until)
		return until;
	change_state(stack, neighbour, stack->now < neighbour->used + delay ? NUD_DELAY : NUD_STALE);
	return stack->now + delay;
}

static pl_time delay_due(struct pl_stack *stack, struct neighbour *neighbour)
{
	if (stack->now < neighbour->confirmed + delay_time(stack, neighbour)) {
		change_state(stack, neighbour, NUD_REACHABLE);
		return neighbour->confirmed + neighbour->link->ipv4->reachable_time;
	}
	change_state(stack, neighbour, NUD_PROBE);
	neighbour->probes = 0;
	return stack->now + retransmit_time(stack, neighbour);
}

void neighbour_timer(struct pl_stack *stack, struct pl_timer *timer)
{
	struct neighbour *neighbour = (struct neighbour *)((char *)timer - offsetof(struct neighbour, timer));
	pl_time next, least = stack->now + PL_NSEC_PER_SEC / 100;

	if (neighbour->state == NUD_REACHABLE)
		next = reachable_due(stack, neighbour);
	else if (neighbour->state == NUD_DELAY)
		next = delay_due(stack, neighbour);
	else
		next = stack->now + retransmit_time(stack, neighbour);
	if (neighbour->state & (NUD_INCOMPLETE | NUD_PROBE) && neighbour->probes >= questions(neighbour)) {
		neighbour->state = NUD_FAILED;
		give_up(stack, neighbour);
		return;
	}
	if (neighbour->state & NUD_TIMED)
		timer_arm(stack, &neighbour->timer, next > least ? next : least);
	if (neighbour->state & (NUD_INCOMPLETE | NUD_PROBE))
		ask(stack, neighbour);
}

void neighbours_manage(struct pl_stack *stack, struct pl_timer *timer)
{
	pl_time interval = SYSCTL_TIME(stack, stack->sysctl.neigh_default.interval_probe_time), jiffy = SYSCTL_TIME(stack, 1);
	bool any = false;

	for (struct neighbour *neighbour = stack->neighbours->oldest; neighbour; neighbour = neighbour->newer) {
		if (!neighbour->managed)
			continue;
		any = true;
		neighbour_use(stack, neighbour, false);
	}
	if (any)
		timer_arm(stack, timer, stack->now + (interval > jiffy ? interval : jiffy));
}
