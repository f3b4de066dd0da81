#include "../calls.h"

#include <linux/igmp.h>
#include <stdio.h>

/* IGMP in virtual time: what is reported, when, and in which version. Reports are read as short texts: "to_ex 239.1.1.1 {}". */

#define A "10.0.0.1"
#define B "10.0.0.2"
#define G "239.1.1.1"
#define H "239.2.2.2"
#define MS PL_NSEC_PER_MSEC
#define PROMPTLY (8 * MS)		/* two jiffies */

static struct fixture f;

static void set_up(void)
{
	fixture_new(&f);
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(igmp, .init = set_up, .fini = tear_down);

/* --- sockets ------------------------------------------------------------------------------------------------------ */
static void member(int fd, int option, const char *group)
{
	struct ip_mreqn request = { .imr_multiaddr = addr(group), .imr_ifindex = f.tun };

	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, option, PL_PTR(&request), sizeof(request));
}

static void source(int fd, int option, const char *group, const char *from)
{
	struct ip_mreq_source request = { .imr_multiaddr = addr(group), .imr_interface = addr(LOCAL), .imr_sourceaddr = addr(from) };

	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, option, PL_PTR(&request), sizeof(request));
}

static int udp(void)
{
	return open_socket(&f, SOCK_DGRAM, 0);
}

static void run_for(pl_time span)
{
	pl_stack_run_until(f.stack, pl_stack_now(f.stack) + span);
}

/* --- messages in -------------------------------------------------------------------------------------------------- */
static void arrive(const void *message, size_t length, const char *to)
{
	uint8_t packet[200];

	pl_link_input(f.stack, f.tun, packet, make_ip(packet, NULL, REMOTE, to, IPPROTO_IGMP, message, length));
}

static void old_query(uint8_t code, const char *group)
{
	struct igmphdr message = { .type = IGMP_HOST_MEMBERSHIP_QUERY, .code = code, .group = addr(group).s_addr };

	message.csum = sum(&message, sizeof(message));
	arrive(&message, sizeof(message), "224.0.0.1");
}

static void query(uint8_t code, const char *group, uint8_t robustness, const char *from)
{
	uint8_t message[sizeof(struct igmpv3_query) + sizeof(struct in_addr)];
	struct igmpv3_query header = { .type = IGMP_HOST_MEMBERSHIP_QUERY, .code = code, .group = addr(group).s_addr,
				       .qrv = robustness, .qqic = 125, .nsrcs = htons(from != NULL) };
	struct in_addr source = { 0 };
	size_t length = sizeof(header) + (from ? sizeof(source) : 0);

	if (from)
		source = addr(from);
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), &source, sizeof(source));
	header.csum = sum(message, length);
	memcpy(message, &header, sizeof(header));
	arrive(message, length, "224.0.0.1");
}

/* --- messages out ------------------------------------------------------------------------------------------------- */
static const uint8_t *message_of(const struct sent_packet *packet, const char *to)
{
	const struct iphdr *ip = (const struct iphdr *)packet->bytes;
	static const uint8_t router_alert[] = { 148, 4, 0, 0 };

	cr_assert_eq(ip->protocol, IPPROTO_IGMP);
	cr_assert_eq(ip->ttl, 1);
	cr_assert_eq(ip->tos, 0xc0);
	cr_assert_eq(ip->ihl, 6);
	cr_assert_arr_eq(packet->bytes + 20, router_alert, 4);
	cr_assert_eq(ip->daddr, addr(to).s_addr, "to another address than %s", to);
	cr_assert_eq(sum(packet->bytes + 24, packet->length - 24), 0);
	return packet->bytes + 24;
}

static void text_of(const struct sent_packet *packet, char *text, size_t size)
{
	static const char *const types[] = { "?", "is_in", "is_ex", "to_in", "to_ex", "allow", "block" };
	const struct igmpv3_report *report = (const struct igmpv3_report *)message_of(packet, "224.0.0.22");
	const uint8_t *at = (const uint8_t *)report->grec;
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < ntohs(report->ngrec); i++) {
		const struct igmpv3_grec *record = (const struct igmpv3_grec *)at;
		char group[INET_ADDRSTRLEN], from[INET_ADDRSTRLEN];

		used += (size_t)snprintf(text + used, size - used, "%s%s %s {", i ? ", " : "", types[record->grec_type],
					 inet_ntop(AF_INET, &record->grec_mca, group, sizeof(group)));
		for (unsigned j = 0; j < ntohs(record->grec_nsrcs); j++)
			used += (size_t)snprintf(text + used, size - used, "%s%s", j ? " " : "",
						 inet_ntop(AF_INET, &record->grec_src[j], from, sizeof(from)));
		used += (size_t)snprintf(text + used, size - used, "}");
		at += sizeof(*record) + 4 * (size_t)ntohs(record->grec_nsrcs);
	}
	cr_assert_eq(at, packet->bytes + packet->length, "bytes behind the records");
}

