#include "../calls.h"

#include <sys/time.h>

static struct fixture f;
static char buffer[3][16];

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(wait, .init = set_up, .fini = tear_down);

static int finished;
static void count_finished(struct pl_call *call)
{
	finished++;
}

Test(wait, a_read_waits_for_data)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pl_call call = { .op = PL_OP_read, .arg = { fd, PL_PTR(buffer[0]), 16 }, .done = count_finished };

	finished = 0;
	pl_call_submit(f.stack, &call);
	cr_assert_not(call.finished);
	pl_stack_run_until(f.stack, 5 * PL_NSEC_PER_SEC);
	cr_assert_not(call.finished);
	inject_udp(&f, 1, 5000, "abc", 3);
	cr_assert(call.finished);
	cr_assert_eq(finished, 1);
	cr_assert_eq(call.result, 3);
	cr_assert_eq(call.submitted, 0);
	cr_assert_eq(call.completed, 5 * PL_NSEC_PER_SEC);
	cr_assert_arr_eq(buffer[0], "abc", 3);
}

/* Readers of datagrams are served one a datagram, in the order in which they came. */
Test(wait, readers_are_served_in_order)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pl_call call[3];

	for (int i = 0; i < 3; i++)
		SUBMIT(&f, &call[i], read, fd, PL_PTR(buffer[i]), 16);
	inject_udp(&f, 1, 5000, "a", 1);
	cr_assert(call[0].finished && !call[1].finished && !call[2].finished);
	inject_udp(&f, 1, 5000, "b", 1);
	cr_assert(call[1].finished && !call[2].finished);
	inject_udp(&f, 1, 5000, "c", 1);
	cr_assert(call[2].finished);
	cr_assert(buffer[0][0] == 'a' && buffer[1][0] == 'b' && buffer[2][0] == 'c');
}

Test(wait, receive_timeout)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct timeval tv = { 0, 101000 };	/* 26 ticks of 4 ms */
	struct pl_call call;

	CALL_IS(&f, 0, setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, PL_PTR(&tv), sizeof(tv));
	SUBMIT(&f, &call, read, fd, PL_PTR(buffer[0]), 16);
	pl_stack_run_until(f.stack, 103 * PL_NSEC_PER_MSEC);
	cr_assert_not(call.finished);
	pl_stack_run_until(f.stack, 105 * PL_NSEC_PER_MSEC);
	cr_assert(call.finished);
	cr_assert_eq(call.result, -EAGAIN);
	cr_assert_eq(call.completed, 104 * PL_NSEC_PER_MSEC);
	cr_assert_eq(pl_stack_next_timer(f.stack), PL_TIME_NEVER);
}

Test(wait, cancelled)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pl_call call;

	SUBMIT(&f, &call, read, fd, PL_PTR(buffer[0]), 16);
	pl_call_cancel(f.stack, &call);
	cr_assert(call.finished);
	cr_assert_eq(call.result, -EINTR);
	pl_call_cancel(f.stack, &call);		/* once more: nothing */
	inject_udp(&f, 1, 5000, "abc", 3);
	CALL_IS(&f, 3, read, fd, PL_PTR(buffer[1]), 16);
}

/* Waiting is not for O_NONBLOCK, nor for MSG_DONTWAIT. */
Test(wait, not_wanted)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pl_call call;

	SUBMIT(&f, &call, recv, fd, PL_PTR(buffer[0]), 16, MSG_DONTWAIT);
	cr_assert(call.finished);
	cr_assert_eq(call.result, -EAGAIN);
	CALL_IS(&f, 0, fcntl, fd, 4 /* F_SETFL */, 04000 /* O_NONBLOCK */);
	SUBMIT(&f, &call, read, fd, PL_PTR(buffer[0]), 16);
	cr_assert_eq(call.result, -EAGAIN);
	CALL_IS(&f, -EAGAIN, read, fd, PL_PTR(buffer[0]), 16);
}

/* A call keeps its socket though the descriptor is closed meanwhile. */
Test(wait, descriptor_closed_meanwhile)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pl_call call;

	SUBMIT(&f, &call, read, fd, PL_PTR(buffer[0]), 16);
	CALL_IS(&f, 0, close, fd);
	cr_assert_not(call.finished);
	inject_udp(&f, 1, 5000, "abc", 3);
	cr_assert(call.finished);
	cr_assert_eq(call.result, 3);
	inject_udp(&f, 1, 5000, "abc", 3);
	COUNTER_IS(&f, "Udp", "NoPorts", 1);
}

/* Freeing a stack ends what waits, each told once, and leaves nothing. */
Test(wait, stack_freed)
{
	struct fixture own;
	struct pl_call call[2] = { 0 };

	fixture_new(&own);
	finished = 0;
	for (int i = 0; i < 2; i++) {
		call[i] = (struct pl_call){ .op = PL_OP_read, .done = count_finished };
		call[i].arg[0] = udp_bound(&own, LOCAL, (uint16_t)(5000 + i));
		call[i].arg[1] = PL_PTR(buffer[i]);
		call[i].arg[2] = 16;
		pl_call_submit(own.stack, &call[i]);
	}
	fixture_free(&own);
	cr_assert_eq(finished, 2);
	cr_assert(call[0].finished && call[0].result == -EINTR && call[1].finished);
}

/* A finished call's done() may submit the next. */
static struct pl_call again;
static void read_again(struct pl_call *call)
{
	again = (struct pl_call){ .op = PL_OP_read, .arg = { call->arg[0], PL_PTR(buffer[1]), 16 } };
	pl_call_submit(f.stack, &again);
}

Test(wait, submitted_by_done)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pl_call call = { .op = PL_OP_read, .arg = { fd, PL_PTR(buffer[0]), 16 }, .done = read_again };

	pl_call_submit(f.stack, &call);
	inject_udp(&f, 1, 5000, "a", 1);
	cr_assert(call.finished && !again.finished);
	inject_udp(&f, 1, 5000, "b", 1);
	cr_assert(again.finished && buffer[1][0] == 'b');
}

Test(wait, recvmmsg_keeps_what_it_has)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct iovec iov[3];
	struct mmsghdr message[3] = { 0 };
	struct pl_call call;

	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ buffer[i], 16 };
		message[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	inject_udp(&f, 1, 5000, "a", 1);
	SUBMIT(&f, &call, recvmmsg, fd, PL_PTR(message), 3, 0, 0);
	cr_assert_not(call.finished);
	inject_udp(&f, 1, 5000, "bc", 2);
	cr_assert_not(call.finished);
	inject_udp(&f, 1, 5000, "def", 3);
	cr_assert(call.finished);
	cr_assert_eq(call.result, 3);
	cr_assert(message[0].msg_len == 1 && message[1].msg_len == 2 && message[2].msg_len == 3);
	inject_udp(&f, 1, 5000, "a", 1);
	CALL_IS(&f, 1, recvmmsg, fd, PL_PTR(message), 3, MSG_WAITFORONE, 0);
	SUBMIT(&f, &call, recvmmsg, fd, PL_PTR(message), 3, 0, 0);
	inject_udp(&f, 1, 5000, "a", 1);
	pl_call_cancel(f.stack, &call);
	cr_assert_eq(call.result, 1);
}
