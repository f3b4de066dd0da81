/*
 * splice(2) and sendfile(2).
 *
 * Bytes go through a pipe's slots. Into a pipe: from a stream, packet by packet without waiting for more than the first, or from a
 * plain file. Out of a pipe: into a socket, up to sixteen slots in one message, MSG_MORE while more is there. sendfile is a splice
 * through a pipe of its own: sixteen pages at a time, each one message.
 */
#include "message.h"
#include "pipe.h"

#include <stdlib.h>

#define SPLICE_ALL (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* --- into a pipe ------------------------------------------------------------------------------------------------------ */

struct pipe_sink {
	struct pipe *pipe;
	size_t left;
};

/* Take the bytes of one packet, a slot a page. */
static size_t sink_take(void *context, const uint8_t *bytes, size_t length)
{
	struct pipe_sink *sink = context;
	size_t taken = 0;

	while (taken < length && sink->left) {
		size_t part = length - taken < sink->left ? length - taken : sink->left;
		size_t put = pipe_push(sink->pipe, bytes + taken, part, false);

		if (!put)
			break;
		taken += put;
		sink->left -= put;
	}
	return taken;
}

/* Sockets that cannot lend their packets are read as recvmsg reads them. */
static int64_t splice_by_copy(struct sock *sk, struct pl_call *call, struct pipe *pipe, size_t length, int flags)
{
	size_t room = (PIPE_SLOTS - pipe->used) * (size_t)PIPE_PAGE;
	struct iovec iov = { NULL, length < room ? length : room };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pipe_sink sink = { pipe, iov.iov_len };
	int64_t result;

	iov.iov_base = malloc(iov.iov_len + 1);
	if (!iov.iov_base)
		return -ENOMEM;
	result = sk->proto->recvmsg ? sk->proto->recvmsg(sk, call, &msg, flags) : -EOPNOTSUPP;
	if (result > 0)
		result = (int64_t)sink_take(&sink, iov.iov_base, (size_t)result);
	free(iov.iov_base);
	return result;
}

/* As tcp_splice_read(): what is queued, waiting only while there is nothing; an urgent byte ends it. */
static int64_t splice_from_stream(struct sock *sk, struct pl_call *call, struct pipe *pipe, size_t length, int flags)
{
	struct pipe_sink sink = { pipe, length };
	int64_t moved = sk->proto->read_sock(sk, sink_take, &sink);

	if (moved)
		return moved;
	if (sock_flag(sk, SF_DONE))
		return 0;
	if (sk->error)
		return sock_error_take(sk);
	if (sk->shutdown & RCV_SHUTDOWN)
		return 0;
	if (sk->state == TCP_CLOSE)
		return -ENOTCONN;
	if (flags & MSG_DONTWAIT)
		return -EAGAIN;
	if (sk->receive_queue.count)
		return 0;
	return sock_wait(sk, call, EPOLLIN | EPOLLRDNORM, sk->receive_timeout);
}

static int64_t splice_to_pipe(struct pl_file *in, int64_t *offset, struct pl_call *call, struct pl_file *out, size_t length,
			      bool nonblock)
{
	struct pipe *pipe = out->pipe;
	size_t room = (PIPE_SLOTS - pipe->used) * (size_t)PIPE_PAGE;
	int flags = in->flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
	int64_t result;

	if (!pipe->readers)
		return -EPIPE;
	if (pipe_full(pipe))
		return call_wait(call, &pipe->writable, EPOLLOUT, true, nonblock ? 0 : PL_TIME_NEVER);
	if (length > room)
		length = room;
	if (in->ops == &socket_file_ops)
		result = in->sk->proto->read_sock ? splice_from_stream(in->sk, call, pipe, length, flags)
						  : splice_by_copy(in->sk, call, pipe, length, flags);
	else if (in->ops == &host_file_ops)
		result = host_file_splice(in, offset, pipe, length);
	else
		result = -EINVAL;
	if (result > 0)
		pipe_wake_readers(pipe);
	return result;
}

