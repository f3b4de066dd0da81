/*
 * The calls that move data through a descriptor: read, write, send, receive, in all their forms. Each brings its arguments into
 * one struct msghdr, as net/socket.c and fs/read_write.c do, and the open file does the rest.
 */
#include "message.h"

#include <stdlib.h>

/* MSG_* bits that callers cannot set on Linux. */
#define MSG_INTERNAL (0x8000000 | 0x100000 | 0x200000 | 0x80000)	/* SPLICE_PAGES, SENDPAGE_*, NO_SHARED_FRAGS */

static int64_t sock_send(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags)
{
	return sk->proto->sendmsg ? sk->proto->sendmsg(sk, call, msg, flags | call_dontwait(call)) : -EOPNOTSUPP;
}

/*
 * Receive into *msg, whose msg_name is NULL or the caller's. The address comes out through *address (its length in
 * msg->msg_namelen), msg_controllen as the bytes used.
 */
static int64_t sock_receive(struct sock *sk, struct pl_call *call, struct msghdr *msg, struct sockaddr_storage *address, int flags)
{
	void *name = msg->msg_name, *control = msg->msg_control;
	size_t room = msg->msg_controllen;
	int64_t result;

	if (!sk->proto->recvmsg)
		return -EOPNOTSUPP;
	if (name)
		msg->msg_name = address;
	msg->msg_namelen = 0;
	msg->msg_flags = flags & MSG_CMSG_CLOEXEC;
	result = sk->proto->recvmsg(sk, call, msg, flags | call_dontwait(call));
	msg->msg_name = name;
	msg->msg_control = control;
	msg->msg_controllen = room - msg->msg_controllen;
	return result;
}

/* --- read and write ------------------------------------------------------------------------------------------------ */

static int64_t socket_read(struct pl_file *file, struct pl_call *call, struct msghdr *msg, int64_t *offset)
{
	struct sockaddr_storage address;

	if (offset)
		return -ESPIPE;
	if (!msg_length(msg))
		return 0;
	return sock_receive(file->sk, call, msg, &address, 0);
}

static int64_t socket_write(struct pl_file *file, struct pl_call *call, struct msghdr *msg, int64_t *offset)
{
	if (offset)
		return -ESPIPE;
	return sock_send(file->sk, call, msg, file->sk->type == SOCK_SEQPACKET ? MSG_EOR : 0);
}

static uint32_t socket_poll(struct pl_file *file)
{
	file->sk->poll_unblocking = file->flags & O_NONBLOCK;
	return file->sk->proto->poll(file->sk);
}

static struct wait_queue *socket_wait(struct pl_file *file)
{
	return &file->sk->wait;
}

static int64_t socket_release(struct pl_file *file, struct pl_call *call)
{
	struct sock *sk = file->sk;

	if (sk->proto->close && sk->proto->close(sk, call) == CALL_WAITS)
		return CALL_WAITS;
	sk->has_descriptor = false;
	sock_put(sk);
	return 0;
}

const struct file_ops socket_file_ops = {
	.read = socket_read,
	.write = socket_write,
	.ioctl = socket_ioctl,
	.poll = socket_poll,
	.wait = socket_wait,
	.release = socket_release,
};

/* read, readv, write, writev, once their buffers are known. `vector`: an empty one moves nothing and is not passed on. */
static int64_t file_transfer(struct pl_call *call, struct iovec *iov, size_t count, bool write)
{
	struct pl_file *file = call->file[0];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	int64_t (*transfer)(struct pl_file *, struct pl_call *, struct msghdr *, int64_t *) =
		write ? file->ops->write : file->ops->read;

	if ((file->flags & O_ACCMODE) == (write ? O_RDONLY : O_WRONLY))
		return -EBADF;
	return transfer ? transfer(file, call, &msg, NULL) : -EINVAL;
}

static int64_t buffer_transfer(struct pl_call *call, bool write)
{
	struct iovec iov = { call_pointer(call, 1), (size_t)call->arg[2] };

	if (!call_file(call, 0, 0))
		return -EBADF;
	if ((ssize_t)iov.iov_len < 0)
		return (call->file[0]->flags & O_ACCMODE) == (write ? O_RDONLY : O_WRONLY) ? -EBADF : -EFAULT;
	if (iov.iov_len > MAX_RW_COUNT)
		iov.iov_len = MAX_RW_COUNT;
	return file_transfer(call, &iov, 1, write);
}

