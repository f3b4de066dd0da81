/*
 * The live kernel as a target: a network namespace of this process's own. See kernel.h for its parts.
 *
 * The process that opens it belongs to it from then on: it enters the namespace, may take a real-time priority, keeps to one
 * processor and is killed when its parent ends. Closing puts back what can be put back (not the namespace).
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define COMMAND_COST (5 * PL_NSEC_PER_MSEC)	/* in which a command need not be running all the time */
#define COMMAND_LATE_MOST PL_NSEC_PER_SEC

/* Below /proc/sys, from "net/ipv4/tcp_sack" or "net.ipv4.tcp_sack": in a dotted name '/' stands for a dot, as in sysctl(8). */
static int sysctl_open(const char *name, int flags)
{
	char path[512];
	size_t first = strcspn(name, "./"), length;
	bool dotted = name[first] == '.';

	length = (size_t)snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if (length >= sizeof(path))
		return -ENAMETOOLONG;
	for (char *at = path + strlen("/proc/sys/"); dotted && *at; at++) {
		if (*at == '.')
			*at = '/';
		else if (*at == '/')
			*at = '.';
	}
	if (strstr(path, "/../"))
		return -ENOENT;
	flags = open(path, flags | O_CLOEXEC);
	return flags < 0 ? -errno : flags;
}

