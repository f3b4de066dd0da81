#include "../calls.h"

#include <netinet/ip_icmp.h>

static struct fixture f;
static uint8_t buffer[2000];

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(raw, .init = set_up, .fini = tear_down);

static void arrive(const char *source, uint8_t protocol, const void *payload, size_t length)
{
	uint8_t packet[600];
	size_t total = make_ip(packet, NULL, source, LOCAL, protocol, payload, length);

	pl_link_input(f.stack, f.tun, packet, total);
}

/* Every socket of the protocol gets the whole packet, header included. */
Test(raw, several_take_one_packet)
{
	int fd[3] = { open_socket(&f, SOCK_RAW, 99), open_socket(&f, SOCK_RAW, 99), open_socket(&f, SOCK_RAW, 98) };
	struct sockaddr_in peer = socket_address("192.0.2.2", 0), from;
	socklen_t length = sizeof(from);

	arrive(REMOTE, 99, "abcd", 4);
	CALL_IS(&f, 24, recvfrom, fd[0], PL_PTR(buffer), 100, 0, PL_PTR(&from), PL_PTR(&length));
	cr_assert(buffer[0] == 0x45 && !memcmp(buffer + 20, "abcd", 4));
	cr_assert(from.sin_addr.s_addr == addr(REMOTE).s_addr && from.sin_port == 0);
	CALL_IS(&f, 24, read, fd[1], PL_PTR(buffer), 100);
	CALL_IS(&f, -EAGAIN, read, fd[2], PL_PTR(buffer), 100);
	CALL_IS(&f, 0, connect, fd[0], PL_PTR(&peer), sizeof(peer));
	arrive(REMOTE, 99, "abcd", 4);
	CALL_IS(&f, -EAGAIN, read, fd[0], PL_PTR(buffer), 100);
	CALL_IS(&f, 24, read, fd[1], PL_PTR(buffer), 100);
	cr_assert_eq(left(&f), 0);
	arrive(REMOTE, 97, "abcd", 4);
	cr_assert(take(&f)->bytes[21] == ICMP_PROT_UNREACH);
}

Test(raw, icmp_filter)
{
	int fd = open_socket(&f, SOCK_RAW, IPPROTO_ICMP), other = open_socket(&f, SOCK_RAW, 99);
	uint32_t filter = 1u << ICMP_ECHOREPLY;
	uint8_t reply[8] = { ICMP_ECHOREPLY, 0, 0xff, 0xff }, request[8] = { ICMP_ECHO, 0, 0xf7, 0xff };

	CALL_IS(&f, 0, setsockopt, fd, SOL_RAW, 1, PL_PTR(&filter), sizeof(filter));
	CALL_IS(&f, -EOPNOTSUPP, setsockopt, other, SOL_RAW, 1, PL_PTR(&filter), sizeof(filter));
	arrive(REMOTE, IPPROTO_ICMP, reply, sizeof(reply));
	CALL_IS(&f, -EAGAIN, read, fd, PL_PTR(buffer), 100);
	arrive(REMOTE, IPPROTO_ICMP, request, sizeof(request));
	CALL_IS(&f, 28, read, fd, PL_PTR(buffer), 100);
}

Test(raw, sending)
{
	int fd = open_socket(&f, SOCK_RAW, 99);
	struct sockaddr_in to = socket_address(REMOTE, 0);

	CALL_IS(&f, 4, sendto, fd, PL_PTR("abcd"), 4, 0, PL_PTR(&to), sizeof(to));
	const struct sent_packet *sent = take(&f);
	cr_assert(sent->length == 24 && sent->bytes[9] == 99 && !memcmp(sent->bytes + 20, "abcd", 4));
	CALL_IS(&f, 2, sendto, fd, PL_PTR("ab"), 2, MSG_MORE, PL_PTR(&to), sizeof(to));
	CALL_IS(&f, 2, sendto, fd, PL_PTR("cd"), 2, 0, PL_PTR(&to), sizeof(to));
	cr_assert_eq(take(&f)->length, 24);
	CALL_IS(&f, -EDESTADDRREQ, send, fd, PL_PTR("ab"), 2, 0);
}

/* IP_HDRINCL: source, id, length and checksum are filled in, the rest is the caller's. */
Test(raw, own_header)
{
	int fd = open_socket(&f, SOCK_RAW, IPPROTO_RAW);
	struct sockaddr_in to = socket_address(REMOTE, 0);
	struct iphdr header = { .version = 4, .ihl = 5, .ttl = 3, .tos = 8, .protocol = 77, .daddr = addr("192.0.2.77").s_addr };
	const struct iphdr *ip;

	CALL_IS(&f, 20, sendto, fd, PL_PTR(&header), 20, 0, PL_PTR(&to), sizeof(to));
	ip = (const struct iphdr *)take(&f)->bytes;
	cr_assert(ip->ttl == 3 && ip->tos == 8 && ip->protocol == 77 && ip->daddr == header.daddr && ip->id != 0);
	cr_assert(ip->saddr == addr(LOCAL).s_addr && ip->tot_len == htons(20) && sum(ip, 20) == 0);
	CALL_IS(&f, -EINVAL, sendto, fd, PL_PTR(&header), 19, 0, PL_PTR(&to), sizeof(to));
	header.ihl = 6;
	CALL_IS(&f, -EINVAL, sendto, fd, PL_PTR(&header), 20, 0, PL_PTR(&to), sizeof(to));
	CALL_IS(&f, -EMSGSIZE, sendto, fd, PL_PTR(buffer), 1501, 0, PL_PTR(&to), sizeof(to));
	cr_assert_eq(left(&f), 0);
}

/* The name's port is the protocol; disconnecting takes the socket out of the table, as on Linux. */
Test(raw, name_and_disconnect)
{
	int fd = open_socket(&f, SOCK_RAW, 99);
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct sockaddr_in name;
	socklen_t length = sizeof(name);

	CALL_IS(&f, 0, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
	cr_assert_eq(name.sin_port, htons(99));
	CALL_IS(&f, 0, connect, fd, PL_PTR(&nobody), sizeof(nobody));
	CALL_IS(&f, 0, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
	cr_assert_eq(name.sin_port, 0);
	arrive(REMOTE, 99, "abcd", 4);
	CALL_IS(&f, -EAGAIN, read, fd, PL_PTR(buffer), 100);
}

Test(raw, errors_are_told)
{
	int fd = open_socket(&f, SOCK_RAW, 99);
	struct sockaddr_in to = socket_address(REMOTE, 0);

	CALL_IS(&f, 8, sendto, fd, PL_PTR("abcdefgh"), 8, 0, PL_PTR(&to), sizeof(to));
	inject_icmp_about(&f, 3, 2, 0, take(&f));
	cr_assert_eq(get_int(&f, fd, SOL_SOCKET, SO_ERROR), 0);		/* neither connected nor interested */
	CALL_IS(&f, 0, connect, fd, PL_PTR(&to), sizeof(to));
	CALL_IS(&f, 8, send, fd, PL_PTR("abcdefgh"), 8, 0);
	inject_icmp_about(&f, 3, 2, 0, take(&f));
	int error = get_int(&f, fd, SOL_SOCKET, SO_ERROR);
	cr_assert_eq(error, ENOPROTOOPT, "%d", error);
}
