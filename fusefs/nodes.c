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

uint64_t node_find(const struct node_table *table, const char *path)
{
	for (size_t i = 0; i < table->count; i++)
		if (!strcmp(table->node[i].path, path))
			return i + 1;
	return 0;
}

bool node_transient(const struct node *node)
{
	return !strncmp(node->path, "sys/net/ipv4/conf/", 18) || !strncmp(node->path, "sys/net/ipv4/neigh/", 19);
}

static bool make_room(struct node_table *table)
{
	size_t room = table->room ? table->room * 2 : 512;
	struct node *grown;

	if (table->count < table->room)
		return true;
	grown = realloc(table->node, room * sizeof(*grown));
	if (!grown)
		return false;
	table->node = grown;
	table->room = room;
	return true;
}

static uint64_t node_add(struct node_table *table, const char *path, uint64_t parent, size_t name)
{
	char *copy = strdup(path);

	if (!copy || !make_room(table)) {
		free(copy);
		return 0;
	}
	table->node[table->count++] = (struct node){ .path = copy, .name = name, .parent = parent };
	return table->count;
}

/* Make the path live, with the folders above it. 0: no memory. */
static uint64_t node_show(struct node_table *table, const char *path, unsigned mode, bool folder)
{
	const char *slash = strrchr(path, '/');
	uint64_t inode = node_find(table, path), parent = 1;

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
		node_show(table, path, 0444, false);
	}
	for (const struct fusefs_file *file = table->files; file && file->path; file++)
		node_show(table, file->path, file->mode, false);
}

void node_free_all(struct node_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->node[i].path);
	free(table->node);
	*table = (struct node_table){ 0 };
}
