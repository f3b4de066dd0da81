#include "nodes.h"

#include "fusefs.h"

#include <errno.h>
#include <plumbline/inspect.h>
#include <plumbline/sysctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node *node_of(const struct node_table *table, uint64_t inode)
{
	return inode >= 1 && inode <= table->count && table->node[inode - 1].alive ? &table->node[inode - 1] : NULL;
}

/* Where the path's inode is among the buckets, or would be. */
static uint32_t *node_bucket(const struct node_table *table, const char *path)
{
	size_t most = 2 * table->room, at;
	uint64_t hash = 14695981039346656037u;		/* FNV-1a */

	for (const char *byte = path; *byte; byte++)
		hash = (hash ^ (uint8_t)*byte) * 1099511628211u;
	at = hash % most;
	while (table->bucket[at] && strcmp(table->node[table->bucket[at] - 1].path, path))
		at = at + 1 < most ? at + 1 : 0;
	return &table->bucket[at];
}

uint64_t node_find(const struct node_table *table, const char *path)
{
	return table->room ? *node_bucket(table, path) : 0;
}

uint64_t node_child(const struct node_table *table, uint64_t folder, const char *name)
{
	const struct node *above = node_of(table, folder);
	uint64_t inode = 0;
	char path[512];

	if (above && (size_t)snprintf(path, sizeof(path), "%s%s%s", above->path, *above->path ? "/" : "", name) < sizeof(path))
		inode = node_find(table, path);
	return inode && node_of(table, inode) ? inode : 0;
}

bool node_transient(const struct node *node)
{
	return !strncmp(node->path, "sys/net/ipv4/conf/", 18) || !strncmp(node->path, "sys/net/ipv4/neigh/", 19);
}

static bool make_room(struct node_table *table)
{
	size_t room = table->room ? table->room * 2 : 512;
	struct node_table grown = *table;

	if (table->count < table->room)
		return true;
	grown.bucket = calloc(2 * room, sizeof(*grown.bucket));
	grown.order = calloc(room, sizeof(*grown.order));
	grown.node = grown.bucket && grown.order ? realloc(table->node, room * sizeof(*grown.node)) : NULL;
	if (!grown.node) {
		free(grown.bucket);
		free(grown.order);
		return false;
	}
	free(table->bucket);
	free(table->order);
	grown.room = room;
	grown.ordered = 0;
	for (size_t i = 0; i < grown.count; i++)
		*node_bucket(&grown, grown.node[i].path) = (uint32_t)i + 1;
	*table = grown;
	return true;
}

static uint64_t node_add(struct node_table *table, const char *path, uint64_t parent, size_t name)
{
	char *copy = strdup(path);

	if (!copy || !make_room(table)) {
		free(copy);
		return 0;
	}
	table->node[table->count] = (struct node){ .path = copy, .name = name, .parent = parent };
	*node_bucket(table, copy) = (uint32_t)++table->count;
	return table->count;
}

/* Make the path live, with the folders above it. 0: no memory. */
static uint64_t node_show(struct node_table *table, const char *path, unsigned mode, bool folder)
{
	const char *slash = strrchr(path, '/');
	uint64_t inode = node_find(table, path), parent = 0;

	if (!inode && *path) {
		char above[256];

		snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) : 0, path);
		parent = node_find(table, above);
		if (!parent || !node_of(table, parent))
			parent = node_show(table, above, 0555, true);
		if (!parent)
			return 0;
	}
	if (!inode)
		inode = node_add(table, path, parent, slash ? (size_t)(slash - path) + 1 : 0);
	if (!inode)
		return 0;
	table->node[inode - 1].mode = mode;
	table->node[inode - 1].folder = folder;
	table->node[inode - 1].alive = true;
	return inode;
}

static int show_row(void *context, const struct pl_sysctl_file *file)
{
	char path[256];

	snprintf(path, sizeof(path), "sys/%s", file->path);
	return node_show(context, path, file->mode, file->folder) ? 0 : -ENOMEM;
}

/* procfs lists the folders of tunables by name, and those of /proc/net by the length of the names first. */
static int by_place(const void *one, const void *other, void *context)
{
	const struct node_table *table = context;
	const struct node *left = &table->node[*(const uint32_t *)one - 1], *right = &table->node[*(const uint32_t *)other - 1];
	const char *name = left->path + left->name, *other_name = right->path + right->name;
	size_t length = strlen(name), other_length = strlen(other_name);

	if (left->parent != right->parent)
		return left->parent < right->parent ? -1 : 1;
	if (!strncmp(left->path, "net/", 4) && length != other_length)
		return length < other_length ? -1 : 1;
	return strcmp(name, other_name);
}

static void nodes_order(struct node_table *table)
{
	if (table->ordered == table->count)
		return;
	for (size_t i = 0; i < table->count; i++)
		table->order[i] = (uint32_t)i + 1;
	qsort_r(table->order, table->count, sizeof(*table->order), by_place, table);
	table->ordered = table->count;
}

/* The first place whose node is not before the folder's own list, or before `after` in it. */
static size_t place_of(const struct node_table *table, uint64_t folder, uint64_t after)
{
	size_t low = 0, high = table->ordered;
	uint32_t key = (uint32_t)after;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		bool before = after ? by_place(&table->order[middle], &key, (void *)table) < 0
				    : table->node[table->order[middle] - 1].parent < folder;

		if (before)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t node_next(const struct node_table *table, uint64_t folder, uint64_t after)
{
	for (size_t at = place_of(table, folder, after); at < table->ordered; at++) {
		uint32_t inode = table->order[at];
		const struct node *node = &table->node[inode - 1];

		if (node->parent != folder)
			break;
		if (node->alive && inode != after)
			return inode;
	}
	return 0;
}

void node_refresh(struct node_table *table, struct pl_stack *stack)
{
	if (table->count && stack == table->shown && (!stack || table->generation == pl_sysctl_generation(stack)))
		return;
	for (size_t i = 0; i < table->count; i++)
		table->node[i].alive = false;
	node_show(table, "", 0555, true);
	table->shown = stack;
	if (!stack)
		return;
	table->generation = pl_sysctl_generation(stack);
	pl_sysctl_walk(stack, show_row, table);
	node_show(table, "net", 0555, true);
	for (size_t i = 0; pl_inspect_names[i]; i++) {
		char path[256];

		snprintf(path, sizeof(path), "net/%s", pl_inspect_names[i]);
		node_show(table, path, pl_inspect_mode(pl_inspect_names[i]), false);
	}
	for (const struct fusefs_file *file = table->files; file && file->path; file++)
		node_show(table, file->path, file->mode, false);
	nodes_order(table);
}

void node_free_all(struct node_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->node[i].path);
	free(table->node);
	free(table->bucket);
	free(table->order);
	*table = (struct node_table){ 0 };
}
