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
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORKER_STACK (256 * 1024)
#define WORKER_LOOK (100 * PL_NSEC_PER_USEC)	/* how long a call may take before it is looked at whether it waits */
#define CANCEL_SIGNAL (SIGRTMIN + 3)
#define CANCEL_AGAIN PL_NSEC_PER_MSEC
#define CANCEL_LIMIT (2 * PL_NSEC_PER_SEC)

enum worker_state {
	WORKER_IDLE,
	WORKER_POSTED,		/* a call is there to be taken */
	WORKER_RUNNING,		/* it is being carried out, and its submitter looks on */
	WORKER_WAITING,		/* it waits, and its submitter went on: the event counter is to tell */
	WORKER_FINISHED,	/* the result is there to be taken */
	WORKER_EXIT,
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value, pl_time most)
{
	struct timespec limit = { .tv_sec = most / PL_NSEC_PER_SEC, .tv_nsec = most % PL_NSEC_PER_SEC };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, most == PL_TIME_NEVER ? NULL : &limit, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

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

static void call_finish(struct kernel_target *kernel, struct pl_call *call, int64_t result, pl_time completed)
{
	call->result = result;
	call->completed = completed;
	call->finished = true;
	descriptors_note(kernel, call);
	if (call->done)
		call->done(call);
}

static void signal_ignored(int number)
{
}

static void *worker_main(void *argument)
{
	struct kernel_worker *worker = argument;
	struct kernel_target *kernel = worker->target;

	worker->tid = (pid_t)syscall(SYS_gettid);
	for (;;) {
		uint32_t state = atomic_load(&worker->state);
		uint64_t one = 1;

		if (state == WORKER_EXIT)
			return NULL;
		if (state != WORKER_POSTED) {
			futex_wait(&worker->state, state, PL_TIME_NEVER);
			continue;
		}
		atomic_store(&worker->state, WORKER_RUNNING);
		if (kernel->capabilities_set && worker->capabilities != kernel->capabilities_version) {
			capabilities_apply(kernel);
			worker->capabilities = kernel->capabilities_version;
		}
		worker->result = carry_out(kernel, worker->call);
		worker->completed = kernel_now(&kernel->target);
		state = atomic_exchange(&worker->state, WORKER_FINISHED);
		if (state == WORKER_WAITING)
			(void)!write(kernel->finished, &one, sizeof(one));
		futex_wake(&worker->state);
	}
}

/* Threads start with the ordinary policy (SCHED_RESET_ON_FORK); they go before the thread that hands them calls. */
static void worker_priority(struct kernel_target *kernel, struct kernel_worker *worker)
{
	struct sched_param above = { .sched_priority = sched_get_priority_min(SCHED_FIFO) + 1 };

	if (kernel->realtime)
		pthread_setschedparam(worker->thread, SCHED_FIFO, &above);
}

static struct kernel_worker *worker_new(struct kernel_target *kernel)
{
	struct kernel_worker *worker = calloc(1, sizeof(*worker));
	pthread_attr_t attributes;
	int status;

	if (!worker)
		return NULL;
	worker->target = kernel;
	worker->status = -1;
	atomic_init(&worker->state, WORKER_IDLE);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WORKER_STACK);
	status = pthread_create(&worker->thread, &attributes, worker_main, worker);
	pthread_attr_destroy(&attributes);
	if (status) {
		free(worker);
		return NULL;
	}
	worker_priority(kernel, worker);
	worker->next = kernel->worker;
	kernel->worker = worker;
	return worker;
}

static struct kernel_worker *worker_idle(struct kernel_target *kernel)
{
	for (struct kernel_worker *worker = kernel->worker; worker; worker = worker->next)
		if (atomic_load(&worker->state) == WORKER_IDLE)
			return worker;
	return worker_new(kernel);
}

/* The thread sleeps, so that its call waits: the state in proc_pid_stat(5), the first letter behind the last parenthesis. */
static bool worker_sleeps(struct kernel_worker *worker)
{
	char text[128], path[64];
	const char *behind;
	ssize_t length;

	if (worker->status < 0) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)worker->tid);
		worker->status = open(path, O_RDONLY | O_CLOEXEC);
	}
	length = pread(worker->status, text, sizeof(text) - 1, 0);
	if (length <= 0)
		return true;		/* no procfs: whoever takes so long must be waiting */
	text[length] = '\0';
	behind = strrchr(text, ')');
	return behind && behind[1] == ' ' && behind[2] == 'S';
}

