/*
 * The groups of a link, and from whom it wants them.
 *
 * Sockets have filters: a group, and either the senders that they want (include) or those that they do not (exclude). A link's
 * own filter is what suffices for all its sockets (RFC 3376 section 3.2): with any filter of mode exclude it is exclude, and its
 * list has the sources that all of those exclude and no other filter includes; otherwise it is include, with all sources
 * that some filter includes. So each source counts the filters of either mode that name it, and whether it is on the list
 * follows.
 *
 * A change of the link's filter is told to the routers (section 5.1). A source that comes onto the list has reports to be named
 * in (repeat); one that goes from the list leaves a note of itself behind in group->gone; a group that is left leaves one in
 * device->left.
 */
#include "igmp.h"

#include <stdlib.h>

bool multicast_accepts(struct pl_stack *stack, const struct in_device *device, struct in_addr address, struct in_addr source,
		       uint8_t protocol)
{
	const struct mc_group *group = mc_group_find(device->multicast, address);

	if (!group)
		return false;
	if (protocol == IPPROTO_IGMP || !source.s_addr)	/* routers and other members are heard whoever they are */
		return true;
	for (const struct mc_source *known = group->sources; known; known = known->next)
		if (known->address.s_addr == source.s_addr)
			return known->users[MCAST_INCLUDE] || known->users[MCAST_EXCLUDE] != group->modes[MCAST_EXCLUDE];
	return group->modes[MCAST_EXCLUDE];
}

/* --- sources ------------------------------------------------------------------------------------------------------ */
void mc_sources_free(struct mc_source **list)
{
	struct mc_source *source;

	while ((source = *list)) {
		*list = source->next;
		free(source);
	}
}

bool mc_source_listed(const struct mc_group *group, const struct mc_source *source)
{
	if (!group->modes[MCAST_EXCLUDE])
		return source->users[MCAST_INCLUDE];
	return source->users[MCAST_EXCLUDE] == group->modes[MCAST_EXCLUDE] && !source->users[MCAST_INCLUDE];
}

/* Where the source is in a list, or the list's end. */
static struct mc_source **source_place(struct mc_source **list, struct in_addr address)
{
	while (*list && (*list)->address.s_addr != address.s_addr)
		list = &(*list)->next;
	return list;
}

static bool source_use(struct mc_group *group, struct in_addr address, int mode)
{
	struct mc_source **place = source_place(&group->sources, address);

	if (!*place)
		*place = calloc(1, sizeof(**place));
	if (!*place)
		return false;
	(*place)->address = address;
	(*place)->users[mode]++;
	return true;
}

/* One filter less names it. *noted: it had to be told that nobody does any more. */
static bool source_release(struct mc_group *group, struct in_addr address, int mode, bool *noted)
{
	struct mc_source **place = source_place(&group->sources, address), *source = *place;

	if (!source || !source->users[mode])
		return false;
	if (--source->users[mode] || source->users[!mode])
		return true;
	*place = source->next;
	if (source->was_listed && igmp_version(group->device) == 3) {
		source->repeat = igmp_robustness(group->device);
		source->next = group->gone;
		group->gone = source;
		*noted = true;
	} else {
		free(source);
	}
	return true;
}

/* Before a change: remember who is on the list. */
static void lists_mark(struct mc_group *group)
{
	for (struct mc_source *source = group->sources; source; source = source->next)
		source->was_listed = mc_source_listed(group, source);
}

static void gone_forget(struct mc_group *group, struct in_addr address)
{
	struct mc_source **place = source_place(&group->gone, address), *source = *place;

	if (source) {
		*place = source->next;
		free(source);
	}
}

static void gone_note(struct mc_group *group, const struct mc_source *source)
{
	struct mc_source *note = *source_place(&group->gone, source->address);

	if (!note) {
		note = malloc(sizeof(*note));
		if (!note)
			return;
		*note = *source;
		note->next = group->gone;
		group->gone = note;
	}
	note->repeat = igmp_robustness(group->device);
}

/* After it: what came onto the list or went from it is to be told. False: nothing did. */
static bool lists_changed(struct mc_group *group)
{
	bool changed = false;

	for (struct mc_source *source = group->sources; source; source = source->next) {
		bool listed = mc_source_listed(group, source);

		if (listed == source->was_listed)
			continue;
		changed = true;
		if (listed) {
			gone_forget(group, source->address);
			source->repeat = igmp_robustness(group->device);
		} else {
			source->repeat = 0;
			gone_note(group, source);
		}
	}
	return changed;
}

/* The whole filter has another mode now: a report of that says everything about sources too. */
static void mode_changed(struct mc_group *group, int mode)
{
	group->mode = mode;
	group->repeat = igmp_robustness(group->device);
	for (struct mc_source *source = group->sources; source; source = source->next)
		source->repeat = 0;
	igmp_changed(group->device);
}

int mc_filter_add(struct mc_device *device, struct in_addr address, int mode, const struct in_addr *source, uint32_t count,
		  bool whole)
{
	struct mc_group *group = mc_group_find(device, address);
	bool noted;

	if (!group)
		return -EINVAL;
	lists_mark(group);
	group->modes[mode] += whole;
	for (uint32_t i = 0; i < count; i++) {
		if (source_use(group, source[i], mode))
			continue;
		group->modes[mode] -= whole;
		while (i-- > 0)
			source_release(group, source[i], mode, &noted);
		return -ENOBUFS;
	}
	if ((group->mode == MCAST_EXCLUDE) != (group->modes[MCAST_EXCLUDE] != 0))
		mode_changed(group, group->modes[MCAST_EXCLUDE]	  ? MCAST_EXCLUDE :
				    group->modes[MCAST_INCLUDE] ? MCAST_INCLUDE :
								    group->mode);
	else if (lists_changed(group))
		igmp_changed(device);
	return 0;
}

