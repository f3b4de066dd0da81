#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOKS 20		/* a mount by fusermount3 may still be on its way: this often, 50 ms apart */

/* Whoever is not root had fusermount3 mount it. */
static void unmount(const char *directory)
{
	char *arguments[] = { "fusermount3", "-u", "-q", "-z", (char *)directory, NULL };
	pid_t child;
	int status;

	if (umount2(directory, MNT_DETACH) == 0 || errno != EPERM)
		return;
	if (posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ) == 0)
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
}

bool guardian_clear(const char *directory)
{
	struct statfs attributes;

	/* Not stat, which may be answered from what the kernel remembers. */
	if (statfs(directory, &attributes) == 0 || errno != ENOTCONN)
		return false;
	unmount(directory);
	return true;
}

static _Noreturn void guard(int life, const char *directory)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	sigset_t all;
	char byte;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* A byte says that all is well; the end of the pipe, that nobody is left to say so. */
	if (read(life, &byte, 1) == 1)
		_exit(0);
	for (int i = 0; i < LOOKS; i++) {
		if (guardian_clear(directory))
			_exit(0);
		nanosleep(&pause, NULL);
	}
	_exit(0);
}

int guardian_start(struct guardian *guardian, const char *directory)
{
	char absolute[PATH_MAX];
	int life[2], status;
	pid_t child;

	guardian->life = -1;
	if (!realpath(directory, absolute) || pipe2(life, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0) {
		/* A child of nobody's: its end is nobody's to wait for. It keeps nothing open but the pipe. */
		int null = open("/dev/null", O_RDWR);

		dup2(life[0], STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		syscall(SYS_close_range, 3, ~0U, 0);
		if (fork() == 0)
			guard(STDIN_FILENO, absolute);
		_exit(0);
	}
	close(life[0]);
	if (child < 0) {
		close(life[1]);
		return -EAGAIN;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	guardian->life = life[1];
	return 0;
}

void guardian_stop(struct guardian *guardian)
{
	if (guardian->life < 0)
		return;
	(void)!write(guardian->life, "", 1);
	close(guardian->life);
	guardian->life = -1;
}
