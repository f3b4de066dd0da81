/* The session's work on files of one's choice, for its tests. */
#ifndef HARNESS_TARGET_KERNEL_SESSION_H
#define HARNESS_TARGET_KERNEL_SESSION_H

#include "target.h"

struct session_files {
	const char *allowed, *available;	/* the tunables */
	const char *state;			/* who uses them, and what was there before; exists while somebody does */
};
struct target_session *session_begin(const struct session_files *files, struct arena *arena, const char **note);

#endif
