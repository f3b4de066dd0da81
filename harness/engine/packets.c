/*
 * Packet events.
 *
 * Inbound: the packet is mapped to live terms, encoded and injected at its time.
 *
 * Outbound: the oldest packet that the stack sent for the flow and that no event has taken is the one that the script speaks
 * of; packets of other flows wait for events of their own. One that carries less than the script says is joined with those that follow it
 * (an offload engine may have cut them), unless --strict_segments forbids it. Then everything that the script says, and what
 * its silence says (no options, no urgent pointer, an empty acknowledgement), is compared, and the time.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

#include "../wire/layer.h"

#define PATIENCE (2 * PL_NSEC_PER_SEC)			/* beyond the time at which a packet is due */
#define PATIENCE_ANY (180 * PL_NSEC_PER_SEC)		/* for one that may come at any time */
#define PATIENCE_OBSERVED (10 * PL_NSEC_PER_SEC)	/* for the same when only watching */
#define DIFFERENCES 32

/* --- inbound ------------------------------------------------------------------------------------------------------------ */
/* An ICMP error that does not say what it quotes quotes a TCP segment of the flow that begins at its first byte. */
static void quote_default(struct run *run, struct packet *packet)
{
	struct packet *quoted;

	if (!is_icmp_error(packet) || packet->quoted || packet->payload_given)
		return;
	quoted = arena_alloc(run->arena, sizeof(*quoted));
	quoted->layers = 2;
	quoted->layer[0].kind = LAYER_IPV4;
	quoted->layer[1].kind = LAYER_TCP;
	wire_set(&quoted->layer[1], WF_TCP_SEQ, 0);
	packet->quoted = quoted;
}

static void inbound_state(struct flow *flow, const struct packet *packet)
{
	const struct layer *tcp = packet_layer(packet, LAYER_TCP);
	unsigned flags = tcp ? (unsigned)wire_get(tcp, WF_TCP_FLAGS) : 0;

	if (!tcp)
		return;
	if (flow->state == FLOW_SYNACK_SENT && (flags & WIRE_ACK)) {
		flow->state = FLOW_SYNACK_ACKED;
	} else if (flow->state == FLOW_SYN_SENT && (flags & WIRE_SYN) && (flags & WIRE_ACK)) {
		flow->state = FLOW_SYN_ACKED;
		flow->script.remote_isn = flow->live.remote_isn = (uint32_t)wire_get(tcp, WF_TCP_SEQ);
	}
}

static void run_inbound(struct run *run, unsigned link)
{
	const struct packet_spec *spec = run->packet;
	struct flow *flow;
	struct packet *packet;
	const uint8_t *bytes;
	const char *error = NULL;
	size_t length;
	unsigned entry, gso;
	int status;

	flow = flow_for_script_packet(run, &spec->packet, true, link);
	if (!run_wait_event(run))
		return;
	inbound_state(flow, &spec->packet);
	packet = packet_clone(&spec->packet, run->arena);
	quote_default(run, packet);
	if (!flow_map_inbound(run, flow, packet, &error)) {
		run_fail(run, run->event, "inbound packet: %s", error);
		return;
	}
	if (spec->is_fragment)
		packet = fragment_cut(run, spec, packet, &error);
	if (!packet) {
		run_error(run, run->event, "the fragment cannot be made: %s", error);
		return;
	}
	if (!link_complete(run, link, packet, &error)) {
		run_error(run, run->event, "%s", error);
		return;
	}
	bytes = packet_encode(packet, run->arena, &length, &error);
	if (!bytes) {
		run_error(run, run->event, "the packet cannot be made: %s", error);
		return;
	}
	run_drain(run);
	entry = trace_add(run, TRACE_PACKET_IN, run->event, run_now(run));
	run->result->trace.entry[entry].link = (unsigned)link;
	run->result->trace.entry[entry].packet = &spec->packet;
	run->result->trace.entry[entry].link = link;
	run->result->trace.entry[entry].bytes = bytes;
	run->result->trace.entry[entry].length = length;
	gso = packet_layer(packet, LAYER_TCP) ? run->settings.mss : 0;
	run->result->trace.entry[entry].gso_size = gso;
	status = run->ops->inject(run->target, link, bytes, length, gso);
	if (status < 0)
		run_error(run, run->event, "the packet cannot be injected: %s", errno_text(run, -status));
}

