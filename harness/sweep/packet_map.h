/* Packets for comparing: what differs between two stacks that behave the same is mapped, by the packet's own bytes alone. */
#ifndef HARNESS_SWEEP_PACKET_MAP_H
#define HARNESS_SWEEP_PACKET_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Not IPv4 (a tun link carries IPv6 too), or IGMP, whose reports go out after random delays. */
bool packet_is_noise(const uint8_t *bytes, size_t length);

/* What stands for what in the packets of one combination of the packet sweep. */
struct packet_names {
	uint32_t remote;		/* the far end, told as REMOTE_ADDRESS */
	bool has_iss;
	uint32_t iss;			/* the stack's initial sequence number, told as 2^28: what is near it is told relative to it */
	const uint8_t *sent;		/* the packet that the far end has just sent; NULL: none yet */
	size_t sent_length;
};

/*
 * Copy of the packet, at most `room` bytes of it, with: identifications other than 0 as 1; checksums of the headers as right (1),
 * wrong (2) or absent (0); ports as map_port has them; sequence numbers, acknowledgements and time stamps of TCP as
 * whether they are 0; with `names` sequence numbers and acknowledgements relative to the stack's first one or to what is half
 * the space away from it, or as they are. Within ICMP errors the quoted packet too, except that its checksums are only there or
 * not, and that what is quoted as it was sent is told as that, whatever it is. How many bytes.
 */
size_t packet_map(const uint8_t *bytes, size_t length, const struct packet_names *names, uint8_t *to, size_t room);

#endif
