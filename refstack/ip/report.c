/*
 * IGMP messages that this host sends: with TTL 1, the precedence of internetwork control and the router alert option.
 *
 * A report of version 3 is a row of records (RFC 3376 section 4.2), which are put together in packets as large as the link
 * allows. A record that does not fit goes on in the next packet, but for those that say of a filter of mode exclude what
 * it is: two of them would contradict each other, so such a record gets a fresh packet and is cut off at its end.
 */
#include "igmp.h"

#include <linux/igmp.h>
#include <stdlib.h>

#define IGMP_TOS 0xc0
#define LEAST_MTU 68			/* RFC 791: no IPv4 over links of less */
#define IP_HEADER 24			/* with the router alert option */

/* Whose records are being written: a group that is there or that was left, and its sources that are listed or gone. */
struct record_of {
	struct mc_group *group;
	bool left, gone;
	int type;			/* IGMPV3_* */
};

struct report {
	struct mc_device *device;
	struct pktbuf *packet;		/* NULL: nothing written yet */
	struct route *route;		/* of the packet */
	struct flow flow;
	size_t room;			/* bytes left in it */
	struct igmpv3_grec *record;	/* the last, which sources are added to */
};

/* --- packets ------------------------------------------------------------------------------------------------------ */
static bool has_address(const struct in_device *device, struct in_addr address)
{
	const struct inet_address *ifa = device->addresses;

	while (ifa && ifa->local.s_addr != address.s_addr)
		ifa = ifa->next;
	return ifa;
}

/* The way of a message over the device: a held route and the source in flow->source; NULL: there is none. */
static struct route *message_route(const struct mc_device *device, struct in_addr destination, struct flow *flow)
{
	struct route *route = NULL;

	*flow = (struct flow){ .destination = destination, .protocol = IPPROTO_IGMP, .output_link = device->link->ifindex };
	return route_output(device->stack, flow, &route) ? NULL : route;
}

/* Consumes the packet, whose data is the message with a checksum of 0, and the route. */
static void message_send(struct mc_device *device, struct pktbuf *packet, struct route *route, const struct flow *flow)
{
	static const struct ip_options router_alert = { .length = 4, .bytes = { 148, 4, 0, 0 } };
	struct pl_stack *stack = device->stack;
	struct igmphdr *header = (struct igmphdr *)packet->data;

	header->csum = checksum_finish(checksum_add(packet->data, pktbuf_length(packet), 0));
	ip_send_packet(stack, packet, &(struct ip_send){
		.source = flow->source, .destination = flow->destination, .protocol = IPPROTO_IGMP, .tos = IGMP_TOS, .ttl = 1,
		.dont_fragment = true, .options = &router_alert, .route = route, .id = -1,
	});
	route_put(stack, route);
}

static void send_old(struct mc_group *group, uint8_t type, struct in_addr destination)
{
	struct flow flow;
	struct route *route = message_route(group->device, destination, &flow);
	struct pktbuf *packet = route ? pktbuf_new(group->device->stack, IP_HEADROOM, sizeof(struct igmphdr)) : NULL;

	if (!packet) {
		if (route)
			route_put(group->device->stack, route);
		return;
	}
	*(struct igmphdr *)pktbuf_put(packet, sizeof(struct igmphdr)) =
		(struct igmphdr){ .type = type, .group = group->address.s_addr };
	message_send(group->device, packet, route, &flow);
}

void igmp_send_leave(struct mc_group *group)
{
	send_old(group, IGMP_HOST_LEAVE_MESSAGE, (struct in_addr){ htonl(INADDR_ALLRTRS_GROUP) });
}

void igmp_send_report(struct mc_group *group)
{
	switch (igmp_version(group->device)) {
	case 1:
		send_old(group, IGMP_HOST_MEMBERSHIP_REPORT, group->address);
		break;
	case 2:
		send_old(group, IGMPV2_HOST_MEMBERSHIP_REPORT, group->address);
		break;
	default:
		igmp_send_answer(group->device, group);
	}
}

/* --- reports of version 3 ----------------------------------------------------------------------------------------- */
static void report_send(struct report *report)
{
	if (report->packet)
		message_send(report->device, report->packet, report->route, &report->flow);
	report->packet = NULL;
	report->record = NULL;
	report->room = 0;
}

