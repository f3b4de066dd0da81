#include "fake.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "harness/engine/run.h"

struct fake fake;
struct arena *fake_arena;
struct run_options fake_options = { .target = &fake_target };

static int fake_open(const struct target_config *config, struct arena *arena, struct target **target, const char **error)
{
	fake.config = *config;
	fake.target.ops = &fake_target;
	*target = &fake.target;
	return 0;
}

static void fake_close(struct target *target)
{
}

static pl_time fake_now(struct target *target)
{
	return fake.now;
}

static int64_t fake_wall_clock(struct target *target)
{
	return 0;
}

/* The calls that are due end. */
static bool calls_end_due(void)
{
	bool any = false;

	for (unsigned i = 0; i < fake.waitings; i++)
		if (fake.waiting[i].call && fake.waiting[i].at <= fake.now) {
			fake_finish(fake.waiting[i].call, fake.waiting[i].result);
			fake.waiting[i].call = NULL;
			any = true;
		}
	return any;
}

static enum target_event fake_wait(struct target *target, pl_time until, unsigned want)
{
	pl_time next = until;

	if (calls_end_due() && want >> TARGET_CALL & 1)
		return TARGET_CALL;
	if (fake.taken < fake.outs && fake.out[fake.taken].at <= fake.now && want >> TARGET_PACKET & 1)
		return TARGET_PACKET;
	for (unsigned i = fake.taken; i < fake.outs; i++)
		if (fake.out[i].at > fake.now && fake.out[i].at < next)
			next = fake.out[i].at;
	for (unsigned i = 0; i < fake.waitings; i++)
		if (fake.waiting[i].call && fake.waiting[i].at < next)
			next = fake.waiting[i].at;
	fake.now = next;
	if (calls_end_due() && want >> TARGET_CALL & 1)
		return TARGET_CALL;
	if (fake.taken < fake.outs && fake.out[fake.taken].at <= fake.now && want >> TARGET_PACKET & 1)
		return TARGET_PACKET;
	return fake.now < until ? fake_wait(target, until, want) : TARGET_TIME;
}

static void fake_submit(struct target *target, struct pl_call *call)
{
	call->submitted = fake.now;
	if (fake.submit)
		fake.submit(&fake, call);
	else
		fake_submit_plain(&fake, call);
}

static void fake_cancel(struct target *target, struct pl_call *call)
{
	for (unsigned i = 0; i < fake.waitings; i++)
		if (fake.waiting[i].call == call)
			fake.waiting[i].call = NULL;
	fake_finish(call, -4);
}

static int fake_inject(struct target *target, unsigned link, const void *bytes, size_t length, unsigned gso_size)
{
	struct fake_packet *kept = &fake.in[fake.ins++];
	struct packet *packet = arena_alloc(fake_arena, sizeof(*packet));

	cr_assert_lt(fake.ins, FAKE_KEPT);
	kept->at = fake.now;
	memcpy(kept->bytes, bytes, length);
	kept->length = length;
	packet_decode(bytes, length, false, fake_arena, packet);
	if (fake.inject)
		fake.inject(&fake, packet);
	return 0;
}

static bool fake_take(struct target *target, struct arena *arena, struct target_packet *packet)
{
	const struct fake_packet *out = &fake.out[fake.taken];

	if (fake.taken == fake.outs || out->at > fake.now)
		return false;
	*packet = (struct target_packet){ .length = out->length, .time = out->at };
	packet->bytes = arena_memdup(arena, out->bytes, out->length);
	fake.taken++;
	return true;
}

static ssize_t fake_sysctl_read(struct target *target, const char *path, char *buffer, size_t size)
{
	return -2;
}

static ssize_t fake_sysctl_write(struct target *target, const char *path, const char *text, size_t length)
{
	return -2;
}

static int fake_command(struct target *target, const char *command, bool init, struct arena *arena, const char **error)
{
	size_t used = strlen(fake.commands);

	snprintf(fake.commands + used, sizeof(fake.commands) - used, "%s%s;", init ? "init:" : "", command);
	if (fake.command)
		fake.command(&fake);
	if (strcmp(command, "false"))
		return 0;
	*error = "it said no";
	return 3;
}

static pl_time fake_lateness(struct target *target)
{
	return 0;
}

