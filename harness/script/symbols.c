/*
 * Symbols by name and by value.
 *
 * The rows stand in one list, by family. Lookups by name go through a table of slots (open addressing, FNV-1a) that is filled
 * once before main; lookups by value walk the family's rows, as only printing needs them.
 */
#include "symbols.h"

#include <string.h>

#include "ast.h"

static const struct symbol {
	const char *family, *name;
	int64_t value;
} symbols[] = {
#define SYMBOL(family, name, value) { family, #name, value },
#include "symbol_list.h"
#undef SYMBOL
};

#define SYMBOLS (sizeof(symbols) / sizeof(symbols[0]))
#define SLOTS 4096u /* a power of two, well above the number of rows */

_Static_assert(SYMBOLS * 2 < SLOTS, "the slots of the symbol table are too few");

static uint16_t slots[SLOTS]; /* index of the row plus 1; written by slots_fill alone */

static uint32_t hash(const char *word, size_t length)
{
	uint32_t value = 2166136261u;

	for (size_t i = 0; i < length; i++)
		value = (value ^ (uint8_t)word[i]) * 16777619u;
	return value ^ value >> 15;
}

__attribute__((constructor)) static void slots_fill(void)
{
	for (unsigned i = 0; i < SYMBOLS; i++) {
		uint32_t slot = hash(symbols[i].name, strlen(symbols[i].name)) % SLOTS;

		while (slots[slot])
			slot = (slot + 1) % SLOTS;
		slots[slot] = (uint16_t)(i + 1);
	}
}

bool symbol_lookup(const char *word, size_t length, int64_t *value)
{
	for (uint32_t slot = hash(word, length) % SLOTS; slots[slot]; slot = (slot + 1) % SLOTS) {
		const struct symbol *symbol = &symbols[slots[slot] - 1];

		if (strncmp(symbol->name, word, length) || symbol->name[length])
			continue;
		*value = symbol->value;
		return true;
	}
	return false;
}

bool symbol_value(const char *word, int64_t *value)
{
	return symbol_lookup(word, strlen(word), value);
}

const char *symbol_name(const char *family, int64_t value)
{
	for (unsigned i = 0; i < SYMBOLS; i++)
		if (symbols[i].value == value && !strcmp(symbols[i].family, family))
			return symbols[i].name;
	return NULL;
}

/* Spelling. */

#define LONGEST_WORD 63

unsigned word_distance(const char *first, const char *second, unsigned most)
{
	size_t n = strlen(first), m = strlen(second);
	unsigned rows[3][LONGEST_WORD + 1], *before = rows[0], *last = rows[1], *now = rows[2];

	if (n > LONGEST_WORD || m > LONGEST_WORD || n > m + most || m > n + most)
		return most + 1;
	for (unsigned j = 0; j <= m; j++)
		last[j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned *next = before, best = now[0] = i;

		for (unsigned j = 1; j <= m; j++) {
			unsigned d = last[j - 1] + (first[i - 1] != second[j - 1]);

			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && first[i - 1] == second[j - 2] && first[i - 2] == second[j - 1] &&
			    before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
			if (d < best)
				best = d;
		}
		if (best > most)
			return most + 1;
		before = last;
		last = now;
		now = next;
	}
	return last[m];
}

unsigned word_tolerance(const char *word)
{
	size_t length = strlen(word);

	return length < 4 ? 0 : length < 12 ? 1 : 2;
}

const char *word_nearest(const char *word, const void *table, unsigned count,
			 const char *(*name)(const void *table, unsigned index))
{
	unsigned most = word_tolerance(word);
	const char *nearest = NULL;

	for (unsigned i = 0; i < count && most; i++) {
		unsigned distance = word_distance(word, name(table, i), most);

		if (distance > most)
			continue;
		nearest = name(table, i);
		most = distance - !!distance;
	}
	return nearest;
}

static const char *row_name(const void *table, unsigned index)
{
	return ((const struct symbol *)table)[index].name;
}

const char *symbol_nearest(const char *word)
{
	return word_nearest(word, symbols, SYMBOLS, row_name);
}