/* --- outbound ------------------------------------------------------------------------------------------------------------ */
static void sent_unlink(struct run *run, struct sent **link)
{
	*link = (*link)->next;
	if (!*link)
		run->sent_tail = link;
}

static bool sent_fits(struct run *run, struct flow *flow, const struct packet_spec *spec, const struct sent *sent)
{
	int named = spec->link ? link_index(run, spec->link) : -1;

	if (named >= 0 && sent->link != (unsigned)named)
		return false;
	if (spec->is_fragment)
		return fragment_is_of(run, flow, &spec->packet, sent->packet);
	return flow_takes_live_packet(run, flow, &spec->packet, sent->packet);
}

/* The oldest packet that was sent, is the flow's and has not been taken. Those of other flows stay for theirs. NULL: none yet. */
static struct sent *sent_take(struct run *run, struct flow *flow, const struct packet_spec *spec)
{
	for (struct sent **link = &run->sent; *link; link = &(*link)->next) {
		struct sent *sent = *link;

		if (!sent_fits(run, flow, spec, sent))
			continue;
		sent_unlink(run, link);
		return sent;
	}
	return NULL;
}

static struct sent *sent_wait(struct run *run, struct flow *flow, const struct packet_spec *spec, pl_time deadline)
{
	struct sent *sent;

	while (!(sent = sent_take(run, flow, spec)) && run_now(run) < deadline && !run_stopped(run)) {
		pl_time before = run_now(run);
		enum target_event why = run->ops->wait(run->target, run->start + deadline,
						       1u << TARGET_PACKET | (run->calls ? 1u << TARGET_CALL : 0));

		run_drain(run);
		calls_finish(run);
		/* Nothing can happen any more, and a virtual clock has no reason to move. */
		if (why == TARGET_TIME && run_now(run) == before)
			break;
	}
	return sent ? sent : sent_take(run, flow, spec);
}

static uint64_t tcp_get(const struct packet *packet, enum wire_field field)
{
	return wire_get(packet_layer(packet, LAYER_TCP), field);
}

/*
 * Whether `next` continues `previous`: the same headers but for FIN, PSH and CWR, and as many bytes as the `piece` before it
 * unless it is the last.
 */
static bool is_continuation(const struct packet *previous, const struct packet *next, size_t piece, size_t wanted)
{
	const unsigned free = WIRE_FIN | WIRE_PSH | WIRE_CWR;

	if (!packet_layer(previous, LAYER_TCP) || !packet_layer(next, LAYER_TCP) || previous->layers != next->layers)
		return false;
	if (next->payload_length != piece && previous->payload_length + next->payload_length < wanted)
		return false;
	return (uint32_t)(tcp_get(previous, WF_TCP_SEQ) + previous->payload_length) == (uint32_t)tcp_get(next, WF_TCP_SEQ) &&
	       !((tcp_get(previous, WF_TCP_FLAGS) ^ tcp_get(next, WF_TCP_FLAGS)) & ~free) &&
	       tcp_get(previous, WF_TCP_ACK) == tcp_get(next, WF_TCP_ACK) &&
	       tcp_get(previous, WF_TCP_WIN) == tcp_get(next, WF_TCP_WIN) &&
	       tcp_get(previous, WF_TCP_DOFF) == tcp_get(next, WF_TCP_DOFF);
}

/* Join `next` onto `whole`: the headers of the last, the sequence number and CWR of the first, the bytes of both. */
static struct packet *packet_join(struct run *run, const struct packet *whole, const struct packet *next)
{
	struct packet *joined = packet_clone(next, run->arena);
	struct layer *tcp = packet_layer(joined, LAYER_TCP), *ip = packet_layer(joined, LAYER_IPV4);
	uint8_t *bytes = arena_alloc(run->arena, whole->payload_length + next->payload_length + 1);
	uint64_t flags = wire_get(tcp, WF_TCP_FLAGS) & ~(uint64_t)WIRE_CWR;

