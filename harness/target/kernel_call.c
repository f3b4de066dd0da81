/*
 * System calls.
 *
 * A call that cannot wait is carried out where it is submitted. Any other is handed to a thread: a call waiting there holds
 * up nobody, and a signal to that thread interrupts it. Submitting returns when the call is finished or is seen to wait (its
 * thread sleeps inside the call), so that what the script does next happens after the call was made.
 *
 * Capabilities belong to threads. Once a script changes them, all its calls run on threads that have taken them on, while the
 * target's own thread keeps those that it needs for its work.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * How each operation reaches the kernel: the system call of the number, with the arguments as they are and those it has more
 * zero; or, where that does not do, a function.
 */
struct call_way {
	long number;		/* one more than it is: 0 is read's on some machines */
	int64_t (*function)(struct kernel_target *kernel, const int64_t arg[6]);
	bool waits;		/* it may wait, on descriptors that are not non-blocking */
};

static int64_t by_number(long number, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f)
{
	long result = syscall(number, a, b, c, d, e, f);

	return result < 0 ? -errno : result;
}

/* Those that newer architectures have in their general form only. */
static int64_t call_poll(struct kernel_target *kernel, const int64_t arg[6])
{
	int result = poll((struct pollfd *)(intptr_t)arg[0], (nfds_t)arg[1], (int)arg[2]);

	return result < 0 ? -errno : result;
}

static int64_t call_epoll_create(struct kernel_target *kernel, const int64_t arg[6])
{
	return arg[0] <= 0 ? -EINVAL : by_number(SYS_epoll_create1, 0, 0, 0, 0, 0, 0);
}

static int64_t call_epoll_wait(struct kernel_target *kernel, const int64_t arg[6])
{
	return by_number(SYS_epoll_pwait, arg[0], arg[1], arg[2], arg[3], 0, 0);
}

/* Relative to the folder of the script. */
static int64_t call_open(struct kernel_target *kernel, const int64_t arg[6])
{
	return by_number(SYS_openat, kernel->folder, arg[0], arg[1], arg[2], 0, 0);
}

static int64_t capabilities_apply(struct kernel_target *kernel)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = kernel->capability[0][i],
			.permitted = kernel->capability[1][i],
			.inheritable = kernel->capability[2][i],
		};
	return by_number(SYS_capset, PL_PTR(&header), PL_PTR(data), 0, 0, 0, 0);
}

static int64_t capabilities_read(struct kernel_target *kernel)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	int64_t result = by_number(SYS_capget, PL_PTR(&header), PL_PTR(data), 0, 0, 0, 0);

	for (int i = 0; i < 2 && result == 0; i++) {
		kernel->capability[0][i] = data[i].effective;
		kernel->capability[1][i] = data[i].permitted;
		kernel->capability[2][i] = data[i].inheritable;
	}
	return result;
}

/* cap_set(set, capability, on), as cap_set_flag(3) and cap_set_proc(3) in one. */
static int64_t call_cap_set(struct kernel_target *kernel, const int64_t arg[6])
{
	uint32_t before[3][2];
	uint32_t *word;
	int64_t result;

	if (arg[0] < 0 || arg[0] > 2 || arg[1] < 0 || arg[1] > CAP_LAST_CAP || arg[2] < 0 || arg[2] > 1)
		return -EINVAL;
	memcpy(before, kernel->capability, sizeof(before));
	word = &kernel->capability[arg[0]][arg[1] / 32];
	if (arg[2])
		*word |= 1u << arg[1] % 32;
	else
		*word &= ~(1u << arg[1] % 32);
	result = capabilities_apply(kernel);
	if (result == 0)
		kernel->capabilities_version++;
	else
		memcpy(kernel->capability, before, sizeof(before));
	return result;
}

#define NUMBER(number_) .number = number_ + 1

