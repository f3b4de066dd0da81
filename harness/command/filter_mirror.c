/*
 * Tables in the form in which the kernel takes and gives them: one block of entries, chain after chain. The built-in chains come
 * first and end with their policy; the others begin with an entry that has their name as an "ERROR", and end with a RETURN. A jump
 * is the offset of a chain's first rule within the block.
 */
#include "filter_mirror.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../arena.h"
#include "remember.h"

#define ACCEPT_VERDICT (-NF_ACCEPT - 1)
#define DROP_VERDICT (-NF_DROP - 1)
#define TARGET_HEAD sizeof(struct xt_entry_target)
#define STANDARD_SIZE XT_ALIGN(sizeof(struct xt_standard_target))
#define ERROR_SIZE XT_ALIGN(sizeof(struct xt_error_target))
#define MOST_BLOCK (4u << 20)

static const char *const hook_names[NF_INET_NUMHOOKS] = {
	[NF_INET_PRE_ROUTING] = "PREROUTING", [NF_INET_LOCAL_IN] = "INPUT", [NF_INET_FORWARD] = "FORWARD",
	[NF_INET_LOCAL_OUT] = "OUTPUT", [NF_INET_POST_ROUTING] = "POSTROUTING",
};

static int filter_socket(void)
{
	return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
}

static struct xt_entry_target *target_of(const struct ipt_entry *entry)
{
	return (struct xt_entry_target *)((char *)entry + entry->target_offset);
}

/* --- from the kernel -------------------------------------------------------------------------------------------------------- */

struct block {
	struct ipt_getinfo info;
	struct ipt_get_entries *got;
};

static struct ipt_entry *entry_at(const struct block *block, unsigned offset)
{
	return (struct ipt_entry *)((char *)block->got->entrytable + offset);
}

static bool read_block(const char *name, struct block *block, const char **error)
{
	socklen_t size = sizeof(block->info);
	int fd = filter_socket();
	bool done = false;

	memset(&block->info, 0, sizeof(block->info));
	snprintf(block->info.name, sizeof(block->info.name), "%s", name);
	block->got = NULL;
	if (fd >= 0 && getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &block->info, &size) == 0 && block->info.size <= MOST_BLOCK) {
		size = (socklen_t)(sizeof(*block->got) + block->info.size);
		block->got = calloc(1, size);
		if (block->got) {
			snprintf(block->got->name, sizeof(block->got->name), "%s", name);
			block->got->size = block->info.size;
			done = getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, block->got, &size) == 0;
		}
	}
	if (!done) {
		*error = "the tables of iptables cannot be read";
		free(block->got);
	}
	if (fd >= 0)
		close(fd);
	return done;
}

/* A built-in chain begins at this offset: its hook; -1: none does. */
static int hook_at(const struct ipt_getinfo *info, unsigned offset)
{
	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (info->valid_hooks >> hook & 1 && info->hook_entry[hook] == offset)
			return hook;
	return -1;
}

/* The name of a user chain whose head is at this offset; NULL: no head, or the end of the block. */
static const char *head_name(const struct block *block, unsigned offset)
{
	const struct xt_entry_target *target = target_of(entry_at(block, offset));

	if (strcmp(target->u.user.name, XT_ERROR_TARGET) || offset + entry_at(block, offset)->next_offset >= block->info.size)
		return NULL;
	return ((const struct xt_error_target *)target)->errorname;
}

/* The chain whose first rule is at this offset. */
static const char *chain_name_at(const struct block *block, unsigned rule)
{
	for (unsigned at = 0; at < rule && at < block->info.size; at += entry_at(block, at)->next_offset)
		if (at + entry_at(block, at)->next_offset == rule)
			return head_name(block, at);
	return NULL;
}

/* As much of it as fits; the rest of `to` is 0. */
static void copy_name(char *to, size_t size, const char *name)
{
	memset(to, 0, size);
	memcpy(to, name, strnlen(name, size - 1));
}

