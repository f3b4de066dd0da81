/*
 * Options of a script and of the command line: packetdrill's names, defaults and bounds. One table; later settings win, so
 * a script's own are applied over the defaults and the command line's over both.
 */
#include "run.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum option_kind {
	OPTION_FLAG, OPTION_UNSIGNED, OPTION_PERCENT, OPTION_TEXT, OPTION_ADDRESS, OPTION_PREFIX, OPTION_NETMASK,
	OPTION_IP_VERSION, OPTION_NON_FATAL, OPTION_LINK,
	OPTION_NOTHING,		/* read by others, or without effect here */
	OPTION_UNSUPPORTED,	/* a script that needs it is skipped */
};

struct option_row {
	const char *name;
	enum option_kind kind;
	bool value;		/* it takes one */
	size_t field;		/* offset in struct settings */
	unsigned least, most;	/* UNSIGNED */
};

#define FIELD(member) offsetof(struct settings, member)

static const struct option_row rows[] = {
	{ "ip_version", OPTION_IP_VERSION, true, FIELD(ip_version), 0, 0 },
	{ "bind_port", OPTION_UNSIGNED, true, FIELD(bind_port), 1, 65535 },
	{ "connect_port", OPTION_UNSIGNED, true, FIELD(connect_port), 1, 65535 },
	{ "code_command", OPTION_TEXT, true, FIELD(code_command), 0, 0 },
	{ "code_format", OPTION_TEXT, true, FIELD(code_format), 0, 0 },
	{ "code_sockopt", OPTION_TEXT, true, FIELD(code_sockopt), 0, 0 },
	{ "remote_ip", OPTION_PREFIX, true, FIELD(remote), 0, 0 },
	{ "local_ip", OPTION_ADDRESS, true, FIELD(local), 0, 0 },
	{ "gateway_ip", OPTION_ADDRESS, true, FIELD(gateway), 0, 0 },
	{ "netmask_ip", OPTION_NETMASK, true, FIELD(prefix_length), 0, 0 },
	{ "speed", OPTION_UNSIGNED, true, FIELD(speed), 0, UINT32_MAX },
	{ "mss", OPTION_UNSIGNED, true, FIELD(mss), 1, 65535 },
	{ "mtu", OPTION_UNSIGNED, true, FIELD(mtu), 0, 65535 },
	{ "init_scripts", OPTION_TEXT, true, FIELD(init_scripts), 0, 0 },
	{ "tolerance_usecs", OPTION_UNSIGNED, true, FIELD(tolerance_usecs), 1, UINT32_MAX },
	{ "tolerance_percent", OPTION_PERCENT, true, FIELD(tolerance_percent), 0, 100 },
	{ "tcp_ts_ecr_scaled", OPTION_FLAG, false, FIELD(tcp_ts_ecr_scaled), 0, 0 },
	{ "tcp_ts_tick_usecs", OPTION_UNSIGNED, true, FIELD(tcp_ts_tick_usecs), 0, 1000000 },
	{ "strict_segments", OPTION_FLAG, false, FIELD(strict_segments), 0, 0 },
	{ "non_fatal", OPTION_NON_FATAL, true, 0, 0, 0 },
	{ "dry_run", OPTION_FLAG, false, FIELD(dry_run), 0, 0 },
	{ "is_anyip", OPTION_FLAG, false, FIELD(is_anyip), 0, 0 },
	{ "first_namespace", OPTION_FLAG, false, FIELD(first_namespace), 0, 0 },
	{ "send_omit_free", OPTION_FLAG, false, FIELD(send_omit_free), 0, 0 },
	{ "so_filename", OPTION_TEXT, true, FIELD(so_file), 0, 0 },
	{ "so_flags", OPTION_TEXT, true, FIELD(so_flags), 0, 0 },
	{ "link", OPTION_LINK, true, 0, 0, 0 },
	{ "verbose", OPTION_FLAG, false, FIELD(verbose), 0, 0 },
	{ "debug", OPTION_NOTHING, false, 0, 0, 0 },
	{ "define", OPTION_NOTHING, true, 0, 0, 0 },
	{ "wire_client", OPTION_UNSUPPORTED, false, 0, 0, 0 },
	{ "wire_server", OPTION_UNSUPPORTED, false, 0, 0, 0 },
	{ "wire_server_ip", OPTION_UNSUPPORTED, true, 0, 0, 0 },
	{ "wire_server_at", OPTION_UNSUPPORTED, true, 0, 0, 0 },
	{ "wire_server_port", OPTION_UNSUPPORTED, true, 0, 0, 0 },
	{ "wire_client_dev", OPTION_UNSUPPORTED, true, 0, 0, 0 },
	{ "wire_server_dev", OPTION_UNSUPPORTED, true, 0, 0, 0 },
	{ "psp_udp_port", OPTION_UNSUPPORTED, true, 0, 0, 0 },
};

