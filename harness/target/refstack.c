/*
 * The reference stack as a target: a stack of its own for each script, under virtual time.
 *
 * Waiting moves the clock from timer to timer until what is waited for has happened, so that a script's two seconds of silence
 * cost as much as the timers that fire in them. Nothing here makes a system call.
 */
#include "refstack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <plumbline/sysctl.h>
#include <string.h>

#include "../arena.h"
#include "../command/command.h"
#include "host_files.h"

#define WALL_CLOCK INT64_C(1700000000000000000)	/* what CLOCK_REALTIME reads at instant 0: any time will do, the same always */
/*
 * What a call takes. On a live host nothing happens in no time, and scripts lean on it: a round trip that begins within a call and
 * ends a given time after it is longer than that time, so that comparisons of spans do not come out even.
 */
#define CALL_COST (1 * PL_NSEC_PER_USEC)
#define PACKET_COST (1 * PL_NSEC_PER_USEC)	/* an acknowledgement is never back in no time at all */
#define SETTLING (8 * PL_NSEC_PER_MSEC)		/* and this long after the links came up */

/* A packet that left, in line to be taken. */
struct queued {
	struct queued *next;
	struct target_packet packet;
};

struct refstack_link {
	struct refstack *refstack;
	unsigned index;
	int ifindex;
};

struct refstack {
	struct target target;
	struct pl_stack *stack;
	struct arena *arena;
	const struct target_config *config;
	struct commands commands;
	struct pl_host_files files;
	struct refstack_link link[8];
	struct queued *queue, **queue_tail;
	struct {			/* calls submitted and not seen finished */
		struct pl_call **call;
		unsigned count, room;
	} calls;
	unsigned hz;
};

static struct refstack *refstack_of(struct target *target)
{
	return (struct refstack *)target;
}

/* --- set-up --------------------------------------------------------------------------------------------------------------- */
static void packet_out(void *context, const struct pl_frame *frame)
{
	struct refstack_link *link = context;
	struct refstack *refstack = link->refstack;
	struct queued *queued = arena_alloc(refstack->arena, sizeof(*queued));

	queued->packet = (struct target_packet){
		.link = link->index,
		.bytes = arena_memdup(refstack->arena, frame->bytes, frame->length),
		.length = frame->length,
		.time = frame->time,
		.gso_size = frame->gso_size,
		.gso_segments = frame->gso_segs,
	};
	*refstack->queue_tail = queued;
	refstack->queue_tail = &queued->next;
}

static int link_open(struct refstack *refstack, unsigned index, const struct target_link *config, bool anyip)
{
	struct refstack_link *link = &refstack->link[index];
	struct pl_link_config made = { .name = config->name, .kind = config->kind, .mtu = config->mtu, .hwaddr = { TARGET_HWADDR(index) }, .output = packet_out,
				       .context = link };
	struct pl_address address = { .local = config->local, .prefix_length = config->prefix_length,
				      .scope = RT_SCOPE_UNIVERSE };
	struct pl_neighbour neighbour = { .address = config->neighbour, .hwaddr = { PL_HWADDR_PEER(index) }, .has_hwaddr = true,
					  .state = NUD_PERMANENT };
	int status;

	link->refstack = refstack;
	link->index = index;
	link->ifindex = pl_link_add(refstack->stack, &made);
	if (link->ifindex < 0)
		return link->ifindex;
	neighbour.ifindex = link->ifindex;
	status = pl_link_set_up(refstack->stack, link->ifindex, true);
	if (!status && config->local.s_addr && !anyip)
		status = pl_address_add(refstack->stack, link->ifindex, &address);
	if (!status && config->neighbour.s_addr)
		status = pl_neighbour_set(refstack->stack, &neighbour, NLM_F_CREATE | NLM_F_REPLACE);
	return status;
}

