/* Two kinds of values with rules of their own: stamps of packets, and the attributes that come with them. */
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "types_tables.h"

/* What a member is said to be, as {name=value} or as the assignment that packetdrill has there. */
const struct expr *type_member_value(const struct expr *expr, unsigned i)
{
	const struct expr *value = expr->member[i].value;

	return value->kind == EXPR_ASSIGN ? value->member[0].value : value;
}

bool stamps_eval(const struct run *run, const struct expr *expr, int64_t *nanoseconds, const char **error)
{
	int64_t value;

	*nanoseconds = 0;
	for (unsigned i = 0; i < expr->members; i++) {
		const char *name = expr->member[i].name;

		if (!name || (strcmp(name, "scm_sec") && strcmp(name, "scm_nsec"))) {
			*error = "expected {scm_sec=..., scm_nsec=...}";
			return false;
		}
		if (!eval_int(run, expr->member[i].value, &value, error))
			return false;
		*nanoseconds += strcmp(name, "scm_sec") ? value : value * PL_NSEC_PER_SEC;
	}
	return true;
}

static int64_t stamp_script_time(const struct run *run, const struct timespec *stamp)
{
	int64_t wall = run->ops->wall_clock ? run->ops->wall_clock(run->target) : 0;

	return stamp->tv_sec * PL_NSEC_PER_SEC + stamp->tv_nsec - wall - run->start;
}

/* Zero is not looked at: a stamp that the script does not care for. */
bool stamps_compare(const struct run *run, const struct expr *expr, const uint8_t *bytes, size_t length, const char *name,
			   struct text *text)
{
	int64_t wanted, actual;
	struct timespec stamp;
	const char *error;

	if (!stamps_eval(run, expr, &wanted, &error)) {
		text_add(text, "%s: %s\n", name, error);
		return false;
	}
	if (!wanted || length < sizeof(stamp))
		return true;
	memcpy(&stamp, bytes, sizeof(stamp));
	actual = stamp_script_time(run, &stamp);
	if (llabs(wanted - actual) <= (int64_t)run->settings.tolerance_usecs * PL_NSEC_PER_USEC)
		return true;
	text_add(text, "%s: expected %.6f, actual %.6f\n", name, (double)wanted / 1e9, (double)actual / 1e9);
	return false;
}

/* The attributes of SCM_TIMESTAMPING_OPT_STATS, by number (linux/tcp.h): how wide each is, and whether it is a span of time. */
static const struct attribute_row {
	uint8_t size;
	bool microseconds;
} attribute_rows[] = {
	[1] = { 8, true },   [2] = { 8, true },   [3] = { 8, true },   [4] = { 8, false },  [5] = { 8, false },
	[6] = { 8, false },  [7] = { 8, false },  [8] = { 4, false },  [9] = { 4, false },  [10] = { 4, false },
	[11] = { 1, false }, [12] = { 1, false }, [13] = { 4, false }, [14] = { 1, false }, [15] = { 4, false },
	[16] = { 4, false }, [17] = { 4, false }, [18] = { 8, false }, [19] = { 8, false }, [20] = { 4, false },
	[21] = { 4, false }, [22] = { 4, false }, [23] = { 2, false }, [24] = { 4, false }, [25] = { 8, false },
	[26] = { 1, false }, [27] = { 4, false },
};
#define ATTRIBUTE_ROWS (sizeof(attribute_rows) / sizeof(attribute_rows[0]))

static bool attribute_name(const struct run *run, const struct expr *expr, unsigned i, int64_t *number, const char **error)
{
	const struct expr_member *member = &expr->member[i];
	const char *name = member->name ? member->name : member->value->kind == EXPR_ASSIGN ? member->value->word : NULL;

	if (name && symbol_value(name, number) && *number > 0 && (size_t)*number < ATTRIBUTE_ROWS &&
	    attribute_rows[*number].size)
		return true;
	*error = arena_printf(run->arena, "unknown attribute %s", name ? name : "without a name");
	return false;
}

