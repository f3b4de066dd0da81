/* The files of matches and targets: arrays of rows that end with one without a name. */
#ifndef REFSTACK_NETFILTER_EXTENSIONS_H
#define REFSTACK_NETFILTER_EXTENSIONS_H

#include "tables.h"

extern const struct match_type matches_of_ports[], matches_of_packets[], matches_of_rates[], matches_of_connections[],
	matches_of_routes[], matches_of_lists[], matches_of_hashes[], matches_of_counts[], matches_of_bytes[];
extern const struct target_type targets_of_marks[], targets_of_headers[], targets_of_tcpmss[], targets_of_nat[],
	targets_of_reject[], targets_of_tproxy[], targets_of_copies[];

/* A value within a range, or not when the condition is inverted. */
static inline bool in_range(uint64_t value, uint64_t low, uint64_t high, bool invert)
{
	return (value >= low && value <= high) != invert;
}

/* A TCP header as the filter reads it; netinet/tcp.h has names that socket/sock.h has too. */
struct filter_tcp {
	uint16_t source, destination;
	uint32_t seq, ack;
	uint8_t offset, flags;		/* offset: in the upper four bits, words of 32 bits */
	uint16_t window, checksum, urgent;
};
enum { FILTER_FIN = 1, FILTER_SYN = 2, FILTER_RST = 4, FILTER_PSH = 8, FILTER_ACK = 16, FILTER_URG = 32, FILTER_ECE = 64,
       FILTER_CWR = 128 };

/* The option of this kind in the TCP header's options, *length its length; NULL: none, or the header is damaged. */
const uint8_t *filter_tcp_option(const struct rule_packet *at, uint8_t kind, uint8_t *length);

#endif
