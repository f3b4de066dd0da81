/*
 * Packets as the harness knows them. One representation serves what a script says of a packet (some fields given), what is on
 * the wire (all fields known) and what is printed. It shares no code with the stack under test.
 *
 * A packet is a stack of layers, outermost first. A layer has fields from one table (wire_fields.h), each given or not; options
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
	FIELD(ARP, OP, "op", 16) FIELD(ARP, SHA, "sha", 48) FIELD(ARP, SPA, "spa", 32)                                         \
	FIELD(ARP, THA, "tha", 48) FIELD(ARP, TPA, "tpa", 32)                                                                  \
	FIELD(IPV4, VERSION, "version", 4) FIELD(IPV4, IHL, "ihl", 4) FIELD(IPV4, TOS, "tos", 8) FIELD(IPV4, ECN, "ecn", 2)     \
	FIELD(IPV4, LENGTH, "length", 16) FIELD(IPV4, ID, "id", 16) FIELD(IPV4, DF, "df", 1) FIELD(IPV4, MF, "mf", 1)           \
	FIELD(IPV4, RESERVED, "reserved", 1) FIELD(IPV4, OFFSET, "offset", 13) FIELD(IPV4, TTL, "ttl", 8)                       \
	FIELD(IPV4, PROTOCOL, "proto", 8) FIELD(IPV4, CHECKSUM, "checksum", 16) FIELD(IPV4, SRC, "src", 32)                     \
	FIELD(IPV4, DST, "dst", 32)                                                                                            \
	FIELD(IPV6, TCLASS, "tos", 8) FIELD(IPV6, ECN, "ecn", 2) FIELD(IPV6, FLOWLABEL, "flowlabel", 20)                        \
	FIELD(IPV6, TTL, "ttl", 8)                                                                                             \
	FIELD(GRE, FLAGS, "flags", 16) FIELD(GRE, SUM, "sum", 16) FIELD(GRE, OFF, "off", 16) FIELD(GRE, KEY, "key", 32)          \
	FIELD(GRE, SEQ, "seq", 32)                                                                                             \
	FIELD(MPLS, LABEL, "label", 20) FIELD(MPLS, TC, "tc", 3) FIELD(MPLS, BOTTOM, "S", 1) FIELD(MPLS, TTL, "ttl", 8)          \
	FIELD(PSP, SPI, "spi", 32)                                                                                             \
	FIELD(TCP, SPORT, "sport", 16) FIELD(TCP, DPORT, "dport", 16) FIELD(TCP, FLAGS, "flags", 9) FIELD(TCP, ACE, "ace", 3)    \
	FIELD(TCP, SEQ, "seq", 32) FIELD(TCP, END, "end", 32) FIELD(TCP, ACK, "ack", 32) FIELD(TCP, WIN, "win", 32)              \
	FIELD(TCP, URG, "urg", 16) FIELD(TCP, DOFF, "doff", 4) FIELD(TCP, CHECKSUM, "checksum", 16)                             \
	FIELD(UDP, SPORT, "sport", 16) FIELD(UDP, DPORT, "dport", 16) FIELD(UDP, LENGTH, "length", 16)                          \
	FIELD(UDP, CHECKSUM, "checksum", 16)                                                                                   \
	FIELD(UDPLITE, SPORT, "sport", 16) FIELD(UDPLITE, DPORT, "dport", 16) FIELD(UDPLITE, COVERAGE, "coverage", 16)          \
	FIELD(UDPLITE, CHECKSUM, "checksum", 16)                                                                               \
	FIELD(ICMP, TYPE, "type", 8) FIELD(ICMP, CODE, "code", 8) FIELD(ICMP, CHECKSUM, "checksum", 16) FIELD(ICMP, ID, "id", 16) \
	FIELD(ICMP, SEQ, "seq", 16) FIELD(ICMP, MTU, "mtu", 16) FIELD(ICMP, GATEWAY, "gateway", 32)                             \
	FIELD(ICMP, POINTER, "pointer", 8) FIELD(ICMP, ORIGINATE, "originate", 32) FIELD(ICMP, RECEIVE, "receive", 32)          \
	FIELD(ICMP, TRANSMIT, "transmit", 32)                                                                                  \
	FIELD(ICMPV6, TYPE, "type", 8) FIELD(ICMPV6, CODE, "code", 8) FIELD(ICMPV6, MTU, "mtu", 32) FIELD(ICMPV6, ID, "id", 16)  \
	FIELD(IGMP, TYPE, "type", 8) FIELD(IGMP, MAXRESP, "maxresp", 8) FIELD(IGMP, CHECKSUM, "checksum", 16)                   \
	FIELD(IGMP, GROUP, "group", 32)                                                                                        \
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

#define LAYER_FIELDS 16		/* no layer has more */

/* A TCP or IP option as it stands in the header. Values are decoded by kind; unknown kinds keep their bytes. */
struct wire_option {
	uint8_t kind;
	uint8_t length;			/* as on the wire; 1 for EOL and NOP */
	bool any_value;			/* the script says that it is there, not what it holds */
	union {
		struct { uint32_t val, ecr; } timestamp;
		struct { unsigned count; struct { uint32_t start, end; } block[4]; } sack;
		uint16_t mss;
		uint8_t wscale;
		struct { uint8_t length; uint8_t bytes[40]; bool experimental; } blob;	/* Fast Open, MD5, unknown */
		struct { unsigned count; uint8_t order[3]; uint32_t value[3]; } accecn;	/* order: 'e0b' 0, 'e1b' 1, 'ceb' 2 */
	};
};

struct layer {
	enum layer_kind kind;
	uint32_t given;			/* bit per field of this layer, in the table's order */
	uint32_t any;			/* given as "whatever it is": never compared */
	uint64_t value[LAYER_FIELDS];
	struct wire_option *option;
	unsigned options;
	bool options_any;		/* <...> */
	bool options_given;
	struct in6_addr source6, destination6;	/* IPv6 */
};

#define PACKET_LAYERS 8

struct packet {
	struct layer layer[PACKET_LAYERS];
	unsigned layers;
	const uint8_t *payload;		/* NULL: only its length is known */
	size_t payload_length;
	bool payload_given;
	struct packet *quoted;		/* what an ICMP error quotes, or NULL */
	pl_time time;			/* when it was seen */
	unsigned gso_size, gso_segments;	/* 0: not a large segment */
	bool truncated;			/* the bytes ended before the headers said they would */
};

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

/* A deep copy in the arena, so that the engine can map values in place. */
struct packet *packet_clone(const struct packet *packet, struct arena *arena);

#endif
