/*
 * Packets that may come in any order: "any order { ... }".
 *
 * Each packet that the stack sends is held against those of the group that have not come yet, the first of which it is all of
 * takes it. When no more come in time, those that are left are looked for as if they stood alone, so that what is said of a
 * failure is what would be said there.
 */
#include "run.h"

#define PATIENCE (2 * PL_NSEC_PER_SEC)

struct member {
	const struct event *event;
	pl_time at, until, offset, early;
	struct flow *flow;
	bool done;
};

/* Make an event the one that the run is at. */
static void at_member(struct run *run, const struct member *member)
{
	run->event = member->event;
	run->event_at = member->at;
	run->event_until = member->until;
	run->event_offset = member->offset;
	run->event_early = member->early;
}

/* Times and flows of all members, before the first packet is taken: all count from what came before the group. */
static bool members_make(struct run *run, struct member *member, unsigned count)
{
	for (unsigned i = 0; i < count; i++, run->event = run->event->next) {
		int link;

		member[i] = (struct member){ .event = run->event, .done = true };
		if (run->event->branch && !event_wanted(run, run->event))
			continue;
		if (!time_resolve(run) || !run_packet_ready(run, &link))
			return false;
		member[i] = (struct member){ .event = run->event, .at = run->event_at, .until = run->event_until,
					     .offset = run->event_offset, .early = run->event_early,
					     .flow = flow_for_script_packet(run, &run->packet->packet, false, (unsigned)link) };
	}
	return true;
}

/* Whether the packet at *at is one of those that are left; it is taken then. */
static bool taken(struct run *run, struct member *member, unsigned count, struct sent **at)
{
	for (unsigned i = 0; i < count; i++) {
		int link;

		if (member[i].done)
			continue;
		at_member(run, &member[i]);
		if (run_packet_ready(run, &link) && outbound_try(run, member[i].flow, at))
			return member[i].done = true;
	}
	return false;
}

static unsigned take_all(struct run *run, struct member *member, unsigned count)
{
	unsigned left = 0;

	run_drain(run);
	for (struct sent **at = &run->sent; *at;)
		if (!taken(run, member, count, at))
			at = &(*at)->next;
	for (unsigned i = 0; i < count; i++)
		left += !member[i].done;
	return left;
}

void run_group(struct run *run)
{
	const struct event *event = run->event, *last = event;
	pl_time deadline = run_now(run);
	struct member *member;
	unsigned count = 0, came = 0;

	for (const struct event *next = event; next && next->group == event->group; last = next, next = next->next)
		count++;
	member = arena_alloc(run->arena, count * sizeof(*member));
	if (!members_make(run, member, count))
		return;
	run->happened = -1;
	for (unsigned i = 0; i < count; i++) {
		pl_time due = member[i].until > member[i].at ? member[i].until : member[i].at;

		if (due + PATIENCE > deadline)
			deadline = due + PATIENCE;
	}
	while (take_all(run, member, count) && run_now(run) < deadline && !run_stopped(run)) {
		pl_time before = run_now(run);

		if (run_pause(run, deadline, 1u << TARGET_PACKET | (run->calls ? 1u << TARGET_CALL : 0)) == TARGET_TIME &&
		    run_now(run) == before)
			break;
		calls_finish(run);
	}
	for (unsigned i = 0; i < count; i++)
		came += member[i].done;
	for (unsigned i = 0; i < count && !run_stopped(run); i++) {
		unsigned failures = run->result->failures;
		struct failure *failure;

		if (member[i].done)
			continue;
		at_member(run, &member[i]);
		run_packet_event(run);
		if (run->result->failures == failures)
			continue;
		failure = &run->result->failure[failures];
		failure->reason = arena_printf(run->arena,
					       "%s; of the %u packets that may come in any order %u came, this one did not",
					       failure->reason, count, came);
	}
	run->event = last;
}
