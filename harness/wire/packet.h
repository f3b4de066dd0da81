/*
 * Packets as the harness knows them. One representation serves what a script says of a packet (some fields given), what is on
 * the wire (all fields known) and what is printed. It shares no code with the stack under test.
 *
 * A packet is a stack of layers, outermost first. A layer has fields from one table (WIRE_FIELD_LIST), each given or not; options
 * of IP and TCP are kept in order; the innermost layer may carry a payload.
 */
#ifndef HARNESS_PACKET_H
#define HARNESS_PACKET_H

#include <netinet/in.h>
#include <plumbline/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum layer_kind {
	LAYER_NONE, LAYER_ETHERNET, LAYER_ARP, LAYER_IPV4, LAYER_IPV6, LAYER_GRE, LAYER_MPLS, LAYER_PSP, LAYER_TCP, LAYER_UDP,
	LAYER_UDPLITE, LAYER_ICMP, LAYER_ICMPV6, LAYER_IGMP, LAYER_RAW, LAYER_COUNT
};

/*
 * Fields: one row each, FIELD(layer, field, "name in scripts", bits). Host order. Sequence numbers are as given: relative in
 * scripts, absolute on the wire; the engine maps between them.
 */
#define WIRE_FIELD_LIST(FIELD)                                                                                                 \
	FIELD(ETHERNET, DST, "ethdst", 48) FIELD(ETHERNET, SRC, "ethsrc", 48) FIELD(ETHERNET, TYPE, "ethertype", 16)           \
	FIELD(ARP, HTYPE, "htype", 16) FIELD(ARP, PTYPE, "ptype", 16) FIELD(ARP, HLEN, "hlen", 8) FIELD(ARP, PLEN, "plen", 8)   \
	FIELD(ARP, OP, "op", 16) FIELD(ARP, SHA, "sha", 48) FIELD(ARP, SPA, "spa", 32)                                         \
	FIELD(ARP, THA, "tha", 48) FIELD(ARP, TPA, "tpa", 32)                                                                  \
	FIELD(IPV4, VERSION, "version", 4) FIELD(IPV4, IHL, "ihl", 4) FIELD(IPV4, TOS, "tos", 8) FIELD(IPV4, ECN, "ecn", 2)     \
	FIELD(IPV4, LENGTH, "length", 16) FIELD(IPV4, ID, "id", 16) FIELD(IPV4, DF, "df", 1) FIELD(IPV4, MF, "mf", 1)           \
	FIELD(IPV4, RESERVED, "reserved", 1) FIELD(IPV4, OFFSET, "offset", 13) FIELD(IPV4, TTL, "ttl", 8)                       \
	FIELD(IPV4, PROTOCOL, "proto", 8) FIELD(IPV4, CHECKSUM, "checksum", 16) FIELD(IPV4, SRC, "src", 32)                     \
	FIELD(IPV4, DST, "dst", 32)                                                                                            \
	FIELD(IPV6, TCLASS, "tos", 8) FIELD(IPV6, ECN, "ecn", 2) FIELD(IPV6, FLOWLABEL, "flowlabel", 20)                        \
	FIELD(IPV6, TTL, "ttl", 8) FIELD(IPV6, LENGTH, "length", 16) FIELD(IPV6, PROTOCOL, "proto", 8)                           \
	FIELD(GRE, FLAGS, "flags", 16) FIELD(GRE, SUM, "sum", 16) FIELD(GRE, OFF, "off", 16) FIELD(GRE, KEY, "key", 32)          \
	FIELD(GRE, SEQ, "seq", 32) FIELD(GRE, PROTOCOL, "proto", 16)                                                           \
	FIELD(MPLS, LABEL, "label", 20) FIELD(MPLS, TC, "tc", 3) FIELD(MPLS, BOTTOM, "S", 1) FIELD(MPLS, TTL, "ttl", 8)          \
	FIELD(PSP, SPI, "spi", 32)                                                                                             \
	FIELD(TCP, SPORT, "sport", 16) FIELD(TCP, DPORT, "dport", 16) FIELD(TCP, FLAGS, "flags", 12) FIELD(TCP, ACE, "ace", 3)    \
	FIELD(TCP, SEQ, "seq", 32) FIELD(TCP, END, "end", 32) FIELD(TCP, ACK, "ack", 32) FIELD(TCP, WIN, "win", 32)              \
	FIELD(TCP, URG, "urg", 16) FIELD(TCP, DOFF, "doff", 4) FIELD(TCP, CHECKSUM, "checksum", 16)                             \
	FIELD(UDP, SPORT, "sport", 16) FIELD(UDP, DPORT, "dport", 16) FIELD(UDP, LENGTH, "length", 16)                          \
	FIELD(UDP, CHECKSUM, "checksum", 16)                                                                                   \
	FIELD(UDPLITE, SPORT, "sport", 16) FIELD(UDPLITE, DPORT, "dport", 16) FIELD(UDPLITE, COVERAGE, "coverage", 16)          \
	FIELD(UDPLITE, CHECKSUM, "checksum", 16)                                                                               \
	FIELD(ICMP, TYPE, "type", 8) FIELD(ICMP, CODE, "code", 8) FIELD(ICMP, CHECKSUM, "checksum", 16) FIELD(ICMP, ID, "id", 16) \
	FIELD(ICMP, SEQ, "seq", 16) FIELD(ICMP, MTU, "mtu", 16) FIELD(ICMP, GATEWAY, "gateway", 32)                             \
	FIELD(ICMP, POINTER, "pointer", 8) FIELD(ICMP, ORIGINATE, "originate", 32) FIELD(ICMP, RECEIVE, "receive", 32)          \
	FIELD(ICMP, TRANSMIT, "transmit", 32) FIELD(ICMP, REST, "rest", 32) FIELD(ICMP, LENGTH, "length", 8)                    \
	FIELD(ICMP, NUMBER, "number", 8) FIELD(ICMP, LOCAL, "local", 1) FIELD(ICMP, STATE, "state", 3)                          \
	FIELD(ICMP, ACTIVE, "active", 1) FIELD(ICMP, IP4, "ip4", 1) FIELD(ICMP, IP6, "ip6", 1)                                  \
	FIELD(ICMPV6, TYPE, "type", 8) FIELD(ICMPV6, CODE, "code", 8) FIELD(ICMPV6, MTU, "mtu", 32) FIELD(ICMPV6, ID, "id", 16)  \
	FIELD(ICMPV6, SEQ, "seq", 16) FIELD(ICMPV6, CHECKSUM, "checksum", 16) FIELD(ICMPV6, REST, "rest", 32)                    \
	FIELD(IGMP, TYPE, "type", 8) FIELD(IGMP, MAXRESP, "maxresp", 8) FIELD(IGMP, CHECKSUM, "checksum", 16)                   \
	FIELD(IGMP, GROUP, "group", 32) FIELD(IGMP, RESV, "resv", 4) FIELD(IGMP, S, "suppress", 1) FIELD(IGMP, QRV, "qrv", 3)           \
	FIELD(IGMP, QQIC, "qqic", 8) FIELD(IGMP, NSRCS, "nsrcs", 16) FIELD(IGMP, RESERVED, "reserved", 16)                      \
	FIELD(IGMP, NRECS, "nrecs", 16)                                                                                        \
	FIELD(RAW, PROTOCOL, "proto", 8)

