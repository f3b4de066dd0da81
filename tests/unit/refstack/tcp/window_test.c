/* The congestion window over the wire, against what Linux 6.18 was seen to do with the same acknowledgements. */
#include "peer.h"

#include <sys/socket.h>

#include "refstack/tcp/info.h"

#define MS PL_NSEC_PER_MSEC

static struct fixture fixture;
static struct peer peer;

static void setup(void)
{
	fixture_new(&fixture);
	peer_connect(&peer, &fixture, 100 * MS);
}

static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(window, .init = setup, .fini = teardown);

static void write_bytes(size_t size)
{
	static uint8_t bytes[2000000];
	int buffer = 2000000;
	int64_t option[6] = { peer.fd, SOL_SOCKET, SO_SNDBUF, PL_PTR(&buffer), sizeof(buffer) };
	int64_t write[6] = { peer.fd, PL_PTR(bytes), (int64_t)size };

	cr_assert_eq(pl_sysctl_start(fixture.stack, "net/core/wmem_max", "4194304"), 0);
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_setsockopt, option), 0);
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_write, write), (int64_t)size);
}

static uint32_t cwnd(void)
{
	struct tcp_info_linux info;

	peer_info(&peer, &info, sizeof(info));
	return info.tcpi_snd_cwnd;
}

/*
 * Three rounds of slow start, one packet of eighty lost, then eight packets acknowledged every 100 ms: reduction by PRR to 0.7,
 * the concave part of the curve, its plateau at the old window, the convex part. The figures are a live kernel's.
 */
Test(window, cubic_follows_the_curve_as_linux_does)
{
	static const uint32_t linux_cwnd[] = {
		56, 57, 58, 59, 60, 61, 62, 64, 65, 65, 66, 67, 68, 69, 70, 71, 71, 72, 73, 73, 74, 74, 75, 75, 76, 76, 77,
		77, 77, 78, 78, 78, 78, 78, 79, 79, 79, 79, 79, 79, 79, 79, 79, 79, 80, 80, 80, 80, 80, 80, 80, 80, 80, 80,
		81, 81, 81, 81, 81, 82, 82, 82, 83, 83, 84, 84, 85, 85, 86, 87, 87, 88, 89, 90, 91, 92, 93, 94, 95, 97, 98,
		100, 101, 103, 104, 106, 107, 110, 112, 114, 116, 118, 120, 122, 124, 127, 130, 132, 135, 138, 140, 143,
		146, 150, 152, 157, 161, 165, 169, 173, 177, 181,
	};
	uint32_t acked = 0;

	write_bytes(1500000);
	for (uint32_t flight = 10000; flight <= 40000; flight *= 2) {
		peer_after(&peer, 100 * MS);
		peer_ack(&peer, acked += flight, 0, 0);
	}
	cr_assert_eq(cwnd(), 80);
	peer_after(&peer, 100 * MS);
	peer_ack(&peer, acked, acked + 1000, acked + 80000);
	cr_assert_eq(cwnd(), 56);
	peer_after(&peer, 100 * MS);
	peer_ack(&peer, acked += 80000, 0, 0);
	for (size_t i = 0; i < sizeof(linux_cwnd) / sizeof(linux_cwnd[0]); i++) {
		peer_after(&peer, 100 * MS);
		peer_ack(&peer, acked += 8000, 0, 0);
		/* The kernel's own runs differ by this much: its acknowledgements came when the scheduler let them. */
		uint32_t linux_window = linux_cwnd[i], ours = cwnd(), slack = linux_window > 100 ? 4 : 1;
		cr_expect(ours + slack >= linux_window && ours <= linux_window + slack, "after acknowledgement %zu: %u, Linux %u",
			  i, ours, linux_window);
	}
}