/* A new packet. False: no memory, or no way to the routers. */
static bool report_begin(struct report *report)
{
	const struct in_addr routers = { htonl(0xe0000016) };	/* 224.0.0.22 */
	size_t size = report->device->link->mtu;

	if (size > UINT16_MAX)
		size = UINT16_MAX;
	size -= IP_HEADER;
	report->route = message_route(report->device, routers, &report->flow);
	if (!report->route)
		return false;
	report->packet = pktbuf_new(report->device->stack, IP_HEADROOM, size);
	if (!report->packet) {
		route_put(report->device->stack, report->route);
		return false;
	}
	if (!has_address(report->device->link->ipv4, report->flow.source))
		report->flow.source.s_addr = 0;		/* RFC 3376 section 4.2.13: a host without an address there yet */
	*(struct igmpv3_report *)pktbuf_put(report->packet, sizeof(struct igmpv3_report)) =
		(struct igmpv3_report){ .type = IGMPV3_HOST_MEMBERSHIP_REPORT };
	report->room = size - sizeof(struct igmpv3_report);
	return true;
}

/* A record without sources so far, in this packet or, if there is none, in a new one. False: as report_begin. */
static bool record_begin(struct report *report, const struct record_of *of)
{
	if (!report->packet && !report_begin(report))
		return false;
	struct igmpv3_report *header = (struct igmpv3_report *)report->packet->data;

	report->record = pktbuf_put(report->packet, sizeof(*report->record));
	*report->record = (struct igmpv3_grec){ .grec_type = (uint8_t)of->type, .grec_mca = of->group->address.s_addr };
	report->room -= sizeof(*report->record);
	header->ngrec = htons(ntohs(header->ngrec) + 1);
	return true;
}

/* --- records ------------------------------------------------------------------------------------------------------ */
static bool tells_all(int type)		/* of a filter of mode exclude */
{
	return type == IGMPV3_MODE_IS_EXCLUDE || type == IGMPV3_CHANGE_TO_EXCLUDE;
}

static bool tells_difference(int type)
{
	return type == IGMPV3_ALLOW_NEW_SOURCES || type == IGMPV3_BLOCK_OLD_SOURCES;
}

static bool answers_query(int type)
{
	return type == IGMPV3_MODE_IS_INCLUDE || type == IGMPV3_MODE_IS_EXCLUDE;
}

/* Does the source belong in the record? */
static bool belongs(const struct record_of *of, const struct mc_source *source)
{
	const struct mc_group *group = of->group;

	switch (of->type) {
	case IGMPV3_MODE_IS_INCLUDE:
	case IGMPV3_MODE_IS_EXCLUDE:
		if (of->left || of->gone || (group->by_source && !source->asked))
			return false;
		if (group->mode == MCAST_INCLUDE)
			return true;
		return source->users[MCAST_INCLUDE] ? of->type == IGMPV3_MODE_IS_INCLUDE : mc_source_listed(group, source);
	case IGMPV3_CHANGE_TO_INCLUDE:
		return !of->left && !of->gone && source->users[MCAST_INCLUDE];
	case IGMPV3_CHANGE_TO_EXCLUDE:
		return !of->left && !of->gone && group->modes[MCAST_EXCLUDE] && mc_source_listed(group, source);
	case IGMPV3_ALLOW_NEW_SOURCES:
		return !of->left && source->repeat && (group->mode == MCAST_INCLUDE) != of->gone;
	case IGMPV3_BLOCK_OLD_SOURCES:
		if (group->mode == MCAST_INCLUDE)
			return of->left || (source->repeat && of->gone);
		return source->repeat && !of->left && !of->gone;
	}
	return false;
}

/* A change of mode says all about the sources: what else is to be told of them counts as told (section 5.1). */
static bool told_by_mode(const struct record_of *of, const struct mc_source *source)
{
	bool mode = of->left ? of->group->mode == MCAST_EXCLUDE : of->group->repeat;

	return mode && tells_difference(of->type) && source->repeat;
}

static size_t record_size(const struct record_of *of)
{
	size_t size = sizeof(struct igmpv3_grec);

	for (const struct mc_source *source = of->gone ? of->group->gone : of->group->sources; source; source = source->next)
		size += belongs(of, source) ? sizeof(source->address) : 0;
	return size;
}

