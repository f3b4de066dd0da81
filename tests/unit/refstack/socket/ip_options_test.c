#include "one_socket.h"

#include <netinet/ip.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

TestSuite(ip_options, .init = set_up_unbound, .fini = tear_down);

/* One byte does for a number, and a number that fits is given as one byte to who has no room for four. */
Test(ip_options, bytes_and_ints)
{
	uint8_t byte = 33, out[4] = { 7, 7, 7, 7 };
	socklen_t length = 3;

	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_TTL, PL_PTR(&byte), 1);
	cr_assert_eq(get_int(&f, fd, IPPROTO_IP, IP_TTL), 33);
	CALL_IS(&f, 0, getsockopt, fd, IPPROTO_IP, IP_TTL, PL_PTR(out), PL_PTR(&length));
	cr_assert(length == 1 && out[0] == 33 && out[1] == 7);
	CALL_IS(&f, -EINVAL, setsockopt, fd, IPPROTO_IP, IP_TTL, PL_PTR(&byte), 0);
	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_RECVTTL, PL_PTR(&byte), 0);
	cr_assert_eq(get_int(&f, fd, IPPROTO_IP, IP_RECVTTL), 0);
}

Test(ip_options, bounds)
{
	static const struct {
		int name, value, error;
	} rows[] = {
		{ IP_TTL, 0, -EINVAL },		 { IP_TTL, 256, -EINVAL },	   { IP_TTL, -1, 0 },
		{ IP_MULTICAST_TTL, 256, -EINVAL }, { IP_MULTICAST_TTL, -1, 0 },   { IP_MINTTL, 256, -EINVAL },
		{ IP_MINTTL, -1, -EINVAL },	 { IP_MTU_DISCOVER, 6, -EINVAL }, { IP_MTU_DISCOVER, 5, 0 },
		{ IP_MULTICAST_ALL, 2, -EINVAL }, { IP_HDRINCL, 1, -ENOPROTOOPT }, { IP_NODEFRAG, 1, -ENOPROTOOPT },
		{ IP_MTU, 1, -ENOPROTOOPT },	 { 1000, 1, -ENOPROTOOPT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int value = rows[i].value;

		CALL_IS(&f, rows[i].error, setsockopt, fd, IPPROTO_IP, rows[i].name, PL_PTR(&value), sizeof(value));
	}
	cr_assert_eq(get_int(&f, fd, IPPROTO_IP, IP_TTL), 64);
	cr_assert_eq(get_int(&f, fd, IPPROTO_IP, IP_MULTICAST_TTL), 1);
}

/* What is set is in the packet. */
Test(ip_options, in_the_packet)
{
	struct sockaddr_in to = socket_address(REMOTE, 9);
	const struct iphdr *ip;

	set_int(&f, fd, IPPROTO_IP, IP_TTL, 7);
	set_int(&f, fd, IPPROTO_IP, IP_TOS, 0x1f);
	set_int(&f, fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	CALL_IS(&f, 1, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
	ip = (const struct iphdr *)take(&f)->bytes;
	cr_assert(ip->ttl == 7 && ip->tos == 0x1f && ip->frag_off == 0);
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_PRIORITY), 4);
	set_int(&f, fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	CALL_IS(&f, 1, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
	ip = (const struct iphdr *)take(&f)->bytes;
	cr_assert_eq(ip->frag_off, htons(IP_DF));
}

/* A source route is kept with its first hop taken out, sent so, and read back as it was given. */
Test(ip_options, source_route)
{
	uint8_t route[] = { IPOPT_NOP, IPOPT_LSRR, 11, 4, 10, 0, 0, 1, 10, 0, 0, 2 }, out[40];
	struct sockaddr_in to = socket_address(REMOTE, 9);
	socklen_t length = sizeof(out);
	const struct iphdr *ip;

	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_OPTIONS, PL_PTR(route), sizeof(route));
	CALL_IS(&f, 0, getsockopt, fd, IPPROTO_IP, IP_OPTIONS, PL_PTR(out), PL_PTR(&length));
	cr_assert(length == sizeof(route) && !memcmp(out, route, sizeof(route)));
	CALL_IS(&f, 1, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
	ip = (const struct iphdr *)take(&f)->bytes;
	cr_assert_eq(ip->ihl, 8);
	cr_assert_eq(ip->daddr, addr("10.0.0.1").s_addr);
	cr_assert_arr_eq((const uint8_t *)(ip + 1) + 4, ((uint8_t[]){ 10, 0, 0, 2, 192, 0, 2, 1 }), 8);
	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_OPTIONS, 0, 0);
	CALL_IS(&f, 0, getsockopt, fd, IPPROTO_IP, IP_OPTIONS, PL_PTR(out), PL_PTR(&length));
	cr_assert_eq(length, 0);
}

Test(ip_options, malformed_options)
{
	static const uint8_t rows[][8] = {
		{ IPOPT_RR, 1 },	   { IPOPT_RR, 9 },		  { IPOPT_RR, 7, 3 },	      { IPOPT_RR, 6, 4 },
		{ IPOPT_LSRR, 6, 4 },	   { IPOPT_LSRR, 7, 8 },	  { IPOPT_TIMESTAMP, 8, 4, 0 }, { IPOPT_TIMESTAMP, 8, 5, 1 },
		{ IPOPT_RA, 3, 0, 0 },	   { IPOPT_NOP, IPOPT_RR },
	};
	uint8_t long_one[41] = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CALL_IS(&f, -EINVAL, setsockopt, fd, IPPROTO_IP, IP_OPTIONS, PL_PTR(rows[i]), i == 9 ? 2 : 8);
	CALL_IS(&f, -EINVAL, setsockopt, fd, IPPROTO_IP, IP_OPTIONS, PL_PTR(long_one), sizeof(long_one));
	CALL_IS(&f, -EFAULT, setsockopt, fd, IPPROTO_IP, IP_OPTIONS, 0, 4);
}

Test(ip_options, local_port_range)
{
	int range = (int)(40000 | 40001u << 16);

	set_int(&f, fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, range);
	cr_assert_eq(get_int(&f, fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE), range);
	for (int i = 0; i < 3; i++) {
		struct sockaddr_in any = { .sin_family = AF_INET }, name;
		socklen_t length = sizeof(name);
		int other = open_socket(&f, SOCK_DGRAM, 0);

		set_int(&f, other, IPPROTO_IP, IP_LOCAL_PORT_RANGE, range);
		CALL_IS(&f, i < 2 ? 0 : -EADDRINUSE, bind, other, PL_PTR(&any), sizeof(any));
		CALL_IS(&f, 0, getsockname, other, PL_PTR(&name), PL_PTR(&length));
		cr_assert(i == 2 || ntohs(name.sin_port) == 40000 || ntohs(name.sin_port) == 40001);
	}
}
