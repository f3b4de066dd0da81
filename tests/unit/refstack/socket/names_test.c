#include "../calls.h"

#include <linux/capability.h>

static struct fixture f;

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(names, .init = set_up, .fini = tear_down);

/* socket(2): family, type, protocol and privilege, each with its error. */
Test(names, socket_errors)
{
	static const struct {
		int family, type, protocol, error;
	} rows[] = {
		{ AF_INET6, SOCK_STREAM, 0, -EAFNOSUPPORT },
		{ -1, SOCK_STREAM, 0, -EAFNOSUPPORT },
		{ 1000, SOCK_STREAM, 0, -EAFNOSUPPORT },
		{ AF_INET, 11, 0, -EINVAL },
		{ AF_INET, SOCK_DGRAM | 0x100000, 0, -EINVAL },
		{ AF_INET, SOCK_DGRAM, -1, -EINVAL },
		{ AF_INET, SOCK_DGRAM, 1000, -EINVAL },
		{ AF_INET, SOCK_RDM, 0, -ESOCKTNOSUPPORT },
		{ AF_INET, SOCK_SEQPACKET, 132, -ESOCKTNOSUPPORT },
		{ AF_INET, SOCK_STREAM, 132, -EPROTONOSUPPORT },	/* SCTP */
		{ AF_INET, SOCK_STREAM, 17, -EPROTONOSUPPORT },
		{ AF_INET, SOCK_DGRAM, 6, -EPROTONOSUPPORT },
		{ AF_INET, SOCK_RAW, 0, -EPROTONOSUPPORT },
		{ AF_INET, SOCK_DGRAM, IPPROTO_ICMP, -EACCES },	/* ping_group_range is empty */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CALL_IS(&f, rows[i].error, socket, rows[i].family, rows[i].type, rows[i].protocol);
	cr_assert_geq(CALL(&f, socket, AF_INET, SOCK_RAW, 99), 0);
	pl_stack_set_credentials(f.stack, ~(UINT64_C(1) << CAP_NET_RAW), 0, 0);
	CALL_IS(&f, -EPERM, socket, AF_INET, SOCK_RAW, 99);
	cr_assert_geq(CALL(&f, socket, AF_INET, SOCK_DGRAM, 0), 0);
}

Test(names, bind_errors)
{
	struct sockaddr_in name = socket_address(LOCAL, 80), other = socket_address("10.0.0.1", 5000);
	int fd = open_socket(&f, SOCK_DGRAM, 0);

	CALL_IS(&f, -EINVAL, bind, fd, PL_PTR(&name), 15);
	CALL_IS(&f, -EINVAL, bind, fd, PL_PTR(&name), -1);
	CALL_IS(&f, -EINVAL, bind, fd, PL_PTR(&name), 129);
	CALL_IS(&f, -EFAULT, bind, fd, 0, sizeof(name));
	CALL_IS(&f, -EADDRNOTAVAIL, bind, fd, PL_PTR(&other), sizeof(other));
	name.sin_family = AF_INET6;
	CALL_IS(&f, -EAFNOSUPPORT, bind, fd, PL_PTR(&name), sizeof(name));
	name.sin_family = AF_INET;
	pl_stack_set_credentials(f.stack, 0, 1000, 1000);
	CALL_IS(&f, -EACCES, bind, fd, PL_PTR(&name), sizeof(name));
	pl_stack_set_credentials(f.stack, UINT64_MAX, 0, 0);
	CALL_IS(&f, 0, bind, fd, PL_PTR(&name), sizeof(name));
	CALL_IS(&f, -EINVAL, bind, fd, PL_PTR(&name), sizeof(name));
	fd = open_socket(&f, SOCK_DGRAM, 0);
	set_int(&f, fd, IPPROTO_IP, IP_FREEBIND, 1);
	CALL_IS(&f, 0, bind, fd, PL_PTR(&other), sizeof(other));
}

/* The address comes out cut to the caller's length, and the length is the whole one. */
Test(names, names_out)
{
	struct sockaddr_in name = { 0 };
	int fd = udp_bound(&f, LOCAL, 5000);
	socklen_t length = sizeof(name);

	CALL_IS(&f, 0, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
	cr_assert(name.sin_family == AF_INET && name.sin_port == htons(5000) && name.sin_addr.s_addr == addr(LOCAL).s_addr);
	name = (struct sockaddr_in){ 0 };
	length = 4;
	CALL_IS(&f, 0, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
	cr_assert(length == sizeof(name) && name.sin_port == htons(5000) && name.sin_addr.s_addr == 0);
	length = (socklen_t)-1;
	CALL_IS(&f, -EINVAL, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
	CALL_IS(&f, -EFAULT, getsockname, fd, PL_PTR(&name), 0);
	length = sizeof(name);
	CALL_IS(&f, -ENOTCONN, getpeername, fd, PL_PTR(&name), PL_PTR(&length));
}

Test(names, not_for_datagrams)
{
	int fd = udp_bound(&f, LOCAL, 5000);

	CALL_IS(&f, -EOPNOTSUPP, listen, fd, 1);
	CALL_IS(&f, -EOPNOTSUPP, accept, fd, 0, 0);
	CALL_IS(&f, -EINVAL, accept4, fd, 0, 0, 1);
	CALL_IS(&f, -EINVAL, shutdown, fd, 3);
	CALL_IS(&f, -ENOTCONN, shutdown, fd, SHUT_RD);
}

/* connect to AF_UNSPEC forgets the peer, and the port that was only chosen for it. */
Test(names, connect_and_back)
{
	struct sockaddr_in peer = socket_address(REMOTE, 53), name;
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int fd = open_socket(&f, SOCK_DGRAM, 0);
	socklen_t length = sizeof(name);

	CALL_IS(&f, 0, connect, fd, PL_PTR(&peer), sizeof(peer));
	CALL_IS(&f, 0, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
	cr_assert_eq(name.sin_addr.s_addr, addr(LOCAL).s_addr);
	cr_assert(ntohs(name.sin_port) >= 32768 && ntohs(name.sin_port) <= 60999);
	CALL_IS(&f, 0, connect, fd, PL_PTR(&nobody), sizeof(nobody));
	CALL_IS(&f, 0, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
	cr_assert(name.sin_addr.s_addr == 0 && name.sin_port == 0);
	CALL_IS(&f, -EDESTADDRREQ, send, fd, PL_PTR("x"), 1, 0);
	peer = socket_address("192.168.255.255", 53);
	CALL_IS(&f, -EACCES, connect, fd, PL_PTR(&peer), sizeof(peer));
	set_int(&f, fd, SOL_SOCKET, SO_BROADCAST, 1);
	CALL_IS(&f, 0, connect, fd, PL_PTR(&peer), sizeof(peer));
}
