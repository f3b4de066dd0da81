/*
 * A target that does what the test tells it: its clock stands still until somebody waits, packets leave when the test says, and
 * calls end when the test says, with what it says. Everything that the engine does to it is kept.
 */
#ifndef TESTS_ENGINE_FAKE_H
#define TESTS_ENGINE_FAKE_H

#include "harness/arena.h"
#include "harness/engine/engine.h"

#define FAKE_KEPT 32

struct fake_packet {
	pl_time at;
	uint8_t bytes[2048];
	size_t length;
};
struct fake {
	struct target target;
	struct target_config config;
	pl_time now;
	struct fake_packet out[FAKE_KEPT];	/* what it will send, by time */
	unsigned outs, taken;
	struct fake_packet in[FAKE_KEPT];	/* what it was given */
	unsigned ins;
	struct {				/* calls that wait, and when they end */
		struct pl_call *call;
		pl_time at;
		int64_t result;
	} waiting[FAKE_KEPT];
	unsigned waitings;
	char commands[1024];
	/* What to do about a packet and a call; a call is finished with fake_finish, or left to end later with fake_later. */
	void (*inject)(struct fake *fake, const struct packet *packet);
	void (*submit)(struct fake *fake, struct pl_call *call);
	void (*command)(struct fake *fake);	/* NULL: commands take no time and do nothing */
	void *context;
};

extern struct fake fake;		/* one for each test: they run in processes of their own */
extern const struct target_ops fake_target;

/* A packet as a script would say it ("S. 5000:5000(0) ack 1 win 100 <mss 1460>"), which leaves `after` from now. */
void fake_send(pl_time after, const char *text, uint16_t local_port, uint16_t remote_port);
void fake_finish(struct pl_call *call, int64_t result);
void fake_later(struct pl_call *call, pl_time after, int64_t result);

/* socket, accept and the like give descriptors from 100 on; everything else gives 0. */
void fake_submit_plain(struct fake *fake, struct pl_call *call);
/* An inbound SYN is answered with `S. 5000:5000(0) ack (its number + 1) win 100 <mss 1460>` at once. */
void fake_answer_syn(struct fake *fake, const struct packet *packet);

/* Run a script's text on the fake. Everything lives until the test ends. */
struct run_result *fake_run(const char *text);
struct run_result *fake_observe(const char *text);
extern struct run_options fake_options;
extern struct arena *fake_arena;
struct script *fake_script(const char *text);

#endif
