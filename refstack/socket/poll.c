/* poll(2). */
#include "file.h"

#include <poll.h>

uint32_t file_poll(struct pl_file *file)
{
	return file->ops->poll ? file->ops->poll(file) : EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}

/* What poll says of one descriptor; POLL* and EPOLL* have the same values. */
static short poll_one(struct pl_stack *stack, const struct pollfd *entry)
{
	struct pl_file *file;

	if (entry->fd < 0)
		return 0;
	file = descriptor_file(stack, entry->fd);
	if (!file)
		return POLLNVAL;
	return (short)(file_poll(file) & ((uint16_t)entry->events | EPOLLERR | EPOLLHUP));
}

int64_t call_poll(struct pl_stack *stack, struct pl_call *call)
{
	struct pollfd *entries = call_pointer(call, 0);
	uint64_t count = (uint32_t)call->arg[1];
	int timeout = (int)call->arg[2], ready = 0;

	if (count > DESCRIPTOR_LIMIT)
		return -EINVAL;
	if (count && !entries)
		return -EFAULT;
	for (uint64_t i = 0; i < count; i++) {
		entries[i].revents = poll_one(stack, &entries[i]);
		ready += entries[i].revents != 0;
	}
	if (ready || timeout == 0 || call->timed_out)
		return ready;
	if (call->cancelled)
		return -EINTR;
	for (uint64_t i = 0; i < count; i++) {
		struct pl_file *file = descriptor_file(stack, entries[i].fd);

		if (file && file->ops->wait &&
		    call_wait_on(call, file->ops->wait(file), (uint16_t)entries[i].events, false))
			return -ENOMEM;
	}
	if (call_wait_until(call, timeout < 0 ? PL_TIME_NEVER : call->since + timeout * PL_NSEC_PER_MSEC))
		return -ENOMEM;
	return CALL_WAITS;
}