/* The tunables below /proc/sys/net are those of the reader's network namespace, whichever mount of procfs it reads. */
static ssize_t kernel_sysctl_read(struct target *target, const char *path, char *buffer, size_t size)
{
	int fd = sysctl_open(path, O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return fd;
	length = read(fd, buffer, size);
	if (length < 0)
		length = -errno;
	close(fd);
	return length;
}

/*
 * Writing one of the forwarding tunables does not wait for the lock of the kernel's network configuration, but is begun again,
 * inside the kernel, until the lock is free. At a real-time priority that keeps the lock's owner from ever giving it up.
 */
static ssize_t kernel_sysctl_write(struct target *target, const char *path, const char *text, size_t length)
{
	int fd = sysctl_open(path, O_WRONLY);
	ssize_t put;

	if (fd < 0)
		return fd;
	kernel_priority_yield(kernel_of(target));
	put = write(fd, text, length);
	if (put < 0)
		put = -errno;
	kernel_priority_resume(kernel_of(target));
	close(fd);
	return put;
}

static int sysctls_apply(struct target *target, const char *const *setting, struct arena *arena, const char **error)
{
	for (; setting && *setting; setting++) {
		const char *value = strchr(*setting, '=');
		char *name;
		ssize_t put;

		if (!value) {
			*error = arena_printf(arena, "\"%s\" is not NAME=VALUE", *setting);
			return -EINVAL;
		}
		name = arena_memdup(arena, *setting, (size_t)(value - *setting));
		put = kernel_sysctl_write(target, name, value + 1, strlen(value + 1));
		if (put < 0) {
			*error = arena_printf(arena, "%s cannot be set to \"%s\": %s", name, value + 1, strerror((int)-put));
			return (int)put;
		}
	}
	return 0;
}

int kernel_folder_open(const char *script_path)
{
	const char *slash = script_path ? strrchr(script_path, '/') : NULL;
	char *folder = slash ? strndup(script_path, (size_t)(slash - script_path) + 1) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	free(folder);
	return fd;
}

static void kernel_close(struct target *target)
{
	struct kernel_target *kernel = kernel_of(target);

	bool ended = kernel_calls_close(kernel);

	shell_close(kernel->shell);
	kernel_links_close(kernel);
	kernel_priority_lower(kernel);
	if (kernel->folder >= 0)
		close(kernel->folder);
	free(kernel->buffer);
	if (ended)
		free(kernel);
}

/* Whatever a command makes the kernel send is read meanwhile, so that none is lost. */
static void command_wait(void *context, int fd)
{
	struct kernel_target *kernel = context;

	while (!kernel_idle(kernel, fd))
		kernel_capture_drain(kernel);
}

static int open_parts(struct kernel_target *kernel, const struct target_config *config, struct arena *arena, const char **error)
{
	int status;

	kernel->folder = kernel_folder_open(config->script_path);
	if (kernel->folder < 0) {
		status = -errno;
		*error = arena_printf(arena, "the folder of %s cannot be opened: %s",
				      config->script_path ? config->script_path : "the script", strerror(-status));
		return status;
	}
	status = kernel_namespace_enter(arena, error);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (status == 0 && !config->no_commands) {
		kernel->hooks = (struct shell_hooks){ .wait = command_wait, .context = kernel, .keep = { -1, -1 } };
		kernel->shell = shell_open(kernel->folder, &kernel->hooks, arena, error);
		status = kernel->shell ? 0 : -ECHILD;
	}
	if (status == 0)
		status = sysctls_apply(&kernel->target, config->sysctl, arena, error);
	if (status == 0)
		status = kernel_links_make(kernel, config, !config->bulk, arena, error);
	if (status < 0)
		return status;
	kernel->bulk = config->bulk;
	if (!config->bulk)
		kernel_priority_raise(kernel);
	status = kernel_calls_open(kernel);
	if (status < 0)
		*error = arena_printf(arena, "no thread for calls: %s", strerror(-status));
	return status;
}

static int kernel_open(const struct target_config *config, struct arena *arena, struct target **target, const char **error)
{
	struct kernel_target *kernel = calloc(1, sizeof(*kernel));
	int status = -ENOMEM;

	if (!kernel)
		return -ENOMEM;
	if (config->first_namespace) {
		free(kernel);
		*error = "it wants the tunables of the first network namespace, and scripts run in one of their own";
		return TARGET_UNAVAILABLE;
	}
	kernel->target.ops = &kernel_target;
	kernel->folder = kernel->cpu = -1;
	kernel->wake_cost = 100 * PL_NSEC_PER_USEC;
	kernel->origin = kernel_clock();
	kernel->buffer = malloc(KERNEL_PACKET_ROOM);
	if (kernel->buffer)
		status = open_parts(kernel, config, arena, error);
	if (status < 0) {
		kernel_close(&kernel->target);
		return status;
	}
	kernel->origin = kernel_clock();
	*target = &kernel->target;
	return 0;
}

static int kernel_command(struct target *target, const char *command, bool init, struct arena *arena, const char **error)
{
	struct kernel_target *kernel = kernel_of(target);

	pl_time late;
	int status;

	if (!kernel->shell) {
		*error = "commands are not allowed";
		return -1;
	}
	status = shell_run(kernel->shell, command, !init, arena, error);
	/* The script's next events come as much later as a command was kept waiting. One that sleeps on purpose sleeps longer. */
	late = shell_idle(kernel->shell) - COMMAND_COST;
	if (!init && late < COMMAND_LATE_MOST && late > kernel->late)
		kernel->late = late;
	return status;
}

/* Written to the tun, a packet has arrived: when write(2) returns, the kernel has dealt with it. */
static int kernel_inject(struct target *target, unsigned link, const void *bytes, size_t length, unsigned gso_size)
{
	struct kernel_target *kernel = kernel_of(target);
	struct virtio_net_hdr header = { .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	struct iovec part[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)bytes, .iov_len = length },
	};
	const uint8_t *first = bytes;

	if (link >= kernel->links || kernel->link[link].tun < 0)
		return -ENODEV;
	if (gso_size && length) {
		bool ipv6 = kernel->link[link].kind == PL_LINK_ETHERNET ? length > 12 && first[12] == 0x86 : first[0] >> 4 == 6;

		header.gso_type = ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		header.gso_size = (uint16_t)gso_size;
	}
	return writev(kernel->link[link].tun, part, 2) < 0 ? -errno : 0;
}

const struct target_ops kernel_target = {
	.name = "kernel",
	.virtual_time = false,
	.open = kernel_open,
	.close = kernel_close,
	.now = kernel_now,
	.start = kernel_start,
	.wall_clock = kernel_wall_clock,
	.wait = kernel_wait,
	.submit = kernel_submit,
	.cancel = kernel_cancel,
	.inject = kernel_inject,
	.take = kernel_take,
	.sysctl_read = kernel_sysctl_read,
	.sysctl_write = kernel_sysctl_write,
	.command = kernel_command,
	.lateness = kernel_lateness,
};