/* The next report says this, and comes between the two times from now; the clock moves to it. */
static void report_in(pl_time least, pl_time most, const char *expected)
{
	pl_time start = pl_stack_now(f.stack);
	const struct sent_packet *packet;
	char text[2048];

	while (!left(&f) && pl_stack_next_timer(f.stack) <= start + most)
		pl_stack_run_until(f.stack, pl_stack_next_timer(f.stack));
	cr_assert(left(&f), "no report says %s", expected);
	packet = take(&f);
	text_of(packet, text, sizeof(text));
	cr_assert_str_eq(text, expected);
	cr_assert(packet->time - start >= least && packet->time - start <= most, "%s after %lld us", text,
		  (long long)((packet->time - start) / 1000));
}

static void told(const char *expected)
{
	report_in(PROMPTLY, PROMPTLY, expected);
}

static void told_twice(const char *expected)
{
	told(expected);
	report_in(PROMPTLY, PROMPTLY + 1000 * MS, expected);
}

/* A message of version 1 or 2 within that time. */
static void says(pl_time most, uint8_t type, const char *group, const char *to)
{
	pl_time end = pl_stack_now(f.stack) + most;
	const struct igmphdr *message;

	while (!left(&f) && pl_stack_next_timer(f.stack) <= end)
		pl_stack_run_until(f.stack, pl_stack_next_timer(f.stack));
	cr_assert(left(&f), "nothing of type %#x for %s", type, group);
	message = (const struct igmphdr *)message_of(take(&f), to);
	cr_assert_eq(message->type, type);
	cr_assert_eq(message->group, addr(group).s_addr);
}

static void silent_for(pl_time span)
{
	run_for(span);
	cr_assert_eq(left(&f), 0);
}

/* --- version 3 ---------------------------------------------------------------------------------------------------- */
Test(igmp, joining_and_leaving_are_told_twice)
{
	int fd = udp();

	member(fd, IP_ADD_MEMBERSHIP, G);
	told_twice("to_ex " G " {}");
	silent_for(60000 * MS);
	member(fd, IP_DROP_MEMBERSHIP, G);
	told_twice("to_in " G " {}");
	silent_for(60000 * MS);
}

Test(igmp, robustness_is_the_tunables_until_a_querier_says)
{
	int fd = udp();

	cr_assert_eq(pl_link_set_up(f.stack, f.tun, false), 0);
	cr_assert_gt(pl_sysctl_write(f.stack, "net/ipv4/igmp_qrv", "3", 1), 0);
	cr_assert_eq(pl_link_set_up(f.stack, f.tun, true), 0);	/* a link takes it over when it comes up */
	member(fd, IP_ADD_MEMBERSHIP, G);
	for (int i = 0; i < 3; i++)
		report_in(PROMPTLY, PROMPTLY + i * 1000 * MS, "to_ex " G " {}");
	silent_for(5000 * MS);
	query(1, "0.0.0.0", 1, NULL);
	report_in(PROMPTLY, PROMPTLY + 100 * MS, "is_ex " G " {}");
	member(fd, IP_DROP_MEMBERSHIP, G);
	told("to_in " G " {}");
	silent_for(5000 * MS);
}

