/* Pieces of the printer that messages about single fields need too. */
#ifndef HARNESS_WIRE_PRINT_H
#define HARNESS_WIRE_PRINT_H

#include "../text.h"
#include "packet.h"

/* "P.", "SEW", "S5"; "-" for no flag. `ace`: the ECN bits as a digit. */
void wire_print_flags(struct text *text, unsigned flags, bool ace);
/* "<mss 1460,nop,nop>", "<...>"; nothing when there are none. */
void wire_print_options(struct text *text, const struct layer *layer);
/* A value as its field is written: addresses, colons, hexadecimal, words of ECN. */
void wire_print_value(struct text *text, enum wire_field field, uint64_t value);
/* "hello\x00", at most `most` bytes of it. */
void wire_print_bytes(struct text *text, const uint8_t *bytes, size_t length, size_t most);
/* "ipv4 gre ipv4 tcp" */
void wire_print_headers(struct text *text, const struct packet *packet, unsigned from);
const char *wire_layer_name(enum layer_kind kind);

/* The payload that a quoted packet had when it was whole, by its own lengths. */
size_t wire_stated_payload(const struct packet *packet);

#endif
