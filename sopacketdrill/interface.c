/*
 * The reference stack behind packetdrill's interface, so that packetdrill itself can drive it.
 *
 * Time is the stack's own, virtual. It moves when the program asks for that: usleep, and a wait for a packet, which goes on
 * from timer to timer until one leaves. A program also waits the last microseconds by reading the clock over and over, so each
 * reading moves it by one microsecond.
 *
 * A call that waits belongs to a second thread, which sleeps here until the call is finished; time moves meanwhile by what the
 * main thread does. When the call is finished, time stands still until that thread has read the clock, because the program
 * compares what it reads with the script. A call that waits on the main thread moves time itself, for nobody else can.
 *
 * Unless the flags tell, the host does not know which address it is to have. It takes on the first one that it is spoken to
 * by: where a packet goes, or what a socket is bound to.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <plumbline/call.h>
#include <plumbline/link.h>
#include <plumbline/packetdrill.h>
#include <plumbline/stack.h>
#include <plumbline/sysctl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "descriptors.h"
#include "flags.h"

#define WALL_CLOCK INT64_C(1700000000000000000)	/* what the clock reads at first: any time will do, the same always */
#define DEFAULT_LOCAL 0xc0a80001u		/* 192.168.0.1, for a host that speaks first */
#define READ_COST PL_NSEC_PER_USEC		/* how far time moves when the clock is read */
#define READER_PATIENCE (100 * PL_NSEC_PER_MSEC)	/* real time in which a woken thread is to read the clock */

struct frame {
	struct frame *next;
	pl_time time;
	size_t length;
	uint8_t bytes[];
};

struct host {
	struct pl_stack *stack;
	int link;
	struct in_addr local;		/* 0: not known yet */
	unsigned prefix_length;
	struct frame *first, **last;	/* packets that have left */
	struct real_descriptors descriptors;
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* a call was finished; a woken thread has read the clock */
	pthread_t main;
	unsigned woken;			/* threads whose call is finished and that have not read the clock since */
};

/* The calling thread's call was finished while it slept. */
static _Thread_local bool to_read_clock;

/* --- time --------------------------------------------------------------------------------------------------------------------- */
/* Let the threads whose calls are finished read the clock before it moves on. */
static void readers_wait(struct host *host)
{
	struct timespec until;

	if (!host->woken)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += READER_PATIENCE;
	until.tv_sec += until.tv_nsec / PL_NSEC_PER_SEC;
	until.tv_nsec %= PL_NSEC_PER_SEC;
	while (host->woken && pthread_cond_timedwait(&host->changed, &host->lock, &until) == 0)
		;
	host->woken = 0;
}

/* To the next timer, at most to `until`. False: nothing is left to come. */
static bool step(struct host *host, pl_time until)
{
	pl_time next;

	readers_wait(host);
	next = pl_stack_next_timer(host->stack);
	if (next > until)
		next = until;
	if (next == PL_TIME_NEVER)
		return false;
	pl_stack_run_until(host->stack, next);
	return true;
}

static int host_usleep(void *userdata, useconds_t microseconds)
{
	struct host *host = userdata;
	pl_time until;

	pthread_mutex_lock(&host->lock);
	readers_wait(host);
	until = pl_stack_now(host->stack) + microseconds * PL_NSEC_PER_USEC;
	/* When it wakes another thread it ends early: the caller looks at the clock and sleeps again. */
	while (pl_stack_now(host->stack) < until && !host->woken)
		step(host, until);
	readers_wait(host);
	pthread_mutex_unlock(&host->lock);
	return 0;
}

static int host_gettimeofday(void *userdata, struct timeval *time, struct timezone *zone)
{
	struct host *host = userdata;
	int64_t now;

	pthread_mutex_lock(&host->lock);
	now = WALL_CLOCK + pl_stack_now(host->stack);
	if (to_read_clock) {
		to_read_clock = false;
		if (host->woken)
			host->woken--;
		pthread_cond_broadcast(&host->changed);
	} else {
		readers_wait(host);
		pl_stack_run_until(host->stack, pl_stack_now(host->stack) + READ_COST);
	}
	pthread_mutex_unlock(&host->lock);
	time->tv_sec = now / PL_NSEC_PER_SEC;
	time->tv_usec = now % PL_NSEC_PER_SEC / PL_NSEC_PER_USEC;
	return 0;
}