enum wire_field {
#define WIRE_FIELD_ENUM(layer, field, name, bits) WF_##layer##_##field,
	WIRE_FIELD_LIST(WIRE_FIELD_ENUM)
#undef WIRE_FIELD_ENUM
	WF_COUNT
};
struct wire_field_row {
	enum layer_kind layer;
	const char *name;
	unsigned bits;
};
extern const struct wire_field_row wire_field_table[WF_COUNT];

#define LAYER_FIELDS 20		/* no layer has more */

/*
 * WF_TCP_FLAGS as in the header; bits 9 to 11 are the reserved ones. Where a script gives WF_TCP_ACE, the three ECN bits come
 * from there and are not looked at in the flags.
 */
enum wire_tcp_flag {
	WIRE_FIN = 0x01, WIRE_SYN = 0x02, WIRE_RST = 0x04, WIRE_PSH = 0x08, WIRE_ACK = 0x10, WIRE_URG = 0x20, WIRE_ECE = 0x40,
	WIRE_CWR = 0x80, WIRE_AE = 0x100
};

/* As the value of an expected ECN field: ECT(0) or ECT(1), `[ect01]`. It cannot be sent. */
#define WIRE_ECN_ECT01 4

/* WF_GRE_FLAGS: which of the optional words are there. Not given, they follow from the fields given. */
#define WIRE_GRE_CHECKSUM 0x8000
#define WIRE_GRE_KEY 0x2000
#define WIRE_GRE_SEQ 0x1000

