/* The state machine of neighbours in virtual time. */
#include "frames.h"

static struct wire wire;
static int fd;

static void setup(void)
{
	wire_new(&wire, false);
	fd = open_socket(&wire.fixture, SOCK_DGRAM, 0);
}
static void teardown(void)
{
	wire_free(&wire);
}
TestSuite(neighbour, .init = setup, .fini = teardown);

/* Known and reachable, with its header cached by a packet. */
static void resolve(void)
{
	send_udp(&wire, fd, PEER, 0);
	request_out(&wire, PEER, NULL);
	reply_in(&wire, peer_hwaddr);
	ip_out(&wire, peer_hwaddr);
	nothing_out(&wire);
}

Test(neighbour, packets_wait_for_the_answer_in_order)
{
	for (int i = 0; i < 3; i++)
		cr_assert_eq(send_udp(&wire, fd, PEER, 0), 5);
	cr_assert_eq(request_out(&wire, PEER, NULL), 0);
	nothing_out(&wire);
	arp_file_has(&wire, PEER, "0x0 ");
	run_for(&wire, .5);
	reply_in(&wire, peer_hwaddr);
	uint16_t last = 0;
	for (int i = 0; i < 3; i++) {
		const struct sent_packet *sent = ip_out(&wire, peer_hwaddr);
		uint16_t id = (uint16_t)(sent->bytes[18] << 8 | sent->bytes[19]);

		cr_assert_eq(sent->time, PL_NSEC_PER_SEC / 2);
		cr_assert(i == 0 || (int16_t)(id - last) >= 0);
		last = id;
	}
	arp_file_has(&wire, PEER, "0x2         02:00:00:00:01:01     *        eth0");
}

Test(neighbour, asks_three_times_a_second_apart_then_fails)
{
	int value = 1;

	CALL_IS(&wire.fixture, 0, setsockopt, fd, IPPROTO_IP, IP_RECVERR, PL_PTR(&value), sizeof(value));
	send_udp(&wire, fd, PEER, 0);
	run_for(&wire, 2.9);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(request_out(&wire, PEER, NULL), i * PL_NSEC_PER_SEC);
	cr_assert_eq(get_int(&wire.fixture, fd, SOL_SOCKET, SO_ERROR), 0);
	run_for(&wire, .1);
	nothing_out(&wire);
	cr_assert_eq(get_int(&wire.fixture, fd, SOL_SOCKET, SO_ERROR), EHOSTUNREACH);
	/* A failed one is asked for anew by the next packet. */
	send_udp(&wire, fd, PEER, 0);
	request_out(&wire, PEER, NULL);
}

Test(neighbour, tunables_of_asking)
{
	tune(&wire, "net/ipv4/neigh/eth0/mcast_solicit", "2");
	tune(&wire, "net/ipv4/neigh/eth0/app_solicit", "1");
	tune(&wire, "net/ipv4/neigh/eth0/retrans_time_ms", "100");
	send_udp(&wire, fd, PEER, 0);
	run_for(&wire, 1);
	/* The first is the daemon's, and there is no daemon. */
	cr_assert_eq(request_out(&wire, PEER, NULL), PL_NSEC_PER_SEC / 10);
	cr_assert_eq(request_out(&wire, PEER, NULL), PL_NSEC_PER_SEC / 5);
	nothing_out(&wire);
	tune(&wire, "net/ipv4/neigh/eth0/mcast_solicit", "0");
	tune(&wire, "net/ipv4/neigh/eth0/app_solicit", "0");
	send_udp(&wire, fd, PEER, 0);
	run_for(&wire, 1);
	nothing_out(&wire);
}

