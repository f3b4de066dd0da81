#include "numbers.h"

#include "../script/ast.h"

void print_number(int64_t number, const char *symbols, struct text *text)
{
	const char *name = symbols ? symbol_name(symbols, number) : NULL;

	if (name)
		text_add(text, "%s (%lld)", name, (long long)number);
	else if (number > 9)
		text_add(text, "%#llx", (long long)number);
	else
		text_add(text, "%lld", (long long)number);
}
