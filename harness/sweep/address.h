/* Addresses to try: what they are, which port, and how long the caller says they are. */
#ifndef HARNESS_SWEEP_ADDRESS_H
#define HARNESS_SWEEP_ADDRESS_H

#include "sweep.h"

extern const struct sweep_axis axis_address, axis_port, axis_address_length;

struct address {
	uint8_t bytes[256];		/* a struct sockaddr_in, and zeros */
	int64_t pointer;		/* of bytes, or NULL */
	int length;
};

/* The address of these places on the three axes. */
void address_make(unsigned address, unsigned port, unsigned length, struct address *to);

#endif
