/* What decoder and encoder share: numbers of protocols, and which layer they stand for. */
#ifndef HARNESS_WIRE_LAYER_H
#define HARNESS_WIRE_LAYER_H

#include "packet.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define ETHERNET_HEADER 14
#define ARP_BODY 28
#define TCP_HEADER 20
#define UDP_HEADER 8
#define ICMP_HEADER 8
#define IGMP_HEADER 8
#define QUOTED_MINIMUM 8	/* bytes past the IP header that every ICMP error quotes, RFC 792 */

/* The layer that follows by IP protocol number or by Ethernet type; LAYER_RAW: none that is known. And back; -1: none. */
enum layer_kind wire_layer_of_protocol(unsigned protocol);
enum layer_kind wire_layer_of_ethertype(unsigned type);
int wire_protocol_of_layer(enum layer_kind kind);
int wire_ethertype_of_layer(enum layer_kind kind);

/* Whether a field is given with a value, not just as "whatever it is". */
bool wire_known(const struct layer *layer, enum wire_field field);
/* The field's value, or `otherwise` when it is not known. */
uint64_t wire_value(const struct layer *layer, enum wire_field field, uint64_t otherwise);
/* The first field of a layer kind, and past its last. */
enum wire_field wire_first_field(enum layer_kind kind);
enum wire_field wire_past_field(enum layer_kind kind);

/* ICMP messages that quote the packet they are about. */
bool wire_icmp_quotes(bool ipv6, unsigned type);

/* What the four bytes after an ICMP checksum hold. */
enum icmp_rest { ICMP_REST_UNUSED, ICMP_REST_ECHO, ICMP_REST_MTU, ICMP_REST_GATEWAY, ICMP_REST_POINTER };
enum icmp_rest wire_icmp_rest(unsigned type, unsigned code);

#endif
