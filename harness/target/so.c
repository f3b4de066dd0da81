/*
 * Any user-space stack as a target: a shared object with packetdrill's interface (plumbline/packetdrill.h).
 *
 * The stack's clock is the target's clock, whether it follows real time or moves only when it is slept on. A wait for time is
 * its usleep; a wait for a packet is its netdev_receive, which takes as long as the stack likes and cannot be told when to
 * stop, so that it is asked only when a packet is expected. Calls that are meant to wait run on a thread, the others where they
 * are submitted, as packetdrill does it.
 *
 * Such stacks have no tunables that could be reached. Commands run in a network namespace of their own, with links that look
 * like the script's and lead nowhere, so that what scripts set up for a kernel succeeds and disturbs nothing.
 */
#include <poll.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <plumbline/packetdrill.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"

#define PACKET_ROOM 65536
#define RECEIVE_AGAIN (1 * PL_NSEC_PER_MSEC)	/* how long to sleep when the stack has no packet */
#define THREAD_MOMENT 5	/* ms */
#define SLEEP_MOST 100000			/* microseconds: usleep(3) need not take a second or more */

struct so_packet {
	struct so_packet *next;
	pl_time time;
	size_t length;
	uint8_t bytes[];
};

struct so_target {
	struct target target;
	const struct target_config *config;
	void *handle;
	struct packetdrill_interface stack;
	int64_t origin;			/* its clock at the opening, in nanoseconds */
	struct so_packet *first, **last;
	uint8_t *buffer;
	struct workers *workers;
	int folder;
	struct shell_hooks hooks;
	struct shell *shell;
	const char *no_shell;		/* why there is none */
	uint64_t file[1024 / 64];	/* descriptors of plain files, which are not the stack's */
	unsigned under_way;		/* calls on threads */
	bool told;			/* a call was finished that no wait has told of yet */
};

static struct so_target *so_of(struct target *target)
{
	return (struct so_target *)target;
}

/* --- time and packets ------------------------------------------------------------------------------------------------------- */
static int64_t so_clock(struct so_target *so)
{
	struct timeval time = { 0 };

	so->stack.gettimeofday(so->stack.userdata, &time, NULL);
	return time.tv_sec * PL_NSEC_PER_SEC + time.tv_usec * PL_NSEC_PER_USEC;
}

static pl_time so_now(struct target *target)
{
	return so_clock(so_of(target)) - so_of(target)->origin;
}

static pl_time so_start(struct target *target)
{
	return so_now(target);
}

static int64_t so_wall_clock(struct target *target)
{
	return so_of(target)->origin;
}

static pl_time so_lateness(struct target *target)
{
	return 0;
}

static void so_sleep(struct so_target *so, pl_time span)
{
	pl_time microseconds = (span + PL_NSEC_PER_USEC - 1) / PL_NSEC_PER_USEC;

	so->stack.usleep(so->stack.userdata, (useconds_t)(microseconds < SLEEP_MOST ? microseconds : SLEEP_MOST));
}

/* Ask the stack for a packet. False: it has none now. */
static bool so_receive(struct so_target *so)
{
	size_t length = PACKET_ROOM;
	long long microseconds = 0;
	struct so_packet *packet;

	if (so->stack.netdev_receive(so->stack.userdata, so->buffer, &length, &microseconds) != 0 || !length)
		return false;
	if (length > PACKET_ROOM)
		length = PACKET_ROOM;
	packet = malloc(sizeof(*packet) + length);
	if (!packet)
		return false;
	packet->next = NULL;
	packet->time = microseconds * PL_NSEC_PER_USEC - so->origin;
	packet->length = length;
	memcpy(packet->bytes, so->buffer, length);
	*so->last = packet;
	so->last = &packet->next;
	return true;
}

static enum target_event so_wait(struct target *target, pl_time until, unsigned want)
{
	struct so_target *so = so_of(target);
	bool nothing_moves = false;

