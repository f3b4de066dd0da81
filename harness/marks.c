/*
 * Words are what stands between spaces; options of a header, in one pair of brackets, are words each. The two lines are aligned
 * by their longest common subsequence of words, and what is not in it is marked.
 */
#include "marks.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "arena.h"

#define WORDS 160		/* lines with more are not marked */

struct words {
	const char *line;
	size_t length;
	struct word {
		size_t at, length;
		bool time, common;
	} word[WORDS];
	unsigned count;
};

static bool separates(char byte)
{
	return byte == ' ' || byte == ',';
}

/* "12.345678" */
static bool is_time(const char *text, size_t length)
{
	size_t digits = 0;

	while (digits < length && isdigit((unsigned char)text[digits]))
		digits++;
	if (!digits || length - digits != 7 || text[digits] != '.')
		return false;
	for (size_t i = digits + 1; i < length; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	return true;
}

/* False: there are too many. The first word names the side and is left out. */
static bool split(const char *line, size_t length, struct words *words)
{
	size_t at = strcspn(line, " "), end;

	*words = (struct words){ .line = line, .length = length };
	for (; at < length; at = end) {
		while (at < length && separates(line[at]))
			at++;
		for (end = at; end < length && !separates(line[end]);)
			end++;
		if (end == at)
			continue;
		if (words->count == WORDS)
			return false;
		words->word[words->count++] = (struct word){ .at = at, .length = end - at, .time = is_time(line + at, end - at) };
	}
	return true;
}

static bool same(const struct words *a, unsigned i, const struct words *b, unsigned j)
{
	return a->word[i].length == b->word[j].length &&
	       !memcmp(a->line + a->word[i].at, b->line + b->word[j].at, a->word[i].length);
}

/* Which words both have, in one order. */
static void align(struct words *a, struct words *b)
{
	unsigned char longest[WORDS + 1][WORDS + 1];
	unsigned i, j;

	memset(longest, 0, sizeof(longest));
	for (i = a->count; i-- > 0;)
		for (j = b->count; j-- > 0;) {
			unsigned char skip = longest[i + 1][j] > longest[i][j + 1] ? longest[i + 1][j] : longest[i][j + 1];

			longest[i][j] = same(a, i, b, j) ? longest[i + 1][j + 1] + 1 : skip;
		}
	for (i = j = 0; i < a->count && j < b->count;) {
		if (same(a, i, b, j))
			a->word[i++].common = b->word[j++].common = true;
		else if (longest[i + 1][j] >= longest[i][j + 1])
			i++;
		else
			j++;
	}
}

static bool differs(const struct words *words, bool times)
{
	for (unsigned i = 0; i < words->count; i++)
		if (!words->word[i].common && words->word[i].time == times)
			return true;
	return false;
}

/* Under the word of b before which a's i-th word is missing; behind the line when there is none. */
static void mark_missing(const struct words *a, unsigned i, const struct words *b, char *marks)
{
	unsigned common = 0, j = 0;

	for (unsigned k = 0; k < i; k++)
		common += a->word[k].common;
	/* A word in its place is marked already. */
	for (; j < b->count && common; j++)
		common -= b->word[j].common;
	if (j < b->count && !b->word[j].common)
		return;
	marks[j < b->count ? b->word[j].at : b->length + 1] = '^';
}

const char *mark_differences(const char *text, struct arena *arena)
{
	size_t first = strcspn(text ? text : "", "\n"), second;
	struct words a, b;
	const char *line;
	bool times;
	char *marks;

	if (!text || text[first] != '\n')
		return text;
	line = text + first + 1;
	second = strcspn(line, "\n");
	if (*line == ' ' || !second || !split(text, first, &a) || !split(line, second, &b))
		return text;
	align(&a, &b);
	times = !differs(&a, false) && !differs(&b, false);
	if (times && !differs(&a, true) && !differs(&b, true))
		return text;
	marks = arena_alloc(arena, second + 3);
	memset(marks, ' ', second + 2);
	for (unsigned i = 0; i < b.count; i++)
		if (!b.word[i].common && b.word[i].time == times)
			memset(marks + b.word[i].at, '^', b.word[i].length);
	for (unsigned i = 0; i < a.count; i++)
		if (!a.word[i].common && a.word[i].time == times)
			mark_missing(&a, i, &b, marks);
	for (size_t i = second + 2; i > 0 && marks[i - 1] == ' '; i--)
		marks[i - 1] = '\0';
	return arena_printf(arena, "%.*s\n%s%s", (int)(first + 1 + second), text, marks, line + second);
}
