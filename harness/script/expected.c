/*
 * What could have stood where the parser stopped, in a reader's words.
 *
 * The grammar knows its own words only: after "listen(" a value may come, which it calls a number, a hexadecimal number, a
 * word, a string, '(', '[', '{' and so on. Such sets have one name here.
 */
#include "parse.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MOST 16

/* A row applies when all of `all` are possible; it then stands for them and for `also`. Rows are tried in order. */
static const struct group {
	const char *name;
	const char *all[WORDS_MOST], *also[WORDS_MOST];
} groups[] = {
	{ "a packet",
	  { "udp", "icmp", "raw", "a number" },
	  { "igmp", "udplite", "arp", "encap", "a word", "a decimal number", "'-'", "'.'", "a hexadecimal number" } },
	/* Words of the grammar that may also be names add nothing to "a word". */
	{ "a word", { "a word", "ipv4", "for" }, { "a header field", "gre", "mpls", "encap", "icmp", "udp", "raw", "ipv6" } },
	{ "a word", { "a word" }, { "udplite", "igmp", "arp", "eth", "fragment", "of", "repeat", "include", "flags", "label", "expect", "nothing" } },
	{ "a packet, a call, a command or Python code",
	  { "'<'", "'>'", "a command in backticks", "Python code" },
	  { "a word", "...", "expect" } },
	{ "an operator", { "'|'", "'&'", "<<", ">>", "'+'", "'-'", "'*'", "'/'" }, { 0 } },
	{ "the next event's time", { "'+'", "'*'", "a number", "a decimal number" }, { "'-'" } },
	{ "a value",
	  { "...", "a number", "a hexadecimal number", "a string", "'('", "'['", "'{'" },
	  { "'-'", "a word", "a decimal number" } },
	{ "a number", { "a number", "a hexadecimal number", "a word", "'-'" }, { "'('" } },
	{ "a number", { "a number", "a hexadecimal number", "a word" }, { 0 } },
	{ "seconds", { "a number", "a decimal number" }, { "'-'" } },
	{ "part of a note",
	  { "'|'", "'/'", "','", "'.'" },
	  { "'-'", "':'", "';'", "a number", "a hexadecimal number", "a decimal number", "a word" } },
};

static unsigned find(const char *const *names, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (names[i] && !strcmp(names[i], name))
			return i;
	return count;
}

static bool applies(const struct group *group, const char *const *names, unsigned count)
{
	for (unsigned i = 0; i < WORDS_MOST && group->all[i]; i++)
		if (find(names, count, group->all[i]) == count)
			return false;
	return true;
}

static void take_away(const char *const *words, const char **names, unsigned count)
{
	for (unsigned i = 0; i < WORDS_MOST && words[i]; i++) {
		unsigned at = find(names, count, words[i]);

		if (at < count)
			names[at] = NULL;
	}
}

/* The group's name goes where its first word was. */
static void replace(const struct group *group, const char **names, unsigned count)
{
	unsigned at = find(names, count, group->all[0]);

	take_away(group->all, names, count);
	take_away(group->also, names, count);
	names[at] = group->name;
}

/* The names as a list with commas and "or", in the parse's arena; NULL when they are too many to help. */
const char *expected_list(struct parse *parse, const char **names, unsigned count)
{
	unsigned left = 0, said = 0;
	char *list = NULL;

	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (applies(&groups[i], names, count))
			replace(&groups[i], names, count);
	for (unsigned i = 0; i < count; i++)
		left += names[i] != NULL;
	if (!left || left > 9)
		return NULL;
	for (unsigned i = 0; i < count; i++) {
		if (!names[i])
			continue;
		said++;
		list = arena_printf(parse->arena, "%s%s%s", list ? list : "",
				    said == 1      ? ""
				    : said == left ? " or "
						   : ", ",
				    names[i]);
	}
	return list;
}
