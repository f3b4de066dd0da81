/* What a packet's connection is known by. */
#include <arpa/inet.h>

#include "conntrack.h"

bool icmp_is_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP;
}

bool tuple_has_ports(const struct tuple *tuple)
{
	return has_ports(tuple->protocol);
}

bool tuple_of(const struct iphdr *ip, size_t length, struct tuple *tuple)
{
	const uint8_t *transport = (const uint8_t *)ip + ip->ihl * 4u;

	memset(tuple, 0, sizeof(*tuple));
	if (length < sizeof(*ip) || ip->ihl < 5 || length < ip->ihl * 4u || ip->frag_off & htons(IP_OFFMASK))
		return false;
	length -= ip->ihl * 4u;
	tuple->source.s_addr = ip->saddr;
	tuple->destination.s_addr = ip->daddr;
	tuple->protocol = ip->protocol;
	if (ip->protocol == IPPROTO_ICMP) {
		if (length < sizeof(struct icmphdr))
			return false;
		tuple->icmp_type = transport[0];
		tuple->icmp_code = transport[1];
		memcpy(&tuple->source_port, transport + 4, 2);
	} else if (has_ports(ip->protocol)) {
		if (length < 4)
			return false;
		memcpy(&tuple->source_port, transport, 2);
		memcpy(&tuple->destination_port, transport + 2, 2);
	}
	return true;
}

static bool icmp_answer(uint8_t type, uint8_t *answer)
{
	static const uint8_t pairs[][2] = {
		{ ICMP_ECHO, ICMP_ECHOREPLY }, { ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY },
		{ ICMP_INFO_REQUEST, ICMP_INFO_REPLY }, { ICMP_ADDRESS, ICMP_ADDRESSREPLY },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		for (int side = 0; side < 2; side++)
			if (pairs[i][side] == type) {
				*answer = pairs[i][!side];
				return true;
			}
	return false;
}

bool tuple_invert(const struct tuple *tuple, struct tuple *inverse)
{
	uint8_t answer = 0;

	if (tuple->protocol == IPPROTO_ICMP && !icmp_answer(tuple->icmp_type, &answer))
		return false;
	memset(inverse, 0, sizeof(*inverse));
	inverse->source = tuple->destination;
	inverse->destination = tuple->source;
	inverse->protocol = tuple->protocol;
	if (tuple->protocol == IPPROTO_ICMP) {
		inverse->source_port = tuple->source_port;
		inverse->icmp_type = answer;
		inverse->icmp_code = tuple->icmp_code;
	} else {
		inverse->source_port = tuple->destination_port;
		inverse->destination_port = tuple->source_port;
	}
	return true;
}

bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	return !memcmp(a, b, sizeof(*a));
}
