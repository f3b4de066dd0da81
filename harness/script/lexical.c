/* The values of the lexer's words: numbers, times, strings, defines. */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grammar.h"

/* A string, comment or command that never ends. */
int parse_unclosed(struct parse *parse, struct place *place, const char *what, const char *closing)
{
	parse_error(parse, place, closing, "this %s is never closed", what);
	return T_SCRIPT_YYerror;
}

/* --- #ifdef NAME, #endif ------------------------------------------------------------------------------------------------------ */
bool parse_condition_begin(struct parse *parse, struct place *place)
{
	if (parse->condition.line) {
		parse_error(parse, place, "#endif", "an #ifdef stands in another, of line %d", parse->condition.line);
		return false;
	}
	parse->condition = *place;
	return true;
}

/* "#ifdef NAME": is there such a define? */
bool parse_condition_holds(struct parse *parse, struct slice text)
{
	size_t start = text.length;

	while (start && text.at[start - 1] != ' ' && text.at[start - 1] != '\t')
		start--;
	return parse_define(parse, text.at + start, text.length - start);
}

bool parse_condition_end(struct parse *parse, struct place *place)
{
	if (!parse->condition.line) {
		parse_error(parse, place, NULL, "there is no #ifdef before this #endif");
		return false;
	}
	parse->condition.line = 0;
	return true;
}

/* At the end of a text: an #ifdef that is still open is an error. */
bool parse_condition_open(struct parse *parse)
{
	if (!parse->condition.line)
		return false;
	parse_error(parse, &parse->condition, "#endif", "this #ifdef is never closed");
	return true;
}

int parse_character(struct parse *parse, struct place *place, unsigned char character)
{
	if (character && strchr("([{", character)) {
		if (parse->depth < BRACKETS_KEPT)
			parse->open[parse->depth] = *place;
		parse->depth++;
	} else if (character && strchr(")]}", character) && parse->depth) {
		parse->depth--;
	}
	if (character && strchr("+-*/~<>()[]{},.:;=|&", character))
		return character;
	if (character > ' ' && character < 0x7f)
		parse_error(parse, place, NULL, "unexpected character '%c'", character);
	else
		parse_error(parse, place, NULL, "unexpected byte 0x%02x", character);
	return T_SCRIPT_YYerror;
}

void parse_option_named(struct parse *parse, struct slice name)
{
	parse->option = name;
}

/* Options that change how the rest of the script is read take effect at once. */
void parse_option_valued(struct parse *parse, struct slice value)
{
	const char *equals = memchr(value.at, '=', value.length);
	struct own_define *own;

	if (slice_is(parse->option, "ip_version"))
		parse->ipv6 = slice_is(value, "ipv6");
	if (!slice_is(parse->option, "define") || !equals || equals == value.at)
		return;
	own = arena_alloc(parse->arena, sizeof(*own));
	own->define.name = parse_string(parse, (struct slice){ value.at, (size_t)(equals - value.at) });
	own->define.value = parse_string(parse, (struct slice){ equals + 1, value.length - (size_t)(equals + 1 - value.at) });
	own->next = parse->own;
	parse->own = own;
}

static bool define_is(const struct define *define, const char *word, size_t length)
{
	return !strncmp(define->name, word, length) && !define->name[length];
}

/* What a define says a word is, or NULL. The command line wins over the script, the later over the earlier. */
const char *parse_define(struct parse *parse, const char *word, size_t length)
{
	for (unsigned i = parse->defines; i-- > 0;)
		if (define_is(&parse->define[i], word, length))
			return parse->define[i].value;
	for (struct own_define *own = parse->own; own; own = own->next)
		if (define_is(&own->define, word, length))
			return own->define.value;
	return NULL;
}

/* As strtol(3) reads a number of any base, with nothing after it. */
bool parse_number_define(const char *text, int64_t *value)
{
	char *end;

	if (!*text)
		return false;
	*value = strtoll(text, &end, 0);
	return !*end && *value != INT64_MAX && *value != INT64_MIN;
}

