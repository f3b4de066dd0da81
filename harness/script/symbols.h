/* The symbol table beyond what ast.h offers: lookups by a stretch of text, and the nearest name to a misspelt one. */
#ifndef HARNESS_SYMBOLS_H
#define HARNESS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool symbol_lookup(const char *word, size_t length, int64_t *value);

/* The symbol that `word` most likely means to be, or NULL when none is near. */
const char *symbol_nearest(const char *word);

/*
 * How many letters must be changed, added, left out or swapped with their neighbour to make one word of the other; any number
 * above `most` when it takes more than `most`.
 */
unsigned word_distance(const char *first, const char *second, unsigned most);

/* How many such changes still count as a slip in a word of this length. */
unsigned word_tolerance(const char *word);

/* The nearest of `count` names, found through `name(table, index)`; NULL when none is near. */
const char *word_nearest(const char *word, const void *table, unsigned count,
			 const char *(*name)(const void *table, unsigned index));

#endif
