/*
 * The names in a mounted tree. Every path that a stack's walk has ever shown has a node, whose number is its inode; a node that
 * the current stack does not show is dead until it is shown again, so numbers stay true however links come and go.
 */
#ifndef FUSEFS_NODES_H
#define FUSEFS_NODES_H

#include <plumbline/stack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node {
	char *path;			/* from the root of the mount: "sys/net/ipv4/tcp_sack"; "" is the root */
	size_t name;			/* where its last component starts */
	uint64_t parent;		/* inode */
	unsigned mode;
	bool folder, alive;
};

struct fusefs_file;

struct node_table {
	struct node *node;		/* node[i] has inode i + 1; the root has inode 1 */
	size_t count, room;
	uint32_t *bucket;		/* inodes by the hash of their paths: 2 * room of them, 0 for none */
	uint32_t *order;		/* inodes as folders list them: room of them */
	size_t ordered;
	const struct fusefs_file *files;
	const struct pl_stack *shown;
	uint64_t generation;
};

struct node *node_of(const struct node_table *table, uint64_t inode);		/* NULL: none, or dead */
uint64_t node_find(const struct node_table *table, const char *path);		/* dead ones too; 0: none */
uint64_t node_child(const struct node_table *table, uint64_t folder, const char *name);	/* a live one of that name; 0: none */
/* The live node of a folder that follows another in its list (0: the first); 0: none. As procfs lists its own. */
uint64_t node_next(const struct node_table *table, uint64_t folder, uint64_t after);
/* The folder of a link comes and goes with it; whatever is below is only reached through it. */
bool node_transient(const struct node *node);
/* Bring the table up to date with the stack (NULL: the root alone), if its tree has changed. Under the stack's lock. */
void node_refresh(struct node_table *table, struct pl_stack *stack);
void node_free_all(struct node_table *table);

#endif