/* Take the result of a call that a thread has finished. */
static void worker_collect(struct kernel_target *kernel, struct kernel_worker *worker)
{
	struct pl_call *call = worker->call;
	int64_t result = worker->result;
	pl_time completed = worker->completed;

	worker->call = NULL;
	atomic_store(&worker->state, WORKER_IDLE);
	call_finish(kernel, call, result, completed);
}

bool kernel_calls_harvest(struct kernel_target *kernel)
{
	uint64_t count;
	bool any = false;

	if (read(kernel->finished, &count, sizeof(count)) != sizeof(count))
		return false;
	for (struct kernel_worker *worker = kernel->worker; worker; worker = worker->next) {
		if (atomic_load(&worker->state) != WORKER_FINISHED)
			continue;
		worker_collect(kernel, worker);
		any = true;
	}
	return any;
}

void kernel_submit(struct target *target, struct pl_call *call)
{
	struct kernel_target *kernel = kernel_of(target);
	struct kernel_worker *worker;

	call->finished = false;
	call->submitted = kernel_now(target);
	if (call->op == PL_OP_cap_set && !kernel->capabilities_set)
		kernel->capabilities_set = capabilities_read(kernel) == 0;
	if (!kernel->capabilities_set && returns_at_once(call)) {
		int64_t result = carry_out(kernel, call);

		call_finish(kernel, call, result, kernel_now(target));
		return;
	}
	worker = worker_idle(kernel);
	if (!worker) {
		call_finish(kernel, call, -ENOMEM, call->submitted);
		return;
	}
	worker->call = call;
	atomic_store(&worker->state, WORKER_POSTED);
	futex_wake(&worker->state);
	for (bool first = true;; first = false) {
		uint32_t state = atomic_load(&worker->state), running = WORKER_RUNNING;

		if (state == WORKER_FINISHED) {
			worker_collect(kernel, worker);
			return;
		}
		/* With real-time priorities the thread went as far as it could before futex_wake returned. */
		if (state == WORKER_RUNNING && (kernel->realtime || !first) && worker_sleeps(worker) &&
		    atomic_compare_exchange_strong(&worker->state, &running, WORKER_WAITING))
			return;
		if (state != WORKER_FINISHED)
			futex_wait(&worker->state, state, WORKER_LOOK);
	}
}

static struct kernel_worker *worker_of(struct kernel_target *kernel, const struct pl_call *call)
{
	struct kernel_worker *worker = kernel->worker;

	while (worker && worker->call != call)
		worker = worker->next;
	return worker;
}

/* Signal the thread until its call is finished: a signal that comes before it has begun to wait is lost. */
static bool worker_interrupt(struct kernel_worker *worker)
{
	int64_t begun = kernel_clock();

	while (kernel_clock() - begun < CANCEL_LIMIT) {
		uint32_t state = atomic_load(&worker->state);

		if (state != WORKER_POSTED && state != WORKER_RUNNING && state != WORKER_WAITING)
			return true;
		pthread_kill(worker->thread, CANCEL_SIGNAL);
		futex_wait(&worker->state, state, CANCEL_AGAIN);
	}
	return false;
}

void kernel_cancel(struct target *target, struct pl_call *call)
{
	struct kernel_target *kernel = kernel_of(target);
	struct kernel_worker *worker = worker_of(kernel, call);

	if (!worker || call->finished)
		return;
	if (worker_interrupt(worker)) {
		worker_collect(kernel, worker);
		return;
	}
	/* Not to be interrupted: the thread is given up, and its call with it. */
	worker->call = NULL;
	call_finish(kernel, call, -EINTR, kernel_now(target));
}

int kernel_calls_open(struct kernel_target *kernel)
{
	struct sigaction action = { .sa_handler = signal_ignored };

	sigemptyset(&action.sa_mask);
	sigaction(CANCEL_SIGNAL, &action, NULL);	/* without SA_RESTART */
	signal(SIGPIPE, SIG_IGN);
	kernel->finished = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (kernel->finished < 0)
		return -errno;
	return worker_new(kernel) ? 0 : -ENOMEM;
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

void kernel_calls_close(struct kernel_target *kernel)
{
	struct kernel_worker *worker;

	while ((worker = kernel->worker)) {
		uint32_t state;

		kernel->worker = worker->next;
		worker_interrupt(worker);
		state = atomic_exchange(&worker->state, WORKER_EXIT);
		if (state == WORKER_RUNNING || state == WORKER_WAITING)
			continue;	/* stuck in the kernel: it ends with the process, and keeps its memory until then */
		futex_wake(&worker->state);
		pthread_join(worker->thread, NULL);
		if (worker->status >= 0)
			close(worker->status);
		free(worker);
	}
	descriptors_close(kernel);
	if (kernel->finished >= 0)
		close(kernel->finished);
	kernel->finished = -1;
}
