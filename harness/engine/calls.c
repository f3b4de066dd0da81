/*
 * Call events.
 *
 * A call without an end time is carried out to its end before the next event. One with an end time (`t...u`) is under way while
 * the script goes on; its result and its end are compared when it has finished, whatever event that falls into.
 */
#include "marshal.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define PATIENCE_CALL (60 * PL_NSEC_PER_SEC)	/* for a call that the script expects to return at once */
#define PATIENCE_OBSERVED (2 * PL_NSEC_PER_SEC)	/* for the same when only watching: what it waits for may never come */
#define PATIENCE_IDLE PL_NSEC_PER_SEC		/* for one under way when the next begins, or the script ends */

/* --- what calls mean to the engine ---------------------------------------------------------------------------------------- */
static struct flow *flow_of(const struct marshalled *m)
{
	for (const struct descriptor *descriptor = m->run->descriptors; descriptor; descriptor = descriptor->next)
		if (!descriptor->closed && descriptor->live_fd == m->call.arg[0])
			return descriptor->flow;
	return NULL;
}

/* An address that a call connects or sends to names the far end; AF_UNSPEC undoes it. */
static void destination(struct flow *flow, const struct sockaddr_in *address)
{
	if (!address)
		return;
	if (address->sin_family == AF_UNSPEC) {
		flow->state = FLOW_NEW;
		return;
	}
	if (address->sin_family != AF_INET)
		return;
	if (flow->state != FLOW_NEW) {
		flow->sent_to = address->sin_addr;
		flow->sent_to_port = ntohs(address->sin_port);
		return;
	}
	flow->state = FLOW_CONNECTING;
	memset(&flow->script, 0, sizeof(flow->script));
	flow->live.remote = address->sin_addr;
	flow->live.remote_port = ntohs(address->sin_port);
}

/* connect(), sendto(), sendmsg() and sendmmsg(), before the call: it sends. */
static void effect_connect(const struct marshalled *m)
{
	struct flow *flow = flow_of(m);

	for (unsigned i = 0; flow && i < m->spec->arguments; i++) {
		const struct mmsghdr *messages = m->memory[i];

		if (m->row->arg[i] == PL_ARG_SOCKADDR_IN)
			destination(flow, m->memory[i]);
		else if (m->row->arg[i] == PL_ARG_MSG_IN && m->memory[i])
			destination(flow, ((const struct msghdr *)m->memory[i])->msg_name);
		for (unsigned j = 0; m->row->arg[i] == PL_ARG_MMSG_IN && messages && j < m->spec->argument[i]->members; j++)
			destination(flow, messages[j].msg_hdr.msg_name);
	}
}

static void effect_socket(struct run *run, const struct marshalled *m, int script_fd)
{
	int type = (int)m->call.arg[1] & 0xf, protocol = (int)m->call.arg[2];
	struct flow *flow;

	if (!protocol)
		protocol = type == SOCK_STREAM ? IPPROTO_TCP : type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_RAW;
	flow = flow_new(run, FLOW_NEW, type, protocol);
	descriptor_add(run, script_fd, (int)m->call.result, flow);
	run->flow = flow;
}

static const struct sockaddr_in *accepted_address(const struct marshalled *m)
{
	const socklen_t *length = m->memory[2];

	return m->memory[1] && length && *length >= sizeof(struct sockaddr_in) ? m->memory[1] : NULL;
}

/* The connection that was accepted: by its far end, or else the newest that has no descriptor yet. */
static void effect_accept(struct run *run, const struct marshalled *m, int script_fd)
{
	const struct sockaddr_in *address = accepted_address(m);
	struct flow *flow, *newest = NULL;

	for (flow = run->flows; flow; flow = flow->next) {
		if (flow->state != FLOW_SYNACK_SENT && flow->state != FLOW_SYNACK_ACKED && flow->state != FLOW_PASSIVE)
			continue;
		if (address && flow->live.remote_port == ntohs(address->sin_port) &&
		    flow->live.remote.s_addr == address->sin_addr.s_addr)
			break;
		if (!newest && flow->live_fd < 0)
			newest = flow;
	}
	descriptor_add(run, script_fd, (int)m->call.result, flow ? flow : newest);
}

static void effect_close(struct run *run, const struct marshalled *m)
{
	for (struct descriptor *descriptor = run->descriptors; descriptor; descriptor = descriptor->next)
		if (!descriptor->closed && descriptor->live_fd == m->call.arg[0]) {
			descriptor->closed = true;
			return;
		}
}

static bool descriptor_new(struct run *run, const struct event *event, int script_fd, int live_fd, struct flow *flow)
{
	if (descriptor_find(run, script_fd)) {
		run_fail(run, event, "%s: the script has a descriptor %d open already", event->call->name, script_fd);
		return false;
	}
	descriptor_add(run, script_fd, live_fd, flow);
	return true;
}