static int64_t vector_transfer(struct pl_call *call, bool write)
{
	struct iovec *iov = call_pointer(call, 1);
	int64_t result;
	size_t total;

	if (!call_file(call, 0, 0))
		return -EBADF;
	result = message_iov(iov, call->arg[2], -EINVAL, &total);
	if (result || !total)
		return result;
	return file_transfer(call, iov, (size_t)call->arg[2], write);
}

int64_t call_read(struct pl_stack *stack, struct pl_call *call)
{
	return buffer_transfer(call, false);
}

int64_t call_readv(struct pl_stack *stack, struct pl_call *call)
{
	return vector_transfer(call, false);
}

int64_t call_write(struct pl_stack *stack, struct pl_call *call)
{
	return buffer_transfer(call, true);
}

int64_t call_writev(struct pl_stack *stack, struct pl_call *call)
{
	return vector_transfer(call, true);
}

/* --- send ------------------------------------------------------------------------------------------------------------ */

/* One buffer of a send or receive call: longer than MAX_RW_COUNT is cut. */
static struct iovec call_buffer(const struct pl_call *call)
{
	size_t size = (size_t)call->arg[2];

	return (struct iovec){ call_pointer(call, 1), size > MAX_RW_COUNT ? MAX_RW_COUNT : size };
}

static int64_t send_to(struct pl_call *call, int flags, const void *name, int64_t name_length)
{
	struct sockaddr_storage address;
	struct iovec iov = call_buffer(call);
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	if (!sk)
		return result;
	if (name) {
		result = address_in(name, name_length, &address);
		if (result)
			return result;
		msg.msg_name = &address;
		msg.msg_namelen = (socklen_t)name_length;
	}
	return sock_send(sk, call, &msg, flags & ~MSG_INTERNAL);
}

int64_t call_send(struct pl_stack *stack, struct pl_call *call)
{
	return send_to(call, (int)call->arg[3], NULL, 0);
}

int64_t call_sendto(struct pl_stack *stack, struct pl_call *call)
{
	return send_to(call, (int)call->arg[3], call_pointer(call, 4), call->arg[5]);
}

/* Control messages beyond what Linux has room for on its stack are copied to memory that net.core.optmem_max bounds. */
static bool control_fits(const struct sock *sk, size_t length)
{
	size_t most = (size_t)sk->stack->sysctl.optmem_max;

	return length <= sizeof(struct cmsghdr) + 20 || (length <= INT_MAX && length <= most && sk->optmem + length < most);
}

/* The part of sendmsg that sendmmsg shares: check *user as ____sys_sendmsg() does, then send. */
static int64_t send_message(struct sock *sk, struct pl_call *call, const struct msghdr *user, int flags)
{
	struct sockaddr_storage address;
	struct msghdr msg;
	int64_t result;
	size_t total;

	if (!user)
		return -EFAULT;
	msg = *user;
	if (!msg.msg_name)
		msg.msg_namelen = 0;
	if ((int)msg.msg_namelen < 0)
		return -EINVAL;
	if (msg.msg_namelen > sizeof(address))
		msg.msg_namelen = sizeof(address);
	if (msg.msg_name && msg.msg_namelen) {
		address_in(msg.msg_name, msg.msg_namelen, &address);
		msg.msg_name = &address;
	} else {
		msg.msg_name = NULL;
		msg.msg_namelen = 0;
	}
	result = message_iov(msg.msg_iov, (int64_t)msg.msg_iovlen, -EMSGSIZE, &total);
	if (result)
		return result;
	if (!control_fits(sk, msg.msg_controllen))
		return -ENOBUFS;
	if (msg.msg_controllen && !msg.msg_control)
		return -EFAULT;
	return sock_send(sk, call, &msg, flags & ~MSG_INTERNAL);
}

int64_t call_sendmsg(struct pl_stack *stack, struct pl_call *call)
{
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	return sk ? send_message(sk, call, call_pointer(call, 1), (int)call->arg[2]) : result;
}

/* sendmmsg: messages until one fails; the count of those that went, or the error of the first. */
int64_t call_sendmmsg(struct pl_stack *stack, struct pl_call *call)
{
	struct mmsghdr *messages = call_pointer(call, 1);
	unsigned count = (unsigned)call->arg[2];
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	if (!sk)
		return result;
	if (count > UIO_MAXIOV)
		count = UIO_MAXIOV;
	while ((unsigned)call->messages < count) {
		result = messages ? send_message(sk, call, &messages[call->messages].msg_hdr, (int)call->arg[3]) : -EFAULT;
		if (result == CALL_WAITS)
			return CALL_WAITS;
		if (result < 0)
			break;
		messages[call->messages++].msg_len = (unsigned)result;
		call->progress = 0;
		call_wait_restart(call);
	}
	return call->messages ? call->messages : result < 0 ? result : 0;
}

