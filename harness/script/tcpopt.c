/*
 * TCP options: one row each, from words to what stands in the header.
 *
 * The grammar only sees words, numbers and a:b pairs; each row's reader takes those that belong to its option.
 */
#include "parse.h"

#include <stdio.h>
#include <string.h>

#define TCP_OPTIONS_LONGEST 40 /* the data offset counts 60 bytes at most, 20 of them fixed */

/* clang-format off */
enum {
	KIND_EOL = 0, KIND_NOP = 1, KIND_MSS = 2, KIND_WSCALE = 3, KIND_SACK_PERMITTED = 4, KIND_SACK = 5, KIND_TIMESTAMP = 8,
	KIND_MD5 = 19, KIND_FASTOPEN = 34, KIND_ACCECN0 = 172, KIND_ACCECN1 = 174, KIND_EXPERIMENT = 254
};
/* clang-format on */

struct reader {
	struct parse *parse;
	struct wire_option *option;
	const struct atom *atom; /* what is still to be read */
	const char *form;        /* how the option is written */
	struct place place;
	bool failed;
};

struct atoms atoms_add(struct atoms atoms, struct atom *atom)
{
	if (atoms.last)
		atoms.last->next = atom;
	else
		atoms.first = atom;
	atoms.last = atom;
	return atoms;
}

struct atom *atom_word(struct parse *parse, struct slice text, const struct place *place)
{
	struct atom *atom = arena_alloc(parse->arena, sizeof(*atom));

	atom->kind = ATOM_WORD;
	atom->text = text;
	atom->place = *place;
	return atom;
}

struct atom *atom_number(struct parse *parse, struct number number, struct slice text, const struct place *place)
{
	struct atom *atom = atom_word(parse, text, place);

	atom->kind = ATOM_NUMBER;
	atom->number = number;
	return atom;
}

struct atom *atom_block(struct parse *parse, struct number from, struct number until, const struct place *place)
{
	struct atom *atom = atom_word(parse, (struct slice){ "", 0 }, place);

	atom->kind = ATOM_BLOCK;
	atom->number = from;
	atom->until = until;
	return atom;
}

struct tcp_options tcp_options_add(struct parse *parse, struct tcp_options options, struct atoms atoms,
				   const struct place *place)
{
	struct tcp_option_text *option = arena_alloc(parse->arena, sizeof(*option));

	option->atom = atoms.first;
	option->place = *place;
	if (options.last)
		options.last->next = option;
	else
		options.first = option;
	options.last = option;
	options.given = true;
	return options;
}

static void wrong(struct reader *reader)
{
	const struct place *place = reader->atom ? &reader->atom->place : &reader->place;

	if (!reader->failed)
		parse_error(reader->parse, place, reader->form, "this is not how the TCP option is written");
	reader->failed = true;
}

/* The next number, which must fit so many bits. */
static uint32_t take_number(struct reader *reader, unsigned bits, const char *what)
{
	const struct atom *atom = reader->atom;
	struct number number;

	if (!atom || atom->kind == ATOM_BLOCK) {
		wrong(reader);
		return 0;
	}
	number = atom->kind == ATOM_WORD ? parse_word_number(reader->parse, atom->text, &atom->place) : atom->number;
	reader->atom = atom->next;
	if (number.unresolved && !number.late)
		reader->option->any_value = true;
	else if (!number_fits(reader->parse, number, bits, what))
		reader->failed = true;
	return (uint32_t)number.value;
}