Test(neighbour, queue_is_bounded_by_bytes)
{
	tune(&wire, "net/ipv4/neigh/eth0/unres_qlen_bytes", "2000");
	for (int i = 0; i < 10; i++)
		send_udp(&wire, fd, PEER, 0);
	request_out(&wire, PEER, NULL);
	reply_in(&wire, peer_hwaddr);
	size_t few = left(&wire.fixture);
	cr_assert(few > 0 && few < 10, "%zu", few);
	/* However little is allowed, the last packet waits. */
	tune(&wire, "net/ipv4/neigh/eth0/unres_qlen_bytes", "0");
	send_udp(&wire, fd, OTHER, 0);
	send_udp(&wire, fd, OTHER, 0);
	wire.fixture.taken = wire.fixture.count;
	arp_in(&wire, wire.eth0, (struct arp_text){ .operation = ARPOP_REPLY, .sender_hwaddr = other_hwaddr, .sender = OTHER,
						    .target_hwaddr = own_hwaddr, .target = OWN, .to = own_hwaddr });
	ip_out(&wire, other_hwaddr);
	nothing_out(&wire);
}

/* REACHABLE for half to one and a half of base_reachable_time, then DELAY because it was used of late, then direct questions. */
Test(neighbour, reachable_then_delay_then_probe_then_failed)
{
	tune(&wire, "net/ipv4/neigh/eth0/base_reachable_time_ms", "2000");
	resolve();
	run_for(&wire, 5.9);
	nothing_out(&wire);	/* at the earliest 1 s reachable and 5 s delay */
	run_for(&wire, 5);
	pl_time first = request_out(&wire, PEER, peer_hwaddr);
	cr_assert(first >= 6 * PL_NSEC_PER_SEC && first <= 8 * PL_NSEC_PER_SEC, "%lld", (long long)first);
	cr_assert_eq(request_out(&wire, PEER, peer_hwaddr), first + PL_NSEC_PER_SEC);
	cr_assert_eq(request_out(&wire, PEER, peer_hwaddr), first + 2 * PL_NSEC_PER_SEC);
	run_for(&wire, 5);
	nothing_out(&wire);
	arp_file_has(&wire, PEER, "0x0 ");
}

Test(neighbour, unused_becomes_stale_and_the_next_packet_begins_the_delay)
{
	tune(&wire, "net/ipv4/neigh/eth0/base_reachable_time_ms", "20000");
	resolve();
	run_for(&wire, 40);
	nothing_out(&wire);
	send_udp(&wire, fd, PEER, 0);
	pl_time sent = ip_out(&wire, peer_hwaddr)->time;
	run_for(&wire, 4.999);
	nothing_out(&wire);
	run_for(&wire, .001);
	cr_assert_eq(request_out(&wire, PEER, peer_hwaddr), sent + 5 * PL_NSEC_PER_SEC);
	reply_in(&wire, peer_hwaddr);
	run_for(&wire, 9);
	nothing_out(&wire);
}

Test(neighbour, confirmation_makes_delay_reachable_again)
{
	tune(&wire, "net/ipv4/neigh/eth0/base_reachable_time_ms", "20000");
	resolve();
	run_for(&wire, 40);
	send_udp(&wire, fd, PEER, 0);
	run_for(&wire, 2);
	send_udp(&wire, fd, PEER, MSG_CONFIRM);
	ip_out(&wire, peer_hwaddr);
	ip_out(&wire, peer_hwaddr);
	run_for(&wire, 7);
	nothing_out(&wire);
	run_for(&wire, 40);
	/* Used long ago: stale, no questions. */
	nothing_out(&wire);
	/* MSG_PROBE sends nothing and confirms all the same. */
	send_udp(&wire, fd, PEER, 0);
	ip_out(&wire, peer_hwaddr);
	run_for(&wire, 2);
	cr_assert_eq(send_udp(&wire, fd, PEER, MSG_CONFIRM | 0x10 /* MSG_PROBE */), 5);
	run_for(&wire, 7);
	nothing_out(&wire);
}

