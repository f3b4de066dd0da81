/*
 * The packet filter's tables between a reference stack and the network namespace in which its commands run.
 *
 * Before a command the namespace's tables are made those of the stack, with its counters; after it, what the command has made of
 * them is set on the stack. So `iptables` in a script is the real one, whatever it is asked.
 */
#ifndef HARNESS_FILTER_MIRROR_H
#define HARNESS_FILTER_MIRROR_H

#include <plumbline/filter.h>
#include <stdbool.h>

struct arena;
struct init_recording;

/* The namespace's table as rules; NULL with *error when the kernel does not give it. To be freed by pl_filter_free. */
struct pl_filter_table *filter_mirror_read(const char *name, const char **error);
/* The kernel's table becomes this one, counters included. */
bool filter_mirror_write(const struct pl_filter_table *table, const char **error);

/* Every table that the stack has. False with *error (static text). */
bool filter_mirror_show(struct pl_stack *stack, const char **error);
/* Every table that differs now from the stack's. 0, or -1 with *error: the stack does not know something in it. */
int filter_mirror_take(struct pl_stack *stack, struct init_recording *recording, struct arena *arena, const char **error);

#endif
