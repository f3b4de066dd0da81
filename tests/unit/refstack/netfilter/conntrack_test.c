/* Connections as they are tracked: states, timeouts, what is invalid, and what translation leaves of checksums. */
#include "refstack/netfilter/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/xt_conntrack.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support.h"

#define INSIDE "10.0.0.7"

static struct fixture f;
static int inner;

/* A rule in a chain, with at most one match and a target with data. */
static void add_rule(const char *table_name, const char *chain, const char *match_name, uint8_t revision, const void *match_data,
		     size_t match_size, const char *target_name, uint8_t target_revision, const void *data, size_t size)
{
	struct pl_filter_table *table = pl_filter_get(f.stack, table_name);
	union {
		struct ipt_entry entry;
		uint64_t align;
		unsigned char bytes[1024];
	} made = { 0 };
	unsigned at = sizeof(made.entry);

	if (match_name) {
		struct xt_entry_match *match = (struct xt_entry_match *)(made.bytes + at);

		strcpy(match->u.user.name, match_name);
		match->u.user.revision = revision;
		match->u.match_size = (uint16_t)(sizeof(*match) + XT_ALIGN(match_size));
		memcpy(match->data, match_data, match_size);
		at += match->u.match_size;
	}
	struct xt_entry_target *target = (struct xt_entry_target *)(made.bytes + at);
	strcpy(target->u.user.name, target_name);
	target->u.user.revision = target_revision;
	target->u.target_size = (uint16_t)(sizeof(*target) + XT_ALIGN(size));
	if (size)
		memcpy(target->data, data, size);
	made.entry.target_offset = (uint16_t)at;
	made.entry.next_offset = (uint16_t)(at + target->u.target_size);
	struct pl_filter_rule **place = &pl_filter_chain_find(table, chain)->rules;
	while (*place)
		place = &(*place)->next;
	*place = pl_filter_rule_new(&made.entry);
	cr_assert_eq(pl_filter_set(f.stack, table), 0);
	pl_filter_free(table);
}

static void setup(void)
{
	const struct xt_conntrack_mtinfo3 invalid = { .match_flags = XT_CONNTRACK_STATE, .state_mask = XT_CONNTRACK_STATE_INVALID };

	fixture_new(&f);
	inner = fixture_link(&f, "tun1", "10.0.0.1", 24);
	pl_sysctl_write(f.stack, "net/ipv4/ip_forward", "1", 1);
	add_rule("filter", "FORWARD", "conntrack", 3, &invalid, sizeof(invalid), "DROP", 0, NULL, 0);
}

static void teardown(void)
{
	fixture_free(&f);
}
TestSuite(conntrack, .init = setup, .fini = teardown);

static void input(bool from_inside, const char *source, const char *destination, uint8_t protocol, const void *payload, size_t length)
{
	const struct iphdr header = { 0 };
	uint8_t packet[2048];

	pl_link_input(f.stack, from_inside ? inner : f.tun, packet,
		      make_ip(packet, &header, source, destination, protocol, payload, length));
}

/* From the outside to the inside or back, with its right checksum. */
static void send_tcp(bool from_inside, uint8_t flags, uint32_t seq, uint32_t ack, size_t data)
{
	const char *source = from_inside ? INSIDE : REMOTE, *destination = from_inside ? REMOTE : INSIDE;
	uint8_t segment[20 + 1000] = { 0 };
	uint16_t ports[2] = { htons(from_inside ? 80 : 4000), htons(from_inside ? 4000 : 80) }, check, window = htons(1000);
	uint32_t numbers[2] = { htonl(seq), htonl(ack) };

	memcpy(segment, ports, 4);
	memcpy(segment + 4, numbers, 8);
	segment[12] = 5 << 4;
	segment[13] = flags;
	memcpy(segment + 14, &window, 2);
	check = checksum_finish(checksum_add(segment, 20 + data,
		checksum_pseudo(addr(source), addr(destination), IPPROTO_TCP, (uint32_t)(20 + data))));
	memcpy(segment + 16, &check, 2);
	input(from_inside, source, destination, IPPROTO_TCP, segment, 20 + data);
}

static void send_udp(bool from_inside, const char *source, uint16_t port, const char *destination, uint16_t to, bool with_checksum)
{
	struct udphdr udp = { .source = htons(port), .dest = htons(to), .len = htons(12) };
	uint8_t datagram[12];

	memcpy(datagram, &udp, sizeof(udp));
	memcpy(datagram + 8, "abcd", 4);
	if (with_checksum) {
		udp.check = checksum_finish(checksum_add(datagram, 12, checksum_pseudo(addr(source), addr(destination), IPPROTO_UDP, 12)));
		memcpy(datagram, &udp, sizeof(udp));
	}
	input(from_inside, source, destination, IPPROTO_UDP, datagram, sizeof(datagram));
}

static const char *connections(void)
{
	static char kept[4096];
	char *text;
	ssize_t length = pl_inspect_file(f.stack, "nf_conntrack", &text);

	cr_assert_geq(length, 0);
	snprintf(kept, sizeof(kept), "%.*s", (int)length, text);
	free(text);
	return kept;
}

