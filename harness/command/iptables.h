/* The words of iptables(8), read without the program: between the files that do it. */
#ifndef HARNESS_IPTABLES_H
#define HARNESS_IPTABLES_H

#include <plumbline/filter.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct shell_command;

/* A match or target being read. */
struct iptables_part {
	struct iptables_part *next;
	const struct iptables_extension *type;
	const struct ipt_ip *ip;	/* what -p, -s, ... have said so far */
	unsigned char *data;		/* type->size bytes */
	unsigned seen;			/* 1 << index of each option given */
};

/* One option of an extension; without the two dashes. */
struct iptables_option {
	const char *name;
	bool is_flag;			/* takes no value */
	bool may_invert;
};

/*
 * An extension: `read` takes option number `which` with its value (NULL for flags; a second word where `words` says so); false when the
 * value is of no form known here. `finish` looks at the whole (seen, data), may be NULL.
 */
struct iptables_extension {
	const char *name;
	uint8_t revision;
	uint16_t size;
	uint16_t protocol;		/* read without -m when the rule is for it; 0: none */
	const struct iptables_option *options;	/* ends without a name */
	void (*begin)(struct iptables_part *part);	/* defaults; NULL: zeros */
	bool (*read)(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert);
	bool (*finish)(struct iptables_part *part);
	unsigned two_words;		/* 1 << index of the options that take two words */
	const char *real_name;		/* that the kernel knows it by; NULL: its own */
};

extern const struct iptables_extension iptables_matches[], iptables_more_matches[], iptables_count_matches[],
	iptables_targets[];	/* end without a name */
const struct iptables_extension *iptables_match_find(const char *name);
const struct iptables_extension *iptables_target_find(const char *name);

/* --- a command ------------------------------------------------------------------------------------------------------ */
#define IPTABLES_PARTS 10	/* matches of one rule */

/* What one says. */
struct iptables_words {
	char operation;			/* the letter of -A, -D, ...; 0: none yet */
	const char *table, *chain, *other;	/* other: the policy, or the new name */
	uint32_t number;		/* of the rule; 0: by its text */
	struct ipt_ip ip;
	struct iptables_part *match[IPTABLES_PARTS];
	unsigned matches;
	struct iptables_part *target;
	const char *jump;		/* what -j or -g names, NULL: nothing */
	bool has_counters;
	struct xt_counters counters;
};
/* False: it is of no form known here. Everything is of the arena. */
bool iptables_parse(struct arena *arena, const struct shell_command *command, struct iptables_words *made);
bool iptables_is_verdict(const char *name);	/* ACCEPT, DROP, RETURN */

/* --- values ----------------------------------------------------------------------------------------------------------- */
bool iptables_number(const char *text, unsigned long long most, unsigned long long *value);	/* as strtoull with base 0 */
bool iptables_u32(const char *text, uint32_t most, uint32_t *value);
bool iptables_range(const char *text, char between, uint32_t most, uint32_t *low, uint32_t *high);	/* A, A-B; open with ':' */
bool iptables_ports(const char *text, char between, const struct ipt_ip *ip, uint16_t *low, uint16_t *high);
bool iptables_address(const char *text, size_t length, struct in_addr *address);
bool iptables_network(const char *text, struct in_addr *address, struct in_addr *mask);
bool iptables_masked(const char *text, uint32_t *value, uint32_t *mask);	/* VALUE or VALUE/MASK, else all ones */
/* One of a list of names, without regard to case when `any_case`; -1: none. */
int iptables_word(const char *text, size_t length, const char *const *names, bool any_case);
/* TOS by name or number with a mask, as --tos and --set-tos have it. */
bool iptables_tos(const char *text, uint8_t *value, uint8_t *mask);
bool iptables_dscp_class(const char *text, uint8_t *dscp);

#endif
