/* Plain files, lent by whoever embeds the stack (struct pl_host_files): open(2), read, write, and what sendfile and splice take. */
#include "pipe.h"

#include <stdlib.h>

static const struct pl_host_files *host(const struct pl_file *file)
{
	return file->stack->files;
}

int64_t host_file_read_at(struct pl_file *file, void *buffer, size_t size, int64_t position)
{
	return host(file)->read(file->host, buffer, size, position);
}

int64_t host_file_size(struct pl_file *file)
{
	return host(file)->size(file->host);
}

int64_t host_file_splice(struct pl_file *file, int64_t *offset, struct pipe *pipe, size_t length)
{
	int64_t *position = offset ? offset : &file->position, moved = 0, count = 0;
	uint8_t page[PIPE_PAGE];

	while (length && !pipe_full(pipe)) {
		count = host_file_read_at(file, page, length < sizeof(page) ? length : sizeof(page), *position);
		if (count <= 0 || !pipe_push(pipe, page, (size_t)count, false))
			break;
		*position += count;
		moved += count;
		length -= (size_t)count;
	}
	return moved ? moved : count;
}

/* Read or write the message's buffers one after the other, until one moves less than it holds. */
static int64_t host_transfer(struct pl_file *file, struct msghdr *msg, int64_t *position, bool write)
{
	int64_t moved = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		const struct iovec *iov = &msg->msg_iov[i];
		int64_t count;

		if (!iov->iov_len)
			continue;
		if (!iov->iov_base)
			return moved ? moved : -EFAULT;
		count = write ? host(file)->write(file->host, iov->iov_base, iov->iov_len, *position)
			      : host(file)->read(file->host, iov->iov_base, iov->iov_len, *position);
		if (count < 0)
			return moved ? moved : count;
		*position += count;
		moved += count;
		if ((size_t)count < iov->iov_len)
			break;
	}
	return moved;
}

static int64_t host_read(struct pl_file *file, struct pl_call *call, struct msghdr *msg, int64_t *offset)
{
	return host_transfer(file, msg, offset ? offset : &file->position, false);
}

static int64_t host_write(struct pl_file *file, struct pl_call *call, struct msghdr *msg, int64_t *offset)
{
	if (!offset && file->flags & O_APPEND)
		file->position = host_file_size(file);
	return host_transfer(file, msg, offset ? offset : &file->position, true);
}

static void host_destroy(struct pl_file *file)
{
	host(file)->close(file->host);
}

static int64_t host_release(struct pl_file *file, struct pl_call *call)
{
	host_destroy(file);
	return 0;
}

const struct file_ops host_file_ops = {
	.read = host_read,
	.write = host_write,
	.release = host_release,
	.destroy = host_destroy,
};

int64_t call_open(struct pl_stack *stack, struct pl_call *call)
{
	const char *path = call_pointer(call, 0);
	int flags = (int)call->arg[1], fd;
	struct pl_file *file;
	int64_t result;

	if (!path)
		return -EFAULT;
	result = descriptor_available(stack);
	if (result)
		return result;
	if (!stack->files)
		return -ENOENT;
	file = file_new(stack, &host_file_ops, flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC), NULL);
	if (!file)
		return -ENOMEM;
	result = stack->files->open(stack->files->context, path, flags, (int)call->arg[2], &file->host);
	if (result < 0) {
		free(file);
		return result;
	}
	fd = descriptor_install(stack, file, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(file, NULL);
	return fd;
}
