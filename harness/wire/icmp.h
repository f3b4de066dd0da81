/* The names of ICMP types and codes in scripts. Besides these, type_N and code_N name any value. */
#ifndef HARNESS_WIRE_ICMP_H
#define HARNESS_WIRE_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The type or code with this name ("echo_request", "type_42"; "port_unreachable", "code_7"); false: there is none. */
bool wire_icmp_type(bool ipv6, const char *name, unsigned *type);
bool wire_icmp_code(bool ipv6, unsigned type, const char *name, unsigned *code);

/* The name of a type or of a code within a type; NULL: it has none. */
const char *wire_icmp_type_name(bool ipv6, unsigned type);
const char *wire_icmp_code_name(bool ipv6, unsigned type, unsigned code);

/* ICMPv4: may an extension follow what a message of the type quotes (RFC 4884)? */
bool wire_icmp_extends(unsigned type);
struct layer;
/* The fields of an ICMPv4 header's second word, by its type. at: the message, of `length` bytes, 8 or more. */
void wire_icmp_decode_rest(struct layer *layer, const uint8_t *at, size_t length);
/* `rest`, when the word at `at` holds anything in other bits than those of `named`, which a field stands for. */
void wire_icmp_decode_other(struct layer *layer, const uint8_t *at, uint32_t named);

#define ICMP_EXTENDED_REQUEST 42	/* RFC 8335 */
#define ICMP_EXTENDED_REPLY 43

#endif
