/*
 * Runs a script: opens a target as the script and the command line ask, walks the events in their order, and closes it.
 *
 * The engine waits only in run_wait and in the two places that wait for something to happen (an outbound packet, a call);
 * whatever else the stack does meanwhile is taken down when it is seen, with the time at which it happened.
 */
#include "run.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "../target/live.h"

pl_time run_now(const struct run *run)
{
	return run->ops->now(run->target) - run->start;
}

/* One packet that the stack sent: decoded, into the trace, and in line for the events. */
static void sent_add(struct run *run, const struct target_packet *raw)
{
	struct sent *sent = arena_alloc(run->arena, sizeof(*sent));
	struct packet *packet = arena_alloc(run->arena, sizeof(*packet));
	struct trace_entry *entry;
	pl_time chance;

	packet_decode(raw->bytes, raw->length, run->config.link[raw->link].kind == PL_LINK_ETHERNET, run->arena, packet);
	if (link_answered(run, raw->link, packet))
		return;
	packet->time = raw->time - run->start;
	packet->gso_size = raw->gso_size;
	packet->gso_segments = raw->gso_segments;
	*sent = (struct sent){ .packet = packet, .at = packet->time, .link = raw->link };
	chance = packet_chance(run, raw, packet->time);
	sent->entry = trace_add(run, TRACE_PACKET_OUT, NULL, packet->time);
	entry = &run->result->trace.entry[sent->entry];
	entry->chance = chance;
	entry->link = raw->link;
	entry->bytes = raw->bytes;
	entry->length = raw->length;
	entry->gso_size = raw->gso_size;
	entry->gso_segments = raw->gso_segments;
	entry->packet = packet;
	*run->sent_tail = sent;
	run->sent_tail = &sent->next;
}

void run_drain(struct run *run)
{
	struct target_packet raw;

	while (run->ops->take(run->target, run->arena, &raw))
		sent_add(run, &raw);
}

enum target_event run_pause(struct run *run, pl_time until, unsigned want)
{
	enum target_event why;

	if (run->answering)
		want |= 1u << TARGET_PACKET;
	why = run->ops->wait(run->target, run->start + until, want);
	if (why == TARGET_PACKET)
		run_drain(run);
	return why;
}

void run_wait(struct run *run, pl_time until)
{
	unsigned want = run->calls ? 1u << TARGET_CALL : 0;

	while (run_now(run) < until && !run_stopped(run)) {
		run_pause(run, until, want);
		calls_finish(run);
		want = run->calls ? 1u << TARGET_CALL : 0;
	}
	run_drain(run);
	calls_finish(run);
}

bool run_wait_event(struct run *run)
{
	const char *reason;

	run_wait(run, run->event_at);
	if (run_stopped(run))
		return false;
	if (!run->events_done || run->observing)
		return true;
	if (time_check(run, run->event->time.kind, run->event_at, run->event_until, run_now(run), run->last ? run->last_at : -1,
		       event_what(run->event), &reason))
		return true;
	run_fail(run, run->event, "%s", reason);
	return !run_stopped(run);
}

/* --- setting up ----------------------------------------------------------------------------------------------------------- */
static bool writes_contents(const struct expr *expr)
{
	if (!expr)
		return false;
	if (expr->kind == EXPR_STRING)
		return true;
	for (unsigned i = 0; i < expr->members; i++)
		if (writes_contents(expr->member[i].value))
			return true;
	return false;
}

/* Whether the stack may send bytes other than zeros: the script writes a string, or from a file or a pipe. */
static bool script_contents(const struct script *script)
{
	static const char *const writers[] = { "write", "writev", "send", "sendto", "sendmsg", "sendmmsg" };

	for (const struct event *event = script->events; event; event = event->next) {
		const struct call_spec *call = event->call;

		if (event->kind != EVENT_CALL)
			continue;
		if (!strcmp(call->name, "sendfile") || !strcmp(call->name, "splice"))
			return true;
		for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
			for (unsigned j = 1; !strcmp(call->name, writers[i]) && j < call->arguments && j < 2; j++)
				if (writes_contents(call->argument[j]))
					return true;
	}
	return false;
}

