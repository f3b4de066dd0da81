/*
 * The packet filter: tables of rules as `iptables` shows and sets them.
 *
 * A table is exchanged as a whole, as between iptables and the kernel: whoever changes a rule gets the table, edits the copy and
 * sets it. A rule is a struct ipt_entry with its matches (struct xt_entry_match) and its target (struct xt_entry_target) behind
 * it, in the structures of <linux/netfilter/xt_*.h>, and counters. A target is named by what it does: "ACCEPT", "DROP" and
 * "RETURN" (without data), "" (go on with the next rule), a chain of the table (with IPT_F_GOTO in the entry's flags: without
 * coming back), or an extension with its data.
 */
#ifndef PLUMBLINE_FILTER_H
#define PLUMBLINE_FILTER_H

#include <netinet/in.h>
#include <net/if.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <plumbline/stack.h>

struct pl_filter_rule {
	struct pl_filter_rule *next;
	struct ipt_entry *entry;	/* next_offset bytes: entry, matches, from target_offset on the target; in memory of malloc */
};

struct pl_filter_chain {
	struct pl_filter_chain *next;
	char name[XT_EXTENSION_MAXNAMELEN];
	bool is_builtin;
	bool drops;			/* the policy of a built-in chain: DROP, not ACCEPT */
	struct xt_counters counters;	/* of the policy */
	struct pl_filter_rule *rules;
};

struct pl_filter_table {
	char name[XT_TABLE_MAXNAMELEN];	/* "raw", "mangle", "nat", "filter", "security" */
	struct pl_filter_chain *chains;	/* the built-in ones first, in the order of the packet's way */
};

/* A copy of the stack's table with its counters as they are now; a table that was never set is empty. NULL: unknown, no memory. */
struct pl_filter_table *pl_filter_get(const struct pl_stack *stack, const char *name);

/*
 * Put the table in place of the stack's; it is copied. Everything that rules remember (limits, quotas) starts anew, the counters are
 * as given. 0, or as the kernel refuses it with nothing changed: -ENOENT for an extension that is not known here, -EINVAL for one
 * in the wrong table, hook or protocol, or with data that it does not take, -ELOOP for chains that lead into themselves, -ENOMEM.
 */
int pl_filter_set(struct pl_stack *stack, const struct pl_filter_table *table);
void pl_filter_free(struct pl_filter_table *table);	/* NULL too */
bool pl_filter_is_set(const struct pl_stack *stack, const char *name);	/* has the table been set since the stack was made? */
/* The first match or target in the table that is not known here, by name and revision; NULL: all are. */
const char *pl_filter_unknown(const struct pl_filter_table *table);

struct pl_filter_table *pl_filter_copy(const struct pl_filter_table *table);	/* NULL: no memory */

/* Of the lists above; all return NULL when there is none, no memory, or the entry is shorter than its own structure. */
struct pl_filter_chain *pl_filter_chain_find(const struct pl_filter_table *table, const char *name);
struct pl_filter_chain *pl_filter_chain_add(struct pl_filter_table *table, const char *name);	/* a user chain, in order of name */
struct pl_filter_rule *pl_filter_rule_new(const struct ipt_entry *entry);	/* a copy, in no list yet */
void pl_filter_rule_free(struct pl_filter_rule *rule);
void pl_filter_chain_flush(struct pl_filter_chain *chain);	/* without its rules */

/* Names of the tables in the order of the packet's way, NULL behind the last. */
extern const char *const pl_filter_names[];

#endif