/* The verdict as a name: the form that rules have in a pl_filter_table. */
static bool name_verdict(const struct block *block, unsigned offset, struct ipt_entry *entry)
{
	struct xt_standard_target *standard = (struct xt_standard_target *)target_of(entry);
	const char *name;

	if (standard->target.u.user.name[0])
		return true;
	switch (standard->verdict) {
	case ACCEPT_VERDICT:
		name = "ACCEPT";
		break;
	case DROP_VERDICT:
		name = "DROP";
		break;
	case XT_RETURN:
		name = "RETURN";
		break;
	default:
		if (standard->verdict < 0)
			return false;
		name = (unsigned)standard->verdict == offset + entry->next_offset ?
			       "" :
			       chain_name_at(block, (unsigned)standard->verdict);
		break;
	}
	if (!name)
		return false;
	copy_name(standard->target.u.user.name, sizeof(standard->target.u.user.name), name);
	standard->verdict = 0;
	return true;
}

static bool take_rule(const struct block *block, unsigned offset, struct pl_filter_rule ***place)
{
	struct pl_filter_rule *rule = pl_filter_rule_new(entry_at(block, offset));

	if (!rule)
		return false;
	rule->entry->nfcache = rule->entry->comefrom = 0;
	if (!name_verdict(block, offset, rule->entry)) {
		pl_filter_rule_free(rule);
		return false;
	}
	**place = rule;
	*place = &rule->next;
	return true;
}

/* The end of a chain: the policy of a built-in one, the RETURN of another. */
static bool chain_ends(const struct block *block, const struct pl_filter_chain *chain, int hook, unsigned offset)
{
	unsigned next = offset + entry_at(block, offset)->next_offset;

	if (chain->is_builtin)
		return block->info.underflow[hook] == offset;
	return next >= block->info.size || !strcmp(target_of(entry_at(block, next))->u.user.name, XT_ERROR_TARGET);
}

static bool read_chains(const struct block *block, struct pl_filter_table *table)
{
	struct pl_filter_chain *chain = NULL, **last = &table->chains;
	struct pl_filter_rule **place = NULL;
	int hook = -1;

	for (unsigned at = 0; at < block->info.size; at += entry_at(block, at)->next_offset) {
		const struct ipt_entry *entry = entry_at(block, at);
		int begins = hook_at(&block->info, at);
		const char *head = begins < 0 && !chain ? head_name(block, at) : NULL;

		if (!chain && (begins >= 0 || head)) {
			chain = calloc(1, sizeof(*chain));
			if (!chain)
				return false;
			copy_name(chain->name, sizeof(chain->name), head ? head : hook_names[begins]);
			chain->is_builtin = !head;
			hook = begins;
			place = &chain->rules;
			*last = chain;
			last = &chain->next;
			if (head)
				continue;
		}
		if (!chain)
			continue;	/* the end of the block */
		if (chain_ends(block, chain, hook, at)) {
			chain->counters = entry->counters;
			chain->drops = ((const struct xt_standard_target *)target_of(entry))->verdict == DROP_VERDICT;
			chain = NULL;
		} else if (!take_rule(block, at, &place)) {
			return false;
		}
	}
	return true;
}

struct pl_filter_table *filter_mirror_read(const char *name, const char **error)
{
	struct pl_filter_table *table = calloc(1, sizeof(*table));
	struct block block;

	if (!table || !read_block(name, &block, error)) {
		free(table);
		return NULL;
	}
	snprintf(table->name, sizeof(table->name), "%s", name);
	if (!read_chains(&block, table)) {
		*error = "a table of iptables cannot be understood";
		pl_filter_free(table);
		table = NULL;
	}
	free(block.got);
	return table;
}

/* --- to the kernel ----------------------------------------------------------------------------------------------------------- */

struct writer {
	struct ipt_replace *replace;
	struct xt_counters_info *counters;
	unsigned size;			/* of the entries so far */
	const struct pl_filter_table *table;
};

static unsigned chain_size(const struct pl_filter_chain *chain, unsigned *entries)
{
	unsigned size = (unsigned)(sizeof(struct ipt_entry) + STANDARD_SIZE);

	*entries += 1;
	if (!chain->is_builtin) {
		size += (unsigned)(sizeof(struct ipt_entry) + ERROR_SIZE);
		*entries += 1;
	}
	for (const struct pl_filter_rule *rule = chain->rules; rule; rule = rule->next) {
		size += rule->entry->next_offset;
		*entries += 1;
	}
	return size;
}

