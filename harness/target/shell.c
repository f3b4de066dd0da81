/*
 * Shell commands.
 *
 * Two processes of their own serve them, in a new pid namespace and mount namespace and the network namespace of their opener:
 *
 *	first	pid 1 there. Waits until the target's process has ended, however that came about, then removes what commands left
 *		in /tmp and ends. With it ends every process of the pid namespace, daemons of commands included.
 *	shells	runs the commands, one after the other, as its children. Its pid is the one number that is told to them: in the
 *		environment as PACKETDRILL_PID, and by any shell as ${PPID}. It is the pid that the target's own process has outside,
 *		so that no two scripts running at once have the same.
 *
 * Scripts agree with each other over files named after that number (/tmp/sysctl_restore_${PPID}.sh), and rarely remove them.
 * Files and folders in /tmp that were made while the target was open, by its user, and have the number in their name are
 * therefore removed at its end.
 */
#include "shell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../arena.h"

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PREFERRED_PATH "/proc/driver"	/* of these processes alone: see iptables_prefer */
#define LEGACY_IPTABLES "/usr/sbin/xtables-legacy-multi"
#define URGENT_NICE (-15)
#define OUTPUT_MOST 4096		/* of what a failed command printed, this much of the end goes into the message */

struct shell {
	pid_t first;		/* as seen from outside */
	int channel;		/* to the process that runs the commands */
	int life;		/* closed when this process ends, which "first" waits for */
	int output;		/* memory file that is its standard output and error */
	const struct shell_hooks *hooks;
	bool ready;		/* it has said that it takes commands */
	bool used;
	pl_time idle;		/* of the last command */
};

/* What the two processes know. */
struct shell_side {
	const struct shell_hooks *hooks;
	int channel, output, folder, watched;
	pid_t number;
	time_t begun;
};

/* What goes in front of a command's text. */
struct shell_request {
	uint32_t length;	/* with the NUL */
	int32_t nice;
};

/* How it ended. */
struct shell_reply {
	int32_t error;		/* it could not be run: the error number */
	int32_t status;		/* as waitpid(2) gives it */
	int64_t idle;		/* nanoseconds in which neither it nor what it waited for ran */
};

bool shell_name_has_number(const char *name, pid_t value)
{
	char number[16];
	size_t length = (size_t)snprintf(number, sizeof(number), "%d", (int)value);

	for (const char *at = name; (at = strstr(at, number)); at++) {
		bool before = at > name && at[-1] >= '0' && at[-1] <= '9';
		bool behind = at[length] >= '0' && at[length] <= '9';

		if (!before && !behind)
			return true;
	}
	return false;
}

static void folder_remove(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!folder)
		return;
	while ((entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(folder), entry->d_name, 0) < 0 && errno == EISDIR)
			folder_remove(dirfd(folder), entry->d_name);
	}
	closedir(folder);
	unlinkat(parent, name, AT_REMOVEDIR);
}

/* Made since the target was opened, and by its user. Where the file system tells no birth time, its last change counts. */
static bool made_since(int folder, const char *name, time_t begun)
{
	struct statx made;
	int64_t born;

	if (statx(folder, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_CTIME | STATX_UID, &made) < 0)
		return false;
	born = made.stx_mask & STATX_BTIME ? made.stx_btime.tv_sec : made.stx_ctime.tv_sec;
	return made.stx_uid == geteuid() && born >= begun;
}

static void leftovers_remove(const struct shell_side *side)
{
	DIR *folder = opendir("/tmp");
	struct dirent *entry;

	if (!folder)
		return;
	while ((entry = readdir(folder))) {
		if (!shell_name_has_number(entry->d_name, side->number) || !made_since(dirfd(folder), entry->d_name, side->begun))
			continue;
		if (unlinkat(dirfd(folder), entry->d_name, 0) < 0 && errno == EISDIR)
			folder_remove(dirfd(folder), entry->d_name);
	}
	closedir(folder);
}

