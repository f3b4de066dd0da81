#include "../calls.h"

#include <fcntl.h>

static struct fixture f;
static int end[2];
static char bytes[200000], back[200000];

static void set_up(void)
{
	fixture_new(&f);
	CALL_IS(&f, 0, pipe, PL_PTR(end));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 / 5);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(pipe, .init = set_up, .fini = tear_down);

Test(pipe, what_goes_in_comes_out)
{
	cr_assert(end[0] == 3 && end[1] == 4);
	CALL_IS(&f, 10000, write, end[1], PL_PTR(bytes), 10000);
	CALL_IS(&f, 500, write, end[1], PL_PTR(bytes + 10000), 500);
	CALL_IS(&f, 7000, read, end[0], PL_PTR(back), 7000);
	CALL_IS(&f, 3500, read, end[0], PL_PTR(back + 7000), 100000);
	cr_assert_arr_eq(back, bytes, 10500);
	CALL_IS(&f, -EAGAIN, read, end[0], PL_PTR(back), 1);
	CALL_IS(&f, -EBADF, read, end[1], PL_PTR(back), 1);
	CALL_IS(&f, -EBADF, write, end[0], PL_PTR(back), 1);
}

/* Sixteen pages; a writer waits for room and goes on where it was. */
Test(pipe, a_full_one_makes_wait)
{
	struct pl_call call;
	size_t done = 0;

	SUBMIT(&f, &call, write, end[1], PL_PTR(bytes), 150000);
	cr_assert_not(call.finished);
	while (!call.finished) {
		int64_t count = CALL(&f, read, end[0], PL_PTR(back + done), 30000);

		cr_assert_gt(count, 0);
		done += (size_t)count;
	}
	cr_assert_eq(call.result, 150000);
	while (done < 150000)
		done += (size_t)CALL(&f, read, end[0], PL_PTR(back + done), 30000);
	cr_assert_arr_eq(back, bytes, 150000);
	CALL_IS(&f, 0, fcntl, end[1], F_SETFL, O_NONBLOCK);
	CALL_IS(&f, 65536, write, end[1], PL_PTR(bytes), 100000);
	CALL_IS(&f, -EAGAIN, write, end[1], PL_PTR(bytes), 1);
}

Test(pipe, one_end_closed)
{
	struct pl_call call;

	SUBMIT(&f, &call, read, end[0], PL_PTR(back), 10);
	CALL_IS(&f, 0, close, end[1]);
	cr_assert(call.finished && call.result == 0);
	CALL_IS(&f, 0, pipe, PL_PTR(end));
	CALL_IS(&f, 0, close, end[0]);
	CALL_IS(&f, -EPIPE, write, end[1], PL_PTR(bytes), 1);
}

/* Datagrams through a pipe: each send is one message of what is there. */
Test(pipe, splice_to_a_socket)
{
	struct sockaddr_in to = socket_address(REMOTE, 9);
	int fd = open_socket(&f, SOCK_DGRAM, 0);

	CALL_IS(&f, 0, connect, fd, PL_PTR(&to), sizeof(to));
	CALL_IS(&f, 300, write, end[1], PL_PTR(bytes), 300);
	CALL_IS(&f, 100, splice, end[0], 0, fd, 0, 100, 0);
	cr_assert_eq(take(&f)->length, 128);
	CALL_IS(&f, 200, splice, end[0], 0, fd, 0, 1000, 0);
	cr_assert_eq(take(&f)->length, 228);
	CALL_IS(&f, -EAGAIN, splice, end[0], 0, fd, 0, 1000, SPLICE_F_NONBLOCK);
	inject_udp(&f, 9, 1, "", 0);
	CALL_IS(&f, -EINVAL, splice, fd, 0, fd, 0, 10, 0);
	CALL_IS(&f, -EINVAL, splice, end[0], 0, end[1], 0, 10, 0);
	CALL_IS(&f, -ESPIPE, splice, end[0], PL_PTR(bytes), fd, 0, 10, 0);
	CALL_IS(&f, -EINVAL, splice, end[0], 0, fd, 0, 10, 0x1000);
	CALL_IS(&f, 0, splice, 99, 0, 99, 0, 0, 0);
	CALL_IS(&f, -EBADF, splice, 99, 0, fd, 0, 1, 0);
}

Test(pipe, splice_from_a_socket)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pl_call call;

	SUBMIT(&f, &call, splice, fd, 0, end[1], 0, 50, 0);
	cr_assert_not(call.finished);
	inject_udp(&f, 1, 5000, bytes, 80);
	cr_assert(call.finished && call.result == 50);
	CALL_IS(&f, 50, read, end[0], PL_PTR(back), 100);
	cr_assert_arr_eq(back, bytes, 50);
}
