/* Calls whose own file has not come yet: they say so. */
#include "file.h"

#define ABSENT(name)                                                                                                           \
	int64_t call_##name(struct pl_stack *stack, struct pl_call *call)                                                      \
	{                                                                                                                      \
		return -ENOSYS;                                                                                                \
	}
ABSENT(ioctl)
ABSENT(poll)
ABSENT(epoll_create)
ABSENT(epoll_create1)
ABSENT(epoll_ctl)
ABSENT(epoll_wait)
ABSENT(pipe)
ABSENT(splice)
ABSENT(sendfile)
ABSENT(open)
ABSENT(cap_set)

void epoll_forget_file(struct pl_file *file)
{
}

int64_t socket_ioctl(struct pl_file *file, unsigned long request, void *argument)
{
	return -ENOTTY;
}