/* --- receive ---------------------------------------------------------------------------------------------------------- */

static int64_t receive_from(struct pl_call *call, int flags, void *name, void *name_length)
{
	struct sockaddr_storage address;
	struct iovec iov = call_buffer(call);
	struct msghdr msg = { .msg_name = name, .msg_iov = &iov, .msg_iovlen = 1 };
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	if (!sk)
		return result;
	result = sock_receive(sk, call, &msg, &address, flags);
	if (result >= 0 && name) {
		int64_t error = address_out(name, name_length, &address, msg.msg_namelen);

		if (error)
			return error;
	}
	return result;
}

int64_t call_recv(struct pl_stack *stack, struct pl_call *call)
{
	return receive_from(call, (int)call->arg[3], NULL, NULL);
}

int64_t call_recvfrom(struct pl_stack *stack, struct pl_call *call)
{
	return receive_from(call, (int)call->arg[3], call_pointer(call, 4), call_pointer(call, 5));
}

/* The part of recvmsg that recvmmsg shares: check *user as ____sys_recvmsg() does, receive, and write back what changed. */
static int64_t receive_message(struct sock *sk, struct pl_call *call, struct msghdr *user, int flags)
{
	struct sockaddr_storage address;
	struct msghdr msg;
	int64_t result;
	size_t total;

	if (!user)
		return -EFAULT;
	msg = *user;
	if (msg.msg_name && (int)msg.msg_namelen < 0)
		return -EINVAL;
	result = message_iov(msg.msg_iov, (int64_t)msg.msg_iovlen, -EMSGSIZE, &total);
	if (result)
		return result;
	result = sock_receive(sk, call, &msg, &address, flags);
	if (result < 0)
		return result;
	if (msg.msg_name) {
		int64_t error = address_out(msg.msg_name, &user->msg_namelen, &address, msg.msg_namelen);

		if (error)
			return error;
	}
	user->msg_flags = msg.msg_flags;
	user->msg_controllen = msg.msg_controllen;
	return result;
}

int64_t call_recvmsg(struct pl_stack *stack, struct pl_call *call)
{
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	return sk ? receive_message(sk, call, call_pointer(call, 1), (int)call->arg[2]) : result;
}

/*
 * recvmmsg: until the messages are full, one fails, out-of-band data came, or the timeout was found to have passed after a
 * message (it does not end a wait: recvmmsg(2), BUGS). An error after the first message is kept for the next call.
 */
int64_t call_recvmmsg(struct pl_stack *stack, struct pl_call *call)
{
	struct mmsghdr *messages = call_pointer(call, 1);
	const struct timespec *timeout = call_pointer(call, 4);
	unsigned count = (unsigned)call->arg[2];
	int flags = (int)call->arg[3];
	int64_t result = 0;
	pl_time limit = PL_TIME_NEVER;
	struct sock *sk;

	if (timeout) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= PL_NSEC_PER_SEC)
			return -EINVAL;
		if (timeout->tv_sec < PL_TIME_NEVER / PL_NSEC_PER_SEC / 2)
			limit = call->submitted + timeout->tv_sec * PL_NSEC_PER_SEC + timeout->tv_nsec;
	}
	sk = call_sock(call, &result);
	if (!sk)
		return result;
	if (!call->waiting && !(flags & MSG_ERRQUEUE)) {
		result = sock_error_take(sk);
		if (result)
			return result;
	}
	while ((unsigned)call->messages < count) {
		int wait = call->messages && flags & MSG_WAITFORONE ? MSG_DONTWAIT : 0;

		result = messages ? receive_message(sk, call, &messages[call->messages].msg_hdr,
						    (flags & ~MSG_WAITFORONE) | wait)
				  : -EFAULT;
		if (result == CALL_WAITS)
			return CALL_WAITS;
		if (result < 0)
			break;
		messages[call->messages].msg_len = (unsigned)result;
		call->progress = 0;
		call_wait_restart(call);
		if (messages[call->messages++].msg_hdr.msg_flags & MSG_OOB || call->stack->now >= limit)
			break;
	}
	if (!call->messages)
		return result;
	if (result < 0 && result != -EAGAIN)
		sk->error = (int)-result;
	return call->messages;
}
