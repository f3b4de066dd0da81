#include "one_socket.h"

#include <linux/capability.h>
#include <plumbline/sysctl.h>
#include <sys/time.h>

TestSuite(so_options, .init = set_up_unbound, .fini = tear_down);

/* Buffers are doubled, have a least size, and the tunables bound what is asked for as an unsigned number. */
Test(so_options, buffers)
{
	static const struct {
		int asked, send, receive;
	} rows[] = {
		{ 0, 4608, 2304 }, { 1, 4608, 2304 }, { 2304, 4608, 4608 }, { 5000, 10000, 10000 },
		{ 1 << 20, 425984, 425984 }, { -1, 425984, 425984 },
	};

	cr_assert_eq(pl_sysctl_start(f.stack, "net/core/wmem_max", "212992"), 0);
	cr_assert_eq(pl_sysctl_start(f.stack, "net/core/rmem_max", "212992"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_int(&f, fd, SOL_SOCKET, SO_SNDBUF, rows[i].asked);
		set_int(&f, fd, SOL_SOCKET, SO_RCVBUF, rows[i].asked);
		cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_SNDBUF), rows[i].send, "%d", rows[i].asked);
		cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_RCVBUF), rows[i].receive, "%d", rows[i].asked);
	}
	set_int(&f, fd, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20);
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_RCVBUF), 2 << 20);
}

Test(so_options, privileges)
{
	static const struct {
		int name, value, error;
	} rows[] = {
		{ SO_DEBUG, 1, -EACCES },     { SO_MARK, 1, -EPERM },	      { SO_PRIORITY, 7, -EPERM },
		{ SO_PRIORITY, 6, 0 },	      { SO_RCVBUFFORCE, 1, -EPERM },  { SO_SNDBUFFORCE, 1, -EPERM },
		{ SO_PREFER_BUSY_POLL, 1, -EPERM }, { SO_PREFER_BUSY_POLL, 0, 0 }, { SO_BUSY_POLL_BUDGET, 1, -EPERM },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int value = rows[i].value;

		pl_stack_set_credentials(f.stack, 0, 1, 1);
		CALL_IS(&f, rows[i].error, setsockopt, fd, SOL_SOCKET, rows[i].name, PL_PTR(&value), sizeof(value));
		pl_stack_set_credentials(f.stack, UINT64_MAX, 0, 0);
		CALL_IS(&f, 0, setsockopt, fd, SOL_SOCKET, rows[i].name, PL_PTR(&value), sizeof(value));
	}
}

Test(so_options, lengths_and_pointers)
{
	int value = 1;
	socklen_t length = 2;
	uint8_t two[2] = { 9, 9 };

	CALL_IS(&f, -EINVAL, setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, PL_PTR(&value), 3);
	CALL_IS(&f, -EINVAL, setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, PL_PTR(&value), -1);
	CALL_IS(&f, -EFAULT, setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, 0, 4);
	CALL_IS(&f, -ENOPROTOOPT, setsockopt, fd, SOL_SOCKET, 1000, PL_PTR(&value), 4);
	CALL_IS(&f, -ENOPROTOOPT, setsockopt, fd, SOL_SOCKET, SO_TYPE, PL_PTR(&value), 4);
	CALL_IS(&f, 0, getsockopt, fd, SOL_SOCKET, SO_TYPE, PL_PTR(two), PL_PTR(&length));
	cr_assert(length == 2 && two[0] == SOCK_DGRAM && two[1] == 0);
	CALL_IS(&f, -EFAULT, getsockopt, fd, SOL_SOCKET, SO_TYPE, PL_PTR(two), 0);
	length = (socklen_t)-1;
	CALL_IS(&f, -EINVAL, getsockopt, fd, SOL_SOCKET, SO_TYPE, PL_PTR(two), PL_PTR(&length));
}

/* A timeout is kept in ticks, rounded up; none is 0; a negative one is over at once and reads as 0. */
Test(so_options, timeouts)
{
	struct timeval tv = { 1, 1 }, out;
	socklen_t length = sizeof(out);

	CALL_IS(&f, 0, setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, PL_PTR(&tv), sizeof(tv));
	CALL_IS(&f, 0, getsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, PL_PTR(&out), PL_PTR(&length));
	cr_assert(out.tv_sec == 1 && out.tv_usec == 4000);
	tv = (struct timeval){ 1, 1000000 };
	CALL_IS(&f, -EDOM, setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, PL_PTR(&tv), sizeof(tv));
	CALL_IS(&f, -EINVAL, setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, PL_PTR(&tv), sizeof(tv) - 1);
	tv = (struct timeval){ -1, 0 };
	CALL_IS(&f, 0, setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, PL_PTR(&tv), sizeof(tv));
	SUBMIT(&f, &(struct pl_call){ 0 }, close, 100);
	struct pl_call call;
	char byte;
	SUBMIT(&f, &call, read, fd, PL_PTR(&byte), 1);
	cr_assert_eq(call.result, -EAGAIN);
}

Test(so_options, bind_to_device)
{
	char name[16] = "?";
	socklen_t length = sizeof(name);

	CALL_IS(&f, -ENODEV, setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, PL_PTR("nope"), 5);
	CALL_IS(&f, 0, setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, PL_PTR("tun0"), 4);
	CALL_IS(&f, 0, getsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, PL_PTR(name), PL_PTR(&length));
	cr_assert_str_eq(name, "tun0");
	cr_assert_eq(length, 5);
	pl_stack_set_credentials(f.stack, 0, 1, 1);
	CALL_IS(&f, -EPERM, setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, PL_PTR(""), 0);
	pl_stack_set_credentials(f.stack, UINT64_MAX, 0, 0);
	CALL_IS(&f, 0, setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, PL_PTR(""), 0);
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_BINDTOIFINDEX), 0);
}

Test(so_options, error_is_told_once)
{
	struct sockaddr_in peer = socket_address(REMOTE, 53);

	CALL_IS(&f, 0, connect, fd, PL_PTR(&peer), sizeof(peer));
	CALL_IS(&f, 3, send, fd, PL_PTR("abc"), 3, 0);
	inject_icmp_about(&f, 3, 3, 0, take(&f));
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_ERROR), 0);
	CALL_IS(&f, 3, send, fd, PL_PTR("abc"), 3, 0);
	inject_icmp_about(&f, 3, 3, 0, take(&f));
	CALL_IS(&f, -ECONNREFUSED, send, fd, PL_PTR("abc"), 3, 0);
	CALL_IS(&f, 3, send, fd, PL_PTR("abc"), 3, 0);
}