Test(igmp, sources_come_and_go)
{
	int one = udp(), other = udp();

	source(one, IP_ADD_SOURCE_MEMBERSHIP, G, A);
	told_twice("allow " G " {" A "}");
	source(one, IP_ADD_SOURCE_MEMBERSHIP, G, B);
	source(one, IP_DROP_SOURCE_MEMBERSHIP, G, A);
	told_twice("allow " G " {" B "}, block " G " {" A "}");
	member(other, IP_ADD_MEMBERSHIP, G);
	told_twice("to_ex " G " {}");
	source(other, IP_BLOCK_SOURCE, G, B);		/* the other socket wants it still */
	silent_for(3000 * MS);
	source(other, IP_BLOCK_SOURCE, G, A);
	told_twice("block " G " {" A "}");
	member(other, IP_DROP_MEMBERSHIP, G);
	told_twice("to_in " G " {" B "}");
	source(one, IP_DROP_SOURCE_MEMBERSHIP, G, B);
	told_twice("block " G " {" B "}");
	silent_for(3000 * MS);
}

/* Two changes within the time of a repetition: what is left to be said of both is said together. */
Test(igmp, reports_are_merged)
{
	int fd = udp();

	member(fd, IP_ADD_MEMBERSHIP, G);
	told("to_ex " G " {}");
	member(fd, IP_ADD_MEMBERSHIP, H);
	told("to_ex " H " {}, to_ex " G " {}");
	report_in(PROMPTLY, PROMPTLY + 1000 * MS, "to_ex " H " {}");
	member(fd, IP_DROP_MEMBERSHIP, G);
	member(fd, IP_ADD_MEMBERSHIP, G);
	told_twice("to_ex " G " {}");
}

Test(igmp, queries_are_answered_in_time)
{
	int fd = udp();

	member(fd, IP_ADD_MEMBERSHIP, G);
	source(fd, IP_ADD_SOURCE_MEMBERSHIP, H, A);
	source(fd, IP_ADD_SOURCE_MEMBERSHIP, H, B);
	told_twice("allow " H " {" A " " B "}, to_ex " G " {}");
	query(10, "0.0.0.0", 2, NULL);
	report_in(PROMPTLY, PROMPTLY + 1000 * MS, "is_in " H " {" A " " B "}, is_ex " G " {}");
	query(10, G, 2, NULL);
	report_in(PROMPTLY, PROMPTLY + 1000 * MS, "is_ex " G " {}");
	query(10, H, 2, B);
	report_in(PROMPTLY, PROMPTLY + 1000 * MS, "is_in " H " {" B "}");
	query(10, H, 2, "10.0.0.3");		/* nobody wants that one */
	query(10, "239.3.3.3", 2, NULL);	/* nobody is there */
	silent_for(3000 * MS);
	query(10, H, 2, A);			/* both are asked for before either is answered */
	query(10, H, 2, B);
	report_in(PROMPTLY, PROMPTLY + 1000 * MS, "is_in " H " {" A " " B "}");
	query(10, G, 2, A);			/* asked whether it takes A: the whole filter says it */
	report_in(PROMPTLY, PROMPTLY + 1000 * MS, "is_ex " G " {}");
	source(fd, IP_BLOCK_SOURCE, G, A);
	told_twice("block " G " {" A "}");
	query(10, G, 2, A);			/* it does not */
	silent_for(3000 * MS);
}

/* The answer to a general query is put off by no later one, and hastened by one that gives less time. */
Test(igmp, an_answer_is_never_put_off)
{
	pl_time asked;

	member(udp(), IP_ADD_MEMBERSHIP, G);
	told_twice("to_ex " G " {}");
	for (int i = 0; i < 20; i++) {
		query(10, "0.0.0.0", 2, NULL);
		asked = pl_stack_now(f.stack);
		query(0xff, "0.0.0.0", 2, NULL);	/* 0xff: 3174.4 s */
		report_in(0, PROMPTLY + 1000 * MS, "is_ex " G " {}");
		query(0xff, "0.0.0.0", 2, NULL);
		query(10, "0.0.0.0", 2, NULL);
		report_in(0, PROMPTLY + 1000 * MS, "is_ex " G " {}");
		cr_assert_leq(pl_stack_now(f.stack) - asked, 2 * (PROMPTLY + 1000 * MS));
	}
	silent_for(4000 * 1000 * MS);
}

