/*
 * IP_OPTIONS: an area of IPv4 options (RFC 791 3.1) that a caller wants in the packets it sends, checked as ip_options_compile()
 * does for options that do not come from a packet.
 */
#include "options.h"

#include <linux/capability.h>
#include <stdlib.h>

#include "../ip/ip.h"

/* While one area is checked: which of the options that may appear once have been seen. */
struct area {
	struct sock *sk;
	struct ip_options *options;
	bool source_route, record_route, timestamp, security;
};

/* A loose or strict source route: whole addresses, pointer at the first, which becomes the first hop. */
static bool check_source_route(struct area *area, uint8_t *option)
{
	uint8_t length = option[1];

	if (length < 7 || (length - 3) % 4 || option[2] != 4 || area->source_route)
		return false;
	memcpy(&area->options->first_hop, option + 3, 4);
	memmove(option + 3, option + 7, length - 7);
	area->options->strict = option[0] == IPOPT_SSRR;
	area->source_route = area->options->source_route = true;
	return true;
}

static bool check_record_route(struct area *area, const uint8_t *option)
{
	uint8_t length = option[1], pointer = option[2];

	if (area->record_route || length < 3 || pointer < 4 || (pointer <= length && pointer + 3 > length))
		return false;
	return area->record_route = true;
}

/* Room where the pointer stands for what the flags ask for; an unknown flag is for the privileged. */
static bool check_timestamp(struct area *area, const uint8_t *option)
{
	uint8_t length = option[1], pointer, flags;

	if (area->timestamp || length < 4)
		return false;
	pointer = option[2];
	flags = option[3] & 15;
	if (pointer < 5)
		return false;
	area->timestamp = true;
	if (pointer > length)
		return flags == IPOPT_TS_PRESPEC || option[3] >> 4 != 15;
	if (pointer + 3 > length)
		return false;
	if (flags == IPOPT_TS_TSANDADDR || flags == IPOPT_TS_PRESPEC)
		return pointer + 7 <= length;
	return flags == IPOPT_TS_TSONLY || capable(area->sk->stack, CAP_NET_RAW);
}

/*
 * A CIPSO label: option, length, domain of interpretation, then tags whose lengths must add up. No domain is defined here, as
 * none is in a host that has not been given one, so that the domain is unknown.
 */
static bool check_security(struct area *area, const uint8_t *option)
{
	if (!capable(area->sk->stack, CAP_NET_RAW) || area->security)
		return false;
	area->security = true;
	return false;
}

static bool check_option(struct area *area, uint8_t *option)
{
	switch (option[0]) {
	case IPOPT_LSRR:
	case IPOPT_SSRR:
		return check_source_route(area, option);
	case IPOPT_RR:
		return check_record_route(area, option);
	case IPOPT_TIMESTAMP:
		return check_timestamp(area, option);
	case IPOPT_RA:
		return option[1] >= 4;
	case 134:
		return check_security(area, option);
	}
	return capable(area->sk->stack, CAP_NET_RAW);
}

static bool check_area(struct area *area)
{
	uint8_t *option = area->options->bytes;
	unsigned left = area->options->length;

	while (left) {
		unsigned step = 1;

		if (option[0] == IPOPT_EOL) {
			memset(option, IPOPT_EOL, left);
			return true;
		}
		if (option[0] != IPOPT_NOP) {
			if (left < 2 || option[1] < 2 || option[1] > left)
				return false;
			step = option[1];
			if (!check_option(area, option))
				return false;
		}
		option += step;
		left -= step;
	}
	return true;
}

struct ip_options *ip_options_make(struct sock *sk, const void *bytes, size_t length, int64_t *error)
{
	struct ip_options *options;
	struct area area = { .sk = sk };

	*error = -EINVAL;
	if (length > sizeof(options->bytes))
		return NULL;
	*error = -EFAULT;
	if (length && !bytes)
		return NULL;
	*error = -ENOMEM;
	options = calloc(1, sizeof(*options));
	if (!options)
		return NULL;
	if (length)
		memcpy(options->bytes, bytes, length);
	options->length = (uint8_t)((length + 3) & ~(size_t)3);
	area.options = options;
	*error = -EINVAL;
	if (!check_area(&area)) {
		free(options);
		return NULL;
	}
	*error = options->source_route && !capable(sk->stack, CAP_NET_RAW) ? -EPERM : 0;
	if (*error) {
		free(options);
		return NULL;
	}
	return options;
}

int64_t ip_set_header_options(struct sock *sk, const void *value, socklen_t length)
{
	struct ip_options *options;
	int64_t error;

	options = ip_options_make(sk, value, length, &error);
	if (!options)
		return error;
	free(sk->options);
	sk->options = options;
	if (sk->proto->header_changed)
		sk->proto->header_changed(sk);
	return 0;
}

int64_t ip_get_header_options(struct sock *sk, void *value, socklen_t *length)
{
	uint8_t bytes[40] = { 0 };
	uint8_t *option = bytes, *end;

	if (!sk->options || !sk->options->length)
		return sockopt_copy_out(value, length, bytes, 0);
	memcpy(bytes, sk->options->bytes, sizeof(bytes));
	end = bytes + sk->options->length;
	while (option < end && *option != IPOPT_EOL) {
		if (*option == IPOPT_LSRR || *option == IPOPT_SSRR) {
			memmove(option + 7, option + 3, option[1] - 7);
			memcpy(option + 3, &sk->options->first_hop, 4);
		}
		option += *option == IPOPT_NOP ? 1 : option[1];
	}
	return sockopt_copy_out(value, length, bytes, sk->options->length);
}

/*
 * IP_PKTOPTIONS, of stream sockets: as control messages, what IP_PKTINFO, IP_RECVTTL and IP_RECVTOS would say. A stream has no
 * packet to show, so the kernel tells the address, and the link and the TTL that multicast would use: of a connection that was
 * accepted those of the segment that ended its handshake.
 */
int64_t ip_get_packet_options(struct sock *sk, void *value, socklen_t *length)
{
	struct msghdr msg = { .msg_control = value, .msg_controllen = *length };
	struct in_pktinfo info = {
		.ipi_ifindex = sk->multicast_link,
		.ipi_spec_dst = sk->source,
		.ipi_addr = sk->local,
	};
	int ttl = sk->multicast_ttl, tos = sk->received_tos;

	if (sk->type != SOCK_STREAM)
		return -ENOPROTOOPT;
	if (sock_flag(sk, SF_CMSG_PKTINFO))
		msg_put_control(&msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	if (sock_flag(sk, SF_CMSG_TTL))
		msg_put_control(&msg, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (sock_flag(sk, SF_CMSG_TOS))
		msg_put_control(&msg, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	*length -= (socklen_t)msg.msg_controllen;
	return 0;
}
