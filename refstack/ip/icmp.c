/*
 * ICMP received: RFC 792, RFC 1122 section 3.2.2.
 *
 * Echo and timestamp requests are answered; errors are taken to the protocol of the packet that they quote; everything else is
 * counted and dropped. A table has a row for each type that a host knows.
 */
#include "icmp.h"

#include <arpa/inet.h>

#include "icmp_probe.h"
#include "icmp_send.h"
#include "options.h"

/* net unreachable ... precedence cutoff, by code */
const struct icmp_error_map icmp_error_map[16] = {
	[ICMP_NET_UNREACH] = { ENETUNREACH, false },	[ICMP_HOST_UNREACH] = { EHOSTUNREACH, false },
	[ICMP_PROT_UNREACH] = { ENOPROTOOPT, true },	[ICMP_PORT_UNREACH] = { ECONNREFUSED, true },
	[ICMP_FRAG_NEEDED] = { EMSGSIZE, false },	[ICMP_SR_FAILED] = { EOPNOTSUPP, false },
	[ICMP_NET_UNKNOWN] = { ENETUNREACH, true },	[ICMP_HOST_UNKNOWN] = { EHOSTDOWN, true },
	[ICMP_HOST_ISOLATED] = { ENONET, true },	[ICMP_NET_ANO] = { ENETUNREACH, true },
	[ICMP_HOST_ANO] = { EHOSTUNREACH, true },	[ICMP_NET_UNR_TOS] = { ENETUNREACH, false },
	[ICMP_HOST_UNR_TOS] = { EHOSTUNREACH, false },	[ICMP_PKT_FILTERED] = { EHOSTUNREACH, true },
	[ICMP_PREC_VIOLATION] = { EHOSTUNREACH, true }, [ICMP_PREC_CUTOFF] = { EHOSTUNREACH, true },
};

_Static_assert(CNT_Ip_Forwarding == 0, "counter 0 is not one of ICMP's");

/* Handlers get the packet with data at the ICMP header, which is whole, and do not consume it. */
struct icmp_type {
	void (*receive)(struct pl_stack *stack, struct pktbuf *packet);
	bool is_query;
	enum counter in, out;		/* 0: none of their own */
};

static void receive_error(struct pl_stack *stack, struct pktbuf *packet);
static void receive_redirect(struct pl_stack *stack, struct pktbuf *packet);
static void receive_echo(struct pl_stack *stack, struct pktbuf *packet);
static void receive_timestamp(struct pl_stack *stack, struct pktbuf *packet);
static void receive_reply(struct pl_stack *stack, struct pktbuf *packet);

static const struct icmp_type types[ICMP_TYPE_MAX + 1] = {
	[ICMP_ECHOREPLY] = { receive_reply, true, CNT_Icmp_InEchoReps, CNT_Icmp_OutEchoReps },
	[ICMP_DEST_UNREACH] = { receive_error, false, CNT_Icmp_InDestUnreachs, CNT_Icmp_OutDestUnreachs },
	[ICMP_SOURCE_QUENCH] = { receive_error, false, CNT_Icmp_InSrcQuenchs, CNT_Icmp_OutSrcQuenchs },
	[ICMP_REDIRECT] = { receive_redirect, false, CNT_Icmp_InRedirects, CNT_Icmp_OutRedirects },
	[ICMP_ECHO] = { receive_echo, true, CNT_Icmp_InEchos, CNT_Icmp_OutEchos },
	[ICMP_TIME_EXCEEDED] = { receive_error, false, CNT_Icmp_InTimeExcds, CNT_Icmp_OutTimeExcds },
	[ICMP_PARAMETERPROB] = { receive_error, false, CNT_Icmp_InParmProbs, CNT_Icmp_OutParmProbs },
	[ICMP_TIMESTAMP] = { receive_timestamp, true, CNT_Icmp_InTimestamps, CNT_Icmp_OutTimestamps },
	[ICMP_TIMESTAMPREPLY] = { NULL, true, CNT_Icmp_InTimestampReps, CNT_Icmp_OutTimestampReps },
	[ICMP_INFO_REQUEST] = { NULL, true, 0, 0 },
	[ICMP_INFO_REPLY] = { NULL, true, 0, 0 },
	[ICMP_ADDRESS] = { NULL, true, CNT_Icmp_InAddrMasks, CNT_Icmp_OutAddrMasks },
	[ICMP_ADDRESSREPLY] = { NULL, true, CNT_Icmp_InAddrMaskReps, CNT_Icmp_OutAddrMaskReps },
};

