#include "../calls.h"

static struct fixture f;
static int fd;
static struct sockaddr_in to;
static char bytes[70000];

static void set_up(void)
{
	fixture_new(&f);
	fd = udp_bound(&f, LOCAL, 5000);
	to = socket_address(REMOTE, 9);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 3);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(udp_send, .init = set_up, .fini = tear_down);

static int64_t send_to(const void *data, int64_t length, int flags)
{
	return CALL(&f, sendto, fd, PL_PTR(data), length, flags, PL_PTR(&to), sizeof(to));
}

/* The checksum of the datagram behind the IP header, pseudo header included: 0 when it is right. */
static uint16_t udp_sum(const struct sent_packet *sent)
{
	static uint8_t area[70000];
	size_t length = sent->length - 20;

	memcpy(area, sent->bytes + 12, 8);
	area[8] = 0;
	area[9] = sent->bytes[9];
	area[10] = (uint8_t)(length >> 8);
	area[11] = (uint8_t)length;
	memcpy(area + 12, sent->bytes + 20, length);
	return sum(area, 12 + length);
}

Test(udp_send, a_datagram)
{
	cr_assert_eq(send_to("hello", 5, 0), 5);
	const struct sent_packet *sent = take(&f);
	cr_assert_eq(sent->length, 33);
	cr_assert_arr_eq(sent->bytes + 20, ((uint8_t[]){ 0x13, 0x88, 0, 9, 0, 13 }), 6);
	cr_assert_arr_eq(sent->bytes + 28, "hello", 5);
	cr_assert_eq(udp_sum(sent), 0);
	cr_assert_eq(send_to(NULL, 0, 0), 0);
	cr_assert_eq(take(&f)->length, 28);
	set_int(&f, fd, SOL_SOCKET, SO_NO_CHECK, 1);
	cr_assert_eq(send_to("hello", 5, 0), 5);
	sent = take(&f);
	cr_assert(sent->bytes[26] == 0 && sent->bytes[27] == 0);
	COUNTER_IS(&f, "Udp", "OutDatagrams", 3);
}

Test(udp_send, errors)
{
	struct sockaddr_in wrong = to;

	cr_assert_eq(send_to(bytes, 65508, 0), -EMSGSIZE);
	cr_assert_eq(send_to(bytes, 70000, 0), -EMSGSIZE);
	cr_assert_eq(send_to(NULL, 5, 0), -EFAULT);
	cr_assert_eq(send_to("x", 1, MSG_OOB), -EOPNOTSUPP);
	CALL_IS(&f, -EDESTADDRREQ, send, fd, PL_PTR("x"), 1, 0);
	CALL_IS(&f, -EINVAL, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&to), 15);
	wrong.sin_port = 0;
	CALL_IS(&f, -EINVAL, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&wrong), sizeof(wrong));
	wrong = to;
	wrong.sin_family = AF_INET6;
	CALL_IS(&f, -EAFNOSUPPORT, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&wrong), sizeof(wrong));
	wrong = socket_address("255.255.255.255", 9);
	CALL_IS(&f, -EACCES, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&wrong), sizeof(wrong));
	set_int(&f, fd, SOL_SOCKET, SO_BROADCAST, 1);
	CALL_IS(&f, 1, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&wrong), sizeof(wrong));
	cr_assert_eq(left(&f), 1);
}

/* MSG_MORE and UDP_CORK collect one datagram. */
Test(udp_send, corking)
{
	cr_assert_eq(send_to("abc", 3, MSG_MORE), 3);
	cr_assert_eq(send_to("def", 3, MSG_MORE), 3);
	cr_assert_eq(left(&f), 0);
	cr_assert_eq(send_to("g", 1, 0), 1);
	const struct sent_packet *sent = take(&f);
	cr_assert_eq(sent->length, 35);
	cr_assert_arr_eq(sent->bytes + 28, "abcdefg", 7);
	cr_assert_eq(udp_sum(sent), 0);
	set_int(&f, fd, IPPROTO_UDP, 1 /* UDP_CORK */, 1);
	cr_assert_eq(send_to("abc", 3, 0), 3);
	cr_assert_eq(send_to("def", 3, 0), 3);
	cr_assert_eq(left(&f), 0);
	set_int(&f, fd, IPPROTO_UDP, 1, 0);
	cr_assert_eq(take(&f)->length, 34);
	cr_assert_eq(send_to("left", 4, MSG_MORE), 4);	/* goes with the socket */
}

