/*
 * Open files: what a descriptor refers to. A socket, an epoll set, one end of a pipe, or a plain file lent by the embedder.
 * Descriptors are small numbers into one table per stack; dup and O_NONBLOCK follow open file descriptions as POSIX has them.
 */
#ifndef REFSTACK_FILE_H
#define REFSTACK_FILE_H

#include <fcntl.h>

#include "sock.h"

struct pl_file;
struct epoll_item;

/*
 * What an open file can do. Handlers of calls take over CALL_WAITS from these. NULL: as the comment says.
 * An offset pointer is the file position to use and to move on, or NULL for the file's own.
 */
struct file_ops {
	int64_t (*read)(struct pl_file *file, struct pl_call *call, struct msghdr *msg, int64_t *offset);	/* NULL: -EINVAL */
	int64_t (*write)(struct pl_file *file, struct pl_call *call, struct msghdr *msg, int64_t *offset);	/* NULL: -EINVAL */
	int64_t (*ioctl)(struct pl_file *file, unsigned long request, void *argument);	/* NULL: -ENOTTY */
	uint32_t (*poll)(struct pl_file *file);		/* NULL: always readable and writable, and epoll_ctl gives -EPERM */
	struct wait_queue *(*wait)(struct pl_file *file);
	/* The last reference goes. As proto.close: 0 or, with a call, CALL_WAITS to be run again. */
	int64_t (*release)(struct pl_file *file, struct pl_call *call);
	void (*destroy)(struct pl_file *file);		/* free what the file holds, silently: the stack is being freed */
};

struct pl_file {
	struct pl_stack *stack;
	const struct file_ops *ops;
	unsigned references;		/* one a descriptor, one a call that uses it */
	int flags;			/* O_ACCMODE, O_NONBLOCK, O_APPEND, ... as F_GETFL shows them */
	int owner, signal;		/* F_SETOWN, F_SETSIG; file_set_owner */
	int64_t position;		/* plain files */
	struct epoll_item *watchers;	/* sets in which the file is */
	union {
		struct sock *sk;
		struct epoll *epoll;
		struct pipe *pipe;
		void *host;
		void *data;
	};
};

extern const struct file_ops socket_file_ops, epoll_file_ops, pipe_read_ops, pipe_write_ops, host_file_ops;

struct descriptor {
	struct pl_file *file;		/* NULL: free */
	bool close_on_exec;
};

struct descriptor_table {
	struct descriptor *slot;
	int room;			/* slots allocated */
	struct sock *sockets;		/* every socket */
	struct pl_waiting *waiting;	/* every call that waits */
	uint64_t last_cookie;		/* SO_COOKIE */
	uint32_t last_inode;
	bool freeing;			/* the stack is being freed: files are destroyed, not released */
};

/* RLIMIT_NOFILE as a login session has it: descriptors at or past it give -EMFILE. */
#define DESCRIPTOR_LIMIT 1024
/* 0, 1 and 2 are taken, as they are in any process that runs a script. */
#define DESCRIPTOR_FIRST 3

/* What is true of an open file now: EPOLL*. */
uint32_t file_poll(struct pl_file *file);
/* A new open file with one reference and no descriptor; NULL: no memory. */
struct pl_file *file_new(struct pl_stack *stack, const struct file_ops *ops, int flags, void *data);
struct pl_file *file_hold(struct pl_file *file);
/* Give a reference back. When it was the last, the file is released: with `call`, that may wait (CALL_WAITS). */
int64_t file_put(struct pl_file *file, struct pl_call *call);

/* The lowest free descriptor from `first`, made to refer to file, whose reference it takes over. -EMFILE, -ENOMEM, -EINVAL. */
int descriptor_install(struct pl_stack *stack, struct pl_file *file, int first, bool close_on_exec);
/* 0, or -EMFILE when no descriptor is free. */
int descriptor_available(const struct pl_stack *stack);
/* The file behind descriptor fd, not held; NULL: not open. */
struct pl_file *descriptor_file(struct pl_stack *stack, int64_t fd);
/* Free the descriptor; the caller gets its reference. NULL: not open. */
struct pl_file *descriptor_remove(struct pl_stack *stack, int64_t fd);

