#include "../calls.h"

#include <netinet/ip_icmp.h>
#include <plumbline/sysctl.h>

static struct fixture f;
static int fd;

static void set_up(void)
{
	fixture_new(&f);
	cr_assert_geq(pl_sysctl_write(f.stack, "net/ipv4/ping_group_range", "5 10", 4), 0);
	pl_stack_set_credentials(f.stack, 0, 1000, 5);
	fd = open_socket(&f, SOCK_DGRAM, IPPROTO_ICMP);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(ping, .init = set_up, .fini = tear_down);

Test(ping, only_for_the_group)
{
	pl_stack_set_credentials(f.stack, UINT64_MAX, 0, 11);
	CALL_IS(&f, -EACCES, socket, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	pl_stack_set_credentials(f.stack, 0, 0, 10);
	cr_assert_geq(CALL(&f, socket, AF_INET, SOCK_DGRAM, IPPROTO_ICMP), 0);
}

/* The identifier is the stack's, the rest the caller's; the reply with it comes back to the socket. */
Test(ping, echo)
{
	struct icmphdr request = { .type = ICMP_ECHO, .un.echo = { .id = htons(77), .sequence = htons(5) } }, reply;
	struct sockaddr_in to = socket_address(REMOTE, 0), name;
	socklen_t length = sizeof(name);
	const struct icmphdr *sent;
	uint8_t packet[100];

	CALL_IS(&f, 8, sendto, fd, PL_PTR(&request), 8, 0, PL_PTR(&to), sizeof(to));
	CALL_IS(&f, 0, getsockname, fd, PL_PTR(&name), PL_PTR(&length));
	sent = (const struct icmphdr *)(take(&f)->bytes + 20);
	cr_assert_eq(sent->un.echo.id, name.sin_port);
	cr_assert_eq(sent->un.echo.sequence, htons(5));
	cr_assert_eq(sum(sent, 8), 0);
	reply = *sent;
	reply.type = ICMP_ECHOREPLY;
	reply.checksum = 0;
	reply.checksum = sum(&reply, sizeof(reply));
	pl_link_input(f.stack, f.tun, packet, make_ip(packet, NULL, REMOTE, LOCAL, IPPROTO_ICMP, &reply, sizeof(reply)));
	CALL_IS(&f, 8, read, fd, PL_PTR(packet), sizeof(packet));
	cr_assert_arr_eq(packet, &reply, 8);
	CALL_IS(&f, -EAGAIN, read, fd, PL_PTR(packet), sizeof(packet));
}

Test(ping, what_cannot_be_sent)
{
	struct icmphdr message = { .type = ICMP_ECHOREPLY };
	struct sockaddr_in to = socket_address(REMOTE, 0);

	CALL_IS(&f, -EINVAL, sendto, fd, PL_PTR(&message), 8, 0, PL_PTR(&to), sizeof(to));
	message.type = ICMP_ECHO;
	CALL_IS(&f, -EINVAL, sendto, fd, PL_PTR(&message), 7, 0, PL_PTR(&to), sizeof(to));
	message.code = 1;
	CALL_IS(&f, -EINVAL, sendto, fd, PL_PTR(&message), 8, 0, PL_PTR(&to), sizeof(to));
	message.code = 0;
	CALL_IS(&f, -EDESTADDRREQ, send, fd, PL_PTR(&message), 8, 0);
	cr_assert_eq(left(&f), 0);
}
