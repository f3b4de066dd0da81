/*
 * A script's stack, live: its tree is mounted while the script runs, virtual time keeps pace with the wall clock, and the script
 * stops at a line until it is told to go on. Each of the three can be had without the others, but for stopping.
 */
#ifndef HARNESS_LIVE_H
#define HARNESS_LIVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "target.h"

/* What is asked for, and how the worker's process and the one at the terminal talk about stopping. */
struct live {
	const char *directory;		/* where the tree is mounted; NULL: nowhere */
	bool real_time;
	const unsigned *pause_at;	/* lines of the script */
	unsigned pauses;
	int told[2];			/* a pipe from the worker: LIVE_PAUSED, LIVE_GOES_ON */
	int go[2];			/* a pipe to it: any byte */
	bool paused;			/* at the terminal: as it was last told */
	bool input_ended;
};

enum live_news { LIVE_PAUSED = 'p', LIVE_GOES_ON = 'g' };

/* The reference stack with all this. target_config.live says what is asked for. */
extern const struct target_ops live_target;

/* At the terminal. Make the pipes: 0 or -errno. */
int live_open(struct live *live);
/* Descriptors whose becoming readable live_readable is to be told of, -1 for none. As struct pool's `watched` and `readable`. */
void live_watched(void *context, int fd[2]);
void live_readable(void *context, int fd);
/* After the run, however it ended. */
void live_close(struct live *live);

#endif
