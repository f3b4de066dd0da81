/* Messages about scripts: kept in the order in which they were found, shown with the line and the place underlined. */
#include "ast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_LINE 200     /* of a source line, as shown */

static void *must(void *memory)
{
	if (!memory) {
		fputs("plumbline: out of memory\n", stderr);
		abort();
	}
	return memory;
}

/* The last that is kept says that others are not. */
void diagnostics_add(struct diagnostics *diagnostics, enum diagnostic_level level, const struct source_span *span,
		     const char *expected, const char *format, va_list arguments)
{
	struct diagnostic *item;

	if (!diagnostics || diagnostics->count >= DIAGNOSTICS_MOST)
		return;
	diagnostics->item = must(realloc(diagnostics->item, (diagnostics->count + 1) * sizeof(*diagnostics->item)));
	item = &diagnostics->item[diagnostics->count++];
	*item = (struct diagnostic){ .level = level, .span = *span };
	/* The script, which holds the names of its files, may be gone before its diagnostics are. */
	item->file = span->file ? must(strdup(span->file)) : NULL;
	item->span.file = item->file;
	if (diagnostics->count == DIAGNOSTICS_MOST) {
		item->message = must(strdup("there is more of this kind; the rest is left out"));
		return;
	}
	if (vasprintf(&item->message, format, arguments) < 0)
		item->message = must(NULL);
	item->expected = expected ? must(strdup(expected)) : NULL;
}

void diagnostics_free(struct diagnostics *diagnostics)
{
	for (unsigned i = 0; i < diagnostics->count; i++) {
		free(diagnostics->item[i].message);
		free(diagnostics->item[i].expected);
		free(diagnostics->item[i].file);
	}
	free(diagnostics->item);
	*diagnostics = (struct diagnostics){ 0 };
}

/* The text of a line, counted from 1; its length in *line_length. NULL: there is no such line. */
static const char *line_find(const char *text, size_t length, int line, size_t *line_length)
{
	const char *end = text + length, *newline;

	for (int i = 1; i < line; i++) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			return NULL;
		text = newline + 1;
	}
	newline = memchr(text, '\n', (size_t)(end - text));
	*line_length = (size_t)((newline ? newline : end) - text);
	if (*line_length && text[*line_length - 1] == '\r')
		--*line_length;
	return text;
}

/* The source line, then a line of blanks (tabs where it has tabs, so that the columns match) and ^~~~ below the place. */
static void underline(const struct source_span *span, const char *text, size_t length, bool colour, FILE *to)
{
	size_t line_length, begin = (size_t)(span->column > 0 ? span->column - 1 : 0), end;
	const char *line = span->line > 0 && text ? line_find(text, length, span->line, &line_length) : NULL;

	if (!line)
		return;
	if (line_length > LONGEST_LINE)
		line_length = LONGEST_LINE;
	end = span->end_line > span->line ? line_length : (size_t)(span->end_column > 0 ? span->end_column - 1 : 0);
	fputs("  ", to);
	for (size_t i = 0; i < line_length; i++) {
		unsigned char c = (unsigned char)line[i];

		fputc((c < ' ' && c != '\t') || c == 0x7f ? '?' : c, to);
	}
	fputs("\n  ", to);
	if (begin > line_length) {
		fputc('\n', to);
		return;
	}
	for (size_t i = 0; i < begin; i++)
		fputc(line[i] == '\t' ? '\t' : ' ', to);
	fputs(colour ? "\033[1;32m^" : "^", to);
	for (size_t i = begin + 1; i < end && i < line_length; i++)
		fputc('~', to);
	fputs(colour ? "\033[0m\n" : "\n", to);
}

/* In an included file, which is read again for it. */
static void underline_file(const struct source_span *span, bool colour, FILE *to)
{
	size_t length;
	char *text = script_read_file(span->file, &length);

	if (text)
		underline(span, text, length, colour, to);
	free(text);
}

void diagnostics_print(const struct diagnostics *diagnostics, const struct script *script, const char *path, const char *text,
		       size_t length, bool colour, void *stream)
{
	static const char *const levels[] = { [DIAGNOSTIC_ERROR] = "error", [DIAGNOSTIC_NOTE] = "note" };
	static const char *const colours[] = { [DIAGNOSTIC_ERROR] = "\033[1;31m", [DIAGNOSTIC_NOTE] = "\033[1;36m" };
	FILE *to = stream;

	if (script && !text) {
		text = script->text;
		length = script->length;
	}
	for (unsigned i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *item = &diagnostics->item[i];
		const char *file = item->span.file          ? item->span.file
				   : path                   ? path
				   : script && script->path ? script->path
							    : "script";

		if (item->span.line)
			fprintf(to, "%s:%d:%d: ", file, item->span.line, item->span.column);
		else
			fprintf(to, "%s: ", file);
		fprintf(to, "%s%s:%s %s\n", colour ? colours[item->level] : "", levels[item->level], colour ? "\033[0m" : "",
			item->message);
		if (item->span.file)
			underline_file(&item->span, colour, to);
		else
			underline(&item->span, text, length, colour, to);
		if (item->expected)
			fprintf(to, "  expected: %s\n", item->expected);
	}
}