/*
 * A TCP or IP option as it stands in the header. The value is the member that belongs to the kind when `length` is the kind's
 * right one (timestamp 10, mss 4, wscale 3, sack 2 + 8n, accecn 2 + 3n); in every other case, and for all IP options, it is the
 * blob: Fast Open, MD5, unknown kinds, and known kinds with a wrong length. A blob holds the bytes that follow kind and length
 * (for experimental Fast Open: those after the 0xF989).
 */
struct wire_option {
	uint8_t kind;
	uint8_t length;			/* as on the wire; 1 for EOL and NOP */
	bool any_value;			/* the script says that it is there, not what it holds */
	bool cut;			/* the header ended before the option did; with length 1, before its length byte */
	uint64_t any_bytes;		/* bit per byte of the blob that the script leaves open */
	union {
		struct { uint32_t val, ecr; } timestamp;
		struct { unsigned count; struct { uint32_t start, end; } block[4]; } sack;
		uint16_t mss;
		uint8_t wscale;
		struct { uint8_t length; uint8_t bytes[40]; bool experimental; } blob;	/* Fast Open, MD5, unknown */
		struct { unsigned count; uint8_t order[3]; uint32_t value[3]; } accecn;	/* order: 'e0b' 0, 'e1b' 1, 'ceb' 2 */
	};
};

/* A group record of an IGMPv3 report (RFC 3376 4.2.4). Of a query there is one, and only its sources count. */
struct igmp_record {
	uint8_t type, aux_words;	/* as on the wire, whatever the lengths below are */
	uint16_t count;			/* of sources, as on the wire */
	uint32_t group;
	const uint32_t *source;
	unsigned sources;
	const uint8_t *aux;
	size_t aux_length;
};

struct expr;

struct layer {
	enum layer_kind kind;
	uint32_t given;			/* bit per field of this layer, in the table's order */
	uint32_t any;			/* given as "whatever it is": never compared */
	uint64_t value[LAYER_FIELDS];
	const struct expr **late;	/* NULL, or by field: what it is once the script has come so far */
	struct wire_option *option;
	unsigned options;
	bool options_any;		/* <...> */
	bool options_given;
	enum wire_checksum {
		CHECKSUM_UNKNOWN,	/* not decoded, or not enough bytes to tell (a fragment, a quoted packet) */
		CHECKSUM_RIGHT,
		CHECKSUM_WRONG,
		CHECKSUM_PARTIAL,	/* only the pseudo-header is summed: left to the device, as Linux hands it to a capture */
		CHECKSUM_ABSENT,	/* UDP without one */
	} checksum;			/* decoded packets: whether the checksum fits the bytes */
	struct igmp_record *record;	/* IGMPv3 */
	unsigned records;
	bool records_given;
	struct in6_addr source6, destination6;	/* IPv6 */
};

#define PACKET_LAYERS 8