bool parse_float_define(const char *text)
{
	const char *after = text + strspn(text, "0123456789");

	return *after == '.' && after[1] && !after[1 + strspn(after + 1, "0123456789")];
}

/* INT64_MAX stands for a number too large to hold; whoever uses the value says so. */
int64_t parse_integer(struct slice digits, int base)
{
	uint64_t value = 0;
	size_t i = base == 16 ? 2 : 0;

	for (; i < digits.length; i++) {
		char c = digits.at[i];
		unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);

		if (__builtin_mul_overflow(value, (uint64_t)base, &value) || __builtin_add_overflow(value, digit, &value) ||
		    (base == 10 && value > INT64_MAX)) {
			/* Not an error yet: a long run of digits may be the bytes of a TCP option. */
			return INT64_MAX;
		}
	}
	return (int64_t)value;
}

/* Seconds with up to nine decimals, exact; finer ones are cut off. */
pl_time parse_seconds(struct parse *parse, struct slice digits, const struct place *place)
{
	int64_t whole = 0, scale = PL_NSEC_PER_SEC;
	size_t i = 0;

	for (; i < digits.length && digits.at[i] != '.'; i++) {
		whole = whole * 10 + (digits.at[i] - '0');
		if (whole > 1000000000) {
			parse_error(parse, place, "seconds, 1000000000 at most", "the time is too long");
			return 0;
		}
	}
	whole *= PL_NSEC_PER_SEC;
	for (i++; i < digits.length && scale > 1; i++) {
		scale /= 10;
		whole += (digits.at[i] - '0') * scale;
	}
	return whole;
}

void parse_string_seen(struct parse *parse, const struct place *place)
{
	if (place->end_line != place->line)
		parse->string_place = *place;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape after its backslash: how much it takes, 0 when it is wrong. */
static size_t unescape(const char *at, size_t left, char *out)
{
	static const char letters[] = "abefnrtv0\\\"", values[] = "\a\b\033\f\n\r\t\v\0\\\"";
	const char *found;

	if (!left)
		return 0;
	if (*at == 'x') {
		if (left < 3 || hex_digit(at[1]) < 0 || hex_digit(at[2]) < 0)
			return 0;
		*out = (char)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
		return 3;
	}
	found = *at ? strchr(letters, *at) : NULL;
	if (!found)
		return 0;
	*out = values[found - letters];
	return 1;
}

struct bytes parse_unescape(struct parse *parse, struct slice text, const struct place *place)
{
	struct bytes bytes = { .given = true, .place = *place };
	char *out = arena_alloc(parse->arena, text.length + 1);

	bytes.at = out;
	bytes.room = text.length + 1;
	for (size_t i = 0; i < text.length; i++) {
		size_t took;

		if (text.at[i] != '\\') {
			*out++ = text.at[i];
			continue;
		}
		took = unescape(text.at + i + 1, text.length - i - 1, out);
		if (!took) {
			struct place here = *place;

			here.end_line = here.line;
			here.column += place->end_line == place->line ? (int)i + 1 : 0;
			here.end_column = here.column + 2;
			parse_error(parse, &here, "\\\\, \\\", \\n, \\r, \\t, \\f, \\v, \\a, \\b, \\e, \\0 or \\xHH",
				    "unknown escape in the string");
			return bytes;
		}
		out++;
		i += took;
	}
	bytes.length = (size_t)(out - bytes.at);
	return bytes;
}

/* `first` is used up: the joined string grows in its memory, which doubles when it must. */
struct bytes parse_join(struct parse *parse, struct bytes first, struct bytes second)
{
	size_t length = first.length + second.length;

	if (length >= first.room) {
		char *larger = arena_alloc(parse->arena, 2 * length + 1);

		memcpy(larger, first.at, first.length);
		first.at = larger;
		first.room = 2 * length + 1;
	}
	memcpy(first.at + first.length, second.at, second.length);
	first.at[length] = '\0';
	first.length = length;
	return first;
}
