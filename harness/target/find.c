/* Targets by name. */
#include "target.h"

#include <string.h>

static const struct {
	const char *name;
	const struct target_ops *ops;
	bool prefix;		/* followed by something of its own */
} rows[] = {
	{ "refstack", &refstack_target, false },
	{ "kernel", &kernel_target, false },
	{ "so:", &so_target, true },
};

const struct target_ops *target_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].prefix ? !strncmp(name, rows[i].name, strlen(rows[i].name)) : !strcmp(name, rows[i].name))
			return rows[i].ops;
	return NULL;
}
