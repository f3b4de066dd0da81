/*
 * The engine's own: one run of one script.
 *
 * Two kinds of values meet here. What the script says is in script terms: times from 0, sequence numbers relative to each
 * side's first, descriptors as the script numbers them, addresses often left out. What the stack does is live. A flow maps
 * packets between the two, a descriptor maps file descriptors, settings give the addresses.
 */
#ifndef HARNESS_ENGINE_RUN_H
#define HARNESS_ENGINE_RUN_H

#include "../arena.h"
#include "../script/options.h"
#include "engine.h"

/* --- settings: packetdrill's options with their defaults ---------------------------------------------------------------- */
enum ip_version { IP_VERSION_4, IP_VERSION_4_MAPPED, IP_VERSION_6 };

#define EXTRA_LINKS 7		/* beside tun0 */

struct settings {
	int ip_version;
	struct in_addr local, gateway, remote;
	unsigned prefix_length, remote_prefix_length;
	unsigned bind_port, connect_port;
	unsigned speed, mss, mtu;
	unsigned tolerance_usecs;
	double tolerance_percent;
	bool tcp_ts_ecr_scaled;
	unsigned tcp_ts_tick_usecs;
	bool strict_segments, is_anyip, first_namespace, send_omit_free, dry_run, verbose;
	bool non_fatal_packet, non_fatal_syscall;
	const char *code_command, *code_format, *code_sockopt;
	const char *init_scripts;
	const char *so_file, *so_flags;
	struct script_link extra_link[EXTRA_LINKS];	/* --link */
	unsigned extra_links;
	const char *unsupported;	/* an option that no target here can honour: the script is skipped */
};

/*
 * Defaults, then the script's options, then those of the command line. False: *error says which option is wrong (arena memory)
 * and *where, if it was the script's.
 */
bool settings_make(const struct script *script, const struct run_options *options, struct arena *arena,
		   struct settings *settings, const char **error, struct source_span *where);

/* --- flows: a connection, or a pair of addresses that exchange datagrams -------------------------------------------------- */
enum flow_state {
	FLOW_NEW,		/* after socket() */
	FLOW_LISTENING,		/* after listen() */
	FLOW_PASSIVE,		/* a packet for a listener made it */
	FLOW_SYNACK_SENT,
	FLOW_SYNACK_ACKED,
	FLOW_CONNECTING,	/* after connect() or sendto() */
	FLOW_SYN_SENT,		/* the script has named its SYN */
	FLOW_SYN_ACKED,
	FLOW_BARE,		/* no socket: two addresses and a protocol */
};

struct flow_ends {
	struct in_addr local, remote;
	uint16_t local_port, remote_port;	/* host order, 0: not known yet */
	uint32_t local_isn, remote_isn;
};

struct flow {
	struct flow *next;		/* newest first */
	enum flow_state state;
	int type, protocol;		/* SOCK_*, IPPROTO_* */
	int live_fd;			/* -1: none yet */
	struct flow_ends script, live;
	struct in_addr sent_to;		/* of a datagram socket: where it sent last, which need not be where it sent first */
	uint16_t sent_to_port;
	unsigned link;			/* of a bare flow */
	/* Outbound TCP timestamps seen: what the script called them and what they were. */
	struct timestamp_pair {
		struct timestamp_pair *next;
		uint32_t script, live;
	} *timestamps;
	bool timestamp_base;		/* first_* are known */
	uint32_t first_script_val, first_live_val;
};

/* --- descriptors -------------------------------------------------------------------------------------------------------- */
struct descriptor {
	struct descriptor *next;	/* newest first */
	int script_fd, live_fd;
	bool closed;
	struct flow *flow;		/* of a socket */
};

/* A packet that the stack sent and no event has taken yet. */
struct sent {
	struct sent *next;
	struct packet *packet;		/* live terms */
	pl_time at;			/* script time */
	unsigned link;
	unsigned entry;			/* its place in the trace */
};

/* A call under way: what was built from the script, and what the target fills in. */
struct marshalled;
struct run_call {
	struct run_call *next;		/* blocking calls under way */
	const struct event *event;
	pl_time event_at, event_end;	/* script time */
	struct marshalled *marshalled;
	unsigned entry;			/* its place in the trace */
};

/* What the script has registered with epoll_ctl: under which name it speaks of the event's data. */
struct event_data {
	struct event_data *next;
	uint64_t value;
	const char *name;		/* "fd", "ptr", "u32", "u64" */
};

struct code_block;

