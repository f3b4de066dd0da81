/*
 * The terminal's side of a live run.
 *
 * A worker has a process group of its own, so that ^Z stops the program and not the stack that one looks at; it cannot read the
 * terminal. This process does, and only while the script is stopped and the terminal is its own: what is typed elsewhere is
 * not for it.
 */
#include "target/live.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#ifdef PLUMBLINE_FUSE
#include "../fusefs/guardian.h"
#endif

int live_open(struct live *live)
{
	live->told[0] = live->told[1] = live->go[0] = live->go[1] = -1;
	if (live->pauses && (pipe2(live->told, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(live->go, O_CLOEXEC | O_NONBLOCK) < 0))
		return -errno;
	return 0;
}

static bool input_is_ours(void)
{
	return !isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) == getpgrp();
}

void live_watched(void *context, int fd[2])
{
	const struct live *live = context;

	fd[0] = live->told[0];
	fd[1] = live->paused && !live->input_ended && input_is_ours() ? STDIN_FILENO : -1;
}

static void hear_worker(struct live *live)
{
	char news;

	while (read(live->told[0], &news, 1) == 1)
		live->paused = news == LIVE_PAUSED;
	/* What was typed before the script stopped was not meant for it. */
	if (live->paused && isatty(STDIN_FILENO) && input_is_ours())
		tcflush(STDIN_FILENO, TCIFLUSH);
}

/* One line is one press of Enter. It is read byte by byte: what comes behind it may be the next one. */
static void hear_input(struct live *live)
{
	char byte;
	ssize_t got = read(STDIN_FILENO, &byte, 1);

	if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
		live->input_ended = true;
	if (got != 1 || byte != '\n')
		return;
	live->paused = false;
	(void)!write(live->go[1], &byte, 1);
}

void live_readable(void *context, int fd)
{
	struct live *live = context;

	if (fd == live->told[0])
		hear_worker(live);
	else
		hear_input(live);
}

void live_close(struct live *live)
{
	for (unsigned i = 0; i < 2; i++) {
		if (live->told[i] >= 0)
			close(live->told[i]);
		if (live->go[i] >= 0)
			close(live->go[i]);
	}
#ifdef PLUMBLINE_FUSE
	/* The mount of a worker that was killed goes by itself, but not before this program has ended. */
	if (live->directory)
		guardian_clear(live->directory);
#endif
}
