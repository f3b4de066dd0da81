/* Tunables whose text is not a plain number: port ranges and lists, groups, Fast Open keys, congestion control names. */
#include "special.h"

#include <stdio.h>
#include <string.h>

#include "../internal.h"

/*
 * Take a vector of ints or longs by its kind's rules into `copy`, so that the checks between its elements can come before the
 * real value changes.
 */
static ssize_t write_copy(const struct sysctl_access *access, enum sysctl_kind kind, int64_t minimum, uint64_t maximum, void *copy,
			  const char *text, size_t length, int64_t *position)
{
	struct sysctl_row row = *access->row;

	row.minimum = minimum;
	row.maximum = maximum;
	return sysctl_kind_table[kind].write(&(struct sysctl_access){ access->stack, &row, copy }, text, length, position);
}

/* ip_local_port_range: both in 1..65535, in order, and above the privileged ports. */
ssize_t write_port_range(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	int *range = access->value, copy[2] = { range[0], range[1] };
	ssize_t taken = write_copy(access, SYSCTL_INT2, 1, 65535, copy, text, length, position);

	if (taken < 0)
		return taken;
	if (copy[1] < copy[0] || copy[0] < access->stack->sysctl.ip_unprivileged_port_start)
		return -EINVAL;
	range[0] = copy[0];
	range[1] = copy[1];
	return taken;
}

size_t print_port_range(const struct sysctl_access *access, char *buffer, size_t size)
{
	const int *range = access->value;

	return (size_t)snprintf(buffer, size, "%d\t%d\n", range[0], range[1]);
}

/* ip_unprivileged_port_start: not above the ephemeral range, whose ports anybody gets. */
ssize_t write_unprivileged(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	int *start = access->value, copy = *start, low = access->stack->sysctl.ip_local_port_range[0];
	ssize_t taken = write_copy(access, SYSCTL_INT, 0, 65535, &copy, text, length, position);

	if (taken < 0)
		return taken;
	if (low && low < copy)
		return -EINVAL;
	*start = copy;
	return taken;
}

/* --- ip_local_reserved_ports: "8080,9148,10000-10010" --------------------------------------------------------------------- */

static void skip_newlines(const char **text, size_t *left)
{
	while (*left && **text == '\n') {
		++*text;
		--*left;
	}
}

/* One port at *text, ended by one of `separators`, which is stepped over and given in *end (0 at the end of the text). */
static int scan_port(const char **text, size_t *left, const char *separators, unsigned long *port, char *end)
{
	bool negative;

	if (sysctl_scan(text, left, port, &negative, separators) || negative || *port > 65535)
		return -EINVAL;
	*end = 0;
	if (*left) {
		*end = **text;
		++*text;
		--*left;
	}
	return 0;
}

ssize_t write_port_bitmap(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	uint8_t *bitmap = access->value, fresh[65536 / 8] = { 0 };
	size_t left = length;

	skip_newlines(&text, &left);
	while (left) {
		unsigned long first, last;
		char end;

		if (scan_port(&text, &left, "-,\n", &first, &end))
			return -EINVAL;
		last = first;
		if (end == '-' && (scan_port(&text, &left, ",\n", &last, &end) || last < first))
			return -EINVAL;
		for (unsigned long port = first; port <= last; port++)
			fresh[port / 8] |= (uint8_t)(1 << port % 8);
		skip_newlines(&text, &left);
	}
	/* A write that goes on where another ended adds to it. */
	for (size_t i = 0; i < sizeof(fresh); i++)
		bitmap[i] = *position ? bitmap[i] | fresh[i] : fresh[i];
	*position += (int64_t)length;
	return (ssize_t)length;
}

size_t print_port_bitmap(const struct sysctl_access *access, char *buffer, size_t size)
{
	const uint8_t *bitmap = access->value;
	size_t used = 0;

	for (unsigned port = 0; port < 65536; port++) {
		unsigned first = port;

		if (!(bitmap[port / 8] >> port % 8 & 1))
			continue;
		while (port < 65535 && bitmap[(port + 1) / 8] >> (port + 1) % 8 & 1)
			port++;
		if (used + 16 < size)
			used += (size_t)snprintf(buffer + used, size - used, first == port ? "%s%u" : "%s%u-%u", used ? "," : "",
						 first, port);
	}
	return used + (size_t)snprintf(buffer + used, size - used, "\n");
}

/* --- ping_group_range: an empty range is "1 0" ------------------------------------------------------------------------------ */

ssize_t write_gid_range(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	uint32_t *range = access->value;
	unsigned long copy[2] = { range[0], range[1] };
	ssize_t taken = write_copy(access, SYSCTL_ULONG2, 0, UINT32_MAX - 1, copy, text, length, position);

	if (taken < 0)
		return taken;
	range[0] = copy[1] < copy[0] ? 1 : (uint32_t)copy[0];
	range[1] = copy[1] < copy[0] ? 0 : (uint32_t)copy[1];
	return taken;
}

