/* Everything that was observed while a script ran, whether the script asked for it or not. */
#ifndef HARNESS_TRACE_H
#define HARNESS_TRACE_H

#include <plumbline/call.h>

#include "../script/ast.h"
#include "../wire/packet.h"

enum trace_kind { TRACE_PACKET_IN, TRACE_PACKET_OUT, TRACE_CALL, TRACE_COMMAND, TRACE_CODE, TRACE_TUNABLE };

struct marshalled;
struct trace_entry {
	enum trace_kind kind;
	pl_time time;			/* relative to the script's start */
	const struct event *event;	/* the script's event that caused or matched it; NULL: nothing asked for it */
	unsigned link;
	const uint8_t *bytes;		/* packets: as seen */
	size_t length;
	unsigned gso_size, gso_segments;
	const struct packet *packet;	/* packets: decoded, mapped into the script's terms where a flow is known */
	pl_time chance;			/* packets out: the protocol sends it after a random time, at most this long */
	pl_time ended;			/* calls */
	int64_t result;			/* calls: >= 0 or -errno; commands: exit status */
	struct marshalled *call;	/* calls: the engine's own */
	const char *text; /* calls: name, arguments with outputs as they came back, result, in the script's look */
};

struct trace {
	struct trace_entry *entry;
	unsigned count, room;
	uint32_t ethernet_links;	/* bit per link: its packets begin with an Ethernet header */
	pl_time end;			/* when the script was over, in its time: nothing later was seen */
	int64_t wall_clock;		/* CLOCK_REALTIME at the script's start, nanoseconds since 1970, for captures */
};

#endif
