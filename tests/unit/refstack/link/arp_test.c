/* ARP: what is answered, what is learnt. */
#include "frames.h"

static struct wire wire;

static void setup(void)
{
	wire_new(&wire, false);
}
static void teardown(void)
{
	wire_free(&wire);
}
TestSuite(arp, .init = setup, .fini = teardown);

static struct arp_text request_for(const char *target)
{
	return (struct arp_text){ .operation = ARPOP_REQUEST, .sender_hwaddr = peer_hwaddr, .sender = PEER, .target = target };
}

/* The answer to PEER: `target` is here. */
static void answer_out(const char *target)
{
	arp_out(&wire, (struct arp_text){ .operation = ARPOP_REPLY, .sender_hwaddr = own_hwaddr, .sender = target,
					  .target_hwaddr = peer_hwaddr, .target = PEER, .to = peer_hwaddr });
}

Test(arp, a_request_is_answered_and_its_sender_noted)
{
	arp_in(&wire, wire.eth0, request_for(OWN));
	answer_out(OWN);
	arp_file_has(&wire, PEER, "0x2         02:00:00:00:01:01");
	arp_in(&wire, wire.eth0, request_for(OTHER));	/* somebody else's */
	arp_in(&wire, wire.eth0, request_for("224.0.0.1"));
	arp_in(&wire, wire.eth0, request_for("127.0.0.1"));
	nothing_out(&wire);
}

Test(arp, a_check_whether_an_address_is_taken_is_answered_and_not_noted)
{
	struct arp_text probe = { .operation = ARPOP_REQUEST, .sender_hwaddr = peer_hwaddr, .target = OWN };

	arp_in(&wire, wire.eth0, probe);
	arp_out(&wire, (struct arp_text){ .operation = ARPOP_REPLY, .sender_hwaddr = own_hwaddr, .sender = OWN,
					  .target_hwaddr = peer_hwaddr, .to = peer_hwaddr });
	probe.target = PEER;
	arp_in(&wire, wire.eth0, probe);
	nothing_out(&wire);
}

Test(arp, ignoring)
{
	static const struct {
		const char *ignore;
		const char *sender, *target;
		bool answered;
	} row[] = {
		{ "0", PEER, "10.0.1.1", true },  { "1", PEER, "10.0.1.1", false },	 { "1", PEER, OWN, true },
		{ "1", "10.0.7.7", OWN, true },	  { "2", "10.0.7.7", OWN, false },	 { "2", PEER, OWN, true },
		{ "3", PEER, "10.0.1.1", true },  { "3", PEER, "10.9.9.9", false },	 { "0", PEER, "10.9.9.9", true },
		{ "8", PEER, OWN, false },	  { "4", PEER, OWN, true },
	};
	struct pl_address host = { .local = addr("10.9.9.9"), .prefix_length = 32, .scope = 254 };

	cr_assert_eq(pl_address_add(wire.stack, 1, &host), 0);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct arp_text request = request_for(row[i].target);

		request.sender = row[i].sender;
		tune(&wire, "net/ipv4/conf/eth0/arp_ignore", row[i].ignore);
		wire.fixture.taken = wire.fixture.count;
		arp_in(&wire, wire.eth0, request);
		cr_assert_eq(left(&wire.fixture), row[i].answered, "row %zu", i);
	}
}

Test(arp, filtering_answers_only_where_the_way_back_leads)
{
	struct arp_text request = request_for(OWN);

	request.sender = "10.0.1.7";	/* reached over eth1 */
	arp_in(&wire, wire.eth0, request);
	cr_assert_eq(left(&wire.fixture), 1);
	tune(&wire, "net/ipv4/conf/all/arp_filter", "1");
	arp_in(&wire, wire.eth0, request);
	cr_assert_eq(left(&wire.fixture), 1);
	COUNTER_IS(&wire.fixture, "TcpExt", "ArpFilter", 1);
}

Test(arp, accepting)
{
	struct arp_text garp = { .operation = ARPOP_REQUEST, .sender_hwaddr = peer_hwaddr, .sender = PEER, .target = PEER };

	arp_in(&wire, wire.eth0, garp);
	reply_in(&wire, peer_hwaddr);
	arp_file_has(&wire, PEER, NULL);
	tune(&wire, "net/ipv4/conf/eth0/arp_accept", "2");
	garp.sender = garp.target = "10.0.7.7";
	arp_in(&wire, wire.eth0, garp);
	arp_file_has(&wire, "10.0.7.7", NULL);
	garp.sender = garp.target = PEER;
	arp_in(&wire, wire.eth0, garp);
	arp_file_has(&wire, PEER, "0x2 ");
	tune(&wire, "net/ipv4/conf/eth0/arp_accept", "1");
	garp.sender = garp.target = "10.0.7.7";
	arp_in(&wire, wire.eth0, garp);
	arp_file_has(&wire, "10.0.7.7", "0x2 ");
	tune(&wire, "net/ipv4/conf/eth0/drop_gratuitous_arp", "1");
	garp.sender_hwaddr = other_hwaddr;
	arp_in(&wire, wire.eth0, garp);
	arp_file_has(&wire, "10.0.7.7", "02:00:00:00:01:01");
}

