/* What all TCP sockets may hold: tcp_mem and tcp_max_orphans, which only the first network namespace has. */
#include "peer.h"

#include <string.h>
#include <sys/socket.h>

#include "refstack/tcp/send.h"

static struct fixture fixture;
static struct peer peer;

static void setup(void)
{
	fixture_new(&fixture);
	fixture.stack->first_namespace = true;
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(mem, .init = setup, .fini = teardown);

static void put(const char *path, const char *text)
{
	cr_assert_eq(pl_sysctl_write(fixture.stack, path, text, strlen(text)), (ssize_t)strlen(text));
}

static void write_bytes(size_t size)
{
	static const uint8_t bytes[100000];
	int64_t arg[6] = { peer.fd, PL_PTR(bytes), (int64_t)size };

	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_write, arg), (int64_t)size);
}

static void close_fd(void)
{
	int64_t arg[6] = { peer.fd };

	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_close, arg), 0);
}

/* The flags of the last packet that was sent. */
static uint8_t last_flags(void)
{
	const struct sent_packet *packet = NULL;

	while (left(&fixture))
		packet = take(&fixture);
	cr_assert_not_null(packet);
	return packet->bytes[33];
}

Test(mem, pressure_begins_above_the_second_value_and_ends_below_the_first)
{
	put("net/ipv4/tcp_mem", "1 4 1000");
	peer_connect(&peer, &fixture, 100 * PL_NSEC_PER_MSEC);
	cr_assert_not(tcp_under_memory_pressure(fixture.stack));
	write_bytes(10000);
	write_bytes(10000);
	cr_assert_gt(fixture.stack->tcp->memory, 4);
	cr_assert(tcp_under_memory_pressure(fixture.stack));
	COUNTER_IS(&fixture, "TcpExt", "TCPMemoryPressures", 1);
	peer_after(&peer, 100 * PL_NSEC_PER_MSEC);
	peer_ack(&peer, 10000, 0, 0);
	peer_after(&peer, 100 * PL_NSEC_PER_MSEC);
	peer_ack(&peer, 20000, 0, 0);
	cr_assert_leq(fixture.stack->tcp->memory, 1);
	cr_assert_not(tcp_under_memory_pressure(fixture.stack));
	cr_assert_gt(pl_counter(fixture.stack, "TcpExt", "TCPMemoryPressuresChrono"), 0);
}

Test(mem, pages_of_a_socket_are_given_back_when_it_goes)
{
	peer_connect(&peer, &fixture, 100 * PL_NSEC_PER_MSEC);
	write_bytes(20000);
	cr_assert_gt(fixture.stack->tcp->memory, 4);
	int linger[2] = { 1, 0 };
	int64_t arg[6] = { peer.fd, SOL_SOCKET, SO_LINGER, PL_PTR(linger), sizeof(linger) };
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_setsockopt, arg), 0);
	close_fd();
	cr_assert_eq(fixture.stack->tcp->memory, 0);
}

Test(mem, an_orphan_too_many_is_reset)
{
	put("net/ipv4/tcp_max_orphans", "0");
	peer_connect(&peer, &fixture, 100 * PL_NSEC_PER_MSEC);
	close_fd();
	cr_assert(last_flags() & TH_RST);
	COUNTER_IS(&fixture, "TcpExt", "TCPAbortOnMemory", 1);
}

Test(mem, an_orphan_that_there_is_room_for_says_goodbye)
{
	put("net/ipv4/tcp_max_orphans", "1");
	peer_connect(&peer, &fixture, 100 * PL_NSEC_PER_MSEC);
	close_fd();
	cr_assert_eq(last_flags(), TH_FIN | TH_ACK);
	COUNTER_IS(&fixture, "TcpExt", "TCPAbortOnMemory", 0);
}