/* The far end is reached over the first link. */
static int route_open(struct refstack *refstack)
{
	const struct target_config *config = refstack->config;
	unsigned length = config->remote_prefix_length ? config->remote_prefix_length : 32;
	struct pl_route route = { .destination = config->remote, .gateway = config->gateway, .prefix_length = length,
				  .table = RT_TABLE_MAIN, .type = RTN_UNICAST, .scope = RT_SCOPE_UNIVERSE,
				  .protocol = RTPROT_BOOT, .ifindex = refstack->link[0].ifindex };

	if (!config->remote.s_addr)
		return 0;
	route.destination.s_addr &= htonl(length ? ~UINT32_C(0) << (32 - length) : 0);
	if (config->is_anyip)
		route.gateway.s_addr = 0;
	if (!route.gateway.s_addr)
		route.scope = RT_SCOPE_LINK;
	return pl_route_add(refstack->stack, &route, false);
}

/* Bringing lo up gives it 127.0.0.1/8, as on Linux. */
static int loopback_open(struct refstack *refstack)
{
	int lo = pl_link_find(refstack->stack, "lo");

	return lo < 0 ? lo : pl_link_set_up(refstack->stack, lo, true);
}

static int sysctls_set(struct refstack *refstack, struct arena *arena, const char **error)
{
	for (const char *const *setting = refstack->config->sysctl; setting && *setting; setting++) {
		const char *equals = strchr(*setting, '=');
		ssize_t status = -EINVAL;

		if (equals)
			status = pl_sysctl_write(refstack->stack, arena_memdup(arena, *setting, (size_t)(equals - *setting)),
						 equals + 1, strlen(equals + 1));
		if (status < 0) {
			*error = arena_printf(arena, "%s: %s", *setting, strerror((int)-status));
			return (int)status;
		}
	}
	return 0;
}

static void refstack_close(struct target *target);

static int refstack_open(const struct target_config *config, struct arena *arena, struct target **target, const char **error)
{
	struct refstack *refstack = arena_alloc(arena, sizeof(*refstack));
	struct pl_stack_config made = { .seed = config->seed, .wall_clock = WALL_CLOCK, .machine = config->machine,
					.files = &refstack->files, .first_namespace = config->first_namespace };
	int status;

	refstack->files = host_files(config->script_path);
	refstack->target.ops = &refstack_target;
	refstack->arena = arena;
	refstack->config = config;
	refstack->queue_tail = &refstack->queue;
	refstack->hz = config->machine && config->machine->hz ? config->machine->hz : pl_machine_default.hz;
	refstack->stack = pl_stack_new(&made);
	if (!refstack->stack)
		return -ENOMEM;
	refstack->commands = (struct commands){ .stack = refstack->stack, .config = config };
	*target = &refstack->target;
	status = sysctls_set(refstack, arena, error);
	if (!status)
		status = loopback_open(refstack);
	for (unsigned i = 0; !status && i < config->links; i++)
		status = link_open(refstack, i, &config->link[i], config->is_anyip && !i);
	if (!status)
		status = route_open(refstack);
	if (!status)
		return 0;
	if (!*error)
		*error = arena_printf(arena, "setting up the links: %s", strerror(-status));
	refstack_close(&refstack->target);
	return status;
}

static void refstack_close(struct target *target)
{
	commands_close(&refstack_of(target)->commands);
	pl_stack_free(refstack_of(target)->stack);
}

/* --- time ----------------------------------------------------------------------------------------------------------------- */
static pl_time refstack_now(struct target *target)
{
	return pl_stack_now(refstack_of(target)->stack);
}

static pl_time refstack_start(struct target *target)
{
	struct refstack *refstack = refstack_of(target);
	pl_time jiffy = PL_NSEC_PER_SEC / refstack->hz;
	pl_time at = (pl_stack_now(refstack->stack) + SETTLING) / jiffy * jiffy + jiffy * 3 / 8;	/* as on the kernel */

	pl_stack_run_until(refstack->stack, at);
	return at;
}

static int64_t refstack_wall_clock(struct target *target)
{
	(void)target;
	return WALL_CLOCK;
}

/* Whether a call that was submitted has finished since; forgets those that have. */
static bool call_finished(struct refstack *refstack)
{
	bool any = false;

	for (unsigned i = 0; i < refstack->calls.count;)
		if (refstack->calls.call[i]->finished) {
			refstack->calls.call[i] = refstack->calls.call[--refstack->calls.count];
			any = true;
		} else {
			i++;
		}
	return any;
}

