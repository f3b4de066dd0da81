/*
 * Commands of scripts on a reference stack, run by a real shell.
 *
 * The shell lives in network, mount and pid namespaces of its own. The network namespace has links that mirror the script's, for
 * `ip`, `tc` and `ethtool` to work on; what they set there is read back over netlink and done to the stack. In the mount
 * namespace the stack's tree, served by this very thread while it waits for the command, stands over /proc/sys/net/ipv4 and in
 * place of the files of /proc/net that the stack has. A command is therefore the same command as on the kernel, unmodified.
 *
 * A jail lasts as long as its script: a stack is opened with the first command that needs one and closed with the stack.
 */
#include "jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <plumbline/inspect.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../fusefs/fusefs.h"
#include "../arena.h"
#include "../target/kernel.h"
#include "../target/shell.h"
#include "filter_mirror.h"
#include "metrics_mirror.h"
#include "netstate.h"
#include "remember.h"

/* A folder of /proc that no command about networks looks into: there the tree is mounted, and taken to its places from. */
#define STAGE "/proc/fs"
#define TREE STAGE "/tree"
#define NET STAGE "/net"

struct command_jail {
	struct kernel_target kernel;	/* its links; nothing else of it is used */
	struct shell *shell;
	struct shell_hooks hooks;
	struct pl_stack *stack;
	struct fusefs *fs;
	struct init_recording *recording;
	int device;			/* /dev/fuse: reading it fails until it is mounted */
	int mounted;			/* eventfd: it is, or never will be */
};

/* --- in the shell's first process ----------------------------------------------------------------------------------------------- */
/*
 * Looking into the mounted tree waits for the process that serves it. Should that process end, by whatever cause, the kernel ends
 * the waiting when the last descriptor of the device is closed; so here it is closed before anybody looks, and no command has it.
 */

static bool bind_over(const char *from, const char *to)
{
	return mount(from, to, NULL, MS_BIND, NULL) == 0;
}

/* Every file of one folder of the tree over the file of the same name; those that the kernel does not have are passed by. */
static bool bind_files(const char *from, const char *to)
{
	DIR *folder = opendir(from);
	struct dirent *entry;
	bool done = folder;

	while (folder && done && (entry = readdir(folder))) {
		char source[PATH_MAX], target[PATH_MAX];

		snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
		snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
		if (entry->d_type == DT_REG && access(target, F_OK) == 0)
			done = bind_over(source, target);
	}
	if (folder)
		closedir(folder);
	return done;
}