	if (whole->payload)
		memcpy(bytes, whole->payload, whole->payload_length);
	if (next->payload)
		memcpy(bytes + whole->payload_length, next->payload, next->payload_length);
	joined->payload = bytes;
	joined->payload_length += whole->payload_length;
	wire_set(tcp, WF_TCP_SEQ, tcp_get(whole, WF_TCP_SEQ));
	wire_set(tcp, WF_TCP_FLAGS, flags | (tcp_get(whole, WF_TCP_FLAGS) & WIRE_CWR));
	if (ip)
		wire_set(ip, WF_IPV4_LENGTH, wire_get(ip, WF_IPV4_LENGTH) + whole->payload_length);
	joined->time = next->time;
	return joined;
}

/* What the script's silence says, made explicit. */
static struct packet *expected_packet(struct run *run, const struct packet *said)
{
	struct packet *expected = packet_clone(said, run->arena);
	struct layer *tcp = packet_layer(expected, LAYER_TCP);

	if (tcp) {
		if (!wire_given(tcp, WF_TCP_FLAGS))
			wire_set(tcp, WF_TCP_FLAGS, 0);
		if (!wire_given(tcp, WF_TCP_ACK))
			wire_set(tcp, WF_TCP_ACK, 0);
		if (!wire_given(tcp, WF_TCP_URG))
			wire_set(tcp, WF_TCP_URG, 0);
		layer_clear(tcp, WF_TCP_END);
		if (!tcp->options_any)
			tcp->options_given = true;
	}
	/* Every IGMP message carries a router alert (RFC 2236 2); a script need not say so each time. */
	if (packet_layer(expected, LAYER_IGMP) && !packet_layer(expected, LAYER_IPV4)->options_given)
		packet_layer(expected, LAYER_IPV4)->options_any = true;
	if (expected->payload_given && !expected->payload && expected->payload_length && !run->contents_matter)
		expected->payload = arena_alloc(run->arena, expected->payload_length);
	return expected;
}

/* Ports that the flow cannot be asked for, and echoed timestamps, are as they come. */
static void expected_lenient(const struct flow *flow, struct packet *expected, const struct packet *actual)
{
	struct layer *tcp = packet_layer(expected, LAYER_TCP), *other = packet_layer(actual, LAYER_TCP);

	if (!tcp || !other)
		return;
	for (unsigned i = 0; i < tcp->options && i < other->options; i++)
		if (tcp->option[i].kind == 8 && other->option[i].kind == 8 && tcp->option[i].length == 10 &&
		    other->option[i].length == 10)
			tcp->option[i].timestamp.ecr = other->option[i].timestamp.ecr;
	if (!flow->script.local_port && wire_get(tcp, WF_TCP_SPORT) != flow->live.local_port)
		layer_clear(tcp, WF_TCP_SPORT);
	if (!flow->script.remote_port && wire_get(tcp, WF_TCP_DPORT) != flow->live.remote_port)
		layer_clear(tcp, WF_TCP_DPORT);
}

static void rules_make(const struct run *run, struct packet_rules *rules)
{
	unsigned tick = run->settings.tcp_ts_tick_usecs;

	*rules = (struct packet_rules){ .ignore_timestamp_values = !tick };
	if (tick)
		rules->timestamp_tolerance = time_tolerance(run, run->event_at) / PL_NSEC_PER_USEC / tick;
}

/* Both packets, one over the other, and each field in which they differ. */
static const char *difference_text(struct run *run, const struct packet *expected, const struct packet *shown, pl_time at,
				   const struct packet_difference *difference, unsigned count)
{
	char *text = arena_printf(run->arena, "expected  %12.6f %s\nactual    %12.6f %s", (double)run->event_at / 1e9,
				  packet_print(expected, run->arena, true), (double)at / 1e9,
				  packet_print(shown, run->arena, true));

	for (unsigned i = 0; i < count; i++)
		text = arena_printf(run->arena, "%s\n  %s: expected %s, actual %s", text, difference[i].field,
				    difference[i].expected, difference[i].actual);
	return text;
}

