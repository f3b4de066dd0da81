#include "address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

static const struct {
	const char *name;
	uint32_t address;
	sa_family_t family;
} addresses[] = {
	{ "any", INADDR_ANY, AF_INET },
	{ "local", LOCAL_ADDRESS, AF_INET },
	{ "loopback", INADDR_LOOPBACK, AF_INET },
	{ "loopback-2", 0x7f000002, AF_INET },
	{ "neighbour", 0xc0a80707, AF_INET },
	{ "remote", REMOTE_ADDRESS, AF_INET },
	{ "unroutable", 0xcb007101, AF_INET },
	{ "broadcast", INADDR_BROADCAST, AF_INET },
	{ "subnet-broadcast", 0xc0a8ffff, AF_INET },
	{ "subnet-zero", 0xc0a80000, AF_INET },
	{ "loopback-broadcast", 0x7fffffff, AF_INET },
	{ "multicast", 0xef010203, AF_INET },
	{ "all-hosts", 0xe0000001, AF_INET },
	{ "class-e", 0xf0000001, AF_INET },
	{ "this-network", 0x00010203, AF_INET },
	{ "family-unspec", LOCAL_ADDRESS, AF_UNSPEC },
	{ "family-unspec-any", INADDR_ANY, AF_UNSPEC },
	{ "family-inet6", LOCAL_ADDRESS, AF_INET6 },
	{ "family-unix", LOCAL_ADDRESS, AF_UNIX },
	{ "family-99", LOCAL_ADDRESS, 99 },
};
#define ADDRESSES (sizeof(addresses) / sizeof(addresses[0]))

static unsigned address_count(const struct combination *combination)
{
	return ADDRESSES;
}

static void address_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", addresses[index].name);
}

static const uint16_t ports[] = { 0, SERVICE_PORT, BOUND_PORT, HELPER_PORT, DEAF_PORT };

static unsigned port_count(const struct combination *combination)
{
	return sizeof(ports) / sizeof(ports[0]);
}

static void port_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%u", ports[index]);
}

/* The last is a NULL pointer with the right length, the one before NULL and 0. */
static const int lengths[] = { 16, 0, 1, 2, 4, 7, 8, 15, 17, 28, 128, 129, -1, 0, 16 };
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static unsigned length_count(const struct combination *combination)
{
	return LENGTHS;
}

static void length_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s%d", index >= LENGTHS - 2 ? "null-" : "", lengths[index]);
}

const struct sweep_axis axis_address = { "address", address_count, address_print };
const struct sweep_axis axis_port = { "port", port_count, port_print };
const struct sweep_axis axis_address_length = { "length", length_count, length_print };

void address_make(unsigned address, unsigned port, unsigned length, struct address *to)
{
	struct sockaddr_in in = {
		.sin_family = addresses[address].family,
		.sin_addr.s_addr = htonl(addresses[address].address),
		.sin_port = htons(ports[port]),
	};

	memset(to->bytes, 0, sizeof(to->bytes));
	memcpy(to->bytes, &in, sizeof(in));
	to->pointer = length >= LENGTHS - 2 ? 0 : PL_PTR(to->bytes);
	to->length = lengths[length];
}