/* --- out of a pipe ---------------------------------------------------------------------------------------------------- */

/* One message of what the pipe holds, at most `length` bytes. */
static int64_t pipe_to_socket(struct pipe *pipe, struct sock *sk, struct pl_call *call, size_t length, int flags)
{
	struct iovec iov[PIPE_SLOTS];
	struct msghdr msg = { .msg_iov = iov };
	unsigned i;

	for (i = 0; i < pipe->used && length; i++) {
		struct pipe_slot *slot = pipe_slot(pipe, i);

		iov[i].iov_base = slot->page + slot->offset;
		iov[i].iov_len = slot->length < length ? slot->length : length;
		length -= iov[i].iov_len;
	}
	msg.msg_iovlen = i;
	if (length && i < pipe->used)
		flags |= MSG_MORE;
	return sk->proto->sendmsg ? sk->proto->sendmsg(sk, call, &msg, flags | MSG_SPLICE_PAGES) : -EOPNOTSUPP;
}

/* As splice_to_socket(): until `length` bytes have gone or the pipe is empty after the first. call->messages counts the bytes. */
static int64_t splice_to_socket(struct pl_file *in, struct pl_file *out, struct pl_call *call, size_t length, unsigned how)
{
	struct pipe *pipe = in->pipe;
	int flags = (how & SPLICE_F_MORE ? MSG_MORE : 0) | (out->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
	int64_t result = 0;

	while ((size_t)call->messages < length) {
		if (!pipe->used) {
			if (!pipe->writers || call->messages)
				break;
			return call_wait(call, &pipe->readable, EPOLLIN, true, how & SPLICE_F_NONBLOCK ? 0 : PL_TIME_NEVER);
		}
		result = pipe_to_socket(pipe, out->sk, call, length - (size_t)call->messages, flags);
		if (result == CALL_WAITS)
			return CALL_WAITS;
		if (result <= 0)
			break;
		call->messages += result;
		call->progress = 0;
		pipe_consume(pipe, (size_t)result);
		pipe_wake_writers(pipe);
	}
	return call->messages ? call->messages : result;
}

/* Between two pipes whole slots move on. */
static int64_t splice_pipe_to_pipe(struct pipe *in, struct pipe *out, struct pl_call *call, size_t length, bool nonblock)
{
	pl_time limit = nonblock ? 0 : PL_TIME_NEVER;
	size_t moved = 0;

	if (!in->used && in->writers)
		return call_wait(call, &in->readable, EPOLLIN, true, limit);
	if (!out->readers)
		return -EPIPE;
	if (pipe_full(out))
		return call_wait(call, &out->writable, EPOLLOUT, true, limit);
	while (in->used && moved < length && !pipe_full(out)) {
		struct pipe_slot *slot = pipe_slot(in, 0);
		size_t part = slot->length < length - moved ? slot->length : length - moved;

		part = pipe_push(out, slot->page + slot->offset, part, false);
		if (!part)
			break;
		pipe_consume(in, part);
		moved += part;
	}
	if (moved) {
		pipe_wake_readers(out);
		pipe_wake_writers(in);
	}
	return (int64_t)moved;
}

/* --- the calls --------------------------------------------------------------------------------------------------------- */

static bool may_read(const struct pl_file *file)
{
	return (file->flags & O_ACCMODE) != O_WRONLY;
}

static bool may_write(const struct pl_file *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY;
}

static int64_t splice_files(struct pl_call *call, struct pl_file *in, struct pl_file *out, size_t length, unsigned flags)
{
	int64_t *in_offset = call_pointer(call, 1), *out_offset = call_pointer(call, 3);
	struct pipe *in_pipe = pipe_of(in), *out_pipe = pipe_of(out);
	bool nonblock = flags & SPLICE_F_NONBLOCK;

	if ((in_pipe && in_offset) || (out_pipe && out_offset))
		return -ESPIPE;
	if (!may_read(in) || !may_write(out))
		return -EBADF;
	if (in_pipe && out_pipe)
		return in_pipe == out_pipe ? -EINVAL
					   : splice_pipe_to_pipe(in_pipe, out_pipe, call, length,
								 nonblock || (in->flags | out->flags) & O_NONBLOCK);
	if (in_pipe) {
		if (out_offset || out->ops != &socket_file_ops)
			return -EINVAL;
		return splice_to_socket(in, out, call, length, in->flags & O_NONBLOCK ? flags | SPLICE_F_NONBLOCK : flags);
	}
	if (!out_pipe)
		return -EINVAL;
	if (in_offset && in->ops != &host_file_ops)
		return -EINVAL;
	return splice_to_pipe(in, in_offset, call, out, length, nonblock || out->flags & O_NONBLOCK);
}

int64_t call_splice(struct pl_stack *stack, struct pl_call *call)
{
	size_t length = (size_t)call->arg[4];
	unsigned flags = (unsigned)call->arg[5];
	struct pl_file *in, *out;

	if (!length)
		return 0;
	if (flags & ~(unsigned)SPLICE_ALL)
		return -EINVAL;
	in = call_file(call, 0, 0);
	out = in ? call_file(call, 2, 1) : NULL;
	if (!out)
		return -EBADF;
	return splice_files(call, in, out, length > MAX_RW_COUNT ? MAX_RW_COUNT : length, flags);
}

/*
 * One chunk of sendfile: read at most sixteen pages at *position and send them, with MSG_MORE when more is to come: both wanted and
 * there, as Linux pushes at the end of the file. Bytes sent.
 */
static int64_t sendfile_chunk(struct pl_call *call, struct pl_file *in, int64_t position, size_t wanted, uint8_t *buffer)
{
	struct pl_file *out = call->file[1];
	size_t size = PIPE_SLOTS * PIPE_PAGE;
	size_t part = wanted < size ? wanted : size;
	int64_t count = host_file_read_at(in, buffer, part, position);
	int flags = MSG_SPLICE_PAGES | (out->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
	struct iovec iov = { buffer, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count <= 0)
		return count;
	iov.iov_len = (size_t)count;
	if ((size_t)count < wanted && host_file_size(in) > position + count)
		flags |= MSG_MORE;
	if (out->ops == &socket_file_ops)
		return out->sk->proto->sendmsg ? out->sk->proto->sendmsg(out->sk, call, &msg, flags) : -EOPNOTSUPP;
	return out->ops->write ? out->ops->write(out, call, &msg, NULL) : -EINVAL;
}

int64_t call_sendfile(struct pl_stack *stack, struct pl_call *call)
{
	int64_t *offset = call_pointer(call, 2), *position, result = 0;
	size_t count = (size_t)call->arg[3];
	struct pl_file *in, *out;
	uint8_t *buffer;

	in = call_file(call, 1, 0);
	if (!in || !may_read(in))
		return -EBADF;
	if (offset && in->ops != &host_file_ops)
		return -ESPIPE;
	position = offset ? offset : &in->position;
	if ((ssize_t)count < 0 || *position < 0)
		return -EINVAL;
	out = call_file(call, 0, 1);
	if (!out || !may_write(out))
		return -EBADF;
	if (in->ops != &host_file_ops)
		return -EINVAL;
	buffer = malloc(PIPE_SLOTS * PIPE_PAGE);
	if (!buffer)
		return -ENOMEM;
	if (count > MAX_RW_COUNT)
		count = MAX_RW_COUNT;
	while ((size_t)call->messages < count) {
		result = sendfile_chunk(call, in, *position, count - (size_t)call->messages, buffer);
		if (result <= 0)
			break;
		call->messages += result;
		*position += result;
		call->progress = 0;
	}
	free(buffer);
	return result == CALL_WAITS || !call->messages ? result : call->messages;
}
