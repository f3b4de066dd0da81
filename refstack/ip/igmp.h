/*
 * The groups that a link listens to, and IGMP, which tells the routers of the link (RFC 1112, RFC 2236, RFC 3376).
 *
 *   group.c   the groups of a link and their source lists, made of what sockets ask for: section 3.2 of RFC 3376
 *   igmp.c    queries and reports that come in, the version spoken, the timers
 *   report.c  the messages that go out
 */
#ifndef REFSTACK_IP_IGMP_H
#define REFSTACK_IP_IGMP_H

#include "ip.h"

/* A sender that some socket's filter of a group names. */
struct mc_source {
	struct mc_source *next;
	struct in_addr address;
	unsigned users[2];		/* filters that name it, by mode: MCAST_EXCLUDE 0, MCAST_INCLUDE 1 */
	uint8_t repeat;			/* reports of a change that are still to name it */
	bool was_listed;		/* it was in the link's list before the change that is being made */
	bool asked;			/* the query that is to be answered names it */
};

struct mc_group {
	struct mc_group *next;
	struct mc_device *device;
	struct in_addr address;
	unsigned users;			/* memberships of sockets, and one of the stack's own for 224.0.0.1 */
	unsigned modes[2];		/* of them, those with a filter of that mode */
	int mode;			/* the link's: MCAST_EXCLUDE or MCAST_INCLUDE */
	uint8_t repeat;			/* reports that are still to tell a change of mode */
	uint8_t unsolicited;		/* reports of versions 1 and 2 that are still to be sent unasked */
	bool last_reporter;		/* this host was the last that reported it: it has to say when it leaves */
	bool by_source;			/* the query that is to be answered asks for sources */
	struct mc_source *sources;	/* in the order of first use */
	struct mc_source *gone;		/* no longer listed, and routers are still to hear so; the latest first */
	struct pl_timer timer;		/* a report is due */
};

/* What a link knows of its groups and of the routers that ask for them. */
struct mc_device {
	struct pl_stack *stack;
	struct link *link;
	struct mc_group *groups;	/* the one joined last first */
	struct mc_group *left;		/* left, and routers are still to hear so; the latest first */
	unsigned count;
	struct pl_timer general;	/* the answer to a general query is due (version 3) */
	struct pl_timer change;		/* a report of changes is due (version 3) */
	unsigned changes;		/* such reports that are still to be sent */
	bool old[2];			/* routers of version 1, version 2 were heard, and count until then: */
	uint32_t old_until[2];		/* in jiffies */
	uint32_t robustness;		/* reports a change; what the querier says, or igmp_qrv */
	uint32_t query_interval, response_interval, response_delay;	/* the querier's, in jiffies */
};

/* --- group.c ------------------------------------------------------------------------------------------------------ */
struct mc_device *mc_device_new(struct pl_stack *stack, struct link *link);	/* NULL: no memory */
void mc_device_clear(struct mc_device *device);		/* forgets every group, silently */
void mc_device_free(struct mc_device *device);		/* clears it first; NULL too */
void mc_device_up(struct mc_device *device);		/* the link is up: joins all hosts, tells of the groups */
void mc_device_down(struct mc_device *device);

/* The group, NULL: it is not joined on this link. */
struct mc_group *mc_group_find(const struct mc_device *device, struct in_addr address);
/* One more membership with a filter of that mode and no sources: 0 or -ENOBUFS. */
int mc_group_join(struct mc_device *device, struct in_addr address, int mode);
void mc_group_leave(struct mc_device *device, struct in_addr address);
/*
 * A membership's filter comes or goes: `count` sources of a filter of that mode. `whole`: the filter itself, with all its sources;
 * otherwise sources of a filter that stays. 0, -EINVAL when the group is not joined, -ENOBUFS.
 */
int mc_filter_add(struct mc_device *device, struct in_addr address, int mode, const struct in_addr *source, uint32_t count,
		  bool whole);
int mc_filter_remove(struct mc_device *device, struct in_addr address, int mode, const struct in_addr *source, uint32_t count,
		     bool whole);
/*
 * Is the source on the link's list for the group: of those taken while some membership includes and none excludes, of those
 * refused while some membership excludes.
 */
bool mc_source_listed(const struct mc_group *group, const struct mc_source *source);
void mc_group_note_left(struct mc_group *group);	/* the group is about to go: version 3 tells so more than once */
void mc_notes_forget(struct mc_device *device);		/* nothing of what is gone is to be told any more */
void mc_sources_free(struct mc_source **list);
void mc_group_free(struct mc_group *group);

/* --- igmp.c ------------------------------------------------------------------------------------------------------- */
/* The version spoken on the link now: 1, 2 or 3. */
int igmp_version(const struct mc_device *device);
/* Is the group one that IGMP never speaks of: all hosts, and with igmp_link_local_mcast_reports 0 all of 224.0.0.x? */
bool igmp_silent(const struct mc_device *device, struct in_addr group);
void igmp_group_joined(struct mc_group *group);		/* it is there, and the link is up: tell */
void igmp_group_left(struct mc_group *group);		/* before it is freed, or as the link goes down */
void igmp_changed(struct mc_device *device);		/* sources or modes have changed: tell */
void igmp_reset(struct mc_device *device);		/* a link that comes up knows of no querier */
void igmp_timers_init(struct mc_device *device);
void igmp_group_timer_init(struct mc_group *group);
uint8_t igmp_robustness(const struct mc_device *device);

/* --- report.c ----------------------------------------------------------------------------------------------------- */
void igmp_send_answer(struct mc_device *device, struct mc_group *only);	/* version 3: what is wanted now; NULL: of all groups */
void igmp_send_changes(struct mc_device *device);			/* version 3: what is to be told of changes */
void igmp_send_report(struct mc_group *group);				/* a group's report in the version spoken */
void igmp_send_leave(struct mc_group *group);				/* version 2 */

#endif
