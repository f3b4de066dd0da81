/*
 * hashlimit: a limit of its own for each address, port or pair of them, in tables that rules share by name.
 *
 * As with limit, a bucket of credits fills with the jiffies and a packet costs some; here they are 64 bits. Three ways to count:
 * packets, bytes (in pieces of sixteen, with credit for the burst apart) and, with --hashlimit-rate-match, how many came within the
 * interval before. A bucket that was not asked for during `expire` is forgotten, at the next of the instants, `gc_interval` apart,
 * at which the table is looked through.
 */
#include <stdlib.h>

#include "extensions.h"
#include "shared.h"

#include <limits.h>
#include <linux/netfilter/xt_hashlimit.h>

#define BUCKETS 256
#define TABLE_SIZE 8192u		/* the kernel's choice where the rule gives none, with a gigabyte of memory or more */
#define MOST_SIZE 1048576u
#define WAYS (XT_HASHLIMIT_HASH_DIP | XT_HASHLIMIT_HASH_DPT | XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_HASH_SPT)

struct hashlimit_key {
	uint32_t source, destination;
	uint16_t source_port, destination_port;
};

struct hashlimit_entry {
	struct hashlimit_entry *next;
	struct hashlimit_key key;
	uint64_t expires, then;		/* jiffies */
	uint64_t credit, most, cost;	/* by packets: the bucket, how much it holds; by bytes: `most` is the burst that is left */
	uint64_t rate, burst, came;	/* by rate: of an interval, and what has come within the one that runs */
	bool was_over;			/* the interval before */
};

struct hashlimit_table {
	struct shared_table shared;
	bool is_set;
	struct hashlimit_cfg3 config;
	uint64_t looked_through;	/* jiffies of the last instant at which buckets were forgotten */
	unsigned entries;
	struct hashlimit_entry *bucket[BUCKETS];
};

static uint64_t jiffies(const struct pl_stack *stack)
{
	return (uint64_t)stack->now / (PL_NSEC_PER_SEC / stack->machine.hz);
}

/* The largest power of two that is not above. */
static uint64_t power_below(uint64_t most)
{
	uint64_t power = 1;

	while (power <= most / 2)
		power *= 2;
	return power;
}

/* Credits of a packet that may come every `user` units of XT_HASHLIMIT_SCALE_v2 to a second. */
static uint64_t credits_per_jiffy(const struct pl_stack *stack)
{
	return power_below(UINT64_MAX / (stack->machine.hz * 60u * 60 * 24));
}

static uint64_t credits(const struct pl_stack *stack, uint64_t user)
{
	uint64_t per_second = stack->machine.hz * credits_per_jiffy(stack);

	return user * (per_second / XT_HASHLIMIT_SCALE_v2);
}

/* The same of sixteen bytes, the span being in parts of 2^32 of a second. */
static uint64_t byte_credits_per_jiffy(const struct pl_stack *stack)
{
	return power_below(UINT32_MAX / stack->machine.hz);
}

static uint64_t byte_credits(const struct pl_stack *stack, uint64_t user)
{
	return (uint32_t)(user * (stack->machine.hz * byte_credits_per_jiffy(stack)) >> 32);
}

static void table_free(struct shared_table *shared)
{
	struct hashlimit_table *table = (struct hashlimit_table *)shared;

	for (unsigned i = 0; i < BUCKETS; i++)
		while (table->bucket[i]) {
			struct hashlimit_entry *entry = table->bucket[i];

			table->bucket[i] = entry->next;
			free(entry);
		}
	free(table);
}

/* --- rules ------------------------------------------------------------------------------------------------------------- */

static int check_rate(const struct pl_stack *stack, const struct hashlimit_cfg3 *config)
{
	if (config->mode & XT_HASHLIMIT_RATE_MATCH) {
		if (config->avg == 0 || config->avg > UINT32_MAX)
			return -ERANGE;
		return config->interval ? 0 : -EINVAL;
	}
	if (config->mode & XT_HASHLIMIT_BYTES)
		return byte_credits(stack, config->avg) ? 0 : -ERANGE;
	return config->burst && credits(stack, config->avg * config->burst) >= credits(stack, config->avg) ? 0 : -ERANGE;
}

static void table_set(struct pl_stack *stack, struct hashlimit_table *table, const struct hashlimit_cfg3 *config)
{
	uint32_t size = config->size ? config->size : TABLE_SIZE;

	table->is_set = true;
	table->config = *config;
	table->looked_through = jiffies(stack);
	table->config.size = size > MOST_SIZE ? MOST_SIZE : size;
	if (!config->max)
		table->config.max = 8 * table->config.size;
	else if (config->max < table->config.size)
		table->config.max = table->config.size;
}