/* A wrong checksum, unless the script says which. */
static const char *checksum_reason(const struct packet *expected, const struct packet *actual)
{
	static const struct {
		enum layer_kind kind;
		enum wire_field field;
		const char *reason;
	} checked[] = {
		{ LAYER_IPV4, WF_IPV4_CHECKSUM, "wrong IP header checksum" },
		{ LAYER_TCP, WF_TCP_CHECKSUM, "wrong TCP checksum" },
		{ LAYER_UDP, WF_UDP_CHECKSUM, "wrong UDP checksum" },
		{ LAYER_UDPLITE, WF_UDPLITE_CHECKSUM, "wrong UDP checksum" },
		{ LAYER_ICMP, WF_ICMP_CHECKSUM, "wrong ICMP checksum" },
	};

	for (unsigned i = 0; i < actual->layers; i++) {
		const char *reason = "wrong checksum";
		bool said = false;

		if (actual->layer[i].checksum != CHECKSUM_WRONG)
			continue;
		for (unsigned j = 0; j < sizeof(checked) / sizeof(checked[0]); j++) {
			const struct layer *layer = packet_layer(expected, checked[j].kind);

			if (checked[j].kind != actual->layer[i].kind)
				continue;
			reason = checked[j].reason;
			said = layer && wire_known(layer, checked[j].field);
		}
		if (!said)
			return reason;
	}
	return NULL;
}

static void outbound_fail(struct run *run, const struct packet *said, const struct packet *actual, pl_time at,
			  const char *reason, const struct packet_difference *difference, unsigned count)
{
	const struct packet *shown = packet_project(actual, said, run->arena);
	const char *link = run->packet->link;
	struct failure *failure;

	if (run->settings.non_fatal_packet) {
		enum verdict verdict = run->result->verdict;

		failure = run_fail(run, run->event, "warning: outbound packet: %s", reason);
		run->result->verdict = verdict;
	} else {
		failure = run_fail(run, run->event, "outbound packet: %s", reason);
	}
	failure->detail = difference_text(run, said, shown, at, difference, count);
	failure->suggestion = arena_printf(run->arena, "%s > %s%s%s", event_time_text(run, run->event), link ? link : "",
					   link ? ": " : "", packet_print(shown, run->arena, true) + 2);
}

/* What is expected, in a form that can be compared; NULL: an error of the run. */
static struct packet *outbound_expected(struct run *run, struct flow *flow)
{
	struct packet *expected;
	const char *error;

	if (!run->packet->is_fragment)
		return expected_packet(run, &run->packet->packet);
	expected = fragment_expected(run, flow, run->packet, &error);
	if (!expected)
		run_error(run, run->event, "the fragment cannot be made: %s", error);
	return expected;
}

/* In what the packet is not what is expected, its time aside: NULL, or the first of the *count differences. */
static const char *outbound_differs(struct run *run, struct flow *flow, struct packet *expected, struct packet *actual,
				    struct packet_difference difference[DIFFERENCES], unsigned *count)
{
	const char *reason = checksum_reason(expected, actual);
	struct packet_rules rules;

	flow_map_outbound(run, flow, expected, actual);
	expected_lenient(flow, expected, actual);
	rules_make(run, &rules);
	*count = packet_differ(expected, actual, &rules, run->arena, difference, DIFFERENCES);
	if (*count > DIFFERENCES)
		*count = DIFFERENCES;
	if (*count)
		reason = arena_printf(run->arena, "%s: expected %s, actual %s%s", difference[0].field, difference[0].expected,
				      difference[0].actual, *count > 1 ? ", and more" : "");
	return reason;
}

/* The same, its time included. */
static const char *outbound_reason(struct run *run, struct flow *flow, struct packet *expected, struct packet *actual,
				   pl_time at, struct packet_difference difference[DIFFERENCES], unsigned *count)
{
	const char *reason = outbound_differs(run, flow, expected, actual, difference, count);

	if (!reason)
		time_check_outbound(run, at, &reason);
	return reason;
}

