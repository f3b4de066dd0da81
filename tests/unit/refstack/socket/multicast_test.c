#include "../calls.h"

static struct fixture f;

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(multicast, .init = set_up, .fini = tear_down);

#define GROUP "239.1.2.3"

static int member(int loop)
{
	int fd = open_socket(&f, SOCK_DGRAM, 0);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(5000) };
	struct ip_mreqn request = { .imr_multiaddr = addr(GROUP), .imr_ifindex = f.tun };

	set_int(&f, fd, SOL_SOCKET, SO_REUSEADDR, 1);
	CALL_IS(&f, 0, bind, fd, PL_PTR(&any), sizeof(any));
	if (loop)
		CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, PL_PTR(&request), sizeof(request));
	return fd;
}

static void arrive_from(const char *source)
{
	uint8_t payload[9] = { 0, 1, 0x13, 0x88, 0, 9, 0, 0, 'x' }, packet[100];
	size_t length = make_ip(packet, NULL, source, GROUP, IPPROTO_UDP, payload, sizeof(payload));

	pl_link_input(f.stack, f.tun, packet, length);
}

/* Is a datagram there? Takes it. */
static bool got(int fd)
{
	char byte;

	return CALL(&f, recv, fd, PL_PTR(&byte), 1, MSG_DONTWAIT) == 1;
}

/* Every member gets a copy; who is in no group gets one too unless IP_MULTICAST_ALL is off. */
Test(multicast, copies)
{
	int in[2] = { member(1), member(1) }, out = member(0);

	arrive_from(REMOTE);
	cr_assert(got(in[0]) && got(in[1]) && got(out));
	set_int(&f, out, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	arrive_from(REMOTE);
	cr_assert(got(in[0]) && got(in[1]) && !got(out));
	CALL_IS(&f, 0, close, in[0]);
	CALL_IS(&f, 0, close, in[1]);
	arrive_from(REMOTE);
	cr_assert_not(got(out));	/* the host is no longer a member */
}

Test(multicast, membership_errors)
{
	int fd = member(1);
	struct ip_mreqn request = { .imr_multiaddr = addr(GROUP), .imr_ifindex = f.tun };

	CALL_IS(&f, -EADDRINUSE, setsockopt, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, PL_PTR(&request), sizeof(request));
	request.imr_ifindex = 99;
	CALL_IS(&f, -ENODEV, setsockopt, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, PL_PTR(&request), sizeof(request));
	request = (struct ip_mreqn){ .imr_multiaddr = addr(REMOTE), .imr_ifindex = f.tun };
	CALL_IS(&f, -EINVAL, setsockopt, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, PL_PTR(&request), sizeof(request));
	request = (struct ip_mreqn){ .imr_multiaddr = addr("239.9.9.9"), .imr_ifindex = f.tun };
	CALL_IS(&f, -EADDRNOTAVAIL, setsockopt, fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, PL_PTR(&request), sizeof(request));
	CALL_IS(&f, -EINVAL, setsockopt, fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, PL_PTR(&request), 7);
	for (int i = 0; i < 20; i++) {
		request.imr_multiaddr.s_addr = htonl(0xef000100u + (uint32_t)i);
		CALL_IS(&f, i < 19 ? 0 : -ENOBUFS, setsockopt, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, PL_PTR(&request),
			sizeof(request));
	}
}

/* Sources: blocked ones are not heard; in include mode only those named are. */
Test(multicast, sources)
{
	int fd = member(1), named = member(0);
	struct ip_mreq_source source = { .imr_multiaddr = addr(GROUP), .imr_interface = addr(LOCAL), .imr_sourceaddr = addr(REMOTE) };

	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_BLOCK_SOURCE, PL_PTR(&source), sizeof(source));
	CALL_IS(&f, -EADDRNOTAVAIL, setsockopt, fd, IPPROTO_IP, IP_BLOCK_SOURCE, PL_PTR(&source), sizeof(source));
	CALL_IS(&f, 0, setsockopt, named, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, PL_PTR(&source), sizeof(source));
	CALL_IS(&f, -EINVAL, setsockopt, named, IPPROTO_IP, IP_BLOCK_SOURCE, PL_PTR(&source), sizeof(source));
	arrive_from(REMOTE);
	cr_assert(!got(fd) && got(named));
	arrive_from("192.0.2.2");
	cr_assert(got(fd) && !got(named));
	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_UNBLOCK_SOURCE, PL_PTR(&source), sizeof(source));
	CALL_IS(&f, 0, setsockopt, named, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, PL_PTR(&source), sizeof(source));
	set_int(&f, named, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	arrive_from(REMOTE);
	cr_assert(got(fd) && !got(named));
}

/* What is sent to a group comes back to this host's members unless IP_MULTICAST_LOOP is off. */
Test(multicast, loop_and_ttl)
{
	int fd = member(1), sender = open_socket(&f, SOCK_DGRAM, 0);
	struct sockaddr_in to = socket_address(GROUP, 5000);
	struct ip_mreqn link = { .imr_ifindex = f.tun };

	CALL_IS(&f, 0, setsockopt, sender, IPPROTO_IP, IP_MULTICAST_IF, PL_PTR(&link), sizeof(link));
	CALL_IS(&f, 1, sendto, sender, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
	cr_assert_eq(((const struct iphdr *)take(&f)->bytes)->ttl, 1);
	cr_assert(got(fd));
	set_int(&f, sender, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
	set_int(&f, sender, IPPROTO_IP, IP_MULTICAST_TTL, 9);
	CALL_IS(&f, 1, sendto, sender, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
	cr_assert_eq(((const struct iphdr *)take(&f)->bytes)->ttl, 9);
	cr_assert_not(got(fd));
	set_int(&f, sender, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
	set_int(&f, sender, IPPROTO_IP, IP_MULTICAST_TTL, 0);
	CALL_IS(&f, 1, sendto, sender, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to));
	cr_assert_eq(left(&f), 0);
	cr_assert(got(fd));
}

Test(multicast, filters)
{
	int fd = member(1);
	struct ip_msfilter *filter = calloc(1, IP_MSFILTER_SIZE(4));
	socklen_t length = IP_MSFILTER_SIZE(4);

	filter->imsf_multiaddr = addr(GROUP);
	filter->imsf_interface = addr(LOCAL);
	filter->imsf_fmode = MCAST_INCLUDE;
	filter->imsf_numsrc = 2;
	((struct in_addr *)((char *)filter + IP_MSFILTER_SIZE(0)))[0] = addr("10.0.0.1");
	((struct in_addr *)((char *)filter + IP_MSFILTER_SIZE(0)))[1] = addr("10.0.0.2");
	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_MSFILTER, PL_PTR(filter), IP_MSFILTER_SIZE(2));
	CALL_IS(&f, -EINVAL, setsockopt, fd, IPPROTO_IP, IP_MSFILTER, PL_PTR(filter), IP_MSFILTER_SIZE(1));
	arrive_from(REMOTE);
	cr_assert_not(got(fd));
	filter->imsf_numsrc = 1;
	CALL_IS(&f, 0, getsockopt, fd, IPPROTO_IP, IP_MSFILTER, PL_PTR(filter), PL_PTR(&length));
	cr_assert(filter->imsf_numsrc == 2 && filter->imsf_fmode == MCAST_INCLUDE && length == IP_MSFILTER_SIZE(1));
	free(filter);
}