static void wait_for(pl_time span)
{
	pl_stack_run_until(f.stack, pl_stack_now(f.stack) + span);
}

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

Test(conntrack, tcp_goes_through_its_states)
{
	static const struct {
		bool from_inside;
		uint8_t flags;
		uint32_t seq, ack;
		size_t data;
		const char *state;
	} steps[] = {
		{ false, SYN, 100, 0, 0, "120 SYN_SENT" },	     { true, SYN | ACK, 500, 101, 0, "60 SYN_RECV" },
		{ false, ACK, 101, 501, 0, "432000 ESTABLISHED" },   { false, ACK, 101, 501, 10, "300 ESTABLISHED" },
		{ true, ACK, 501, 111, 0, "432000 ESTABLISHED" },    { false, FIN | ACK, 111, 501, 0, "120 FIN_WAIT" },
		{ true, ACK, 501, 112, 0, "60 CLOSE_WAIT" },	     { true, FIN | ACK, 501, 112, 0, "30 LAST_ACK" },
		{ false, ACK, 112, 502, 0, "120 TIME_WAIT" },	     { false, SYN, 9000, 0, 0, "120 SYN_SENT" },
		{ true, RST | ACK, 0, 9001, 0, "" },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		send_tcp(steps[i].from_inside, steps[i].flags, steps[i].seq, steps[i].ack, steps[i].data);
		cr_expect(strstr(connections(), steps[i].state), "step %zu: %s instead of %s", i, connections(), steps[i].state);
		cr_expect_eq(left(&f), i + 1, "step %zu passes", i);
	}
	cr_expect_str_empty(connections(), "a reset in answer to a SYN leaves nothing: %s", connections());
}

Test(conntrack, segments_out_of_the_window_are_invalid)
{
	send_tcp(false, SYN, 100, 0, 0);
	send_tcp(true, SYN | ACK, 500, 101, 0);
	send_tcp(false, ACK, 101, 501, 0);
	cr_assert_eq(left(&f), 3);
	send_tcp(false, ACK, 5000, 501, 10);
	cr_expect_eq(left(&f), 3, "beyond what was allowed");
	send_tcp(false, ACK, 101, 90000, 10);
	cr_expect_eq(left(&f), 3, "acknowledges what was never sent");
	send_tcp(false, FIN | RST, 101, 501, 0);
	cr_expect_eq(left(&f), 3, "flags that make no sense");
	send_tcp(true, RST, 90, 0, 0);
	cr_expect_eq(left(&f), 3, "a reset from before");
	pl_sysctl_write(f.stack, "net/netfilter/nf_conntrack_tcp_be_liberal", "1", 1);
	send_tcp(false, ACK, 5000, 501, 10);
	cr_expect_eq(left(&f), 4, "liberal");
}

Test(conntrack, the_middle_of_a_connection_is_taken_up_when_loose)
{
	pl_sysctl_write(f.stack, "net/netfilter/nf_conntrack_tcp_loose", "0", 1);
	send_tcp(false, ACK, 100, 500, 10);
	cr_expect_eq(left(&f), 0);
	pl_sysctl_write(f.stack, "net/netfilter/nf_conntrack_tcp_loose", "1", 1);
	send_tcp(false, ACK, 100, 500, 10);
	cr_expect_eq(left(&f), 1);
	cr_expect(strstr(connections(), "300 ESTABLISHED"), "%s", connections());
}

Test(conntrack, udp_is_a_stream_after_two_seconds_both_ways)
{
	send_udp(false, REMOTE, 5000, INSIDE, 9, true);
	cr_expect(strstr(connections(), "udp      17 30 ") && strstr(connections(), "[UNREPLIED]"), "%s", connections());
	send_udp(true, INSIDE, 9, REMOTE, 5000, true);
	cr_expect_null(strstr(connections(), "[UNREPLIED]"));
	cr_expect_null(strstr(connections(), "[ASSURED]"));
	wait_for(3 * PL_NSEC_PER_SEC);
	send_udp(false, REMOTE, 5000, INSIDE, 9, true);
	cr_expect(strstr(connections(), "udp      17 120 ") && strstr(connections(), "[ASSURED]"), "%s", connections());
	wait_for(121 * PL_NSEC_PER_SEC);
	cr_expect_str_empty(connections());
}

Test(conntrack, a_full_table_drops_what_is_new)
{
	f.stack->sysctl.nf_conntrack_max = 2;
	for (uint16_t port = 1; port <= 3; port++)
		send_udp(false, REMOTE, port, INSIDE, 9, true);
	cr_expect_eq(left(&f), 2);
	wait_for(31 * PL_NSEC_PER_SEC);
	send_udp(false, REMOTE, 3, INSIDE, 9, true);
	cr_expect_eq(left(&f), 3, "those that ran out make room");
}