Test(neighbour, broadcast_questions_after_the_direct_ones)
{
	tune(&wire, "net/ipv4/neigh/eth0/base_reachable_time_ms", "1000");
	tune(&wire, "net/ipv4/neigh/eth0/delay_first_probe_time", "1");
	tune(&wire, "net/ipv4/neigh/eth0/ucast_solicit", "1");
	tune(&wire, "net/ipv4/neigh/eth0/mcast_resolicit", "2");
	tune(&wire, "net/ipv4/neigh/eth0/gc_stale_time", "3600");
	resolve();
	run_for(&wire, 9);
	if (!left(&wire.fixture)) {	/* it was stale by then: the random reachable time was longer than the delay */
		send_udp(&wire, fd, PEER, 0);
		ip_out(&wire, peer_hwaddr);
		run_for(&wire, 9);
	}
	request_out(&wire, PEER, peer_hwaddr);
	request_out(&wire, PEER, NULL);
	request_out(&wire, PEER, NULL);
	nothing_out(&wire);
}

Test(neighbour, the_first_answer_counts_for_locktime)
{
	resolve();
	run_for(&wire, .5);
	reply_in(&wire, other_hwaddr);
	arp_file_has(&wire, PEER, "02:00:00:00:01:01");
	run_for(&wire, .6);
	reply_in(&wire, other_hwaddr);
	arp_file_has(&wire, PEER, "02:00:00:00:09:09");
	tune(&wire, "net/ipv4/neigh/eth0/locktime", "0");
	run_for(&wire, .1);
	reply_in(&wire, peer_hwaddr);
	arp_file_has(&wire, PEER, "02:00:00:00:01:01");
}

Test(neighbour, groups_and_broadcasts_need_no_question)
{
	int on = 1;
	struct sockaddr_in group = socket_address("239.129.3.4", 9), all = socket_address("10.0.0.255", 9);
	struct ip_mreqn by = { .imr_ifindex = wire.eth0 };

	CALL_IS(&wire.fixture, 0, setsockopt, fd, SOL_SOCKET, SO_BROADCAST, PL_PTR(&on), sizeof(on));
	CALL_IS(&wire.fixture, 0, setsockopt, fd, IPPROTO_IP, IP_MULTICAST_IF, PL_PTR(&by), sizeof(by));
	CALL_IS(&wire.fixture, 1, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&group), sizeof(group));
	ip_out(&wire, (const uint8_t[]){ 1, 0, 0x5e, 1, 3, 4 });
	CALL_IS(&wire.fixture, 1, sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&all), sizeof(all));
	ip_out(&wire, everybody);
	arp_file_has(&wire, "239.129.3.4", NULL);
}

Test(neighbour, set_by_hand)
{
	struct pl_neighbour peer = { .ifindex = wire.eth0, .address = addr(PEER), .has_hwaddr = true, .state = NUD_PERMANENT,
				     .hwaddr = { PL_HWADDR_PEER(0) } };

	cr_assert_eq(pl_neighbour_set(wire.stack, &peer, 0), -ENOENT);
	cr_assert_eq(pl_neighbour_set(wire.stack, &peer, NLM_F_CREATE | NLM_F_EXCL), 0);
	cr_assert_eq(pl_neighbour_set(wire.stack, &peer, NLM_F_CREATE | NLM_F_EXCL), -EEXIST);
	arp_file_has(&wire, PEER, "0x6 ");
	send_udp(&wire, fd, PEER, 0);
	ip_out(&wire, peer_hwaddr);
	/* What comes over the wire does not change it. */
	run_for(&wire, 100);
	reply_in(&wire, other_hwaddr);
	arp_file_has(&wire, PEER, "02:00:00:00:01:01");
	memcpy(peer.hwaddr, other_hwaddr, 6);
	cr_assert_eq(pl_neighbour_set(wire.stack, &peer, NLM_F_REPLACE), 0);
	arp_file_has(&wire, PEER, "02:00:00:00:09:09");
	cr_assert_eq(pl_neighbour_delete(wire.stack, &peer), 0);
	cr_assert_eq(pl_neighbour_delete(wire.stack, &peer), -ENOENT);
	arp_file_has(&wire, PEER, NULL);
	peer.ifindex = 1;
	cr_assert_eq(pl_neighbour_set(wire.stack, &peer, NLM_F_CREATE), -EINVAL);
	peer.ifindex = 99;
	cr_assert_eq(pl_neighbour_set(wire.stack, &peer, NLM_F_CREATE), -ENODEV);
}

