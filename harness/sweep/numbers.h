/* Axes that are lists of numbers. */
#ifndef HARNESS_SWEEP_NUMBERS_H
#define HARNESS_SWEEP_NUMBERS_H

#include "sweep.h"

/* "MSG_PEEK|MSG_DONTWAIT", "SOCK_RAW (3)", or the number. A family of symbols, NULL: none. */
void print_number(int64_t number, const char *symbols, struct text *text);

/* axis_NAME over the numbers of an array, named by a family of symbols where there are some. */
#define NUMBERS_AXIS(name, numbers, symbols)                                                              \
	static unsigned name##_count(const struct combination *combination)                              \
	{                                                                                                 \
		return sizeof(numbers) / sizeof(numbers[0]);                                              \
	}                                                                                                 \
	static void name##_print(const struct combination *combination, unsigned index, struct text *text) \
	{                                                                                                 \
		print_number(numbers[index], symbols, text);                                              \
	}                                                                                                 \
	static const struct sweep_axis axis_##name = { #name, name##_count, name##_print };

#define SIDE_CALL_OP(side, op, ...) side_call(side, op, (const int64_t[6]){ __VA_ARGS__ })

#endif