Test(conntrack, wrong_checksums_belong_to_no_connection)
{
	uint8_t datagram[12] = { 0x13, 0x88, 0, 9, 0, 12, 0x12, 0x34 };

	input(false, REMOTE, INSIDE, IPPROTO_UDP, datagram, sizeof(datagram));
	cr_expect_eq(left(&f), 0);
	pl_sysctl_write(f.stack, "net/netfilter/nf_conntrack_checksum", "0", 1);
	input(false, REMOTE, INSIDE, IPPROTO_UDP, datagram, sizeof(datagram));
	cr_expect_eq(left(&f), 1);
}

/* --- translation ------------------------------------------------------------------------------------------------------------ */

static void masquerade(void)
{
	const struct nf_nat_ipv4_multi_range_compat range = { .rangesize = 1 };

	add_rule("nat", "POSTROUTING", NULL, 0, NULL, 0, "MASQUERADE", 0, &range, sizeof(range));
}

static bool checksums_right(const struct sent_packet *sent)
{
	const struct iphdr *ip = (const struct iphdr *)sent->bytes;
	const uint8_t *transport = sent->bytes + ip->ihl * 4u;
	size_t length = sent->length - ip->ihl * 4u;
	uint32_t pseudo = ip->protocol == IPPROTO_ICMP ?
				  0 :
				  checksum_pseudo((struct in_addr){ ip->saddr }, (struct in_addr){ ip->daddr }, ip->protocol, (uint32_t)length);

	return sum(ip, ip->ihl * 4u) == 0 && checksum_finish(checksum_add(transport, length, pseudo)) == 0;
}

Test(conntrack, translation_leaves_checksums_right)
{
	const struct sent_packet *sent;

	masquerade();
	send_tcp(true, SYN, 1, 0, 0);
	send_udp(true, INSIDE, 5000, REMOTE, 9, true);
	uint8_t echo[] = { ICMP_ECHO, 0, 0, 0, 0, 7, 0, 1, 'a', 'b' };
	uint16_t check = checksum_finish(checksum_add(echo, sizeof(echo), 0));
	memcpy(echo + 2, &check, 2);
	input(true, INSIDE, REMOTE, IPPROTO_ICMP, echo, sizeof(echo));
	cr_assert_eq(left(&f), 3);
	for (int i = 0; i < 3; i++) {
		sent = take(&f);
		cr_expect_eq(((const struct iphdr *)sent->bytes)->saddr, addr(LOCAL).s_addr);
		cr_expect(checksums_right(sent), "packet %d", i);
	}
	send_udp(true, INSIDE, 5001, REMOTE, 9, false);
	sent = take(&f);
	cr_expect(!sent->bytes[26] && !sent->bytes[27], "no checksum stays none");
}

Test(conntrack, two_with_one_port_get_two_and_each_its_answers)
{
	uint16_t ports[2];

	masquerade();
	send_udp(true, INSIDE, 5000, REMOTE, 9, true);
	send_udp(true, "10.0.0.8", 5000, REMOTE, 9, true);
	for (int i = 0; i < 2; i++) {
		memcpy(&ports[i], take(&f)->bytes + 20, 2);
		ports[i] = ntohs(ports[i]);
	}
	cr_assert_eq(ports[0], 5000);
	cr_assert_neq(ports[1], 5000);
	cr_assert_geq(ports[1], 1024);
	send_udp(false, REMOTE, 9, LOCAL, ports[1], true);
	cr_expect_eq(((const struct iphdr *)take(&f)->bytes)->daddr, addr("10.0.0.8").s_addr);
	send_udp(false, REMOTE, 9, LOCAL, ports[0], true);
	cr_expect_eq(((const struct iphdr *)take(&f)->bytes)->daddr, addr(INSIDE).s_addr);
}

Test(conntrack, masquerading_ends_with_the_address)
{
	masquerade();
	send_udp(true, INSIDE, 5000, REMOTE, 9, true);
	cr_assert(strstr(connections(), "dst=" LOCAL));
	cr_assert_eq(pl_address_delete(f.stack, f.tun, addr(LOCAL), 16), 0);
	cr_expect_str_empty(connections());
}

Test(conntrack, errors_reach_who_is_behind_and_quote_what_he_sent)
{
	uint8_t error[8 + 28] = { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH };
	const struct sent_packet *sent;

	masquerade();
	send_udp(true, INSIDE, 5000, REMOTE, 9, true);
	sent = take(&f);
	memcpy(error + 8, sent->bytes, 28);
	uint16_t check = checksum_finish(checksum_add(error, sizeof(error), 0));
	memcpy(error + 2, &check, 2);
	input(false, REMOTE, LOCAL, IPPROTO_ICMP, error, sizeof(error));
	sent = take(&f);
	cr_expect_eq(((const struct iphdr *)sent->bytes)->daddr, addr(INSIDE).s_addr);
	cr_expect(checksums_right(sent));
	const struct iphdr *quoted = (const struct iphdr *)(sent->bytes + 28);
	cr_expect_eq(quoted->saddr, addr(INSIDE).s_addr);
	cr_expect_eq(sum(quoted, 20), 0);
}
