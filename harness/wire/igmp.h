/* IGMP messages: their names in scripts, and the lists of version 3. */
#ifndef HARNESS_WIRE_IGMP_H
#define HARNESS_WIRE_IGMP_H

#include "../text.h"
#include "packet.h"

enum igmp_type {
	IGMP_QUERY = 0x11, IGMP_REPORT_V1 = 0x12, IGMP_REPORT_V2 = 0x16, IGMP_LEAVE = 0x17, IGMP_REPORT_V3 = 0x22,
};

/* How the bytes of a message are laid out; it follows from the fields given (RFC 2236 2, RFC 3376 4.1 and 4.2). */
enum igmp_form {
	IGMP_PLAIN,		/* type, maxresp, checksum, group */
	IGMP_SOURCES,		/* a query of version 3: four more bytes, and source addresses */
	IGMP_RECORDS,		/* a report of version 3: a number of records where the group was, and the records */
};
enum igmp_form wire_igmp_form(const struct layer *layer);

/* The type of a record by its name ("to_ex", "type_7"); and the name of a type, NULL: it has none. */
bool wire_igmp_record_type(const char *name, unsigned *type);
const char *wire_igmp_record_name(unsigned type);

/* Bytes of a message with its lists, but for its payload. `to` NULL: only count. The checksum is left 0. */
size_t wire_igmp_encode(const struct layer *layer, uint8_t *to);
/* Fields and lists from `length` bytes (at least 8), lists as far as they are complete; how many bytes that were. */
size_t wire_igmp_decode(struct layer *layer, const uint8_t *bytes, size_t length, struct arena *arena);

/* "v3 report [to_ex 232.0.0.1 {}]", with every field that is out of the ordinary or that the script gave. */
void wire_igmp_print(struct text *text, const struct layer *layer, bool decoded);
/* "[to_ex 232.0.0.1 {10.0.0.1}]", "{10.0.0.1, 10.0.0.2}" */
void wire_igmp_print_list(struct text *text, const struct layer *layer);
bool wire_igmp_same_list(const struct layer *a, const struct layer *b);

#endif