/* UDP_SEGMENT: one send, many datagrams, the last one shorter. */
Test(udp_send, segments)
{
	set_int(&f, fd, IPPROTO_UDP, 103 /* UDP_SEGMENT */, 1000);
	cr_assert_eq(send_to(bytes, 2500, 0), 2500);
	for (int i = 0; i < 3; i++) {
		const struct sent_packet *sent = take(&f);

		cr_assert_eq(sent->length, i < 2 ? 1028 : 528);
		cr_assert_arr_eq(sent->bytes + 28, bytes + 1000 * i, sent->length - 28);
		cr_assert_eq(udp_sum(sent), 0);
	}
	COUNTER_IS(&f, "Udp", "OutDatagrams", 1);
	set_int(&f, fd, IPPROTO_UDP, 103, 1473);
	cr_assert_eq(send_to(bytes, 2500, 0), -EMSGSIZE);
	set_int(&f, fd, IPPROTO_UDP, 103, 10);
	cr_assert_eq(send_to(bytes, 1281, 0), -EINVAL);
}

/* Larger than the MTU: fragments, as long as the send buffer has room for them and IP_MTU_DISCOVER lets it. */
Test(udp_send, fragments)
{
	cr_assert_eq(send_to(bytes, 3000, 0), 3000);
	cr_assert_eq(left(&f), 3);
	while (left(&f))
		take(&f);
	set_int(&f, fd, SOL_SOCKET, SO_SNDBUF, 0);
	cr_assert_eq(send_to(bytes, 5900, 0), 5900);
	cr_assert_eq(send_to(bytes, 6000, 0), -ENOBUFS);
	COUNTER_IS(&f, "Udp", "SndbufErrors", 1);
	set_int(&f, fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	cr_assert_eq(send_to(bytes, 1472, 0), 1472);
	cr_assert_eq(send_to(bytes, 1473, 0), -EMSGSIZE);
}

/* Control messages choose for one datagram. */
Test(udp_send, control_messages)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { &to, sizeof(to), &iov, 1, control, CMSG_SPACE(sizeof(int)), 0 };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int value = 33;

	*c = (struct cmsghdr){ CMSG_LEN(sizeof(value)), IPPROTO_IP, IP_TTL };
	memcpy(CMSG_DATA(c), &value, sizeof(value));
	CALL_IS(&f, 1, sendmsg, fd, PL_PTR(&msg), 0);
	cr_assert_eq(take(&f)->bytes[8], 33);
	cr_assert_eq(send_to("x", 1, 0), 1);
	cr_assert_eq(take(&f)->bytes[8], 64);
	value = 256;
	memcpy(CMSG_DATA(c), &value, sizeof(value));
	CALL_IS(&f, -EINVAL, sendmsg, fd, PL_PTR(&msg), 0);
	c->cmsg_type = IP_RECVERR;
	CALL_IS(&f, -EINVAL, sendmsg, fd, PL_PTR(&msg), 0);
	c->cmsg_len = 3;
	CALL_IS(&f, -EINVAL, sendmsg, fd, PL_PTR(&msg), 0);
	struct in_pktinfo info = { .ipi_spec_dst = addr("10.0.0.1") };
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	msg.msg_controllen = CMSG_SPACE(sizeof(info));
	CALL_IS(&f, -ENETUNREACH, sendmsg, fd, PL_PTR(&msg), 0);
	info = (struct in_pktinfo){ .ipi_ifindex = 99 };
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	CALL_IS(&f, -ENODEV, sendmsg, fd, PL_PTR(&msg), 0);
}

Test(udp_send, many)
{
	struct iovec iov = { "x", 1 };
	struct mmsghdr messages[3] = { 0 };

	for (int i = 0; i < 3; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1 };
	messages[2].msg_hdr.msg_namelen = 3;
	CALL_IS(&f, 2, sendmmsg, fd, PL_PTR(messages), 3, 0);
	cr_assert_eq(left(&f), 2);
	CALL_IS(&f, -EINVAL, sendmmsg, fd, PL_PTR(&messages[2]), 1, 0);
	CALL_IS(&f, -EFAULT, sendmmsg, fd, 0, 1, 0);
	CALL_IS(&f, 0, sendmmsg, fd, 0, 0, 0);
}
