/*
 * How a tunable's text becomes a value, as procfs's handlers do it.
 *
 * Three habits of the kernel are worth knowing. A vector of ints takes the values one by one, so that a bad second one leaves
 * the first written; bytes after the last value are neither read nor counted. The unsigned and byte kinds take one value,
 * ignore whatever follows a separator and count the whole write; they also do not move the file position, so that a second
 * write through the same descriptor counts again while an int's is silently ignored. Numbers are in C's bases.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "../internal.h"
#include "special.h"

#define NUMBER_ROOM 22	/* characters of a number, with the NUL that ends it */
static const char whitespace[] = " \t\n";

size_t sysctl_skip_spaces(const char **text, size_t *left)
{
	size_t before = *left;

	while (*left && isspace((unsigned char)**text)) {
		++*text;
		--*left;
	}
	return before - *left;
}

/* Digits of `base` at text, at most `length`; overflow sticks at ULONG_MAX and is told. */
static size_t scan_digits(const char *text, size_t length, unsigned base, unsigned long *value, bool *overflow)
{
	size_t used = 0;

	*value = 0;
	for (; used < length; used++) {
		unsigned char c = (unsigned char)text[used];
		unsigned digit = isdigit(c) ? (unsigned)(c - '0') : isxdigit(c) ? (unsigned)tolower(c) - 'a' + 10u : 99u;

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(*value, base, value) || __builtin_add_overflow(*value, digit, value))
			*overflow = true;
	}
	return used;
}

int sysctl_scan(const char **text, size_t *left, unsigned long *magnitude, bool *negative, const char *separators)
{
	size_t length = *left < NUMBER_ROOM - 1 ? *left : NUMBER_ROOM - 1, sign = 0, prefix = 0, used;
	const char *number = *text;
	bool overflow = false;
	unsigned base = 10;

	*negative = length > 1 && number[0] == '-';
	sign = *negative;
	if (sign >= length || !isdigit((unsigned char)number[sign]))
		return -EINVAL;
	if (number[sign] == '0') {
		base = 8;
		if (length > sign + 2 && tolower((unsigned char)number[sign + 1]) == 'x' &&
		    isxdigit((unsigned char)number[sign + 2])) {
			base = 16;
			prefix = 2;
		}
	}
	used = sign + prefix + scan_digits(number + sign + prefix, length - sign - prefix, base, magnitude, &overflow);
	/* A number that fills the room may go on behind it. */
	if (overflow || used == NUMBER_ROOM - 1)
		return -EINVAL;
	if (used < *left && (!number[used] || !strchr(separators, number[used])))
		return -EINVAL;
	*text += used;
	*left -= used;
	return 0;
}

/* --- vectors: int, long, and the kinds of time ------------------------------------------------------------------------- */

/* Store one scanned number as element `i` of the value; -EINVAL when it does not fit. */
typedef int store_function(const struct sysctl_access *access, unsigned i, unsigned long magnitude, bool negative);

static ssize_t write_vector(const struct sysctl_access *access, const char *text, size_t length, int64_t *position,
			    unsigned elements, store_function *store)
{
	size_t left = length;
	bool first = true;
	int error = 0;

	if (*position) {
		*position += (int64_t)length;
		return (ssize_t)length;
	}
	for (unsigned i = 0; left && i < elements; i++) {
		unsigned long magnitude;
		bool negative;

		sysctl_skip_spaces(&text, &left);
		if (!left)
			break;
		error = sysctl_scan(&text, &left, &magnitude, &negative, whitespace);
		if (!error)
			error = store(access, i, magnitude, negative);
		if (error)
			break;
		first = false;
	}
	if (!error && left)
		sysctl_skip_spaces(&text, &left);
	if (error || first)
		return -EINVAL;
	*position += (int64_t)(length - left);
	return (ssize_t)(length - left);
}

static int to_int(unsigned long magnitude, bool negative, int *value)
{
	if (magnitude > (unsigned long)INT_MAX + negative)
		return -EINVAL;
	*value = negative ? (int)-(long)magnitude : (int)magnitude;
	return 0;
}

static int store_int(const struct sysctl_access *access, unsigned i, unsigned long magnitude, bool negative)
{
	int value, error = to_int(magnitude, negative, &value);

	if (error || value < access->row->minimum || (value > 0 && (uint64_t)value > access->row->maximum))
		return -EINVAL;
	((int *)access->value)[i] = value;
	return 0;
}

static ssize_t write_int(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 1, store_int);
}

static ssize_t write_int2(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 2, store_int);
}

static ssize_t write_int3(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 3, store_int);
}

