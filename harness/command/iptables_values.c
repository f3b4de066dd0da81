/* Values as iptables writes them: numbers, ports, addresses, marks, names of the TOS field. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "iptables.h"

bool iptables_number(const char *text, unsigned long long most, unsigned long long *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !*end && !errno && *value <= most;
}

bool iptables_u32(const char *text, uint32_t most, uint32_t *value)
{
	unsigned long long number;

	if (!iptables_number(text, most, &number))
		return false;
	*value = (uint32_t)number;
	return true;
}

/* The ends of LOW-HIGH or LOW:HIGH as text; last is NULL when there is but one value. */
struct ends {
	char first[64];
	const char *last;
};

/* Before and behind a colon an end may be left out. */
static bool split(const char *text, char between, struct ends *ends)
{
	const char *mark = strchr(text, between);
	size_t length = mark ? (size_t)(mark - text) : strlen(text);

	if (length >= sizeof(ends->first))
		return false;
	snprintf(ends->first, sizeof(ends->first), "%.*s", (int)length, text);
	ends->last = mark ? mark + 1 : NULL;
	return !mark || between == ':' || (*ends->first && *ends->last);
}

bool iptables_range(const char *text, char between, uint32_t most, uint32_t *low, uint32_t *high)
{
	struct ends ends;

	*low = 0;
	*high = most;
	if (!split(text, between, &ends))
		return false;
	if (!ends.last) {
		if (!iptables_u32(ends.first, most, low))
			return false;
		*high = *low;
		return true;
	}
	return (!*ends.first || iptables_u32(ends.first, most, low)) && (!*ends.last || iptables_u32(ends.last, most, high));
}

static bool port(const char *text, const struct ipt_ip *ip, uint16_t *value)
{
	const char *protocol = ip->proto == IPPROTO_TCP ? "tcp" : ip->proto == IPPROTO_UDP ? "udp" : NULL;
	const struct servent *service;
	uint32_t number;

	if (iptables_u32(text, UINT16_MAX, &number)) {
		*value = (uint16_t)number;
		return true;
	}
	service = isalpha((unsigned char)*text) ? getservbyname(text, protocol) : NULL;
	if (service)
		*value = ntohs((uint16_t)service->s_port);
	return service;
}

bool iptables_ports(const char *text, char between, const struct ipt_ip *ip, uint16_t *low, uint16_t *high)
{
	struct ends ends;

	*low = 0;
	*high = UINT16_MAX;
	if (!split(text, between, &ends))
		return false;
	if (!ends.last) {
		if (!port(ends.first, ip, low))
			return false;
		*high = *low;
		return true;
	}
	return (!*ends.first || port(ends.first, ip, low)) && (!*ends.last || port(ends.last, ip, high)) && *low <= *high;
}

bool iptables_address(const char *text, size_t length, struct in_addr *address)
{
	char plain[INET_ADDRSTRLEN];

	if (length >= sizeof(plain))
		return false;
	snprintf(plain, sizeof(plain), "%.*s", (int)length, text);
	return inet_pton(AF_INET, plain, address) == 1;
}

bool iptables_network(const char *text, struct in_addr *address, struct in_addr *mask)
{
	const char *slash = strchr(text, '/');
	uint32_t length = 32;

	mask->s_addr = UINT32_MAX;
	if (!iptables_address(text, slash ? (size_t)(slash - text) : strlen(text), address))
		return false;
	if (slash && iptables_u32(slash + 1, 32, &length))
		mask->s_addr = length ? htonl(UINT32_MAX << (32 - length)) : 0;
	else if (slash && !iptables_address(slash + 1, strlen(slash + 1), mask))
		return false;
	address->s_addr &= mask->s_addr;
	return true;
}

bool iptables_masked(const char *text, uint32_t *value, uint32_t *mask)
{
	const char *slash = strchr(text, '/');
	char first[16];

	*mask = UINT32_MAX;
	if (!slash)
		return iptables_u32(text, UINT32_MAX, value);
	if ((size_t)(slash - text) >= sizeof(first))
		return false;
	snprintf(first, sizeof(first), "%.*s", (int)(slash - text), text);
	return iptables_u32(first, UINT32_MAX, value) && iptables_u32(slash + 1, UINT32_MAX, mask);
}

int iptables_word(const char *text, size_t length, const char *const *names, bool any_case)
{
	for (int i = 0; names[i]; i++)
		if (strlen(names[i]) == length &&
		    (any_case ? !strncasecmp(names[i], text, length) : !strncmp(names[i], text, length)))
			return i;
	return -1;
}

bool iptables_tos(const char *text, uint8_t *value, uint8_t *mask)
{
	static const char *const names[] = { "Minimize-Delay", "Maximize-Throughput", "Maximize-Reliability", "Minimize-Cost",
					     "Normal-Service", NULL };
	static const uint8_t values[] = { 0x10, 0x08, 0x04, 0x02, 0x00 };
	int word = iptables_word(text, strlen(text), names, true);
	uint32_t number, bits;

	if (word >= 0) {
		*value = values[word];
		*mask = 0x3f;
		return true;
	}
	if (!iptables_masked(text, &number, &bits) || number > 255 || (strchr(text, '/') && bits > 255))
		return false;
	*value = (uint8_t)number;
	*mask = (uint8_t)bits;
	return true;
}

bool iptables_dscp_class(const char *text, uint8_t *dscp)
{
	static const struct {
		const char *name;
		uint8_t dscp;
	} classes[] = {
		{ "CS0", 0x00 },  { "CS1", 0x08 },  { "CS2", 0x10 },  { "CS3", 0x18 },	{ "CS4", 0x20 },  { "CS5", 0x28 },
		{ "CS6", 0x30 },  { "CS7", 0x38 },  { "BE", 0x00 },   { "AF11", 0x0a }, { "AF12", 0x0c }, { "AF13", 0x0e },
		{ "AF21", 0x12 }, { "AF22", 0x14 }, { "AF23", 0x16 }, { "AF31", 0x1a }, { "AF32", 0x1c }, { "AF33", 0x1e },
		{ "AF41", 0x22 }, { "AF42", 0x24 }, { "AF43", 0x26 }, { "EF", 0x2e },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (!strcasecmp(classes[i].name, text)) {
			*dscp = classes[i].dscp;
			return true;
		}
	return false;
}
