/*
 * The sweeps: every combination of socket type, state, privilege, call and arguments, carried out on two targets.
 *
 * A family (a row in family.c) names socket types and probes. A probe is one call with axes: an axis is a list of arguments to
 * try. The combinations of a probe are all places in the space that its axes span. Each is carried out on a socket made for it
 * alone and brought into one of the states; what the call gave and what can be read back afterwards becomes a list of records.
 * Two targets agree on a combination when their lists are the same to the byte.
 *
 * Combinations that share socket type, state, privilege and probe are a batch: one process, with a fresh stack and a fresh
 * network namespace (batch.c). What cannot be compared as it is stands in exceptions.c, each row with its reason.
 */
#ifndef HARNESS_SWEEP_H
#define HARNESS_SWEEP_H

#include <netinet/in.h>
#include <plumbline/call.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../arena.h"
#include "../target/target.h"
#include "../text.h"

#define SWEEP_AXES 5
#define SWEEP_RECORDS 24
#define SWEEP_BYTES 288			/* of a record: the longest option, and what must not have been touched behind it */

/* What has happened to a socket before the call. */
enum sweep_state {
	STATE_FRESH,
	STATE_BOUND,			/* to LOCAL_ADDRESS:BOUND_PORT */
	STATE_CONNECTED,		/* over the loopback, to a helper of its kind */
	STATE_CONNECTING,		/* a TCP socket that has sent a SYN to REMOTE_ADDRESS */
	STATE_LISTENING,
	STATE_DATA,			/* connected, and five bytes came */
	STATE_CLOSED,			/* by the peer: a FIN came; for datagrams, an ICMP port unreachable */
	STATE_RESET,			/* by the peer */
	STATES
};

struct sweep_socket {
	const char *name;
	int type, protocol;
	int level;			/* the protocol's own option level; -1: it has none */
	const char *options;		/* family of symbols that name its options */
	unsigned states;		/* 1 << STATE_*: those that it can be in */
};

struct combination;
struct side;

/* One argument's list. `count` and `print` see the axes before this one in combination->index. */
struct sweep_axis {
	const char *name;		/* as --only says it */
	unsigned (*count)(const struct combination *combination);
	void (*print)(const struct combination *combination, unsigned index, struct text *text);
};

struct sweep_probe {
	const char *name;
	const struct sweep_axis *axis[SWEEP_AXES];	/* NULL past the last */
	unsigned groups;		/* so many first axes name the subject of a group in the report */
	bool packets;			/* what leaves on the link is part of the records */
	bool bare;			/* the call makes its own socket: there are no socket types and states */
	bool packet_level;		/* its input is a packet, its "socket" a state of the stack (packet.h) */
	bool (*valid)(const struct combination *combination);	/* false: the place is left out; NULL: all are valid */
	void (*run)(struct side *side, const struct combination *combination, int64_t fd);
};

struct sweep_family {
	const char *name, *summary;
	const struct sweep_socket *const *socket;	/* NULL past the last */
	const struct sweep_probe *const *probe;		/* NULL past the last */
	int levels[4];			/* of the probes of options; LEVEL_OWN for the protocol's; -1 past the last */
	bool privileged_only;
};
#define LEVEL_OWN (-2)

struct combination {
	const struct sweep_family *family;
	const struct sweep_probe *probe;
	const struct sweep_socket *socket;
	enum sweep_state state;
	bool privileged;
	unsigned index[SWEEP_AXES];
};

extern const struct sweep_family *const sweep_families[];	/* NULL past the last */
extern const char *const sweep_state_names[STATES];

/* The places and ports of every stack. */
#define LOCAL_ADDRESS 0xc0a80001u	/* 192.168.0.1/16 on tun0 */
#define REMOTE_ADDRESS 0xc0000201u	/* 192.0.2.1, reached over tun0 */
#define BOUND_PORT 5000
#define HELPER_PORT 7000		/* on the loopback: helpers listen, answer and take here */
#define DEAF_PORT 7009			/* nobody has it */
#define SERVICE_PORT 80			/* one that needs privileges */
#define REMOTE_PORT 8080		/* of the other end, in packets */

/* --- one side of a comparison ------------------------------------------------------------------------------------------- */
/* What one call gave: a number, and the bytes that came with it. */
struct record {
	const char *what;		/* "setsockopt", "then getsockopt" */
	int64_t result;
	uint32_t length;
	bool bare;			/* only the bytes matter: a packet */
	uint8_t bytes[SWEEP_BYTES];
};

