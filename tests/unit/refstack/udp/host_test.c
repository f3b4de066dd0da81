#include "../calls.h"

#include <plumbline/sysctl.h>

static struct fixture f;

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(udp_host, .init = set_up, .fini = tear_down);

/* Who may have the same port: the rules of SO_REUSEADDR, SO_REUSEPORT, addresses, links and owners. */
Test(udp_host, conflicts)
{
	static const struct {
		int reuse[2], port[2];
		const char *address[2];
		bool other_link, other_user;
		int error;
	} rows[] = {
		{ .address = { LOCAL, LOCAL }, .error = -EADDRINUSE },
		{ .address = { LOCAL, "0.0.0.0" }, .error = -EADDRINUSE },
		{ .address = { LOCAL, "127.0.0.1" }, .error = 0 },
		{ .address = { LOCAL, LOCAL }, .reuse = { 1, 0 }, .error = -EADDRINUSE },
		{ .address = { LOCAL, LOCAL }, .reuse = { 1, 1 }, .error = 0 },
		{ .address = { LOCAL, LOCAL }, .port = { 1, 0 }, .error = -EADDRINUSE },
		{ .address = { LOCAL, LOCAL }, .port = { 1, 1 }, .error = 0 },
		{ .address = { LOCAL, LOCAL }, .port = { 1, 1 }, .other_user = true, .error = -EADDRINUSE },
		{ .address = { LOCAL, LOCAL }, .reuse = { 1, 1 }, .other_user = true, .error = 0 },
		{ .address = { "0.0.0.0", "0.0.0.0" }, .other_link = true, .error = 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd[2];

		for (int k = 0; k < 2; k++) {
			struct sockaddr_in name = socket_address(rows[i].address[k], 5000);

			pl_stack_set_credentials(f.stack, UINT64_MAX, k && rows[i].other_user ? 7 : 0, 0);
			fd[k] = open_socket(&f, SOCK_DGRAM, 0);
			set_int(&f, fd[k], SOL_SOCKET, SO_REUSEADDR, rows[i].reuse[k]);
			set_int(&f, fd[k], SOL_SOCKET, SO_REUSEPORT, rows[i].port[k]);
			if (rows[i].other_link)
				CALL_IS(&f, 0, setsockopt, fd[k], SOL_SOCKET, SO_BINDTODEVICE, PL_PTR(k ? "lo" : "tun0"),
					k ? 2 : 4);
			int64_t result = CALL(&f, bind, fd[k], PL_PTR(&name), sizeof(name));
			cr_assert_eq(result, k ? rows[i].error : 0, "row %zu: %lld", i, (long long)result);
		}
		CALL_IS(&f, 0, close, fd[0]);
		CALL_IS(&f, 0, close, fd[1]);
	}
}

static bool got(int fd)
{
	char byte;

	return CALL(&f, recv, fd, PL_PTR(&byte), 1, MSG_DONTWAIT) == 1;
}

/* The socket that matches a datagram in most ways gets it. */
Test(udp_host, best_match)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(5000) }, local = socket_address(LOCAL, 5000),
			   peer = socket_address(REMOTE, 77);
	int fd[4];

	for (int i = 0; i < 4; i++) {
		fd[i] = open_socket(&f, SOCK_DGRAM, 0);
		set_int(&f, fd[i], SOL_SOCKET, SO_REUSEADDR, 1);
	}
	CALL_IS(&f, 0, bind, fd[0], PL_PTR(&local), sizeof(local));
	CALL_IS(&f, 0, connect, fd[0], PL_PTR(&peer), sizeof(peer));
	CALL_IS(&f, 0, bind, fd[1], PL_PTR(&local), sizeof(local));
	CALL_IS(&f, 0, setsockopt, fd[2], SOL_SOCKET, SO_BINDTODEVICE, PL_PTR("tun0"), 4);
	CALL_IS(&f, 0, bind, fd[2], PL_PTR(&any), sizeof(any));
	CALL_IS(&f, 0, bind, fd[3], PL_PTR(&any), sizeof(any));
	for (int i = 0; i < 4; i++) {
		inject_udp(&f, 77, 5000, "x", 1);
		for (int k = 0; k < 4; k++)
			cr_assert_eq(got(fd[k]), k == i, "%d %d", i, k);
		CALL_IS(&f, 0, close, fd[i]);
	}
	inject_udp(&f, 77, 5000, "x", 1);
	COUNTER_IS(&f, "Udp", "NoPorts", 1);
	cr_assert_eq(left(&f), 1);
}

/* A group shares: each pair of ends always finds the same member, and every member some. */
Test(udp_host, reuseport_shares)
{
	int fd[3], count[3] = { 0 };
	struct sockaddr_in local = socket_address(LOCAL, 5000);

	for (int i = 0; i < 3; i++) {
		fd[i] = open_socket(&f, SOCK_DGRAM, 0);
		set_int(&f, fd[i], SOL_SOCKET, SO_REUSEPORT, 1);
		CALL_IS(&f, 0, bind, fd[i], PL_PTR(&local), sizeof(local));
	}
	for (uint16_t port = 1; port <= 60; port++) {
		int who = -1;

		for (int round = 0; round < 2; round++) {
			inject_udp(&f, port, 5000, "x", 1);
			for (int i = 0; i < 3; i++) {
				if (!got(fd[i]))
					continue;
				cr_assert(round == 0 || who == i);
				who = i;
				count[i]++;
			}
		}
		cr_assert_geq(who, 0);
	}
	cr_assert(count[0] > 10 && count[1] > 10 && count[2] > 10);
}

/* Ephemeral ports come from the range, none twice, none reserved; then there are no more. */
Test(udp_host, ephemeral_ports)
{
	bool seen[4] = { false };
	struct sockaddr_in any = { .sin_family = AF_INET }, name;

	cr_assert_geq(pl_sysctl_write(f.stack, "net/ipv4/ip_local_port_range", "40000 40003", 11), 0);
	cr_assert_geq(pl_sysctl_write(f.stack, "net/ipv4/ip_local_reserved_ports", "40002", 5), 0);
	for (int i = 0; i < 3; i++) {
		int fd = open_socket(&f, SOCK_DGRAM, 0);
		socklen_t length = sizeof(name);

		CALL_IS(&f, 0, bind, fd, PL_PTR(&any), sizeof(any));
		CALL_IS(&f, 0, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
		int offset = ntohs(name.sin_port) - 40000;
		cr_assert(offset >= 0 && offset < 4 && offset != 2 && !seen[offset]);
		seen[offset] = true;
	}
	int fd = open_socket(&f, SOCK_DGRAM, 0);
	CALL_IS(&f, -EADDRINUSE, bind, fd, PL_PTR(&any), sizeof(any));
	struct sockaddr_in to = socket_address(REMOTE, 9);
	CALL_IS(&f, -EAGAIN, connect, fd, PL_PTR(&to), sizeof(to));
	CALL_IS(&f, -EAGAIN, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
}
