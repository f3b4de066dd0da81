#include "options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbols.h"

static const struct script_option_row rows[] = {
	{ "ip_version", OPTION_KIND_IP_VERSION, 0, 0 },
	{ "bind_port", OPTION_KIND_NUMBER, 1, 65535 },
	{ "connect_port", OPTION_KIND_NUMBER, 1, 65535 },
	{ "code_command", OPTION_KIND_TEXT, 0, 0 },
	{ "code_format", OPTION_KIND_TEXT, 0, 0 },
	{ "code_sockopt", OPTION_KIND_TEXT, 0, 0 },
	{ "remote_ip", OPTION_KIND_ADDRESS, 0, 0 },
	{ "local_ip", OPTION_KIND_ADDRESS, 0, 0 },
	{ "gateway_ip", OPTION_KIND_ADDRESS, 0, 0 },
	{ "netmask_ip", OPTION_KIND_NETMASK, 0, 0 },
	{ "speed", OPTION_KIND_NUMBER, 0, UINT32_MAX },
	{ "mss", OPTION_KIND_NUMBER, 1, 65535 },
	{ "mtu", OPTION_KIND_NUMBER, 0, 65535 },
	{ "init_scripts", OPTION_KIND_TEXT, 0, 0 },
	{ "tolerance_usecs", OPTION_KIND_NUMBER, 1, UINT32_MAX },
	{ "tolerance_percent", OPTION_KIND_PERCENT, 0, 0 },
	{ "tcp_ts_ecr_scaled", OPTION_KIND_FLAG, 0, 0 },
	{ "tcp_ts_tick_usecs", OPTION_KIND_NUMBER, 0, 1000000 },
	{ "strict_segments", OPTION_KIND_FLAG, 0, 0 },
	{ "non_fatal", OPTION_KIND_LIST, 0, 0 },
	{ "dry_run", OPTION_KIND_FLAG, 0, 0 },
	{ "is_anyip", OPTION_KIND_FLAG, 0, 0 },
	{ "send_omit_free", OPTION_KIND_FLAG, 0, 0 },
	{ "so_filename", OPTION_KIND_TEXT, 0, 0 },
	{ "so_flags", OPTION_KIND_TEXT, 0, 0 },
	{ "verbose", OPTION_KIND_FLAG, 0, 0 },
	{ "debug", OPTION_KIND_FLAG, 0, 0 },
	{ "define", OPTION_KIND_DEFINE, 0, 0 },
	{ "wire_client", OPTION_KIND_FLAG, 0, 0 },
	{ "wire_server", OPTION_KIND_FLAG, 0, 0 },
	{ "wire_server_ip", OPTION_KIND_ADDRESS, 0, 0 },
	{ "wire_server_at", OPTION_KIND_ADDRESS, 0, 0 },
	{ "wire_server_port", OPTION_KIND_NUMBER, 1, 65535 },
	{ "wire_client_dev", OPTION_KIND_TEXT, 0, 0 },
	{ "wire_server_dev", OPTION_KIND_TEXT, 0, 0 },
	{ "psp_udp_port", OPTION_KIND_NUMBER, 1, 65535 },
	/* Plumbline's own. */
	{ "link", OPTION_KIND_LINK, 0, 0 },
	{ "first_namespace", OPTION_KIND_FLAG, 0, 0 },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

const struct script_option_row *script_option_row(const char *name)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static const char *row_name(const void *table, unsigned index)
{
	return ((const struct script_option_row *)table)[index].name;
}

const char *script_option_nearest(const char *name)
{
	return word_nearest(name, rows, ROWS, row_name);
}

/* Decimal or, with 0x, hexadecimal. */
static bool number_read(const char *text, unsigned long long least, unsigned long long most, unsigned *value)
{
	unsigned long long number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	number = strtoull(text, &end, 0);
	if (*end || number < least || number > most)
		return false;
	*value = (unsigned)number;
	return true;
}

static bool percent_fits(const char *text)
{
	double value;
	char *end;

	if (!text[0] || text[strspn(text, "0123456789.")])
		return false;
	value = strtod(text, &end);
	return !*end && value >= 0 && value <= 100;
}

/* An address of either family; a prefix length may follow. */
static bool address_fits(const char *text)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	unsigned prefix;

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = 0;
	if (inet_pton(AF_INET, address, &parsed) == 1)
		return !slash || number_read(slash + 1, 0, 32, &prefix);
	return inet_pton(AF_INET6, address, &parsed) == 1 && (!slash || number_read(slash + 1, 0, 128, &prefix));
}

static bool netmask_fits(const char *text)
{
	struct in_addr mask;
	uint32_t host;

	if (inet_pton(AF_INET, text, &mask) != 1)
		return false;
	host = ~ntohl(mask.s_addr);
	return !(host & (host + 1));
}