static void outbound_compare(struct run *run, struct flow *flow, struct packet *actual, const struct sent *sent, pl_time at)
{
	const struct packet *said = &run->packet->packet;
	struct packet *expected = outbound_expected(run, flow);
	struct packet_difference difference[DIFFERENCES];
	const char *reason;
	unsigned count;

	if (!expected)
		return;
	reason = outbound_reason(run, flow, expected, actual, at, difference, &count);
	if (!reason)
		return;
	if (count)
		reason = arena_printf(run->arena, "%s%s", reason, order_text(run, flow, sent));
	/* Of a fragment what was cut is shown; bytes that the script does not write are not shown to it either. */
	if (run->packet->is_fragment && !said->payload)
		expected->payload = NULL;
	outbound_fail(run, run->packet->is_fragment ? expected : said, actual, at, reason, difference, count);
}

/* One packet taken: into script terms, and into the trace as this event's. */
static struct packet *sent_use(struct run *run, struct flow *flow, const struct sent *sent)
{
	const struct packet *said = &run->packet->packet;
	const struct layer *tcp = packet_layer(said, LAYER_TCP), *live = packet_layer(sent->packet, LAYER_TCP);
	struct packet *packet = packet_clone(sent->packet, run->arena);

	if (flow->state == FLOW_PASSIVE && tcp && live &&
	    (wire_get(tcp, WF_TCP_FLAGS) & (WIRE_SYN | WIRE_ACK)) == (WIRE_SYN | WIRE_ACK)) {
		flow->state = FLOW_SYNACK_SENT;
		flow->script.local_isn = (uint32_t)wire_get(tcp, WF_TCP_SEQ);
		flow->live.local_isn = (uint32_t)wire_get(live, WF_TCP_SEQ);
	}
	flow_map_sequence(flow, packet);
	run->result->trace.entry[sent->entry].event = run->event;
	run->result->trace.entry[sent->entry].packet = packet;
	return packet;
}

/* Whether the packet is what is expected, its time included or aside. What it leaves behind is undone unless it is, and taken. */
static bool outbound_is(struct run *run, struct flow *flow, const struct sent *sent, bool take)
{
	struct trace_entry kept = run->result->trace.entry[sent->entry];
	struct packet_difference difference[DIFFERENCES];
	struct flow before = *flow;
	struct packet *expected;
	bool is = false;
	unsigned count;

	if (!sent_fits(run, flow, run->packet, sent)) {
		*flow = before;
		return false;
	}
	expected = outbound_expected(run, flow);
	if (expected && take)
		is = !outbound_reason(run, flow, expected, sent_use(run, flow, sent), sent->at, difference, &count);
	else if (expected)
		is = !outbound_differs(run, flow, expected, sent_use(run, flow, sent), difference, &count);
	if (is && take)
		return true;
	*flow = before;
	run->result->trace.entry[sent->entry] = kept;
	return is;
}

bool outbound_try(struct run *run, struct flow *flow, struct sent **at)
{
	bool is = outbound_is(run, flow, *at, true);

	if (is)
		sent_unlink(run, at);
	return is;
}

bool outbound_same(struct run *run, struct flow *flow, const struct sent *sent)
{
	return outbound_is(run, flow, sent, false);
}

static const char *no_packet(struct run *run)
{
	return arena_printf(run->arena, "timed out waiting for packet; none came until %.6f", (double)run_now(run) / 1e9);
}

static pl_time patience(const struct run *run)
{
	pl_time due = run->event_until > run->event_at ? run->event_until : run->event_at;

	return run->event->time.kind == TIME_ANY ? run_now(run) + PATIENCE_ANY : due + PATIENCE;
}