/* A folder of links: to the stack's file where it has one, else to the kernel's. */
static bool net_folder_make(void)
{
	DIR *folder = opendir("/proc/self/net");
	struct dirent *entry;
	bool done = folder && mkdir(NET, 0755) == 0;

	while (done && (entry = readdir(folder))) {
		char own[PATH_MAX], place[PATH_MAX], kernel[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(own, sizeof(own), TREE "/net/%s", entry->d_name);
		snprintf(kernel, sizeof(kernel), "/proc/self/net/%s", entry->d_name);
		snprintf(place, sizeof(place), NET "/%s", entry->d_name);
		done = symlink(access(own, F_OK) == 0 ? own : kernel, place) == 0;
	}
	if (folder)
		closedir(folder);
	return done;
}

/* /proc/net is a symbolic link, to a folder of each process's own: another link is mounted over it. */
static bool net_link_replace(void)
{
	int link;
	bool done;

	if (symlink(NET, STAGE "/link") < 0)
		return false;
	link = (int)syscall(SYS_open_tree, AT_FDCWD, STAGE "/link", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (link < 0)
		return false;
	done = syscall(SYS_move_mount, link, "", AT_FDCWD, "/proc/net", 4 /* MOVE_MOUNT_F_EMPTY_PATH */) == 0;
	close(link);
	return done;
}

static const char *tree_mount(struct command_jail *jail)
{
	char options[160];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40555,user_id=%d,group_id=%d,allow_other",
		 jail->device, (int)getuid(), (int)getgid());
	if (mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0 || mkdir(TREE, 0755) < 0)
		return "no place for the stack's tree can be mounted";
	if (mount("plumbline", TREE, "fuse.plumbline", MS_NOSUID | MS_NODEV, options) < 0)
		return "the stack's tree cannot be mounted (FUSE in a namespace)";
	return NULL;
}

static const char *prepare(void *context)
{
	struct command_jail *jail = context;
	const char *wrong = tree_mount(jail);
	const uint64_t one = 1;

	close(jail->device);
	/* ss(8) asks the kernel over netlink, unless it is told where /proc is: then it reads the files. */
	setenv("PROC_ROOT", "/proc", 1);
	if (write(jail->mounted, &one, sizeof(one)) != sizeof(one) || wrong)
		return wrong ? wrong : "the stack's tree cannot be announced";
	if (!bind_over(TREE "/sys/net/ipv4", "/proc/sys/net/ipv4") || !bind_files(TREE "/sys/net/core", "/proc/sys/net/core"))
		return "the stack's tree cannot be mounted over /proc/sys/net";
	bind_files(TREE "/sys/net/ipv6", "/proc/sys/net/ipv6");		/* a kernel without IPv6 has none */
	bind_files(TREE "/sys/net/netfilter", "/proc/sys/net/netfilter");	/* nor one without connection tracking */
	if (!net_folder_make() || !net_link_replace())
		return "the stack's files cannot be mounted over /proc/net";
	return NULL;
}

/* --- here ------------------------------------------------------------------------------------------------------------------------- */

/* Serve the tree until fd is readable: what the command reads and writes is answered by the thread that waits for it. */
static void serve_until(void *context, int fd)
{
	struct command_jail *jail = context;
	struct pollfd waiting[] = { { .fd = fd, .events = POLLIN }, { .fd = jail->mounted, .events = POLLIN } };

	for (;;) {
		if (poll(waiting, 2, -1) < 0 && errno != EINTR)
			return;
		if (waiting[0].revents)
			return;
		if (waiting[1].revents && waiting[1].fd == jail->mounted)
			waiting[1] = (struct pollfd){ .fd = jail->device, .events = POLLIN };
		if (waiting[1].revents && !fusefs_serve(jail->fs))
			waiting[1].fd = -1;
	}
}

static int script_folder(const char *script_path)
{
	const char *slash = script_path ? strrchr(script_path, '/') : NULL;
	char folder[PATH_MAX] = ".";

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", slash == script_path ? 1 : (int)(slash - script_path), script_path);
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int fail(struct arena *arena, const char **error, const char *what)
{
	*error = arena_printf(arena, "%s: %s", what, strerror(errno));
	return -1;
}

static void note_write(void *context, const char *path, const char *text, size_t size, int64_t position)
{
	struct command_jail *jail = context;

	init_record_write(jail->recording, path, text, size, position);
}

static int tree_open(struct command_jail *jail, struct arena *arena, const char **error)
{
	struct fusefs_config config = { .stack = jail->stack, .write = note_write, .context = jail };
	char device[32];

	jail->device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (jail->device < 0)
		return fail(arena, error, "commands other than the built-in ones (sysctl, echo >, ip, tc, ethtool) need /dev/fuse");
	snprintf(device, sizeof(device), "/dev/fd/%d", jail->device);
	config.directory = device;
	jail->fs = fusefs_mount(&config, error);
	return jail->fs ? 0 : -1;
}

/* What the stack knows of neighbours is the stack's to forget: its conf/all/arp_evict_nocarrier is another one. */
static void evict_never(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/conf/all/arp_evict_nocarrier", "we");

	if (!file)	/* an older kernel, which never forgets */
		return;
	fputs("0", file);
	fclose(file);
}

int command_jail_open(struct pl_stack *stack, const struct target_config *config, struct arena *arena, struct command_jail **opened,
		      const char **error)
{
	struct command_jail *jail = calloc(1, sizeof(*jail));
	struct kernel_target *kernel = &jail->kernel;

	if (!jail)
		return fail(arena, error, "commands");
	*opened = jail;
	jail->stack = stack;
	jail->hooks = (struct shell_hooks){ .prepare = prepare, .wait = serve_until, .context = jail };
	jail->device = -1;
	jail->mounted = eventfd(0, EFD_CLOEXEC);
	kernel->folder = script_folder(config->script_path);
	if (kernel->folder < 0)
		return fail(arena, error, "the script's folder");
	if (kernel_namespace_enter(arena, error) < 0) {
		*error = arena_printf(arena, "this command needs a shell in namespaces, others (sysctl, echo >, ip, tc, ethtool, iptables in "
					     "their plain forms) do not: %s", *error);
		return -1;
	}
	if (kernel_links_make(kernel, config, false, arena, error) < 0)
		return -1;
	evict_never();
	if (tree_open(jail, arena, error) < 0)
		return -1;
	jail->hooks.keep[0] = jail->device;
	jail->hooks.keep[1] = jail->mounted;
	jail->shell = shell_open(kernel->folder, &jail->hooks, arena, error);
	return jail->shell ? 0 : -1;
}

void command_jail_close(struct command_jail *jail)
{
	if (!jail)
		return;
	/* The tree first: what commands left running may wait for an answer, and some waits even SIGKILL does not end. */
	fusefs_unmount(jail->fs);
	shell_close(jail->shell);
	kernel_links_close(&jail->kernel);
	if (!jail->fs && jail->device >= 0)
		close(jail->device);
	if (jail->mounted >= 0)
		close(jail->mounted);
	if (jail->kernel.folder >= 0)
		close(jail->kernel.folder);
	free(jail);
}

static bool has_ethernet(const struct command_jail *jail)
{
	for (unsigned i = 0; i < jail->kernel.links; i++)
		if (jail->kernel.link[i].kind == PL_LINK_ETHERNET)
			return true;
	return false;
}

void command_jail_catch_up(struct command_jail *jail, const char *commands, struct arena *arena)
{
	const char *error;

	shell_run(jail->shell, commands, false, arena, &error);
}

int command_jail_run(struct command_jail *jail, const char *command, struct arena *arena, const char **error)
{
	struct netstate *before = arena_alloc(arena, sizeof(*before)), *after = arena_alloc(arena, sizeof(*after));
	struct mnl_socket *watch;
	const char *wrong = NULL;
	bool shown, remembered;
	int status;

	pl_stack_lock(jail->stack);
	if (has_ethernet(jail))
		netstate_show_neighbours(jail->stack);
	netstate_show_conf(jail->stack);
	remembered = metrics_mirror_show(jail->stack);
	shown = netstate_read(before, error) && filter_mirror_show(jail->stack, error);
	pl_stack_unlock(jail->stack);
	if (!shown)
		return -1;
	watch = netstate_watch_open();
	status = shell_run(jail->shell, command, false, arena, error);
	/* What a command did before it failed is done all the same. */
	if (status >= 0 && netstate_read(after, &wrong)) {
		init_record_network(jail->recording, before, after);
		pl_stack_lock(jail->stack);
		netstate_watch_apply(watch, jail->stack, before);
		wrong = netstate_apply(jail->stack, before, after);
		filter_mirror_take(jail->stack, jail->recording, arena, &wrong);
		metrics_mirror_take(jail->stack, remembered);
		pl_stack_unlock(jail->stack);
	}
	netstate_watch_close(watch);
	if (status == 0 && wrong) {
		*error = wrong;
		status = -1;
	}
	return status;
}

int command_jail_record(struct command_jail *jail, const char *command, struct init_recording *recording, struct arena *arena,
			const char **error)
{
	int status;

	jail->recording = recording;
	status = command_jail_run(jail, command, arena, error);
	jail->recording = NULL;
	return status;
}

void command_jail_show(struct command_jail *jail, struct pl_stack *stack)
{
	jail->stack = stack;
	fusefs_show(jail->fs, stack);
}
