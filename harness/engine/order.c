/*
 * Packets in another order than the script has them. A packet that is not the expected one may be one that is expected later, and
 * the expected one may be there already: a failure says so, since neither the two packets nor their fields do.
 */
#include "run.h"

#define EVENTS_AHEAD 64

/* Of the packets that were sent and not taken, the one that is expected now. */
static const struct sent *expected_elsewhere(struct run *run, struct flow *flow)
{
	for (const struct sent *sent = run->sent; sent; sent = sent->next)
		if (outbound_same(run, flow, sent))
			return sent;
	return NULL;
}

/* Of the events to come, the one that expects this packet. */
static const struct event *event_expecting(struct run *run, struct flow *flow, const struct sent *sent)
{
	const struct event *event = run->event, *at = event, *found = NULL;
	const struct packet_spec *packet = run->packet;

	for (unsigned i = 0; i < EVENTS_AHEAD && !found && (event = event->next); i++) {
		if (event->kind != EVENT_PACKET || event->packet->inbound || event->packet->late)
			continue;
		run->event = event;
		run->packet = event->packet;
		if (outbound_same(run, flow, sent))
			found = event;
	}
	run->event = at;
	run->packet = packet;
	return found;
}

const char *order_text(struct run *run, struct flow *flow, const struct sent *sent)
{
	const struct sent *expected;
	const struct event *event;

	run_drain(run);
	expected = expected_elsewhere(run, flow);
	event = event_expecting(run, flow, sent);
	if (expected && event)
		return arena_printf(run->arena,
				    "; packets came in another order: the one expected here at %.6f, this one is expected in line %d",
				    (double)expected->at / 1e9, event->span.line);
	if (expected)
		return arena_printf(run->arena, "; packets came in another order: the one expected here came at %.6f",
				    (double)expected->at / 1e9);
	if (event)
		return arena_printf(run->arena, "; it is what line %d expects", event->span.line);
	return "";
}