	for (;;) {
		pl_time now, left;

		so->told |= workers_harvest(so->workers);
		if (so->told && want & 1 << TARGET_CALL) {
			so->told = false;
			return TARGET_CALL;
		}
		if (so->first && want & 1 << TARGET_PACKET)
			return TARGET_PACKET;
		now = so_now(target);
		if (now >= until || nothing_moves)
			return TARGET_TIME;
		left = until - now;
		if (want & 1 << TARGET_PACKET && !so->first) {
			if (so_receive(so))
				continue;
			left = left < RECEIVE_AGAIN ? left : RECEIVE_AGAIN;
		}
		/* A thread whose call the last packet ended needs a moment of real time to say so, which virtual time would leap over. */
		if (so->under_way && poll(&(struct pollfd){ .fd = workers_fd(so->workers), .events = POLLIN }, 1, THREAD_MOMENT) > 0)
			continue;
		so_sleep(so, left);
		/* A stack whose clock does not follow its usleep has nothing more to come. */
		nothing_moves = so_now(target) == now && left > RECEIVE_AGAIN;
	}
}

static bool so_take(struct target *target, struct arena *arena, struct target_packet *packet)
{
	struct so_target *so = so_of(target);
	struct so_packet *first = so->first;

	if (!first)
		return false;
	so->first = first->next;
	if (!so->first)
		so->last = &so->first;
	*packet = (struct target_packet){
		.bytes = arena_memdup(arena, first->bytes, first->length),
		.length = first->length,
		.time = first->time,
	};
	free(first);
	return true;
}

static int so_inject(struct target *target, unsigned link, const void *bytes, size_t length, unsigned gso_size)
{
	struct so_target *so = so_of(target);

	if (link > 0)
		return -ENODEV;
	return so->stack.netdev_send(so->stack.userdata, bytes, length) ? -EIO : 0;
}

/* --- calls ------------------------------------------------------------------------------------------------------------------ */
static bool file_known(const struct so_target *so, int64_t fd)
{
	return fd >= 0 && fd < 1024 && so->file[fd / 64] >> fd % 64 & 1;
}

static void file_note(struct so_target *so, int64_t fd, bool open)
{
	if (fd < 0 || fd >= 1024)
		return;
	if (open)
		so->file[fd / 64] |= UINT64_C(1) << fd % 64;
	else
		so->file[fd / 64] &= ~(UINT64_C(1) << fd % 64);
}

/* Plain files are not the stack's: these calls reach the system. */
static int64_t file_call(struct so_target *so, const struct pl_call *call)
{
	const int64_t *arg = call->arg;
	int64_t result;

	switch (call->op) {
	case PL_OP_open:
		result = openat(so->folder, (const char *)(intptr_t)arg[0], (int)arg[1] | O_CLOEXEC, (int)arg[2]);
		file_note(so, result, true);
		break;
	case PL_OP_close:
		result = close((int)arg[0]);
		file_note(so, arg[0], false);
		break;
	case PL_OP_read:
		result = read((int)arg[0], (void *)(intptr_t)arg[1], (size_t)arg[2]);
		break;
	case PL_OP_write:
		result = write((int)arg[0], (const void *)(intptr_t)arg[1], (size_t)arg[2]);
		break;
	default:
		return -EBADF;
	}
	return result < 0 ? -errno : result;
}

/* Arguments of a call, in the types that the interface has. */
#define INT(i) ((int)arg[i])
#define SIZE(i) ((size_t)arg[i])
#define LENGTH(i) ((socklen_t)arg[i])
#define POINTER(type, i) ((type *)(intptr_t)arg[i])

static int64_t data_call(struct so_target *so, const struct pl_call *call)
{
	const struct packetdrill_interface *stack = &so->stack;
	const int64_t *arg = call->arg;
	void *user = stack->userdata;

	switch (call->op) {
	case PL_OP_read:
		return stack->read(user, INT(0), POINTER(void, 1), SIZE(2));
	case PL_OP_readv:
		return stack->readv(user, INT(0), POINTER(const struct iovec, 1), INT(2));
	case PL_OP_recv:
		return stack->recv(user, INT(0), POINTER(void, 1), SIZE(2), INT(3));
	case PL_OP_recvfrom:
		return stack->recvfrom(user, INT(0), POINTER(void, 1), SIZE(2), INT(3), POINTER(struct sockaddr, 4),
				       POINTER(socklen_t, 5));
	case PL_OP_recvmsg:
		return stack->recvmsg(user, INT(0), POINTER(struct msghdr, 1), INT(2));
	case PL_OP_write:
		return stack->write(user, INT(0), POINTER(const void, 1), SIZE(2));
	case PL_OP_writev:
		return stack->writev(user, INT(0), POINTER(const struct iovec, 1), INT(2));
	case PL_OP_send:
		return stack->send(user, INT(0), POINTER(const void, 1), SIZE(2), INT(3));
	case PL_OP_sendto:
		return stack->sendto(user, INT(0), POINTER(const void, 1), SIZE(2), INT(3), POINTER(const struct sockaddr, 4),
				     LENGTH(5));
	case PL_OP_sendmsg:
		return stack->sendmsg(user, INT(0), POINTER(const struct msghdr, 1), INT(2));
	case PL_OP_poll:
		return stack->poll(user, POINTER(struct pollfd, 0), (nfds_t)arg[1], INT(2));
	case PL_OP_epoll_wait:
		return stack->epoll_wait(user, INT(0), POINTER(struct epoll_event, 1), INT(2), INT(3));
	case PL_OP_splice:
		return stack->splice(user, INT(0), POINTER(loff_t, 1), INT(2), POINTER(loff_t, 3), SIZE(4), (unsigned)arg[5]);
	default:
		errno = ENOSYS;		/* the interface does not have it */
		return -1;
	}
}