static enum target_event refstack_wait(struct target *target, pl_time until, unsigned want)
{
	struct refstack *refstack = refstack_of(target);

	for (;;) {
		pl_time next;

		if ((want & 1u << TARGET_PACKET) && refstack->queue)
			return TARGET_PACKET;
		if ((want & 1u << TARGET_CALL) && call_finished(refstack))
			return TARGET_CALL;
		next = pl_stack_next_timer(refstack->stack);
		if (next > until) {
			if (until != PL_TIME_NEVER && until > pl_stack_now(refstack->stack))
				pl_stack_run_until(refstack->stack, until);
			return TARGET_TIME;
		}
		if (next == PL_TIME_NEVER)
			return TARGET_TIME;
		pl_stack_run_until(refstack->stack, next);
	}
}

/* --- calls and packets ---------------------------------------------------------------------------------------------------- */
static void refstack_submit(struct target *target, struct pl_call *call)
{
	struct refstack *refstack = refstack_of(target);

	call->submitted = pl_stack_now(refstack->stack);
	pl_call_submit(refstack->stack, call);
	if (call->finished) {
		pl_stack_run_until(refstack->stack, call->submitted + CALL_COST);
		return;
	}
	if (refstack->calls.count == refstack->calls.room) {
		struct pl_call **old = refstack->calls.call;

		refstack->calls.room = refstack->calls.room ? 2 * refstack->calls.room : 8;
		refstack->calls.call = arena_alloc(refstack->arena, refstack->calls.room * sizeof(*old));
		if (old)
			memcpy(refstack->calls.call, old, refstack->calls.count * sizeof(*old));
	}
	refstack->calls.call[refstack->calls.count++] = call;
}

static void refstack_cancel(struct target *target, struct pl_call *call)
{
	struct refstack *refstack = refstack_of(target);

	pl_call_cancel(refstack->stack, call);
	call_finished(refstack);
}

static int refstack_inject(struct target *target, unsigned link, const void *bytes, size_t length, unsigned gso_size)
{
	struct refstack *refstack = refstack_of(target);
	int ifindex = refstack->link[link].ifindex;

	pl_stack_run_until(refstack->stack, pl_stack_now(refstack->stack) + PACKET_COST);
	return gso_size ? pl_link_input_gso(refstack->stack, ifindex, bytes, length, gso_size)
			: pl_link_input(refstack->stack, ifindex, bytes, length);
}

static bool refstack_take(struct target *target, struct arena *arena, struct target_packet *packet)
{
	struct refstack *refstack = refstack_of(target);

	(void)arena;
	if (!refstack->queue)
		return false;
	*packet = refstack->queue->packet;
	refstack->queue = refstack->queue->next;
	if (!refstack->queue)
		refstack->queue_tail = &refstack->queue;
	return true;
}

static ssize_t refstack_sysctl_read(struct target *target, const char *path, char *buffer, size_t size)
{
	return pl_sysctl_read(refstack_of(target)->stack, path, buffer, size);
}

static ssize_t refstack_sysctl_write(struct target *target, const char *path, const char *text, size_t length)
{
	return pl_sysctl_write(refstack_of(target)->stack, path, text, length);
}

static int refstack_command(struct target *target, const char *command, bool init, struct arena *arena, const char **error)
{
	return command_run(&refstack_of(target)->commands, command, init, arena, error);
}

static pl_time refstack_lateness(struct target *target)
{
	(void)target;
	return 0;
}

const struct target_ops refstack_target = {
	.name = "refstack",
	.virtual_time = true,
	.open = refstack_open,
	.close = refstack_close,
	.now = refstack_now,
	.start = refstack_start,
	.wall_clock = refstack_wall_clock,
	.wait = refstack_wait,
	.submit = refstack_submit,
	.cancel = refstack_cancel,
	.inject = refstack_inject,
	.take = refstack_take,
	.sysctl_read = refstack_sysctl_read,
	.sysctl_write = refstack_sysctl_write,
	.command = refstack_command,
	.lateness = refstack_lateness,
};

struct pl_stack *refstack_target_stack(struct target *target)
{
	return refstack_of(target)->stack;
}
