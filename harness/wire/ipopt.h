/* IP options by name: what their bytes say. All of them are kept as blobs (struct wire_option). */
#ifndef HARNESS_WIRE_IPOPT_H
#define HARNESS_WIRE_IPOPT_H

#include "packet.h"

enum ip_option_kind {
	IP_OPTION_EOL = 0, IP_OPTION_NOP = 1, IP_OPTION_RR = 7, IP_OPTION_TS = 68, IP_OPTION_SEC = 130, IP_OPTION_LSRR = 131,
	IP_OPTION_CIPSO = 134, IP_OPTION_SID = 136, IP_OPTION_SSRR = 137, IP_OPTION_RA = 148,
};

/* The forms of the timestamp option, its low four bits (RFC 791 3.1). */
enum ip_timestamp_form { IP_TS_ONLY = 0, IP_TS_AND_ADDRESS = 1, IP_TS_PRESPECIFIED = 3 };

/* "rr", "lsrr"; NULL: the kind has no name. And back; false: no kind has it. */
const char *wire_ip_option_name(unsigned kind);
bool wire_ip_option_kind(const char *name, unsigned *kind);
/* "tsonly", "tsandaddr", "tsprespec"; NULL: none of them. */
const char *wire_ip_timestamp_form(unsigned form);

/* "rr slots 9 {10.0.0.1}", "ra", "kind 99 \"\\x01\"", in arena memory. */
const char *wire_ip_option_print(const struct wire_option *option, struct arena *arena);

/*
 * The recorded times of a timestamp option, by their place in the blob: the first at *at with *step between them; their number.
 * 0 when the option's bytes are not those of a timestamp option.
 */
unsigned wire_ip_timestamps(const struct wire_option *option, unsigned *at, unsigned *step);

#endif
