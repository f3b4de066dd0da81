/*
 * What is widened once for a whole run, and put back. (And ticks that are kept going: kernel_ticks.c.)
 *
 * A network namespace may use those congestion controls only that net.ipv4.tcp_allowed_congestion_control names, which only the
 * first namespace has. A run that may write it allows every one that is available, and puts back what was there.
 *
 * Several runs may overlap, and each may be killed at any moment. So that the last one restores, however it ends:
 *
 * - a state file keeps what was there before. Byte 0 of it is locked by whoever changes anything, byte 1 is locked (shared) by
 *   every run for as long as it lasts. The file goes away with the last of them.
 * - the lock is held by a small process of each run, the guardian, in a session of its own so that a terminal's signals do not
 *   reach it. It sleeps until the run says that it ends, or has ended without a word.
 * - a state file that nobody locks was left by a guardian that was killed too. The next run goes on from what it says.
 *
 * Locks are open file description locks, fcntl_locking(2): they end with the last descriptor, however that is closed.
 */
#include "kernel_session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../arena.h"
#include "kernel_ticks.h"

#define LIST_ROOM 1024

struct target_session {
	pid_t guardian;		/* 0: nothing had to be done */
	int end;		/* written to to tell it */
	int ticks;		/* keeps the ticks going; -1: not */
};

/* What the state file keeps, a line each. */
struct session_state {
	char before[LIST_ROOM], widened[LIST_ROOM];
};

/* A file's text without the line end; false when it cannot be read. */
static bool text_read(const char *path, char text[LIST_ROOM])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, LIST_ROOM - 1);

	if (fd >= 0)
		close(fd);
	if (length < 0)
		return false;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static bool text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

static bool list_has(const char *list, const char *word, size_t length)
{
	while (*(list += strspn(list, " "))) {
		size_t next = strcspn(list, " ");

		if (next == length && memcmp(list, word, length) == 0)
			return true;
		list += next;
	}
	return false;
}

/* The list with every word of `more` that it lacks; false when it lacks none (or there is no room). */
static bool list_widen(const char *list, const char *more, char widened[LIST_ROOM])
{
	size_t used = (size_t)snprintf(widened, LIST_ROOM, "%s", list);
	bool grown = false;

	while (*(more += strspn(more, " "))) {
		size_t length = strcspn(more, " ");

		if (!list_has(list, more, length) && used + length + 2 < LIST_ROOM) {
			used += (size_t)snprintf(widened + used, LIST_ROOM - used, " %.*s", (int)length, more);
			grown = true;
		}
		more += length;
	}
	return grown;
}

static bool lock(int fd, off_t byte, short type, int command)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	while (fcntl(fd, command, &lock) < 0)
		if (errno != EINTR)
			return false;
	return command != F_OFD_GETLK || lock.l_type == F_UNLCK;
}

enum { BYTE_GATE, BYTE_USERS };

/* The state file, with its gate locked: the one that the path still names. -1: it cannot be had; -2: it need not be made. */
static int state_open(const char *path, bool make)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0600);
		struct stat ours;

		if (fd < 0)
			return errno == ENOENT && !make ? -2 : -1;
		if (lock(fd, BYTE_GATE, F_WRLCK, F_OFD_SETLKW) && fstat(fd, &ours) == 0 && ours.st_nlink > 0)
			return fd;
		close(fd);	/* removed while we waited */
	}
}

static bool state_read(int fd, struct session_state *state)
{
	char text[2 * LIST_ROOM];
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	return sscanf(text, "%1023[^\n]\n%1023[^\n]", state->before, state->widened) == 2;
}

static bool state_write(int fd, const struct session_state *state)
{
	char text[2 * LIST_ROOM + 2];
	int length = snprintf(text, sizeof(text), "%s\n%s\n", state->before, state->widened);

	return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == length;
}

/* Nobody else uses it any more: put back what was there, unless somebody has set it to something else meanwhile. */
static void restore(const struct session_files *files, int fd)
{
	struct session_state state;
	char now[LIST_ROOM];

	if (state_read(fd, &state) && text_read(files->allowed, now) && strcmp(now, state.widened) == 0)
		text_write(files->allowed, state.before);
	unlink(files->state);
}

/*
 * The guardian's life. `fd` holds the lock on the users' byte. The run ends with a word on `told`, or without one: then `run`,
 * a pidfd of its process, or the closing of `told` says so, whichever there is.
 */