static const struct call_way call_way[PL_OP_COUNT] = {
	[PL_OP_socket] = { NUMBER(SYS_socket) },
	[PL_OP_bind] = { NUMBER(SYS_bind) },
	[PL_OP_connect] = { NUMBER(SYS_connect), .waits = true },
	[PL_OP_listen] = { NUMBER(SYS_listen) },
	[PL_OP_accept] = { NUMBER(SYS_accept), .waits = true },
	[PL_OP_accept4] = { NUMBER(SYS_accept4), .waits = true },
	[PL_OP_getsockname] = { NUMBER(SYS_getsockname) },
	[PL_OP_getpeername] = { NUMBER(SYS_getpeername) },
	[PL_OP_shutdown] = { NUMBER(SYS_shutdown) },
	[PL_OP_close] = { NUMBER(SYS_close), .waits = true },
	[PL_OP_read] = { NUMBER(SYS_read), .waits = true },
	[PL_OP_readv] = { NUMBER(SYS_readv), .waits = true },
	[PL_OP_recv] = { NUMBER(SYS_recvfrom), .waits = true },
	[PL_OP_recvfrom] = { NUMBER(SYS_recvfrom), .waits = true },
	[PL_OP_recvmsg] = { NUMBER(SYS_recvmsg), .waits = true },
	[PL_OP_recvmmsg] = { NUMBER(SYS_recvmmsg), .waits = true },
	[PL_OP_write] = { NUMBER(SYS_write), .waits = true },
	[PL_OP_writev] = { NUMBER(SYS_writev), .waits = true },
	[PL_OP_send] = { NUMBER(SYS_sendto), .waits = true },
	[PL_OP_sendto] = { NUMBER(SYS_sendto), .waits = true },
	[PL_OP_sendmsg] = { NUMBER(SYS_sendmsg), .waits = true },
	[PL_OP_sendmmsg] = { NUMBER(SYS_sendmmsg), .waits = true },
	[PL_OP_getsockopt] = { NUMBER(SYS_getsockopt) },
	[PL_OP_setsockopt] = { NUMBER(SYS_setsockopt) },
	[PL_OP_ioctl] = { NUMBER(SYS_ioctl) },
	[PL_OP_fcntl] = { NUMBER(SYS_fcntl), .waits = true },
	[PL_OP_dup] = { NUMBER(SYS_dup) },
	[PL_OP_poll] = { .function = call_poll, .waits = true },
	[PL_OP_epoll_create] = { .function = call_epoll_create },
	[PL_OP_epoll_create1] = { NUMBER(SYS_epoll_create1) },
	[PL_OP_epoll_ctl] = { NUMBER(SYS_epoll_ctl) },
	[PL_OP_epoll_wait] = { .function = call_epoll_wait, .waits = true },
	[PL_OP_pipe] = { NUMBER(SYS_pipe2) },
	[PL_OP_splice] = { NUMBER(SYS_splice), .waits = true },
	[PL_OP_sendfile] = { NUMBER(SYS_sendfile), .waits = true },
	[PL_OP_open] = { .function = call_open, .waits = true },
	[PL_OP_cap_set] = { .function = call_cap_set },
};
_Static_assert(sizeof(call_way) / sizeof(call_way[0]) == PL_OP_COUNT, "a way for each call");

static int64_t carry_out(struct kernel_target *kernel, const struct pl_call *call)
{
	const struct call_way *way = &call_way[call->op];
	const int64_t *arg = call->arg;

	if (way->function)
		return way->function(kernel, arg);
	return way->number ? by_number(way->number - 1, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]) : -ENOSYS;
}

static bool nonblocking(int64_t fd)
{
	int flags = fcntl((int)fd, F_GETFL);

	return flags < 0 || flags & O_NONBLOCK;		/* a bad descriptor fails at once */
}