/* Put the source into the record, which may have to be begun. False: it is cut off here, or cannot be sent. */
static bool source_write(struct report *report, const struct record_of *of, const struct mc_source *source)
{
	size_t needed = sizeof(source->address) + (report->record ? 0 : sizeof(*report->record));

	if (report->room < needed) {
		if (tells_all(of->type) && report->record)
			return false;
		report_send(report);
	}
	if (!report->record && !record_begin(report, of))
		return false;
	memcpy(pktbuf_put(report->packet, sizeof(source->address)), &source->address, sizeof(source->address));
	report->room -= sizeof(source->address);
	report->record->grec_nsrcs = htons(ntohs(report->record->grec_nsrcs) + 1);
	return true;
}

/* The sources of a record. *written: how many. */
static void sources_write(struct report *report, const struct record_of *of, unsigned *written)
{
	struct mc_source **place = of->gone ? &of->group->gone : &of->group->sources, *source;

	while ((source = *place)) {
		if (!belongs(of, source)) {
			place = &source->next;
			continue;
		}
		if (!told_by_mode(of, source)) {
			if (answers_query(of->type))
				source->asked = false;
			if (!source_write(report, of, source))
				return;
			(*written)++;
		}
		if (tells_difference(of->type) && --source->repeat == 0 && (of->gone || of->left)) {
			*place = source->next;
			free(source);
			continue;
		}
		place = &source->next;
	}
}

static void record_write(struct report *report, struct mc_group *group, int type, bool left, bool gone)
{
	const struct record_of of = { .group = group, .left = left, .gone = gone, .type = type };
	unsigned written = 0;

	if (igmp_silent(report->device, group->address) || report->device->link->mtu < LEAST_MTU)
		return;
	report->record = NULL;
	if (tells_all(type) && report->packet && group->sources && report->room < record_size(&of))
		report_send(report);
	sources_write(report, &of, &written);
	if (!written && !tells_difference(type) && (group->repeat || answers_query(type))) {
		if (report->packet && report->room < sizeof(*report->record))
			report_send(report);
		record_begin(report, &of);
	}
	if (answers_query(type))
		group->by_source = false;
}

void igmp_send_answer(struct mc_device *device, struct mc_group *only)
{
	struct report report = { .device = device };

	for (struct mc_group *group = device->groups; group; group = group->next)
		if (!only || group == only)
			record_write(&report, group,
				     group->modes[MCAST_EXCLUDE] ? IGMPV3_MODE_IS_EXCLUDE : IGMPV3_MODE_IS_INCLUDE, false, false);
	report_send(&report);
}

static void sources_told_forget(struct mc_source **place)
{
	struct mc_source *source;

	while ((source = *place)) {
		if (source->repeat) {
			place = &source->next;
			continue;
		}
		*place = source->next;
		free(source);
	}
}

static void left_write(struct report *report, struct mc_group *left)
{
	if (left->mode == MCAST_INCLUDE) {
		record_write(report, left, IGMPV3_BLOCK_OLD_SOURCES, true, false);
		record_write(report, left, IGMPV3_BLOCK_OLD_SOURCES, true, true);
	}
	if (!left->repeat)
		return;
	if (left->mode == MCAST_EXCLUDE)
		record_write(report, left, IGMPV3_CHANGE_TO_INCLUDE, true, false);
	if (--left->repeat == 0) {
		sources_told_forget(&left->gone);
		sources_told_forget(&left->sources);
	}
}

static void changes_write(struct report *report, struct mc_group *group)
{
	bool exclude = group->modes[MCAST_EXCLUDE];

	record_write(report, group, exclude ? IGMPV3_BLOCK_OLD_SOURCES : IGMPV3_ALLOW_NEW_SOURCES, false, false);
	record_write(report, group, exclude ? IGMPV3_ALLOW_NEW_SOURCES : IGMPV3_BLOCK_OLD_SOURCES, false, true);
	if (!group->repeat)
		return;
	record_write(report, group, group->mode == MCAST_EXCLUDE ? IGMPV3_CHANGE_TO_EXCLUDE : IGMPV3_CHANGE_TO_INCLUDE, false,
		     false);
	group->repeat--;
}

void igmp_send_changes(struct mc_device *device)
{
	struct report report = { .device = device };

	for (struct mc_group **place = &device->left, *left; (left = *place);) {
		left_write(&report, left);
		if (left->repeat || left->gone || left->sources) {
			place = &left->next;
			continue;
		}
		*place = left->next;
		mc_group_free(left);
	}
	for (struct mc_group *group = device->groups; group; group = group->next)
		changes_write(&report, group);
	report_send(&report);
}
