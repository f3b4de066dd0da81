/*
 * A process that outlives the one that mounts, for one purpose: when that one is killed, the dead mount is taken away.
 *
 * It is started before the mount is made and waits on a pipe whose only writing end belongs to the process that it guards: the
 * kernel closes that however the process ends. A mount without a server answers every look with ENOTCONN, by which it is known.
 */
#ifndef FUSEFS_GUARDIAN_H
#define FUSEFS_GUARDIAN_H

#include <stdbool.h>

struct guardian {
	int life;		/* the writing end; -1: there is no guardian */
};

/* 0 or -errno. */
int guardian_start(struct guardian *guardian, const char *directory);
/* Take away what is mounted on the directory if nobody serves it any more. Whether it did. */
bool guardian_clear(const char *directory);
/* The mount is gone: the guardian may go too. */
void guardian_stop(struct guardian *guardian);

#endif
