/*
 * PROBE, RFC 8335: an extended echo request asks about one of this host's interfaces, named in an extension structure behind the
 * header (RFC 4884) by its name, its index or one of its addresses. The reply's code and state bits tell.
 *
 * Linux answers about its own interfaces only (the L bit), and takes the extension's version and checksum on trust.
 */
#include "icmp_probe.h"

#include <arpa/inet.h>

#define EXTENSION_HEADER 4u
#define OBJECT_HEADER 4u
#define OBJECT_MOST 24u		/* an address object with an IPv6 address */
enum { BY_NAME = 1, BY_INDEX = 2, BY_ADDRESS = 3 };
enum { FAMILY_IP = 1, FAMILY_IP6 = 2 };
enum { CODE_MALFORMED = 1, CODE_NO_INTERFACE = 2 };
enum { BIT_LOCAL = 1, BIT_IPV4 = 1 << 1, BIT_ACTIVE = 1 << 2 };

static uint16_t word(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static bool by_name(struct pl_stack *stack, const uint8_t *ident, size_t length, struct link **link)
{
	char name[IFNAMSIZ] = { 0 };

	if (length >= sizeof(name))
		return false;
	memcpy(name, ident, length);
	*link = link_by_name(stack, name);
	return true;
}

static bool by_index(struct pl_stack *stack, const uint8_t *ident, size_t length, struct link **link)
{
	if (length != 4)
		return false;
	*link = link_by_index(stack, word(ident) << 16 | word(ident + 2));
	return true;
}

static bool by_address(struct pl_stack *stack, const uint8_t *ident, size_t length, struct link **link)
{
	struct in_addr address;

	if (length < 4 || length != 4u + ident[2])
		return false;
	if (word(ident) == FAMILY_IP6)	/* an address that nobody here has */
		return ident[2] == 16;
	if (word(ident) != FAMILY_IP || ident[2] != sizeof(address))
		return false;
	memcpy(&address, ident + 4, sizeof(address));
	*link = local_address_link(stack, address);
	return true;
}

/* The interface that the request asks about, NULL when there is none such. false: the request makes no sense. */
static bool asked_about(struct pl_stack *stack, const uint8_t *data, size_t length, struct link **link)
{
	const uint8_t *object = data + EXTENSION_HEADER, *ident = object + OBJECT_HEADER;

	if (length < EXTENSION_HEADER + OBJECT_HEADER)
		return false;
	size_t size = word(object);
	if (size <= OBJECT_HEADER || size > OBJECT_MOST || EXTENSION_HEADER + size > length)
		return false;
	switch (object[3]) {
	case BY_NAME:
		return by_name(stack, ident, size - OBJECT_HEADER, link);
	case BY_INDEX:
		return by_index(stack, ident, size - OBJECT_HEADER, link);
	case BY_ADDRESS:
		return by_address(stack, ident, size - OBJECT_HEADER, link);
	default:
		return false;
	}
}

bool icmp_probe_answer(struct pl_stack *stack, struct icmphdr *header, const uint8_t *data, size_t length)
{
	uint16_t sequence = ntohs(header->un.echo.sequence), state = 0;
	struct link *link = NULL;

	if (!stack->sysctl.icmp_echo_enable_probe || !(sequence & BIT_LOCAL))
		return false;
	header->type = ICMP_EXT_ECHOREPLY;
	if (!asked_about(stack, data, length, &link)) {
		header->code = CODE_MALFORMED;
	} else if (!link) {
		header->code = CODE_NO_INTERFACE;
	} else {
		state |= link_is_up(link) ? BIT_ACTIVE : 0;
		state |= link->ipv4->addresses ? BIT_IPV4 : 0;
	}
	header->un.echo.sequence = htons((sequence & 0xff00) | state);
	return true;
}
