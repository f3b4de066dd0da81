/* Tables as the stack runs them: rules with their matches and targets found, checked and ready. */
#ifndef REFSTACK_NETFILTER_TABLES_H
#define REFSTACK_NETFILTER_TABLES_H

#include "conntrack.h"
#include "netfilter.h"

struct filter_rule;
struct filter_chain;

/* What a match or a target is asked about. */
struct rule_packet {
	struct pl_stack *stack;
	struct pktbuf *packet;
	const struct nf_place *place;
	const struct iphdr *ip;		/* read it anew after changing the packet */
	uint32_t transport;		/* offset of the transport header from data */
	uint16_t fragment;		/* the fragment's offset, in units of eight bytes */
	bool hotdrop;			/* set by a match: this packet is dropped, whatever the rules say */
	int error;			/* set by a target that drops for a reason of its own: -errno */
};

/* Where an extension was used, for its check. */
struct rule_place {
	struct pl_stack *stack;
	enum filter_table_id table;
	unsigned hooks;			/* 1 << NF_INET_* of each hook that the rule's chain is reached from */
	const struct ipt_ip *ip;
	const struct ipt_entry *entry;
};

#define HOOK_BIT(hook) (1u << NF_INET_##hook)
#define TABLE_BIT(table) (1u << TABLE_##table)

/* What an extension needs of the rest of the stack while a rule of it is there. */
enum { NEEDS_TRACKING = 1, NEEDS_DEFRAGMENTED = 2 };

/*
 * A row each. data: the structure of <linux/netfilter/xt_*.h>; state: `state_size` zeroed bytes of the rule's own, set by check and
 * given up by release, which is called when check was not there or gave 0.
 */
struct match_type {
	const char *name;
	uint8_t revision;
	uint16_t size;			/* of the data; compared after alignment */
	uint16_t protocol;		/* the rule must name it (-p); 0: any */
	unsigned tables, hooks;		/* masks that it is allowed in; 0: everywhere */
	unsigned needs;
	size_t state_size;
	int (*check)(const struct rule_place *place, const void *data, void *state);	/* 0 or -errno; may be NULL */
	void (*release)(struct pl_stack *stack, void *state);				/* may be NULL */
	bool (*match)(struct rule_packet *at, const void *data, void *state);
};

enum target_verdict { TARGET_CONTINUE, TARGET_ACCEPT, TARGET_DROP, TARGET_STOLEN };
struct target_type {
	const char *name;
	uint8_t revision;
	uint16_t size;
	uint16_t protocol;
	unsigned tables, hooks, needs;
	int (*check)(const struct rule_place *place, const void *data);
	enum target_verdict (*target)(struct rule_packet *at, const void *data);
};

/* The rows, by name and revision: extensions.c. NULL: there is none. */
const struct match_type *match_type_find(const char *name, uint8_t revision);
const struct target_type *target_type_find(const char *name, uint8_t revision);

/* The packet goes through the table's chain of this hook. */
enum nf_verdict table_run(struct pl_stack *stack, enum filter_table_id table, struct pktbuf *packet, const struct nf_place *place,
			  int *error);

/* Match one rule's own addresses, interfaces and protocol; walk.c. */
bool rule_matches_ip(const struct ipt_ip *rule, const struct iphdr *ip, const struct link *in, const struct link *out,
		     bool is_fragment);

struct filter_match {
	const struct match_type *type;
	const void *data;
	void *state;
	bool is_checked;		/* and so to be released */
};
enum rule_action { ACTION_CONTINUE, ACTION_ACCEPT, ACTION_DROP, ACTION_RETURN, ACTION_JUMP, ACTION_TARGET };
struct filter_rule {
	struct ipt_entry *entry;	/* owned; its counters are the rule's */
	struct filter_match *match;
	unsigned matches;
	enum rule_action action;
	struct filter_chain *chain;	/* to jump to */
	const struct target_type *target;
	const void *data;		/* the target's */
	bool is_goto;
};
struct filter_chain {
	char name[XT_EXTENSION_MAXNAMELEN];
	bool is_builtin, drops;
	unsigned hook;			/* a built-in chain's */
	unsigned hooks;			/* bits of those that it is reached from */
	uint8_t visit;			/* while looking for loops */
	struct xt_counters counters;
	struct filter_rule *rule;
	unsigned rules;
};
struct filter_table {
	enum filter_table_id id;
	struct filter_chain *chain;
	unsigned chains;
	struct filter_chain *at_hook[NF_INET_NUMHOOKS];
	unsigned track_users, defragment_users;
};
void filter_table_free(struct pl_stack *stack, struct filter_table *table);

/* --- help for extensions ------------------------------------------------------------------------------------------------ */
/* `length` bytes from offset `at` of the transport header, NULL: there are not so many. */
static inline void *transport_at(const struct rule_packet *at, uint32_t offset, size_t length)
{
	return pktbuf_at(at->packet, at->transport + offset, length);
}
/* The IP header was changed: its checksum is made anew. */
void ip_header_changed(struct iphdr *ip);
/* Route a packet of this host by what its header says now (ip_route_me_harder). 0 or -errno. */
int route_again(struct pl_stack *stack, struct pktbuf *packet, struct sock *sk);
/* A random number of the filter's own, of the stack's seed. */
uint32_t filter_random(struct pl_stack *stack);

#endif