static bool read_all(int fd, void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = read(fd, (char *)bytes + done, size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static bool write_all(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t put = send(fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		done += (size_t)put;
	}
	return true;
}

static int shell_spawn(const char *command, pid_t *pid)
{
	char *argument[] = { "sh", "-c", (char *)command, NULL };
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int status;

	posix_spawnattr_init(&attributes);
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	status = posix_spawn(pid, "/bin/sh", NULL, &attributes, argument, environ);
	posix_spawnattr_destroy(&attributes);
	return status;
}

static int64_t monotonic(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * PL_NSEC_PER_SEC + time.tv_nsec;
}

static int64_t processor_time(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * PL_NSEC_PER_SEC +
	       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * PL_NSEC_PER_USEC;
}

/* The process "shells": it says that it is ready with a byte, then commands come as a request and the text. */
static _Noreturn void shells_main(const struct shell_side *side)
{
	const char *path = getenv("PATH");
	char number[16], history[48], search[4096 + 64];
	struct shell_request request;

	dup2(side->output, STDOUT_FILENO);
	dup2(side->output, STDERR_FILENO);
	(void)!fchdir(side->folder);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("PACKETDRILL_PID", number, 1);
	/* The system's own programs come first, whatever else this machine has put before them: python3 is Debian's. */
	snprintf(search, sizeof(search), "%s" SYSTEM_PATH "%s%s", access(PREFERRED_PATH "/iptables", X_OK) ? "" : PREFERRED_PATH ":",
		 path ? ":" : "", path ? path : "");
	setenv("PATH", search, 1);
	/* nstat(8) tells what changed since it was last run, by anybody of this user; scripts mean: by this script. */
	snprintf(history, sizeof(history), "/tmp/nstat-history-%d", (int)side->number);
	setenv("NSTAT_HISTORY", history, 1);
	if (!write_all(side->channel, "", 1))
		_exit(1);
	while (read_all(side->channel, &request, sizeof(request))) {
		char *command = malloc(request.length);
		struct shell_reply reply = { 0 };
		struct rusage usage = { 0 };
		int64_t begun = monotonic();
		pid_t pid;

		if (!command || !read_all(side->channel, command, request.length))
			break;
		setpriority(PRIO_PROCESS, 0, request.nice);
		reply.error = shell_spawn(command, &pid);
		free(command);
		while (!reply.error && wait4(pid, &reply.status, 0, &usage) < 0)
			if (errno != EINTR)
				reply.error = errno;
		reply.idle = monotonic() - begun - processor_time(&usage);
		if (!write_all(side->channel, &reply, sizeof(reply)))
			break;
	}
	_exit(0);
}

/* A child with this pid in its own namespace, as fork(2) otherwise; without that right, or when it is taken, with any. */
static pid_t fork_numbered(pid_t number)
{
	struct clone_args how = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&number,
		.set_tid_size = 1,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));

	return pid < 0 ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : pid;
}

/*
 * Where a machine's iptables is the one for nf_tables, the commands find the one for ip_tables first: what rules mean on the
 * reference stack is what they mean there, and their tables can be read back.
 */
static void iptables_prefer(void)
{
	static const char *const names[] = { "iptables", "iptables-save", "iptables-restore" };
	char chosen[PATH_MAX], place[64];

	if (access(LEGACY_IPTABLES, X_OK) || !realpath("/usr/sbin/iptables", chosen) || !strcmp(chosen, LEGACY_IPTABLES) ||
	    mount("tmpfs", PREFERRED_PATH, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4k") < 0)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(place, sizeof(place), PREFERRED_PATH "/%s", names[i]);
		(void)!symlink(LEGACY_IPTABLES, place);
	}
}

/* /proc as this pid namespace has it, /sys as this network namespace has it, seen by these processes only. */
static bool mounts_make(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return false;
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	iptables_prefer();
	return true;
}

/*
 * Close every descriptor but the standard ones and these, in ascending order after the call: a copy of another target's would
 * keep alive what must end with that target.
 */
static void descriptors_keep(int *fd, unsigned count)
{
	unsigned next = 3;

	for (unsigned i = 1; i < count; i++)
		for (unsigned j = i; j > 0 && fd[j - 1] > fd[j]; j--) {
			int other = fd[j];

			fd[j] = fd[j - 1];
			fd[j - 1] = other;
		}
	for (unsigned i = 0; i < count; i++) {
		if (fd[i] < 3)
			continue;
		if ((unsigned)fd[i] > next)
			syscall(SYS_close_range, next, fd[i] - 1, 0);
		next = (unsigned)fd[i] + 1;
	}
	syscall(SYS_close_range, next, ~0u, 0);
}

/* The process "first". */
static _Noreturn void first_main(const struct shell_side *side)
{
	struct pollfd watched = { .fd = side->watched, .events = POLLIN };
	struct sigaction ignore = { .sa_handler = SIG_IGN, .sa_flags = SA_NOCLDWAIT };
	sigset_t none;
	int keep[] = { side->channel, side->output, side->folder, side->watched, side->hooks ? side->hooks->keep[0] : 0,
		       side->hooks ? side->hooks->keep[1] : 0 };
	const char *wrong;
	int null;

	descriptors_keep(keep, sizeof(keep) / sizeof(keep[0]));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* A terminal's signals are for the program; and children that end are nobody's business here. */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	if (side->hooks && side->hooks->enter && !side->hooks->enter(side->hooks->context))
		_exit(1);
	wrong = mounts_make() ? NULL : "its mounts cannot be kept to itself";
	if (side->hooks && side->hooks->prepare)
		wrong = wrong ? wrong : side->hooks->prepare(side->hooks->context);
	else
		wrong = NULL;
	if (wrong) {
		dprintf(side->output, "%s", wrong);
		_exit(1);
	}
	if (fork_numbered(side->number) == 0)
		shells_main(side);
	sigaction(SIGCHLD, &ignore, NULL);
	close(side->channel);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	while (poll(&watched, 1, -1) <= 0)
		;
	/* Everybody else in this pid namespace ends first: a command could still be making files. */
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	leftovers_remove(side);
	_exit(0);
}

static struct shell *shell_fail(struct shell *shell, struct arena *arena, const char **error, const char *what)
{
	*error = arena_printf(arena, "cannot start the process for commands: %s: %s", what, strerror(errno));
	free(shell);
	return NULL;
}

/*
 * The end of this process is told by a pipe whose only writing end it holds: the kernel closes that however the process ends.
 */
struct shell *shell_open(int folder, const struct shell_hooks *hooks, struct arena *arena, const char **error)
{
	struct shell *shell = calloc(1, sizeof(*shell));
	int channel[2], life[2];
	struct shell_side side = { .hooks = hooks, .folder = folder, .number = getpid(), .begun = time(NULL) };

	if (!shell || pipe2(life, O_CLOEXEC) < 0)
		return shell_fail(shell, arena, error, "pipe");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0)
		return shell_fail(shell, arena, error, "socketpair");
	shell->output = memfd_create("output", MFD_CLOEXEC);
	if (shell->output < 0 || fcntl(shell->output, F_SETFL, O_APPEND) < 0)
		return shell_fail(shell, arena, error, "memfd_create");
	side.channel = channel[1];
	side.output = shell->output;
	side.watched = life[0];
	shell->first = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
	if (shell->first < 0)
		return shell_fail(shell, arena, error, "new pid and mount namespaces");
	if (shell->first == 0)
		first_main(&side);
	close(channel[1]);
	close(life[0]);
	shell->channel = channel[0];
	shell->life = life[1];
	shell->hooks = hooks;
	return shell;
}

