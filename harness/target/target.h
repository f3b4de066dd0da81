/*
 * A stack under test, behind one struct of functions. The engine knows nothing else about it.
 *
 * Instants are nanoseconds on the target's own clock, with 0 when it was opened: virtual for the reference stack, the
 * monotonic clock for the kernel. A target serves one script and belongs to one thread.
 */
#ifndef HARNESS_TARGET_H
#define HARNESS_TARGET_H

#include <netinet/in.h>
#include <plumbline/call.h>
#include <plumbline/link.h>
#include <plumbline/stack.h>
#include <plumbline/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct arena;
struct target;

/* What a script starts from. Filled by the engine from defaults, the script's options and the command line. */
struct target_link {
	const char *name;		/* "tun0" */
	enum pl_link_kind kind;
	unsigned mtu;
	struct in_addr local;		/* address on the link; 0: none */
	struct in_addr neighbour;	/* Ethernet: has a permanent entry with the far end's hardware address; 0: none */
	unsigned prefix_length;
	unsigned speed;			/* Mbit/s, 0: unspecified */
};
/* The hardware address of Ethernet link number i: the same on every target. Its far end has PL_HWADDR_PEER(i). */
#define TARGET_HWADDR(i) PL_HWADDR_OWN(i)

struct target_config {
	struct target_link link[8];
	unsigned links;
	struct in_addr gateway;		/* next hop of the default route over link[0]; 0: none */
	struct in_addr remote;		/* the far end; routed over link[0] */
	unsigned remote_prefix_length;	/* how much of it: the route is to remote/remote_prefix_length; 0 means 32 */
	bool is_anyip;			/* --is_anyip: the local address may be any of the prefix */
	bool send_omit_free;		/* --send_omit_free */
	bool first_namespace;		/* with the tunables that only the first network namespace of a machine has */
	uint64_t seed;
	const char *script_path;	/* commands run in its folder */
	const char *so_file, *so_flags;	/* so: target */
	bool no_commands;
	/*
	 * It is to carry out very many short calls that never wait, not a script: no real-time priority, no captures (packets have no
	 * exact times), and on the kernel every call on the target's own thread, which cap_set then acts on.
	 */
	bool bulk;
	const struct pl_machine *machine;	/* refstack: NULL for the default */
	const struct live *live;		/* live_target: what is asked for */
	const char *const *sysctl;	/* "name=value", applied before anything else; NULL past the last */
};

/* A packet that the stack sent. Bytes live until the target is closed or the arena passed to take is reset. */
struct target_packet {
	unsigned link;			/* index into config.link */
	const uint8_t *bytes;		/* from the IP header on tun links, the Ethernet header on Ethernet links */
	size_t length;
	pl_time time;			/* when it left, on the target's clock (the kernel's own time stamp) */
	unsigned gso_size, gso_segments;
};

enum target_event { TARGET_TIME, TARGET_PACKET, TARGET_CALL };

/* Why a target cannot be had here ("no /dev/net/tun", "needs user namespaces"): the script is skipped with this reason. */
#define TARGET_UNAVAILABLE (-1000)

struct target_ops {
	const char *name;
	bool virtual_time;		/* times are exact and nothing is ever late */

	/* 0 and *target; or TARGET_UNAVAILABLE or -errno, with *error a message in the arena. */
	int (*open)(const struct target_config *config, struct arena *arena, struct target **target, const char **error);
	void (*close)(struct target *target);		/* whatever state it is in; leaves nothing behind */

	pl_time (*now)(struct target *target);
	/*
	 * The instant that the script is to count as its 0; called once, after the init commands. A target in real time waits here
	 * for a well-chosen moment inside a jiffy, so that events at whole milliseconds do not straddle jiffies.
	 */
	pl_time (*start)(struct target *target);
	/* What CLOCK_REALTIME reads when `now` reads 0, in nanoseconds since 1970. */
	int64_t (*wall_clock)(struct target *target);
	/*
	 * Until `until` has come, a packet was sent by the stack, or a submitted call is finished: whichever is first, told by the
	 * result. `want` masks what may end the wait early (1 << TARGET_PACKET | 1 << TARGET_CALL).
	 */
	enum target_event (*wait)(struct target *target, pl_time until, unsigned want);

	void (*submit)(struct target *target, struct pl_call *call);	/* call->finished says when */
	void (*cancel)(struct target *target, struct pl_call *call);	/* finishes it, with -EINTR if it was waiting */

	/* gso_size: 0, or the packet is one large TCP segment of such pieces. 0 or -errno. */
	int (*inject)(struct target *target, unsigned link, const void *bytes, size_t length, unsigned gso_size);
	/* The oldest packet sent and not yet taken; false: none. Does not wait. */
	bool (*take)(struct target *target, struct arena *arena, struct target_packet *packet);

	/* As pl_sysctl_read and pl_sysctl_write. */
	ssize_t (*sysctl_read)(struct target *target, const char *path, char *buffer, size_t size);
	ssize_t (*sysctl_write)(struct target *target, const char *path, const char *text, size_t length);

	/*
	 * Run a shell command where the stack lives. 0 when it exits with 0; otherwise its exit status (or -1 when it could not be
	 * run), with *error a message in the arena that includes what it wrote to standard error. `init`: it is the script's
	 * init command on a fresh target, so that its effect may be remembered.
	 */
	int (*command)(struct target *target, const char *command, bool init, struct arena *arena, const char **error);

	/* Longest time by which the target was late in something it did on time's behalf (a wake-up, an injection); 0 if virtual. */
	pl_time (*lateness)(struct target *target);

	/* Stop until told to go on; `place` says where the script is, for people. NULL: it has nobody to tell it. */
	void (*pause)(struct target *target, const char *place);
};

/* Every target "opens" into something that starts with this. */
struct target {
	const struct target_ops *ops;
};

extern const struct target_ops refstack_target, kernel_target, so_target;

/* "refstack", "kernel", "so:FILE" -> ops; NULL: no such target. */
const struct target_ops *target_find(const char *name);

/* The kernel's machine-dependent defaults, read from the live kernel, for a reference stack that is compared with it. */
bool kernel_machine_read(struct pl_machine *machine, struct arena *arena);

/*
 * What the whole run must set up once, before any script, and undo after the last (the kernel target: cubic allowed inside
 * namespaces). *note: a line to tell the user, or NULL. Undone also when the program is killed.
 */
struct target_session;
struct target_session *kernel_session_begin(struct arena *arena, const char **note);
void kernel_session_end(struct target_session *session);

#endif
