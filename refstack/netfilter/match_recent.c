/*
 * recent: lists of addresses by name, which rules of every table share, each with the instants at which it was seen lately.
 * A list is there as long as a rule names it. When it is full, the address that was seen longest ago gives way.
 */
#include <stdlib.h>

#include "extensions.h"
#include "shared.h"

#include <linux/netfilter/xt_recent.h>

#define MOST_ADDRESSES 100		/* the kernel's parameter ip_list_tot */
#define LEAST_INSTANTS 32		/* remembered of an address where no rule asks for a number of hits */
#define MOST_INSTANTS 256

struct recent_entry {
	struct recent_entry *next;	/* seen longest ago first */
	struct in_addr address;
	uint8_t ttl;
	unsigned place, count;		/* where the next instant goes, and how many there are */
	uint32_t instant[MOST_INSTANTS];	/* jiffies; `instants` of the list are in use */
};

struct recent_list {
	struct shared_table shared;
	struct in_addr mask;
	unsigned entries, instants;
	struct recent_entry *first;
};

static void list_flush(struct recent_list *list)
{
	while (list->first) {
		struct recent_entry *entry = list->first;

		list->first = entry->next;
		free(entry);
	}
	list->entries = 0;
}

static void list_free(struct shared_table *shared)
{
	list_flush((struct recent_list *)shared);
	free(shared);
}

/* So many instants are kept that `hits` can be counted: a power of two. */
static unsigned instants_for(uint32_t hits)
{
	unsigned instants = 1;

	while (instants < (hits ? hits : LEAST_INSTANTS))
		instants *= 2;
	return instants;
}

static bool rule_makes_sense(const struct xt_recent_mtinfo_v1 *rule)
{
	const uint8_t deeds = XT_RECENT_CHECK | XT_RECENT_SET | XT_RECENT_UPDATE | XT_RECENT_REMOVE;
	unsigned deed = rule->check_set & deeds;

	if (rule->check_set & ~XT_RECENT_VALID_FLAGS || !deed || deed & (deed - 1))
		return false;
	if (deed & (XT_RECENT_SET | XT_RECENT_REMOVE) &&
	    (rule->seconds || rule->hit_count || rule->check_set & XT_RECENT_MODIFIERS))
		return false;
	if (rule->check_set & XT_RECENT_REAP && !rule->seconds)
		return false;
	return rule->hit_count < MOST_INSTANTS && *rule->name && memchr(rule->name, 0, sizeof(rule->name)) &&
	       !strchr(rule->name, '/');
}

static int check_recent(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_recent_mtinfo_v1 *rule = data;
	struct recent_list *list;
	unsigned instants;

	if (!rule_makes_sense(rule))
		return -EINVAL;
	list = (struct recent_list *)shared_table_hold(place->stack, SHARED_RECENT, rule->name, sizeof(*list), list_free);
	if (!list)
		return -ENOMEM;
	instants = instants_for(rule->hit_count);
	if (!list->instants)
		list->mask.s_addr = rule->mask.ip;
	else if (instants > list->instants)
		list_flush(list);
	if (instants > list->instants)
		list->instants = instants;
	*(struct recent_list **)state = list;
	return 0;
}

static struct recent_entry **list_find(struct recent_list *list, struct in_addr address, uint8_t ttl)
{
	struct recent_entry **place = &list->first;

	while (*place && ((*place)->address.s_addr != address.s_addr || ((*place)->ttl && ttl && (*place)->ttl != ttl)))
		place = &(*place)->next;
	return place;
}

static void entry_remove(struct recent_list *list, struct recent_entry **place)
{
	struct recent_entry *entry = *place;

	*place = entry->next;
	free(entry);
	list->entries--;
}

static void entry_see(struct recent_list *list, struct recent_entry *entry, uint32_t now)
{
	entry->place %= list->instants;
	entry->instant[entry->place++] = now;
	if (entry->place > entry->count)
		entry->count = entry->place;
}

static void list_append(struct recent_list *list, struct recent_entry *entry)
{
	struct recent_entry **last = &list->first;

	while (*last)
		last = &(*last)->next;
	entry->next = NULL;
	*last = entry;
}

static void list_move_last(struct recent_list *list, struct recent_entry *entry)
{
	struct recent_entry **place = &list->first;

	while (*place != entry)
		place = &(*place)->next;
	*place = entry->next;
	list_append(list, entry);
}

static struct recent_entry *entry_new(struct recent_list *list, struct in_addr address, uint8_t ttl)
{
	struct recent_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	if (list->entries >= MOST_ADDRESSES)
		entry_remove(list, &list->first);
	entry->address = address;
	entry->ttl = ttl;
	list->entries++;
	list_append(list, entry);
	return entry;
}

/* Was the address seen often enough, within the time that counts? */
static bool is_hit(const struct recent_entry *entry, const struct xt_recent_mtinfo_v1 *rule, uint32_t since)
{
	uint32_t hits = 0;

	for (unsigned i = 0; i < entry->count; i++)
		if (!rule->seconds || (int32_t)(entry->instant[i] - since) >= 0)
			if (!rule->hit_count || ++hits >= rule->hit_count)
				return true;
	return false;
}

/* --reap: the address that was seen longest ago is forgotten when that was before the time that counts. */
static void reap(struct recent_list *list, uint32_t since)
{
	const struct recent_entry *entry = list->first;

	if (entry && (int32_t)(entry->instant[(entry->place - 1) % list->instants] - since) < 0)
		entry_remove(list, &list->first);
}

static bool match_recent(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_recent_mtinfo_v1 *rule = data;
	struct recent_list *list = *(struct recent_list **)state;
	struct in_addr address = { (rule->side == XT_RECENT_DEST ? at->ip->daddr : at->ip->saddr) & list->mask.s_addr };
	uint32_t now = stack_jiffies(at->stack), since = now - rule->seconds * at->stack->machine.hz;
	/* The TTL as it was before this host took one off. */
	uint8_t ttl = (uint8_t)(at->ip->ttl + (at->place->out && !at->place->sk));
	struct recent_entry **place = list_find(list, address, rule->check_set & XT_RECENT_TTL ? ttl : 0);
	struct recent_entry *entry = *place;
	bool hit = true, updates;

	if (!entry) {
		if (!(rule->check_set & XT_RECENT_SET))
			return rule->invert;
		entry = entry_new(list, address, ttl);
		if (entry)
			entry_see(list, entry, now);
		at->hotdrop |= !entry;
		return !rule->invert;
	}
	if (rule->check_set & XT_RECENT_REMOVE) {
		entry_remove(list, place);
		return !rule->invert;
	}
	if (rule->check_set & (XT_RECENT_CHECK | XT_RECENT_UPDATE))
		hit = is_hit(entry, rule, since);
	hit = hit != rule->invert;
	updates = rule->check_set & XT_RECENT_SET || (rule->check_set & XT_RECENT_UPDATE && hit);
	if (rule->check_set & XT_RECENT_REAP && !(updates && entry == list->first))
		reap(list, since);
	if (updates) {
		list_move_last(list, entry);
		entry_see(list, entry, now);
		entry->ttl = ttl;
	}
	return hit;
}

const struct match_type matches_of_lists[] = {
	{ "recent", 1, sizeof(struct xt_recent_mtinfo_v1), .state_size = sizeof(struct recent_list *), .check = check_recent,
	  .release = shared_table_release, .match = match_recent },
	{ 0 },
};
