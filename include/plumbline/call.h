/*
 * Socket calls as data.
 *
 * A call is a value: it can wait without a thread, be traced, be sent to another target, be replayed. Arguments are those of
 * the Linux system call of the same name, in the same order: integers by value, structures by pointer to the Linux C type.
 * The result is Linux's: zero or more, or minus the error number.
 */
#ifndef PLUMBLINE_CALL_H
#define PLUMBLINE_CALL_H

#include <plumbline/time.h>
#include <stdbool.h>
#include <stdint.h>

struct pl_stack;

/*
 * What an argument is. A length that belongs to a pointer stands in the argument named by the kind's comment; the kinds serve
 * the stack (checking), the marshaller (parsing and printing) and the kernel target (which memory to keep) alike.
 */
enum pl_arg {
	PL_ARG_NONE,
	PL_ARG_FD,		/* descriptor */
	PL_ARG_INT,		/* plain number, flags included; the option tables name its values */
	PL_ARG_SOCKADDR_IN,	/* const struct sockaddr *; the next argument is its socklen_t */
	PL_ARG_SOCKLEN_IN,	/* socklen_t by value */
	PL_ARG_SOCKADDR_OUT,	/* struct sockaddr *, may be NULL; the next argument is socklen_t * */
	PL_ARG_SOCKLEN_INOUT,	/* socklen_t * */
	PL_ARG_BUF_IN,		/* const void *; the next argument is its size */
	PL_ARG_BUF_OUT,		/* void *; the next argument is its size */
	PL_ARG_SIZE,		/* size_t by value */
	PL_ARG_IOV_IN,		/* const struct iovec *; the next argument is the count */
	PL_ARG_IOV_OUT,		/* const struct iovec *; the next argument is the count */
	PL_ARG_MSG_IN,		/* const struct msghdr * */
	PL_ARG_MSG_OUT,		/* struct msghdr * */
	PL_ARG_MMSG_IN,		/* struct mmsghdr *; the next argument is the count */
	PL_ARG_MMSG_OUT,	/* struct mmsghdr *; the next argument is the count */
	PL_ARG_LEVEL,		/* socket option level */
	PL_ARG_OPTNAME,		/* socket option name, within the level before it */
	PL_ARG_OPTVAL_IN,	/* const void *; the next argument is its socklen_t */
	PL_ARG_OPTVAL_OUT,	/* void *; the next argument is socklen_t * */
	PL_ARG_REQUEST,		/* ioctl request or fcntl command */
	PL_ARG_REQUEST_ARG,	/* what the request takes: a number or a pointer */
	PL_ARG_POLLFDS,		/* struct pollfd *; the next argument is the count */
	PL_ARG_EVENT_IN,	/* struct epoll_event * */
	PL_ARG_EVENTS_OUT,	/* struct epoll_event *; the next argument is the room */
	PL_ARG_TIMEOUT_MS,	/* int, milliseconds; -1 waits without limit */
	PL_ARG_TIMESPEC,	/* const struct timespec *, may be NULL */
	PL_ARG_FDS_OUT,		/* int[2] */
	PL_ARG_OFFSET,		/* off_t *, may be NULL */
	PL_ARG_PATH,		/* const char * */
};

/*
 * One row a call: X(name, argument kinds...). The name is the system call's; PL_OP_<name> is its number, pl_call_table[] its
 * row. Calls on plain files (open, lseek on them) act on the harness's own files, which the stack's descriptors may refer to.
 * cap_set is packetdrill's: cap_set(CAP_EFFECTIVE | CAP_PERMITTED | CAP_INHERITABLE, CAP_x, CAP_SET | CAP_CLEAR), on the caller;
 * the first and the last are the enums of libcap (cap_flag_t: 0, 1, 2; cap_flag_value_t: CAP_CLEAR 0, CAP_SET 1).
 */
