/* TCP and IP options between bytes and struct wire_option. */
#ifndef HARNESS_WIRE_OPTION_H
#define HARNESS_WIRE_OPTION_H

#include "packet.h"

enum tcp_option_kind {
	TCP_OPTION_EOL = 0, TCP_OPTION_NOP = 1, TCP_OPTION_MSS = 2, TCP_OPTION_WSCALE = 3, TCP_OPTION_SACK_OK = 4,
	TCP_OPTION_SACK = 5, TCP_OPTION_TIMESTAMP = 8, TCP_OPTION_MD5 = 19, TCP_OPTION_FAST_OPEN = 34,
	TCP_OPTION_ACCECN0 = 172, TCP_OPTION_ACCECN1 = 174, TCP_OPTION_EXPERIMENT = 254,
};
#define FAST_OPEN_MAGIC 0xf989		/* RFC 7413 appendix, RFC 6994 */

#define HEADER_OPTIONS_MAX 40		/* bytes of options that a header length of 15 words leaves */

/* Which member of the union an option's value is in. */
enum option_shape { SHAPE_NONE, SHAPE_MSS, SHAPE_WSCALE, SHAPE_SACK, SHAPE_TIMESTAMP, SHAPE_ACCECN, SHAPE_BLOB };
enum option_shape wire_option_shape(enum layer_kind layer, const struct wire_option *option);

/* The options in `length` bytes (at most HEADER_OPTIONS_MAX), in arena memory; their number. Every byte ends up in one. */
unsigned wire_options_decode(enum layer_kind layer, const uint8_t *bytes, size_t length, struct arena *arena,
			     struct wire_option **options);

/* Bytes of one option into `to` (room for 4 + HEADER_OPTIONS_MAX); their number. */
size_t wire_option_encode(enum layer_kind layer, const struct wire_option *option, uint8_t *to);

/* One option as scripts say it ("TS val 100 ecr 200"), in arena memory; and a few words for messages ("TS", "mss"). */
const char *wire_option_print(enum layer_kind layer, const struct wire_option *option, struct arena *arena);
const char *wire_option_name(enum layer_kind layer, const struct wire_option *option, struct arena *arena);

/* The name of the i-th counter of an AccECN option: order 0 starts with e0b, order 1 with e1b. */
const char *wire_accecn_name(const struct wire_option *option, unsigned i);

#endif
