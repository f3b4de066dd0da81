/* pipe(2), and reading and writing its ends. */
#include "pipe.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

struct pipe *pipe_of(const struct pl_file *file)
{
	return file->ops == &pipe_read_ops || file->ops == &pipe_write_ops ? file->pipe : NULL;
}

size_t pipe_push(struct pipe *pipe, const void *bytes, size_t length, bool merge)
{
	struct pipe_slot *slot = pipe_slot(pipe, pipe->used);

	if (pipe_full(pipe) || !length)
		return 0;
	if (!slot->page)
		slot->page = malloc(PIPE_PAGE);
	if (!slot->page)
		return 0;
	slot->offset = 0;
	slot->length = length < PIPE_PAGE ? (unsigned)length : PIPE_PAGE;
	slot->merge = merge;
	memcpy(slot->page, bytes, slot->length);
	pipe->used++;
	return slot->length;
}

void pipe_consume(struct pipe *pipe, size_t length)
{
	while (length) {
		struct pipe_slot *slot = pipe_slot(pipe, 0);
		unsigned part = length < slot->length ? (unsigned)length : slot->length;

		slot->offset += part;
		slot->length -= part;
		length -= part;
		if (!slot->length) {
			pipe->first = (pipe->first + 1) % PIPE_SLOTS;
			pipe->used--;
		}
	}
}

void pipe_wake_readers(struct pipe *pipe)
{
	wait_queue_wake(&pipe->readable, EPOLLIN | EPOLLRDNORM);
}

void pipe_wake_writers(struct pipe *pipe)
{
	wait_queue_wake(&pipe->writable, EPOLLOUT | EPOLLWRNORM);
}

/* Copy into the message's buffers from byte `done` on, as far as there is data. */
static size_t pipe_take(struct pipe *pipe, struct msghdr *msg, size_t done, size_t wanted)
{
	size_t taken = 0;

	while (pipe->used && taken < wanted) {
		struct pipe_slot *slot = pipe_slot(pipe, 0);
		size_t part = slot->length < wanted - taken ? slot->length : wanted - taken;

		if (msg_copy_out(msg, done + taken, slot->page + slot->offset, part) < part)
			break;
		pipe_consume(pipe, part);
		taken += part;
	}
	return taken;
}

static int64_t pipe_read(struct pl_file *file, struct pl_call *call, struct msghdr *msg, int64_t *offset)
{
	struct pipe *pipe = file->pipe;
	size_t wanted = msg_length(msg), taken;
	bool was_full = pipe_full(pipe);

	if (offset)
		return -ESPIPE;
	if (!wanted)
		return 0;
	if (pipe->used) {
		taken = pipe_take(pipe, msg, 0, wanted);
		if (!taken)
			return -EFAULT;
		if (was_full && !pipe_full(pipe))	/* an edge only where there was none to write before */
			pipe_wake_writers(pipe);
		return (int64_t)taken;
	}
	if (!pipe->writers)
		return 0;
	return call_wait(call, &pipe->readable, EPOLLIN, true, file->flags & O_NONBLOCK ? 0 : PL_TIME_NEVER);
}

/* Append what fits: the tail of the last slot first when a write made it and all of this part goes in, then new slots. */
static int64_t pipe_put(struct pipe *pipe, const struct msghdr *msg, size_t done, size_t length)
{
	uint8_t page[PIPE_PAGE];
	size_t put = 0, tail = length % PIPE_PAGE;

	if (tail && pipe->used) {
		struct pipe_slot *last = pipe_slot(pipe, pipe->used - 1);

		if (last->merge && last->offset + last->length + tail <= PIPE_PAGE) {
			if (msg_copy_in(msg, done, last->page + last->offset + last->length, tail) < tail)
				return -EFAULT;
			last->length += (unsigned)tail;
			put = tail;
		}
	}
	while (put < length && !pipe_full(pipe)) {
		size_t part = length - put < PIPE_PAGE ? length - put : PIPE_PAGE;

		if (msg_copy_in(msg, done + put, page, part) < part)
			return put ? (int64_t)put : -EFAULT;
		if (!pipe_push(pipe, page, part, true))
			return put ? (int64_t)put : -ENOMEM;
		put += part;
	}
	return (int64_t)put;
}