Test(arp, announcements)
{
	uint8_t new[6] = { 2, 2, 2, 2, 2, 2 };

	pl_link_set_up(wire.stack, wire.eth0, false);
	pl_link_set_up(wire.stack, wire.eth0, true);
	nothing_out(&wire);
	tune(&wire, "net/ipv4/conf/eth0/arp_notify", "1");
	pl_link_set_up(wire.stack, wire.eth0, false);
	pl_link_set_up(wire.stack, wire.eth0, true);
	request_out(&wire, OWN, NULL);
	pl_link_set_hwaddr(wire.stack, wire.eth0, new);
	arp_out(&wire, (struct arp_text){ .operation = ARPOP_REQUEST, .sender_hwaddr = new, .sender = OWN, .target = OWN });
}

Test(arp, the_source_of_questions)
{
	int fd = open_socket(&wire.fixture, SOCK_DGRAM, 0);
	struct sockaddr_in name = socket_address("10.0.1.1", 0);
	static const char *const source[] = { "10.0.1.1", OWN, OWN };

	CALL_IS(&wire.fixture, 0, bind, fd, PL_PTR(&name), sizeof(name));
	for (int i = 0; i < 3; i++) {
		char announce[2] = { (char)('0' + i) }, to[16];

		tune(&wire, "net/ipv4/conf/eth0/arp_announce", announce);
		snprintf(to, sizeof(to), "10.0.0.%d", 20 + i);
		send_udp(&wire, fd, to, 0);
		arp_out(&wire, (struct arp_text){ .operation = ARPOP_REQUEST, .sender_hwaddr = own_hwaddr, .sender = source[i],
						  .target = to });
	}
}

Test(arp, answering_for_others)
{
	tune(&wire, "net/ipv4/ip_forward", "1");
	arp_in(&wire, wire.eth0, request_for("10.0.1.9"));
	run_for(&wire, 1);
	nothing_out(&wire);
	tune(&wire, "net/ipv4/conf/eth0/proxy_arp", "1");
	arp_in(&wire, wire.eth0, request_for("10.0.1.9"));
	run_for(&wire, .8);	/* at a random instant within proxy_delay */
	answer_out("10.0.1.9");
	struct arp_text direct = request_for("10.0.1.9");
	direct.to = own_hwaddr;
	arp_in(&wire, wire.eth0, direct);
	answer_out("10.0.1.9");
	/* Both links on one medium: the host hears for itself. */
	tune(&wire, "net/ipv4/neigh/eth0/proxy_delay", "0");
	tune(&wire, "net/ipv4/conf/eth0/medium_id", "5");
	tune(&wire, "net/ipv4/conf/eth1/medium_id", "5");
	arp_in(&wire, wire.eth0, request_for("10.0.1.9"));
	nothing_out(&wire);
	tune(&wire, "net/ipv4/conf/eth1/medium_id", "6");
	arp_in(&wire, wire.eth0, request_for("10.0.1.9"));
	answer_out("10.0.1.9");
	/* For hosts of the same link. */
	arp_in(&wire, wire.eth0, request_for(OTHER));
	nothing_out(&wire);
	tune(&wire, "net/ipv4/conf/eth0/proxy_arp_pvlan", "1");
	arp_in(&wire, wire.eth0, request_for(OTHER));
	answer_out(OTHER);
}

Test(arp, answers_put_off_are_few)
{
	tune(&wire, "net/ipv4/ip_forward", "1");
	tune(&wire, "net/ipv4/conf/eth0/proxy_arp", "1");
	tune(&wire, "net/ipv4/neigh/eth0/proxy_qlen", "1");
	for (int i = 0; i < 5; i++)
		arp_in(&wire, wire.eth0, request_for("10.0.1.9"));
	run_for(&wire, 1);
	cr_assert_eq(left(&wire.fixture), 2);	/* Linux: one more than proxy_qlen */
	for (int i = 0; i < 5; i++)
		arp_in(&wire, wire.eth0, request_for("10.0.1.9"));
	pl_link_set_up(wire.stack, wire.eth0, false);
	run_for(&wire, 1);
	cr_assert_eq(left(&wire.fixture), 2);
}