static void effect_pipe(struct run *run, const struct event *event, const struct marshalled *m)
{
	const struct expr *pair = m->spec->argument[0];
	const int *live = m->memory[0];
	const char *error;
	int64_t script_fd;

	for (unsigned i = 0; i < 2; i++)
		if (pair->member[i].value->kind == EXPR_ELLIPSIS && pair->member[i].value->word) {
			script_fd = descriptor_free(run);
			variable_set(run, pair->member[i].value->word, script_fd);
			descriptor_add(run, (int)script_fd, live[i], NULL);
		} else if (!eval_int(run, pair->member[i].value, &script_fd, &error))
			run_error(run, event, "pipe: %s", error);
		else if (!descriptor_new(run, event, (int)script_fd, live[i], NULL))
			return;
}

/* After a call that succeeded. script_fd: what the script calls the descriptor that it gave. */
static void effects_after(struct run *run, const struct event *event, struct marshalled *m, int script_fd)
{
	struct flow *flow = flow_of(m);

	if (m->rule->gives_descriptor)
		m->given = script_fd;
	/* packetdrill lets accept() reuse a number that is open: the newest descriptor is meant from then on. */
	if (m->rule->gives_descriptor && m->rule->effect != EFFECT_ACCEPT && descriptor_find(run, script_fd)) {
		run_fail(run, event, "%s: the script has a descriptor %d open already", m->spec->name, script_fd);
		return;
	}
	switch (m->rule->effect) {
	case EFFECT_SOCKET:
		effect_socket(run, m, script_fd);
		break;
	case EFFECT_LISTEN:
		if (flow)
			flow->state = FLOW_LISTENING;
		break;
	case EFFECT_ACCEPT:
		effect_accept(run, m, script_fd);
		break;
	case EFFECT_DESCRIPTOR:
		descriptor_add(run, script_fd, (int)m->call.result, NULL);
		break;
	case EFFECT_DUP:
		descriptor_add(run, script_fd, (int)m->call.result, NULL)->flow = flow;
		break;
	case EFFECT_PIPE:
		effect_pipe(run, event, m);
		break;
	case EFFECT_CLOSE:
		effect_close(run, m);
		break;
	case EFFECT_NONE:
	case EFFECT_CONNECT:
		break;
	}
}

/* --- the result ----------------------------------------------------------------------------------------------------------- */
static const char *result_text(const struct run *run, int64_t result)
{
	return result < 0 ? arena_printf(run->arena, "-1 %s", errno_text(run, (int)-result))
			  : arena_printf(run->arena, "%lld", (long long)result);
}

static const char *expected_text(const struct run *run, const struct call_spec *spec)
{
	struct text text = { .arena = run->arena };

	expr_print(run, spec->result, &text);
	if (spec->errno_name)
		text_add(&text, " %s", spec->errno_name);
	return text_get(&text);
}

/* A call that gives a descriptor need not give the script's number; any other result is to be the same. */
static bool result_fits(const struct run *run, const struct marshalled *m, int64_t *expected, const char **error)
{
	int64_t actual = m->call.result < 0 ? -1 : m->call.result, number;

	*expected = m->call.result;
	if (m->spec->result->kind == EXPR_ELLIPSIS && m->spec->result->word && m->rule->gives_descriptor) {
		*expected = m->call.result < 0 ? -1 : descriptor_free(run);
		variable_set(run, m->spec->result->word, *expected);
		return m->call.result >= 0;
	}
	if (m->spec->result->kind == EXPR_ELLIPSIS && m->spec->result->word)
		variable_set(run, m->spec->result->word, actual);
	if (m->spec->result->kind == EXPR_ELLIPSIS)
		return true;
	if (!eval_int(run, m->spec->result, expected, error))
		return false;
	*error = NULL;
	if (m->rule->gives_descriptor && *expected >= 0 ? actual < 0 : actual != *expected)
		return false;
	if (!m->spec->errno_name)
		return true;
	if (!symbol_value(m->spec->errno_name, &number)) {
		*error = arena_printf(run->arena, "unknown error name %s", m->spec->errno_name);
		return false;
	}
	return number == (m->call.result < 0 ? -m->call.result : 0);
}

static const char *call_line(const struct run *run, const struct event *event, struct marshalled *m)
{
	return arena_printf(run->arena, "%s %s", event_time_text(run, event), marshal_print(m, true));
}

/* `differences`: lines, or NULL. */
static void call_fail(struct run *run, const struct event *event, struct marshalled *m, const char *reason,
		      const char *differences)
{
	struct failure *failure = run_fail(run, event, "%s: %s", m->spec->name, reason);

	failure->suggestion = call_line(run, event, m);
	failure->detail =
	    arena_printf(run->arena, "actual    %s%s%.*s", marshal_print(m, false), differences && *differences ? "\n" : "",
			 differences ? (int)strlen(differences) - 1 : 0, differences ? differences : "");
}