struct packet {
	struct layer layer[PACKET_LAYERS];
	unsigned layers;
	const uint8_t *payload;		/* NULL: only its length is known */
	size_t payload_length;
	bool payload_given;
	const struct expr *late_length;	/* likewise, of the payload */
	struct packet *quoted;		/* what an ICMP error quotes, or NULL; the payload is then what follows it (RFC 4884) */
	pl_time time;			/* when it was seen */
	unsigned gso_size, gso_segments;	/* 0: not a large segment */
	bool decoded;			/* made from bytes: every field that the bytes hold is given */
	bool truncated;			/* the bytes ended before the headers said they would */
	size_t captured;		/* when truncated: how many bytes there were */
};

/*
 * Conventions between the parser, the encoder and the printer:
 * - TCP: `1:1001(1000)` is SEQ 1, END 1001, payload_length 1000 with payload_given. UDP and UDP-Lite `(n)`: payload_length n.
 * - ICMP `[raw (n)]`: n counts the 8 bytes of the ICMP header, so payload_length is n - 8. `[1:1001(1000)]` and `[udp (n)]`:
 *   quoted is an IPV4 layer and a TCP or UDP layer with that payload_length. A quoted packet whose payload is NULL is quoted as
 *   far as 8 bytes past its IP header (RFC 792), with the total length that it would have whole; one with payload bytes is
 *   quoted whole. Contents behind the quotation are an extension (RFC 4884): the quotation is filled up with zeros to as many words
 *   as the field `length` says, at least to 128 bytes when it says nothing, and `length` says so then.
 * - ICMP `number`, `local`, `state`, `active`, `ip4`, `ip6` are parts of `seq` in extended echoes (RFC 8335).
 * - Bytes of a payload that only has a length are zeros on the wire.
 */

/* Fields of one layer. wire_get is 0 for fields that are not given. */
struct layer *packet_layer(const struct packet *packet, enum layer_kind kind);	/* innermost of the kind, or NULL */
bool wire_given(const struct layer *layer, enum wire_field field);
uint64_t wire_get(const struct layer *layer, enum wire_field field);
void wire_set(struct layer *layer, enum wire_field field, uint64_t value);
void wire_set_any(struct layer *layer, enum wire_field field);

struct arena;

/*
 * Decode bytes from the IP header (or the Ethernet header with ethernet set). Never fails: what cannot be decoded becomes a RAW
 * layer and, when bytes are missing, packet->truncated. Options and payload are copied into the arena.
 */
void packet_decode(const uint8_t *bytes, size_t length, bool ethernet, struct arena *arena, struct packet *packet);

/*
 * Encode into arena memory. Fields that are not given get the value that makes the packet right (lengths, checksums, version,
 * header lengths); given ones stand as they are, however wrong. Returns the bytes; *length their number; NULL with *error set
 * (a static string) when a value does not fit its field.
 */
uint8_t *packet_encode(const struct packet *packet, struct arena *arena, size_t *length, const char **error);

/* Text as a script would say it. Sequence numbers and values as they stand in the packet. Arena memory. */
const char *packet_print(const struct packet *packet, struct arena *arena, bool outbound);

/* One field in which an actual packet differs from what was expected. Texts in arena memory. */
struct packet_difference {
	const char *field;		/* "tcp.win", "ipv4.ttl", "option 3 (TS val)" */
	const char *expected, *actual;
};
/* How strictly; the engine fills it from the script's options. */
struct packet_rules {
	bool check_all;			/* compare fields that the script did not give as well (for compare) */
	bool ignore_timestamp_values;
	int64_t timestamp_tolerance;	/* in ticks */
};
/* Every field that differs: their number, at most `most` of them stored. */
unsigned packet_differ(const struct packet *expected, const struct packet *actual, const struct packet_rules *rules,
		       struct arena *arena, struct packet_difference *difference, unsigned most);

/*
 * A copy of `actual` in which the same things are given as in `expected`, layer by layer: printed, it is the line that the
 * script should have said. A layer that `expected` does not have keeps what it has.
 */
struct packet *packet_project(const struct packet *actual, const struct packet *expected, struct arena *arena);

/* A deep copy in the arena, so that the engine can map values in place. */
struct packet *packet_clone(const struct packet *packet, struct arena *arena);

#endif
