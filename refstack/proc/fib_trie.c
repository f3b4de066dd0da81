/*
 * /proc/net/fib_trie: the routing tables as the kernel keeps them, in a trie compressed by paths and by levels.
 *
 * The reference stack keeps its routes in a list; the trie is made anew for whoever reads the file. It grows key by key, as the
 * kernel's does, because its form depends on how it grew: a node doubles its children when, not counting bits that it would skip,
 * at least half of the doubled ones would be in use (three tenths at the root), halves them when less than a quarter are (15 % at the
 * root), and goes when it has one child (Nilsson and Karlsson, "IP-address lookup using LC-tries", IEEE JSAC 17(6), 1999, with
 * the thresholds of the kernel's Documentation/networking/fib_trie.rst).
 */
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "../ip/fib.h"
#include "proc.h"

#define KEY_BITS 32
#define INFLATE 50		/* percent */
#define INFLATE_ROOT 30
#define HALVE 25
#define HALVE_ROOT 15
#define MOST_DOUBLINGS 10	/* in one step of growing */

/* Of an inner node, 1 << bits children, chosen by the key's bits from `pos` up. A leaf has no bits. */
struct node {
	uint32_t key;
	unsigned pos, bits;
	struct node **child;
};

struct trie {
	struct node *root;
	bool failed;			/* no memory: what was made so far is shown */
};

static struct node *node_new(struct trie *trie, uint32_t key, unsigned pos, unsigned bits)
{
	struct node *node = calloc(1, sizeof(*node));

	if (node && bits)
		node->child = calloc((size_t)1 << bits, sizeof(struct node *));
	if (!node || (bits && !node->child)) {
		free(node);
		trie->failed = true;
		return NULL;
	}
	node->pos = pos;
	node->bits = bits;
	node->key = pos + bits < KEY_BITS ? key >> (pos + bits) << (pos + bits) : 0;
	if (!bits)
		node->key = key;
	return node;
}

static void node_free(struct node *node, bool children)
{
	for (size_t i = 0; node && children && node->bits && i < (size_t)1 << node->bits; i++)
		node_free(node->child[i], true);
	if (node)
		free(node->child);
	free(node);
}

static size_t index_of(const struct node *node, uint32_t key)
{
	return key >> node->pos & (((size_t)1 << node->bits) - 1);
}

/* A child that skips no bits. */
static bool is_full(const struct node *node, const struct node *child)
{
	return child && child->bits && child->pos + child->bits == node->pos;
}

static void count_children(const struct node *node, unsigned *full, unsigned *empty)
{
	*full = *empty = 0;
	for (size_t i = 0; i < (size_t)1 << node->bits; i++) {
		*empty += !node->child[i];
		*full += is_full(node, node->child[i]);
	}
}

static bool should_inflate(const struct node *node, bool root)
{
	uint64_t children = UINT64_C(1) << node->bits, used;
	unsigned full, empty;

	count_children(node, &full, &empty);
	used = children - empty + full;
	return used > 1 && node->pos && 50 * used >= children * (root ? INFLATE_ROOT : INFLATE);
}

static bool should_halve(const struct node *node, bool root)
{
	uint64_t children = UINT64_C(1) << node->bits, used;
	unsigned full, empty;

	count_children(node, &full, &empty);
	used = children - empty;
	return used > 1 && node->bits > 1 && 100 * used < children * (root ? HALVE_ROOT : HALVE);
}

/* One half of a full child: its children whose next bit is `bit`. */
static struct node *half_of(struct trie *trie, const struct node *child, unsigned bit)
{
	unsigned bits = child->bits - 1;
	struct node *half = node_new(trie, child->key | (uint32_t)bit << (child->pos + bits), child->pos, bits);

	if (half)
		memcpy(half->child, child->child + ((size_t)bit << bits), sizeof(*half->child) << bits);
	return half;
}

/* Twice the children. NULL: no memory, and nothing is changed. */
static struct node *inflate(struct trie *trie, struct node *old)
{
	struct node *node = node_new(trie, old->key, old->pos - 1, old->bits + 1);