/* close(2) waits for the peer when the socket lingers, whether it is non-blocking or not. */
static bool lingers(int64_t fd)
{
	struct linger linger;
	socklen_t length = sizeof(linger);

	return getsockopt((int)fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 && linger.l_onoff && linger.l_linger;
}

/* The call is certain to return at once. */
static bool returns_at_once(const struct pl_call *call)
{
	const int64_t *arg = call->arg;
	int64_t flags = 0;

	if (!call_way[call->op].waits)
		return true;
	switch (call->op) {
	case PL_OP_close:
		return !lingers(arg[0]);
	case PL_OP_fcntl:
		return arg[1] != F_SETLKW && arg[1] != F_OFD_SETLKW;
	case PL_OP_poll:
		return arg[2] == 0;
	case PL_OP_epoll_wait:
		return arg[3] == 0;
	case PL_OP_open:
		return false;
	case PL_OP_splice:
		return nonblocking(arg[0]) && nonblocking(arg[2]);
	case PL_OP_sendfile:
		return nonblocking(arg[0]) && nonblocking(arg[1]);
	case PL_OP_recv:
	case PL_OP_recvfrom:
	case PL_OP_recvmmsg:
	case PL_OP_send:
	case PL_OP_sendto:
	case PL_OP_sendmmsg:
		flags = arg[3];
		break;
	case PL_OP_recvmsg:
	case PL_OP_sendmsg:
		flags = arg[2];
		break;
	default:
		break;
	}
	return flags & MSG_DONTWAIT || nonblocking(arg[0]);
}

/* Remember which descriptors the script has, to close them at the end. */
static void descriptor_note(struct kernel_target *kernel, int64_t fd, bool open)
{
	if (fd < 0 || fd >= KERNEL_DESCRIPTORS)
		return;
	if (open)
		kernel->descriptor[fd / 64] |= UINT64_C(1) << fd % 64;
	else
		kernel->descriptor[fd / 64] &= ~(UINT64_C(1) << fd % 64);
}

static void descriptors_note(struct kernel_target *kernel, const struct pl_call *call)
{
	if (call->result < 0)
		return;
	switch (call->op) {
	case PL_OP_socket:
	case PL_OP_accept:
	case PL_OP_accept4:
	case PL_OP_dup:
	case PL_OP_epoll_create:
	case PL_OP_epoll_create1:
	case PL_OP_open:
		descriptor_note(kernel, call->result, true);
		break;
	case PL_OP_fcntl:
		if (call->arg[1] == F_DUPFD || call->arg[1] == F_DUPFD_CLOEXEC)
			descriptor_note(kernel, call->result, true);
		break;
	case PL_OP_pipe:
		descriptor_note(kernel, ((const int *)(intptr_t)call->arg[0])[0], true);
		descriptor_note(kernel, ((const int *)(intptr_t)call->arg[0])[1], true);
		break;
	case PL_OP_close:
		descriptor_note(kernel, call->arg[0], false);
		break;
	default:
		break;
	}
}

static void call_finish(void *context, struct pl_call *call)
{
	struct kernel_target *kernel = context;

	call->finished = true;
	descriptors_note(kernel, call);
	if (call->done)
		call->done(call);
}

/* On a thread: with the capabilities that the script's calls have by now. */
static int64_t call_on_thread(void *context, const struct pl_call *call, unsigned *seen)
{
	struct kernel_target *kernel = context;

	if (kernel->capabilities_set && *seen != kernel->capabilities_version) {
		capabilities_apply(kernel);
		*seen = kernel->capabilities_version;
	}
	return carry_out(kernel, call);
}

static pl_time call_now(void *context)
{
	return kernel_now(context);
}

static const struct workers_ops on_threads = {
	.carry_out = call_on_thread,
	.now = call_now,
	.finish = call_finish,
};

void kernel_submit(struct target *target, struct pl_call *call)
{
	struct kernel_target *kernel = kernel_of(target);

	call->finished = false;
	call->submitted = kernel_now(target);
	if (call->op == PL_OP_cap_set && !kernel->capabilities_set)
		kernel->capabilities_set = capabilities_read(kernel) == 0;
	if (kernel->bulk) {
		call->result = carry_out(kernel, call);
	} else if (kernel->capabilities_set || !returns_at_once(call)) {
		if (workers_post(kernel->workers, call))
			return;
		call->result = -ENOMEM;
	} else {
		call->result = carry_out(kernel, call);
	}
	call->completed = kernel_now(target);
	call_finish(kernel, call);
}

void kernel_cancel(struct target *target, struct pl_call *call)
{
	workers_cancel(kernel_of(target)->workers, call);
}

int kernel_calls_open(struct kernel_target *kernel)
{
	signal(SIGPIPE, SIG_IGN);
	kernel->workers = workers_new(&on_threads, kernel, kernel->realtime);
	return kernel->workers ? 0 : -ENOMEM;
}

static void descriptors_close(struct kernel_target *kernel)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	for (int fd = 0; fd < KERNEL_DESCRIPTORS; fd++) {
		if (!(kernel->descriptor[fd / 64] >> fd % 64 & 1))
			continue;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
	}
}

bool kernel_calls_close(struct kernel_target *kernel)
{
	bool ended = workers_free(kernel->workers);

	kernel->workers = NULL;
	descriptors_close(kernel);
	return ended;
}
