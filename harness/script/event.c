/* Makers of events, and the rules about which event may come at which kind of time. */
#include "parse.h"

#include <string.h>

struct timing timing_check(struct parse *parse, struct timing timing, const struct place *place)
{
	if (timing.until < timing.at)
		parse_error(parse, place, "the earlier time first", "the time range is upside down");
	return timing;
}

static bool sent_by_stack(const struct event *event)
{
	return event->kind == EVENT_PACKET && !event->packet->inbound;
}

void event_add(struct parse *parse, struct timing timing, struct event *event, const struct place *place)
{
	event->time = (struct event_time){ timing.kind, timing.at, timing.until };
	event->span = parse_span(place);
	event->time_span = parse_span(&timing.place);
	event->branch = parse->branch;
	event->group = parse->group;
	if (event->group && !sent_by_stack(event))
		parse_error(parse, place, "outbound packets", "only outbound packets may come in any order");
	if (timing.kind == TIME_ANY && !sent_by_stack(event))
		parse_error(parse, &timing.place, "a time such as +0.1 or 0.1", "only an outbound packet may come at any time");
	else if ((timing.kind == TIME_ABSOLUTE_RANGE || timing.kind == TIME_RELATIVE_RANGE) && !sent_by_stack(event))
		parse_error(parse, &timing.place, "a time such as +0.1 or 0.1",
			    "only an outbound packet may have a range of times");
	if (event->kind == EVENT_CALL && event->call->blocking && event->call->end < timing.at)
		parse_error(parse, &timing.place, "a time no earlier than the call's start",
			    "the call returns before it is made");
	*parse->tail = event;
	parse->tail = &event->next;
	parse->script->event_count++;
}

static struct event *event_new(struct parse *parse, enum event_kind kind)
{
	struct event *event = arena_alloc(parse->arena, sizeof(*event));

	event->kind = kind;
	return event;
}

struct event *event_call(struct parse *parse, struct slice name, const struct place *name_place, struct members arguments,
			 struct expr *result)
{
	struct event *event = event_new(parse, EVENT_CALL);
	struct call_spec *call = event->call = arena_alloc(parse->arena, sizeof(*call));

	call->name = parse_string(parse, name);
	call->name_span = parse_span(name_place);
	call->argument = expr_arguments(parse, arguments);
	call->arguments = arguments.count;
	call->result = result;
	return event;
}

struct event *event_let(struct parse *parse, struct slice name, const struct expr *value)
{
	struct event *event = event_new(parse, EVENT_LET);

	event->let.name = parse_string(parse, name);
	event->let.value = value;
	return event;
}

struct event *event_tunable(struct parse *parse, struct slice name, bool write, const struct expr *value)
{
	struct event *event = event_new(parse, EVENT_TUNABLE);

	event->tunable = arena_alloc(parse->arena, sizeof(*event->tunable));
	event->tunable->name = parse_string(parse, name);
	event->tunable->write = write;
	event->tunable->value = value;
	return event;
}

/* "target == kernel", "kernel >= 6.12", or numbers. */
struct condition *condition_new(struct parse *parse, struct expr *left, int operator, struct expr *right,
				const struct place *place)
{
	struct condition *condition = arena_alloc(parse->arena, sizeof(*condition));
	const char *word = left->kind == EXPR_WORD ? left->word : "";

	condition->kind = CONDITION_NUMBERS;
	condition->operator = (enum condition_operator)operator;
	condition->left = left;
	condition->right = right;
	if (!strcmp(word, "target")) {
		condition->kind = CONDITION_TARGET;
		if (right->kind != EXPR_WORD || (operator != CONDITION_EQUAL && operator != CONDITION_UNEQUAL))
			parse_error(parse, place, "target == NAME or target != NAME", "this is no condition on the target");
	} else if (!strcmp(word, "kernel")) {
		condition->kind = CONDITION_VERSION;
		if (right->kind != EXPR_FLOAT)
			parse_error(parse, place, "a version such as 6.12", "this is no condition on the kernel's version");
	} else if (right->kind == EXPR_FLOAT || left->kind == EXPR_FLOAT) {
		parse_error(parse, place, "numbers, symbols and variables, target == NAME or kernel >= 6.12",
			    "this is no condition");
	}
	return condition;
}

void branch_enter(struct parse *parse, const struct condition *condition, bool otherwise)
{
	struct branch *branch = arena_alloc(parse->arena, sizeof(*branch));

	*branch = (struct branch){ parse->branch, condition, otherwise };
	parse->branch = branch;
}