void shell_close(struct shell *shell)
{
	if (!shell)
		return;
	close(shell->life);
	while (waitpid(shell->first, NULL, 0) < 0 && errno == EINTR)
		;
	close(shell->channel);
	close(shell->output);
	free(shell);
}

/* The end of what the command printed, without the line ends behind it. */
static const char *output_read(struct shell *shell, struct arena *arena)
{
	off_t size = lseek(shell->output, 0, SEEK_END), from = size > OUTPUT_MOST ? size - OUTPUT_MOST : 0;
	char *text = arena_alloc(arena, OUTPUT_MOST + 1);
	ssize_t length = pread(shell->output, text, OUTPUT_MOST, from);

	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\0'))
		length--;
	text[length > 0 ? length : 0] = '\0';
	return text;
}

static bool reply_wait(struct shell *shell, void *reply, size_t size)
{
	if (shell->hooks && shell->hooks->wait)
		shell->hooks->wait(shell->hooks->context, shell->channel);
	return read_all(shell->channel, reply, size);
}

/*
 * Before it is ready nothing is sent: while its mounts are made, hooks->prepare may need what hooks->wait does, and a long command
 * that is still to be read would keep this process from it.
 */
static bool ready_wait(struct shell *shell)
{
	char byte;

	if (!shell->ready)
		shell->ready = reply_wait(shell, &byte, 1);
	return shell->ready;
}

int shell_run(struct shell *shell, const char *command, bool urgent, struct arena *arena, const char **error)
{
	struct shell_request request = { .length = (uint32_t)strlen(command) + 1, .nice = urgent ? URGENT_NICE : 0 };
	struct shell_reply reply;
	const char *output;

	/* Nothing is there before the first command, but for what hooks->prepare had to say. */
	if (shell->used)
		(void)!ftruncate(shell->output, 0);
	shell->used = true;
	if (!ready_wait(shell) || !write_all(shell->channel, &request, sizeof(request)) ||
	    !write_all(shell->channel, command, request.length) || !reply_wait(shell, &reply, sizeof(reply))) {
		output = output_read(shell, arena);
		*error = *output ? output : "the process for commands has ended";
		return -1;
	}
	if (reply.error) {
		*error = arena_printf(arena, "/bin/sh cannot be run: %s", strerror(reply.error));
		return -1;
	}
	shell->idle = reply.idle;
	if (reply.status == 0)
		return 0;
	output = output_read(shell, arena);
	if (WIFSIGNALED(reply.status)) {
		*error = arena_printf(arena, "ended by signal %d (%s)%s%s", WTERMSIG(reply.status),
				      strsignal(WTERMSIG(reply.status)), *output ? ": " : "", output);
		return 128 + WTERMSIG(reply.status);
	}
	*error = arena_printf(arena, "exit status %d%s%s", WEXITSTATUS(reply.status), *output ? ": " : "", output);
	return WEXITSTATUS(reply.status);
}

pl_time shell_idle(const struct shell *shell)
{
	return shell->idle;
}