static _Noreturn void guard(const struct session_files *files, int fd, int told, int run)
{
	static const int deaf[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTOU, SIGTTIN };
	struct pollfd end[] = { { .fd = told, .events = POLLIN }, { .fd = run, .events = POLLIN } };

	setsid();
	prctl(PR_SET_NAME, "plumbline-guard");
	for (size_t i = 0; i < sizeof(deaf) / sizeof(deaf[0]); i++)
		signal(deaf[i], SIG_IGN);
	/* Whoever reads the run's output waits for its end, not for the guardian's. */
	for (int other = 0; other < 3; other++)
		close(other);
	for (int other = 3; other < 1024; other++)
		if (other != fd && other != told && other != run)
			close(other);
	while (poll(end, 2, -1) <= 0)
		;
	lock(fd, BYTE_GATE, F_WRLCK, F_OFD_SETLKW);
	lock(fd, BYTE_USERS, F_UNLCK, F_OFD_SETLK);
	if (lock(fd, BYTE_USERS, F_WRLCK, F_OFD_GETLK))
		restore(files, fd);
	_exit(0);
}

/*
 * Widen, or join those who did. 1: there is something to guard; 0: nothing is to be done; -1: it is not allowed, and so not
 * everything is available.
 */
static int widen(const struct session_files *files, int *fd)
{
	struct session_state state;
	char now[LIST_ROOM], available[LIST_ROOM];
	bool lacking;

	if (!text_read(files->allowed, now) || !text_read(files->available, available))
		return -1;
	lacking = list_widen(now, available, state.widened);
	*fd = state_open(files->state, lacking && access(files->allowed, W_OK) == 0);
	if (*fd < 0)
		return lacking ? -1 : 0;
	/* The others may just have restored it. */
	text_read(files->allowed, now);
	if (!state_read(*fd, &state)) {
		strcpy(state.before, now);
		if (!list_widen(now, available, state.widened)) {
			unlink(files->state);
			return 0;
		}
	}
	if (list_widen(now, available, state.widened) &&
	    !(text_write(files->allowed, state.widened) && text_read(files->allowed, state.widened))) {
		unlink(files->state);
		return -1;
	}
	if (!state_write(*fd, &state) || !lock(*fd, BYTE_USERS, F_RDLCK, F_OFD_SETLK)) {
		text_write(files->allowed, state.before);
		unlink(files->state);
		return -1;
	}
	return 1;
}

static const char *note_text(const struct session_files *files, struct arena *arena)
{
	char now[LIST_ROOM];

	if (!text_read(files->allowed, now))
		return "which congestion controls network namespaces may use cannot be read here; scripts that set another may fail";
	return arena_printf(arena, "net.ipv4.tcp_allowed_congestion_control is \"%s\" and may not be changed: scripts that use "
			    "another congestion control will fail on the kernel target", now);
}

/* False: there can be no guardian. */
static bool guardian_start(const struct session_files *files, int fd, struct target_session *session)
{
	int life[2], run;

	if (pipe2(life, O_CLOEXEC) < 0)
		return false;
	run = (int)syscall(SYS_pidfd_open, getpid(), 0);
	session->guardian = fork();
	if (session->guardian == 0) {
		close(life[1]);
		guard(files, fd, life[0], run);
	}
	if (run >= 0)
		close(run);
	close(life[0]);
	session->end = life[1];
	return session->guardian > 0;
}

struct target_session *session_begin(const struct session_files *files, struct arena *arena, const char **note)
{
	struct target_session *session = arena_alloc(arena, sizeof(*session));
	int fd = -1, need = widen(files, &fd);

	if (need > 0 && !guardian_start(files, fd, session)) {
		lock(fd, BYTE_USERS, F_UNLCK, F_OFD_SETLK);
		if (lock(fd, BYTE_USERS, F_WRLCK, F_OFD_GETLK))
			restore(files, fd);
		need = -1;
	}
	session->ticks = -1;
	*note = need < 0 ? note_text(files, arena) : NULL;
	if (fd >= 0) {
		/* The guardian's copy keeps the description, and with it the lock on the users' byte. */
		lock(fd, BYTE_GATE, F_UNLCK, F_OFD_SETLK);
		close(fd);
	}
	return session;
}

struct target_session *kernel_session_begin(struct arena *arena, const char **note)
{
	static const struct session_files files = {
		.allowed = "/proc/sys/net/ipv4/tcp_allowed_congestion_control",
		.available = "/proc/sys/net/ipv4/tcp_available_congestion_control",
		.state = "/run/plumbline-congestion-control",
	};

	struct target_session *session = session_begin(&files, arena, note);

	session->ticks = kernel_ticks_begin();
	return session;
}

void kernel_session_end(struct target_session *session)
{
	if (!session)
		return;
	kernel_ticks_end(session->ticks);
	if (session->guardian <= 0)
		return;
	(void)!write(session->end, "", 1);
	while (waitpid(session->guardian, NULL, 0) < 0 && errno == EINTR)
		;
	close(session->end);
	session->guardian = 0;
}