void icmp_count_in(struct pl_stack *stack, uint8_t type)
{
	stack->icmp_in_type[type]++;
	if (type <= ICMP_TYPE_MAX && types[type].in)
		stack->counter[types[type].in]++;
}

void icmp_count_out(struct pl_stack *stack, uint8_t type)
{
	COUNT(stack, Icmp, OutMsgs);
	stack->icmp_out_type[type]++;
	if (type <= ICMP_TYPE_MAX && types[type].out)
		stack->counter[types[type].out]++;
}

bool icmp_type_is_error(uint8_t type)
{
	return type > ICMP_TYPE_MAX || !types[type].is_query;
}

static void count_bad(struct pl_stack *stack)
{
	COUNT(stack, Icmp, InErrors);
}

/* --- errors about packets of ours --------------------------------------------------------------------------------- */

/* Hand the error to the raw sockets and to the protocol of the packet that it quotes. */
static void tell_protocol(struct pl_stack *stack, struct pktbuf *packet, const struct iphdr *quoted, uint32_t info)
{
	size_t length = (size_t)(packet->tail - (const uint8_t *)quoted);
	const struct ip_protocol *row = ip_protocol_find(stack, quoted->protocol);

	/* RFC 1122 section 3.2.2: the header and eight octets are what everyone quotes. */
	if (length < quoted->ihl * 4u + 8) {
		count_bad(stack);
		return;
	}
	if (ip_raw_error)
		ip_raw_error(stack, packet, quoted, length, info);
	if (row && row->error)
		row->error(stack, packet, quoted, length, info);
}

/* Path MTU discovery by the rules of ip_no_pmtu_disc; false: this report is to be ignored. */
static bool fragmentation_needed(struct pl_stack *stack, const struct icmphdr *icmp, const struct iphdr *quoted, uint32_t *info)
{
	const struct ip_protocol *row;

	switch (stack->sysctl.ip_no_pmtu_disc) {
	case 2:
		return false;
	case 3:
		row = ip_protocol_find(stack, quoted->protocol);
		if (!row || !row->icmp_strict_tag_validation)
			return false;
		*info = ntohs(icmp->un.frag.mtu);
		return true;
	case 0:
		*info = ntohs(icmp->un.frag.mtu);
		return true;
	default:
		return true;
	}
}

static void receive_error(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct icmphdr *icmp = pktbuf_at(packet, 0, sizeof(*icmp));
	const struct iphdr *quoted = pktbuf_at(packet, sizeof(*icmp), sizeof(*quoted));
	uint32_t info = 0;

	if (!quoted || quoted->ihl < 5) {
		count_bad(stack);
		return;
	}
	switch (icmp->type) {
	case ICMP_DEST_UNREACH:
		if ((icmp->code & 15) == ICMP_FRAG_NEEDED && !fragmentation_needed(stack, icmp, quoted, &info))
			return;
		if (icmp->code > NR_ICMP_UNREACH)
			return;
		break;
	case ICMP_PARAMETERPROB:
		info = ntohl(icmp->un.gateway) >> 24;
		break;
	case ICMP_TIME_EXCEEDED:
		if (icmp->code == ICMP_EXC_FRAGTIME)
			return;
		break;
	}
	/* An error about a packet to a broadcast address: nobody should send such a thing. */
	if (!stack->sysctl.icmp_ignore_bogus_error_responses &&
	    address_type(stack, (struct in_addr){ quoted->daddr }) == RTN_BROADCAST)
		return;
	tell_protocol(stack, packet, quoted, info);
}

static void receive_redirect(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct icmphdr *icmp = pktbuf_at(packet, 0, sizeof(*icmp));
	const struct iphdr *quoted = pktbuf_at(packet, sizeof(*icmp), sizeof(*quoted));

	if (!quoted) {
		count_bad(stack);
		return;
	}
	tell_protocol(stack, packet, quoted, ntohl(icmp->un.gateway));
}

