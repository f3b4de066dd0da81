#include "../calls.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <poll.h>

static struct fixture f;
static int fd;

static void set_up(void)
{
	struct sockaddr_in to = socket_address(REMOTE, 53);

	fixture_new(&f);
	fd = udp_bound(&f, LOCAL, 5000);
	set_int(&f, fd, IPPROTO_IP, IP_RECVERR, 1);
	CALL_IS(&f, 0, connect, fd, PL_PTR(&to), sizeof(to));
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(error_queue, .init = set_up, .fini = tear_down);

/* One report as it was read. */
struct report {
	int64_t result;
	struct sockaddr_in name;
	struct sock_extended_err error;
	struct sockaddr_in offender;
	char payload[64];
	int flags;
	bool stamped;
};

static struct report read_report(size_t room)
{
	struct report report = { 0 };
	_Alignas(struct cmsghdr) uint8_t control[256];
	struct iovec iov = { report.payload, room };
	struct msghdr msg = { &report.name, sizeof(report.name), &iov, 1, control, sizeof(control), 0 };

	report.result = CALL(&f, recvmsg, fd, PL_PTR(&msg), MSG_ERRQUEUE);
	report.flags = msg.msg_flags;
	for (struct cmsghdr *c = report.result < 0 ? NULL : CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET)
			report.stamped = true;
		if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR)
			continue;
		cr_assert_eq(c->cmsg_len, CMSG_LEN(sizeof(report.error) + sizeof(report.offender)));
		memcpy(&report.error, CMSG_DATA(c), sizeof(report.error));
		memcpy(&report.offender, CMSG_DATA(c) + sizeof(report.error), sizeof(report.offender));
	}
	return report;
}

static void fail_one(const char *payload, uint8_t type, uint8_t code, uint16_t mtu)
{
	CALL_IS(&f, (int64_t)strlen(payload), send, fd, PL_PTR(payload), (int64_t)strlen(payload), 0);
	inject_icmp_about(&f, type, code, mtu, take(&f));
}

Test(error_queue, an_icmp_error)
{
	struct pollfd entry = { fd, POLLIN, 0 };
	struct report report;

	fail_one("hello", 3, 1, 0);
	CALL_IS(&f, 1, poll, PL_PTR(&entry), 1, 0);
	cr_assert_eq(entry.revents, POLLERR);
	report = read_report(64);
	cr_assert_eq(report.result, 5);
	cr_assert_arr_eq(report.payload, "hello", 5);
	cr_assert(report.flags & MSG_ERRQUEUE);
	cr_assert(report.name.sin_addr.s_addr == addr(REMOTE).s_addr && report.name.sin_port == htons(53));
	cr_assert(report.error.ee_errno == EHOSTUNREACH && report.error.ee_origin == SO_EE_ORIGIN_ICMP);
	cr_assert(report.error.ee_type == 3 && report.error.ee_code == 1);
	cr_assert_eq(report.offender.sin_addr.s_addr, addr("192.0.2.254").s_addr);
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_ERROR), 0);
	cr_assert_eq(read_report(64).result, -EAGAIN);
	CALL_IS(&f, 0, poll, PL_PTR(&entry), 1, 0);
}

/* The pending error is the first report's, then the next one's. */
Test(error_queue, two_errors)
{
	fail_one("one", 3, 1, 0);
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_ERROR), EHOSTUNREACH);
	fail_one("two", 3, 3, 0);
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	struct report report = read_report(2);
	cr_assert(report.result == 2 && report.flags & MSG_TRUNC && report.error.ee_errno == EHOSTUNREACH);
	CALL_IS(&f, -ECONNREFUSED, send, fd, PL_PTR("x"), 1, 0);
	report = read_report(64);
	cr_assert(report.result == 3 && report.error.ee_errno == ECONNREFUSED);
}

Test(error_queue, path_mtu)
{
	struct report report;
	static const char big[3000];

	fail_one("mtu", 3, 4, 1300);
	report = read_report(64);
	cr_assert(report.error.ee_errno == EMSGSIZE && report.error.ee_info == 1300);
	cr_assert_eq(get_int(&f, fd, IPPROTO_IP, IP_MTU), 1300);
	set_int(&f, fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	CALL_IS(&f, -EMSGSIZE, send, fd, PL_PTR(big), 1400, 0);
	report = read_report(64);
	cr_assert(report.result == 0 && report.error.ee_origin == SO_EE_ORIGIN_LOCAL && report.error.ee_info == 1300);
	cr_assert_eq(report.offender.sin_family, 0);
}

Test(error_queue, switched_off)
{
	fail_one("one", 3, 1, 0);
	set_int(&f, fd, IPPROTO_IP, IP_RECVERR, 0);
	cr_assert_eq(read_report(64).result, -EAGAIN);
}

/* Transmit time stamps carry the packet and its number. */
Test(error_queue, time_stamps)
{
	struct report report;

	set_int(&f, fd, SOL_SOCKET, SO_TIMESTAMPING,
		SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID);
	pl_stack_run_until(f.stack, PL_NSEC_PER_SEC);
	for (uint32_t i = 0; i < 2; i++) {
		CALL_IS(&f, 1, send, fd, PL_PTR("x"), 1, 0);
		report = read_report(64);
		cr_assert(report.result == 29 && report.stamped && report.error.ee_errno == ENOMSG);
		cr_assert(report.error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING && report.error.ee_data == i);
		cr_assert_arr_eq(report.payload, take(&f)->bytes, 29);
	}
}

/* Completions that follow each other are one report. */
Test(error_queue, zero_copy)
{
	struct report report;

	set_int(&f, fd, SOL_SOCKET, SO_ZEROCOPY, 1);
	for (int i = 0; i < 3; i++)
		CALL_IS(&f, 1, send, fd, PL_PTR("x"), 1, MSG_ZEROCOPY);
	report = read_report(64);
	cr_assert(report.result == 0 && report.error.ee_origin == SO_EE_ORIGIN_ZEROCOPY);
	cr_assert(report.error.ee_info == 0 && report.error.ee_data == 2 && report.error.ee_code == SO_EE_CODE_ZEROCOPY_COPIED);
	cr_assert_eq(read_report(64).result, -EAGAIN);
}

/* A full receive buffer loses reports; it does not grow. */
Test(error_queue, bounded)
{
	int count = 0;

	set_int(&f, fd, SOL_SOCKET, SO_RCVBUF, 4000);
	for (int i = 0; i < 50; i++) {
		CALL(&f, send, fd, PL_PTR("x"), 1, 0);
		while (left(&f))
			inject_icmp_about(&f, 3, 1, 0, take(&f));
		get_int(&f, fd, SOL_SOCKET, SO_ERROR);
	}
	while (read_report(64).result >= 0)
		count++;
	cr_assert(count > 1 && count < 12, "%d", count);
}