/* Delays are spread over the whole time that a query allows. */
Test(igmp, delays_are_random)
{
	unsigned quarter[4] = { 0 };

	member(udp(), IP_ADD_MEMBERSHIP, G);
	told_twice("to_ex " G " {}");
	for (int i = 0; i < 400; i++) {
		pl_time asked = pl_stack_now(f.stack);
		pl_time delay;

		query(40, "0.0.0.0", 2, NULL);
		report_in(PROMPTLY, PROMPTLY + 4000 * MS, "is_ex " G " {}");
		delay = pl_stack_now(f.stack) - asked - PROMPTLY;
		cr_assert(delay % (4 * MS) == 0 && delay < 4000 * MS);
		quarter[delay / (1000 * MS)]++;
	}
	for (int i = 0; i < 4; i++)
		cr_assert(quarter[i] > 60 && quarter[i] < 140, "quarter %d has %u of 400", i, quarter[i]);
}

/* A report fills packets of the link's size: lists of allowed sources go on in the next one, those of a filter are cut off. */
Test(igmp, reports_are_cut_to_the_mtu)
{
	int fd = udp();
	char from[32], text[2048];
	unsigned sources = 0, packets = 0;

	cr_assert_gt(pl_sysctl_write(f.stack, "net/ipv4/igmp_max_msf", "100", 3), 0);
	cr_assert_eq(pl_link_set_mtu(f.stack, f.tun, 100), 0);	/* 100 - 24 - 8 - 8: fifteen sources */
	for (int i = 1; i <= 40; i++) {
		snprintf(from, sizeof(from), "10.0.0.%d", i);
		source(fd, IP_ADD_SOURCE_MEMBERSHIP, G, from);
	}
	run_for(PROMPTLY);
	for (; left(&f); packets++) {
		const struct sent_packet *packet = take(&f);

		cr_assert_leq(packet->length, 100);
		text_of(packet, text, sizeof(text));
		for (const char *at = text; (at = strstr(at, "10.0.0.")); at++)
			sources++;
	}
	cr_assert_eq(packets, 3);
	cr_assert_eq(sources, 40);
}

/* --- versions 1 and 2 --------------------------------------------------------------------------------------------- */
Test(igmp, version_2_while_its_querier_is_there)
{
	int fd = udp();

	old_query(100, "0.0.0.0");
	member(fd, IP_ADD_MEMBERSHIP, G);
	says(PROMPTLY, IGMPV2_HOST_MEMBERSHIP_REPORT, G, G);
	says(PROMPTLY + 10000 * MS, IGMPV2_HOST_MEMBERSHIP_REPORT, G, G);
	silent_for(60000 * MS);
	old_query(10, G);
	says(PROMPTLY + 1000 * MS, IGMPV2_HOST_MEMBERSHIP_REPORT, G, G);
	member(fd, IP_DROP_MEMBERSHIP, G);
	says(0, IGMP_HOST_LEAVE_MESSAGE, G, "224.0.0.2");
	silent_for(60000 * MS);
}

/* Two intervals of 125 s and ten for the answer (RFC 3376 section 8.12). */
Test(igmp, an_old_querier_is_forgotten)
{
	int fd = udp();

	old_query(10, "0.0.0.0");
	run_for(259900 * MS);
	member(fd, IP_ADD_MEMBERSHIP, G);
	says(PROMPTLY, IGMPV2_HOST_MEMBERSHIP_REPORT, G, G);
	run_for(20000 * MS);
	while (left(&f))
		take(&f);
	member(fd, IP_ADD_MEMBERSHIP, H);
	told_twice("to_ex " H " {}");
}

Test(igmp, version_1_has_no_leaving_and_ten_seconds)
{
	int fd = udp();

	old_query(0, "0.0.0.0");
	member(fd, IP_ADD_MEMBERSHIP, G);
	says(PROMPTLY, IGMP_HOST_MEMBERSHIP_REPORT, G, G);
	says(PROMPTLY + 10000 * MS, IGMP_HOST_MEMBERSHIP_REPORT, G, G);
	query(1, "0.0.0.0", 2, NULL);		/* a newer querier is answered as the old one would be */
	says(PROMPTLY + 10000 * MS, IGMP_HOST_MEMBERSHIP_REPORT, G, G);
	member(fd, IP_DROP_MEMBERSHIP, G);
	silent_for(60000 * MS);
}

Test(igmp, an_old_query_takes_back_what_was_to_be_told)
{
	int fd = udp();

	member(fd, IP_ADD_MEMBERSHIP, G);
	told("to_ex " G " {}");
	old_query(10, "0.0.0.0");
	says(PROMPTLY + 1000 * MS, IGMPV2_HOST_MEMBERSHIP_REPORT, G, G);
	silent_for(60000 * MS);
}