void branch_leave(struct parse *parse)
{
	parse->left_branch = parse->branch;
	parse->branch = parse->branch->outer;
}

/* A command, or Python without the blanks at both ends (its first line must not look indented). */
struct event *event_text(struct parse *parse, enum event_kind kind, struct slice text)
{
	struct event *event = event_new(parse, kind);

	if (kind == EVENT_CODE) {
		while (text.length && (*text.at == ' ' || *text.at == '\t'))
			text = (struct slice){ text.at + 1, text.length - 1 };
		while (text.length && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t'))
			text.length--;
	}
	if (kind != EVENT_NOTHING)
		event->text = parse_string(parse, text);
	return event;
}

/* What packetdrill's rules ask of a packet by its direction. */
static void check_direction(struct parse *parse, const struct packet *packet, bool inbound, const struct place *place)
{
	const struct layer *tcp = packet_layer(packet, LAYER_TCP), *ip = &packet->layer[0];

	if (!inbound || parse->failed)
		return;
	if (tcp && !wire_given(tcp, WF_TCP_WIN))
		parse_error(parse, place, "win and its value", "an inbound TCP packet needs a window");
	if (tcp && tcp->options_any)
		parse_error(parse, place, "the options that it carries", "<...> is only for outbound packets");
	if (ip->kind == LAYER_IPV4 && wire_given(ip, WF_IPV4_ECN) && wire_get(ip, WF_IPV4_ECN) == WIRE_ECN_ECT01)
		parse_error(parse, place, "ect0 or ect1", "[ect01] is only for outbound packets");
}

/* Headers in front of the packet proper move its layers inwards. */
static void push_prefixes(struct parse *parse, struct packet *packet, struct prefixes prefixes, const struct place *place)
{
	unsigned count = 0;

	if (!prefixes.layers)
		return;
	if (packet->layers + prefixes.layers > PACKET_LAYERS) {
		parse_error(parse, place, "8 headers at most", "the packet has too many headers");
		return;
	}
	memmove(packet->layer + prefixes.layers, packet->layer, packet->layers * sizeof(*packet->layer));
	for (const struct prefix *prefix = prefixes.first; prefix; prefix = prefix->next)
		packet->layer[count++] = prefix->layer;
	packet->layers += prefixes.layers;
}

static bool has_late(const struct packet *packet)
{
	for (unsigned i = 0; i < packet->layers; i++)
		if (packet->layer[i].late)
			return true;
	return packet->late_length || (packet->quoted && has_late(packet->quoted));
}

struct event *event_packet(struct parse *parse, bool inbound, struct prefixes prefixes, struct body *body,
			   const struct place *place)
{
	struct event *event = event_new(parse, EVENT_PACKET);
	struct packet_spec *spec = event->packet = body->spec;

	body_frame(prefixes, body);
	ip_fields(parse, &body->packet->layer[0], body->ip);
	check_direction(parse, body->packet, inbound, &body->place);
	push_prefixes(parse, body->packet, prefixes, place);
	spec->inbound = inbound;
	spec->late = has_late(body->packet);
	spec->link = prefixes.link;
	spec->link_span = parse_span(&prefixes.link_place);
	return event;
}

/* Which bytes behind its IP header are meant: a fragment that is not the last carries a multiple of eight. */
void event_fragment(struct parse *parse, struct event *event, struct items ip, struct number from, struct number until)
{
	struct packet_spec *spec = event->packet;
	const struct layer *header = packet_layer(&spec->packet, LAYER_IPV4);

	if (!header) {
		parse_error(parse, &from.place, NULL, "only an IPv4 packet has fragments");
		return;
	}
	spec->is_fragment = true;
	spec->fragment.kind = LAYER_IPV4;
	ip_fields(parse, &spec->fragment, ip);
	if (!number_fits(parse, from, 16, "offset") || !number_fits(parse, until, 17, "end of the fragment"))
		return;
	if (from.value & 7)
		parse_error(parse, &from.place, "a multiple of 8", "a fragment cannot begin at byte %lld", (long long)from.value);
	else if (until.value < from.value && !from.unresolved && !until.unresolved)
		parse_error(parse, &until.place, "the earlier byte first", "the fragment is upside down");
	spec->from = (unsigned)from.value;
	spec->until = (unsigned)until.value;
}