Test(arp, entries_for_proxies)
{
	struct pl_neighbour proxy = { .ifindex = wire.eth0, .address = addr("10.0.1.9"), .flags = NTF_PROXY };

	tune(&wire, "net/ipv4/ip_forward", "1");
	tune(&wire, "net/ipv4/neigh/eth0/proxy_delay", "0");
	cr_assert_eq(pl_neighbour_set(wire.stack, &proxy, NLM_F_CREATE), 0);
	arp_file_has(&wire, "10.0.1.9", "0xc         00:00:00:00:00:00     *        eth0");
	arp_in(&wire, wire.eth0, request_for("10.0.1.9"));
	answer_out("10.0.1.9");
	cr_assert_eq(pl_neighbour_delete(wire.stack, &proxy), 0);
	cr_assert_eq(pl_neighbour_delete(wire.stack, &proxy), -ENOENT);
	arp_in(&wire, wire.eth0, request_for("10.0.1.9"));
	nothing_out(&wire);
}

Test(arp, what_makes_no_sense_is_dropped)
{
	uint8_t good[28], bytes[28];
	static const struct {
		size_t at;
		uint8_t value;
	} spoilt[] = { { 1, 2 }, { 3, 1 }, { 4, 5 }, { 5, 6 }, { 7, 0 }, { 7, 3 }, { 6, 1 } };

	arp_bytes(good, &(struct arp_text){ .operation = ARPOP_REQUEST, .sender_hwaddr = peer_hwaddr, .sender = PEER,
					    .target = OWN });
	for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		memcpy(bytes, good, sizeof(bytes));
		bytes[spoilt[i].at] = spoilt[i].value;
		frame_in(&wire, wire.eth0, everybody, peer_hwaddr, ETH_P_ARP, bytes, sizeof(bytes));
	}
	for (size_t length = 0; length < sizeof(good); length++)
		frame_in(&wire, wire.eth0, everybody, peer_hwaddr, ETH_P_ARP, good, length);
	frame_in(&wire, wire.eth0, other_hwaddr, peer_hwaddr, ETH_P_ARP, good, sizeof(good));	/* for another host */
	nothing_out(&wire);
	good[1] = 6;	/* IEEE 802 counts as Ethernet */
	frame_in(&wire, wire.eth0, everybody, peer_hwaddr, ETH_P_ARP, good, sizeof(good));
	answer_out(OWN);
	pl_link_set_arp(wire.stack, wire.eth0, false);
	frame_in(&wire, wire.eth0, everybody, peer_hwaddr, ETH_P_ARP, good, sizeof(good));
	nothing_out(&wire);
}

Test(arp, frames)
{
	uint8_t packet[100], tagged[104], echo[8] = { 8, 0, 0xf7, 0xff };
	size_t length = make_ip(packet, NULL, PEER, OWN, IPPROTO_ICMP, echo, sizeof(echo));

	arp_in(&wire, wire.eth0, request_for(OWN));
	answer_out(OWN);
	cr_assert_eq(frame_in(&wire, wire.eth0, own_hwaddr, peer_hwaddr, ETH_P_IP, packet, length), 0);
	ip_out(&wire, peer_hwaddr);
	frame_in(&wire, wire.eth0, other_hwaddr, peer_hwaddr, ETH_P_IP, packet, length);
	frame_in(&wire, wire.eth0, own_hwaddr, peer_hwaddr, ETH_P_IPV6, packet, length);
	nothing_out(&wire);
	/* A tag with a priority and no VLAN, and one with a VLAN. */
	memcpy(tagged, "\xe0\x00\x08\x00", 4);
	memcpy(tagged + 4, packet, length);
	frame_in(&wire, wire.eth0, own_hwaddr, peer_hwaddr, ETH_P_8021Q, tagged, length + 4);
	ip_out(&wire, peer_hwaddr);
	tagged[1] = 5;
	frame_in(&wire, wire.eth0, own_hwaddr, peer_hwaddr, ETH_P_8021Q, tagged, length + 4);
	frame_in(&wire, wire.eth0, own_hwaddr, peer_hwaddr, ETH_P_8021Q, tagged, 3);
	nothing_out(&wire);
	/* A packet for this host in a broadcast frame. */
	frame_in(&wire, wire.eth0, everybody, peer_hwaddr, ETH_P_IP, packet, length);
	ip_out(&wire, peer_hwaddr);
	tune(&wire, "net/ipv4/conf/eth0/drop_unicast_in_l2_multicast", "1");
	frame_in(&wire, wire.eth0, everybody, peer_hwaddr, ETH_P_IP, packet, length);
	nothing_out(&wire);
	cr_assert_eq(pl_link_input(wire.stack, wire.eth0, packet, 13), -EINVAL);
}
