#include "../calls.h"

static struct fixture f;
static int fd;
static uint8_t buffer[100];

static void tune(const char *path, const char *value)
{
	cr_assert_eq(pl_sysctl_write(f.stack, path, value, strlen(value)), (ssize_t)strlen(value), "%s", path);
}

/* A socket connected to a host behind tun1, whose datagrams come by tun0. */
static void set_up(void)
{
	struct sockaddr_in own = socket_address(LOCAL, 53), peer = socket_address("10.0.0.5", 4000);

	fixture_new(&f);
	tune("net/ipv4/conf/all/rp_filter", "0");
	tune("net/ipv4/conf/tun0/rp_filter", "0");
	fixture_link(&f, "tun1", "10.0.0.1", 24);
	fd = open_socket(&f, SOCK_DGRAM, 0);
	CALL_IS(&f, 0, bind, fd, PL_PTR(&own), sizeof(own));
	CALL_IS(&f, 0, connect, fd, PL_PTR(&peer), sizeof(peer));
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(early, .init = set_up, .fini = tear_down);

static bool received(uint16_t fragment)
{
	const uint8_t datagram[] = { 4000 >> 8, 4000 & 255, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd' };
	struct iphdr header = { .ttl = 9, .frag_off = htons(fragment) };
	uint8_t packet[200];
	size_t length = make_ip(packet, &header, "10.0.0.5", LOCAL, IPPROTO_UDP, datagram, sizeof(datagram));
	int64_t result;

	pl_link_input(f.stack, f.tun, packet, length);
	result = CALL(&f, read, fd, PL_PTR(buffer), sizeof(buffer));
	cr_assert(result == 4 || result == -EAGAIN);
	return result == 4;
}

Test(early, a_filter_spares_what_was_there)
{
	cr_assert(received(0));
	tune("net/ipv4/conf/tun0/rp_filter", "1");
	cr_assert(received(0));
	tune("net/ipv4/udp_early_demux", "0");
	cr_assert_not(received(0));
	tune("net/ipv4/udp_early_demux", "1");
	cr_assert(received(0));
	tune("net/ipv4/route/flush", "1");
	cr_assert_not(received(0));
	cr_assert_not(received(0));
}

Test(early, a_filter_that_was_there_spares_nothing)
{
	tune("net/ipv4/conf/tun0/rp_filter", "1");
	cr_assert_not(received(0));
	cr_assert_not(received(0));
}
