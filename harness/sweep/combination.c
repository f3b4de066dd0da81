/* Walking the space of a probe, saying where in it one is, and choosing a part of it. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "../script/ast.h"
#include "sweep.h"

static const char *privilege_name(bool privileged)
{
	return privileged ? "root" : "user";
}

bool filter_allows(const struct sweep_filter *filter, const char *axis, const char *value)
{
	size_t length = strlen(axis);

	for (unsigned i = 0; i < filter->terms; i++) {
		const char *at = filter->term[i];
		bool found = false;

		if (strncmp(at, axis, length) || at[length] != '=')
			continue;
		at += length + 1;
		while (!found && at) {
			const char *comma = strchr(at, ',');
			char pattern[128];

			snprintf(pattern, sizeof(pattern), "%.*s", comma ? (int)(comma - at) : (int)strlen(at), at);
			found = fnmatch(pattern, value, 0) == 0;
			at = comma ? comma + 1 : NULL;
		}
		if (!found)
			return false;
	}
	return true;
}

static bool axis_named(const struct sweep_family *family, const char *name, size_t length)
{
	static const char *const common[] = { "socket", "state", "privilege", "call" };

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (strlen(common[i]) == length && !strncmp(common[i], name, length))
			return true;
	for (unsigned p = 0; family->probe[p]; p++)
		for (unsigned a = 0; a < SWEEP_AXES && family->probe[p]->axis[a]; a++) {
			const char *axis = family->probe[p]->axis[a]->name;

			if (strlen(axis) == length && !strncmp(axis, name, length))
				return true;
		}
	return false;
}

const char *filter_unknown(const struct sweep_filter *filter, const struct sweep_family *family)
{
	for (unsigned i = 0; i < filter->terms; i++) {
		const char *equals = strchr(filter->term[i], '=');

		if (!equals || !axis_named(family, filter->term[i], (size_t)(equals - filter->term[i])))
			return filter->term[i];
	}
	return NULL;
}

/* A probe that lacks an axis which the filter names has none of the combinations that were asked for. */
static bool probe_has_axes(const struct sweep_probe *probe, const struct sweep_filter *filter)
{
	for (unsigned i = 0; i < filter->terms; i++) {
		size_t length = strcspn(filter->term[i], "=");
		bool has = !strncmp(filter->term[i], "call=", 5) || !strncmp(filter->term[i], "privilege=", 10) ||
			   (!probe->bare && (!strncmp(filter->term[i], "socket=", 7) || !strncmp(filter->term[i], "state=", 6)));

		for (unsigned a = 0; !has && a < SWEEP_AXES && probe->axis[a]; a++)
			has = strlen(probe->axis[a]->name) == length && !strncmp(probe->axis[a]->name, filter->term[i], length);
		if (!has)
			return false;
	}
	return true;
}

static bool axis_filtered(const struct sweep_axis *axis, const struct sweep_filter *filter)
{
	size_t length = strlen(axis->name);

	for (unsigned i = 0; i < filter->terms; i++)
		if (!strncmp(filter->term[i], axis->name, length) && filter->term[i][length] == '=')
			return true;
	return false;
}

struct walk {
	struct combination at;
	const struct sweep_filter *filter;
	struct text text;
	unsigned number;
	void (*visit)(void *context, const struct combination *combination);
	void *context;
};

/* The value's own word is what patterns match, or for those with a number behind their name, the number. */
static bool place_allowed(struct walk *walk, const struct sweep_axis *axis, unsigned index)
{
	char name[128], *number;

	if (!axis_filtered(axis, walk->filter))
		return true;
	walk->text.length = 0;
	axis->print(&walk->at, index, &walk->text);
	snprintf(name, sizeof(name), "%s", text_get(&walk->text));
	if (filter_allows(walk->filter, axis->name, name))
		return true;
	number = strstr(name, " (");
	if (!number)
		return false;
	*number = '\0';
	number += 2;
	number[strcspn(number, ")")] = '\0';
	return filter_allows(walk->filter, axis->name, name) || filter_allows(walk->filter, axis->name, number);
}

static void walk_axis(struct walk *walk, unsigned depth)
{
	const struct sweep_probe *probe = walk->at.probe;
	const struct sweep_axis *axis = depth < SWEEP_AXES ? probe->axis[depth] : NULL;
	unsigned count;

	if (!axis) {
		if (probe->valid && !probe->valid(&walk->at))
			return;
		if (walk->filter->every <= 1 || walk->number % walk->filter->every == 0)
			walk->visit(walk->context, &walk->at);
		walk->number++;
		return;
	}
	count = axis->count(&walk->at);
	for (unsigned i = 0; i < count; i++) {
		walk->at.index[depth] = i;
		if (place_allowed(walk, axis, i))
			walk_axis(walk, depth + 1);
	}
	walk->at.index[depth] = 0;
}

void combinations_visit(const struct combination *first, const struct sweep_filter *filter, struct arena *arena,
			void (*visit)(void *context, const struct combination *combination), void *context)
{
	struct walk walk = { .at = *first, .filter = filter, .text = { .arena = arena }, .visit = visit, .context = context };

	memset(walk.at.index, 0, sizeof(walk.at.index));
	if (!filter_allows(filter, "call", first->probe->name) || !probe_has_axes(first->probe, filter) ||
	    !filter_allows(filter, "privilege", privilege_name(first->privileged)))
		return;
	if (!first->probe->bare && (!filter_allows(filter, "socket", first->socket->name) ||
				    !filter_allows(filter, "state", sweep_state_names[first->state])))
		return;
	walk_axis(&walk, 0);
}

static void print_axes(const struct combination *combination, unsigned from, unsigned most, struct text *text)
{
	for (unsigned i = from; i < most && combination->probe->axis[i]; i++) {
		text_add(text, "%s%s ", i ? ", " : " ", combination->probe->axis[i]->name);
		combination->probe->axis[i]->print(combination, combination->index[i], text);
	}
}

void combination_print(const struct combination *combination, struct text *text)
{
	if (!combination->probe->bare)
		text_add(text, "%s, %s, ", combination->socket->name, sweep_state_names[combination->state]);
	text_add(text, "%s: %s", privilege_name(combination->privileged), combination->probe->name);
	print_axes(combination, 0, SWEEP_AXES, text);
}

void combination_subject(const struct combination *combination, struct text *text)
{
	text_add(text, "%s", combination->probe->name);
	for (unsigned i = 0; i < combination->probe->groups; i++) {
		text_add(text, " ");
		combination->probe->axis[i]->print(combination, combination->index[i], text);
	}
}

static void print_bytes(const uint8_t *bytes, size_t length, struct text *text)
{
	while (length > 1 && bytes[length - 1] == bytes[length - 2] && length > 24)
		length--;
	for (size_t i = 0; i < length; i++)
		text_add(text, "%02x", bytes[i]);
}

void record_print(const struct record *record, struct text *text)
{
	const char *name = record->result < 0 ? symbol_name("errno", -record->result) : NULL;

	text_add(text, "%s", record->what);
	if (!record->bare && record->result == WOULD_WAIT)
		text_add(text, " waits");
	else if (!record->bare && name)
		text_add(text, " -%s", name);
	else if (!record->bare)
		text_add(text, " %lld", (long long)record->result);
	if (record->length) {
		text_add(text, " [");
		print_bytes(record->bytes, record->length, text);
		text_add(text, "]");
	}
}
