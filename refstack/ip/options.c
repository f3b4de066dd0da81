/*
 * IP options, RFC 791 section 3.1.
 *
 * A packet that comes in has its options checked by options_receive, which notes where they are (packet->options), records this
 * host's address and the time where the sender asked for it, and finds the next hop of a source route. A packet that leaves has
 * them written by options_write, which records the same for the way out. A packet that passes through gets the address of the
 * link that it leaves by, in options_forward.
 *
 * The pointer of an option counts from 1 at the option's first byte, and says where the next address or time goes.
 */
#include "options.h"

#include <arpa/inet.h>

#include "route.h"

#define IPOPT_CIPSO 134
#define ADDRESS 4u
#define STAMP 4u
#define ROUTE_FIRST 4u		/* the least pointer of the routes */
#define STAMP_FIRST 5u		/* and of the timestamp */

/* Milliseconds since midnight UT, network order. */
uint32_t timestamp_of_day(const struct pl_stack *stack)
{
	const int64_t day = 24 * 60 * 60 * INT64_C(1000);
	int64_t milliseconds = stack_wall_clock(stack) / PL_NSEC_PER_MSEC % day;

	return htonl((uint32_t)(milliseconds < 0 ? milliseconds + day : milliseconds));
}

static struct in_addr get_address(const uint8_t *from)
{
	struct in_addr address;

	memcpy(&address, from, sizeof(address));
	return address;
}

static void put_address(uint8_t *to, struct in_addr address)
{
	memcpy(to, &address, sizeof(address));
}

static void put_time(const struct pl_stack *stack, uint8_t *to)
{
	uint32_t now = timestamp_of_day(stack);

	memcpy(to, &now, sizeof(now));
}

/* The next option at or after *at, whose length is plausible; NULL past the last. Only for areas that have been checked. */
static uint8_t *next_option(uint8_t *area, size_t length, size_t *at)
{
	while (*at < length && area[*at] == IPOPT_NOP)
		++*at;
	if (*at + 1 >= length || area[*at] == IPOPT_END || area[*at + 1] < 2 || area[*at + 1] > length - *at)
		return NULL;
	uint8_t *option = area + *at;
	*at += option[1];
	return option;
}

void options_keep_copied(uint8_t *options, size_t length)
{
	size_t at = 0;
	uint8_t *option;

	while ((option = next_option(options, length, &at)))
		if (!IPOPT_COPIED(option[0]))
			memset(option, IPOPT_NOP, option[1]);
}

/* --- received ----------------------------------------------------------------------------------------------------- */

/* A packet's options while they are checked. */
struct check {
	struct pl_stack *stack;
	struct pktbuf *packet;
	struct ip_options_found *found;
	uint8_t *header;
};

/* Each check gives NULL, or the byte that a parameter problem points at. */
static uint8_t *check_source_route(struct check *check, uint8_t *option)
{
	if (option[1] < 3)
		return option + 1;
	if (option[2] < ROUTE_FIRST)
		return option + 2;
	if (check->found->source_route)
		return option;
	check->found->strict = option[0] == IPOPT_SSRR;
	check->found->source_route = (uint8_t)(option - check->header);
	return NULL;
}

static uint8_t *check_record_route(struct check *check, uint8_t *option)
{
	uint8_t length = option[1];

	if (check->found->record_route)
		return option;
	if (length < 3)
		return option + 1;
	if (option[2] < ROUTE_FIRST)
		return option + 2;
	if (option[2] <= length) {
		if (option[2] + ADDRESS - 1 > length)
			return option + 2;
		put_address(option + option[2] - 1, ip_specific_destination(check->stack, check->packet));
		option[2] += ADDRESS;
		check->found->record_address = check->found->changed = true;
	}
	check->found->record_route = (uint8_t)(option - check->header);
	return NULL;
}

/* The pointer of a timestamp leaves room: put in what the flags ask for. */
static uint8_t *stamp_received(struct check *check, uint8_t *option)
{
	uint8_t length = option[1], flag = option[3] & 15;
	uint8_t *place = option + option[2] - 1;

	if (option[2] + STAMP - 1 > length)
		return option + 2;
	switch (flag) {
	case IPOPT_TS_TSONLY:
		option[2] += STAMP;
		break;
	case IPOPT_TS_TSANDADDR:
	case IPOPT_TS_PRESPEC:
		if (option[2] + ADDRESS + STAMP - 1 > length)
			return option + 2;
		if (flag == IPOPT_TS_TSANDADDR) {
			put_address(place, ip_specific_destination(check->stack, check->packet));
			check->found->stamp_address = true;
		} else if (address_type(check->stack, get_address(place)) == RTN_UNICAST) {
			return NULL;	/* meant for another host */
		}
		option[2] += ADDRESS + STAMP;
		place += ADDRESS;
		break;
	default:
		return NULL;
	}
	put_time(check->stack, place);
	check->found->stamp_time = check->found->changed = true;
	return NULL;
}