/* Where a chain's first rule will be. */
static int chain_offset(const struct pl_filter_table *table, const char *name)
{
	unsigned at = 0, entries = 0;

	for (const struct pl_filter_chain *chain = table->chains; chain; chain = chain->next) {
		if (!chain->is_builtin && !strcmp(chain->name, name))
			return (int)(at + sizeof(struct ipt_entry) + ERROR_SIZE);
		at += chain_size(chain, &entries);
	}
	return -1;
}

static struct ipt_entry *put_entry(struct writer *w, const struct ipt_entry *entry, unsigned size,
				   const struct xt_counters *counters)
{
	struct ipt_entry *to = (struct ipt_entry *)((char *)w->replace->entries + w->size);

	memset(to, 0, size);
	if (entry)
		memcpy(to, entry, size);
	to->counters = (struct xt_counters){ 0 };
	w->counters->counters[w->counters->num_counters++] = *counters;
	w->size += size;
	return to;
}

static void put_plain(struct writer *w, const char *name, int verdict, const struct xt_counters *counters)
{
	unsigned target_size = (unsigned)(name ? ERROR_SIZE : STANDARD_SIZE);
	struct ipt_entry *entry = put_entry(w, NULL, (unsigned)sizeof(*entry) + target_size, counters);

	entry->target_offset = sizeof(*entry);
	entry->next_offset = (uint16_t)(sizeof(*entry) + target_size);
	target_of(entry)->u.target_size = (uint16_t)target_size;
	if (name) {
		strcpy(target_of(entry)->u.user.name, XT_ERROR_TARGET);
		snprintf(((struct xt_error_target *)target_of(entry))->errorname, XT_FUNCTION_MAXNAMELEN, "%s", name);
	} else {
		((struct xt_standard_target *)target_of(entry))->verdict = verdict;
	}
}

/* The name of a verdict or a chain becomes the number that the kernel wants. */
static void number_verdict(struct writer *w, struct ipt_entry *entry)
{
	struct xt_standard_target *standard = (struct xt_standard_target *)target_of(entry);
	char *name = standard->target.u.user.name;
	int verdict = !strcmp(name, "ACCEPT") ? ACCEPT_VERDICT :
		      !strcmp(name, "DROP")   ? DROP_VERDICT :
		      !strcmp(name, "RETURN") ? XT_RETURN :
		      !*name		      ? (int)w->size :
						chain_offset(w->table, name);

	if (verdict == -1 && strcmp(name, "DROP"))
		return;		/* an extension */
	if (standard->target.u.target_size != STANDARD_SIZE)
		return;
	memset(name, 0, sizeof(standard->target.u.user.name));
	standard->verdict = verdict;
}

static void put_chain(struct writer *w, const struct pl_filter_chain *chain)
{
	const struct xt_counters none = { 0 };
	int hook = 0;

	if (!chain->is_builtin)
		put_plain(w, chain->name, 0, &none);
	while (chain->is_builtin && hook < NF_INET_NUMHOOKS - 1 && strcmp(hook_names[hook], chain->name))
		hook++;
	if (chain->is_builtin) {
		w->replace->valid_hooks |= 1u << hook;
		w->replace->hook_entry[hook] = w->size;
	}
	for (const struct pl_filter_rule *rule = chain->rules; rule; rule = rule->next)
		number_verdict(w, put_entry(w, rule->entry, rule->entry->next_offset, &rule->entry->counters));
	if (chain->is_builtin)
		w->replace->underflow[hook] = w->size;
	put_plain(w, NULL, !chain->is_builtin ? XT_RETURN : chain->drops ? DROP_VERDICT : ACCEPT_VERDICT, &chain->counters);
}

/* Hand both blocks over. The kernel gives the counters of the rules that go, which nobody wants. */
static bool replace_table(struct writer *w, const char **error)
{
	struct ipt_getinfo info = { 0 };
	socklen_t length = sizeof(info);
	int fd = filter_socket();
	bool done;

	memcpy(info.name, w->replace->name, sizeof(info.name));
	done = fd >= 0 && getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &length) == 0;
	w->replace->num_counters = info.num_entries;
	w->replace->counters = calloc(info.num_entries + 1, sizeof(*w->replace->counters));
	done = done && w->replace->counters &&
	       setsockopt(fd, IPPROTO_IP, IPT_SO_SET_REPLACE, w->replace, (socklen_t)(sizeof(*w->replace) + w->replace->size)) == 0 &&
	       setsockopt(fd, IPPROTO_IP, IPT_SO_SET_ADD_COUNTERS, w->counters,
			  (socklen_t)(sizeof(*w->counters) + w->counters->num_counters * sizeof(struct xt_counters))) == 0;
	free(w->replace->counters);
	if (fd >= 0)
		close(fd);
	if (!done)
		*error = "the rules cannot be given to the kernel's iptables for a command to see them";
	return done;
}

