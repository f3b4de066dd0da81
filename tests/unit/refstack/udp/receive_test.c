#include "../calls.h"

static struct fixture f;
static char buffer[2000];

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(udp_receive, .init = set_up, .fini = tear_down);

/* A datagram with these header fields arrives at port 5000. */
static void arrive(uint8_t protocol, uint16_t length, uint16_t check, size_t payload)
{
	uint8_t datagram[600] = { 0, 1, 0x13, 0x88, (uint8_t)(length >> 8), (uint8_t)length, (uint8_t)(check >> 8), (uint8_t)check },
		packet[700];
	size_t total = make_ip(packet, NULL, REMOTE, LOCAL, protocol, datagram, 8 + payload);

	pl_link_input(f.stack, f.tun, packet, total);
}

Test(udp_receive, peeking_and_truncation)
{
	int fd = udp_bound(&f, LOCAL, 5000);

	inject_udp(&f, 1, 5000, "abcdef", 6);
	CALL_IS(&f, 3, recv, fd, PL_PTR(buffer), 3, MSG_PEEK);
	CALL_IS(&f, 6, recv, fd, PL_PTR(buffer), 3, MSG_PEEK | MSG_TRUNC);
	struct iovec iov = { buffer, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	CALL_IS(&f, 4, recvmsg, fd, PL_PTR(&msg), 0);
	cr_assert_eq(msg.msg_flags, MSG_TRUNC);
	CALL_IS(&f, -EAGAIN, recv, fd, PL_PTR(buffer), 3, 0);
	COUNTER_IS(&f, "Udp", "InDatagrams", 1);
}

/* SO_PEEK_OFF walks through the queued datagrams; reading moves it back. */
Test(udp_receive, peek_offset)
{
	int fd = udp_bound(&f, LOCAL, 5000);

	set_int(&f, fd, SOL_SOCKET, SO_PEEK_OFF, 1);
	inject_udp(&f, 1, 5000, "abc", 3);
	inject_udp(&f, 1, 5000, "def", 3);
	CALL_IS(&f, 1, recv, fd, PL_PTR(buffer), 1, MSG_PEEK);
	cr_assert_eq(buffer[0], 'b');
	CALL_IS(&f, 1, recv, fd, PL_PTR(buffer), 9, MSG_PEEK);
	CALL_IS(&f, 3, recv, fd, PL_PTR(buffer), 9, MSG_PEEK);
	cr_assert_eq(buffer[0], 'd');
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_PEEK_OFF), 6);
	CALL_IS(&f, 3, recv, fd, PL_PTR(buffer), 9, 0);
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_PEEK_OFF), 3);
}

Test(udp_receive, lengths)
{
	udp_bound(&f, LOCAL, 5000);
	arrive(IPPROTO_UDP, 7, 0, 0);		/* less than a header */
	arrive(IPPROTO_UDP, 100, 0, 20);	/* more than there is */
	COUNTER_IS(&f, "Udp", "InErrors", 2);
	arrive(IPPROTO_UDP, 10, 0, 20);		/* less: the rest is padding */
	CALL_IS(&f, 2, recv, 3, PL_PTR(buffer), 100, 0);
}

/* A short datagram is checked when it comes, a long one when it is read. */
Test(udp_receive, checksums)
{
	int fd = udp_bound(&f, LOCAL, 5000);

	arrive(IPPROTO_UDP, 18, 0x1234, 10);
	COUNTER_IS(&f, "Udp", "InCsumErrors", 1);
	arrive(IPPROTO_UDP, 108, 0x1234, 100);
	COUNTER_IS(&f, "Udp", "InCsumErrors", 1);
	CALL_IS(&f, -EAGAIN, recv, fd, PL_PTR(buffer), 100, 0);
	COUNTER_IS(&f, "Udp", "InCsumErrors", 2);
	COUNTER_IS(&f, "Udp", "InErrors", 2);
	arrive(IPPROTO_UDP, 18, 0, 10);		/* 0: none was made */
	CALL_IS(&f, 10, recv, fd, PL_PTR(buffer), 100, 0);
}

