/* IP options: checked on input, written on output, changed on the way. RFC 791 section 3.1. */
#ifndef REFSTACK_IP_OPTIONS_H
#define REFSTACK_IP_OPTIONS_H

#include "ip.h"

/* In a fragment other than the first: options without the copied flag become no-operations. */
void options_keep_copied(uint8_t *options, size_t length);

/*
 * Put the options of a packet being sent behind its header (data at the IP header, whose addresses are set): its own address
 * and the time are recorded, and with a source route the header's destination becomes the first hop.
 */
void options_write(struct pl_stack *stack, struct pktbuf *packet, const struct ip_options *options);

/*
 * Check the options of a packet that came in, and act on a source route. False: dropped, counted, the sender told. The packet's
 * route may be another one afterwards.
 */
bool options_receive(struct pl_stack *stack, struct pktbuf *packet);

/* The options of a reply to packet: routes turned round, further stamps asked for. False: they cannot be answered. */
bool options_echo(struct pl_stack *stack, const struct pktbuf *packet, struct ip_options *reply);

/* A packet is passing through: record addresses, advance a source route, mend the checksum. */
void options_forward(struct pl_stack *stack, struct pktbuf *packet);

/* Milliseconds since midnight UT, network order: the time of timestamp options and messages. */
uint32_t timestamp_of_day(const struct pl_stack *stack);

#endif
