/*
 * The script language, on bytes from anywhere: a script is parsed or refused with a message that has its place in the text;
 * what parses can be checked, printed, and its packets encoded, compared and printed without failing.
 *
 * The first byte chooses the defines that the command line would give.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/arena.h"
#include "harness/script/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void span_check(const struct source_span *span, const char *text, size_t length)
{
	int lines = 1;

	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	if (span->line < 1 || span->column < 1 || span->line > lines || span->end_line > lines || span->end_line < span->line ||
	    (span->end_line == span->line && span->end_column < span->column))
		abort();
}

/* Every node is there and has its parts. */
static size_t expr_walk(const struct expr *expr)
{
	size_t count = 1;

	if (expr->kind == EXPR_STRING && expr->length)
		count += (unsigned char)expr->bytes[expr->length - 1];
	if (expr->kind == EXPR_WORD || expr->kind == EXPR_CALL || expr->kind == EXPR_ASSIGN)
		count += strlen(expr->word);
	for (unsigned i = 0; i < expr->members; i++) {
		if (expr->member[i].argument)
			count += expr_walk(expr->member[i].argument);
		count += expr_walk(expr->member[i].value);
	}
	return count;
}

static void packet_use(const struct packet_spec *spec, struct arena *arena)
{
	struct packet_rules rules = { 0 };
	struct packet_difference difference[2];
	struct packet *copy = packet_clone(&spec->packet, arena);
	const char *error;
	size_t length;

	packet_print(&spec->packet, arena, !spec->inbound);
	packet_encode(&spec->packet, arena, &length, &error);
	packet_differ(&spec->packet, copy, &rules, arena, difference, 2);
	packet_project(copy, &spec->packet, arena);
}

static void script_use(const struct script *script)
{
	struct arena *arena = arena_new();
	size_t nodes = 0;

	for (const struct event *event = script->events; event; event = event->next) {
		if (!event->span.file)
			span_check(&event->span, script->text, script->length);
		if (event->kind == EVENT_PACKET)
			packet_use(event->packet, arena);
		if (event->kind != EVENT_CALL)
			continue;
		for (unsigned i = 0; i < event->call->arguments; i++)
			nodes += expr_walk(event->call->argument[i]);
		nodes += expr_walk(event->call->result);
	}
	/* Blocks that are said several times become a million words at most. */
	if (nodes > 4000000 + 1000 * (script->length + 1))
		abort();
	arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct define defines[] = { { "A", "5" },  { "B", "\"text\"" }, { "C", "`command`" }, { "D", "SOL_IP" },
						 { "E", "0x" }, { "F", ".5" },       { "G", "" },          { "H", "\"" } };
	struct diagnostics diagnostics = { 0 };
	const char *text = (const char *)data + 1;
	struct script *script;
	FILE *nowhere;

	if (!size)
		return 0;
	size--;
	script = script_parse("fuzz.pkt", text, size, defines, data[0] % 9, &diagnostics);
	if (!script && !diagnostics.count)
		abort();
	if (script) {
		script_use(script);
		script_check(script, &diagnostics);
		script_check_undefined(script, &diagnostics);
	}
	for (unsigned i = 0; i < diagnostics.count; i++)
		if (!diagnostics.item[i].span.file)
			span_check(&diagnostics.item[i].span, text, size);
	nowhere = fopen("/dev/null", "w");
	if (nowhere) {
		diagnostics_print(&diagnostics, script, NULL, text, size, data[0] & 1, nowhere);
		fclose(nowhere);
	}
	diagnostics_free(&diagnostics);
	script_free(script);
	return 0;
}