static const struct option_row *option_row(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

bool engine_option(const char *name, bool *takes_value)
{
	const struct option_row *row = option_row(name);

	if (row)
		*takes_value = row->value;
	return row != NULL;
}

static bool set_unsigned(const struct option_row *row, const char *value, void *field)
{
	unsigned long long number;
	char *end;

	if (*value < '0' || *value > '9')
		return false;
	number = strtoull(value, &end, 0);
	if (*end || number < row->least || number > row->most)
		return false;
	*(unsigned *)field = (unsigned)number;
	return true;
}

static bool set_percent(const char *value, double *field)
{
	char *end;

	*field = strtod(value, &end);
	return end != value && !*end && *field >= 0 && *field <= 100;
}

static bool set_netmask(const char *value, unsigned *prefix_length)
{
	struct in_addr mask;
	uint32_t bits;

	if (inet_pton(AF_INET, value, &mask) != 1)
		return false;
	bits = ~ntohl(mask.s_addr);
	if (bits & (bits + 1))
		return false;
	*prefix_length = bits ? (unsigned)__builtin_clz(bits) : 32;
	return true;
}

static bool set_prefix(const char *value, struct settings *settings)
{
	const char *slash = strchr(value, '/');
	char address[INET_ADDRSTRLEN];
	size_t length = slash ? (size_t)(slash - value) : strlen(value);
	unsigned long prefix = 32;
	char *end;

	if (length >= sizeof(address))
		return false;
	memcpy(address, value, length);
	address[length] = 0;
	if (slash) {
		prefix = strtoul(slash + 1, &end, 10);
		if (end == slash + 1 || *end || prefix > 32)
			return false;
	}
	settings->remote_prefix_length = (unsigned)prefix;
	return inet_pton(AF_INET, address, &settings->remote) == 1;
}

static bool set_ip_version(const char *value, int *version)
{
	static const char *const names[] = { [IP_VERSION_4] = "ipv4", [IP_VERSION_4_MAPPED] = "ipv4-mapped-ipv6",
					     [IP_VERSION_6] = "ipv6" };

	for (int i = 0; i < 3; i++)
		if (!strcmp(names[i], value)) {
			*version = i;
			return true;
		}
	return false;
}

/* packetdrill takes a list and passes over words that it does not know. */
static bool set_non_fatal(const char *value, struct settings *settings)
{
	while (*value) {
		size_t length = strcspn(value, ", ");

		if (length == 6 && !strncmp(value, "packet", 6))
			settings->non_fatal_packet = true;
		else if (length == 7 && !strncmp(value, "syscall", 7))
			settings->non_fatal_syscall = true;
		value += length;
		value += strspn(value, ", ");
	}
	return true;
}

/* An address of the other family is kept for later: an IPv6 script gives its addresses before anything can be said of it. */
static bool set_address(const char *value, struct in_addr *address)
{
	struct in6_addr other;
	char plain[INET6_ADDRSTRLEN + 4];

	if (inet_pton(AF_INET, value, address) == 1)
		return true;
	snprintf(plain, sizeof(plain), "%s", value);
	plain[strcspn(plain, "/")] = 0;
	return inet_pton(AF_INET6, plain, &other) == 1;
}

static bool add_link(const char *value, struct settings *settings)
{
	return settings->extra_links < EXTRA_LINKS && script_link_parse(value, &settings->extra_link[settings->extra_links++]);
}

static bool option_set(const struct option_row *row, const char *value, struct arena *arena, struct settings *settings)
{
	void *field = (char *)settings + row->field;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return true;
	case OPTION_UNSIGNED:
		return set_unsigned(row, value, field);
	case OPTION_PERCENT:
		return set_percent(value, field);
	case OPTION_TEXT:
		*(const char **)field = arena_strdup(arena, value);
		return true;
	case OPTION_ADDRESS:
		return set_address(value, field);
	case OPTION_PREFIX:
		return set_prefix(value, settings) || set_address(value, &(struct in_addr){ 0 });
	case OPTION_NETMASK:
		return set_netmask(value, field);
	case OPTION_IP_VERSION:
		return set_ip_version(value, field);
	case OPTION_NON_FATAL:
		return set_non_fatal(value, settings);
	case OPTION_LINK:
		return add_link(value, settings);
	case OPTION_NOTHING:
		return true;
	case OPTION_UNSUPPORTED:
		settings->unsupported = row->name;
		return true;
	}
	return false;
}