static int check_hashlimit(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_hashlimit_mtinfo3 *rule = data;
	const struct hashlimit_cfg3 *config = &rule->cfg;
	struct hashlimit_table *table;
	int error;

	if (!config->gc_interval || !config->expire || config->srcmask > 32 || config->dstmask > 32 ||
	    config->mode & ~(WAYS | XT_HASHLIMIT_INVERT | XT_HASHLIMIT_BYTES | XT_HASHLIMIT_RATE_MATCH) || !*rule->name ||
	    !memchr(rule->name, 0, sizeof(rule->name)) || strchr(rule->name, '/'))
		return -EINVAL;
	error = check_rate(place->stack, config);
	if (error)
		return error;
	table = (struct hashlimit_table *)shared_table_hold(place->stack, SHARED_HASHLIMIT, rule->name, sizeof(*table), table_free);
	if (!table)
		return -ENOMEM;
	if (!table->is_set)
		table_set(place->stack, table, config);
	*(struct hashlimit_table **)state = table;
	return 0;
}

/* --- buckets ----------------------------------------------------------------------------------------------------------- */

static uint32_t masked(uint32_t address, unsigned length)
{
	return length ? address & htonl(UINT32_MAX << (32 - length)) : 0;
}

/* Where the protocol has its ports, or what stands for them; -1: nowhere. */
static int ports_at(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
	case IPPROTO_SCTP:
	case IPPROTO_ESP:
		return 0;
	case IPPROTO_AH:
		return 4;
	default:
		return -1;
	}
}

/* False: the packet ends before its ports. */
static bool key_of(const struct rule_packet *at, const struct hashlimit_cfg3 *config, struct hashlimit_key *key)
{
	int offset = ports_at(at->ip->protocol);
	const uint16_t *ports;

	memset(key, 0, sizeof(*key));
	if (config->mode & XT_HASHLIMIT_HASH_DIP)
		key->destination = masked(at->ip->daddr, config->dstmask);
	if (config->mode & XT_HASHLIMIT_HASH_SIP)
		key->source = masked(at->ip->saddr, config->srcmask);
	if (!(config->mode & (XT_HASHLIMIT_HASH_DPT | XT_HASHLIMIT_HASH_SPT)) || offset < 0)
		return true;
	ports = transport_at(at, (uint32_t)offset, 2 * sizeof(*ports));
	if (!ports)
		return false;
	if (config->mode & XT_HASHLIMIT_HASH_SPT)
		key->source_port = ports[0];
	if (config->mode & XT_HASHLIMIT_HASH_DPT)
		key->destination_port = ports[1];
	return true;
}

/* Forget what has run out by the last of the table's instants that has come. */
static void look_through(const struct pl_stack *stack, struct hashlimit_table *table, uint64_t now)
{
	uint64_t apart = (uint64_t)table->config.gc_interval * stack->machine.hz / 1000;
	uint64_t instant;

	apart = apart ? apart : 1;
	instant = now - (now - table->looked_through) % apart;
	if (instant == table->looked_through)
		return;
	table->looked_through = instant;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct hashlimit_entry **place = &table->bucket[i]; *place;) {
			struct hashlimit_entry *entry = *place;

			if (entry->expires > instant) {
				place = &entry->next;
				continue;
			}
			*place = entry->next;
			free(entry);
			table->entries--;
		}
}

/* A new bucket is full. */
static void entry_fill(const struct pl_stack *stack, const struct hashlimit_cfg3 *config, struct hashlimit_entry *entry)
{
	uint32_t user = (uint32_t)config->avg;

	if (config->mode & XT_HASHLIMIT_RATE_MATCH && config->mode & XT_HASHLIMIT_BYTES) {
		entry->rate = (uint64_t)(user ? UINT32_MAX / user - 1 : UINT32_MAX - 1) << XT_HASHLIMIT_BYTE_SHIFT;
		entry->burst = config->burst ? config->burst * entry->rate : entry->rate;
	} else if (config->mode & XT_HASHLIMIT_RATE_MATCH) {
		entry->rate = XT_HASHLIMIT_SCALE_v2 / config->avg;
		entry->burst = config->burst + entry->rate;
	} else if (config->mode & XT_HASHLIMIT_BYTES) {
		entry->credit = byte_credits_per_jiffy(stack) * stack->machine.hz;
		entry->cost = byte_credits(stack, config->avg);
		entry->most = config->burst;
	} else {
		entry->credit = entry->most = credits(stack, config->avg * config->burst);
		entry->cost = credits(stack, config->avg);
	}
}