/* --- packets ------------------------------------------------------------------------------------------------------------------ */
static void frame_out(void *context, const struct pl_frame *frame)
{
	struct host *host = context;
	struct frame *copy = malloc(sizeof(*copy) + frame->length);

	if (!copy)
		return;
	copy->next = NULL;
	copy->time = frame->time;
	copy->length = frame->length;
	memcpy(copy->bytes, frame->bytes, frame->length);
	*host->last = copy;
	host->last = &copy->next;
}

/* The host's address is this one, if it has none yet. */
static void address_learn(struct host *host, struct in_addr address)
{
	struct pl_address own = { .local = address, .prefix_length = host->prefix_length, .scope = RT_SCOPE_UNIVERSE };
	uint32_t number = ntohl(address.s_addr);

	if (host->local.s_addr || !number || IN_MULTICAST(number) || number == INADDR_BROADCAST ||
	    number >> 24 == IN_LOOPBACKNET)
		return;
	if (pl_address_add(host->stack, host->link, &own) == 0)
		host->local = address;
}

static int host_netdev_send(void *userdata, const void *packet, size_t length)
{
	struct host *host = userdata;
	struct in_addr destination;
	int status;

	pthread_mutex_lock(&host->lock);
	if (length >= 20) {
		memcpy(&destination, (const uint8_t *)packet + 16, sizeof(destination));
		address_learn(host, destination);
	}
	status = pl_link_input(host->stack, host->link, packet, length);
	pthread_mutex_unlock(&host->lock);
	return status < 0 ? -1 : 0;
}

static int host_netdev_receive(void *userdata, void *buffer, size_t *length, long long *microseconds)
{
	struct host *host = userdata;
	struct frame *frame;
	size_t room = *length;

	*length = 0;
	pthread_mutex_lock(&host->lock);
	while (!host->first && step(host, PL_TIME_NEVER))
		;
	frame = host->first;
	if (frame) {
		host->first = frame->next;
		if (!host->first)
			host->last = &host->first;
		*length = frame->length < room ? frame->length : room;
		memcpy(buffer, frame->bytes, *length);
		*microseconds = (WALL_CLOCK + frame->time) / PL_NSEC_PER_USEC;
		free(frame);
	}
	pthread_mutex_unlock(&host->lock);
	return 0;
}

/* --- calls -------------------------------------------------------------------------------------------------------------------- */
static void call_done(struct pl_call *call)
{
	struct host *host = call->owner;

	host->woken++;
	pthread_cond_broadcast(&host->changed);
}

static void call_run(struct host *host, struct pl_call *call)
{
	call->owner = host;
	pl_call_submit(host->stack, call);
	if (call->finished)
		return;
	if (pthread_equal(pthread_self(), host->main)) {
		while (!call->finished && step(host, PL_TIME_NEVER))
			;
		if (!call->finished)
			pl_call_cancel(host->stack, call);
		return;
	}
	call->done = call_done;
	while (!call->finished)
		pthread_cond_wait(&host->changed, &host->lock);
	to_read_clock = true;
}

/* The stack's own numbers in place of the program's. */
static void descriptors_in(const struct host *host, struct pl_call *call)
{
	for (int i = 0; i < 6; i++)
		if (pl_call_table[call->op].arg[i] == PL_ARG_FD)
			call->arg[i] = real_to_stack(&host->descriptors, (int)call->arg[i]);
}

static bool gives_descriptor(const struct pl_call *call)
{
	switch (call->op) {
	case PL_OP_socket:
	case PL_OP_accept:
	case PL_OP_epoll_create:
		return true;
	case PL_OP_fcntl:
		return call->arg[1] == F_DUPFD || call->arg[1] == F_DUPFD_CLOEXEC;
	default:
		return false;
	}
}