int mc_filter_remove(struct mc_device *device, struct in_addr address, int mode, const struct in_addr *source, uint32_t count,
		     bool whole)
{
	struct mc_group *group = mc_group_find(device, address);
	bool noted = false;
	int error = 0;

	if (!group || (whole && !group->modes[mode]))
		return -EINVAL;
	lists_mark(group);
	group->modes[mode] -= whole;
	for (uint32_t i = 0; i < count; i++)
		if (!source_release(group, source[i], mode, &noted))
			error = -ESRCH;
	if (group->mode == MCAST_EXCLUDE && !group->modes[MCAST_EXCLUDE] && group->modes[MCAST_INCLUDE])
		mode_changed(group, MCAST_INCLUDE);
	else if (lists_changed(group) || noted)
		igmp_changed(device);
	return error;
}

/* --- groups ------------------------------------------------------------------------------------------------------- */
struct mc_group *mc_group_find(const struct mc_device *device, struct in_addr address)
{
	struct mc_group *group = device->groups;

	while (group && group->address.s_addr != address.s_addr)
		group = group->next;
	return group;
}

void mc_group_free(struct mc_group *group)
{
	if (!group)
		return;
	timer_cancel(group->device->stack, &group->timer);
	mc_sources_free(&group->sources);
	mc_sources_free(&group->gone);
	free(group);
}

/* It was left a moment ago and is joined again: what was still to be told of its leaving is told of its coming instead. */
static void take_back(struct mc_group *group)
{
	struct mc_group **place = &group->device->left, *left;

	while ((left = *place) && left->address.s_addr != group->address.s_addr)
		place = &left->next;
	if (!left)
		return;
	*place = left->next;
	if (group->mode == MCAST_INCLUDE) {
		struct mc_source *sources = group->sources, *gone = group->gone;

		group->sources = left->sources;
		group->gone = left->gone;
		left->sources = sources;
		left->gone = gone;
		for (struct mc_source *source = group->sources; source; source = source->next)
			source->repeat = igmp_robustness(group->device);
	} else {
		group->repeat = igmp_robustness(group->device);
	}
	mc_group_free(left);
}

int mc_group_join(struct mc_device *device, struct in_addr address, int mode)
{
	struct mc_group *group = mc_group_find(device, address);

	if (group) {
		group->users++;
		return mc_filter_add(device, address, mode, NULL, 0, true);
	}
	group = calloc(1, sizeof(*group));
	if (!group)
		return -ENOBUFS;
	group->device = device;
	group->address = address;
	group->users = 1;
	group->mode = mode;
	group->modes[mode] = 1;
	igmp_group_timer_init(group);
	group->next = device->groups;
	device->groups = group;
	device->count++;
	take_back(group);
	igmp_group_joined(group);
	route_cache_flush(device->stack);
	return 0;
}

void mc_group_leave(struct mc_device *device, struct in_addr address)
{
	struct mc_group **place = &device->groups, *group;

	while ((group = *place) && group->address.s_addr != address.s_addr)
		place = &group->next;
	if (!group || --group->users)
		return;
	*place = group->next;
	device->count--;
	igmp_group_left(group);
	mc_group_free(group);
	route_cache_flush(device->stack);
}

void mc_group_note_left(struct mc_group *group)
{
	struct mc_device *device = group->device;
	struct mc_group *left = calloc(1, sizeof(*left));

	if (!left)
		return;
	left->device = device;
	left->address = group->address;
	left->mode = group->mode;
	left->repeat = igmp_robustness(device);
	igmp_group_timer_init(left);
	if (left->mode == MCAST_INCLUDE) {
		left->sources = group->sources;
		left->gone = group->gone;
		group->sources = group->gone = NULL;
		for (struct mc_source *source = left->sources; source; source = source->next)
			source->repeat = left->repeat;
	}
	left->next = device->left;
	device->left = left;
}

void mc_notes_forget(struct mc_device *device)
{
	struct mc_group *left;

	while ((left = device->left)) {
		device->left = left->next;
		mc_group_free(left);
	}
	for (struct mc_group *group = device->groups; group; group = group->next)
		mc_sources_free(&group->gone);
}

/* --- links -------------------------------------------------------------------------------------------------------- */
static struct in_addr all_hosts(void)
{
	return (struct in_addr){ htonl(INADDR_ALLHOSTS_GROUP) };
}

struct mc_device *mc_device_new(struct pl_stack *stack, struct link *link)
{
	struct mc_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->stack = stack;
	device->link = link;
	igmp_timers_init(device);
	igmp_reset(device);
	return device;
}

void mc_device_clear(struct mc_device *device)
{
	struct mc_group *group;

	timer_cancel(device->stack, &device->general);
	timer_cancel(device->stack, &device->change);
	mc_notes_forget(device);
	while ((group = device->groups)) {
		device->groups = group->next;
		mc_group_free(group);
	}
	device->count = 0;
}

void mc_device_free(struct mc_device *device)
{
	if (!device)
		return;
	mc_device_clear(device);
	free(device);
}

void mc_device_up(struct mc_device *device)
{
	igmp_reset(device);
	mc_group_join(device, all_hosts(), MCAST_EXCLUDE);
	for (struct mc_group *group = device->groups; group; group = group->next) {
		take_back(group);
		igmp_group_joined(group);
	}
}

void mc_device_down(struct mc_device *device)
{
	for (struct mc_group *group = device->groups; group; group = group->next)
		igmp_group_left(group);
	timer_cancel(device->stack, &device->change);
	timer_cancel(device->stack, &device->general);
	device->changes = 0;
	mc_group_leave(device, all_hosts());
}
