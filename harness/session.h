/*
 * A session: many scripts run (or compared) by a pool of workers and reported in the order in which they were given, whatever the
 * order in which they end. In real time, a failure that the harness's own lateness could explain is run again, alone, after
 * the others, before anything is said of it.
 */
#ifndef HARNESS_SESSION_H
#define HARNESS_SESSION_H

#include "paths.h"
#include "pool.h"
#include "report/report.h"

struct session {
	const struct paths *paths;
	unsigned workers;
	bool real_time;			/* a process per script, and noisy failures are run again */
	pl_time limit;			/* for one script; 0: none */
	struct report *report;
	struct live *live;		/* a live run's, or NULL */
	/* As struct pool's; job is the script's place in the paths. */
	void (*run)(void *context, unsigned job, struct arena *arena, struct outcome *outcome);
	void *context;
};

/* Runs all and reports all: an exit status, or minus the number of the signal that ended it early. */
int session_run(const struct session *session);

#endif