#define PL_CALL_LIST(X)                                                                                                        \
	X(socket, PL_ARG_INT, PL_ARG_INT, PL_ARG_INT)                                                                          \
	X(bind, PL_ARG_FD, PL_ARG_SOCKADDR_IN, PL_ARG_SOCKLEN_IN)                                                              \
	X(connect, PL_ARG_FD, PL_ARG_SOCKADDR_IN, PL_ARG_SOCKLEN_IN)                                                           \
	X(listen, PL_ARG_FD, PL_ARG_INT)                                                                                       \
	X(accept, PL_ARG_FD, PL_ARG_SOCKADDR_OUT, PL_ARG_SOCKLEN_INOUT)                                                        \
	X(accept4, PL_ARG_FD, PL_ARG_SOCKADDR_OUT, PL_ARG_SOCKLEN_INOUT, PL_ARG_INT)                                           \
	X(getsockname, PL_ARG_FD, PL_ARG_SOCKADDR_OUT, PL_ARG_SOCKLEN_INOUT)                                                   \
	X(getpeername, PL_ARG_FD, PL_ARG_SOCKADDR_OUT, PL_ARG_SOCKLEN_INOUT)                                                   \
	X(shutdown, PL_ARG_FD, PL_ARG_INT)                                                                                     \
	X(close, PL_ARG_FD)                                                                                                    \
	X(read, PL_ARG_FD, PL_ARG_BUF_OUT, PL_ARG_SIZE)                                                                        \
	X(readv, PL_ARG_FD, PL_ARG_IOV_OUT, PL_ARG_SIZE)                                                                       \
	X(recv, PL_ARG_FD, PL_ARG_BUF_OUT, PL_ARG_SIZE, PL_ARG_INT)                                                            \
	X(recvfrom, PL_ARG_FD, PL_ARG_BUF_OUT, PL_ARG_SIZE, PL_ARG_INT, PL_ARG_SOCKADDR_OUT, PL_ARG_SOCKLEN_INOUT)              \
	X(recvmsg, PL_ARG_FD, PL_ARG_MSG_OUT, PL_ARG_INT)                                                                      \
	X(recvmmsg, PL_ARG_FD, PL_ARG_MMSG_OUT, PL_ARG_SIZE, PL_ARG_INT, PL_ARG_TIMESPEC)                                      \
	X(write, PL_ARG_FD, PL_ARG_BUF_IN, PL_ARG_SIZE)                                                                        \
	X(writev, PL_ARG_FD, PL_ARG_IOV_IN, PL_ARG_SIZE)                                                                       \
	X(send, PL_ARG_FD, PL_ARG_BUF_IN, PL_ARG_SIZE, PL_ARG_INT)                                                             \
	X(sendto, PL_ARG_FD, PL_ARG_BUF_IN, PL_ARG_SIZE, PL_ARG_INT, PL_ARG_SOCKADDR_IN, PL_ARG_SOCKLEN_IN)                     \
	X(sendmsg, PL_ARG_FD, PL_ARG_MSG_IN, PL_ARG_INT)                                                                       \
	X(sendmmsg, PL_ARG_FD, PL_ARG_MMSG_IN, PL_ARG_SIZE, PL_ARG_INT)                                                        \
	X(getsockopt, PL_ARG_FD, PL_ARG_LEVEL, PL_ARG_OPTNAME, PL_ARG_OPTVAL_OUT, PL_ARG_SOCKLEN_INOUT)                         \
	X(setsockopt, PL_ARG_FD, PL_ARG_LEVEL, PL_ARG_OPTNAME, PL_ARG_OPTVAL_IN, PL_ARG_SOCKLEN_IN)                             \
	X(ioctl, PL_ARG_FD, PL_ARG_REQUEST, PL_ARG_REQUEST_ARG)                                                                \
	X(fcntl, PL_ARG_FD, PL_ARG_REQUEST, PL_ARG_REQUEST_ARG)                                                                \
	X(dup, PL_ARG_FD)                                                                                                      \
	X(poll, PL_ARG_POLLFDS, PL_ARG_SIZE, PL_ARG_TIMEOUT_MS)                                                                \
	X(epoll_create, PL_ARG_INT)                                                                                            \
	X(epoll_create1, PL_ARG_INT)                                                                                           \
	X(epoll_ctl, PL_ARG_FD, PL_ARG_INT, PL_ARG_FD, PL_ARG_EVENT_IN)                                                        \
	X(epoll_wait, PL_ARG_FD, PL_ARG_EVENTS_OUT, PL_ARG_INT, PL_ARG_TIMEOUT_MS)                                             \
	X(pipe, PL_ARG_FDS_OUT)                                                                                                \
	X(splice, PL_ARG_FD, PL_ARG_OFFSET, PL_ARG_FD, PL_ARG_OFFSET, PL_ARG_SIZE, PL_ARG_INT)                                 \
	X(sendfile, PL_ARG_FD, PL_ARG_FD, PL_ARG_OFFSET, PL_ARG_SIZE)                                                          \
	X(open, PL_ARG_PATH, PL_ARG_INT, PL_ARG_INT)                                                                           \
	X(cap_set, PL_ARG_INT, PL_ARG_INT, PL_ARG_INT)

enum pl_op {
#define PL_CALL_ENUM(name, ...) PL_OP_##name,
	PL_CALL_LIST(PL_CALL_ENUM)
#undef PL_CALL_ENUM
	PL_OP_COUNT
};

/* A row of the call table, for whoever parses, prints or carries out calls. */
struct pl_call_row {
	const char *name;
	enum pl_arg arg[6];	/* PL_ARG_NONE past the last */
};
extern const struct pl_call_row pl_call_table[PL_OP_COUNT];

struct pl_call {
	enum pl_op op;
	int64_t arg[6];			/* numbers, or pointers cast through intptr_t; memory stays the submitter's */
	int64_t result;			/* >= 0, or -errno; valid once done */
	bool finished;
	pl_time submitted, completed;	/* by the clock of whoever carries it out */
	void (*done)(struct pl_call *);	/* told once, when the call is finished; may be NULL */
	void *owner;			/* the submitter's own */
	bool may_wait;			/* it is meant to wait: a hint for targets that must decide where to carry it out */

	/* The stack's, set up by pl_call_submit: */
	struct pl_stack *stack;
	struct pl_file *file[2];	/* the open files behind its descriptors, held until it is finished */
	struct pl_waiting *waiting;	/* what it waits for; NULL when it does not wait */
	struct pl_call *ready_next;	/* in the list of calls to look at again */
	pl_time since;			/* when the timeout now running began */
	int64_t progress;		/* bytes done before it had to wait; the protocol's own */
	int64_t messages;		/* recvmmsg, sendmmsg: messages done; splice, sendfile: bytes moved */
	bool ready, timed_out, cancelled;
};

/* Carry out *call (op, arg, done and owner are set): now, or later when it has to wait. call->done is called once. */
void pl_call_submit(struct pl_stack *stack, struct pl_call *call);

/* Interrupt a waiting call as a signal would: it finishes with -EINTR, or with what it had done so far. */
void pl_call_cancel(struct pl_stack *stack, struct pl_call *call);

/* One call carried out at once: its result, or -EAGAIN when it would have to wait (it is cancelled then). */
int64_t pl_call_now(struct pl_stack *stack, enum pl_op op, const int64_t arg[6]);

#define PL_PTR(pointer) ((int64_t)(intptr_t)(pointer))

#endif