static int store_ulong(const struct sysctl_access *access, unsigned i, unsigned long magnitude, bool negative)
{
	const struct sysctls *sysctls = &access->stack->sysctl;
	bool starting = access->row->minimum < 0;	/* the thresholds have no bounds before they have values */
	unsigned long low = 0, high = access->row->maximum;

	/* The fragment thresholds bound each other. */
	if (starting)
		;
	else if (access->value == &sysctls->ipfrag_high_thresh)
		low = sysctls->ipfrag_low_thresh;
	else if (access->value == &sysctls->ipfrag_low_thresh)
		high = sysctls->ipfrag_high_thresh;
	else if (access->value == &sysctls->ip6frag_high_thresh)
		low = sysctls->ip6frag_low_thresh;
	else if (access->value == &sysctls->ip6frag_low_thresh)
		high = sysctls->ip6frag_high_thresh;
	if (negative || magnitude < low || magnitude > high)
		return -EINVAL;
	((unsigned long *)access->value)[i] = magnitude;
	return 0;
}

static ssize_t write_ulong(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 1, store_ulong);
}

static ssize_t write_ulong2(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 2, store_ulong);
}

static ssize_t write_ulong3(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 3, store_ulong);
}

static int store_jiffies(const struct sysctl_access *access, unsigned i, unsigned long magnitude, bool negative)
{
	unsigned hz = access->stack->machine.hz;

	if (magnitude > (unsigned long)INT_MAX / hz)
		return -EINVAL;
	((int *)access->value)[i] = (int)(magnitude * hz) * (negative ? -1 : 1);
	return 0;
}

static ssize_t write_jiffies(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 1, store_jiffies);
}

/* msecs_to_jiffies takes 32 bits: what is negative in them means "for ever", which no int holds. */
static int store_ms(const struct sysctl_access *access, unsigned i, unsigned long magnitude, bool negative)
{
	uint32_t ms = (uint32_t)(negative ? -magnitude : magnitude);
	uint64_t jiffies = ((uint64_t)ms * access->stack->machine.hz + 999) / 1000;

	if ((int32_t)ms < 0 || jiffies > INT_MAX || (int64_t)jiffies < access->row->minimum)
		return -EINVAL;
	((int *)access->value)[i] = (int)jiffies;
	return 0;
}

static ssize_t write_ms(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 1, store_ms);
}

/* clock_t_to_jiffies, kept in an int. */
static int store_userhz(const struct sysctl_access *access, unsigned i, unsigned long magnitude, bool negative)
{
	unsigned hz = access->stack->machine.hz;
	unsigned long ticks = negative ? -magnitude : magnitude, jiffies;

	if (ticks >= ULONG_MAX / (hz / 100 ? hz / 100 : 1))
		jiffies = ULONG_MAX;
	else
		jiffies = (unsigned long)((unsigned __int128)ticks * hz / 100);
	((int *)access->value)[i] = (int)(uint32_t)jiffies;
	return 0;
}

static ssize_t write_userhz(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 1, store_userhz);
}

/* The queue in packets is a view of the queue in bytes: an Ethernet frame's truesize each. */
#define FRAME_TRUESIZE (1514 + SKB_OVERHEAD + SKB_SHARED_INFO)

static int store_unres_qlen(const struct sysctl_access *access, unsigned i, unsigned long magnitude, bool negative)
{
	int packets, error = to_int(magnitude, negative, &packets);

	if (error || packets < 0 || packets > INT_MAX / FRAME_TRUESIZE)
		return -EINVAL;
	((int *)access->value)[i] = packets * FRAME_TRUESIZE;
	return 0;
}

static ssize_t write_unres_qlen(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_vector(access, text, length, position, 1, store_unres_qlen);
}

/* --- single unsigned values ------------------------------------------------------------------------------------------------- */

static ssize_t write_unsigned(const struct sysctl_access *access, const char *text, size_t length, int64_t *position,
			      unsigned *value)
{
	unsigned long magnitude;
	size_t left = length;
	bool negative;

	if (*position) {
		*position += (int64_t)length;
		return (ssize_t)length;
	}
	sysctl_skip_spaces(&text, &left);
	if (!left || sysctl_scan(&text, &left, &magnitude, &negative, whitespace))
		return -EINVAL;
	if (negative || magnitude > UINT_MAX || magnitude > access->row->maximum ||
	    (access->row->minimum > 0 && magnitude < (uint64_t)access->row->minimum))
		return -EINVAL;
	*value = (unsigned)magnitude;
	return (ssize_t)length;
}

static ssize_t write_uint(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	return write_unsigned(access, text, length, position, access->value);
}

static ssize_t write_u8(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	unsigned value = *(const uint8_t *)access->value;
	ssize_t taken = write_unsigned(access, text, length, position, &value);

	*(uint8_t *)access->value = (uint8_t)value;
	return taken;
}