static int64_t stack_call(struct so_target *so, const struct pl_call *call)
{
	const struct packetdrill_interface *stack = &so->stack;
	const int64_t *arg = call->arg;
	void *user = stack->userdata;

	switch (call->op) {
	case PL_OP_socket:
		return stack->socket(user, INT(0), INT(1), INT(2));
	case PL_OP_bind:
		return stack->bind(user, INT(0), POINTER(const struct sockaddr, 1), LENGTH(2));
	case PL_OP_listen:
		return stack->listen(user, INT(0), INT(1));
	case PL_OP_accept:
		return stack->accept(user, INT(0), POINTER(struct sockaddr, 1), POINTER(socklen_t, 2));
	case PL_OP_connect:
		return stack->connect(user, INT(0), POINTER(const struct sockaddr, 1), LENGTH(2));
	case PL_OP_fcntl:
		return stack->fcntl(user, INT(0), INT(1), arg[2]);
	case PL_OP_ioctl:
		return stack->ioctl(user, INT(0), (unsigned long)arg[1], POINTER(void, 2));
	case PL_OP_close:
		return stack->close(user, INT(0));
	case PL_OP_shutdown:
		return stack->shutdown(user, INT(0), INT(1));
	case PL_OP_getsockopt:
		return stack->getsockopt(user, INT(0), INT(1), INT(2), POINTER(void, 3), POINTER(socklen_t, 4));
	case PL_OP_setsockopt:
		return stack->setsockopt(user, INT(0), INT(1), INT(2), POINTER(const void, 3), LENGTH(4));
	case PL_OP_epoll_create:
		return stack->epoll_create(user, INT(0));
	case PL_OP_epoll_ctl:
		return stack->epoll_ctl(user, INT(0), INT(1), INT(2), POINTER(struct epoll_event, 3));
	case PL_OP_pipe:
		return stack->pipe(user, POINTER(int, 0));
	default:
		return data_call(so, call);
	}
}

/* The members that may be missing from a stack's table are told by their calls only. */
static int64_t carry_out(void *context, const struct pl_call *call, unsigned *seen)
{
	struct so_target *so = context;
	int64_t result;

	if (call->op == PL_OP_open || (pl_call_table[call->op].arg[0] == PL_ARG_FD && file_known(so, call->arg[0])))
		return file_call(so, call);
	errno = 0;
	result = stack_call(so, call);
	return result < 0 ? -(errno ? errno : EIO) : result;
}

static pl_time clock_now(void *context)
{
	return so_now(context);
}

static void call_finish(void *context, struct pl_call *call)
{
	call->finished = true;
	if (call->done)
		call->done(call);
}

static void thread_call_finish(void *context, struct pl_call *call)
{
	struct so_target *so = context;

	so->under_way--;
	call_finish(so, call);
}

static const struct workers_ops on_threads = {
	.carry_out = carry_out,
	.now = clock_now,
	.finish = thread_call_finish,
};

static void so_submit(struct target *target, struct pl_call *call)
{
	struct so_target *so = so_of(target);

	call->finished = false;
	call->submitted = so_now(target);
	so->under_way++;
	if (call->may_wait && workers_post(so->workers, call))
		return;
	so->under_way--;
	call->result = carry_out(so, call, &(unsigned){ 0 });
	call->completed = so_now(target);
	call_finish(so, call);
}

static void so_cancel(struct target *target, struct pl_call *call)
{
	workers_cancel(so_of(target)->workers, call);
}

