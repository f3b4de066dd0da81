/*
 * Descriptors and open files.
 *
 * A descriptor is a slot in the table; what it refers to, the open file, is counted: one reference a descriptor, one a call that
 * is using it. A call that waits therefore keeps its file alive after close(2), and the file is released when the call ends, as
 * Linux releases it with the last fput().
 */
#include "../ip/igmp.h"
#include "../link/neighbour.h"
#include "file.h"

#include <stdlib.h>

struct pl_file *file_new(struct pl_stack *stack, const struct file_ops *ops, int flags, void *data)
{
	struct pl_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->stack = stack;
	file->ops = ops;
	file->references = 1;
	file->flags = flags;
	file->data = data;
	return file;
}

struct pl_file *file_hold(struct pl_file *file)
{
	file->references++;
	return file;
}

int64_t file_put(struct pl_file *file, struct pl_call *call)
{
	bool freeing = file->stack->descriptors->freeing;

	if (file->references == 1) {
		epoll_forget_file(file);
		if (freeing && file->ops->destroy)
			file->ops->destroy(file);
		if (!freeing && file->ops->release && file->ops->release(file, call) == CALL_WAITS)
			return CALL_WAITS;
	}
	if (--file->references == 0)
		free(file);
	return 0;
}

struct pl_file *descriptor_file(struct pl_stack *stack, int64_t fd)
{
	const struct descriptor_table *table = stack->descriptors;
	int number = (int)fd;	/* the kernel takes an unsigned int: the upper half of the register is not looked at */

	return number >= 0 && number < table->room ? table->slot[number].file : NULL;
}

/* Make room for descriptor fd. 0 or -ENOMEM. */
static int table_grow(struct descriptor_table *table, int fd)
{
	int room = table->room ? table->room : 16;

	while (room <= fd)
		room *= 2;
	if (room > table->room) {
		struct descriptor *slot = realloc(table->slot, (size_t)room * sizeof(*slot));

		if (!slot)
			return -ENOMEM;
		memset(slot + table->room, 0, (size_t)(room - table->room) * sizeof(*slot));
		table->slot = slot;
		table->room = room;
	}
	return 0;
}

/* The lowest free descriptor from `first`; it may be past the table's end. */
static int descriptor_lowest(const struct descriptor_table *table, int first)
{
	int fd = first < DESCRIPTOR_FIRST ? DESCRIPTOR_FIRST : first;

	while (fd < table->room && table->slot[fd].file)
		fd++;
	return fd;
}

int descriptor_available(const struct pl_stack *stack)
{
	return descriptor_lowest(stack->descriptors, 0) < DESCRIPTOR_LIMIT ? 0 : -EMFILE;
}

int descriptor_install(struct pl_stack *stack, struct pl_file *file, int first, bool close_on_exec)
{
	struct descriptor_table *table = stack->descriptors;
	int fd = descriptor_lowest(table, first);

	if (fd >= DESCRIPTOR_LIMIT)
		return -EMFILE;
	if (table_grow(table, fd))
		return -ENOMEM;
	table->slot[fd] = (struct descriptor){ .file = file, .close_on_exec = close_on_exec };
	return fd;
}

struct pl_file *descriptor_remove(struct pl_stack *stack, int64_t fd)
{
	struct pl_file *file = descriptor_file(stack, fd);

	if (file)
		stack->descriptors->slot[(int)fd] = (struct descriptor){ 0 };
	return file;
}

struct pl_file *call_file(struct pl_call *call, int argument, int slot)
{
	if (!call->file[slot]) {
		struct pl_file *file = descriptor_file(call->stack, call->arg[argument]);

		if (!file)
			return NULL;
		call->file[slot] = file_hold(file);
	}
	return call->file[slot];
}

struct sock *call_sock(struct pl_call *call, int64_t *error)
{
	struct pl_file *file = call_file(call, 0, 0);

	if (!file) {
		*error = -EBADF;
		return NULL;
	}
	if (file->ops != &socket_file_ops) {
		*error = -ENOTSOCK;
		return NULL;
	}
	return file->sk;
}

int call_dontwait(const struct pl_call *call)
{
	return call->file[0] && call->file[0]->flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
}

/*
 * close(2). The descriptor is free at once; releasing the file may linger, and the call waits then with the file in its slot.
 * Linux returns 0 even when the wait is interrupted.
 */
int64_t call_close(struct pl_stack *stack, struct pl_call *call)
{
	struct pl_file *file = call->file[0];

	if (!file) {
		file = descriptor_remove(stack, call->arg[0]);
		if (!file)
			return -EBADF;
		call->file[0] = file;
	}
	if (file_put(file, call) == CALL_WAITS)
		return CALL_WAITS;
	call->file[0] = NULL;
	return 0;
}

