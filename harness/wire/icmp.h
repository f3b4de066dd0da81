/* The names of ICMP types and codes in scripts. Besides these, type_N and code_N name any value. */
#ifndef HARNESS_WIRE_ICMP_H
#define HARNESS_WIRE_ICMP_H

#include <stdbool.h>

/* The type or code with this name ("echo_request", "type_42"; "port_unreachable", "code_7"); false: there is none. */
bool wire_icmp_type(bool ipv6, const char *name, unsigned *type);
bool wire_icmp_code(bool ipv6, unsigned type, const char *name, unsigned *code);

/* The name of a type or of a code within a type; NULL: it has none. */
const char *wire_icmp_type_name(bool ipv6, unsigned type);
const char *wire_icmp_code_name(bool ipv6, unsigned type, unsigned code);

#endif
