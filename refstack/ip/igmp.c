/*
 * IGMP, the host's side: when a report is due.
 *
 * Version 3 tells every change of a link's filter: at once, and again after a random time up to the unsolicited report interval,
 * robustness times in all, in reports to 224.0.0.22 that put together what is to be told by then. Versions 1 and 2, spoken
 * while routers of those versions have been heard lately or force_igmp_version says so, report a group when it is joined, and again
 * after a random time, and version 2 says when it is left. Answers to queries come after a random time up to what the query
 * allows. With versions 1 and 2 a report of another host makes this one's unnecessary, which is why each is sent to the group
 * itself.
 *
 * Linux counts all of this in jiffies: a random number of them below the bound, and two more.
 */
#include "igmp.h"

#include <linux/igmp.h>

#define QUERY_INTERVAL 125		/* seconds: RFC 3376 section 8.2 */
#define RESPONSE_INTERVAL 10		/* seconds: section 8.3; the time that version 1 leaves for answers */
#define LEAST_DELAY 2			/* jiffies */

static uint32_t seconds(const struct mc_device *device, uint32_t count)
{
	return count * device->stack->machine.hz;
}

static uint32_t tenths(const struct mc_device *device, uint32_t count)
{
	return count * (device->stack->machine.hz / 10);
}

/* The moment a random time below `bound` jiffies from now, and the least. */
static pl_time random_moment(const struct mc_device *device, uint32_t bound)
{
	struct pl_stack *stack = device->stack;

	return stack->now + jiffies_to_time(stack, prng_below(&stack->prng, bound) + LEAST_DELAY);
}

/* --- versions ----------------------------------------------------------------------------------------------------- */
static bool forced(const struct mc_device *device, int version)
{
	return device->stack->sysctl.conf_all.force_igmp_version == version ||
	       device->link->ipv4->conf.force_igmp_version == version;
}

static bool heard_lately(const struct mc_device *device, int version)
{
	return device->old[version - 1] &&
	       (int32_t)(stack_jiffies(device->stack) - device->old_until[version - 1]) < 0;
}

int igmp_version(const struct mc_device *device)
{
	for (int version = 1; version <= 2; version++)
		if (forced(device, version) || heard_lately(device, version))
			return version;
	return 3;
}

uint8_t igmp_robustness(const struct mc_device *device)
{
	return (uint8_t)(device->robustness ? device->robustness : (uint32_t)device->stack->sysctl.igmp_qrv);
}

bool igmp_silent(const struct mc_device *device, struct in_addr group)
{
	return group.s_addr == htonl(INADDR_ALLHOSTS_GROUP) ||
	       (ip_is_local_multicast(group) && !device->stack->sysctl.igmp_link_local_mcast_reports);
}

void igmp_reset(struct mc_device *device)
{
	device->query_interval = seconds(device, QUERY_INTERVAL);
	device->response_interval = seconds(device, RESPONSE_INTERVAL);
	device->robustness = (uint32_t)device->stack->sysctl.igmp_qrv;
}

/* --- timers ------------------------------------------------------------------------------------------------------- */
/* The bound of the time after which something said unasked is said again, in jiffies. */
static uint32_t unsolicited_interval(const struct mc_device *device)
{
	const struct conf_sysctls *conf = &device->link->ipv4->conf;
	int milliseconds = igmp_version(device) == 3 ? conf->igmpv3_unsolicited_report_interval :
						       conf->igmpv2_unsolicited_report_interval;

	return milliseconds > 0 ? (uint32_t)time_to_jiffies_up(device->stack, milliseconds * PL_NSEC_PER_MSEC) : 1;
}

static void group_timer_start(struct mc_group *group, uint32_t bound)
{
	timer_arm(group->device->stack, &group->timer, random_moment(group->device, bound));
}

static void group_timer_stop(struct mc_group *group)
{
	timer_cancel(group->device->stack, &group->timer);
	group->last_reporter = false;
	group->unsolicited = 0;
}

static void group_timer_fire(struct pl_stack *stack, struct pl_timer *timer)
{
	struct mc_group *group = (struct mc_group *)((char *)timer - offsetof(struct mc_group, timer));

	(void)stack;
	if (group->unsolicited && --group->unsolicited)
		group_timer_start(group, unsolicited_interval(group->device));
	group->last_reporter = true;
	igmp_send_report(group);
}

void igmp_group_timer_init(struct mc_group *group)
{
	timer_init(&group->timer, group_timer_fire);
}