bool attributes_build(const struct run *run, const struct expr *expr, uint8_t *to, size_t room, size_t *length,
			     const char **error)
{
	int64_t number, value;

	*length = 0;
	for (unsigned i = 0; i < expr->members; i++) {
		const struct expr *said = type_member_value(expr, i);
		struct nlattr header;

		if (!attribute_name(run, expr, i, &number, error))
			return false;
		value = -1;
		if (said->kind != EXPR_ELLIPSIS && !eval_int(run, said, &value, error))
			return false;
		header = (struct nlattr){ .nla_type = (uint16_t)number,
					  .nla_len = (uint16_t)(NLA_HDRLEN + attribute_rows[number].size) };
		if (*length + NLA_ALIGN(header.nla_len) > room) {
			*error = "too many attributes";
			return false;
		}
		memcpy(to + *length, &header, sizeof(header));
		memcpy(to + *length + NLA_HDRLEN, &value, attribute_rows[number].size);
		*length += NLA_ALIGN(header.nla_len);
	}
	return true;
}

static bool attribute_is(const struct run *run, int64_t number, int64_t wanted, int64_t actual)
{
	if (!attribute_rows[number].microseconds || !wanted)
		return wanted == actual;
	return llabs(wanted - actual) <= (int64_t)run->settings.tolerance_usecs;
}

bool attributes_compare(const struct run *run, const struct expr *expr, const uint8_t *bytes, size_t length,
			       const char *name, struct text *text)
{
	size_t offset = 0;
	bool same = true;

	for (unsigned i = 0; i < expr->members; i++) {
		const struct expr *said = type_member_value(expr, i);
		int64_t number, wanted, actual = 0;
		struct nlattr header = { 0 };
		const char *error;

		if (!attribute_name(run, expr, i, &number, &error)) {
			text_add(text, "%s: %s\n", name, error);
			return false;
		}
		if (offset + NLA_HDRLEN <= length)
			memcpy(&header, bytes + offset, sizeof(header));
		if (header.nla_type != number || offset + header.nla_len > length) {
			text_add(text, "%s: expected attribute %lld in place %u, actual %u\n", name, (long long)number, i,
				 header.nla_type);
			return false;
		}
		memcpy(&actual, bytes + offset + NLA_HDRLEN, attribute_rows[number].size);
		offset += NLA_ALIGN(header.nla_len);
		if (said->kind == EXPR_ELLIPSIS)
			continue;
		if (!eval_int(run, said, &wanted, &error) || !attribute_is(run, number, wanted, actual)) {
			text_add(text, "%s: attribute %lld: expected %lld, actual %lld\n", name, (long long)number,
				 (long long)wanted, (long long)actual);
			same = false;
		}
	}
	return same;
}

void attributes_print(const uint8_t *bytes, size_t length, struct text *text)
{
	struct nlattr header;
	const char *separator = "";

	text_add(text, "{");
	for (size_t offset = 0; offset + NLA_HDRLEN <= length; offset += NLA_ALIGN(header.nla_len)) {
		uint64_t value = 0;
		const char *name;
		size_t size;

		memcpy(&header, bytes + offset, sizeof(header));
		if (header.nla_len < NLA_HDRLEN || offset + header.nla_len > length)
			break;
		size = (size_t)header.nla_len - NLA_HDRLEN;
		memcpy(&value, bytes + offset + NLA_HDRLEN, size < sizeof(value) ? size : sizeof(value));
		name = symbol_name("TCP_NLA_", header.nla_type);
		if (name)
			text_add(text, "%s%s=%llu", separator, name, (unsigned long long)value);
		else
			text_add(text, "%s%u=%llu", separator, header.nla_type, (unsigned long long)value);
		separator = ", ";
	}
	text_add(text, "}");
}

void stamps_print(const struct run *run, const uint8_t *bytes, size_t length, struct text *text)
{
	struct timespec stamp;
	int64_t at;

	if (length < sizeof(stamp))
		return;
	memcpy(&stamp, bytes, sizeof(stamp));
	at = stamp_script_time(run, &stamp);
	text_add(text, "{scm_sec=%lld, scm_nsec=%lld}", (long long)(at / PL_NSEC_PER_SEC), (long long)(at % PL_NSEC_PER_SEC));
}
