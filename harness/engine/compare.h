/* Between the two files that compare traces. */
#ifndef HARNESS_ENGINE_COMPARE_H
#define HARNESS_ENGINE_COMPARE_H

#include "../arena.h"
#include "engine.h"

#define EPHEMERAL 32768		/* local ports from here on were chosen by the stack */

/* A conversation in one trace: what its values are counted from. */
struct side_flow {
	struct side_flow *next;		/* in the order of their first packets */
	int protocol;
	struct in_addr local, remote;
	uint16_t local_port, remote_port;
	unsigned link;
	uint16_t named_port;		/* local_port, or a stand-in when the stack chose it */
	uint16_t echo_id;		/* of a ping socket, which the stack chose: part of what tells it */
	bool isn_known, val_known, id_known, val_of_synack;
	uint32_t isn, isn_before, first_val;
	uint16_t first_id, last_id;
	struct side_packet *packets, *last, **tail;
};

/* A packet that was sent, with everything that the stack chose replaced by what it stands for. */
struct side_packet {
	struct side_packet *next, *before;	/* in its flow */
	const struct trace_entry *entry;
	unsigned index;			/* of the entry */
	struct packet *packet;
	bool has_val, val_is_rough;	/* rough: counted from a SYN-ACK, whose own may be that of a cookie */
	uint32_t val;			/* of its timestamp, from the flow's first */
};

struct side {
	const char *name;
	bool is_virtual;
	const struct trace *trace;
	struct side_flow *flows, **tail;
	unsigned chosen_ports;
	const uint8_t *named;		/* bit per number: the script's text has it */
};
/* The numbers up to 65535 that the script's text has, as struct side wants them. */
const uint8_t *script_numbers(const struct script *script, struct arena *arena);
/* Is a port, or an identifier of echoes, one that the stack chose? A filter that translates may take any that the script does not name. */
static inline bool side_chose(const struct side *side, uint16_t number)
{
	return number >= EPHEMERAL || (number && !(side->named[number / 8] >> number % 8 & 1));
}

/* Take a trace apart into flows of named packets. */
void side_make(struct side *side, const struct trace *trace, const char *name, bool is_virtual, const uint8_t *named,
	       struct arena *arena);
/* The stand-in of a local port that the stack chose; the port itself when it did not. */
uint16_t side_port(const struct side *side, uint16_t port);

#endif