const struct target_ops fake_target = {
	.name = "fake", .virtual_time = true, .open = fake_open, .close = fake_close, .now = fake_now,
	.wall_clock = fake_wall_clock, .wait = fake_wait, .submit = fake_submit, .cancel = fake_cancel, .inject = fake_inject,
	.take = fake_take, .sysctl_read = fake_sysctl_read, .sysctl_write = fake_sysctl_write, .command = fake_command,
	.lateness = fake_lateness,
};

void fake_send(pl_time after, const char *text, uint16_t local_port, uint16_t remote_port)
{
	struct script *script = fake_script(arena_printf(fake_arena, "0 > %s\n", text));
	struct packet *packet = packet_clone(&script->events->packet->packet, fake_arena);
	struct layer *ip = packet_layer(packet, LAYER_IPV4), *tcp = packet_layer(packet, LAYER_TCP);
	struct layer *udp = packet_layer(packet, LAYER_UDP);
	struct fake_packet *out = &fake.out[fake.outs++];
	const uint8_t *bytes;
	const char *error;

	cr_assert_lt(fake.outs, FAKE_KEPT);
	wire_set(ip, WF_IPV4_SRC, ntohl(fake.config.link[0].local.s_addr));
	wire_set(ip, WF_IPV4_DST, ntohl(fake.config.remote.s_addr));
	if (tcp) {
		wire_set(tcp, WF_TCP_SPORT, local_port);
		wire_set(tcp, WF_TCP_DPORT, remote_port);
		layer_clear(tcp, WF_TCP_END);
	}
	if (udp) {
		wire_set(udp, WF_UDP_SPORT, local_port);
		wire_set(udp, WF_UDP_DPORT, remote_port);
	}
	bytes = packet_encode(packet, fake_arena, &out->length, &error);
	cr_assert(bytes, "%s", error);
	memcpy(out->bytes, bytes, out->length);
	out->at = fake.now + after;
}

void fake_finish(struct pl_call *call, int64_t result)
{
	call->result = result;
	call->completed = fake.now;
	call->finished = true;
}

void fake_later(struct pl_call *call, pl_time after, int64_t result)
{
	cr_assert_lt(fake.waitings, FAKE_KEPT);
	fake.waiting[fake.waitings].call = call;
	fake.waiting[fake.waitings].at = fake.now + after;
	fake.waiting[fake.waitings++].result = result;
}

void fake_submit_plain(struct fake *made, struct pl_call *call)
{
	static int next = 100;

	switch (call->op) {
	case PL_OP_socket:
	case PL_OP_accept:
	case PL_OP_epoll_create:
	case PL_OP_dup:
		fake_finish(call, next++);
		break;
	default:
		fake_finish(call, 0);
	}
}

void fake_answer_syn(struct fake *made, const struct packet *packet)
{
	const struct layer *tcp = packet_layer(packet, LAYER_TCP);

	if (!tcp || (wire_get(tcp, WF_TCP_FLAGS) & (WIRE_SYN | WIRE_ACK)) != WIRE_SYN)
		return;
	fake_send(
	    0, arena_printf(fake_arena, "S. 5000:5000(0) ack %u win 100 <mss 1460>", (unsigned)wire_get(tcp, WF_TCP_SEQ) + 1),
	    (uint16_t)wire_get(tcp, WF_TCP_DPORT), (uint16_t)wire_get(tcp, WF_TCP_SPORT));
}

/* Kept to the end, as results speak of them; where they can be found, so that they do not count as lost. */
static struct script *scripts[128];
static unsigned script_count;

struct script *fake_script(const char *text)
{
	struct diagnostics diagnostics = { 0 };
	struct script *script = script_parse("test.pkt", text, strlen(text), NULL, 0, &diagnostics);

	if (!fake_arena)
		fake_arena = arena_new();
	cr_assert(script, "%s", diagnostics.count ? diagnostics.item[0].message : "it does not parse");
	cr_assert_lt(script_count, 128);
	return scripts[script_count++] = script;
}

static struct run_result *go(const char *text, void (*how)(const struct script *, const struct run_options *, struct arena *,
							    struct run_result *))
{
	struct script *script = fake_script(text);
	struct run_result *result = arena_alloc(fake_arena, sizeof(*result));

	how(script, &fake_options, fake_arena, result);
	return result;
}

struct run_result *fake_run(const char *text)
{
	return go(text, engine_run);
}

struct run_result *fake_observe(const char *text)
{
	return go(text, engine_observe);
}