/*
 * The file behind argument `argument` of a call, held until the call is finished: a call that waits keeps its files though
 * their descriptors are closed meanwhile. slot 0 or 1: which of the call's two. NULL: -EBADF.
 */
struct pl_file *call_file(struct pl_call *call, int argument, int slot);
/* The socket behind argument 0. NULL: *error is -EBADF or -ENOTSOCK. */
struct sock *call_sock(struct pl_call *call, int64_t *error);
/* MSG_DONTWAIT when the call's first file is O_NONBLOCK, else 0. */
int call_dontwait(const struct pl_call *call);

/* --- waiting (wait.c) -------------------------------------------------------------------------------------------------- */
/* One waiter in one queue. Calls get theirs from call_wait_on; an epoll item embeds its own. */
struct pl_wait {
	struct pl_wait *next, *prev;
	struct wait_queue *queue;	/* NULL: in none */
	uint32_t events;		/* EPOLL* it asks for; others do not wake it */
	bool exclusive;
	/* True when it took the wake, so that an exclusive waiter ends the round. Must not take waiters off the queue. */
	bool (*wake)(struct pl_wait *wait, uint32_t events);
	union {
		struct pl_call *call;
		struct epoll_item *item;
	};
	struct pl_wait *sibling;	/* the same call's next */
};

void wait_queue_add(struct wait_queue *queue, struct pl_wait *wait);
void wait_queue_remove(struct pl_wait *wait);	/* nothing when it is in none */
void wait_queue_wake(struct wait_queue *queue, uint32_t events);	/* as sock_wake */

/* Let call be run again when `queue` is woken with one of `events`. 0 or -ENOMEM. */
int call_wait_on(struct pl_call *call, struct wait_queue *queue, uint32_t events, bool exclusive);
/*
 * Let call be run again, with timed_out set, at `deadline`; PL_TIME_NEVER: not for the time. 0 or -ENOMEM. Every handler that
 * returns CALL_WAITS has called this, or what does: the call can be cancelled from then on.
 */
int call_wait_until(struct pl_call *call, pl_time deadline);
/* The whole wait on one queue, as sock_wait's contract says. */
int64_t call_wait(struct pl_call *call, struct wait_queue *queue, uint32_t events, bool exclusive, pl_time timeout);
/* A call that waits starts a new span of waiting: its timeout counts from now on. */
void call_wait_restart(struct pl_call *call);
/* call->finished, and what it held is given back. */
void call_finish(struct pl_call *call, int64_t result);
void call_run(struct pl_call *call);

/* --- call handlers ------------------------------------------------------------------------------------------------------ */
#define PL_CALL_HANDLER(name, ...) int64_t call_##name(struct pl_stack *stack, struct pl_call *call);
PL_CALL_LIST(PL_CALL_HANDLER)
#undef PL_CALL_HANDLER

/* Finish every waiting call with -EINTR, without running it. */
void calls_cancel_all(struct pl_stack *stack);
void sock_destroy_all(struct pl_stack *stack);
/* Take a file that is going away out of every epoll set. */
void epoll_forget_file(struct pl_file *file);

/*
 * Who gets the file's signals: a process, a process group as a negative number, 0 for nobody. Of processes the stack knows the first
 * one, which every machine has: -ESRCH for any other, -EINVAL for a number that has no negative.
 */
int64_t file_set_owner(struct pl_file *file, int owner);
int64_t socket_ioctl(struct pl_file *file, unsigned long request, void *argument);

/* Arguments as the C types they are. */
static inline void *call_pointer(const struct pl_call *call, int argument)
{
	return (void *)(intptr_t)call->arg[argument];
}

/* The row for socket(2), or minus the kernel's error. */
int protocol_find(struct pl_stack *stack, int family, int type, int protocol, const struct proto **proto, int *number);

#endif