/* --- commands and tunables ------------------------------------------------------------------------------------------------------ */
static ssize_t so_sysctl_read(struct target *target, const char *path, char *buffer, size_t size)
{
	return -ENOENT;
}

static ssize_t so_sysctl_write(struct target *target, const char *path, const char *text, size_t length)
{
	return -ENOENT;
}

static int so_command(struct target *target, const char *command, bool init, struct arena *arena, const char **error)
{
	struct so_target *so = so_of(target);

	if (!so->shell) {
		*error = so->no_shell;
		return -1;
	}
	return shell_run(so->shell, command, !init, arena, error);
}

/* In the process that stands over the commands: the links are its own. */
static bool commands_enter(void *context)
{
	struct so_target *so = context;
	struct kernel_target *namespace = calloc(1, sizeof(*namespace));
	struct arena *arena = arena_new();
	const char *error;

	return namespace && kernel_namespace_enter(arena, &error) == 0 &&
	       kernel_links_make(namespace, so->config, false, arena, &error) == 0;
}

/* --- opening and closing ---------------------------------------------------------------------------------------------------------- */
static void so_close(struct target *target)
{
	struct so_target *so = so_of(target);
	bool ended = workers_free(so->workers);
	struct target_packet ignored;
	struct arena *arena = arena_new();

	while (so_take(target, arena, &ignored))
		;
	arena_free(arena);
	shell_close(so->shell);
	for (int fd = 0; fd < 1024; fd++)
		if (file_known(so, fd))
			close(fd);
	if (so->folder >= 0)
		close(so->folder);
	/* A thread that is stuck in the stack keeps it. */
	if (!ended)
		return;
	if (so->stack.free)
		so->stack.free(so->stack.userdata);
	if (so->handle)
		dlclose(so->handle);
	free(so->buffer);
	free(so);
}

static int stack_load(struct so_target *so, struct arena *arena, const char **error)
{
	packetdrill_interface_init_function *init;
	const char *file = so->config->so_file;

	if (!file || !*file) {
		*error = "no shared object is given";
		return -EINVAL;
	}
	/* dlopen looks for names without a slash elsewhere. */
	if (!strchr(file, '/'))
		file = arena_printf(arena, "./%s", file);
	so->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!so->handle) {
		*error = arena_strdup(arena, dlerror());
		return -ENOENT;
	}
	init = (packetdrill_interface_init_function *)dlsym(so->handle, "packetdrill_interface_init");
	if (!init) {
		*error = arena_printf(arena, "%s does not export packetdrill_interface_init", file);
		return -ENOSYS;
	}
	init(so->config->so_flags, &so->stack);
	if (!so->stack.gettimeofday || !so->stack.usleep || !so->stack.netdev_send || !so->stack.netdev_receive) {
		*error = arena_printf(arena, "%s leaves out functions that every stack needs", file);
		return -ENOSYS;
	}
	return 0;
}

static int so_open(const struct target_config *config, struct arena *arena, struct target **target, const char **error)
{
	struct so_target *so = calloc(1, sizeof(*so));
	int status;

	if (!so)
		return -ENOMEM;
	so->target.ops = &so_target;
	so->config = config;
	so->last = &so->first;
	so->buffer = malloc(PACKET_ROOM);
	so->folder = kernel_folder_open(config->script_path);
	so->no_shell = "commands are not allowed";
	so->hooks = (struct shell_hooks){ .enter = commands_enter, .context = so };
	if (!config->no_commands)
		so->shell = shell_open(so->folder, &so->hooks, arena, &so->no_shell);
	signal(SIGPIPE, SIG_IGN);
	status = so->buffer ? stack_load(so, arena, error) : -ENOMEM;
	if (status == 0) {
		so->workers = workers_new(&on_threads, so, false);
		status = so->workers ? 0 : -ENOMEM;
	}
	if (status < 0) {
		so_close(&so->target);
		return status;
	}
	so->origin = so_clock(so);
	*target = &so->target;
	return 0;
}

const struct target_ops so_target = {
	.name = "so",
	.virtual_time = false,
	.open = so_open,
	.close = so_close,
	.now = so_now,
	.start = so_start,
	.wall_clock = so_wall_clock,
	.wait = so_wait,
	.submit = so_submit,
	.cancel = so_cancel,
	.inject = so_inject,
	.take = so_take,
	.sysctl_read = so_sysctl_read,
	.sysctl_write = so_sysctl_write,
	.command = so_command,
	.lateness = so_lateness,
};
