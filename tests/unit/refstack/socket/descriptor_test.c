#include "../calls.h"

#include <fcntl.h>

static struct fixture f;

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(descriptor, .init = set_up, .fini = tear_down);

Test(descriptor, lowest_free_is_given)
{
	for (int fd = 3; fd < 8; fd++)
		cr_assert_eq(open_socket(&f, SOCK_DGRAM, 0), fd);
	CALL_IS(&f, 0, close, 4);
	CALL_IS(&f, 0, close, 6);
	cr_assert_eq(open_socket(&f, SOCK_DGRAM, 0), 4);
	CALL_IS(&f, 6, dup, 3);
	CALL_IS(&f, 8, dup, 3);
	CALL_IS(&f, 20, fcntl, 3, F_DUPFD, 20);
	CALL_IS(&f, 21, fcntl, 3, F_DUPFD, 20);
	CALL_IS(&f, -EINVAL, fcntl, 3, F_DUPFD, 1024);
	CALL_IS(&f, -EINVAL, fcntl, 3, F_DUPFD, -1);
}

Test(descriptor, bad_ones)
{
	CALL_IS(&f, -EBADF, close, 3);
	CALL_IS(&f, -EBADF, dup, 3);
	CALL_IS(&f, -EBADF, fcntl, 1000000, F_GETFL);
	CALL_IS(&f, -EBADF, read, -1, 0, 0);
	open_socket(&f, SOCK_DGRAM, 0);
	CALL_IS(&f, 0, close, 3);
	CALL_IS(&f, -EBADF, close, 3);
	cr_assert_eq(CALL(&f, epoll_create1, 0), 3);
	CALL_IS(&f, -ENOTSOCK, listen, 3, 1);
}

/* O_NONBLOCK is the open file's: both descriptors have it; FD_CLOEXEC is the descriptor's own. */
Test(descriptor, flags_belong_to_the_open_file)
{
	int fd = open_socket(&f, SOCK_DGRAM, 0), copy = (int)CALL(&f, dup, fd);

	CALL_IS(&f, O_RDWR, fcntl, fd, F_GETFL);
	CALL_IS(&f, 0, fcntl, copy, F_SETFL, O_RDWR | O_NONBLOCK);
	CALL_IS(&f, O_RDWR | O_NONBLOCK, fcntl, fd, F_GETFL);
	CALL_IS(&f, 0, fcntl, fd, F_SETFL, O_RDONLY);
	CALL_IS(&f, O_RDWR, fcntl, fd, F_GETFL);
	CALL_IS(&f, 0, fcntl, fd, F_SETFD, FD_CLOEXEC);
	CALL_IS(&f, FD_CLOEXEC, fcntl, fd, F_GETFD);
	CALL_IS(&f, 0, fcntl, copy, F_GETFD);
	fd = (int)CALL(&f, socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CALL_IS(&f, O_RDWR | O_NONBLOCK, fcntl, fd, F_GETFL);
	CALL_IS(&f, FD_CLOEXEC, fcntl, fd, F_GETFD);
}

Test(descriptor, no_more_than_the_limit)
{
	int64_t fd;

	while ((fd = CALL(&f, socket, AF_INET, SOCK_DGRAM, 0)) >= 0)
		cr_assert_lt(fd, 1024);
	cr_assert_eq(fd, -EMFILE);
	CALL_IS(&f, -EMFILE, dup, 3);
	CALL_IS(&f, 0, close, 500);
	cr_assert_eq(open_socket(&f, SOCK_DGRAM, 0), 500);
}

/* A socket lives until its last descriptor goes. */
Test(descriptor, closing_one_of_two)
{
	int fd = udp_bound(&f, LOCAL, 5000), copy = (int)CALL(&f, dup, fd);
	char buffer[8];

	CALL_IS(&f, 0, close, fd);
	inject_udp(&f, 1, 5000, "abc", 3);
	CALL_IS(&f, 3, read, copy, PL_PTR(buffer), sizeof(buffer));
	CALL_IS(&f, 0, close, copy);
	inject_udp(&f, 1, 5000, "abc", 3);
	COUNTER_IS(&f, "Udp", "NoPorts", 1);
}
