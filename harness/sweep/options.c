/*
 * Options: every number at every level, got with every length, set with every length and value, and read back.
 *
 * Reading back looks at sixteen bytes. Getting looks behind the length that was asked for, too: nothing may be written there.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "../script/ast.h"
#include "sweep.h"

#define FILLER 0x55			/* of memory that a call may write to */
#define OPTIONS 128
#define READ_BACK 16

/* --- axes --------------------------------------------------------------------------------------------------------------- */

static unsigned level_count(const struct combination *combination)
{
	const int *levels = combination->family->levels;
	unsigned count = 0;

	while (levels[count] != -1 && (levels[count] != LEVEL_OWN || combination->socket->level >= 0))
		count++;
	return count;
}

static int level_at(const struct combination *combination, unsigned index)
{
	int level = combination->family->levels[index];

	return level == LEVEL_OWN ? combination->socket->level : level;
}

int combination_level(const struct combination *combination)
{
	return level_at(combination, combination->index[0]);
}

int combination_option(const struct combination *combination)
{
	return (int)combination->index[1];
}

static const struct {
	int level;
	const char *name, *options;	/* options: family of their symbols */
} level_names[] = {
	{ SOL_SOCKET, "SOL_SOCKET", "SO_" },	/* and IPPROTO_ICMP's number */
	{ IPPROTO_IP, "IPPROTO_IP", "IP_" },
	{ IPPROTO_TCP, "IPPROTO_TCP", "TCP_" },
	{ IPPROTO_UDP, "IPPROTO_UDP", "UDP_" },
	{ IPPROTO_UDPLITE, "IPPROTO_UDPLITE", "UDPLITE_" },
	{ SOL_RAW, "SOL_RAW", "ICMP_" },
};
#define LEVEL_NAMES (sizeof(level_names) / sizeof(level_names[0]))

void print_level(int level, struct text *text)
{
	for (size_t i = 0; i < LEVEL_NAMES; i++)
		if (level_names[i].level == level) {
			text_add(text, "%s", level_names[i].name);
			return;
		}
	text_add(text, "%d", level);
}

static void level_print(const struct combination *combination, unsigned index, struct text *text)
{
	print_level(level_at(combination, index), text);
}

static void print_option(int level, int option, struct text *text)
{
	const char *name = NULL;

	for (size_t i = 0; i < LEVEL_NAMES && !name; i++)
		if (level_names[i].level == level)
			name = symbol_name(level_names[i].options, option);
	if (!name && level == IPPROTO_IP)
		name = symbol_name("MCAST_", option);
	if (name)
		text_add(text, "%s (%d)", name, option);
	else
		text_add(text, "%d", option);
}

static unsigned option_count(const struct combination *combination)
{
	return OPTIONS;
}

static void option_print(const struct combination *combination, unsigned index, struct text *text)
{
	print_option(combination_level(combination), (int)index, text);
}

/* Lengths of setsockopt are all but the last two; those say which pointer is NULL. */
enum { LENGTH_NULL_VALUE = 9, LENGTH_NULL_LENGTH = 10 };
static const int lengths[] = { 0, 1, 2, 3, 4, 8, 16, 256, -1 };

static unsigned get_length_count(const struct combination *combination)
{
	return LENGTH_NULL_LENGTH + 1;
}

static unsigned set_length_count(const struct combination *combination)
{
	return LENGTH_NULL_VALUE;
}

static void length_print(const struct combination *combination, unsigned index, struct text *text)
{
	if (index < LENGTH_NULL_VALUE)
		text_add(text, "%d", lengths[index]);
	else
		text_add(text, "%s", index == LENGTH_NULL_VALUE ? "4-null-value" : "null");
}

static const int values[] = { 0, 1, 2, 255, 256, 65535, 65536, -1, INT_MAX, INT_MIN };
#define VALUES (sizeof(values) / sizeof(values[0]))

static unsigned value_count(const struct combination *combination)
{
	return VALUES + 1;
}

static void value_print(const struct combination *combination, unsigned index, struct text *text)
{
	if (index < VALUES)
		text_add(text, "%d", values[index]);
	else
		text_add(text, "null");
}

/* Where no byte of the value is looked at, one value stands for all; a NULL pointer is tried with each length. */
static bool set_valid(const struct combination *combination)
{
	return lengths[combination->index[2]] > 0 || combination->index[3] == 0 || combination->index[3] == VALUES;
}