static uint8_t *check_timestamp(struct check *check, uint8_t *option)
{
	uint8_t *problem = NULL;

	if (check->found->timestamp)
		return option;
	if (option[1] < 4)
		return option + 1;
	if (option[2] < STAMP_FIRST)
		return option + 2;
	if (option[2] <= option[1]) {
		problem = stamp_received(check, option);
	} else if ((option[3] & 15) != IPOPT_TS_PRESPEC) {
		/* Full: the high four bits count the hosts that found no room. */
		if (option[3] >> 4 == 15)
			return option + 3;
		option[3] += 1 << 4;
		check->found->changed = true;
	}
	if (!problem)
		check->found->timestamp = (uint8_t)(option - check->header);
	return problem;
}

static uint8_t *check_router_alert(struct check *check, uint8_t *option)
{
	if (option[1] < 4)
		return option + 1;
	if (option[2] == 0 && option[3] == 0)
		check->found->router_alert = (uint8_t)(option - check->header);
	return NULL;
}

/* A CIPSO label names a domain of interpretation. This host has been told of none, so that every one is unknown. */
static uint8_t *check_security(struct check *check, uint8_t *option)
{
	if (check->found->security)
		return option;
	check->found->security = (uint8_t)(option - check->header);	/* the error about it carries it too */
	return option[1] < 8 ? option + 1 : option + 2;
}

static uint8_t *check_option(struct check *check, uint8_t *option)
{
	switch (option[0]) {
	case IPOPT_LSRR:
	case IPOPT_SSRR:
		return check_source_route(check, option);
	case IPOPT_RR:
		return check_record_route(check, option);
	case IPOPT_TS:
		return check_timestamp(check, option);
	case IPOPT_RA:
		return check_router_alert(check, option);
	case IPOPT_CIPSO:
		return check_security(check, option);
	default:
		return NULL;	/* unknown ones are nobody's business */
	}
}

/* The whole area. NULL, or the byte that is wrong. */
static uint8_t *check_area(struct check *check)
{
	uint8_t *at = check->header + sizeof(struct iphdr), *end = at + check->found->length;

	while (at < end) {
		if (*at == IPOPT_END) {
			/* What follows the end has no meaning and is made so. */
			for (; at < end; at++) {
				check->found->changed |= *at != IPOPT_END;
				*at = IPOPT_END;
			}
			return NULL;
		}
		if (*at == IPOPT_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return at;
		uint8_t *problem = check_option(check, at);
		if (problem)
			return problem;
		at += at[1];
	}
	return NULL;
}

/*
 * This host is the destination in the header: is it only the next hop of a source route? Then the route that remains is
 * followed: through further addresses of this host at once, and to the first other one by a new route for the packet.
 * False: to be dropped.
 */
static bool follow_source_route(struct pl_stack *stack, struct pktbuf *packet)
{
	uint8_t *option = packet->network + packet->options.source_route;
	unsigned pointer = option[2], length = option[1];
	struct iphdr *ip = ip_header(packet);

	if (packet->packet_type != PACKET_HOST)
		return false;
	if (packet->route->type == RTN_UNICAST) {
		/* On its way to the next hop. A strict route does not allow hops between. */
		if (packet->options.strict)
			icmp_send_error(stack, packet, ICMP_PARAMETERPROB, 0, 16);
		return !packet->options.strict;
	}
	if (packet->route->type != RTN_LOCAL)
		return false;
	for (; pointer <= length; pointer += ADDRESS) {
		struct route *route = NULL;

		if (pointer + ADDRESS - 1 > length) {
			icmp_send_error(stack, packet, ICMP_PARAMETERPROB, 0, packet->options.source_route + 2u);
			return false;
		}
		struct in_addr next = get_address(option + pointer - 1);
		if (route_input_for(stack, packet->link, ip_source(packet), next, ip->tos, ip->protocol, packet->mark, &route))
			return false;
		if (route->type != RTN_UNICAST && route->type != RTN_LOCAL) {
			route_put(stack, route);
			return false;
		}
		route_put(stack, packet->route);
		packet->route = route;
		packet->options.changed = true;
		if (route->type != RTN_LOCAL) {
			packet->options.source_route_hit = true;
			packet->options.next_hop = next;
			return true;
		}
		ip->daddr = next.s_addr;
	}
	return true;
}

bool options_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	struct check check = { .stack = stack, .packet = packet, .found = &packet->options, .header = packet->network };

	packet->options = (struct ip_options_found){ .length = (uint8_t)(ip_header(packet)->ihl * 4u - sizeof(struct iphdr)) };
	uint8_t *problem = check_area(&check);
	if (problem) {
		icmp_send_error(stack, packet, ICMP_PARAMETERPROB, 0, (uint32_t)(problem - check.header));
		COUNT(stack, Ip, InHdrErrors);
		pktbuf_free(stack, packet);
		return false;
	}
	if (!packet->options.source_route)
		return true;
	if (CONF_AND(stack, packet->link->ipv4, accept_source_route) && follow_source_route(stack, packet))
		return true;
	pktbuf_free(stack, packet);
	return false;
}

