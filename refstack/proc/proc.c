/* The table of /proc/net files. Text goes through a memory stream: it has no descriptor and touches nothing outside. */
#include "proc.h"

#include <plumbline/inspect.h>
#include <stdarg.h>
#include <stdlib.h>

static const struct proc_row {
	const char *name;
	proc_writer *write;
} proc_rows[] = {
#define PROC_ROW(name) { #name, proc_##name },
	PROC_FILES(PROC_ROW)
#undef PROC_ROW
};

#define PROC_ROWS (sizeof(proc_rows) / sizeof(proc_rows[0]))

const char *const pl_inspect_names[PROC_ROWS + 1] = {
#define PROC_NAME(name) #name,
	PROC_FILES(PROC_NAME)
#undef PROC_NAME
};

/* Who speaks with whom through this host is not for everybody. */
unsigned pl_inspect_mode(const char *name)
{
	return strcmp(name, "nf_conntrack") ? 0444 : 0440;
}

void proc_line(FILE *to, int width, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vfprintf(to, format, arguments);
	va_end(arguments);
	fprintf(to, "%*s\n", length < width ? width - length : 0, "");
}

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