static void run_outbound(struct run *run, unsigned link)
{
	const struct packet *said = &run->packet->packet;
	struct flow *flow = flow_for_script_packet(run, said, false, link);
	pl_time deadline = patience(run), at = 0;
	struct packet *whole = NULL;
	const struct sent *first = NULL;
	size_t wanted = said->payload_given ? said->payload_length : 0, piece = 0;

	do {
		struct sent *sent = sent_wait(run, flow, run->packet, deadline);
		struct packet *packet;

		if (!first)
			first = sent;
		if (run_stopped(run))
			return;
		if (!sent && whole)
			break;
		if (!sent) {
			struct failure *failure = run_fail(run, run->event, "outbound packet: %s", no_packet(run));

			failure->detail = arena_printf(run->arena, "expected  %12.6f %s", (double)run->event_at / 1e9,
						       packet_print(said, run->arena, true));
			return;
		}
		packet = sent_use(run, flow, sent);
		if (whole && !is_continuation(whole, packet, piece, wanted)) {
			outbound_fail(run, said, packet, sent->at, "it does not continue the segment before it", NULL, 0);
			return;
		}
		piece = packet->payload_length;
		whole = whole ? packet_join(run, whole, packet) : packet;
		at = sent->at;
	} while (whole->payload_length < wanted && packet_layer(whole, LAYER_TCP) && !run->settings.strict_segments &&
		 !run->packet->is_fragment);
	if (run->event->time.kind != TIME_ANY)
		run->happened = at;
	outbound_compare(run, flow, whole, first, at);
}

/* --- observing ------------------------------------------------------------------------------------------------------------ */
/*
 * Nothing is expected, but what the script expects tells what packets mean: which is the SYN whose number the next inbound
 * segment acknowledges, and what the script calls a timestamp. The next packet of the flow is taken for it. It is waited for as
 * long as a run would, so that what comes next comes at the same moment of the conversation on every target.
 */
static void observe_outbound(struct run *run, unsigned link)
{
	const struct packet *said = &run->packet->packet;
	struct flow *flow = flow_for_script_packet(run, said, false, link);
	pl_time due = run->event->time.kind == TIME_ANY ? run_now(run) + PATIENCE_OBSERVED : patience(run);
	size_t wanted = said->payload_given ? said->payload_length : 0, got = 0;

	do {
		struct sent *sent = sent_wait(run, flow, run->packet, due);
		struct packet *packet;

		if (!sent)
			return;
		packet = sent_use(run, flow, sent);
		flow_map_outbound(run, flow, said, packet);
		got += packet->payload_length && !run->packet->is_fragment ? packet->payload_length : wanted;
	} while (got < wanted);
}

bool run_packet_ready(struct run *run, int *link)
{
	const struct packet_spec *said = run->event->packet;
	struct packet_spec *ready;
	const char *error;

	run->packet = said;
	*link = link_index(run, said->link);
	if (*link < 0) {
		run_error(run, run->event, "there is no link %s", said->link);
		return false;
	}
	if (!said->late)
		return true;
	ready = arena_memdup(run->arena, said, sizeof(*said));
	ready->packet = *packet_clone(&said->packet, run->arena);
	run->packet = ready;
	if (packet_resolve(run, &ready->packet, &error))
		return true;
	run_error(run, run->event, "the packet cannot be made: %s", error);
	return false;
}

void run_packet_event(struct run *run)
{
	int link;

	if (!run_packet_ready(run, &link))
		return;
	if (run->packet->inbound)
		run_inbound(run, (unsigned)link);
	else if (run->observing)
		observe_outbound(run, (unsigned)link);
	else
		run_outbound(run, (unsigned)link);
}

/* expect nothing for t: no packet of any flow is sent until then. */
void run_nothing_event(struct run *run)
{
	pl_time until = run->event_at + run->event->quiet;
	struct sent **link = &run->sent;

	if (!run_wait_event(run))
		return;
	run_wait(run, until);
	while (*link && (*link)->at < run->event_at)
		link = &(*link)->next;
	if (run->observing || run_stopped(run) || !*link)
		return;
	run_fail(run, run->event, "a packet was sent at %.6f where none was expected", (double)(*link)->at / 1e9)->detail =
		arena_printf(run->arena, "actual    %12.6f %s", (double)(*link)->at / 1e9,
			     packet_print((*link)->packet, run->arena, true));
	sent_unlink(run, link);
}
