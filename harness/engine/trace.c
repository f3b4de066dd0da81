/* The record of a run. */
#include "marshal.h"

#include <string.h>

unsigned trace_add(struct run *run, enum trace_kind kind, const struct event *event, pl_time time)
{
	struct trace *trace = &run->result->trace;

	if (trace->count == trace->room) {
		struct trace_entry *old = trace->entry;

		trace->room = trace->room ? 2 * trace->room : 64;
		trace->entry = arena_alloc(run->arena, trace->room * sizeof(*old));
		if (old)
			memcpy(trace->entry, old, trace->count * sizeof(*old));
	}
	trace->entry[trace->count] = (struct trace_entry){ .kind = kind, .event = event, .time = time, .ended = time };
	return trace->count++;
}

/* Texts of calls are made when somebody will read them: a run that passes needs none. */
void trace_texts(struct run *run)
{
	struct trace *trace = &run->result->trace;

	for (unsigned i = 0; i < trace->count; i++)
		if (trace->entry[i].kind == TRACE_CALL && !trace->entry[i].text)
			trace->entry[i].text = marshal_print(trace->entry[i].call, false);
}

static void entry_print(const struct trace_entry *entry, struct arena *arena, FILE *to)
{
	fprintf(to, "%12.6f ", (double)entry->time / 1e9);
	switch (entry->kind) {
	case TRACE_PACKET_IN:
	case TRACE_PACKET_OUT:
		fputs(packet_print(entry->packet, arena, entry->kind == TRACE_PACKET_OUT), to);
		break;
	case TRACE_CALL:
		if (entry->ended > entry->time)
			fprintf(to, "...%.6f ", (double)entry->ended / 1e9);
		fputs(entry->text ? entry->text : "(a call under way)", to);
		break;
	case TRACE_COMMAND:
		fprintf(to, "`%s`", entry->text);
		break;
	case TRACE_TUNABLE:
		fputs(entry->text, to);
		break;
	case TRACE_CODE:
		fputs("%{ ... }%", to);
		break;
	}
	fputc('\n', to);
}

void trace_print_tail(const struct trace *trace, unsigned entries, FILE *to)
{
	struct arena *arena = arena_new();

	for (unsigned i = trace->count > entries ? trace->count - entries : 0; i < trace->count; i++)
		entry_print(&trace->entry[i], arena, to);
	arena_free(arena);
}
