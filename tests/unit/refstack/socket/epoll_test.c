#include "../calls.h"

static struct fixture f;
static int epoll, fd[4];
static struct epoll_event out[8];

static void set_up(void)
{
	fixture_new(&f);
	epoll = (int)CALL(&f, epoll_create1, 0);
	for (int i = 0; i < 4; i++)
		fd[i] = udp_bound(&f, LOCAL, (uint16_t)(5000 + i));
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(epoll, .init = set_up, .fini = tear_down);

static void watch(int operation, int i, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = (uint64_t)i };

	CALL_IS(&f, 0, epoll_ctl, epoll, operation, fd[i], PL_PTR(&event));
}

static void arrive(int i)
{
	inject_udp(&f, 1, (uint16_t)(5000 + i), "x", 1);
}

/* What epoll_wait reports now: the sockets' numbers as decimal digits, the first one in front; -1: nothing. */
static int report(int room)
{
	int64_t count = CALL(&f, epoll_wait, epoll, PL_PTR(out), room, 0);
	int digits = count ? 0 : -1;

	for (int64_t i = 0; i < count; i++)
		digits = digits * 10 + (int)out[i].data.u64;
	return digits;
}

/* Level-triggered: ready ones in the order of waking, those reported go to the end, those left out stay in front. */
Test(epoll, level_order)
{
	for (int i = 0; i < 4; i++)
		watch(EPOLL_CTL_ADD, i, EPOLLIN);
	cr_assert_eq(report(8), -1);
	arrive(2);
	arrive(1);
	arrive(3);
	arrive(2);
	cr_assert_eq(report(8), 213);
	cr_assert_eq(report(1), 2);
	cr_assert_eq(report(2), 13);
	cr_assert_eq(report(2), 21);
	CALL_IS(&f, 1, read, fd[1], PL_PTR(out), sizeof(out));
	cr_assert_eq(report(8), 32);
}

/* Edge-triggered: each wake is reported once, whether anything was read in between or not. */
Test(epoll, edges)
{
	watch(EPOLL_CTL_ADD, 1, EPOLLIN | EPOLLET);
	arrive(1);
	cr_assert_eq(report(8), 1);
	cr_assert_eq(report(8), -1);
	arrive(1);
	cr_assert_eq(report(8), 1);
	watch(EPOLL_CTL_MOD, 1, EPOLLIN | EPOLLET);
	cr_assert_eq(report(8), 1);
	cr_assert_eq(report(8), -1);
}