static void change_timer_start(struct mc_device *device, uint32_t bound)
{
	timer_arm(device->stack, &device->change, random_moment(device, bound));
}

static void change_timer_fire(struct pl_stack *stack, struct pl_timer *timer)
{
	struct mc_device *device = (struct mc_device *)((char *)timer - offsetof(struct mc_device, change));

	(void)stack;
	igmp_send_changes(device);
	if (device->changes && --device->changes)
		change_timer_start(device, unsolicited_interval(device));
}

static void general_timer_fire(struct pl_stack *stack, struct pl_timer *timer)
{
	(void)stack;
	igmp_send_answer((struct mc_device *)((char *)timer - offsetof(struct mc_device, general)), NULL);
}

void igmp_timers_init(struct mc_device *device)
{
	timer_init(&device->change, change_timer_fire);
	timer_init(&device->general, general_timer_fire);
}

/* --- what this host does ------------------------------------------------------------------------------------------ */
void igmp_changed(struct mc_device *device)
{
	if (igmp_version(device) != 3)
		return;
	device->changes = igmp_robustness(device);
	change_timer_start(device, 1);
}

void igmp_group_joined(struct mc_group *group)
{
	struct mc_device *device = group->device;

	if (igmp_silent(device, group->address))
		return;
	group->unsolicited = (uint8_t)device->stack->sysctl.igmp_qrv;
	if (igmp_version(device) != 3) {
		group_timer_start(group, 1);
		return;
	}
	/* From nobody to nobody but these is no change of mode (RFC 3376 section 5.1): the sources alone tell it. */
	if (group->mode == MCAST_EXCLUDE)
		group->repeat = igmp_robustness(device);
	igmp_changed(device);
}

void igmp_group_left(struct mc_group *group)
{
	struct mc_device *device = group->device;
	bool last_reporter = group->last_reporter;

	if (igmp_silent(device, group->address))
		return;
	group_timer_stop(group);
	switch (igmp_version(device)) {
	case 1:
		return;
	case 2:
		if (last_reporter)
			igmp_send_leave(group);
		return;
	default:
		mc_group_note_left(group);
		igmp_changed(device);
	}
}

/* --- queries ------------------------------------------------------------------------------------------------------ */
struct query {
	struct in_addr group;		/* 0: all groups */
	uint32_t delay;			/* jiffies within which the answer is due */
	const uint8_t *sources;		/* four bytes each, at any alignment */
	unsigned count;
};

/* Times of version 3: up to 127 as it is, beyond with four bits of fraction and three of exponent (section 4.1.1). */
static uint32_t decode_time(uint8_t code)
{
	return code < 128 ? code : ((code & 15u) | 16u) << ((code >> 4 & 7) + 3);
}

static bool query_names(const struct query *query, struct in_addr source)
{
	for (unsigned i = 0; i < query->count; i++)
		if (!memcmp(query->sources + 4 * i, &source, 4))
			return true;
	return false;
}

/*
 * Is there anything to answer to a query for sources? With a filter of mode include: whether it has any of them, which are marked;
 * with one of mode exclude: whether it takes any of them, and then the answer is the whole filter.
 */
static bool sources_asked(struct mc_group *group, const struct query *query)
{
	unsigned found = 0;

	for (struct mc_source *source = group->sources; source; source = source->next) {
		bool named = query_names(query, source->address);

		if (group->mode == MCAST_EXCLUDE)
			found += named && mc_source_listed(group, source);
		else if (named && found < query->count)
			found += source->asked = true;
	}
	group->by_source = group->mode == MCAST_INCLUDE && found;
	return group->mode == MCAST_EXCLUDE ? found != query->count : found;
}

/* An answer within `delay`: a report that is due within that time anyway will do. */
static void group_timer_hasten(struct mc_group *group, uint32_t delay)
{
	struct pl_stack *stack = group->device->stack;

	group->unsolicited = 0;
	if (timer_armed(&group->timer) && group->timer.deadline - stack->now < jiffies_to_time(stack, delay))
		return;
	group_timer_start(group, delay);
}

static void ask_groups(struct mc_device *device, const struct query *query)
{
	for (struct mc_group *group = device->groups; group; group = group->next) {
		if (query->group.s_addr && query->group.s_addr != group->address.s_addr)
			continue;
		if (igmp_silent(device, group->address))
			continue;
		/* A query for all of the group that is not answered yet wants more than this one for some sources. */
		group->by_source = query->count && (!timer_armed(&group->timer) || group->by_source);
		if (!group->by_source || sources_asked(group, query))
			group_timer_hasten(group, query->delay);
	}
}