	for (size_t i = 0; node && i < (size_t)1 << old->bits; i++) {
		struct node *child = old->child[i], *half[2];

		if (!is_full(old, child)) {
			if (child)
				node->child[index_of(node, child->key)] = child;
			continue;
		}
		for (unsigned bit = 0; bit < 2; bit++) {
			half[bit] = child->bits > 1 ? half_of(trie, child, bit) : child->child[bit];
			node->child[2 * i + bit] = half[bit];
		}
		if (trie->failed)
			return NULL;	/* the trie is given up, with what hangs on it */
		node_free(child, false);
	}
	return node;
}

/* Half the children: two of them that are there go into a node of their own. */
static struct node *halve(struct trie *trie, struct node *old)
{
	struct node *node = node_new(trie, old->key, old->pos + 1, old->bits - 1);

	for (size_t i = 0; node && i < (size_t)1 << node->bits; i++) {
		struct node *left = old->child[2 * i], *right = old->child[2 * i + 1], *pair;

		node->child[i] = left ? left : right;
		if (!left || !right)
			continue;
		pair = node_new(trie, left->key, old->pos, 1);
		if (!pair)
			return NULL;
		pair->child[0] = left;
		pair->child[1] = right;
		node->child[i] = pair;
	}
	return node;
}

/* The node in the form that it is due, or its only child in its place. */
static struct node *resize(struct trie *trie, struct node *node, bool root)
{
	struct node *(*change)(struct trie *, struct node *) = should_inflate(node, root) ? inflate : halve;
	unsigned full, empty;

	for (int left = MOST_DOUBLINGS; left && (change == inflate ? should_inflate : should_halve)(node, root); left--) {
		struct node *changed = change(trie, node);

		if (!changed)
			return node;
		node_free(node, false);
		node = changed;
		for (size_t i = 0; i < (size_t)1 << node->bits && !trie->failed; i++)
			if (is_full(node, node->child[i]))
				node->child[i] = resize(trie, node->child[i], false);
	}
	count_children(node, &full, &empty);
	for (size_t i = 0; !trie->failed && ((size_t)1 << node->bits) - empty < 2 && i < (size_t)1 << node->bits; i++)
		if (node->child[i]) {
			struct node *only = node->child[i];

			node_free(node, false);
			return only;
		}
	return node;
}

/* Put a key below *place. Each node on the way up to the root is given its due form. */
static void insert(struct trie *trie, struct node **place, uint32_t key, bool root)
{
	struct node *node = *place, *leaf, *both;
	uint32_t difference = node ? node->key ^ key : 0;
	unsigned top;

	if (node && !(node->bits ? node->pos + node->bits < KEY_BITS && difference >> (node->pos + node->bits) : difference)) {
		if (!node->bits)
			return;		/* it is there */
		insert(trie, &node->child[index_of(node, key)], key, false);
		if (!trie->failed)
			*place = resize(trie, node, root);
		return;
	}
	leaf = node_new(trie, key, 0, 0);
	if (!leaf)
		return;
	if (!node) {
		*place = leaf;
		return;
	}
	top = KEY_BITS - 1 - (unsigned)__builtin_clz(difference);
	both = node_new(trie, key, top, 1);
	if (!both) {
		free(leaf);
		return;
	}
	both->child[index_of(both, key)] = leaf;
	both->child[index_of(both, node->key)] = node;
	*place = resize(trie, both, root);
}

/* --- as text ------------------------------------------------------------------------------------------------------------------ */

struct table {
	uint32_t id, other;		/* two ids share one trie as long as no rule tells them apart */
};

static bool in_table(const struct table *table, const struct fib_entry *entry)
{
	return entry->table == table->id || entry->table == table->other;
}

static const char *scope_name(unsigned scope, char *room, size_t size)
{
	switch (scope) {
	case RT_SCOPE_UNIVERSE:
		return "universe";
	case RT_SCOPE_SITE:
		return "site";
	case RT_SCOPE_LINK:
		return "link";
	case RT_SCOPE_HOST:
		return "host";
	case RT_SCOPE_NOWHERE:
		return "nowhere";
	}
	snprintf(room, size, "scope=%u", scope);
	return room;
}