static bool take_word(struct reader *reader, const char *word)
{
	if (!reader->atom || reader->atom->kind != ATOM_WORD || !slice_is(reader->atom->text, word))
		return false;
	reader->atom = reader->atom->next;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes in hexadecimal, if there are any: "abcd1234". A word in capitals that is none is a define to come. */
static void take_bytes(struct reader *reader, unsigned most, const char *what)
{
	const struct atom *atom = reader->atom;
	struct wire_option *option = reader->option;
	size_t count = 0;

	if (!atom)
		return;
	reader->atom = atom->next;
	if (atom->kind == ATOM_BLOCK)
		return wrong(reader);
	while (count < atom->text.length && hex_digit(atom->text.at[count]) >= 0)
		count++;
	if (count < atom->text.length) {
		option->any_value = true;
		parse_undefined(reader->parse, atom->text, &atom->place);
		return;
	}
	if (count & 1 || count / 2 > most) {
		parse_error(reader->parse, &atom->place,
			    arena_printf(reader->parse->arena, "pairs of hexadecimal digits, %u bytes at most", most),
			    count & 1 ? "the %s has an odd number of digits" : "the %s is too long", what);
		reader->failed = true;
		return;
	}
	for (size_t i = 0; i < count; i += 2)
		option->blob.bytes[i / 2] = (uint8_t)(hex_digit(atom->text.at[i]) << 4 | hex_digit(atom->text.at[i + 1]));
	option->blob.length = (uint8_t)(count / 2);
}

static void read_eol(struct reader *reader)
{
	reader->option->length = 1;
}

static void read_mss(struct reader *reader)
{
	reader->option->length = 4;
	reader->option->mss = (uint16_t)take_number(reader, 16, "mss");
}

static void read_wscale(struct reader *reader)
{
	reader->option->length = 3;
	reader->option->wscale = (uint8_t)take_number(reader, 8, "window scale");
}

static void read_sack_permitted(struct reader *reader)
{
	reader->option->length = 2;
}

static void read_sack(struct reader *reader)
{
	struct wire_option *option = reader->option;

	for (; reader->atom && reader->atom->kind == ATOM_BLOCK; reader->atom = reader->atom->next) {
		const struct atom *atom = reader->atom;

		if (option->sack.count == 4) {
			parse_error(reader->parse, &atom->place, "4 blocks at most", "too many blocks in the sack option");
			reader->failed = true;
			return;
		}
		if (atom->number.unresolved || atom->until.unresolved)
			option->any_value = true;
		else if (!number_fits(reader->parse, atom->number, 32, "left edge") ||
			 !number_fits(reader->parse, atom->until, 32, "right edge"))
			reader->failed = true;
		option->sack.block[option->sack.count].start = (uint32_t)atom->number.value;
		option->sack.block[option->sack.count++].end = (uint32_t)atom->until.value;
	}
	if (!option->sack.count)
		wrong(reader);
	option->length = (uint8_t)(2 + 8 * option->sack.count);
}

static void read_timestamp(struct reader *reader)
{
	struct wire_option *option = reader->option;

	option->length = 10;
	if (!take_word(reader, "val"))
		return wrong(reader);
	option->timestamp.val = take_number(reader, 32, "timestamp value");
	if (!take_word(reader, "ecr"))
		return wrong(reader);
	option->timestamp.ecr = take_number(reader, 32, "timestamp echo");
}

static void read_md5(struct reader *reader)
{
	if (!reader->atom)
		return wrong(reader);
	take_bytes(reader, 16, "MD5 digest");
	reader->option->length = (uint8_t)(2 + reader->option->blob.length);
}

static void read_fast_open(struct reader *reader)
{
	take_bytes(reader, 38, "cookie");
	reader->option->length = (uint8_t)(2 + reader->option->blob.length);
}

static void read_fast_open_experimental(struct reader *reader)
{
	take_bytes(reader, 36, "cookie");
	reader->option->blob.experimental = true;
	reader->option->length = (uint8_t)(4 + reader->option->blob.length);
}

/*
 * AccECN byte counts: e0b, ceb, e1b in this order (kind 172) or e1b, ceb, e0b (kind 174), cut off anywhere after the first.
 * draft-ietf-tcpm-accurate-ecn section 3.2.3.
 */
static void read_accecn(struct reader *reader)
{
	static const char *const names[] = { "e0b", "e1b", "ceb" };
	static const uint8_t orders[2][3] = { { 0, 2, 1 }, { 1, 2, 0 } };
	struct wire_option *option = reader->option;
	const uint8_t *order = orders[0];

	if (take_word(reader, "e1b")) {
		option->kind = KIND_ACCECN1;
		order = orders[1];
	} else if (!take_word(reader, "e0b")) {
		return wrong(reader);
	}
	do {
		option->accecn.order[option->accecn.count] = order[option->accecn.count];
		option->accecn.value[option->accecn.count] = take_number(reader, 24, "AccECN counter");
		option->accecn.count++;
	} while (!reader->failed && option->accecn.count < 3 && take_word(reader, names[order[option->accecn.count]]));
	option->length = (uint8_t)(2 + 3 * option->accecn.count);
}

static const struct tcp_option_row {
	const char *name;
	uint8_t kind;
	void (*read)(struct reader *reader);
	const char *form;
} rows[] = {
	{ "eol", KIND_EOL, read_eol, "eol" },
	{ "nop", KIND_NOP, read_eol, "nop" },
	{ "mss", KIND_MSS, read_mss, "mss N" },
	{ "wscale", KIND_WSCALE, read_wscale, "wscale N" },
	{ "sackOK", KIND_SACK_PERMITTED, read_sack_permitted, "sackOK" },
	{ "sack", KIND_SACK, read_sack, "sack FROM:TO FROM:TO ..." },
	{ "TS", KIND_TIMESTAMP, read_timestamp, "TS val N ecr N" },
	{ "md5", KIND_MD5, read_md5, "md5 and hexadecimal digits" },
	{ "FO", KIND_FASTOPEN, read_fast_open, "FO, or FO and hexadecimal digits" },
	{ "FOEXP", KIND_EXPERIMENT, read_fast_open_experimental, "FOEXP, or FOEXP and hexadecimal digits" },
	{ "ECN", KIND_ACCECN0, read_accecn, "ECN e0b N ceb N e1b N, or ECN e1b N ceb N e0b N, the last ones may be missing" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct tcp_option_row *row_find(struct slice name)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (slice_is(name, rows[i].name))
			return &rows[i];
	return NULL;
}

static bool option_read(struct parse *parse, struct wire_option *option, const struct tcp_option_text *text)
{
	const struct tcp_option_row *row = row_find(text->atom->text);
	struct reader reader = { .parse = parse, .option = option, .atom = text->atom->next, .place = text->place };

	if (!row) {
		parse_error(parse, &text->atom->place, "eol, nop, mss, wscale, sackOK, sack, TS, md5, FO, FOEXP, ECN",
			    "unknown TCP option '%.*s'", (int)text->atom->text.length, text->atom->text.at);
		return false;
	}
	option->kind = row->kind;
	reader.form = row->form;
	row->read(&reader);
	if (!reader.failed && reader.atom)
		wrong(&reader);
	return !reader.failed;
}

static void check_length(struct parse *parse, const struct layer *layer, const struct place *place)
{
	unsigned length = 0;

	for (unsigned i = 0; i < layer->options; i++) {
		if (layer->option[i].any_value)
			return; /* its length is not known either */
		length += layer->option[i].length;
	}
	if (length > TCP_OPTIONS_LONGEST)
		parse_error(parse, place, "40 bytes at most", "the TCP options take %u bytes", length);
	else if (length & 3)
		parse_error(parse, place, "nop or eol up to a multiple of 4",
			    "the TCP options take %u bytes, not a multiple of 4", length);
}

/* A packet always says what options it has: without any written, it has none. */
void tcp_options_set(struct parse *parse, struct layer *layer, struct tcp_options options)
{
	unsigned count = 0;
	bool right = true;

	layer->options_given = !options.any;
	layer->options_any = options.any;
	for (const struct tcp_option_text *text = options.first; text; text = text->next)
		count++;
	if (!count)
		return;
	layer->option = arena_alloc(parse->arena, count * sizeof(*layer->option));
	for (const struct tcp_option_text *text = options.first; text; text = text->next)
		right &= option_read(parse, &layer->option[layer->options++], text);
	if (right)
		check_length(parse, layer, &options.place);
}