/* A new entry without a hardware address can only be one that is asked for. */
Test(neighbour, managed_ones_are_asked_for)
{
	struct pl_neighbour peer = { .ifindex = wire.eth0, .address = addr(PEER), .managed = true, .state = NUD_NONE };

	cr_assert_eq(pl_neighbour_set(wire.stack, &peer, NLM_F_CREATE), 0);
	request_out(&wire, PEER, NULL);
	run_for(&wire, 3);
	request_out(&wire, PEER, NULL);
	request_out(&wire, PEER, NULL);
	run_for(&wire, 2.5);
	cr_assert_gt(left(&wire.fixture), 0);	/* again after interval_probe_time_ms */
}

Test(neighbour, link_changes_forget)
{
	resolve();
	pl_link_set_carrier(wire.stack, wire.eth0, false);
	arp_file_has(&wire, PEER, NULL);
	send_udp(&wire, fd, PEER, 0);
	nothing_out(&wire);
	pl_link_set_carrier(wire.stack, wire.eth0, true);
	reply_in(&wire, peer_hwaddr);
	wire.fixture.taken = wire.fixture.count;
	tune(&wire, "net/ipv4/conf/eth0/arp_evict_nocarrier", "0");
	pl_link_set_carrier(wire.stack, wire.eth0, false);
	arp_file_has(&wire, PEER, "0x2 ");
	pl_link_set_carrier(wire.stack, wire.eth0, true);
	cr_assert_eq(pl_link_set_hwaddr(wire.stack, wire.eth0, other_hwaddr), 0);
	arp_file_has(&wire, PEER, NULL);
	cr_assert_eq(pl_link_set_hwaddr(wire.stack, wire.eth0, everybody), -EADDRNOTAVAIL);
	cr_assert_eq(pl_link_set_hwaddr(wire.stack, 1, other_hwaddr), -EOPNOTSUPP);
	send_udp(&wire, fd, PEER, 0);
	arp_file_has(&wire, PEER, "0x0 ");
	pl_link_set_up(wire.stack, wire.eth0, false);
	arp_file_has(&wire, PEER, NULL);
}

/* The thresholds are tunables of the first network namespace. */
Test(neighbour, thresholds)
{
	wire_free(&wire);
	wire_new(&wire, true);
	fd = open_socket(&wire.fixture, SOCK_DGRAM, 0);
	tune(&wire, "net/ipv4/neigh/default/gc_thresh1", "0");
	tune(&wire, "net/ipv4/neigh/default/gc_thresh2", "2");
	tune(&wire, "net/ipv4/neigh/default/gc_thresh3", "3");
	for (int i = 10; i < 14; i++) {
		char to[16];

		snprintf(to, sizeof(to), "10.0.0.%d", i);
		send_udp(&wire, fd, to, 0);
	}
	/* Three entries wait for their answers and cannot be collected: there is no room for a fourth. */
	cr_assert_eq(left(&wire.fixture), 3);
	run_for(&wire, 3);
	wire.fixture.taken = wire.fixture.count;
	send_udp(&wire, fd, PEER, 0);
	request_out(&wire, PEER, NULL);	/* they have failed, so one of them makes room */
	arp_file_has(&wire, "10.0.0.10", NULL);
	run_for(&wire, 60);
	arp_file_has(&wire, PEER, NULL);	/* with thresh1 of 0 the periodic cleaning takes all that failed */
	cr_assert_eq(pl_stack_next_timer(wire.stack), PL_TIME_NEVER);
}

Test(neighbour, waiting_packets_do_not_outlive_the_stack)
{
	send_udp(&wire, fd, PEER, 0);
	CALL_IS(&wire.fixture, 0, close, fd);
	struct pl_usage usage;
	pl_usage(wire.stack, &usage);
	cr_assert_eq(usage.packets, 1);
	pl_link_delete(wire.stack, wire.eth0);
	pl_usage(wire.stack, &usage);
	cr_assert_eq(usage.packets, 0);
}