int64_t call_dup(struct pl_stack *stack, struct pl_call *call)
{
	struct pl_file *file = descriptor_file(stack, call->arg[0]);
	int fd;

	if (!file)
		return -EBADF;
	fd = descriptor_install(stack, file, 0, false);
	if (fd >= 0)
		file_hold(file);
	return fd;
}

/* F_DUPFD and F_DUPFD_CLOEXEC: the lowest free descriptor not below `first`. */
static int64_t fcntl_dup(struct pl_stack *stack, struct pl_file *file, int64_t first, bool close_on_exec)
{
	int fd;

	if (first < 0 || first >= DESCRIPTOR_LIMIT)
		return -EINVAL;
	fd = descriptor_install(stack, file, (int)first, close_on_exec);
	if (fd >= 0)
		file_hold(file);
	return fd;
}

int64_t file_set_owner(struct pl_file *file, int owner)
{
	if (owner == INT_MIN)
		return -EINVAL;
	if (owner < -1 || owner > 1)
		return -ESRCH;
	file->owner = owner;
	return 0;
}

/* F_SETOWN_EX, F_GETOWN_EX: a thread, a process or a process group; F_SETOWN tells the last two apart by the sign. */
static int64_t fcntl_owner_ex(struct pl_file *file, int command, void *argument)
{
	struct f_owner_ex owner;

	if (!argument)
		return -EFAULT;
	if (command == F_GETOWN_EX) {
		owner.type = file->owner < 0 ? F_OWNER_PGRP : F_OWNER_PID;
		owner.pid = file->owner < 0 ? -file->owner : file->owner;
		memcpy(argument, &owner, sizeof(owner));
		return 0;
	}
	memcpy(&owner, argument, sizeof(owner));
	if (owner.type != F_OWNER_TID && owner.type != F_OWNER_PID && owner.type != F_OWNER_PGRP)
		return -EINVAL;
	return file_set_owner(file, owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid);
}

/* What F_SETFL may change (fcntl(2)); the rest of the flags stays as it was opened. */
#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME)

int64_t call_fcntl(struct pl_stack *stack, struct pl_call *call)
{
	struct pl_file *file = descriptor_file(stack, call->arg[0]);
	struct descriptor *slot;
	int64_t value = call->arg[2];

	if (!file)
		return -EBADF;
	slot = &stack->descriptors->slot[(int)call->arg[0]];
	switch ((int)call->arg[1]) {
	case F_DUPFD:
		return fcntl_dup(stack, file, (int)value, false);
	case F_DUPFD_CLOEXEC:
		return fcntl_dup(stack, file, (int)value, true);
	case F_GETFD:
		return slot->close_on_exec ? FD_CLOEXEC : 0;
	case F_SETFD:
		slot->close_on_exec = value & FD_CLOEXEC;
		return 0;
	case F_GETFL:
		return file->flags;
	case F_SETFL:
		if (value & O_DIRECT & ~file->flags)
			return -EINVAL;
		file->flags = (file->flags & ~SETFL_MASK) | ((int)value & SETFL_MASK);
		return 0;
	case F_GETOWN:
		return file->owner;
	case F_SETOWN:
		return file_set_owner(file, (int)value);
	case F_SETOWN_EX:
	case F_GETOWN_EX:
		return fcntl_owner_ex(file, (int)call->arg[1], call_pointer(call, 2));
	case F_GETSIG:
		return file->signal;
	case F_SETSIG:
		if (value < 0 || value > 64)
			return -EINVAL;
		file->signal = (int)value;
		return 0;
	}
	return -EINVAL;
}

int socket_host_new(struct pl_stack *stack)
{
	stack->descriptors = calloc(1, sizeof(*stack->descriptors));
	return stack->descriptors ? 0 : -ENOMEM;
}

void socket_host_free(struct pl_stack *stack)
{
	struct descriptor_table *table = stack->descriptors;

	if (!table)
		return;
	table->freeing = true;
	calls_cancel_all(stack);
	neighbour_queues_drop(stack);
	sock_senders_forget(stack);
	for (struct link *link = stack->links; link; link = link->next)
		mc_device_clear(link->ipv4->multicast);		/* so that no router is told that groups are left */
	for (int fd = 0; fd < table->room; fd++) {
		struct pl_file *file = descriptor_remove(stack, fd);

		if (file)
			file_put(file, NULL);
	}
	sock_destroy_all(stack);
	free(table->slot);
	free(table);
	stack->descriptors = NULL;
}
