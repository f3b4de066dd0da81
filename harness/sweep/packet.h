/*
 * The packet sweep's parts: the state of a stack that a packet comes into (packet_state.c), the packets and their fields
 * (packet_build.c), and the probes that put one into the other (packet_probe.c).
 *
 * Every combination has a far end of its own, an address in 10.0.0.0/8, so that what a stack remembers about one (a path MTU, a
 * redirect, a connection in TIME-WAIT) is nothing to the next.
 */
#ifndef HARNESS_SWEEP_PACKET_H
#define HARNESS_SWEEP_PACKET_H

#include "packet_map.h"
#include "sweep.h"

#define FAR_NETWORK 0x0a000000u
#define FAR_PREFIX 8
#define GROUP_ADDRESS 0xef010203u
#define FORWARD_ADDRESS 0x0a800001u	/* behind the gateway, not the far end */
#define FAR_ISN 1000u			/* the far end's first sequence number, always */
#define PACKET_ROOM 512

/* What the far end knows. */
struct far_end {
	unsigned number;		/* of combinations so far */
	struct packet_names names;	/* its address, and the stack's initial sequence number */
	uint32_t next;			/* the sequence number that the stack expects of it */
	uint32_t acknowledged;		/* of the stack's, what it has seen */
	uint32_t stamp;			/* the stack's last time stamp */
	int64_t fd;			/* the socket that the state is about; -1: none */
	int64_t listener;
};

struct packet {
	uint8_t bytes[PACKET_ROOM];
	size_t length;
	size_t transport;		/* where the transport's header starts */
	bool fragment;			/* not the whole datagram: the checksum is over what is there and elsewhere */
};

/* --- packet_build.c ----------------------------------------------------------------------------------------------------- */
enum packet_layer { LAYER_IP = 1, LAYER_OPTIONS = 2, LAYER_TCP = 4, LAYER_TCP_OPTIONS = 8, LAYER_UDP = 16, LAYER_ICMP = 32,
		    LAYER_QUOTE = 64, LAYER_IGMP = 128, LAYER_OTHER = 256 };

unsigned packet_kinds(void);
const char *packet_kind_name(unsigned kind);
unsigned packet_kind_layers(unsigned kind);	/* which fields it has */
void packet_make(unsigned kind, const struct far_end *far, struct packet *packet);

unsigned packet_fields(void);
const char *packet_field_name(unsigned field);
unsigned packet_field_layer(unsigned field);
unsigned packet_field_values(unsigned field);
/* Set the field to its value number `value`, and make the checksums right again where it is not a checksum itself. */
void packet_set_field(struct packet *packet, unsigned field, unsigned value);
void packet_field_value_print(unsigned field, unsigned value, struct text *text);
/* Cut to `length` bytes; `honest`: the header says so, and checksums are right. */
void packet_truncate(struct packet *packet, size_t length, bool honest);
/* A TCP segment of the far end's, as the states need them. */
#define TH_FIN_ 1
#define TH_SYN_ 2
#define TH_RST_ 4
#define TH_PSH_ 8
#define TH_ACK_ 16
void packet_tcp(const struct far_end *far, unsigned flags, size_t bytes, struct packet *packet);

/* --- packet_state.c ----------------------------------------------------------------------------------------------------- */
/* A new far end, and the stack in the state that the combination names. 0 or the error of what failed. */
int64_t packet_state_make(struct side *side, const struct combination *combination, struct far_end *far);
/* What the sockets of the state have to say afterwards, recorded. */
void packet_state_record(struct side *side, const struct combination *combination, struct far_end *far);
/* What would stay behind goes. */
void packet_state_undo(struct side *side, struct far_end *far);
/* Inject, without looking at what comes of it. */
void packet_inject(struct side *side, const struct packet *packet);

extern const struct sweep_socket *const packet_states[];	/* NULL past the last; their names alone matter */

#endif
