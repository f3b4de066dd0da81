#include "packet_map.h"

#include <netinet/in.h>
#include <string.h>

#include "sweep.h"

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

uint16_t map_port(uint16_t port)
{
	static const uint16_t named[] = { 0, SERVICE_PORT, BOUND_PORT, HELPER_PORT, DEAF_PORT, REMOTE_PORT };

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (named[i] == port)
			return port;
	return EPHEMERAL;
}

bool packet_is_noise(const uint8_t *bytes, size_t length)
{
	return length < 20 || bytes[0] >> 4 != 4 || bytes[9] == IPPROTO_IGMP;
}

/* The sum of RFC 1071, added to `sum`; 0xffff for a range with a right checksum in it. */
static uint32_t add(uint32_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

enum { CHECKSUM_NONE, CHECKSUM_RIGHT, CHECKSUM_WRONG };

/* `offset` in the packet is the transport's header; its checksum covers the first `covered` bytes from there. */
static unsigned transport_checksum(const uint8_t *bytes, size_t offset, size_t length, size_t covered, bool pseudo)
{
	uint8_t header[12] = { 0 };
	uint32_t sum = 0;

	if (pseudo) {
		memcpy(header, bytes + 12, 8);
		header[9] = bytes[9];
		put16(header + 10, (uint16_t)(length - offset));
		sum = add(0, header, sizeof(header));
	}
	return add(sum, bytes + offset, covered) == 0xffff ? CHECKSUM_RIGHT : CHECKSUM_WRONG;
}

/* Zero or not, of a field of four bytes. */
static void flatten32(uint8_t *at)
{
	bool any = at[0] | at[1] | at[2] | at[3];

	memset(at, 0, 4);
	at[3] = any;
}

static void map_ports(uint8_t *at)
{
	put16(at, map_port(get16(at)));
	put16(at + 2, map_port(get16(at + 2)));
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

#define NEAR 0x20000			/* this far from the initial sequence number */
#define HALF 0x80000000u		/* of the space of sequence numbers */
#define ISS_TOLD 0x10000000u
#define NEW_ISS 0x20000000u		/* the first sequence number of a connection that nobody knew of */

static void map_sequence(uint8_t *at, bool first, const struct packet_names *names)
{
	if (!names)
		flatten32(at);
	else if (names->has_iss && (get32(at) - names->iss + NEAR) % HALF < 2 * NEAR)
		put32(at, get32(at) - names->iss + ISS_TOLD);
	else if (first)
		put32(at, NEW_ISS);
}

static void map_address(uint8_t *at, const struct packet_names *names)
{
	if (names && get32(at) == names->remote)
		put32(at, REMOTE_ADDRESS);
}

static void map_tcp(uint8_t *tcp, size_t length, bool quoted, const struct packet_names *names)
{
	size_t header = length > 12 ? (tcp[12] >> 4) * 4u : 0;

	if (length >= 4)
		map_ports(tcp);
	if (length >= 8)
		map_sequence(tcp + 4, length > 13 && tcp[13] & 2 && !quoted, names);
	if (length >= 12)
		map_sequence(tcp + 8, false, names);
	for (size_t at = 20; at + 1 < header && at + 1 < length;) {
		if (tcp[at] == 8 && tcp[at + 1] == 10 && at + 10 <= length) {
			flatten32(tcp + at + 2);
			flatten32(tcp + at + 6);
		}
		at += tcp[at] <= 1 ? 1 : tcp[at + 1] >= 2 ? tcp[at + 1] : length;
	}
}

static void map_checksum(uint8_t *at, unsigned how, bool optional, bool quoted)
{
	put16(at, optional && !get16(at) ? CHECKSUM_NONE : quoted ? CHECKSUM_RIGHT : (uint16_t)how);
}

#define AS_SENT 0x5a

static void map_ip(const uint8_t *bytes, size_t length, uint8_t *to, size_t have, bool quoted,
		   const struct packet_names *names);

/*
 * A packet is quoted: all that is behind its header's fixed part and stands as it was sent. What a field is that was changed, or
 * that a changed field has moved, cannot be told from the bytes alone.
 */
static void map_as_sent(const uint8_t *bytes, size_t length, uint8_t *to, size_t have, const struct packet_names *names)
{
	if (names && names->sent && length > 20 && length <= names->sent_length && !memcmp(bytes + 20, names->sent + 20, length - 20))
		memset(to + 20, AS_SENT, have - 20);
}

static void map_icmp(const uint8_t *bytes, size_t length, uint8_t *to, size_t have, size_t at, bool quoted,
		     const struct packet_names *names)
{
	bool error = to[at] == 3 || to[at] == 4 || to[at] == 5 || to[at] == 11 || to[at] == 12;

	if (have >= at + 4)
		map_checksum(to + at + 2, transport_checksum(bytes, at, length, length - at, false), false, quoted);
	/* An identifier is the port of an ICMP socket. */
	if (!error && have >= at + 8)
		put16(to + at + 4, map_port(get16(to + at + 4)));
	/* Times of day: of a timestamp reply the receiving and the sending one. */
	if (to[at] == 14 && have >= at + 20) {
		flatten32(to + at + 12);
		flatten32(to + at + 16);
	}
	/* An answer may bring back a quotation that was sent to it. */
	if (!error && names)
		for (size_t word = at + 8; word + 4 <= have; word += 4)
			map_sequence(to + word, false, names);
	if (error && !quoted && have >= at + 8 && names)
		for (size_t word = at + 28; word + 4 <= have && to[at + 8 + 9] == IPPROTO_ICMP; word += 4)
			map_sequence(to + word, false, names);
	if (error && !quoted && have >= at + 28) {
		map_ip(bytes + at + 8, length - at - 8, to + at + 8, have - at - 8, true, names);
		map_as_sent(bytes + at + 8, length - at - 8, to + at + 8, have - at - 8, names);
	}
}

static void map_transport(const uint8_t *bytes, size_t length, uint8_t *to, size_t have, size_t at, bool quoted,
			  const struct packet_names *names)
{
	size_t covered = length - at;

	switch (bytes[9]) {
	case IPPROTO_ICMP:
		map_icmp(bytes, length, to, have, at, quoted, names);
		break;
	case IPPROTO_TCP:
		if (have >= at + 18)
			map_checksum(to + at + 16, transport_checksum(bytes, at, length, covered, true), false, quoted);
		map_tcp(to + at, have - at, quoted, names);
		break;
	case IPPROTO_UDPLITE:
		if (have >= at + 6 && get16(bytes + at + 4) && get16(bytes + at + 4) < covered)
			covered = get16(bytes + at + 4);
		/* fall through */
	case IPPROTO_UDP:
		if (have >= at + 8)
			map_checksum(to + at + 6, transport_checksum(bytes, at, length, covered, true), true, quoted);
		if (have >= at + 4)
			map_ports(to + at);
		break;
	default:
		break;
	}
}

/* The stamps within a time stamp option (RFC 791): alone, or behind an address each. */
static void map_stamps(uint8_t *option, size_t length)
{
	unsigned flag = option[3] & 15;
	size_t step = flag == 1 || flag == 3 ? 8 : 4;

	for (size_t at = 4 + step - 4; at + 4 <= length; at += step)
		flatten32(option + at);
}

static void map_options(uint8_t *option, size_t length)
{
	for (size_t at = 0; at + 1 < length;) {
		size_t size = option[at] <= 1 ? 1 : option[at + 1];

		if (size < 1 || at + size > length)
			return;
		if (option[at] == 68 && size >= 4)
			map_stamps(option + at, size);
		at += size;
	}
}

static void map_ip(const uint8_t *bytes, size_t length, uint8_t *to, size_t have, bool quoted, const struct packet_names *names)
{
	size_t header = (bytes[0] & 15) * 4u, total = get16(bytes + 2);

	if (header < 20 || header > have)
		return;
	if (total >= header && total < length && !quoted)
		length = total;
	put16(to + 4, get16(to + 4) != 0);
	put16(to + 10, quoted ? get16(to + 10) != 0 : add(0, bytes, header) == 0xffff ? CHECKSUM_RIGHT : CHECKSUM_WRONG);
	map_options(to + 20, header - 20);
	map_address(to + 12, names);
	map_address(to + 16, names);
	/* Only a first fragment starts with the transport's header. */
	if (!(get16(bytes + 6) & 0x1fff) && have > header)
		map_transport(bytes, length, to, have, header, quoted || get16(bytes + 6) & 0x2000, names);
}

size_t packet_map(const uint8_t *bytes, size_t length, const struct packet_names *names, uint8_t *to, size_t room)
{
	size_t have = length < room ? length : room;

	memcpy(to, bytes, have);
	map_ip(bytes, length, to, have, false, names);
	return have;
}
