/* Tables of a script: rows of cells, of which the wanted case's gives the columns' names their meaning. */
#include <string.h>

#include "parse.h"
#include "tokens.h"

#define COLUMNS_MOST 64

struct cell {
	struct slice text;
	struct place place;
};

static struct slice trim(struct slice text)
{
	while (text.length && (*text.at == ' ' || *text.at == '\t'))
		text = (struct slice){ text.at + 1, text.length - 1 };
	while (text.length && strchr(" \t\r\n", text.at[text.length - 1]))
		text.length--;
	return text;
}

static struct cell cell_make(struct slice line, const struct place *at, size_t begin, size_t end)
{
	struct slice text = trim((struct slice){ line.at + begin, end - begin });
	struct cell cell = { .text = text, .place = *at };

	cell.place.column = at->column + (int)(text.at - line.at);
	cell.place.begin = at->begin + (unsigned)(text.at - line.at);
	cell.place.end_line = cell.place.line;
	cell.place.end_column = cell.place.column + (int)text.length;
	cell.place.end = cell.place.begin + (unsigned)text.length;
	return cell;
}

/* A row's cells: '|' parts them, but for one inside quotes or brackets. Their number; a comment ends the row. */
static unsigned row_cells(struct slice line, const struct place *at, struct cell *cell)
{
	size_t begin = 0, i;
	unsigned count = 0, depth = 0;
	char quote = 0;

	for (i = 0; i < line.length && count < COLUMNS_MOST - 1; i++) {
		char c = line.at[i];

		if (quote) {
			i += c == '\\';
			quote = c == quote ? 0 : quote;
		} else if (c == '"' || c == '`') {
			quote = c;
		} else if (c == '/' && i + 1 < line.length && line.at[i + 1] == '/') {
			break;
		} else if (strchr("([{", c) && c) {
			depth++;
		} else if (strchr(")]}", c) && c) {
			depth -= depth > 0;
		} else if (c == '|' && !depth) {
			cell[count++] = cell_make(line, at, begin, i);
			begin = i + 1;
		}
	}
	if (i > line.length)
		i = line.length;
	cell[count++] = cell_make(line, at, begin, i);
	return count == 1 && !cell[0].text.length ? 0 : count;
}

static bool is_row_name(struct slice text)
{
	for (size_t i = 0; i < text.length; i++)
		if (text.at[i] <= ' ' || strchr("/[],\"`", text.at[i]))
			return false;
	return text.length;
}

bool slice_ends_table(struct slice line)
{
	return slice_is(trim(line), "}");
}

/* The part of the wanted case's name that speaks of table number `table`; length 0: none does. */
static struct slice case_part(const struct parse *parse, unsigned table)
{
	const char *at = parse->wanted_case;
	size_t length;

	for (; at && table; table--) {
		at = strchr(at, ',');
		at += at != NULL;
	}
	length = at ? strcspn(at, ",") : 0;
	return (struct slice){ length ? at : "", length };
}

struct table {
	struct parse *parse;
	struct cell column[COLUMNS_MOST];
	unsigned columns, named_by;	/* the column called "case"; COLUMNS_MOST: none */
	const char **name;
	unsigned rows;
	bool chosen;
};

static void bind_row(struct table *table, const struct cell *cell)
{
	struct parse *parse = table->parse;

	for (unsigned i = 0; i < table->columns; i++) {
		struct binding *binding = arena_alloc(parse->arena, sizeof(*binding));

		*binding = (struct binding){ parse->bindings, table->column[i].text,
					     tokens_of_text(parse, cell[i].text, &cell[i].place).first, slice_path(cell[i].text) };
		parse->bindings = binding;
	}
	table->chosen = true;
}

static bool take_header(struct table *table, const struct cell *cell, unsigned count)
{
	table->named_by = COLUMNS_MOST;
	for (unsigned i = 0; i < count; i++) {
		for (size_t j = 0; j < cell[i].text.length; j++) {
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", cell[i].text.at[j]))
				goto wrong;
		}
		if (!cell[i].text.length)
			goto wrong;
		if (slice_is(cell[i].text, "case"))
			table->named_by = i;
		table->column[i] = cell[i];
		continue;
wrong:
		parse_error(table->parse, &cell[i].place, "a word", "this cannot be the name of a column");
		return false;
	}
	table->columns = count;
	return true;
}

static bool take_row(struct table *table, const struct cell *cell, unsigned count)
{
	struct parse *parse = table->parse;
	struct slice part = case_part(parse, parse->script->tables);
	const struct cell *name = table->named_by < count ? &cell[table->named_by] : NULL;
	const char **old = table->name;

	if (count != table->columns) {
		parse_error(parse, &cell[0].place, arena_printf(parse->arena, "%u cells, parted by |", table->columns),
			    "this row has %u cell%s", count, count == 1 ? "" : "s");
		return false;
	}
	if (name && !is_row_name(name->text)) {
		parse_error(parse, &name->place, "characters other than blanks / [ ] , and quotes", "this cannot be the name of a row");
		return false;
	}
	if (!(table->rows & (table->rows + 1))) {
		table->name = arena_alloc(parse->arena, 2 * ((size_t)table->rows + 1) * sizeof(*old));
		if (old)
			memcpy(table->name, old, table->rows * sizeof(*old));
	}
	table->name[table->rows] = name ? parse_string(parse, name->text) : arena_printf(parse->arena, "%u", table->rows + 1);
	for (unsigned i = 0; name && i < table->rows; i++) {
		if (!strcmp(table->name[i], table->name[table->rows])) {
			parse_error(parse, &name->place, NULL, "there are two rows '%s'", table->name[i]);
			return false;
		}
	}
	if (part.length ? slice_is(part, table->name[table->rows]) : !parse->wanted_case && !table->rows)
		bind_row(table, cell);
	table->rows++;
	return true;
}

static void table_end(struct table *table, const struct place *place)
{
	struct parse *parse = table->parse;
	struct script *script = parse->script;
	struct slice part = case_part(parse, script->tables);
	struct script_table *old = script->table;

	if (!table->rows) {
		parse_error(parse, place, "a row of names, and rows of values", "this table has no rows");
		return;
	}
	if (!table->chosen)
		parse_error(parse, place, NULL, "the table has no row '%.*s'", (int)part.length, part.at);
	script->table = arena_alloc(parse->arena, (script->tables + 1) * sizeof(*old));
	if (old)
		memcpy(script->table, old, script->tables * sizeof(*old));
	script->table[script->tables++] = (struct script_table){ table->name, table->rows };
}

bool table_read(struct parse *parse, void *scanner, const struct token *word)
{
	struct table table = { .parse = parse };

	for (;;) {
		struct token token = token_raw_next(parse, scanner);
		struct cell cell[COLUMNS_MOST];
		unsigned count;

		if (token.kind == T_TABLE_END)
			break;
		if (token.kind != T_ROW) {
			parse_error(parse, &word->place, "table {, rows on lines of their own, and } on a line of its own",
				    "this table is never closed");
			return false;
		}
		count = row_cells(token.value.text, &token.place, cell);
		if (count && !(table.columns ? take_row(&table, cell, count) : take_header(&table, cell, count)))
			return false;
	}
	table_end(&table, &word->place);
	return !parse->failed;
}
