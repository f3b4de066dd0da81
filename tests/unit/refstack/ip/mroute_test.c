#include "../calls.h"

#include <linux/mroute.h>
#include <stdio.h>

static struct fixture f;
static int daemon_fd, tun1;
static uint8_t buffer[2000];

static void set_up(void)
{
	struct vifctl vif = { .vifc_vifi = 0, .vifc_threshold = 1 };
	int one = 1;

	fixture_new(&f);
	tun1 = fixture_link(&f, "tun1", "10.0.0.1", 24);
	daemon_fd = open_socket(&f, SOCK_RAW, IPPROTO_IGMP);
	CALL_IS(&f, 0, setsockopt, daemon_fd, IPPROTO_IP, MRT_INIT, PL_PTR(&one), sizeof(one));
	vif.vifc_lcl_addr = addr(LOCAL);
	CALL_IS(&f, 0, setsockopt, daemon_fd, IPPROTO_IP, MRT_ADD_VIF, PL_PTR(&vif), sizeof(vif));
	vif.vifc_vifi = 1;
	vif.vifc_lcl_addr = addr("10.0.0.1");
	CALL_IS(&f, 0, setsockopt, daemon_fd, IPPROTO_IP, MRT_ADD_VIF, PL_PTR(&vif), sizeof(vif));
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(mroute, .init = set_up, .fini = tear_down);

static void arrive(const char *group)
{
	struct iphdr header = { .ttl = 9 };
	uint8_t packet[600];
	size_t length = make_ip(packet, &header, REMOTE, group, IPPROTO_UDP, "01234567", 8);

	pl_link_input(f.stack, f.tun, packet, length);
}

static void tunable_is(const char *path, char value)
{
	char text[16];

	cr_assert_gt(pl_sysctl_read(f.stack, path, text, sizeof(text)), 0, "%s", path);
	cr_assert_eq(text[0], value, "%s is %s", path, text);
}

static void say(const char *group, int link)
{
	struct mfcctl entry = { .mfcc_origin = addr(REMOTE), .mfcc_mcastgrp = addr(group), .mfcc_parent = 0 };

	entry.mfcc_ttls[link] = 1;
	CALL_IS(&f, 0, setsockopt, daemon_fd, IPPROTO_IP, MRT_ADD_MFC, PL_PTR(&entry), sizeof(entry));
}

/* Packets wait for an answer when the stack goes: the fixture sees that nothing is left behind. */
Test(mroute, a_stack_with_open_questions_is_freed)
{
	for (int i = 0; i < 6; i++)
		arrive("239.1.1.1");
	arrive("239.1.1.2");
	CALL_IS(&f, 28, read, daemon_fd, PL_PTR(buffer), sizeof(buffer));
	say("239.1.1.3", 1);
	tunable_is("net/ipv4/conf/all/mc_forwarding", '1');
}

Test(mroute, answers_let_packets_go)
{
	arrive("239.1.1.1");
	cr_assert_eq(left(&f), 0);
	say("239.1.1.1", 1);
	cr_assert_eq(take(&f)->ifindex, tun1);
	arrive("239.1.1.1");
	const struct sent_packet *sent = take(&f);
	cr_assert(sent->ifindex == tun1 && sent->bytes[8] == 8 && sum(sent->bytes, 20) == 0);
	COUNTER_IS(&f, "Ip", "ForwDatagrams", 2);
}

Test(mroute, nobody_answers)
{
	arrive("239.1.1.1");
	pl_stack_run_until(f.stack, pl_stack_now(f.stack) + 11 * PL_NSEC_PER_SEC);
	say("239.1.1.1", 1);
	cr_assert_eq(left(&f), 0);
}

Test(mroute, a_link_that_goes_takes_its_part_along)
{
	say("239.1.1.1", 1);
	cr_assert_eq(pl_link_delete(f.stack, tun1), 0);
	arrive("239.1.1.1");
	cr_assert_eq(left(&f), 0);
	tunable_is("net/ipv4/conf/all/mc_forwarding", '1');
	CALL_IS(&f, 0, close, daemon_fd);
	tunable_is("net/ipv4/conf/all/mc_forwarding", '0');
	tunable_is("net/ipv4/conf/tun0/mc_forwarding", '0');
}

/* A daemon that does not read is asked no more, and what comes is lost. */
Test(mroute, a_daemon_that_does_not_read)
{
	char group[16];

	for (int i = 0; i < 2000; i++) {
		snprintf(group, sizeof(group), "239.2.%d.%d", i / 250, i % 250);
		arrive(group);
	}
	say("239.2.7.249", 1);
	cr_assert_eq(left(&f), 0);
	say("239.2.0.0", 1);
	cr_assert_eq(take(&f)->ifindex, tun1);
}