struct run {
	const struct script *script;
	const struct run_options *options;
	struct settings settings;
	struct arena *arena;
	struct run_result *result;
	bool observing;			/* carry out the inputs, expect nothing */

	const struct target_ops *ops;
	struct target_config config;
	struct in_addr far_end[EXTRA_LINKS + 1];	/* by link; 0: not said */
	uint32_t answering;		/* bit per link: its far end answers ARP by itself */
	struct target *target;
	pl_time start;			/* the target's instant of script time 0 */

	struct variables {
		struct variable {
			struct variable *next;
			const char *name;
			int64_t value;
		} *first;
	} *variables;			/* a structure of its own: values are learnt where the run is not to be changed */
	struct decision {
		struct decision *next;
		const struct condition *condition;
		bool holds;
	} *decisions;
	const struct event *event;	/* now */
	const struct packet_spec *packet;	/* of a packet event, with the values of its variables */
	pl_time event_at, event_until;	/* script time: resolved; until is -1 without a range */
	pl_time event_offset;		/* what a relative time was added to */
	pl_time event_early;		/* how much sooner than that the event before may be said to have happened */
	const struct event *last;	/* before it */
	pl_time last_at;
	pl_time happened;		/* when the event before happened, where that was sooner than it was done; -1 */
	unsigned events_done;

	struct flow *flows;
	struct flow *flow;		/* under test: the script's packets without addresses are its */
	struct descriptor *descriptors;
	unsigned next_port;
	struct sent *sent, **sent_tail;
	struct run_call *calls;
	struct event_data *event_data;
	bool contents_matter;		/* the script writes bytes of its own: payloads are not all zeros */
	struct code_block *code, **code_tail;
	unsigned failure_room;
	const unsigned *pause_line;	/* where to stop, options->live->pauses of them; UINT_MAX: behind the last event */
};

/* run.c */
pl_time run_now(const struct run *run);			/* script time */
/* How much sooner or later a packet that was sent at `time` might as well have been: a random delay of its protocol's. */
pl_time packet_chance(const struct run *run, const struct target_packet *packet, pl_time time);
/* The packets sent so far move into run->sent and the trace. */
void run_drain(struct run *run);
/* Wait once, as target_ops.wait does; far ends of links do meanwhile what they do by themselves. `until` is a script time. */
enum target_event run_pause(struct run *run, pl_time until, unsigned want);
/* Until script time `until`; packets and finished calls are dealt with meanwhile. */
void run_wait(struct run *run, pl_time until);
/* Wait for the event's own time, and check that it was not passed by more than the tolerance. False: it failed. */
bool run_wait_event(struct run *run);
bool run_stopped(const struct run *run);		/* a failure ended it */

/* times.c */
bool time_resolve(struct run *run);
/* Whether `actual` is as the event asked; *reason (arena) says what is wrong. `what`: "outbound packet", ... */
bool time_check(const struct run *run, enum event_time_kind kind, pl_time at, pl_time until, pl_time actual, pl_time last,
		const char *what, const char **reason);
/* The same for the packet event at hand, sent then. */
bool time_check_outbound(const struct run *run, pl_time sent, const char **reason);
pl_time time_tolerance(const struct run *run, pl_time span);
const char *event_what(const struct event *event);

