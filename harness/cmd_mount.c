/* plumbline mount: a stack of its own, its tunables and /proc/net files mounted until interrupted. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <plumbline/link.h>
#include <plumbline/sysctl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "../fusefs/fusefs.h"
#include "subcommand.h"

struct mount_options {
	const char *directory, *machine_tree;
	const char **set;		/* NAME=VALUE */
	unsigned sets;
	bool first_namespace;
};

static void no_output(void *context, const struct pl_frame *frame)
{
}

/* One file of another tree, without the line end; NULL: it is not there. */
static char *tree_read(const char *tree, const char *path, char *text, size_t size)
{
	const char *name = strrchr(path, '/') + 1;
	bool core = !strncmp(path, "net/core/", 9);
	char file[512];
	ssize_t length;
	int fd;

	snprintf(file, sizeof(file), "%s%s/%s", tree, core ? "/../core" : "", name);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	if (length < 0)
		return NULL;
	text[length] = 0;
	text[strcspn(text, "\n")] = 0;
	return text;
}

/* A fresh namespace shares the first one's hash tables, and says so with a minus sign. */
static bool hash_entries(const char *path)
{
	const char *end = strrchr(path, '_');

	return end && !strcmp(end, "_entries");
}

static bool machine_from(struct pl_stack *stack, const char *tree, bool first_namespace)
{
	unsigned found = 0;

	for (unsigned i = 0; pl_sysctl_machine[i]; i++) {
		char text[1024], shared[1025];
		const char *value = tree_read(tree, pl_sysctl_machine[i], text, sizeof(text));

		if (!value)
			continue;
		if (hash_entries(pl_sysctl_machine[i]) && !first_namespace && *value != '-') {
			snprintf(shared, sizeof(shared), "-%s", value);
			value = shared;
		}
		found += pl_sysctl_start(stack, pl_sysctl_machine[i], value) == 0;
	}
	if (!found)
		fprintf(stderr, "plumbline mount: --machine-from %s: no tunables there\n", tree);
	return found;
}

static bool set_tunable(struct pl_stack *stack, const char *setting)
{
	const char *equals = strchr(setting, '=');
	char name[256];
	ssize_t taken;

	if (!equals || (size_t)(equals - setting) >= sizeof(name)) {
		fprintf(stderr, "plumbline mount: --set %s: NAME=VALUE is expected\n", setting);
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(equals - setting), setting);
	taken = pl_sysctl_write(stack, name, equals + 1, strlen(equals + 1));
	if (taken < 0)
		fprintf(stderr, "plumbline mount: --set %s: %s\n", setting, strerror((int)-taken));
	return taken >= 0;
}

static int add_address(struct pl_stack *stack, int ifindex, const char *text, unsigned prefix_length, unsigned scope)
{
	struct pl_address address = { .prefix_length = prefix_length, .scope = scope };

	inet_pton(AF_INET, text, &address.local);
	return pl_address_add(stack, ifindex, &address);
}

static struct pl_stack *make_stack(const struct mount_options *options)
{
	struct timespec now;
	struct pl_stack *stack;
	int tun;

	clock_gettime(CLOCK_REALTIME, &now);
	stack = pl_stack_new(&(struct pl_stack_config){
		.seed = 1,
		.wall_clock = now.tv_sec * PL_NSEC_PER_SEC + now.tv_nsec,
		.first_namespace = options->first_namespace,
	});
	if (!stack)
		return NULL;
	if (options->machine_tree && !machine_from(stack, options->machine_tree, options->first_namespace))
		goto failed;
	tun = pl_link_add(stack, &(struct pl_link_config){ .name = "tun0", .kind = PL_LINK_TUN, .output = no_output });
	if (tun < 0 || pl_link_set_up(stack, 1, true) || pl_link_set_up(stack, tun, true) || add_address(stack, tun, "192.168.0.1", 16, RT_SCOPE_UNIVERSE)) {
		fputs("plumbline mount: the stack's links cannot be made\n", stderr);
		goto failed;
	}
	for (unsigned i = 0; i < options->sets; i++)
		if (!set_tunable(stack, options->set[i]))
			goto failed;
	return stack;
failed:
	pl_stack_free(stack);
	return NULL;
}

struct live {
	struct pl_stack *stack;
	struct timespec start;
};

/* The stack's time is the time since it was mounted: timers are caught up with before anybody looks. */
static void catch_up(void *context)
{
	struct live *live = context;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pl_stack_run_until(live->stack, (now.tv_sec - live->start.tv_sec) * PL_NSEC_PER_SEC + now.tv_nsec - live->start.tv_nsec);
}

static int serve(struct pl_stack *stack, const char *directory)
{
	struct live live = { .stack = stack };
	struct fusefs_config config = { .stack = stack, .directory = directory, .before = catch_up, .context = &live, .guarded = true };
	struct pollfd poll_fd[2];
	struct fusefs *fs;
	const char *error;
	sigset_t signals;
	int signal_fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	clock_gettime(CLOCK_MONOTONIC, &live.start);
	fs = fusefs_mount(&config, &error);
	if (!fs) {
		fprintf(stderr, "plumbline mount: %s: %s\n", directory, error);
		close(signal_fd);
		return 1;
	}
	poll_fd[0] = (struct pollfd){ .fd = fusefs_fd(fs), .events = POLLIN };
	poll_fd[1] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
	while (poll(poll_fd, 2, -1) >= 0 || errno == EINTR) {
		if (poll_fd[1].revents)
			break;
		if (!fusefs_serve(fs))
			break;
	}
	fusefs_unmount(fs);
	close(signal_fd);
	return 0;
}

/* 0: go on; otherwise the exit status plus one. */
static int parse(const struct subcommand *self, int argc, char **argv, struct mount_options *options)
{
	static const struct option long_options[] = {
		{ "set", required_argument, NULL, 's' }, { "machine-from", required_argument, NULL, 'm' },
		{ "first-namespace", no_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	int option;

	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case 's':
			options->set[options->sets++] = optarg;
			break;
		case 'm':
			options->machine_tree = optarg;
			break;
		case 'f':
			options->first_namespace = true;
			break;
		case 'h':
			return usage_help(self) + 1;
		default:
			return usage_error(self, "unknown option %s", argv[optind - 1]) + 1;
		}
	}
	if (optind != argc - 1)
		return usage_error(self, "one folder is expected") + 1;
	options->directory = argv[optind];
	return 0;
}

int cmd_mount(const struct subcommand *self, int argc, char **argv)
{
	struct mount_options options = { .set = calloc((size_t)argc, sizeof(char *)) };
	struct pl_stack *stack;
	int status;

	if (!options.set)
		return 1;
	status = parse(self, argc, argv, &options);
	if (!status) {
		stack = make_stack(&options);
		status = 2;
		if (stack) {
			status = serve(stack, options.directory) + 1;
			pl_stack_free(stack);
		}
	}
	free(options.set);
	return status - 1;
}
