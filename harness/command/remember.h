/*
 * Init commands remembered within a process. See remember.c for what is remembered, and what cannot be.
 */
#ifndef HARNESS_REMEMBER_H
#define HARNESS_REMEMBER_H

#include <plumbline/stack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netstate;
struct target_config;
struct init_effect;
struct init_recording;

/* What the command did to a fresh stack of this configuration when it was last run, or NULL. */
const struct init_effect *init_recall(const struct target_config *config, const char *command);
/* Do it to another such stack. */
void init_repeat(const struct init_effect *effect, struct pl_stack *stack);
/* The content of a file in /tmp that the command made, its length and mode; NULL: it made none of this path. */
const char *init_file(const struct init_effect *effect, const char *path, size_t *length, unsigned *mode);

/*
 * Note what a command does that is about to be run for real, as the first one on its stack. NULL: what it depends on cannot be
 * told from its text. A recording is ended once, with whether the command succeeded; NULL is ignored everywhere.
 */
struct init_recording *init_record(const struct target_config *config, const char *command);
void init_record_write(struct init_recording *recording, const char *path, const char *text, size_t length, int64_t position);
void init_record_network(struct init_recording *recording, const struct netstate *before, const struct netstate *after);
struct pl_filter_table;
void init_record_filter(struct init_recording *recording, const struct pl_filter_table *table);	/* copied */
void init_record_end(struct init_recording *recording, bool done);

#endif