bool filter_mirror_write(const struct pl_filter_table *table, const char **error)
{
	const struct xt_counters none = { 0 };
	struct writer w = { .table = table };
	unsigned entries = 1, size = (unsigned)(sizeof(struct ipt_entry) + ERROR_SIZE);
	bool done = false;

	for (const struct pl_filter_chain *chain = table->chains; chain; chain = chain->next)
		size += chain_size(chain, &entries);
	w.replace = calloc(1, sizeof(*w.replace) + size);
	w.counters = calloc(1, sizeof(*w.counters) + entries * sizeof(struct xt_counters));
	if (w.replace && w.counters) {
		snprintf(w.replace->name, sizeof(w.replace->name), "%s", table->name);
		snprintf(w.counters->name, sizeof(w.counters->name), "%s", table->name);
		for (const struct pl_filter_chain *chain = table->chains; chain; chain = chain->next)
			put_chain(&w, chain);
		put_plain(&w, XT_ERROR_TARGET, 0, &none);
		w.replace->num_entries = entries;
		w.replace->size = w.size;
		done = replace_table(&w, error);
	} else {
		*error = "no memory";
	}
	free(w.replace);
	free(w.counters);
	return done;
}

/* --- both ways, for a command ----------------------------------------------------------------------------------------------- */

/* Two tables of one chain order and the same rules, counters included. */
static bool same_table(const struct pl_filter_table *a, const struct pl_filter_table *b)
{
	const struct pl_filter_chain *x = a->chains, *y = b->chains;

	for (; x && y; x = x->next, y = y->next) {
		const struct pl_filter_rule *p = x->rules, *q = y->rules;

		if (strcmp(x->name, y->name) || x->drops != y->drops || memcmp(&x->counters, &y->counters, sizeof(x->counters)))
			return false;
		for (; p && q; p = p->next, q = q->next)
			if (p->entry->next_offset != q->entry->next_offset || memcmp(p->entry, q->entry, p->entry->next_offset))
				return false;
		if (p || q)
			return false;
	}
	return !x && !y;
}

bool filter_mirror_show(struct pl_stack *stack, const char **error)
{
	for (const char *const *name = pl_filter_names; *name; name++) {
		struct pl_filter_table *table = pl_filter_is_set(stack, *name) ? pl_filter_get(stack, *name) : NULL;
		bool done = !table || filter_mirror_write(table, error);

		pl_filter_free(table);
		if (!done)
			return false;
	}
	return true;
}

static int take_table(struct pl_stack *stack, const char *name, struct init_recording *recording, struct arena *arena,
		      const char **error)
{
	struct pl_filter_table *now = filter_mirror_read(name, error), *before = pl_filter_get(stack, name);
	const char *unknown = now ? pl_filter_unknown(now) : NULL;
	int status = now && before ? 0 : -1;

	if (status == 0 && (!pl_filter_is_set(stack, name) || !same_table(now, before))) {
		status = pl_filter_set(stack, now);
		if (status == 0)
			init_record_filter(recording, now);
		else
			*error = unknown ? arena_printf(arena, "the reference stack has no %s of iptables in this form", unknown) :
					   arena_printf(arena, "the reference stack does not take the table %s: %s", name,
							strerror(-status));
	}
	pl_filter_free(now);
	pl_filter_free(before);
	return status ? -1 : 0;
}

int filter_mirror_take(struct pl_stack *stack, struct init_recording *recording, struct arena *arena, const char **error)
{
	FILE *names = fopen("/proc/self/net/ip_tables_names", "re");
	char line[64];
	int status = 0;

	if (!names)
		return 0;	/* a kernel without them has nothing to tell */
	while (status == 0 && fgets(line, sizeof(line), names)) {
		line[strcspn(line, "\n")] = 0;
		status = take_table(stack, line, recording, arena, error);
	}
	fclose(names);
	return status;
}