/* --- passed on ---------------------------------------------------------------------------------------------------- */

/* The address of this host on the link that the packet leaves by. */
static struct in_addr leaving_address(struct pl_stack *stack, const struct pktbuf *packet, const struct route *route)
{
	struct flow flow = { .destination = ip_destination(packet), .source = ip_source(packet), .tos = ip_header(packet)->tos,
			     .output_link = route->link->ifindex, .mark = packet->mark };
	struct fib_result found = { 0 };

	if (fib_lookup(stack, &flow, &found) == 0)
		return route_preferred_source(stack, &found);
	return select_source(stack, route->link, route->gateway, RT_SCOPE_UNIVERSE);
}

/* The place of the next hop in the route still to go: this host's address takes it, the packet goes on to the hop. */
static void advance_source_route(struct pl_stack *stack, struct pktbuf *packet)
{
	uint8_t *option = packet->network + packet->options.source_route;

	for (unsigned pointer = option[2]; pointer + ADDRESS - 1 <= option[1]; pointer += ADDRESS) {
		if (get_address(option + pointer - 1).s_addr != packet->options.next_hop.s_addr)
			continue;
		ip_header(packet)->daddr = packet->options.next_hop.s_addr;
		put_address(option + pointer - 1, leaving_address(stack, packet, packet->route));
		option[2] = (uint8_t)(pointer + ADDRESS);
		return;
	}
}

void options_forward(struct pl_stack *stack, struct pktbuf *packet)
{
	struct ip_options_found *found = &packet->options;
	struct iphdr *ip = ip_header(packet);
	uint8_t *option;

	if (found->record_address) {
		option = packet->network + found->record_route;
		put_address(option + option[2] - 1 - ADDRESS, leaving_address(stack, packet, packet->route));
	}
	if (found->source_route_hit) {
		advance_source_route(stack, packet);
		if (found->stamp_address) {
			option = packet->network + found->timestamp;
			put_address(option + option[2] - 1 - ADDRESS - STAMP, leaving_address(stack, packet, packet->route));
		}
	}
	if (found->changed || found->record_address || found->source_route_hit) {
		ip->check = 0;
		ip->check = checksum_finish(checksum_add(ip, ip->ihl * 4u, 0));
	}
}

/* --- sent --------------------------------------------------------------------------------------------------------- */

static void write_timestamp(struct pl_stack *stack, uint8_t *option, struct in_addr source)
{
	uint8_t *place = option + option[2] - 1, flag = option[3] & 15;
	unsigned needed = flag == IPOPT_TS_TSONLY ? STAMP : ADDRESS + STAMP;
	bool known = flag == IPOPT_TS_TSONLY || flag == IPOPT_TS_TSANDADDR || flag == IPOPT_TS_PRESPEC;

	if (!known || option[2] + needed - 1 > option[1])
		return;
	if (flag == IPOPT_TS_PRESPEC && address_type(stack, get_address(place)) == RTN_UNICAST)
		return;
	if (flag == IPOPT_TS_TSANDADDR)
		put_address(place, source);
	put_time(stack, place + needed - STAMP);
	option[2] += (uint8_t)needed;
}