struct side {
	struct target *target;
	struct arena *arena;
	int64_t listener, datagrams;	/* helpers; -1: not made */
	int64_t peer;			/* the helper's end of the connection at hand; -1: none */
	int64_t open[8];		/* descriptors of the combination at hand */
	unsigned opens;
	bool without_raw;		/* CAP_NET_RAW is to be taken away for the call */
	struct record record[SWEEP_RECORDS];
	unsigned records;
	bool overflow;			/* there was more to record than there is room for */
	const struct packet_names *names;	/* of the packet sweep; NULL otherwise */
	struct far_end *far;		/* of the packet sweep, kept from combination to combination */
};

/* A call that must not wait: its result; WOULD_WAIT when it did not keep to that. */
int64_t side_call(struct side *side, enum pl_op op, const int64_t arg[6]);
#define SIDE_CALL(side, op, ...) side_call(side, PL_OP_##op, (const int64_t[6]){ __VA_ARGS__ })
#define WOULD_WAIT (-4000)
/* The descriptor is closed after the combination. */
int64_t side_keep(struct side *side, int64_t fd);
/* Record a result, with bytes where it has some. */
struct record *side_record(struct side *side, const char *what, int64_t result, const void *bytes, size_t length);
/* The same of an address that a call filled in: its length, and the address with ephemeral ports as EPHEMERAL. */
void side_record_address(struct side *side, const char *what, int64_t result, const void *address, socklen_t length, size_t room);
/* Ports that the sweeps name stay; any other is one that the stack chose (a port, or the identifier of an ICMP socket). Host order. */
#define EPHEMERAL 60000
uint16_t map_port(uint16_t port);
/* getsockname, getpeername, SO_ERROR and poll of the socket, recorded. */
void side_record_aftermath(struct side *side, int64_t fd);
/* Take all packets that left. With `record`, each is recorded with what differs between stacks mapped. */
void side_drain(struct side *side, bool record);

/* Open a target for a batch: 0, or a negative error with *error a message in the arena. */
int side_open(struct side *side, const struct target_ops *ops, const struct pl_machine *machine, bool packet_level,
	      struct arena *arena, const char **error);
void side_close(struct side *side);
/* Without privileges: every capability is gone from the calls that follow. */
void side_unprivileged(struct side *side);
/* Carry out one combination; its records are in side->record. */
void side_run(struct side *side, const struct combination *combination);

/* A socket of this type in this state: its descriptor, or the error of the call that failed. */
int64_t socket_make(struct side *side, const struct sweep_socket *socket, enum sweep_state state);
void socket_tidy(struct side *side, const struct sweep_socket *socket);

/* --- combinations ------------------------------------------------------------------------------------------------------- */
struct sweep_filter {
	const char *term[32];		/* AXIS=PATTERN[,PATTERN]... */
	unsigned terms;
	unsigned every;			/* take one combination in so many; 0 and 1: all */
};
/* Is AXIS of some filter an axis or "socket", "state", "privilege", "call"? NULL, or the first term that is not. */
const char *filter_unknown(const struct sweep_filter *filter, const struct sweep_family *family);
/* Does every term about `axis` allow `value`? */
bool filter_allows(const struct sweep_filter *filter, const char *axis, const char *value);
/* Call `visit` for each combination of the batch that *first describes (its index is not looked at), in a fixed order. */
void combinations_visit(const struct combination *first, const struct sweep_filter *filter, struct arena *arena,
			void (*visit)(void *context, const struct combination *combination), void *context);
/* "udp, bound, privileged: setsockopt, level SOL_SOCKET, option SO_PRIORITY (12), length 4, value 7" */
void combination_print(const struct combination *combination, struct text *text);
/* "setsockopt SOL_SOCKET SO_PRIORITY (12)": what a group of differences is about. */
void combination_subject(const struct combination *combination, struct text *text);

void record_print(const struct record *record, struct text *text);

/* --- exceptions --------------------------------------------------------------------------------------------------------- */
/* Why the combination is not carried out, or NULL. */
const char *exception_skip(const struct combination *combination);
/* Make alike in the records what may differ between two stacks that behave the same; why, or NULL when there was nothing. */
const char *exception_map(const struct combination *combination, struct record *record, unsigned records);
/* Why two lists of records that differ are known to differ, or NULL. */
const char *exception_known(const struct combination *combination, const struct side *refstack, const struct side *kernel);

/* --- options.c: what several files need of option levels ------------------------------------------------------------------ */
int combination_level(const struct combination *combination);	/* of a probe whose first axes are level and option */
int combination_option(const struct combination *combination);
void print_level(int level, struct text *text);

extern const struct sweep_probe probe_getsockopt, probe_setsockopt, probe_structure, probe_levels;

#endif