/* --- links, damage ------------------------------------------------------------------------------------------------ */
Test(igmp, a_link_that_comes_back_tells_again)
{
	int fd = udp();

	member(fd, IP_ADD_MEMBERSHIP, G);
	told_twice("to_ex " G " {}");
	cr_assert_eq(pl_link_set_up(f.stack, f.tun, false), 0);
	silent_for(5000 * MS);
	cr_assert_eq(pl_link_set_up(f.stack, f.tun, true), 0);
	told_twice("to_ex " G " {}");
}

Test(igmp, a_link_that_is_gone_leaves_the_membership_to_be_dropped)
{
	int fd = udp(), tun1 = fixture_link(&f, "tun1", "10.1.0.1", 24);
	struct ip_mreqn request = { .imr_multiaddr = addr(G), .imr_ifindex = tun1 };

	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, PL_PTR(&request), sizeof(request));
	cr_assert_eq(pl_link_delete(f.stack, tun1), 0);
	silent_for(5000 * MS);
	CALL_IS(&f, 0, setsockopt, fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, PL_PTR(&request), sizeof(request));
	CALL_IS(&f, -EADDRNOTAVAIL, setsockopt, fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, PL_PTR(&request), sizeof(request));
}

Test(igmp, groups_of_the_link_itself)
{
	int fd = udp();

	member(fd, IP_ADD_MEMBERSHIP, "224.0.0.1");
	silent_for(5000 * MS);
	member(fd, IP_ADD_MEMBERSHIP, "224.0.0.251");
	told_twice("to_ex 224.0.0.251 {}");
	cr_assert_gt(pl_sysctl_write(f.stack, "net/ipv4/igmp_link_local_mcast_reports", "0", 1), 0);
	member(fd, IP_ADD_MEMBERSHIP, "224.0.0.252");
	query(10, "0.0.0.0", 2, NULL);
	silent_for(5000 * MS);
}

Test(igmp, damaged_queries_are_ignored)
{
	struct igmpv3_query whole = { .type = IGMP_HOST_MEMBERSHIP_QUERY, .code = 10, .qrv = 2, .qqic = 125, .nsrcs = htons(3) };
	uint8_t message[32] = { 0 };

	member(udp(), IP_ADD_MEMBERSHIP, G);
	told_twice("to_ex " G " {}");
	for (size_t length = 0; length < 24; length++) {	/* three sources are said to be there */
		if (length == 8)
			continue;
		whole.csum = 0;
		whole.group = addr(G).s_addr;
		memcpy(message, &whole, sizeof(whole));
		whole.csum = sum(message, length);
		memcpy(message, &whole, sizeof(whole));
		arrive(message, length, "224.0.0.1");
	}
	whole.csum = 0x1234;
	whole.nsrcs = 0;
	arrive(&whole, sizeof(whole), "224.0.0.1");
	silent_for(5000 * MS);
}

static void count(void *context, const struct pl_frame *frame)
{
	(void)frame;
	++*(unsigned *)context;
}

/* With version 2 leaving is told at once; the end of the stack is no leaving. */
Test(igmp, freeing_is_silent)
{
	unsigned sent = 0;
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ .seed = 1 });
	int tun = pl_link_add(stack, &(struct pl_link_config){ .name = "t", .kind = PL_LINK_TUN, .output = count, .context = &sent });
	struct ip_mreqn request = { .imr_multiaddr = addr(G), .imr_ifindex = tun };
	struct pl_address address = { .local = addr(LOCAL), .prefix_length = 24 };
	int64_t fd;

	pl_link_set_up(stack, tun, true);
	pl_address_add(stack, tun, &address);
	pl_sysctl_write(stack, "net/ipv4/conf/t/force_igmp_version", "2", 1);
	fd = pl_call_now(stack, PL_OP_socket, (int64_t[6]){ AF_INET, SOCK_DGRAM, 0 });
	pl_call_now(stack, PL_OP_setsockopt, (int64_t[6]){ fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, PL_PTR(&request), sizeof(request) });
	pl_stack_run_until(stack, 30000 * MS);
	cr_assert_eq(sent, 2);
	pl_stack_free(stack);
	cr_assert_eq(sent, 2);
}