/* And the other way round, for those that the call gave. */
static int64_t descriptors_out(struct host *host, const struct pl_call *call, const int64_t arg[6])
{
	int *end = (int *)(intptr_t)arg[0];

	if (call->result < 0)
		return call->result;
	if (gives_descriptor(call))
		return real_descriptor_add(&host->descriptors, (int)call->result);
	if (call->op == PL_OP_close)
		real_descriptor_remove(&host->descriptors, (int)arg[0]);
	for (int i = 0; call->op == PL_OP_pipe && i < 2; i++) {
		end[i] = real_descriptor_add(&host->descriptors, end[i]);
		if (end[i] < 0)
			return end[i];
	}
	return call->result;
}

/* A result as a system call's wrapper gives it. */
static int64_t call(void *userdata, enum pl_op op, const int64_t arg[6])
{
	struct host *host = userdata;
	struct pl_call call = { .op = op };
	int64_t result;

	memcpy(call.arg, arg, sizeof(call.arg));
	pthread_mutex_lock(&host->lock);
	descriptors_in(host, &call);
	call_run(host, &call);
	result = descriptors_out(host, &call, arg);
	pthread_mutex_unlock(&host->lock);
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

#define CALL(op, ...) call(userdata, PL_OP_##op, (const int64_t[6]){ __VA_ARGS__ })

static int host_socket(void *userdata, int domain, int type, int protocol)
{
	return (int)CALL(socket, domain, type, protocol);
}

static int host_bind(void *userdata, int fd, const struct sockaddr *address, socklen_t length)
{
	struct host *host = userdata;

	if (length >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET) {
		pthread_mutex_lock(&host->lock);
		address_learn(host, ((const struct sockaddr_in *)address)->sin_addr);
		pthread_mutex_unlock(&host->lock);
	}
	return (int)CALL(bind, fd, PL_PTR(address), length);
}

static int host_listen(void *userdata, int fd, int backlog)
{
	return (int)CALL(listen, fd, backlog);
}

static int host_accept(void *userdata, int fd, struct sockaddr *address, socklen_t *length)
{
	return (int)CALL(accept, fd, PL_PTR(address), PL_PTR(length));
}

/* A host that is the first to speak needs an address to speak from. */
static void speaks(struct host *host)
{
	pthread_mutex_lock(&host->lock);
	address_learn(host, (struct in_addr){ htonl(DEFAULT_LOCAL) });
	pthread_mutex_unlock(&host->lock);
}

static int host_connect(void *userdata, int fd, const struct sockaddr *address, socklen_t length)
{
	speaks(userdata);
	return (int)CALL(connect, fd, PL_PTR(address), length);
}

static ssize_t host_read(void *userdata, int fd, void *buffer, size_t size)
{
	return CALL(read, fd, PL_PTR(buffer), (int64_t)size);
}

static ssize_t host_readv(void *userdata, int fd, const struct iovec *vector, int count)
{
	return CALL(readv, fd, PL_PTR(vector), count);
}

static ssize_t host_recv(void *userdata, int fd, void *buffer, size_t size, int flags)
{
	return CALL(recv, fd, PL_PTR(buffer), (int64_t)size, flags);
}

static ssize_t host_recvfrom(void *userdata, int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
			     socklen_t *length)
{
	return CALL(recvfrom, fd, PL_PTR(buffer), (int64_t)size, flags, PL_PTR(address), PL_PTR(length));
}

static ssize_t host_recvmsg(void *userdata, int fd, struct msghdr *message, int flags)
{
	return CALL(recvmsg, fd, PL_PTR(message), flags);
}

static ssize_t host_write(void *userdata, int fd, const void *buffer, size_t size)
{
	return CALL(write, fd, PL_PTR(buffer), (int64_t)size);
}

static ssize_t host_writev(void *userdata, int fd, const struct iovec *vector, int count)
{
	return CALL(writev, fd, PL_PTR(vector), count);
}

static ssize_t host_send(void *userdata, int fd, const void *buffer, size_t size, int flags)
{
	return CALL(send, fd, PL_PTR(buffer), (int64_t)size, flags);
}

static ssize_t host_sendto(void *userdata, int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
			   socklen_t length)
{
	speaks(userdata);
	return CALL(sendto, fd, PL_PTR(buffer), (int64_t)size, flags, PL_PTR(address), length);
}

static ssize_t host_sendmsg(void *userdata, int fd, const struct msghdr *message, int flags)
{
	speaks(userdata);
	return CALL(sendmsg, fd, PL_PTR(message), flags);
}

static int host_fcntl(void *userdata, int fd, int command, ...)
{
	va_list more;
	long argument;

	/* Always there to be read, as the kernel always looks at the register. */
	va_start(more, command);
	argument = va_arg(more, long);
	va_end(more);
	return (int)CALL(fcntl, fd, command, (int)argument);
}

static int host_ioctl(void *userdata, int fd, unsigned long request, ...)
{
	va_list more;
	void *argument;

	va_start(more, request);
	argument = va_arg(more, void *);
	va_end(more);
	return (int)CALL(ioctl, fd, (int64_t)request, PL_PTR(argument));
}

static int host_close(void *userdata, int fd)
{
	return (int)CALL(close, fd);
}

static int host_shutdown(void *userdata, int fd, int how)
{
	return (int)CALL(shutdown, fd, how);
}

static int host_getsockopt(void *userdata, int fd, int level, int name, void *value, socklen_t *length)
{
	return (int)CALL(getsockopt, fd, level, name, PL_PTR(value), PL_PTR(length));
}

static int host_setsockopt(void *userdata, int fd, int level, int name, const void *value, socklen_t length)
{
	return (int)CALL(setsockopt, fd, level, name, PL_PTR(value), length);
}

static int host_poll(void *userdata, struct pollfd *set, nfds_t count, int timeout)
{
	const struct host *host = userdata;
	struct pollfd *copy = calloc(count ? count : 1, sizeof(*copy));
	int result;

	if (!copy) {
		errno = ENOMEM;
		return -1;
	}
	for (nfds_t i = 0; i < count; i++) {
		copy[i] = set[i];
		/* A negative one is to be passed over; one that is not the stack's is invalid. */
		if (set[i].fd >= 0 && (copy[i].fd = real_to_stack(&host->descriptors, set[i].fd)) < 0)
			copy[i].fd = INT_MAX;
	}
	result = (int)CALL(poll, PL_PTR(copy), (int64_t)count, timeout);
	for (nfds_t i = 0; i < count; i++)
		set[i].revents = copy[i].revents;
	free(copy);
	return result;
}

static int host_epoll_create(void *userdata, int size)
{
	return (int)CALL(epoll_create, size);
}

static int host_epoll_ctl(void *userdata, int set, int operation, int fd, struct epoll_event *event)
{
	return (int)CALL(epoll_ctl, set, operation, fd, PL_PTR(event));
}

static int host_epoll_wait(void *userdata, int set, struct epoll_event *event, int room, int timeout)
{
	return (int)CALL(epoll_wait, set, PL_PTR(event), room, timeout);
}

static int host_pipe(void *userdata, int end[2])
{
	return (int)CALL(pipe, PL_PTR(end));
}

static int host_splice(void *userdata, int from, loff_t *from_offset, int to, loff_t *to_offset, size_t size, unsigned flags)
{
	return (int)CALL(splice, from, PL_PTR(from_offset), to, PL_PTR(to_offset), (int64_t)size, flags);
}

/* --- making and ending -------------------------------------------------------------------------------------------------------- */
static void host_free(void *userdata)
{
	struct host *host = userdata;

	pl_stack_free(host->stack);
	while (host->first) {
		struct frame *frame = host->first;

		host->first = frame->next;
		free(frame);
	}
	real_descriptors_free(&host->descriptors);
	pthread_cond_destroy(&host->changed);
	pthread_mutex_destroy(&host->lock);
	free(host);
}

/* There is no way to refuse but to end the program: the interface lets the object say nothing. */
static _Noreturn void refuse(const char *why)
{
	fprintf(stderr, "librefstack-packetdrill: %s\n", why);
	exit(EXIT_FAILURE);
}

/* A link to everywhere, so that any remote address is reached over it. */
static int link_make(struct host *host, const struct so_flags *flags)
{
	struct pl_link_config config = { .name = "tun0", .kind = PL_LINK_TUN, .mtu = flags->mtu, .output = frame_out,
					 .context = host };
	struct pl_route everywhere = { .table = RT_TABLE_MAIN, .type = RTN_UNICAST, .scope = RT_SCOPE_LINK,
				       .protocol = RTPROT_BOOT };
	int status;

	host->link = pl_link_add(host->stack, &config);
	if (host->link < 0)
		return host->link;
	status = pl_link_set_up(host->stack, pl_link_find(host->stack, "lo"), true);
	if (status == 0)
		status = pl_link_set_up(host->stack, host->link, true);
	everywhere.ifindex = host->link;
	return status < 0 ? status : pl_route_add(host->stack, &everywhere, false);
}

static void host_set_up(struct host *host, const struct so_flags *flags)
{
	char message[256];

	for (unsigned i = 0; i < flags->sysctls; i++) {
		const char *name = flags->sysctl[i].name, *value = flags->sysctl[i].value;
		ssize_t status = pl_sysctl_write(host->stack, name, value, strlen(value));

		if (status >= 0)
			continue;
		snprintf(message, sizeof(message), "%s cannot be set to \"%s\": %s", name, value, strerror((int)-status));
		refuse(message);
	}
	if (link_make(host, flags) < 0)
		refuse("the link cannot be made");
	host->prefix_length = flags->prefix_length;
	if (!flags->local.s_addr)
		return;
	address_learn(host, flags->local);
	if (!host->local.s_addr)
		refuse("the local address cannot be had");
}

static const struct packetdrill_interface functions = {
	.free = host_free,
	.socket = host_socket,
	.bind = host_bind,
	.listen = host_listen,
	.accept = host_accept,
	.connect = host_connect,
	.read = host_read,
	.readv = host_readv,
	.recv = host_recv,
	.recvfrom = host_recvfrom,
	.recvmsg = host_recvmsg,
	.write = host_write,
	.writev = host_writev,
	.send = host_send,
	.sendto = host_sendto,
	.sendmsg = host_sendmsg,
	.fcntl = host_fcntl,
	.ioctl = host_ioctl,
	.close = host_close,
	.shutdown = host_shutdown,
	.getsockopt = host_getsockopt,
	.setsockopt = host_setsockopt,
	.poll = host_poll,
	.netdev_send = host_netdev_send,
	.netdev_receive = host_netdev_receive,
	.usleep = host_usleep,
	.gettimeofday = host_gettimeofday,
	.epoll_create = host_epoll_create,
	.epoll_ctl = host_epoll_ctl,
	.epoll_wait = host_epoll_wait,
	.pipe = host_pipe,
	.splice = host_splice,
};

__attribute__((visibility("default"))) packetdrill_interface_init_function packetdrill_interface_init;

void packetdrill_interface_init(const char *text, struct packetdrill_interface *interface)
{
	struct host *host = calloc(1, sizeof(*host));
	struct so_flags flags;
	char message[256] = "no memory";

	if (!host || flags_parse(text, &flags, message, sizeof(message)) < 0)
		refuse(message);
	host->stack = pl_stack_new(&(struct pl_stack_config){ .seed = flags.seed, .wall_clock = WALL_CLOCK });
	if (!host->stack)
		refuse("no memory");
	host->last = &host->first;
	host->main = pthread_self();
	pthread_mutex_init(&host->lock, NULL);
	pthread_cond_init(&host->changed, NULL);
	host_set_up(host, &flags);
	free(flags.text);
	*interface = functions;
	interface->userdata = host;
}