static const char *type_name(unsigned type, char *room, size_t size)
{
	static const char *const names[] = {
		[RTN_UNSPEC] = "UNSPEC", [RTN_UNICAST] = "UNICAST", [RTN_LOCAL] = "LOCAL", [RTN_BROADCAST] = "BROADCAST",
		[RTN_ANYCAST] = "ANYCAST", [RTN_MULTICAST] = "MULTICAST", [RTN_BLACKHOLE] = "BLACKHOLE",
		[RTN_UNREACHABLE] = "UNREACHABLE", [RTN_PROHIBIT] = "PROHIBIT", [RTN_THROW] = "THROW", [RTN_NAT] = "NAT",
		[RTN_XRESOLVE] = "XRESOLVE",
	};

	if (type < sizeof(names) / sizeof(names[0]))
		return names[type];
	snprintf(room, size, "type %u", type);
	return room;
}

static void write_address(FILE *to, uint32_t key)
{
	fprintf(to, "%u.%u.%u.%u", key >> 24, key >> 16 & 255, key >> 8 & 255, key & 255);
}

/* Longest prefix first; then table local before main; then as the list has them. */
static void write_routes(const struct pl_stack *stack, FILE *to, const struct table *table, uint32_t key, int depth)
{
	uint32_t low = table->id < table->other ? table->id : table->other, high = table->id + table->other - low;

	for (int length = KEY_BITS; length >= 0; length--)
		for (uint32_t id = high; id >= low; id--)
			for (const struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next) {
				char scope[16], type[16];

				if (entry->table != id || entry->prefix_length != length ||
				    ntohl(entry->destination.s_addr) != key)
					continue;
				fprintf(to, "%*s/%d %s %s", 3 * (depth + 1) + 2, "", length, scope_name(entry->scope, scope, sizeof(scope)),
					type_name(entry->type, type, sizeof(type)));
				if (entry->tos)
					fprintf(to, " tos=%d", entry->tos);
				fputc('\n', to);
			}
}

static void write_node(const struct pl_stack *stack, FILE *to, const struct table *table, const struct node *node, int depth)
{
	unsigned full, empty;

	fprintf(to, "%*s%s ", 3 * depth + 2, "", node->bits ? "+--" : "|--");
	write_address(to, node->key);
	if (!node->bits) {
		fputc('\n', to);
		write_routes(stack, to, table, node->key, depth);
		return;
	}
	count_children(node, &full, &empty);
	fprintf(to, "/%u %u %u %u\n", KEY_BITS - node->pos - node->bits, node->bits, full, empty);
	for (size_t i = 0; i < (size_t)1 << node->bits; i++)
		if (node->child[i])
			write_node(stack, to, table, node->child[i], depth + 1);
}

static void write_table(const struct pl_stack *stack, FILE *to, const struct table *table)
{
	struct trie trie = { 0 };

	for (const struct fib_entry *entry = stack->fib->entries; entry && !trie.failed; entry = entry->next)
		if (in_table(table, entry))
			insert(&trie, &trie.root, ntohl(entry->destination.s_addr), true);
	if (trie.root && !trie.failed) {
		if (table->id == RT_TABLE_MAIN || table->id == RT_TABLE_LOCAL)
			fprintf(to, "%s:\n", table->id == RT_TABLE_MAIN ? "Main" : "Local");
		else
			fprintf(to, "Id %u:\n", table->id);
		write_node(stack, to, table, trie.root, 0);
	}
	node_free(trie.root, true);
}

/* As long as nobody has changed the rules, tables main and local are one. */
static uint32_t other_table(const struct pl_stack *stack, uint32_t id)
{
	if (!stack->fib->custom_rules && (id == RT_TABLE_MAIN || id == RT_TABLE_LOCAL))
		return id == RT_TABLE_MAIN ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
	return id;
}

/* The next table in the order of the kernel's 256 lists of them. UINT64_MAX: there is none. */
static uint64_t next_table(const struct pl_stack *stack, uint64_t after)
{
	uint64_t next = UINT64_MAX;

	for (const struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next)
		for (unsigned which = 0; which < 2; which++) {
			uint32_t id = which ? other_table(stack, entry->table) : entry->table;
			uint64_t place = (uint64_t)(id & 255) << 32 | id;

			if (place > after && place < next)
				next = place;
		}
	return next;
}

void proc_fib_trie(struct pl_stack *stack, FILE *to)
{
	for (uint64_t place = next_table(stack, 0); place != UINT64_MAX; place = next_table(stack, place)) {
		uint32_t id = (uint32_t)place;

		write_table(stack, to, &(struct table){ id, other_table(stack, id) });
	}
}