static void config_make(struct run *run)
{
	const struct settings *settings = &run->settings;

	run->config = (struct target_config){
		.link[0] = { .name = "tun0", .kind = PL_LINK_TUN, .mtu = settings->mtu, .local = settings->local,
			     .prefix_length = settings->prefix_length, .speed = settings->speed },
		.links = 1,
		.gateway = settings->gateway,
		.remote = settings->remote,
		.remote_prefix_length = settings->remote_prefix_length,
		.is_anyip = settings->is_anyip,
		.send_omit_free = settings->send_omit_free,
		.first_namespace = settings->first_namespace,
		.seed = run->options->seed,
		.script_path = run->script->path,
		.so_file = settings->so_file,
		.so_flags = settings->so_flags,
		.no_commands = run->options->no_commands,
		.machine = run->options->machine,
		.live = run->options->live,
	};
	for (unsigned i = 0; i < settings->extra_links; i++) {
		const struct script_link *link = &settings->extra_link[i];

		run->config.link[run->config.links++] = (struct target_link){
			.name = link->name,
			.kind = link->kind,
			.mtu = link->mtu ? link->mtu : link->kind == PL_LINK_LOOPBACK ? 65536 : 1500,
			.local = link->local,
			.prefix_length = link->prefix_length,
			.neighbour.s_addr = link->arp == LINK_ARP_PERMANENT ? link->remote.s_addr : 0,
		};
		run->far_end[i + 1] = link->remote;
		if (link->arp == LINK_ARP_ANSWER)
			run->answering |= 1u << (i + 1);
	}
}

static void run_skip(struct run *run, const char *reason)
{
	run->result->verdict = VERDICT_SKIP;
	run->result->reason = reason;
}

/* What the run does not allow and the script has, or NULL. */
static const char *refused(const struct run *run)
{
	const struct script *script = run->script;

	if (run->options->no_commands && (script->init_command || script->cleanup_command || run->settings.init_scripts))
		return "the script has commands (--no-commands)";
	for (const struct event *event = script->events; event; event = event->next) {
		if (event->kind == EVENT_COMMAND && run->options->no_commands)
			return "the script has commands (--no-commands)";
		if (event->kind == EVENT_CODE && run->options->no_python)
			return "the script has Python blocks (--no-python)";
	}
	return NULL;
}

/* False: the verdict is there. */
static bool run_prepare(struct run *run)
{
	const char *error = "";
	struct source_span where = { 0 };

	if (!settings_make(run->script, run->options, run->arena, &run->settings, &error, &where)) {
		run_error(run, NULL, "%s", error);
		if (where.line)
			run->result->failure[run->result->failures - 1].span = where;
		return false;
	}
	if (run->settings.ip_version == IP_VERSION_6) {
		run_skip(run, "the script is for IPv6 (ip_version=ipv6)");
		return false;
	}
	if (run->settings.ip_version == IP_VERSION_4_MAPPED) {
		run_skip(run, "the script is for IPv6 sockets with mapped addresses (ip_version=ipv4-mapped-ipv6)");
		return false;
	}
	if (run->settings.unsupported) {
		run_skip(run, arena_printf(run->arena, "the script needs --%s", run->settings.unsupported));
		return false;
	}
	if (refused(run)) {
		run_skip(run, refused(run));
		return false;
	}
	config_make(run);
	run->contents_matter = script_contents(run->script);
	return true;
}

static bool run_open(struct run *run)
{
	const char *error = NULL;
	int status = run->ops->open(&run->config, run->arena, &run->target, &error);

	if (!status)
		return true;
	if (!error)
		error = errno_text(run, -status);
	if (status == TARGET_UNAVAILABLE)
		run_skip(run, error);
	else
		run_error(run, NULL, "the %s target does not open: %s", run->ops->name, error);
	return false;
}

/* --init_scripts: commands, separated by commas. */
static bool run_init_scripts(struct run *run)
{
	const char *list = run->settings.init_scripts, *error;

	while (list && *list) {
		size_t length = strcspn(list, ",");

		if (length && !run_command(run, arena_memdup(run->arena, list, length), false, &error)) {
			run_error(run, NULL, "init script %.*s: %s", (int)length, list, error);
			return false;
		}
		list += length + (list[length] == ',');
	}
	return true;
}

static bool run_init(struct run *run)
{
	const char *error;

	if (!run_init_scripts(run))
		return false;
	if (run->script->init_command && !run_command(run, run->script->init_command, true, &error)) {
		run_error(run, NULL, "init command: %s", error);
		run->result->failure[run->result->failures - 1].span = run->script->init_span;
		return false;
	}
	run->start = run->ops->start ? run->ops->start(run->target) : run->ops->now(run->target);
	run->result->trace.wall_clock = run->ops->wall_clock ? run->ops->wall_clock(run->target) + run->start : run->start;
	for (unsigned i = 0; i < run->config.links; i++)
		if (run->config.link[i].kind == PL_LINK_ETHERNET)
			run->result->trace.ethernet_links |= 1u << i;
	return true;
}

/* --- the events ----------------------------------------------------------------------------------------------------------- */
static void run_event(struct run *run)
{
	switch (run->event->kind) {
	case EVENT_PACKET:
		run_packet_event(run);
		break;
	case EVENT_CALL:
		run_call_event(run);
		break;
	case EVENT_COMMAND:
		run_command_event(run);
		break;
	case EVENT_CODE:
		run_code_event(run);
		break;
	case EVENT_NOTHING:
		run_nothing_event(run);
		break;
	case EVENT_LET:
		run_let_event(run);
		break;
	case EVENT_TUNABLE:
		run_tunable_event(run);
		break;
	}
}

