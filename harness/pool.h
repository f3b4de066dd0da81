/*
 * Worker processes. Jobs are numbered; each runs in some worker, which sends its outcome back over a socket. A worker that dies
 * fails the job it was at and no other.
 */
#ifndef HARNESS_POOL_H
#define HARNESS_POOL_H

#include <plumbline/time.h>
#include <stdbool.h>

struct arena;
struct outcome;

struct pool {
	const unsigned *job;		/* what to run, in this order */
	unsigned jobs;
	unsigned workers;		/* at most this many processes at a time */
	bool fresh;			/* a new process for every job */
	pl_time limit;			/* a job that takes longer is killed; 0: no limit */

	/* In a worker: carry out one job. Everything in *outcome lives in the arena, which is reset after each job. */
	void (*run)(void *context, unsigned job, struct arena *arena, struct outcome *outcome);
	/* In this process: told once for each job, in the order in which they end. *outcome lives until it returns. */
	void (*done)(void *context, unsigned job, const struct outcome *outcome);
	void *context;

	/* While waiting, whatever becomes readable of two descriptors is told to `readable`; `watched` says which (-1: none). May be NULL. */
	void (*watched)(void *live, int fd[2]);
	void (*readable)(void *live, int fd);
	void *live;
};

/*
 * Run all jobs. Returns when the last is done, or early on SIGINT or SIGTERM: every worker is killed and reaped then, and the
 * signal's number is returned; else 0, or -errno: ECHILD when all jobs are done but a worker did not end well afterwards (it
 * crashed, or a sanitizer found lost memory), others when no worker can be made.
 */
int pool_run(const struct pool *pool);

#endif
