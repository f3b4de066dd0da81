#include "../../../../refstack/ip/fib.h"
#include "../support.h"

static struct fixture fixture;
static void setup(void)
{
	fixture_new(&fixture);
	fixture_link(&fixture, "tun1", "10.1.0.1", 24);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(fib, .init = setup, .fini = teardown);

/* What route_output makes of a destination: its error, or 0 with link and gateway compared. */
static int lookup(const char *destination, const char *link, const char *gateway, const char *source)
{
	struct flow flow = { .destination = addr(destination) };
	struct route *route = NULL;
	int error = route_output(fixture.stack, &flow, &route);

	if (error)
		return error;
	cr_assert_str_eq(route->link->name, link, "%s leads to %s", destination, route->link->name);
	cr_assert_eq(route->gateway.s_addr, addr(gateway).s_addr);
	cr_assert_eq(flow.source.s_addr, addr(source).s_addr);
	route_put(fixture.stack, route);
	return 0;
}

static int add(const char *destination, unsigned length, const char *gateway, uint8_t type, uint32_t priority)
{
	struct pl_route route = { .destination = addr(destination), .prefix_length = length, .type = type, .priority = priority };

	if (gateway)
		route.gateway = addr(gateway);
	return pl_route_add(fixture.stack, &route, false);
}

Test(fib, longest_prefix_wins)
{
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.9", 0, 0), 0);
	cr_assert_eq(add("10.2.3.0", 24, "10.1.0.8", 0, 0), 0);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.8", "10.1.0.1"), 0);
	cr_assert_eq(lookup("10.2.4.4", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	cr_assert_eq(lookup("10.1.0.77", "tun1", "10.1.0.77", "10.1.0.1"), 0);
	cr_assert_eq(lookup("8.8.8.8", "tun0", "8.8.8.8", LOCAL), 0);
	cr_assert_eq(lookup("10.1.0.1", "lo", "10.1.0.1", "10.1.0.1"), 0);
	cr_assert_eq(lookup("127.3.2.1", "lo", "127.3.2.1", "127.0.0.1"), 0);
}

Test(fib, types_give_their_errors)
{
	cr_assert_eq(add("10.3.0.0", 16, NULL, RTN_UNREACHABLE, 0), 0);
	cr_assert_eq(add("10.4.0.0", 16, NULL, RTN_PROHIBIT, 0), 0);
	cr_assert_eq(add("10.5.0.0", 16, NULL, RTN_BLACKHOLE, 0), 0);
	cr_assert_eq(add("10.6.0.0", 16, NULL, RTN_THROW, 0), 0);
	cr_assert_eq(lookup("10.3.0.1", "", "", ""), -EHOSTUNREACH);
	cr_assert_eq(lookup("10.4.0.1", "", "", ""), -EACCES);
	cr_assert_eq(lookup("10.5.0.1", "", "", ""), -EINVAL);
	cr_assert_eq(lookup("10.6.0.1", "", "", ""), -ENETUNREACH);
}

Test(fib, what_cannot_be_added)
{
	cr_assert_eq(add("10.2.0.0", 16, "192.168.255.255", 0, 0), -EINVAL);
	cr_assert_eq(add("10.2.0.1", 16, "10.1.0.9", 0, 0), -EINVAL);
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.9", 0, 0), 0);
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.8", 0, 0), -EEXIST);
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.8", 0, 5), 0);
	struct pl_route gone = { .destination = addr("10.2.0.0"), .prefix_length = 16 };
	cr_assert_eq(pl_route_delete(fixture.stack, &gone), 0);
	cr_assert_eq(lookup("10.2.0.1", "tun1", "10.1.0.8", "10.1.0.1"), 0);
	cr_assert_eq(pl_route_delete(fixture.stack, &gone), 0);
	cr_assert_eq(pl_route_delete(fixture.stack, &gone), -ESRCH);
}

Test(fib, link_down_takes_its_routes_and_up_brings_the_prefix_back)
{
	int tun1 = pl_link_find(fixture.stack, "tun1");

	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.9", 0, 0), 0);
	cr_assert_eq(pl_link_set_up(fixture.stack, tun1, false), 0);
	cr_assert_eq(lookup("10.1.0.9", "tun0", "10.1.0.9", LOCAL), 0);
	cr_assert_eq(lookup("10.1.0.1", "lo", "10.1.0.1", "10.1.0.1"), 0);
	cr_assert_eq(pl_link_set_up(fixture.stack, tun1, true), 0);
	cr_assert_eq(lookup("10.1.0.9", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	cr_assert_eq(lookup("10.2.0.1", "tun0", "10.2.0.1", LOCAL), 0);
}

Test(fib, address_types)
{
	static const struct {
		const char *address;
		int type;
	} expected[] = { { LOCAL, RTN_LOCAL }, { "192.168.255.255", RTN_BROADCAST }, { "255.255.255.255", RTN_BROADCAST },
			 { "224.1.2.3", RTN_MULTICAST }, { "192.168.0.2", RTN_UNICAST }, { "127.9.9.9", RTN_LOCAL },
			 { "0.0.0.0", RTN_BROADCAST }, { "10.1.0.255", RTN_BROADCAST }, { "192.168.0.0", RTN_UNICAST } };

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		cr_assert_eq(address_type(fixture.stack, addr(expected[i].address)), expected[i].type, "%s", expected[i].address);
}

Test(fib, path_mtu_is_learnt_believed_and_forgotten)
{
	struct flow flow = { .destination = addr(REMOTE) };
	struct route *route = NULL;
	uint64_t generation = fixture.stack->fib->generation;

	route_pmtu_learn(fixture.stack, &flow, 1400);
	cr_assert_neq(fixture.stack->fib->generation, generation);
	cr_assert_eq(route_output(fixture.stack, &flow, &route), 0);
	cr_assert_eq(route_mtu(fixture.stack, route), 1400);
	cr_assert_not(route_mtu_locked(route));
	route_pmtu_learn(fixture.stack, &flow, 1450);	/* larger than known: not believed */
	cr_assert(route_valid(fixture.stack, route));
	flow = (struct flow){ .destination = addr(REMOTE) };
	pl_stack_run_until(fixture.stack, 600 * PL_NSEC_PER_SEC);
	cr_assert_eq(route_mtu(fixture.stack, route), 1500);
	route_put(fixture.stack, route);
	route_pmtu_learn(fixture.stack, &flow, 100);	/* below min_pmtu: that, and no DF any more */
	cr_assert_eq(route_output(fixture.stack, &flow, &route), 0);
	cr_assert_eq(route_mtu(fixture.stack, route), 552);
	cr_assert(route_mtu_locked(route));
	route_put(fixture.stack, route);
}

/* Whoever still holds a route over a link that was deleted may read it. */
Test(fib, route_outlives_its_link)
{
	struct flow flow = { .destination = addr("10.1.0.9") };
	struct route *route = NULL;

	cr_assert_eq(route_output(fixture.stack, &flow, &route), 0);
	cr_assert_eq(pl_link_delete(fixture.stack, pl_link_find(fixture.stack, "tun1")), 0);
	cr_assert_not(route_valid(fixture.stack, route));
	cr_assert_eq(route_mtu(fixture.stack, route), 1500);
	route_put(fixture.stack, route);
	cr_assert_eq(lookup("10.1.0.9", "tun0", "10.1.0.9", LOCAL), 0);
	cr_assert_eq(pl_link_delete(fixture.stack, 1), -EOPNOTSUPP);
}

/* --- several next hops -------------------------------------------------------------------------------------------- */

static void two_paths(unsigned weight)
{
	struct pl_route route = { .destination = addr("198.51.100.0"), .prefix_length = 24, .nexthops = 2 };

	fixture_link(&fixture, "tun2", "10.2.0.1", 24);
	route.nexthop[0].gateway = addr("10.1.0.9");
	route.nexthop[1] = (struct pl_nexthop){ .gateway = addr("10.2.0.9"), .weight = weight };
	cr_assert_eq(pl_route_add(fixture.stack, &route, false), 0);
	cr_assert_eq(pl_route_add(fixture.stack, &route, false), -EEXIST);
}

static const char *path_of(const char *source, const char *destination, uint8_t protocol, uint16_t from, uint16_t to)
{
	struct flow flow = { .destination = addr(destination), .source = addr(source), .protocol = protocol, .source_port = from,
			     .destination_port = to, .flags = FLOW_ANY_SOURCE };
	struct route *route = NULL;

	cr_assert_eq(route_output(fixture.stack, &flow, &route), 0);
	const char *name = route->link->name;
	route_put(fixture.stack, route);
	return name;
}

/* What Linux 6.18 chose with this seed and these weights (`ip route get ... sport ... dport ...`). */
Test(fib, hash_with_a_seed_is_the_kernels)
{
	static const struct {
		uint8_t policy;
		const char *source, *destination;
		uint16_t from, to;
		const char *link;
	} row[] = {
#include "multipath_rows.h"
	};

	two_paths(3);
	fixture.stack->sysctl.fib_multipath_hash_seed = 12345;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		fixture.stack->sysctl.fib_multipath_hash_policy = row[i].policy;
		cr_assert_str_eq(path_of(row[i].source, row[i].destination, IPPROTO_UDP, row[i].from, row[i].to), row[i].link, "row %zu", i);
	}
}

Test(fib, a_dead_link_leaves_its_share_to_the_others)
{
	two_paths(1);
	fixture.stack->sysctl.fib_multipath_hash_seed = 1;
	fixture.stack->sysctl.fib_multipath_hash_policy = 1;
	unsigned over_tun1 = 0, after = 0;
	for (uint16_t port = 1; port <= 400; port++)
		over_tun1 += !strcmp(path_of("0.0.0.0", "198.51.100.7", IPPROTO_UDP, port, 53), "tun1");
	cr_assert(over_tun1 > 150 && over_tun1 < 250, "%u", over_tun1);
	cr_assert_eq(pl_link_set_up(fixture.stack, pl_link_find(fixture.stack, "tun2"), false), 0);
	for (uint16_t port = 1; port <= 400; port++)
		after += !strcmp(path_of("0.0.0.0", "198.51.100.7", IPPROTO_UDP, port, 53), "tun1");
	cr_assert_eq(after, 400);
	cr_assert_eq(pl_link_set_up(fixture.stack, pl_link_find(fixture.stack, "tun1"), false), 0);
	cr_assert_str_eq(path_of("0.0.0.0", "198.51.100.7", IPPROTO_UDP, 1, 53), "tun0");	/* gone with the last of them */
}

/* The link whose own address the flow has as its source is taken whatever the hash says. */
Test(fib, a_source_of_one_path_decides)
{
	two_paths(1);
	for (uint16_t port = 1; port <= 50; port++) {
		cr_assert_str_eq(path_of("10.1.0.1", "198.51.100.7", IPPROTO_UDP, port, 53), "tun1");
		cr_assert_str_eq(path_of("10.2.0.1", "198.51.100.7", IPPROTO_UDP, port, 53), "tun2");
	}
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static int rule(uint32_t priority, struct pl_rule rule)
{
	rule.priority = priority;
	return pl_rule_add(fixture.stack, &rule);
}

Test(fib, rules_choose_the_table)
{
	struct pl_route other = { .table = 100, .ifindex = pl_link_find(fixture.stack, "tun1") };
	struct flow marked = { .destination = addr("8.8.8.8"), .mark = 7 };
	struct route *route = NULL;

	cr_assert_eq(pl_route_add(fixture.stack, &other, false), 0);
	cr_assert_eq(lookup("8.8.8.8", "tun0", "8.8.8.8", LOCAL), 0);
	cr_assert_eq(rule(100, (struct pl_rule){ .mark = 7, .table = 100 }), 0);
	cr_assert_eq(rule(100, (struct pl_rule){ .mark = 7, .table = 100 }), -EEXIST);
	cr_assert_eq(rule(101, (struct pl_rule){ .destination = addr("9.9.9.0"), .destination_length = 24, .table = 100 }), 0);
	cr_assert_eq(rule(102, (struct pl_rule){ .destination = addr("7.7.7.7"), .destination_length = 32,
						 .action = RTN_PROHIBIT }), 0);
	cr_assert_eq(lookup("8.8.8.8", "tun0", "8.8.8.8", LOCAL), 0);
	cr_assert_eq(lookup("9.9.9.9", "tun1", "9.9.9.9", "10.1.0.1"), 0);
	cr_assert_eq(lookup("7.7.7.7", "", "", ""), -EACCES);
	cr_assert_eq(route_output(fixture.stack, &marked, &route), 0);
	cr_assert_str_eq(route->link->name, "tun1");
	route_put(fixture.stack, route);
	cr_assert_eq(pl_rule_delete(fixture.stack, &(struct pl_rule){ .priority = 102 }), 0);
	cr_assert_eq(pl_rule_delete(fixture.stack, &(struct pl_rule){ .priority = 102 }), -ENOENT);
	cr_assert_eq(lookup("7.7.7.7", "tun0", "7.7.7.7", LOCAL), 0);
	/* Without the rule that leads to table main only the local ones are left. */
	cr_assert_eq(pl_rule_delete(fixture.stack, &(struct pl_rule){ .priority = 0x7ffe }), 0);
	cr_assert_eq(lookup("8.8.8.8", "", "", ""), -ENETUNREACH);
	cr_assert_eq(lookup("10.1.0.1", "lo", "10.1.0.1", "10.1.0.1"), 0);
}

Test(fib, rules_that_lead_on)
{
	struct pl_route nothing = { .destination = addr("9.9.9.0"), .prefix_length = 24, .table = 100, .type = RTN_THROW };

	cr_assert_eq(pl_route_add(fixture.stack, &nothing, false), 0);
	cr_assert_eq(rule(10, (struct pl_rule){ .table = 100 }), 0);			/* throw: the next rule is asked */
	cr_assert_eq(rule(20, (struct pl_rule){ .action = 2, .target = 5 }), -EINVAL);	/* never back */
	cr_assert_eq(rule(20, (struct pl_rule){ .action = 2, .target = 40 }), 0);
	cr_assert_eq(rule(30, (struct pl_rule){ .action = RTN_BLACKHOLE }), 0);
	cr_assert_eq(lookup("9.9.9.9", "", "", ""), -EINVAL);				/* no rule 40 yet */
	cr_assert_eq(rule(40, (struct pl_rule){ .table = RT_TABLE_MAIN, .suppresses = true }), 0);
	cr_assert_eq(rule(50, (struct pl_rule){ .table = RT_TABLE_MAIN, .source = addr("1.2.3.4"), .source_length = 32,
						.invert = true }), 0);
	cr_assert_eq(lookup("9.9.9.9", "tun0", "9.9.9.9", LOCAL), 0);
}

/* --- redirects ---------------------------------------------------------------------------------------------------- */

/* A redirect from `router` to `gateway`, as it lies in a packet, about what goes to 10.2.3.4. */
static void redirect(const char *router, const char *gateway, uint8_t code)
{
	struct pktbuf *packet = pktbuf_new(fixture.stack, IP_HEADROOM, 28);
	struct icmphdr icmp = { .type = ICMP_REDIRECT, .code = code, .un.gateway = addr(gateway).s_addr };
	struct iphdr ip = { .version = 4, .ihl = 5, .saddr = addr(router).s_addr, .daddr = addr("10.1.0.1").s_addr };
	struct flow flow = { .destination = addr("10.2.3.4") };

	memcpy(pktbuf_put(packet, sizeof(ip)), &ip, sizeof(ip));
	packet->network = packet->data;
	pktbuf_pull(packet, sizeof(ip));
	memcpy(pktbuf_put(packet, sizeof(icmp)), &icmp, sizeof(icmp));
	packet->link = link_by_name(fixture.stack, "tun1");
	route_redirect(fixture.stack, packet, &flow, NULL);
	pktbuf_free(fixture.stack, packet);
}

Test(fib, redirects_of_the_gateway_in_use_are_followed_for_a_while)
{
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.9", 0, 0), 0);
	redirect("10.1.0.8", "10.1.0.7", ICMP_REDIR_HOST);	/* not the gateway in use */
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	redirect("10.1.0.9", "10.1.0.1", ICMP_REDIR_HOST);	/* this host itself */
	redirect("10.1.0.9", "10.1.0.9", ICMP_REDIR_HOST);
	redirect("10.1.0.9", "224.0.0.1", ICMP_REDIR_HOST);
	redirect("10.1.0.9", "10.1.0.7", 4);			/* no code of a redirect */
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	redirect("10.1.0.9", "10.1.0.7", ICMP_REDIR_NET);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.7", "10.1.0.1"), 0);
	cr_assert_eq(lookup("10.2.3.5", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	pl_stack_run_until(fixture.stack, 300 * PL_NSEC_PER_SEC);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.9", "10.1.0.1"), 0);
}

Test(fib, who_may_be_named_by_a_redirect)
{
	struct in_device *device = link_by_name(fixture.stack, "tun1")->ipv4;

	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.9", 0, 0), 0);
	fixture.stack->sysctl.conf_all.shared_media = device->conf.shared_media = 0;
	redirect("10.1.0.9", "10.7.0.7", ICMP_REDIR_HOST);	/* not on the link */
	redirect("10.1.0.9", "10.1.0.7", ICMP_REDIR_HOST);	/* no gateway that is known */
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	cr_assert_eq(add("10.3.0.0", 16, "10.1.0.7", 0, 0), 0);
	redirect("10.1.0.9", "10.1.0.7", ICMP_REDIR_HOST);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.7", "10.1.0.1"), 0);
	fixture.stack->sysctl.conf_all.accept_redirects = device->conf.accept_redirects = 0;
	redirect("10.1.0.7", "10.1.0.9", ICMP_REDIR_HOST);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.7", "10.1.0.1"), 0);
}

/* Routes that say the same share what is known of their destinations, and a route that says something else knows nothing. */
Test(fib, exceptions_go_with_what_the_route_says)
{
	struct pl_route route = { .destination = addr("10.2.0.0"), .prefix_length = 16, .gateway = addr("10.1.0.9") };

	cr_assert_eq(pl_route_add(fixture.stack, &route, false), 0);
	redirect("10.1.0.9", "10.1.0.7", ICMP_REDIR_HOST);
	cr_assert_eq(pl_route_add(fixture.stack, &route, true), 0);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.7", "10.1.0.1"), 0);
	route.prefix_length = 17;
	cr_assert_eq(pl_route_add(fixture.stack, &route, false), 0);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.7", "10.1.0.1"), 0);
	route.metric[RTAX_MTU] = 1400;
	cr_assert_eq(pl_route_add(fixture.stack, &route, true), 0);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	route_exceptions_flush(fixture.stack);
	cr_assert_eq(pl_route_delete(fixture.stack, &route), 0);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.9", "10.1.0.1"), 0);
}