/* The time since the bucket was asked for last fills it, or ends the interval. */
static void entry_refill(const struct pl_stack *stack, const struct hashlimit_cfg3 *config, struct hashlimit_entry *entry,
			 uint64_t now)
{
	uint64_t passed = now - entry->then, interval = (uint64_t)config->interval * stack->machine.hz, most, more;

	if (!passed || (config->mode & XT_HASHLIMIT_RATE_MATCH && passed < interval))
		return;
	entry->then = now;
	if (config->mode & XT_HASHLIMIT_RATE_MATCH) {
		entry->was_over = entry->came * interval > passed * entry->rate;
		entry->came = 0;
		return;
	}
	if (config->mode & XT_HASHLIMIT_BYTES) {
		more = byte_credits_per_jiffy(stack) * passed;
		most = byte_credits_per_jiffy(stack) * stack->machine.hz;
	} else {
		more = credits_per_jiffy(stack) * passed;
		most = entry->most;
	}
	entry->credit = entry->credit + more < entry->credit || entry->credit + more > most ? most : entry->credit + more;
}

/* The bucket of this key, filled to now. NULL: there is no room for another one. */
static struct hashlimit_entry *entry_of(struct pl_stack *stack, struct hashlimit_table *table, const struct hashlimit_key *key)
{
	const struct hashlimit_cfg3 *config = &table->config;
	uint32_t hash = (key->source ^ key->destination) * 0x9e3779b1u ^ (uint32_t)key->source_port << 16 ^ key->destination_port;
	struct hashlimit_entry **bucket = &table->bucket[hash * 0x9e3779b1u >> 24], *entry = *bucket;
	uint64_t now = jiffies(stack);

	look_through(stack, table, now);
	for (entry = *bucket; entry && memcmp(&entry->key, key, sizeof(*key)); entry = entry->next)
		;
	if (entry) {
		entry_refill(stack, config, entry, now);
	} else {
		entry = table->entries < config->max ? calloc(1, sizeof(*entry)) : NULL;
		if (!entry)
			return NULL;
		entry->key = *key;
		entry->then = now;
		entry_fill(stack, config, entry);
		entry->next = *bucket;
		*bucket = entry;
		table->entries++;
	}
	entry->expires = now + ((uint64_t)config->expire * stack->machine.hz + 999) / 1000;
	return entry;
}

/* What a packet of this length costs; when the credit does not suffice, one burst fills the bucket once more. */
static uint64_t byte_cost(const struct pl_stack *stack, struct hashlimit_entry *entry, uint32_t length)
{
	uint64_t full = byte_credits_per_jiffy(stack) * stack->machine.hz;
	uint64_t cost = ((length >> XT_HASHLIMIT_BYTE_SHIFT) + 1) * entry->cost;

	if (cost > full)
		cost = full;
	if (entry->credit < cost && entry->most) {
		entry->most--;
		entry->credit = full;
	}
	return cost;
}

static bool is_within(const struct pl_stack *stack, const struct hashlimit_cfg3 *config, struct hashlimit_entry *entry,
		      uint32_t length)
{
	uint64_t cost = entry->cost;

	if (config->mode & XT_HASHLIMIT_RATE_MATCH) {
		entry->came += config->mode & XT_HASHLIMIT_BYTES ? length : 1;
		return !entry->was_over && entry->came <= entry->burst;
	}
	if (config->mode & XT_HASHLIMIT_BYTES)
		cost = byte_cost(stack, entry, length);
	if (entry->credit < cost)
		return false;
	entry->credit -= cost;
	return true;
}

static bool match_hashlimit(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_hashlimit_mtinfo3 *rule = data;
	struct hashlimit_table *table = *(struct hashlimit_table **)state;
	struct hashlimit_key key;
	struct hashlimit_entry *entry = key_of(at, &table->config, &key) ? entry_of(at->stack, table, &key) : NULL;

	if (!entry) {
		at->hotdrop = true;
		return false;
	}
	return is_within(at->stack, &rule->cfg, entry, pktbuf_length(at->packet)) != !!(rule->cfg.mode & XT_HASHLIMIT_INVERT);
}

const struct match_type matches_of_hashes[] = {
	{ "hashlimit", 3, sizeof(struct xt_hashlimit_mtinfo3), .state_size = sizeof(struct hashlimit_table *),
	  .check = check_hashlimit, .release = shared_table_release, .match = match_hashlimit },
	{ 0 },
};