/* The line of the first event on or behind it. */
static unsigned pause_line(const struct script *script, unsigned line)
{
	unsigned found = UINT_MAX;

	for (const struct event *event = script->events; event; event = event->next)
		if (!event->span.file && (unsigned)event->span.line >= line && (unsigned)event->span.line < found)
			found = (unsigned)event->span.line;
	return found;
}

static void pauses_find(struct run *run)
{
	unsigned count = run->options->live && run->ops->pause ? run->options->live->pauses : 0;
	unsigned *line = arena_alloc(run->arena, (count + 1) * sizeof(*line));

	for (unsigned i = 0; i < count; i++)
		line[i] = pause_line(run->script, run->options->live->pause_at[i]);
	line[count] = 0;
	run->pause_line = line;
}

/* Before the event, or behind the last one: its time has not begun. */
static void pause_here(struct run *run, const struct event *event)
{
	unsigned here = event ? (unsigned)event->span.line : UINT_MAX;
	const unsigned *line = run->pause_line;

	if (event && event->span.file)
		return;
	while (*line && *line != here)
		line++;
	if (!*line)
		return;
	if (event)
		run->ops->pause(run->target, arena_printf(run->arena, "%s:%u: %s", run->script->path, here, event_what(event)));
	else
		run->ops->pause(run->target, arena_printf(run->arena, "the end of %s", run->script->path));
}

static void run_events(struct run *run)
{
	pauses_find(run);
	run->happened = -1;
	for (run->event = run->script->events; run->event && !run_stopped(run); run->event = run->event->next) {
		pause_here(run, run->event);
		if (run->event->branch && !event_wanted(run, run->event))
			continue;
		if (!time_resolve(run))
			continue;
		if (run->event->group) {
			run_group(run);
		} else {
			run->happened = -1;
			run_event(run);
		}
		run->last = run->event;
		run->last_at = run->event_at;
		run->events_done++;
	}
	run->event = NULL;
	if (!run_stopped(run))
		pause_here(run, NULL);
}

static void run_cleanup(struct run *run)
{
	const char *error;

	/* As in packetdrill: it undoes what the init command did. */
	if (!run->script->cleanup_command || !run->script->init_command)
		return;
	if (run_command(run, run->script->cleanup_command, false, &error))
		return;
	run_fail(run, NULL, "cleanup command: %s", error)->span = run->script->cleanup_span;
}

/* For as long as a busy machine may take to show what a stack has sent already: two jiffies and some more. */
#define AFTERMATH (20 * PL_NSEC_PER_MSEC)

static void run_all(struct run *run)
{
	if (!run_prepare(run) || run->settings.dry_run || !run_open(run))
		return;
	if (run_init(run)) {
		run_events(run);
		if (!run_stopped(run))
			calls_end(run);
		run_drain(run);
		run->result->trace.end = run_now(run);
		if (run->observing && !run->ops->virtual_time)
			run_wait(run, run->result->trace.end + AFTERMATH);
		run_cleanup(run);
		if (run->result->verdict == VERDICT_PASS || run->options->keep_going)
			code_run(run);
		if (run->observing || run->options->keep_trace || run->result->verdict != VERDICT_PASS)
			trace_texts(run);
	}
	run->result->lateness = run->ops->lateness(run->target);
	run->ops->close(run->target);
}

static pl_time real_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * PL_NSEC_PER_SEC + now.tv_nsec;
}

static void engine_go(const struct script *script, const struct run_options *options, struct arena *arena,
		      struct run_result *result, bool observing)
{
	struct run run = { .script = script, .options = options, .arena = arena, .result = result, .observing = observing,
			   .ops = options->target, .next_port = 49152 };
	pl_time began = real_time();

	*result = (struct run_result){ .verdict = VERDICT_PASS };
	run.variables = arena_alloc(arena, sizeof(*run.variables));
	run.sent_tail = &run.sent;
	run.code_tail = &run.code;
	run_all(&run);
	if (result->verdict == VERDICT_FAIL && result->failures)
		result->reason = result->failure[0].reason;
	/*
	 * Lateness of half the tolerance can push what is right out of it; and the kernel's timers fire a jiffy sooner or later
	 * with the instant at which they were set, and later still when processors are busy.
	 */
	result->noisy = result->verdict == VERDICT_FAIL && !run.ops->virtual_time &&
			(result->near_miss || 2 * result->lateness > (pl_time)run.settings.tolerance_usecs * PL_NSEC_PER_USEC);
	result->wall = real_time() - began;
}

void engine_run(const struct script *script, const struct run_options *options, struct arena *arena, struct run_result *result)
{
	engine_go(script, options, arena, result, false);
}

void engine_observe(const struct script *script, const struct run_options *options, struct arena *arena,
		    struct run_result *result)
{
	engine_go(script, options, arena, result, true);
}
