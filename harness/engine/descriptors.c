/*
 * File descriptors: the script's numbers and the target's. A number is free again once it is closed, on both sides.
 */
#include "run.h"

struct descriptor *descriptor_find(const struct run *run, int script_fd)
{
	for (struct descriptor *descriptor = run->descriptors; descriptor; descriptor = descriptor->next)
		if (!descriptor->closed && descriptor->script_fd == script_fd)
			return descriptor;
	return NULL;
}

int descriptor_free(const struct run *run)
{
	int script_fd = 3;

	while (descriptor_find(run, script_fd))
		script_fd++;
	return script_fd;
}

struct descriptor *descriptor_add(struct run *run, int script_fd, int live_fd, struct flow *flow)
{
	struct descriptor *descriptor = arena_alloc(run->arena, sizeof(*descriptor));

	*descriptor = (struct descriptor){ .next = run->descriptors, .script_fd = script_fd, .live_fd = live_fd, .flow = flow };
	run->descriptors = descriptor;
	if (flow)
		flow->live_fd = live_fd;
	return descriptor;
}

int descriptor_script(const struct run *run, int live_fd)
{
	int closed = -1;

	for (struct descriptor *descriptor = run->descriptors; descriptor; descriptor = descriptor->next) {
		if (descriptor->live_fd != live_fd)
			continue;
		if (!descriptor->closed)
			return descriptor->script_fd;
		/* Calls are put into words when the run is over, too. */
		if (closed < 0)
			closed = descriptor->script_fd;
	}
	if (closed < 0 && live_fd >= DESCRIPTOR_ASIDE)
		closed = live_fd - DESCRIPTOR_ASIDE;
	return closed;
}

int descriptor_live(const struct run *run, int script_fd)
{
	const struct descriptor *descriptor = descriptor_find(run, script_fd);

	if (descriptor)
		return descriptor->live_fd;
	return script_fd < 0 || script_fd >= DESCRIPTOR_ASIDE ? script_fd : script_fd + DESCRIPTOR_ASIDE;
}