size_t print_gid_range(const struct sysctl_access *access, char *buffer, size_t size)
{
	const uint32_t *range = access->value;

	return (size_t)snprintf(buffer, size, "%u\t%u\n", range[0], range[1]);
}

/* --- text ------------------------------------------------------------------------------------------------------------------- */

/*
 * proc_dostring into `value`: up to a newline or a NUL. A write at a position goes on behind what is there; one that would leave
 * a gap is dropped but counted.
 */
static void take_text(char *value, size_t room, const char *text, size_t length, int64_t *position)
{
	size_t at = strlen(value);

	if (*position <= (int64_t)at) {
		at = (size_t)*position;
		for (size_t i = 0; i < length && at < room - 1 && text[i] && text[i] != '\n'; i++)
			value[at++] = text[i];
		value[at] = 0;
	}
	*position += (int64_t)length;
}

ssize_t write_text(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	take_text(access->value, sizeof(access->stack->sysctl.tcp_available_ulp), text, length, position);
	return (ssize_t)length;
}

size_t print_text(const struct sysctl_access *access, char *buffer, size_t size)
{
	return (size_t)snprintf(buffer, size, "%s\n", (const char *)access->value);
}

static bool word_in(const char *words, const char *word, size_t length)
{
	for (const char *at = words; *at;) {
		size_t next = strcspn(at, " ");

		if (next == length && !memcmp(at, word, length))
			return true;
		at += next + strspn(at + next, " ");
	}
	return false;
}

/* tcp_congestion_control: one that there is, and outside the first namespace one that everybody may use. */
ssize_t write_congestion(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	const struct sysctls *sysctls = &access->stack->sysctl;
	char name[sizeof(sysctls->tcp_congestion_control)];

	memcpy(name, access->value, sizeof(name));
	take_text(name, sizeof(name), text, length, position);
	if (!word_in(sysctls->tcp_available_congestion_control, name, strlen(name)))
		return -ENOENT;
	if (!word_in(sysctls->tcp_allowed_congestion_control, name, strlen(name)))
		return -EPERM;
	memcpy(access->value, name, sizeof(name));
	return (ssize_t)length;
}

ssize_t write_allowed(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	const struct sysctls *sysctls = &access->stack->sysctl;
	char names[sizeof(sysctls->tcp_allowed_congestion_control)] = "";

	take_text(names, sizeof(names), text, length, position);
	for (const char *at = names + strspn(names, " "); *at;) {
		size_t word = strcspn(at, " ");

		if (!word_in(sysctls->tcp_available_congestion_control, at, word))
			return -ENOENT;
		at += word + strspn(at + word, " ");
	}
	memcpy(access->value, names, sizeof(names));
	return (ssize_t)length;
}

/* --- tcp_fastopen_key: one or two keys of four 32-bit words in hexadecimal, kept as bytes, lowest first --------------------- */

static bool scan_key(const char *text, uint8_t key[16])
{
	unsigned word[4];

	if (sscanf(text, "%x-%x-%x-%x", &word[0], &word[1], &word[2], &word[3]) != 4)
		return false;
	for (int i = 0; i < 16; i++)
		key[i] = (uint8_t)(word[i / 4] >> 8 * (i % 4));
	return true;
}

static size_t print_key(char *buffer, size_t size, const uint8_t key[16])
{
	unsigned word[4];

	for (int i = 0; i < 4; i++)
		word[i] = key[4 * i] | (unsigned)key[4 * i + 1] << 8 | (unsigned)key[4 * i + 2] << 16 |
			  (unsigned)key[4 * i + 3] << 24;
	return (size_t)snprintf(buffer, size, "%08x-%08x-%08x-%08x", word[0], word[1], word[2], word[3]);
}

size_t print_fastopen_key(const struct sysctl_access *access, char *buffer, size_t size)
{
	const struct sysctls *sysctls = &access->stack->sysctl;
	size_t used = print_key(buffer, size, sysctls->tcp_fastopen_key[0]);

	if (sysctls->tcp_fastopen_keys > 1) {
		used += (size_t)snprintf(buffer + used, size - used, ",");
		used += print_key(buffer + used, size - used, sysctls->tcp_fastopen_key[1]);
	}
	return used + (size_t)snprintf(buffer + used, size - used, "\n");
}

ssize_t write_fastopen_key(const struct sysctl_access *access, const char *text, size_t length, int64_t *position)
{
	struct sysctls *sysctls = &access->stack->sysctl;
	uint8_t key[2][16] = { { 0 } };
	char whole[75], *comma;

	whole[print_fastopen_key(access, whole, sizeof(whole)) - 1] = 0;
	take_text(whole, sizeof(whole), text, length, position);
	comma = strchr(whole, ',');
	if (comma)
		*comma = 0;
	if (!scan_key(whole, key[0]) || (comma && !scan_key(comma + 1, key[1])))
		return -EINVAL;
	memcpy(sysctls->tcp_fastopen_key, key, sizeof(key));
	sysctls->tcp_fastopen_keys = comma ? 2 : 1;
	return (ssize_t)length;
}
