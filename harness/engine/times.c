/*
 * Event times, as packetdrill has them.
 *
 * An absolute time counts from the script's first event. A relative one counts from the moment at which the event before was
 * done, except between two inbound packets: there it counts from when the first was due, so that its own cost does not add up.
 * And where a packet of the stack follows a command, or another of its packets, it may count from when the command began, or when
 * that packet was sent: in real time the stack may be faster than who waits for the one or takes the other.
 * What happens is right when it is within the tolerance: tolerance_usecs, or tolerance_percent of the time since the event
 * before was due, whichever is longer (timers of Linux may be up to an eighth late).
 */
#include "run.h"

#define JIFFY (4 * PL_NSEC_PER_MSEC)	/* of a kernel with HZ=250: what its timers count in */

#define TIMING "timing error: expected %s "

const char *event_what(const struct event *event)
{
	switch (event->kind) {
	case EVENT_PACKET:
		return event->packet->inbound ? "inbound packet" : "outbound packet";
	case EVENT_CALL:
		return "system call start";
	case EVENT_COMMAND:
		return "command";
	case EVENT_CODE:
		return "data collection for code";
	case EVENT_LET:
		return "assignment";
	case EVENT_TUNABLE:
		return "tunable";
	case EVENT_NOTHING:
		return "silence";
	}
	return "event";
}

static bool is_inbound(const struct event *event)
{
	return event->kind == EVENT_PACKET && event->packet->inbound;
}

bool time_resolve(struct run *run)
{
	const struct event *event = run->event, *last = run->last;
	enum event_time_kind kind = event->time.kind;
	bool ranged = kind == TIME_RELATIVE_RANGE || kind == TIME_ABSOLUTE_RANGE;
	bool absolute = kind == TIME_ABSOLUTE || kind == TIME_ABSOLUTE_RANGE;

	run->event_offset = 0;
	if (!last) {
		if (event->time.at && kind != TIME_ANY) {
			run_fail(run, event, "the first event should be at time 0");
			return false;
		}
	} else if (absolute && (last->time.kind == TIME_ABSOLUTE || last->time.kind == TIME_ABSOLUTE_RANGE) &&
		   event->time.at < last->time.at) {
		run_fail(run, event, "time goes backward in the script, from %.6f to %.6f", (double)last->time.at / 1e9,
			 (double)event->time.at / 1e9);
		return false;
	}
	run->event_early = 0;
	if (!absolute)
		run->event_offset = last && is_inbound(last) && is_inbound(event) ? run->last_at : run_now(run);
	run->event_at = run->event_offset + (kind == TIME_ANY ? 0 : event->time.at);
	if (!absolute && event->kind == EVENT_PACKET && !event->packet->inbound && run->happened >= 0)
		run->event_early = run->event_offset - run->happened;
	run->event_until = ranged ? run->event_offset + event->time.until : -1;
	return true;
}

pl_time time_tolerance(const struct run *run, pl_time span)
{
	pl_time fixed = (pl_time)run->settings.tolerance_usecs * PL_NSEC_PER_USEC;
	/* In whole microseconds, as packetdrill counts. */
	pl_time moving = (pl_time)(run->settings.tolerance_percent / 100.0 * (double)(span / PL_NSEC_PER_USEC));

	moving *= PL_NSEC_PER_USEC;
	return moving > fixed ? moving : fixed;
}

bool time_check(const struct run *run, enum event_time_kind kind, pl_time at, pl_time until, pl_time actual, pl_time last,
		const char *what, const char **reason)
{
	pl_time tolerance = time_tolerance(run, last < 0 ? 0 : at - last);
	bool ranged = kind == TIME_RELATIVE_RANGE || kind == TIME_ABSOLUTE_RANGE;

	if (kind == TIME_ANY)
		return true;
	if (!ranged)
		until = at;
	if (actual >= at - tolerance && actual <= until + tolerance)
		return true;
	if (actual >= at - tolerance - JIFFY && actual <= until + tolerance + JIFFY)
		run->result->near_miss = true;
	if (kind == TIME_RELATIVE_RANGE)
		*reason = arena_printf(run->arena, TIMING "in relative time range +%.6f~+%.6f but it happened at %+.6f",
				       what, (double)(at - run->event_offset) / 1e9, (double)(until - run->event_offset) / 1e9,
				       (double)(actual - run->event_offset) / 1e9);
	else if (ranged)
		*reason = arena_printf(run->arena, TIMING "in time range %.6f~%.6f but it happened at %.6f", what,
				       (double)at / 1e9, (double)until / 1e9, (double)actual / 1e9);
	else
		*reason = arena_printf(run->arena, TIMING "at %.6f but it happened at %.6f; tolerance %.6f", what,
				       (double)at / 1e9, (double)actual / 1e9, (double)tolerance / 1e9);
	return false;
}

bool time_check_outbound(const struct run *run, pl_time sent, const char **reason)
{
	if (sent < run->event_at && sent >= run->event_at - run->event_early)
		return true;
	return time_check(run, run->event->time.kind, run->event_at, run->event_until, sent, run->last ? run->last_at : -1,
			  "outbound packet", reason);
}