/* Sending is an edge of its own: the datagram has left and there is room again. */
Test(epoll, writable_edge_after_sending)
{
	struct sockaddr_in to = socket_address(REMOTE, 9);

	watch(EPOLL_CTL_ADD, 0, EPOLLOUT | EPOLLET);
	cr_assert_eq(report(8), 0);
	cr_assert_eq(report(8), -1);
	CALL_IS(&f, 1, sendto, fd[0], PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
	cr_assert_eq(report(8), 0);
}

Test(epoll, oneshot)
{
	watch(EPOLL_CTL_ADD, 1, EPOLLIN | EPOLLONESHOT);
	arrive(1);
	cr_assert_eq(report(8), 1);
	arrive(1);
	cr_assert_eq(report(8), -1);
	watch(EPOLL_CTL_MOD, 1, EPOLLIN | EPOLLONESHOT);
	cr_assert_eq(report(8), 1);
}

Test(epoll, waiting)
{
	struct pl_call call;

	watch(EPOLL_CTL_ADD, 1, EPOLLIN);
	SUBMIT(&f, &call, epoll_wait, epoll, PL_PTR(out), 8, 50);
	pl_stack_run_until(f.stack, 49 * PL_NSEC_PER_MSEC);
	cr_assert_not(call.finished);
	pl_stack_run_until(f.stack, 50 * PL_NSEC_PER_MSEC);
	cr_assert(call.finished && call.result == 0);
	SUBMIT(&f, &call, epoll_wait, epoll, PL_PTR(out), 8, -1);
	arrive(1);
	cr_assert(call.finished && call.result == 1);
}

/* Two sets watch one socket exclusively, each with a caller: one wakes. Not exclusively: both. */
Test(epoll, exclusive)
{
	for (int exclusive = 0; exclusive < 2; exclusive++) {
		struct epoll_event event = { .events = EPOLLIN | (exclusive ? EPOLLEXCLUSIVE : 0) }, got[2];
		struct pl_call call[2];
		int set[2];

		for (int i = 0; i < 2; i++) {
			set[i] = (int)CALL(&f, epoll_create1, 0);
			CALL_IS(&f, 0, epoll_ctl, set[i], EPOLL_CTL_ADD, fd[exclusive], PL_PTR(&event));
			SUBMIT(&f, &call[i], epoll_wait, set[i], PL_PTR(&got[i]), 1, 1000);
		}
		arrive(exclusive);
		cr_assert_eq(call[0].finished + call[1].finished, exclusive ? 1 : 2);
		pl_stack_run_until(f.stack, pl_stack_now(f.stack) + 2 * PL_NSEC_PER_SEC);
	}
}

Test(epoll, ctl_errors)
{
	struct epoll_event event = { .events = EPOLLIN };
	int other = (int)CALL(&f, epoll_create1, 0);

	CALL_IS(&f, -EINVAL, epoll_create, 0);
	CALL_IS(&f, -EINVAL, epoll_create1, 1);
	CALL_IS(&f, -EBADF, epoll_ctl, 99, EPOLL_CTL_ADD, fd[0], PL_PTR(&event));
	CALL_IS(&f, -EBADF, epoll_ctl, epoll, EPOLL_CTL_ADD, 99, PL_PTR(&event));
	CALL_IS(&f, -EINVAL, epoll_ctl, fd[0], EPOLL_CTL_ADD, fd[1], PL_PTR(&event));
	CALL_IS(&f, -EINVAL, epoll_ctl, epoll, EPOLL_CTL_ADD, epoll, PL_PTR(&event));
	CALL_IS(&f, -EFAULT, epoll_ctl, epoll, EPOLL_CTL_ADD, fd[0], 0);
	CALL_IS(&f, -EINVAL, epoll_ctl, epoll, 9, fd[0], PL_PTR(&event));
	CALL_IS(&f, -ENOENT, epoll_ctl, epoll, EPOLL_CTL_MOD, fd[0], PL_PTR(&event));
	CALL_IS(&f, -ENOENT, epoll_ctl, epoll, EPOLL_CTL_DEL, fd[0], 0);
	CALL_IS(&f, 0, epoll_ctl, epoll, EPOLL_CTL_ADD, fd[0], PL_PTR(&event));
	CALL_IS(&f, -EEXIST, epoll_ctl, epoll, EPOLL_CTL_ADD, fd[0], PL_PTR(&event));
	CALL_IS(&f, 0, epoll_ctl, other, EPOLL_CTL_ADD, epoll, PL_PTR(&event));
	CALL_IS(&f, -ELOOP, epoll_ctl, epoll, EPOLL_CTL_ADD, other, PL_PTR(&event));
	CALL_IS(&f, -EINVAL, epoll_wait, epoll, PL_PTR(out), 0, 0);
	CALL_IS(&f, -EINVAL, epoll_wait, fd[0], PL_PTR(out), 1, 0);
	arrive(0);
	CALL_IS(&f, 1, epoll_wait, other, PL_PTR(out), 8, 0);
}

/* A file takes its items with it when its last descriptor goes, and a set what it has. */
Test(epoll, closing)
{
	int copy = (int)CALL(&f, dup, fd[1]);

	watch(EPOLL_CTL_ADD, 1, EPOLLIN);
	CALL_IS(&f, 0, close, fd[1]);
	arrive(1);
	cr_assert_eq(report(8), 1);
	CALL_IS(&f, 0, close, copy);
	cr_assert_eq(report(8), -1);
	watch(EPOLL_CTL_ADD, 2, EPOLLIN);
	CALL_IS(&f, 0, close, epoll);
	arrive(2);
	CALL_IS(&f, 1, read, fd[2], PL_PTR(out), sizeof(out));
}