/* A router of version 1 or 2: until it has not been heard for a while, this host speaks as it does (section 7.2.1). */
static void old_router_heard(struct mc_device *device, const struct igmphdr *header, struct query *query)
{
	int version = header->code ? 2 : 1;

	query->delay = version == 1 ? seconds(device, RESPONSE_INTERVAL) : tenths(device, header->code);
	if (version == 1)
		query->group.s_addr = 0;
	device->old[version - 1] = true;
	device->old_until[version - 1] = stack_jiffies(device->stack) + device->robustness * device->query_interval +
					 device->response_interval;
	device->changes = 0;
	timer_cancel(device->stack, &device->change);
	mc_notes_forget(device);
}

/* What the querier has told of its own times is what all on the link go by. */
static void querier_heard(struct mc_device *device, const struct igmpv3_query *header, uint32_t delay)
{
	uint32_t interval = seconds(device, decode_time(header->qqic));

	device->response_delay = delay;
	device->robustness = header->qrv ? header->qrv : (uint32_t)device->stack->sysctl.igmp_qrv;
	device->query_interval = interval ? interval : seconds(device, QUERY_INTERVAL);
	device->response_interval = delay;
	if (device->response_interval >= device->query_interval)
		device->response_interval = device->query_interval - seconds(device, 1);
}

static void answer_general(struct mc_device *device)
{
	pl_time moment = random_moment(device, device->response_delay);

	if (!timer_armed(&device->general) || moment < device->general.deadline)
		timer_arm(device->stack, &device->general, moment);
}

static void receive_query(struct mc_device *device, const struct pktbuf *packet)
{
	size_t length = pktbuf_length(packet);
	const struct igmphdr *header = pktbuf_at(packet, 0, sizeof(*header));
	const struct igmpv3_query *newer = pktbuf_at(packet, 0, sizeof(*newer));
	struct query query = { .group.s_addr = header->group };

	if (length == sizeof(*header)) {
		old_router_heard(device, header, &query);
		ask_groups(device, &query);
		return;
	}
	if (!newer)
		return;
	query.delay = tenths(device, decode_time(newer->code));
	switch (igmp_version(device)) {
	case 1:		/* while routers of version 1 are there all are answered as they would be */
		query.delay = seconds(device, RESPONSE_INTERVAL);
		query.group.s_addr = 0;
		break;
	case 2:
		break;
	default:
		query.count = ntohs(newer->nsrcs);
		query.sources = pktbuf_at(packet, sizeof(*newer), 4 * (size_t)query.count);
		if (query.count && !query.sources)
			return;
		if (!query.delay)
			query.delay = 1;
		querier_heard(device, newer, query.delay);
		if (!query.group.s_addr) {
			if (!query.count)
				answer_general(device);
			return;
		}
	}
	ask_groups(device, &query);
}

/* Another member has reported the group: that will do for this one too (RFC 2236 section 3). */
static void receive_report(struct mc_device *device, const struct pktbuf *packet)
{
	const struct igmphdr *header = pktbuf_at(packet, 0, sizeof(*header));
	struct in_addr address = { header->group };
	struct mc_group *group;

	if (packet->packet_type != PACKET_MULTICAST && packet->packet_type != PACKET_BROADCAST)
		return;		/* this host's own that came back, or meant for this host alone */
	group = igmp_silent(device, address) ? NULL : mc_group_find(device, address);
	if (group)
		group_timer_stop(group);
}

static bool igmp_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct igmphdr *header = pktbuf_at(packet, 0, sizeof(*header));

	if (header && checksum_finish(checksum_add(header, pktbuf_length(packet), 0)) == 0) {
		struct mc_device *device = packet->link->ipv4->multicast;

		switch (header->type) {
		case IGMP_HOST_MEMBERSHIP_QUERY:
			receive_query(device, packet);
			break;
		case IGMP_HOST_MEMBERSHIP_REPORT:
		case IGMPV2_HOST_MEMBERSHIP_REPORT:
			receive_report(device, packet);
			break;
		}
	}
	pktbuf_free(stack, packet);
	return true;
}

const struct ip_protocol igmp_protocol = { .number = IPPROTO_IGMP, .receive = igmp_receive };