/* ICMP as the protocol of a quoted packet: an error about an echo reply of ours concerns the path only. */
static void error_about_icmp(struct pl_stack *stack, struct pktbuf *packet, const struct iphdr *quoted, size_t length,
			     uint32_t info)
{
	const struct icmphdr *icmp = pktbuf_at(packet, 0, sizeof(*icmp));
	const struct icmphdr *inner = (const struct icmphdr *)((const uint8_t *)quoted + quoted->ihl * 4u);

	if (inner->type != ICMP_ECHOREPLY) {
		if (icmp_ping_error)
			icmp_ping_error(stack, packet, quoted, length, info);
		return;
	}
	struct flow flow = quoted_flow(NULL, quoted, stack->sysctl.fwmark_reflect ? packet->mark : 0);
	if (icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_FRAG_NEEDED) {
		route_pmtu_learn(stack, &flow, info);
	} else if (icmp->type == ICMP_REDIRECT) {
		flow.mark = packet->mark;
		route_redirect(stack, packet, &flow, NULL);
	}
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void receive_echo(struct pl_stack *stack, struct pktbuf *packet)
{
	struct icmphdr header;

	if (stack->sysctl.icmp_echo_ignore_all)
		return;
	memcpy(&header, packet->data, sizeof(header));
	if (header.type == ICMP_ECHO)
		header.type = ICMP_ECHOREPLY;
	else if (!icmp_probe_answer(stack, &header, packet->data + sizeof(header), pktbuf_length(packet) - sizeof(header)))
		return;
	icmp_send_reply(stack, packet, &header, packet->data + sizeof(header), pktbuf_length(packet) - sizeof(header));
}

static void receive_timestamp(struct pl_stack *stack, struct pktbuf *packet)
{
	struct icmphdr header;
	uint32_t times[3];

	if (!pktbuf_at(packet, sizeof(header), sizeof(times[0]))) {
		count_bad(stack);
		return;
	}
	memcpy(&header, packet->data, sizeof(header));
	memcpy(&times[0], packet->data + sizeof(header), sizeof(times[0]));
	times[1] = times[2] = timestamp_of_day(stack);
	header.type = ICMP_TIMESTAMPREPLY;
	header.code = 0;
	icmp_send_reply(stack, packet, &header, times, sizeof(times));
}

static void receive_reply(struct pl_stack *stack, struct pktbuf *packet)
{
	if (icmp_ping_receive)
		icmp_ping_receive(stack, packet);
}

/* --- dispatch ----------------------------------------------------------------------------------------------------- */

/* RFC 1122 section 3.2.2.6 and 3.2.2.9: what may come to a group's address. */
static bool allowed_for_group(const struct pl_stack *stack, uint8_t type)
{
	if ((type == ICMP_ECHO || type == ICMP_TIMESTAMP) && stack->sysctl.icmp_echo_ignore_broadcasts)
		return false;
	return type == ICMP_ECHO || type == ICMP_TIMESTAMP || type == ICMP_ADDRESS || type == ICMP_ADDRESSREPLY;
}

static void receive_checked(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct icmphdr *icmp = pktbuf_at(packet, 0, sizeof(*icmp));

	if (!packet->checksum_ok && checksum_finish(checksum_add(packet->data, pktbuf_length(packet), 0)) != 0) {
		COUNT(stack, Icmp, InCsumErrors);
		count_bad(stack);
		return;
	}
	if (!icmp) {
		count_bad(stack);
		return;
	}
	packet->checksum_ok = true;
	icmp_count_in(stack, icmp->type);
	if (icmp->type > ICMP_TYPE_MAX) {
		if (icmp->type != ICMP_EXT_ECHO && icmp->type != ICMP_EXT_ECHOREPLY)
			count_bad(stack);
		else if (icmp->type == ICMP_EXT_ECHOREPLY)
			receive_reply(stack, packet);
		else
			receive_echo(stack, packet);
		return;
	}
	const struct route *route = packet->route;
	if (route && (route->type == RTN_BROADCAST || route->type == RTN_MULTICAST) && !allowed_for_group(stack, icmp->type)) {
		count_bad(stack);
		return;
	}
	if (types[icmp->type].receive)
		types[icmp->type].receive(stack, packet);
}

static bool icmp_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	COUNT(stack, Icmp, InMsgs);
	receive_checked(stack, packet);
	pktbuf_free(stack, packet);
	return true;
}

const struct ip_protocol icmp_protocol = {
	.number = IPPROTO_ICMP,
	.receive = icmp_receive,
	.error = error_about_icmp,
	.icmp_strict_tag_validation = false,
};