static const struct sweep_axis axis_level = { "level", level_count, level_print };
static const struct sweep_axis axis_option = { "option", option_count, option_print };
static const struct sweep_axis axis_get_length = { "length", get_length_count, length_print };
static const struct sweep_axis axis_set_length = { "length", set_length_count, length_print };
static const struct sweep_axis axis_value = { "value", value_count, value_print };

/* --- probes ------------------------------------------------------------------------------------------------------------- */

/* getsockopt with so much room, recorded with its length and `looked` bytes of the memory. */
static void get(struct side *side, const char *what, int64_t fd, int level, int option, int room, size_t looked)
{
	uint8_t bytes[SWEEP_BYTES];
	socklen_t length = (socklen_t)room;
	int64_t result;

	memset(bytes, FILLER, sizeof(bytes));
	result = SIDE_CALL(side, getsockopt, fd, level, option, PL_PTR(bytes + sizeof(length)), PL_PTR(&length));
	memcpy(bytes, &length, sizeof(length));
	side_record(side, what, result, bytes, sizeof(length) + looked);
}

static void run_get(struct side *side, const struct combination *combination, int64_t fd)
{
	int level = combination_level(combination), option = combination_option(combination);
	unsigned which = combination->index[2];
	uint8_t bytes[16] = { 0 };
	socklen_t length = 4;

	if (which == LENGTH_NULL_VALUE)
		side_record(side, "getsockopt", SIDE_CALL(side, getsockopt, fd, level, option, 0, PL_PTR(&length)), &length,
			    sizeof(length));
	else if (which == LENGTH_NULL_LENGTH)
		side_record(side, "getsockopt", SIDE_CALL(side, getsockopt, fd, level, option, PL_PTR(bytes), 0), bytes,
			    sizeof(bytes));
	else
		get(side, "getsockopt", fd, level, option, lengths[which], lengths[which] > 16 ? SWEEP_BYTES - 4 : 24);
}

static void run_set(struct side *side, const struct combination *combination, int64_t fd)
{
	int level = combination_level(combination), option = combination_option(combination);
	uint8_t bytes[SWEEP_BYTES] = { 0 };
	bool null = combination->index[3] == VALUES;

	if (!null)
		memcpy(bytes, &values[combination->index[3]], sizeof(values[0]));
	side_record(side, "setsockopt",
		    SIDE_CALL(side, setsockopt, fd, level, option, null ? 0 : PL_PTR(bytes), lengths[combination->index[2]]), NULL, 0);
	get(side, "then getsockopt", fd, level, option, READ_BACK, READ_BACK);
}

const struct sweep_probe probe_getsockopt = {
	.name = "getsockopt",
	.axis = { &axis_level, &axis_option, &axis_get_length },
	.groups = 2,
	.run = run_get,
};
const struct sweep_probe probe_setsockopt = {
	.name = "setsockopt",
	.axis = { &axis_level, &axis_option, &axis_set_length, &axis_value },
	.groups = 2,
	.valid = set_valid,
	.run = run_set,
};

/* --- levels that are nobody's ------------------------------------------------------------------------------------------- */

#define LEVELS 300

static unsigned any_level_count(const struct combination *combination)
{
	return LEVELS + 1;
}

static void any_level_print(const struct combination *combination, unsigned index, struct text *text)
{
	print_level(index == LEVELS ? -1 : (int)index, text);
}

static unsigned few_options_count(const struct combination *combination)
{
	return 3;
}

static const int few_options[] = { 1, 63, 127 };

static void few_options_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%d", few_options[index]);
}

static void run_levels(struct side *side, const struct combination *combination, int64_t fd)
{
	int level = combination->index[0] == LEVELS ? -1 : (int)combination->index[0], one = 1;
	int option = few_options[combination->index[1]];

	get(side, "getsockopt", fd, level, option, 4, 16);
	side_record(side, "setsockopt", SIDE_CALL(side, setsockopt, fd, level, option, PL_PTR(&one), sizeof(one)), NULL, 0);
}

static const struct sweep_axis axis_any_level = { "level", any_level_count, any_level_print };
static const struct sweep_axis axis_few_options = { "option", few_options_count, few_options_print };

const struct sweep_probe probe_levels = {
	.name = "levels",
	.axis = { &axis_any_level, &axis_few_options },
	.groups = 1,
	.run = run_levels,
};