/* UDP-Lite: the length field says how much is covered; no checksum is an error. */
Test(udp_receive, lite_coverage)
{
	struct sockaddr_in local = socket_address(LOCAL, 5000);
	int fd = open_socket(&f, SOCK_DGRAM, IPPROTO_UDPLITE);
	uint8_t datagram[28] = { 0, 1, 0x13, 0x88, 0, 8 }, packet[100], pseudo[20] = { 0 };
	struct in_addr ends[2] = { addr(REMOTE), addr(LOCAL) };
	uint16_t check;

	CALL_IS(&f, 0, bind, fd, PL_PTR(&local), sizeof(local));
	arrive(IPPROTO_UDPLITE, 0, 0, 20);
	COUNTER_IS(&f, "UdpLite", "InCsumErrors", 1);
	memcpy(pseudo, ends, 8);
	pseudo[9] = IPPROTO_UDPLITE;
	pseudo[11] = sizeof(datagram);
	memcpy(pseudo + 12, datagram, 8);
	check = sum(pseudo, sizeof(pseudo));
	memcpy(datagram + 6, &check, 2);
	memset(datagram + 8, 'x', 20);		/* not covered: may be anything */
	size_t total = make_ip(packet, NULL, REMOTE, LOCAL, IPPROTO_UDPLITE, datagram, sizeof(datagram));
	pl_link_input(f.stack, f.tun, packet, total);
	CALL_IS(&f, 20, recv, fd, PL_PTR(buffer), 100, 0);
	set_int(&f, fd, IPPROTO_UDPLITE, 11 /* UDPLITE_RECV_CSCOV */, 20);
	pl_link_input(f.stack, f.tun, packet, total);
	CALL_IS(&f, -EAGAIN, recv, fd, PL_PTR(buffer), 100, 0);
	COUNTER_IS(&f, "UdpLite", "InErrors", 2);
}

/* Nobody there: ICMP port unreachable quotes the datagram; not for a damaged one, not for a broadcast. */
Test(udp_receive, nobody)
{
	uint8_t packet[100], datagram[10] = { 0, 1, 0x13, 0x88, 0, 10 };

	arrive(IPPROTO_UDP, 18, 0x1234, 10);
	cr_assert_eq(left(&f), 0);
	inject_udp(&f, 1, 5000, "abc", 3);
	const struct sent_packet *sent = take(&f);
	cr_assert_eq(sent->bytes[9], IPPROTO_ICMP);
	cr_assert(sent->bytes[20] == 3 && sent->bytes[21] == 3);
	cr_assert_eq(sent->length, 28 + 31);
	size_t total = make_ip(packet, NULL, REMOTE, "192.168.255.255", IPPROTO_UDP, datagram, sizeof(datagram));
	pl_link_input(f.stack, f.tun, packet, total);
	cr_assert_eq(left(&f), 0);
	COUNTER_IS(&f, "Udp", "NoPorts", 1);
	COUNTER_IS(&f, "Udp", "IgnoredMulti", 1);
}

/* What fits is what Linux lets in, by truesize; the first datagram always does. */
Test(udp_receive, buffer_limit)
{
	static const struct {
		int buffer;
		size_t length;
		int fits;
	} rows[] = { { 0, 1, 2 }, { 0, 500, 1 }, { 0, 1400, 1 }, { 2000, 1, 4 }, { 4000, 1, 9 }, { 4000, 500, 6 }, { 4000, 1400, 3 } };
	static const char payload[1400];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = udp_bound(&f, LOCAL, 5000), count = 0;

		set_int(&f, fd, SOL_SOCKET, SO_RCVBUF, rows[i].buffer);
		for (int k = 0; k < 20; k++)
			inject_udp(&f, 1, 5000, payload, rows[i].length);
		while (CALL(&f, recv, fd, PL_PTR(buffer), sizeof(buffer), 0) >= 0)
			count++;
		cr_assert_eq(count, rows[i].fits, "row %zu: %d", i, count);
		CALL_IS(&f, 0, close, fd);
	}
}

/* IP_MINTTL can be set, but only TCP looks at it. */
Test(udp_receive, minimum_ttl_is_not_looked_at)
{
	int fd = udp_bound(&f, LOCAL, 5000);

	set_int(&f, fd, IPPROTO_IP, IP_MINTTL, 65);
	inject_udp(&f, 1, 5000, "abc", 3);
	CALL_IS(&f, 3, recv, fd, PL_PTR(buffer), 100, 0);
}