static bool options_apply(const struct script_option *option, unsigned count, struct arena *arena, struct settings *settings,
			  const char **error, struct source_span *where)
{
	for (unsigned i = 0; i < count; i++, option++) {
		const struct option_row *row = option_row(option->name);

		if (where)
			*where = option->span;
		if (!row) {
			*error = arena_printf(arena, "unknown option --%s", option->name);
			return false;
		}
		if (!row->value != !option->value) {
			*error = arena_printf(arena, "option --%s %s", option->name,
					      row->value ? "needs a value" : "takes no value");
			return false;
		}
		if (!option_set(row, option->value, arena, settings)) {
			*error = arena_printf(arena, "bad value of --%s: %s", option->name, option->value);
			return false;
		}
	}
	return true;
}

/* It chose what Python blocks could ask about; packetdrill reads all of them now, and so does code.c. */
static bool is_code_sockopt(const char *value)
{
	return !*value || !strcmp(value, "TCP_INFO") || !strcmp(value, "TCP_CC_INFO") || !strcmp(value, "SO_MEMINFO");
}

bool settings_make(const struct script *script, const struct run_options *options, struct arena *arena,
		   struct settings *settings, const char **error, struct source_span *where)
{
	*settings = (struct settings){
		.ip_version = IP_VERSION_4,
		.local.s_addr = htonl(0xc0a80001),	/* 192.168.0.1/16 */
		.prefix_length = 16,
		.gateway.s_addr = htonl(0xc0a80001),
		.remote.s_addr = htonl(0xc0000201),	/* 192.0.2.1 */
		.remote_prefix_length = 32,
		.bind_port = 8080,
		.connect_port = 8080,
		.mtu = 1500,
		.tolerance_usecs = 4000,
		.tolerance_percent = 12.5,
		.code_command = "python3",
		.code_format = "python",
		.code_sockopt = "",
		.so_file = options->so_file,
	};
	if (!options_apply(script->option, script->options, arena, settings, error, where) ||
	    !options_apply(options->option, options->options, arena, settings, error, NULL))
		return false;
	if (strcmp(settings->code_format, "python")) {
		*error = arena_printf(arena, "bad value of --code_format: %s", settings->code_format);
		return false;
	}
	if (!is_code_sockopt(settings->code_sockopt)) {
		*error = arena_printf(arena, "bad value of --code_sockopt: %s", settings->code_sockopt);
		return false;
	}
	return true;
}