static ssize_t write_anything(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	*position += (int64_t)length;
	return (ssize_t)length;
}

/* --- printing --------------------------------------------------------------------------------------------------------------- */

static size_t print_int(const struct sysctl_access *access, char *buffer, size_t size)
{
	return (size_t)snprintf(buffer, size, "%d\n", *(const int *)access->value);
}
static size_t print_int3(const struct sysctl_access *access, char *buffer, size_t size)
{
	const int *value = access->value;

	return (size_t)snprintf(buffer, size, "%d\t%d\t%d\n", value[0], value[1], value[2]);
}
static size_t print_uint(const struct sysctl_access *access, char *buffer, size_t size)
{
	return (size_t)snprintf(buffer, size, "%u\n", *(const unsigned *)access->value);
}
static size_t print_u8(const struct sysctl_access *access, char *buffer, size_t size)
{
	return (size_t)snprintf(buffer, size, "%u\n", *(const uint8_t *)access->value);
}
static size_t print_ulong(const struct sysctl_access *access, char *buffer, size_t size)
{
	return (size_t)snprintf(buffer, size, "%lu\n", *(const unsigned long *)access->value);
}
static size_t print_ulong3(const struct sysctl_access *access, char *buffer, size_t size)
{
	const unsigned long *value = access->value;

	return (size_t)snprintf(buffer, size, "%lu\t%lu\t%lu\n", value[0], value[1], value[2]);
}

/* The sign is printed apart from the magnitude, so that less than one unit below zero reads "-0". */
static size_t print_scaled(const struct sysctl_access *access, char *buffer, size_t size, unsigned units)
{
	int64_t jiffies = *(const int *)access->value;
	uint64_t magnitude = (uint64_t)(jiffies < 0 ? -jiffies : jiffies);

	return (size_t)snprintf(buffer, size, "%s%" PRIu64 "\n", jiffies < 0 ? "-" : "",
				magnitude * units / access->stack->machine.hz);
}
static size_t print_jiffies(const struct sysctl_access *access, char *buffer, size_t size)
{
	return print_scaled(access, buffer, size, 1);
}
static size_t print_ms(const struct sysctl_access *access, char *buffer, size_t size)
{
	return print_scaled(access, buffer, size, 1000);
}
static size_t print_userhz(const struct sysctl_access *access, char *buffer, size_t size)
{
	return print_scaled(access, buffer, size, 100);
}
static size_t print_unres_qlen(const struct sysctl_access *access, char *buffer, size_t size)
{
	return (size_t)snprintf(buffer, size, "%d\n", *(const int *)access->value / FRAME_TRUESIZE);
}
static size_t print_nothing(const struct sysctl_access *access, char *buffer, size_t size)
{
	return 0;
}

const struct sysctl_kind_ops sysctl_kind_table[SYSCTL_KINDS] = {
	[SYSCTL_INT] = { write_int, print_int, false },
	[SYSCTL_U8] = { write_u8, print_u8, false },
	[SYSCTL_UINT] = { write_uint, print_uint, false },
	[SYSCTL_INT2] = { write_int2, print_port_range, false },
	[SYSCTL_INT3] = { write_int3, print_int3, false },
	[SYSCTL_ULONG] = { write_ulong, print_ulong, false },
	[SYSCTL_ULONG2] = { write_ulong2, print_nothing, false },
	[SYSCTL_ULONG3] = { write_ulong3, print_ulong3, false },
	[SYSCTL_JIFFIES] = { write_jiffies, print_jiffies, false },
	[SYSCTL_MS_JIFFIES] = { write_ms, print_ms, false },
	[SYSCTL_MS_JIFFIES_POSITIVE] = { write_ms, print_ms, false },
	[SYSCTL_USERHZ] = { write_userhz, print_userhz, false },
	[SYSCTL_UNRES_QLEN] = { write_unres_qlen, print_unres_qlen, false },
	[SYSCTL_PORT_RANGE] = { write_port_range, print_port_range, false },
	[SYSCTL_UNPRIVILEGED] = { write_unprivileged, print_int, false },
	[SYSCTL_PORT_BITMAP] = { write_port_bitmap, print_port_bitmap, false },
	[SYSCTL_GID_RANGE] = { write_gid_range, print_gid_range, false },
	[SYSCTL_FASTOPEN_KEY] = { write_fastopen_key, print_fastopen_key, true },
	[SYSCTL_CONGESTION] = { write_congestion, print_text, true },
	[SYSCTL_ALLOWED] = { write_allowed, print_text, true },
	[SYSCTL_TEXT] = { write_text, print_text, true },
	[SYSCTL_TRIGGER] = { write_anything, print_nothing, false },
};
