#include "one_socket.h"

#include <sys/time.h>

TestSuite(received, .init = set_up_bound, .fini = tear_down);

static _Alignas(struct cmsghdr) uint8_t control[512];

/* Receive one datagram; the control messages are in `control` then. */
static struct msghdr receive(size_t control_room)
{
	static char buffer[100];
	static struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = control_room };

	iov = (struct iovec){ buffer, sizeof(buffer) };
	memset(control, 0, sizeof(control));
	cr_assert_geq(CALL(&f, recvmsg, fd, PL_PTR(&msg), 0), 0);
	return msg;
}

/* SOL_SOCKET's first, then IPPROTO_IP's, in the kernel's order. */
Test(received, order)
{
	static const int expected[] = { SO_TIMESTAMP, IP_PKTINFO, IP_TTL, IP_TOS, IP_ORIGDSTADDR };
	size_t i = 0;

	set_int(&f, fd, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
	set_int(&f, fd, IPPROTO_IP, IP_RECVTOS, 1);
	set_int(&f, fd, IPPROTO_IP, IP_RECVTTL, 1);
	set_int(&f, fd, IPPROTO_IP, IP_PKTINFO, 1);
	set_int(&f, fd, SOL_SOCKET, SO_TIMESTAMP, 1);
	pl_stack_run_until(f.stack, 3 * PL_NSEC_PER_SEC);
	inject_udp(&f, 1, 5000, "x", 1);
	pl_stack_run_until(f.stack, 5 * PL_NSEC_PER_SEC);
	struct msghdr msg = receive(sizeof(control));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c), i++) {
		struct in_pktinfo info;
		struct timeval tv;
		int ttl;

		cr_assert_lt(i, 5);
		cr_assert_eq(c->cmsg_type, expected[i]);
		if (i == 0) {
			memcpy(&tv, CMSG_DATA(c), sizeof(tv));
			cr_assert_eq(tv.tv_sec, 3);	/* when it came, not when it was read */
		} else if (i == 1) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			cr_assert_eq(info.ipi_ifindex, f.tun);
			cr_assert(info.ipi_addr.s_addr == addr(LOCAL).s_addr && info.ipi_spec_dst.s_addr == addr(LOCAL).s_addr);
		} else if (i == 2) {
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
			cr_assert_eq(ttl, 64);
		} else if (i == 3) {
			cr_assert_eq(c->cmsg_len, CMSG_LEN(1));
		}
	}
	cr_assert_eq(i, 5);
}

/* What does not fit is cut, or left out, and MSG_CTRUNC says so. */
Test(received, truncation)
{
	static const struct {
		size_t room, used;
		bool truncated;
	} rows[] = { { 0, 0, true }, { 15, 0, true }, { 16, 16, true }, { 18, 18, true }, { 20, 20, false }, { 24, 24, false },
		     { 30, 24, false } };

	set_int(&f, fd, IPPROTO_IP, IP_RECVTTL, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		inject_udp(&f, 1, 5000, "x", 1);
		struct msghdr msg = receive(rows[i].room);
		cr_assert_eq(msg.msg_controllen, rows[i].used, "%zu: %zu", rows[i].room, msg.msg_controllen);
		cr_assert_eq((msg.msg_flags & MSG_CTRUNC) != 0, rows[i].truncated, "%zu", rows[i].room);
	}
}

Test(received, drops_are_told)
{
	uint32_t drops = 0;

	set_int(&f, fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	set_int(&f, fd, SOL_SOCKET, SO_RCVBUF, 1000);
	for (int i = 0; i < 9; i++)
		inject_udp(&f, 1, 5000, "x", 1);
	while (CALL(&f, recv, fd, PL_PTR(control), 1, 0) == 1)
		;
	inject_udp(&f, 1, 5000, "x", 1);
	struct msghdr msg = receive(sizeof(control));
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	cr_assert(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL);
	memcpy(&drops, CMSG_DATA(c), sizeof(drops));
	cr_assert_eq(drops, 7);		/* two fitted into 2304 bytes */
	COUNTER_IS(&f, "Udp", "RcvbufErrors", 7);
}
