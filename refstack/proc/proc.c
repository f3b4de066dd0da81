/* The table of /proc/net files. Text goes through a memory stream: it has no descriptor and touches nothing outside. */
#include "proc.h"

#include <plumbline/inspect.h>
#include <stdlib.h>

static const struct proc_row {
	const char *name;
	proc_writer *write;
} proc_rows[] = {
	{ "netstat", proc_netstat },
	{ "snmp", proc_snmp },
};

#define PROC_ROWS (sizeof(proc_rows) / sizeof(proc_rows[0]))

const char *const pl_inspect_names[PROC_ROWS + 1] = { "netstat", "snmp", NULL };

ssize_t pl_inspect_file(struct pl_stack *stack, const char *name, char **text)
{
	size_t length = 0;
	FILE *memory;

	for (size_t i = 0; i < PROC_ROWS; i++) {
		if (strcmp(proc_rows[i].name, name))
			continue;
		*text = NULL;
		memory = open_memstream(text, &length);
		if (!memory)
			return -ENOMEM;
		proc_rows[i].write(stack, memory);
		if (fclose(memory)) {
			free(*text);
			return -ENOMEM;
		}
		return (ssize_t)length;
	}
	return -ENOENT;
}
