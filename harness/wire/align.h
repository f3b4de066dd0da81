/* Which layers of an expected and an actual packet stand for each other. */
#ifndef HARNESS_WIRE_ALIGN_H
#define HARNESS_WIRE_ALIGN_H

#include "packet.h"

/*
 * `count` layers from `expected` and `actual` on. An Ethernet header, and the IP header around a transport header, need not be
 * said. same: the kinds are the same all the way; else neither packet can be compared layer by layer.
 */
struct wire_alignment {
	unsigned expected, actual, count;
	bool same;
};
struct wire_alignment wire_align(const struct packet *expected, const struct packet *actual);

#endif
