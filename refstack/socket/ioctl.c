/*
 * ioctl(2) on what a descriptor may refer to: requests of every open file (FIONBIO, FIOASYNC), of sockets (socket(7), ip(7), tcp(7),
 * udp(7)), of network devices (netdevice(7)).
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "../ip/ip.h"
#include "interface.h"

/* SIOCGSTAMP and SIOCGSTAMPNS are two numbers each: sizes of time_t are part of the newer ones. */
#define STAMP_OLD 0x8906
#define STAMPNS_OLD 0x8907
#define STAMP_NEW _IOR(0x89, 0x06, long long[2])
#define STAMPNS_NEW _IOR(0x89, 0x07, long long[2])

/* An int from or to the caller. */
static int64_t int_in(const void *argument, int *value)
{
	if (!argument)
		return -EFAULT;
	memcpy(value, argument, sizeof(*value));
	return 0;
}

static int64_t int_out(void *argument, int value)
{
	if (!argument)
		return -EFAULT;
	memcpy(argument, &value, sizeof(value));
	return 0;
}

/*
 * When the packet that was read last came (ioctl_list of socket(7)): -ENOENT before the first. Asking switches stamping on, and a
 * packet that was not stamped yet was read now.
 */
static int64_t stamp_out(struct sock *sk, void *argument, bool nanoseconds)
{
	struct timespec ts;
	struct timeval tv;

	sock_flag_set(sk, SF_TIMESTAMP, true);
	if (sk->stamp < 0)
		return -ENOENT;
	if (!sk->stamp)
		sk->stamp = stack_wall_clock(sk->stack);
	if (!argument)
		return -EFAULT;
	ts = (struct timespec){ sk->stamp / PL_NSEC_PER_SEC, sk->stamp % PL_NSEC_PER_SEC };
	tv = (struct timeval){ ts.tv_sec, ts.tv_nsec / 1000 };
	if (nanoseconds)
		memcpy(argument, &ts, sizeof(ts));
	else
		memcpy(argument, &tv, sizeof(tv));
	return 0;
}

int64_t socket_ioctl(struct pl_file *file, unsigned long request, void *argument)
{
	struct sock *sk = file->sk;
	int64_t result;
	int owner;

	switch (request) {
	case FIOSETOWN:
	case SIOCSPGRP:
		result = int_in(argument, &owner);
		return result ? result : file_set_owner(file, owner);
	case FIOGETOWN:
	case SIOCGPGRP:
		return int_out(argument, file->owner);
	case STAMP_OLD:
	case STAMP_NEW:
		return stamp_out(sk, argument, false);
	case STAMPNS_OLD:
	case STAMPNS_NEW:
		return stamp_out(sk, argument, true);
	}
	if (request == SIOCRTMSG)
		return -EINVAL;
	result = interface_ioctl(sk->stack, request, argument);
	if (result == -ENOTTY)
		result = route_ioctl(sk->stack, request, argument);
	if (result == -ENOTTY)
		result = arp_ioctl(sk->stack, request, argument);
	if (result == -ENOTTY && sk->proto->ioctl)
		result = sk->proto->ioctl(sk, request, argument);
	/* Whatever else has the sockets' type is taken for a struct ifreq. */
	return result == -ENOTTY && _IOC_TYPE(request) == 0x89 && !argument ? -EFAULT : result;
}

/* FIONBIO and FIOASYNC: a flag of the open file from an int. */
static int64_t flag_in(struct pl_file *file, const void *argument, int flag)
{
	int on = 0;
	int64_t result = int_in(argument, &on);

	if (!result)
		file->flags = on ? file->flags | flag : file->flags & ~flag;
	return result;
}

int64_t call_ioctl(struct pl_stack *stack, struct pl_call *call)
{
	struct pl_file *file = call_file(call, 0, 0);
	unsigned long request = (unsigned)call->arg[1];
	void *argument = call_pointer(call, 2);

	if (!file)
		return -EBADF;
	switch (request) {
	case FIOCLEX:
	case FIONCLEX:
		stack->descriptors->slot[(int)call->arg[0]].close_on_exec = request == FIOCLEX;
		return 0;
	case FIONBIO:
		return flag_in(file, argument, O_NONBLOCK);
	case FIOASYNC:
		if (file->ops == &epoll_file_ops || file->ops == &host_file_ops) {
			int on = 0;

			return int_in(argument, &on) ? -EFAULT : on ? -ENOTTY : 0;
		}
		return flag_in(file, argument, O_ASYNC);
	}
	return file->ops->ioctl ? file->ops->ioctl(file, request, argument) : -ENOTTY;
}