void options_write(struct pl_stack *stack, struct pktbuf *packet, const struct ip_options *options)
{
	struct iphdr *ip = (struct iphdr *)packet->data;
	uint8_t *area = packet->data + sizeof(*ip), *option;
	size_t at = 0;

	memcpy(area, options->bytes, options->length);
	while ((option = next_option(area, options->length, &at))) {
		switch (option[0]) {
		case IPOPT_LSRR:
		case IPOPT_SSRR:
			/* The header names the first hop, the last place of the route the destination. */
			if (option[1] >= 3 + ADDRESS)
				put_address(option + option[1] - ADDRESS, (struct in_addr){ ip->daddr });
			break;
		case IPOPT_RR:
			if (option[1] < 3 || option[2] < ROUTE_FIRST || option[2] + ADDRESS - 1 > option[1])
				break;
			put_address(option + option[2] - 1, (struct in_addr){ ip->saddr });
			option[2] += ADDRESS;
			break;
		case IPOPT_TS:
			if (option[1] >= 4 && option[2] >= STAMP_FIRST && option[2] <= option[1])
				write_timestamp(stack, option, (struct in_addr){ ip->saddr });
			break;
		}
	}
	if (options->source_route)
		ip->daddr = packet->route->destination.s_addr;
}

/* --- echoed ------------------------------------------------------------------------------------------------------- */

static uint8_t *append_option(struct ip_options *reply, const uint8_t *option)
{
	return memcpy(reply->bytes + reply->length, option, option[1]);
}

/*
 * The way back: the recorded hops in reverse, the last one visited first. A first hop that equals the sender itself would make
 * it visit itself (RFC 1812 section 5.2.4.1 wants such routes mended).
 */
static void echo_source_route(struct ip_options *reply, const uint8_t *option, struct in_addr sender)
{
	unsigned visited = option[2] > option[1] ? option[1] + 1u : option[2];
	struct in_addr hops[10];
	unsigned count = 0;

	for (visited -= ADDRESS; visited >= ROUTE_FIRST && count < 10; visited -= ADDRESS)
		hops[count++] = get_address(option + visited - 1);
	if (count == 0)
		return;
	if (hops[count - 1].s_addr == sender.s_addr && --count == 0)
		return;
	uint8_t *to = reply->bytes + reply->length;
	to[0] = option[0];
	to[1] = (uint8_t)(3 + count * ADDRESS);
	to[2] = ROUTE_FIRST;
	for (unsigned i = 1; i < count; i++)
		put_address(to + 3 + (i - 1) * ADDRESS, hops[i]);
	memset(to + 3 + (count - 1) * ADDRESS, 0, ADDRESS);
	reply->length += to[1];
	reply->first_hop = hops[0];
	reply->source_route = true;
	reply->strict = option[0] == IPOPT_SSRR;
}

/*
 * Is there room in a timestamp for what the reply is to put in: again what this host put in on arrival? A full one is echoed as
 * it is; one with a remainder of room too small cannot be answered.
 */
static bool stamp_fits(const struct ip_options_found *found, const uint8_t *option)
{
	unsigned pointer = option[2], length = option[1];

	if (pointer > length)
		return true;
	if (found->stamp_address && pointer + ADDRESS - 1 > length)
		return false;
	if (found->stamp_address)
		pointer += ADDRESS;
	return !found->stamp_time || pointer + STAMP - 1 <= length;
}

bool options_echo(struct pl_stack *stack, const struct pktbuf *packet, struct ip_options *reply)
{
	const struct ip_options_found *found = &packet->options;
	const uint8_t *option;

	*reply = (struct ip_options){ 0 };
	if (found->length == 0)
		return true;
	if (found->record_route) {
		option = packet->network + found->record_route;
		if (found->record_address && option[2] <= option[1] && option[2] + ADDRESS - 1 > option[1])
			return false;
		reply->length += append_option(reply, option)[1];
	}
	if (found->timestamp) {
		option = packet->network + found->timestamp;
		if (!stamp_fits(found, option))
			return false;
		reply->length += append_option(reply, option)[1];
	}
	if (found->source_route)
		echo_source_route(reply, packet->network + found->source_route, ip_source(packet));
	if (found->security)
		reply->length += append_option(reply, packet->network + found->security)[1];
	while (reply->length % 4)
		reply->bytes[reply->length++] = IPOPT_END;
	return true;
}