/* failure.c */
struct failure *run_fail(struct run *run, const struct event *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void run_error(struct run *run, const struct event *event, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *event_time_text(const struct run *run, const struct event *event);	/* as the script wrote it */
const char *errno_text(const struct run *run, int error);		/* "EAGAIN (Resource temporarily unavailable)" */

/* flows.c */
struct flow *flow_new(struct run *run, enum flow_state state, int type, int protocol);
/* The flow that a script's packet belongs to, made when the packet makes it. NULL: failed. */
struct flow *flow_for_script_packet(struct run *run, const struct packet *packet, bool inbound, unsigned link);
/* Whether a packet that was sent belongs to the flow; learns the local port and first sequence number of a connecting one. */
bool flow_takes_live_packet(struct run *run, struct flow *flow, const struct packet *expected, const struct packet *packet);
uint16_t flow_ephemeral_port(struct run *run);
/* Inbound: script terms to live, in place. False: *error. */
bool flow_map_inbound(struct run *run, struct flow *flow, struct packet *packet, const char **error);
/* Outbound: sequence numbers of a live packet to script terms, in place. */
void flow_map_sequence(const struct flow *flow, struct packet *packet);
/* Outbound: timestamps and ports, by what the script's packet says; remembers the pair of timestamp values. */
void flow_map_outbound(struct run *run, struct flow *flow, const struct packet *expected, struct packet *packet);
/* Find the innermost transport layer, or NULL. */
bool is_icmp_error(const struct packet *packet);
struct layer *packet_transport(const struct packet *packet);
void layer_clear(struct layer *layer, enum wire_field field);

/* Outbound: what the flow knows of addresses and ports, for a packet that is to be compared as bytes. */
void flow_map_to_live(struct run *run, struct flow *flow, struct packet *packet);
int flow_protocol(enum layer_kind kind);		/* IPPROTO_* of a transport; IPPROTO_RAW: none has it */

/* fragment.c */
/* The fragment that the event speaks of, cut out of the whole packet in live terms. NULL: *error. */
struct packet *fragment_cut(struct run *run, const struct packet_spec *spec, const struct packet *whole, const char **error);
/* Whether a packet that was sent may be a fragment of such a datagram. */
bool fragment_is_of(const struct run *run, const struct flow *flow, const struct packet *said, const struct packet *packet);
/* What the stack is to send, of which only that is given which the script says. NULL: *error. */
struct packet *fragment_expected(struct run *run, struct flow *flow, const struct packet_spec *spec, const char **error);

/* packets.c */
void run_packet_event(struct run *run);
/* The event's packet with its variables' values into run->packet. False: an error of the run. */
bool run_packet_ready(struct run *run, int *link);
/* A packet that was sent is all that run->packet expects, also its time: then it is taken. Else nothing has changed. */
bool outbound_try(struct run *run, struct flow *flow, struct sent **at);
/* Whether a packet that was sent is what the event at hand expects, its time aside. Nothing is changed. */
bool outbound_same(struct run *run, struct flow *flow, const struct sent *sent);

/* order.c: what to say besides of a packet that is not the expected one: "", or that it is expected elsewhere, or came out of order. */
const char *order_text(struct run *run, struct flow *flow, const struct sent *sent);
void run_nothing_event(struct run *run);

/* link.c */
/* The index of a link by name; the first when it is NULL, -1 when there is no such link. */
int link_index(const struct run *run, const char *name);
/* The addresses of the two ends of a link, as far as anything is said of them. */
struct in_addr link_local(const struct run *run, unsigned link);
struct in_addr link_remote(const struct run *run, unsigned link);
/* What an inbound packet does not say of its Ethernet header and of ARP. False: *error, the link does not carry such packets. */
bool link_complete(const struct run *run, unsigned link, struct packet *packet, const char **error);
/* Whether a packet that was sent is an ARP request that the far end answers by itself; it has done so. */
bool link_answered(struct run *run, unsigned link, const struct packet *packet);

/* variables.c */
void variable_set(const struct run *run, const char *name, int64_t value);
bool variable_get(const struct run *run, const char *name, int64_t *value);
/* The values of variables in a packet, in place. False: *error. */
bool packet_resolve(const struct run *run, struct packet *packet, const char **error);
/* Whether the conditions around an event hold; false also when that cannot be told, which is an error of the run. */
bool event_wanted(struct run *run, const struct event *event);
void run_let_event(struct run *run);
void run_tunable_event(struct run *run);

/* group.c: the event and those that follow it in its group; run->event is the last of them afterwards. */
void run_group(struct run *run);

/* calls.c */
void run_call_event(struct run *run);
void calls_finish(struct run *run);			/* look at those under way that have finished */
void calls_end(struct run *run);			/* the script is over */

/* descriptors.c */
struct descriptor *descriptor_find(const struct run *run, int script_fd);
struct descriptor *descriptor_add(struct run *run, int script_fd, int live_fd, struct flow *flow);
int descriptor_free(const struct run *run);		/* the lowest number that the script could use, 0 to 2 aside */
int descriptor_script(const struct run *run, int live_fd);	/* -1: the script does not know it */
/* A number that is no descriptor of the script is moved out of the way of those that the target may have open. */
#define DESCRIPTOR_ASIDE (1 << 20)
int descriptor_live(const struct run *run, int script_fd);

/* trace.c */
unsigned trace_add(struct run *run, enum trace_kind kind, const struct event *event, pl_time time);
void trace_texts(struct run *run);

/* code.c: Python blocks. */
void run_code_event(struct run *run);
void code_run(struct run *run);

/* commands.c */
void run_command_event(struct run *run);
bool run_command(struct run *run, const char *command, bool init, const char **error);

#endif