/* Linux sends SIGPIPE as well; a call that is data has nobody to send it to. */
static int64_t pipe_write(struct pl_file *file, struct pl_call *call, struct msghdr *msg, int64_t *offset)
{
	struct pipe *pipe = file->pipe;
	size_t length = msg_length(msg);
	bool wait = !(file->flags & O_NONBLOCK);
	int64_t put, result;

	if (offset)
		return -ESPIPE;
	if (!length)
		return 0;
	if (!pipe->readers)
		return call->progress ? call->progress : -EPIPE;
	put = pipe_put(pipe, msg, (size_t)call->progress, length - (size_t)call->progress);
	if (put < 0)
		return call->progress ? call->progress : put;
	pipe_wake_readers(pipe);	/* edge-triggered sets see every write, even one that found no room */
	call->progress += put;
	if ((size_t)call->progress == length)
		return call->progress;
	result = call_wait(call, &pipe->writable, EPOLLOUT, true, wait ? PL_TIME_NEVER : 0);
	return result == CALL_WAITS || !call->progress ? result : call->progress;
}

static uint32_t pipe_read_poll(struct pl_file *file)
{
	const struct pipe *pipe = file->pipe;

	return (pipe->used ? EPOLLIN | EPOLLRDNORM : 0) | (pipe->writers ? 0 : EPOLLHUP);
}

static uint32_t pipe_write_poll(struct pl_file *file)
{
	const struct pipe *pipe = file->pipe;

	return (pipe_full(pipe) ? 0 : EPOLLOUT | EPOLLWRNORM) | (pipe->readers ? 0 : EPOLLERR);
}

static struct wait_queue *pipe_read_queue(struct pl_file *file)
{
	return &file->pipe->readable;
}

static struct wait_queue *pipe_write_queue(struct pl_file *file)
{
	return &file->pipe->writable;
}

/* One end goes; the pipe goes with the second. */
static int64_t pipe_release(struct pl_file *file, struct pl_call *call)
{
	struct pipe *pipe = file->pipe;

	if (file->ops == &pipe_read_ops)
		pipe->readers = 0;
	else
		pipe->writers = 0;
	if (pipe->readers || pipe->writers) {
		wait_queue_wake(&pipe->readable, EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP);
		wait_queue_wake(&pipe->writable, EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
		return 0;
	}
	for (unsigned i = 0; i < PIPE_SLOTS; i++)
		free(pipe->slot[i].page);
	free(pipe);
	return 0;
}

static void pipe_destroy(struct pl_file *file)
{
	pipe_release(file, NULL);
}

static int64_t pipe_ioctl(struct pl_file *file, unsigned long request, void *argument)
{
	struct pipe *pipe = file->pipe;
	int bytes = 0;

	if (request != FIONREAD)
		return -ENOTTY;
	if (!argument)
		return -EFAULT;
	for (unsigned i = 0; i < pipe->used; i++)
		bytes += (int)pipe_slot(pipe, i)->length;
	memcpy(argument, &bytes, sizeof(bytes));
	return 0;
}

const struct file_ops pipe_read_ops = {
	.read = pipe_read,
	.ioctl = pipe_ioctl,
	.poll = pipe_read_poll,
	.wait = pipe_read_queue,
	.release = pipe_release,
	.destroy = pipe_destroy,
};

const struct file_ops pipe_write_ops = {
	.write = pipe_write,
	.ioctl = pipe_ioctl,
	.poll = pipe_write_poll,
	.wait = pipe_write_queue,
	.release = pipe_release,
	.destroy = pipe_destroy,
};

int64_t call_pipe(struct pl_stack *stack, struct pl_call *call)
{
	int *fds = call_pointer(call, 0), fd[2] = { -1, -1 };
	struct pipe *pipe;
	struct pl_file *end[2];

	if (!fds)
		return -EFAULT;
	pipe = calloc(1, sizeof(*pipe));
	end[0] = pipe ? file_new(stack, &pipe_read_ops, O_RDONLY, pipe) : NULL;
	end[1] = pipe ? file_new(stack, &pipe_write_ops, O_WRONLY, pipe) : NULL;
	if (!end[0] || !end[1]) {
		free(end[0]);
		free(end[1]);
		free(pipe);
		return -ENFILE;
	}
	pipe->readers = pipe->writers = 1;
	for (int i = 0; i < 2; i++) {
		fd[i] = descriptor_install(stack, end[i], 0, false);
		if (fd[i] >= 0)
			continue;
		if (i)
			descriptor_remove(stack, fd[0]);
		file_put(end[0], NULL);
		file_put(end[1], NULL);
		return fd[i];
	}
	memcpy(fds, fd, sizeof(fd));
	return 0;
}
