/* The definition list for people. */
#include <string.h>

#include "../internal.h"

static const char *const folders[PLACE_COUNT] = {
	[PLACE_CORE] = "net/core",
	[PLACE_IPV4] = "net/ipv4",
	[PLACE_ROUTE] = "net/ipv4/route",
	[PLACE_IPV6] = "net/ipv6",
	[PLACE_NETFILTER] = "net/netfilter",
	[PLACE_CONF] = "net/ipv4/conf/IF",
	[PLACE_NEIGH] = "net/ipv4/neigh/IF",
};

static const char *const kinds[SYSCTL_KINDS] = {
	[SYSCTL_INT] = "number",
	[SYSCTL_U8] = "number",
	[SYSCTL_UINT] = "number",
	[SYSCTL_INT2] = "two numbers",
	[SYSCTL_INT3] = "three numbers",
	[SYSCTL_ULONG] = "number",
	[SYSCTL_ULONG2] = "two numbers",
	[SYSCTL_ULONG3] = "three numbers",
	[SYSCTL_JIFFIES] = "seconds",
	[SYSCTL_MS_JIFFIES] = "milliseconds",
	[SYSCTL_MS_JIFFIES_POSITIVE] = "milliseconds",
	[SYSCTL_USERHZ] = "hundredths of a second",
	[SYSCTL_UNRES_QLEN] = "packets",
	[SYSCTL_PORT_RANGE] = "two ports",
	[SYSCTL_UNPRIVILEGED] = "port",
	[SYSCTL_PORT_BITMAP] = "list of port ranges",
	[SYSCTL_GID_RANGE] = "two group ids",
	[SYSCTL_FASTOPEN_KEY] = "one or two keys",
	[SYSCTL_CONGESTION] = "congestion control",
	[SYSCTL_ALLOWED] = "list of congestion controls",
	[SYSCTL_TEXT] = "text",
	[SYSCTL_TRIGGER] = "trigger",
};

/* Bounds that are not those of the type itself. */
static bool bounded(const struct sysctl_row *row)
{
	if (row->place == PLACE_CONF || (!row->minimum && !row->maximum))
		return false;
	return row->minimum != INT_MIN || row->maximum != INT_MAX;
}

static bool machine(const struct sysctl_row *row)
{
	const char *folder = folders[row->place];
	size_t length = strlen(folder);

	for (unsigned i = 0; pl_sysctl_machine[i]; i++) {
		const char *path = pl_sysctl_machine[i];

		if (!strncmp(path, folder, length) && path[length] == '/' && !strcmp(path + length + 1, row->file))
			return true;
	}
	return false;
}

bool pl_sysctl_describe(unsigned index, struct pl_sysctl_description *description)
{
	const struct sysctl_row *row = &sysctl_rows[index];
	const struct sysctl_meaning *meaning;

	if (index >= sysctl_row_count)
		return false;
	meaning = &sysctl_meanings[row->meaning];
	*description = (struct pl_sysctl_description){
		.folder = row->default_only ? "net/ipv4/neigh/default" : folders[row->place],
		.file = row->file,
		.kind = kinds[row->kind],
		.start = row->start,
		.minimum = row->minimum,
		.maximum = row->maximum,
		.meaning = meaning->meaning,
		.note = meaning->note,
		.mark = meaning->mark,
		.mode = row->mode & 0777,
		.bounded = bounded(row),
		.machine = machine(row),
		.first_namespace = row->first_only,
	};
	return true;
}