static bool list_fits(const char *text)
{
	while (*text) {
		size_t length = strcspn(text, ", ");

		if (!(length == 6 && !strncmp(text, "packet", 6)) && !(length == 7 && !strncmp(text, "syscall", 7)))
			return false;
		text += length;
		text += strspn(text, ", ");
	}
	return true;
}

static bool define_fits(const char *text)
{
	const char *equals = strchr(text, '=');

	return equals && equals != text;
}

bool script_option_fits(const struct script_option_row *row, const char *value, char *buffer, size_t size,
			const char **expected)
{
	unsigned number;

	*expected = buffer;
	if (row->kind == OPTION_KIND_FLAG) {
		snprintf(buffer, size, "--%s alone", row->name);
		return !value;
	}
	snprintf(buffer, size, "a text");
	if (value && !*value)
		value = NULL;
	switch (row->kind) {
	case OPTION_KIND_FLAG:
	case OPTION_KIND_TEXT:
		return value;
	case OPTION_KIND_NUMBER:
		snprintf(buffer, size, "a number of %u to %u", row->least, row->most);
		return value && number_read(value, row->least, row->most, &number);
	case OPTION_KIND_PERCENT:
		snprintf(buffer, size, "a number of 0 to 100");
		return value && percent_fits(value);
	case OPTION_KIND_ADDRESS:
		snprintf(buffer, size, "an IP address, perhaps with /PREFIX");
		return value && address_fits(value);
	case OPTION_KIND_NETMASK:
		snprintf(buffer, size, "a netmask such as 255.255.0.0");
		return value && netmask_fits(value);
	case OPTION_KIND_IP_VERSION:
		snprintf(buffer, size, "ipv4, ipv4-mapped-ipv6 or ipv6");
		return value && (!strcmp(value, "ipv4") || !strcmp(value, "ipv4-mapped-ipv6") || !strcmp(value, "ipv6"));
	case OPTION_KIND_LIST:
		snprintf(buffer, size, "packet, syscall, or both with a comma");
		return value && list_fits(value);
	case OPTION_KIND_DEFINE:
		snprintf(buffer, size, "NAME=VALUE");
		return value && define_fits(value);
	case OPTION_KIND_LINK:
		snprintf(buffer, size, "NAME[,tun|ethernet|loopback][,local=ADDRESS/PREFIX][,remote=ADDRESS][,arp=script|permanent|answer][,mtu=N]");
		return value && script_link_parse(value, &(struct script_link){ 0 });
	}
	return false;
}

/* "local=10.0.0.1/24" after its '='. */
static bool link_address(const char *text, struct script_link *link)
{
	const char *slash = strchr(text, '/');
	char address[INET_ADDRSTRLEN];

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = 0;
	return inet_pton(AF_INET, address, &link->local) == 1 && number_read(slash + 1, 0, 32, &link->prefix_length);
}

static bool link_arp(const char *text, struct script_link *link)
{
	static const char *const words[] = {
		[LINK_ARP_SCRIPT] = "script", [LINK_ARP_PERMANENT] = "permanent", [LINK_ARP_ANSWER] = "answer"
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(text, words[i])) {
			link->arp = (enum script_link_arp)i;
			return true;
		}
	}
	return false;
}

static bool link_part(const char *part, struct script_link *link)
{
	static const char *const kinds[] = {
		[PL_LINK_LOOPBACK] = "loopback", [PL_LINK_TUN] = "tun", [PL_LINK_ETHERNET] = "ethernet"
	};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(part, kinds[i])) {
			link->kind = i;
			return true;
		}
	}
	if (!strncmp(part, "local=", 6))
		return link_address(part + 6, link);
	if (!strncmp(part, "remote=", 7))
		return inet_pton(AF_INET, part + 7, &link->remote) == 1;
	if (!strncmp(part, "mtu=", 4))
		return number_read(part + 4, 68, 65536, &link->mtu);
	if (!strncmp(part, "arp=", 4))
		return link_arp(part + 4, link);
	return false;
}

bool script_link_parse(const char *text, struct script_link *link)
{
	size_t length = strcspn(text, ",");
	char part[64];

	*link = (struct script_link){ .kind = PL_LINK_TUN };
	if (!length || length >= sizeof(link->name))
		return false;
	memcpy(link->name, text, length);
	for (text += length; *text == ','; text += length) {
		text++;
		length = strcspn(text, ",");
		if (length >= sizeof(part))
			return false;
		memcpy(part, text, length);
		part[length] = 0;
		if (!link_part(part, link))
			return false;
	}
	if (link->arp == LINK_ARP_PERMANENT && !link->remote.s_addr)
		return false;
	return link->arp == LINK_ARP_SCRIPT || link->kind == PL_LINK_ETHERNET;
}
