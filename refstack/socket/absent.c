/* Calls whose own file has not come yet: they say so. */
#include "file.h"

#define ABSENT(name)                                                                                                           \
	int64_t call_##name(struct pl_stack *stack, struct pl_call *call)                                                      \
	{                                                                                                                      \
		return -ENOSYS;                                                                                                \
	}
ABSENT(ioctl)
ABSENT(cap_set)

int64_t socket_ioctl(struct pl_file *file, unsigned long request, void *argument)
{
	return -ENOTTY;
}
