#include "../calls.h"

#include <poll.h>

static struct fixture f;

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(poll, .init = set_up, .fini = tear_down);

Test(poll, what_is_true)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pollfd entries[3] = { { fd, POLLIN | POLLOUT, 0 }, { 99, POLLIN, 1 }, { -1, POLLIN, 1 } };

	CALL_IS(&f, 2, poll, PL_PTR(entries), 3, 0);
	cr_assert(entries[0].revents == POLLOUT && entries[1].revents == POLLNVAL && entries[2].revents == 0);
	inject_udp(&f, 1, 5000, "x", 1);
	CALL_IS(&f, 1, poll, PL_PTR(entries), 1, 0);
	cr_assert_eq(entries[0].revents, POLLIN | POLLOUT);
	CALL_IS(&f, -EFAULT, poll, 0, 1, 0);
	CALL_IS(&f, -EINVAL, poll, PL_PTR(entries), 1025, 0);
	CALL_IS(&f, 0, poll, 0, 0, 0);
}

/* A datagram with a wrong checksum does not make a socket readable. */
Test(poll, wrong_checksum)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pollfd entry = { fd, POLLIN, 0 };
	uint8_t payload[108] = { 0, 1, 0x13, 0x88, 0, 108, 1, 2 }, packet[200];
	size_t length = make_ip(packet, NULL, REMOTE, LOCAL, IPPROTO_UDP, payload, sizeof(payload));

	pl_link_input(f.stack, f.tun, packet, length);
	COUNTER_IS(&f, "Udp", "InCsumErrors", 0);	/* looked at when somebody reads */
	CALL_IS(&f, 0, poll, PL_PTR(&entry), 1, 0);
	COUNTER_IS(&f, "Udp", "InCsumErrors", 1);
	COUNTER_IS(&f, "Udp", "InErrors", 1);
}

Test(poll, waiting)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pollfd entry = { fd, POLLIN, 0 };
	struct pl_call call;

	SUBMIT(&f, &call, poll, PL_PTR(&entry), 1, 20);
	pl_stack_run_until(f.stack, PL_NSEC_PER_SEC);
	cr_assert(call.finished && call.result == 0 && call.completed == 20 * PL_NSEC_PER_MSEC);
	SUBMIT(&f, &call, poll, PL_PTR(&entry), 1, -1);
	inject_udp(&f, 1, 5000, "x", 1);
	cr_assert(call.finished && call.result == 1 && entry.revents == POLLIN);
	SUBMIT(&f, &call, poll, 0, 0, -1);
	pl_call_cancel(f.stack, &call);
	cr_assert_eq(call.result, -EINTR);
}

Test(poll, shutdown_bits)
{
	int fd = udp_bound(&f, LOCAL, 5000);
	struct pollfd entry = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	char byte;

	CALL_IS(&f, -ENOTCONN, shutdown, fd, SHUT_RD);
	CALL_IS(&f, 1, poll, PL_PTR(&entry), 1, 0);
	cr_assert_eq(entry.revents, POLLIN | POLLOUT | POLLRDHUP);
	struct pl_call call;
	SUBMIT(&f, &call, read, fd, PL_PTR(&byte), 1);
	cr_assert(call.finished && call.result == 0);
	CALL_IS(&f, -ENOTCONN, shutdown, fd, SHUT_WR);
	CALL_IS(&f, 1, poll, PL_PTR(&entry), 1, 0);
	cr_assert_eq(entry.revents, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	struct sockaddr_in to = socket_address(REMOTE, 9);
	CALL_IS(&f, -EPIPE, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
}