/* A call has finished: everything that the script says of it, and what follows from it. */
static void call_verify(struct run *run, const struct run_call *running)
{
	struct marshalled *m = running->marshalled;
	struct trace_entry *entry = &run->result->trace.entry[running->entry];
	const char *error = NULL, *differences = NULL, *reason;
	int64_t expected;
	bool fits = result_fits(run, m, &expected, &error);

	entry->ended = m->call.completed - run->start;
	entry->result = m->call.result;
	if (error) {
		run_error(run, running->event, "%s: %s", m->spec->name, error);
		return;
	}
	if (m->call.result >= 0)
		effects_after(run, running->event, m, (int)(expected >= 0 ? expected : m->call.result));
	if (run->observing && run->script->variables)
		marshal_check(m, &differences);
	if (run->observing || run_stopped(run))
		return;
	if (!fits)
		call_fail(run, running->event, m,
			  arena_printf(run->arena, "expected result %s but got %s", expected_text(run, m->spec),
				       result_text(run, m->call.result)),
			  NULL);
	else if (!marshal_check(m, &differences))
		call_fail(run, running->event, m,
			  arena_printf(run->arena, "%.*s", (int)strcspn(differences, "\n"), differences), differences);
	else if (running->event->call->blocking &&
		 !time_check(run, running->event->time.kind, running->event_end, -1, entry->ended, running->event_at,
			     "system call return", &reason))
		call_fail(run, running->event, m, reason, NULL);
}

/* --- carrying out --------------------------------------------------------------------------------------------------------- */
void calls_finish(struct run *run)
{
	struct run_call **link = &run->calls;

	while (*link) {
		struct run_call *running = *link;

		if (!running->marshalled->call.finished) {
			link = &running->next;
			continue;
		}
		*link = running->next;
		call_verify(run, running);
	}
}

/* Until `call` is finished or `until` has come. */
static void call_wait(struct run *run, const struct pl_call *call, pl_time until)
{
	while (!call->finished) {
		pl_time before = run_now(run);
		enum target_event why;

		if (before >= until)
			return;
		why = run_pause(run, until, 1u << TARGET_CALL);
		if (why == TARGET_TIME && run_now(run) == before)
			return;
	}
}

/*
 * Calls under way may still be about to return when the next one is due: the script's order is kept for those that are due to
 * have returned by then.
 */
static void calls_settle(struct run *run)
{
	pl_time patience = run_now(run) + PATIENCE_IDLE;

	for (struct run_call *running = run->calls, *next; running; running = next) {
		next = running->next;
		if (running->event_end <= run->event_at + time_tolerance(run, running->event_end - running->event_at) &&
		    running->event_end <= run_now(run))
			call_wait(run, &running->marshalled->call, patience);
	}
	calls_finish(run);
}

static void call_submit(struct run *run, struct run_call *running)
{
	struct pl_call *call = &running->marshalled->call;

	run_drain(run);
	running->entry = trace_add(run, TRACE_CALL, run->event, run_now(run));
	run->result->trace.entry[running->entry].call = running->marshalled;
	if (running->marshalled->rule->effect == EFFECT_CONNECT)
		effect_connect(running->marshalled);
	call->may_wait = run->event->call->blocking;
	run->ops->submit(run->target, call);
}

void run_call_event(struct run *run)
{
	const struct call_spec *spec = run->event->call;
	struct run_call *running;
	const char *error;
	bool script;

	calls_settle(run);
	if (run_stopped(run) || !run_wait_event(run))
		return;
	calls_settle(run);
	if (run_stopped(run))
		return;
	running = arena_alloc(run->arena, sizeof(*running));
	*running = (struct run_call){ .event = run->event, .event_at = run->event_at };
	if (spec->blocking)
		running->event_end = spec->end + (run->event->time.kind == TIME_RELATIVE ? run->event_offset : 0);
	running->marshalled = marshal(run, spec, &error, &script);
	if (!running->marshalled && script)
		run_error(run, run->event, "%s: %s", spec->name, error);
	else if (!running->marshalled)
		run_fail(run, run->event, "%s: %s", spec->name, error);
	if (!running->marshalled)
		return;
	call_submit(run, running);
	if (spec->blocking) {
		running->next = run->calls;
		run->calls = running;
		calls_finish(run);
		return;
	}
	call_wait(run, &running->marshalled->call, run_now(run) + (run->observing ? PATIENCE_OBSERVED : PATIENCE_CALL));
	if (!running->marshalled->call.finished) {
		run->ops->cancel(run->target, &running->marshalled->call);
		if (run->observing) {
			call_verify(run, running);
			return;
		}
		run_fail(run, run->event, "%s: it did not return", spec->name);
		return;
	}
	run_drain(run);
	call_verify(run, running);
}

void calls_end(struct run *run)
{
	pl_time until = run_now(run) + PATIENCE_IDLE;

	while (run->calls && !run_stopped(run)) {
		struct run_call *running = run->calls;

		call_wait(run, &running->marshalled->call, running->event_end + PATIENCE_IDLE > until && run->observing
								   ? running->event_end + PATIENCE_IDLE : until);
		calls_finish(run);
		if (run->calls != running)
			continue;
		run->calls = running->next;
		run->ops->cancel(run->target, &running->marshalled->call);
		if (!run->observing)
			run_fail(run, running->event, "%s: the script ends while the call is still under way",
				 running->event->call->name);
	}
}
