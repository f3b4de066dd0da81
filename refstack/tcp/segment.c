/*
 * Bytes to struct tcp_segment.
 *
 * Options are decoded once, whatever the state of the connection: who may use which option when (a window scale counts in a SYN
 * only, SACK blocks only when SACK was agreed) is for the readers of struct tcp_segment to decide. As on Linux a length below
 * two or beyond the header ends the parsing with what was found so far, an option of unexpected length is skipped by its length,
 * and of an option that stands twice the last one counts.
 */
#include "conn.h"

#define OPT_EOL 0
#define OPT_NOP 1
#define OPT_MSS 2
#define OPT_WSCALE 3
#define OPT_SACK_PERMITTED 4
#define OPT_SACK 5
#define OPT_TIMESTAMP 8
#define OPT_MD5 19
#define MD5_OPTION_LENGTH 18
#define OPT_FASTOPEN 34
#define OPT_ACCECN0 172
#define OPT_ACCECN1 174
#define OPT_EXPERIMENT 254
#define EXPERIMENT_FASTOPEN 0xf989	/* RFC 6994 experiment id of Fast Open before it had kind 34 */
#define FASTOPEN_BAD 0xff

static uint32_t get16(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t get32(const uint8_t *bytes)
{
	return get16(bytes) << 16 | get16(bytes + 2);
}

static uint32_t get24(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 16 | get16(bytes + 1);
}

/* RFC 7413: SYN only, and a cookie has an even length; one of a length that cannot be is no cookie at all. */
static void parse_fastopen(struct tcp_segment *segment, const uint8_t *cookie, int length, bool experimental)
{
	struct tcp_options *option = &segment->option;
	if (!(segment->flags & TH_SYN) || length < 0 || length & 1)
		return;
	option->has_fastopen = true;
	option->fastopen_experimental = experimental;
	if (length == 0) {
		option->fastopen_length = 0;
	} else if (length >= FASTOPEN_COOKIE_MIN && length <= FASTOPEN_COOKIE_MAX) {
		option->fastopen_length = (uint8_t)length;
		memcpy(option->fastopen_cookie, cookie, (size_t)length);
	} else {
		option->has_fastopen = false;
	}
}

static void parse_sack(struct tcp_options *option, const uint8_t *value, int length)
{
	if (length < 8 || length % 8)
		return;
	option->sacks = (uint8_t)(length / 8);
	for (int i = 0; i < option->sacks; i++)
		option->sack[i] = (struct tcp_sack_block){ get32(value + 8 * i), get32(value + 8 * i + 4) };
}

/* draft-ietf-tcpm-accurate-ecn: up to three counters of 24 bits, in one of two orders. */
static void parse_accecn(struct tcp_options *option, const uint8_t *value, int length, uint8_t order)
{
	option->has_accecn = true;
	option->accecn_order = order;
	option->accecn_fields = 0;
	for (int i = 0; i < 3 && length >= 3 * (i + 1); i++, option->accecn_fields++)
		option->accecn[order && i != 1 ? 2 - i : i] = get24(value + 3 * i);
}

static void parse_option(struct tcp_segment *segment, uint8_t kind, const uint8_t *value, int length)
{
	struct tcp_options *option = &segment->option;
	switch (kind) {
	case OPT_MSS:
		if (length == 2) {
			option->has_mss = true;
			option->mss = (uint16_t)get16(value);
		}
		break;
	case OPT_WSCALE:
		if (length == 1) {
			option->has_wscale = true;
			option->wscale = value[0];
		}
		break;
	case OPT_SACK_PERMITTED:
		option->has_sackok |= length == 0;
		break;
	case OPT_SACK:
		parse_sack(option, value, length);
		break;
	case OPT_TIMESTAMP:
		if (length == 8) {
			option->has_timestamp = true;
			option->tsval = get32(value);
			option->tsecr = get32(value + 4);
		}
		break;
	case OPT_MD5:
		if (option->has_md5 || length != 16)
			option->bad_md5 = true;
		option->has_md5 = true;
		option->md5 = value;
		break;
	case OPT_FASTOPEN:
		parse_fastopen(segment, value, length, false);
		break;
	case OPT_EXPERIMENT:
		if (length >= 2 && get16(value) == EXPERIMENT_FASTOPEN)
			parse_fastopen(segment, value + 2, length - 2, true);
		break;
	case OPT_ACCECN0:
	case OPT_ACCECN1:
		parse_accecn(option, value, length, kind == OPT_ACCECN1);
		break;
	default:
		break;
	}
}

static void parse_options(struct tcp_segment *segment, const uint8_t *at, int left)
{
	while (left > 0) {
		uint8_t kind = *at;
		if (kind == OPT_EOL)
			return;
		if (kind == OPT_NOP) {
			at++;
			left--;
			continue;
		}
		/* Where a signature would still have room, nobody can tell whether one follows: it counts as a wrong one. */
		if (left < 2 || at[1] < 2 || at[1] > left) {
			segment->option.bad_md5 |= left >= MD5_OPTION_LENGTH;
			return;
		}
		parse_option(segment, kind, at + 2, at[1] - 2);
		left -= at[1];
		at += at[1];
	}
}

static bool checksum_good(const struct pktbuf *packet, const struct iphdr *ip)
{
	if (packet->checksum_ok)
		return true;
	uint32_t length = pktbuf_length(packet);
	uint32_t sum = checksum_pseudo((struct in_addr){ ip->saddr }, (struct in_addr){ ip->daddr }, IPPROTO_TCP, length);
	return checksum_finish(checksum_add(packet->data, length, sum)) == 0;
}

bool tcp_segment_decode(struct pl_stack *stack, struct pktbuf *packet, struct tcp_segment *segment)
{
	const struct iphdr *ip = (const struct iphdr *)packet->network;
	const uint8_t *header = pktbuf_at(packet, 0, TCP_HEADER);
	if (!header)
		return false;
	uint8_t header_length = (uint8_t)(header[12] >> 4 << 2);
	if (header_length < TCP_HEADER) {
		COUNT(stack, Tcp, InErrs);
		return false;
	}
	header = pktbuf_at(packet, 0, header_length);
	if (!header)
		return false;
	if (!checksum_good(packet, ip)) {
		COUNT(stack, Tcp, InCsumErrors);
		COUNT(stack, Tcp, InErrs);
		return false;
	}
	*segment = (struct tcp_segment){
		.packet = packet,
		.seq = get32(header + 4),
		.ack = get32(header + 8),
		.length = pktbuf_length(packet) - header_length,
		.source_port = (uint16_t)get16(header),
		.destination_port = (uint16_t)get16(header + 2),
		.window = (uint16_t)get16(header + 14),
		.urgent = (uint16_t)get16(header + 18),
		.flags = (uint16_t)(get16(header + 12) & 0x1ff),
		.source = { ip->saddr },
		.destination = { ip->daddr },
		.ip_tos = ip->tos,
		.header_length = header_length,
		.header = header,
		.arrival = stack->now,
	};
	segment->end_seq = segment->seq + segment->length + !!(segment->flags & TH_SYN) + !!(segment->flags & TH_FIN);
	parse_options(segment, header + TCP_HEADER, header_length - TCP_HEADER);
	packet->transport = (uint8_t *)(uintptr_t)header;
	pktbuf_pull(packet, header_length);
	return true;
}
