#include "harness/command/shell_text.h"

#include <criterion/criterion.h>
#include <string.h>

#include "harness/arena.h"
#include "harness/text.h"

static struct arena *arena;

/* The commands of a text as "word|word>file ;next", or NULL when it is beyond what is parsed. */
static const char *parsed(const char *text)
{
	static const char *const joints[] = { ";", "&&", "||" };
	struct shell_command *command;
	struct text out;

	if (!arena)
		arena = arena_new();
	out = (struct text){ .arena = arena };
	if (!shell_parse(text, strlen(text), false, arena, &command))
		return NULL;
	for (const struct shell_command *one = command; one; one = one->next) {
		text_add(&out, "%s", one == command ? "" : joints[one->joint]);
		for (unsigned i = 0; i < one->words; i++)
			text_add(&out, "%s%s", i ? "|" : "", one->word[i]);
		text_add(&out, "%s%s%s", one->output ? ">" : "", one->output ? one->output : "", one->quiet ? " quiet" : "");
	}
	return text_get(&out);
}

#define IS(text, what) cr_assert_str_eq(parsed(text), what)
#define BEYOND(text) cr_assert_not(parsed(text), "%s", text)

Test(shell_text, words)
{
	IS("a b  c", "a|b|c");
	IS("a 'b c' \"d e\" f\\ g", "a|b c|d e|f g");
	IS("a\"b\"'c'd", "abcd");
	IS("a x=1 # no more\n", "a|x=1");
	IS("a \\\n b", "a|b");
	IS("a ''", "a|");
	IS("\n\n # nothing\n", "");
}

Test(shell_text, joints)
{
	IS("a; b && c || d\ne", "a;b&&c||d;e");
	IS("a &&\n b", "a&&b");
	BEYOND("a &&");
	BEYOND("|| a");
	BEYOND("a | b");
	BEYOND("a & b");
}

Test(shell_text, redirections)
{
	IS("a > f b", "a|b>f");
	IS("a >/dev/null 2>&1", "a>/dev/null quiet");
	IS("a 2>/dev/null", "a quiet");
	BEYOND("a &> /dev/null");	/* in the background, to sh */
	BEYOND("a 2> f");
	BEYOND("a >> f");
	BEYOND("a < f");
	BEYOND("a >");
	BEYOND("a <<EOF\nEOF\n");
}

Test(shell_text, arithmetic)
{
	IS("a $((15*1024*1024))", "a|15728640");
	IS("a \"x $((1 + 2 * (3 - 1))) y\"", "a|x 5 y");
	IS("a $((1 << 4 | 1))", "a|17");
	IS("a $((-7 / 2))", "a|-3");
	BEYOND("a $((1 / 0))");
	BEYOND("a $((b))");
	BEYOND("a $((1 + ))");
	BEYOND("a $((1)");
}

Test(shell_text, what_else_a_shell_has_is_beyond)
{
	BEYOND("a $x");
	BEYOND("a ${x}");
	BEYOND("a $(b)");
	BEYOND("a `b`");
	BEYOND("a *");
	BEYOND("a ?");
	BEYOND("a [b]");
	BEYOND("~/a");
	BEYOND("(a)");
	BEYOND("{ a; }");
	BEYOND("if a; then b; fi");
	BEYOND("for i in a; do b; done");
	BEYOND("x=1 a");
	BEYOND("! a");
	BEYOND("a 'b");
	BEYOND("a \"b");
}
