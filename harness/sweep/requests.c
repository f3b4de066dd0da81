/* ioctl: every request number of sockets and of open files, with the arguments that the requests of devices take. */
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../script/ast.h"
#include "family.h"
#include "numbers.h"

#define SOCKET_REQUESTS 256		/* 0x8900 and what follows */
#define FILE_REQUESTS 128		/* 0x5400 and what follows */
#define ARGUMENT_ROOM 256
#define RECORDED 64

/* Those of the newer kind, whose numbers carry the size of what they take. */
static const unsigned newer[] = { _IOR(0x89, 0x06, long long[2]), _IOR(0x89, 0x07, long long[2]) };

static unsigned request_count(const struct combination *combination)
{
	return SOCKET_REQUESTS + FILE_REQUESTS + sizeof(newer) / sizeof(newer[0]);
}

static unsigned request_at(unsigned index)
{
	if (index < SOCKET_REQUESTS)
		return 0x8900 + index;
	index -= SOCKET_REQUESTS;
	return index < FILE_REQUESTS ? 0x5400 + index : newer[index - FILE_REQUESTS];
}

unsigned combination_request(const struct combination *combination)
{
	return request_at(combination->index[0]);
}

static void request_print(const struct combination *combination, unsigned index, struct text *text)
{
	unsigned request = request_at(index);
	const char *name = symbol_name("SIO", request);

	if (!name)
		name = symbol_name("FIO", request);
	if (name)
		text_add(text, "%s (%#x)", name, request);
	else
		text_add(text, "%#x", request);
}

static const struct {
	const char *name;
	const char *link;		/* struct ifreq's name; NULL: there is no argument */
	int number;			/* behind it; or in front when the name is empty */
} arguments[] = {
	{ "null", NULL, 0 }, { "zeros", "\0", 0 },   { "1", "\0", 1 },	  { "-1", "\0", -1 },
	{ "lo", "lo", 0 },   { "tun0", "tun0", 0 },	   { "tun0-1", "tun0", 1 }, { "nosuch", "nosuch", 0 },
	{ "alias", "tun0:1", 0 }, { "link-2", "\0x", 2 },
};

static unsigned argument_count(const struct combination *combination)
{
	return sizeof(arguments) / sizeof(arguments[0]);
}

static void argument_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", arguments[index].name);
}

const char *combination_request_link(const struct combination *combination)
{
	return arguments[combination->index[1]].link;
}

static void run_ioctl(struct side *side, const struct combination *combination, int64_t fd)
{
	unsigned which = combination->index[1];
	const char *link = arguments[which].link;
	uint8_t bytes[ARGUMENT_ROOM] = { 0 };
	int64_t result;

	if (link && *link)
		snprintf((char *)bytes, IFNAMSIZ, "%s", link);
	if (link && (*link || link[1]))
		memcpy(bytes + IFNAMSIZ, &arguments[which].number, sizeof(int));
	else
		memcpy(bytes, &arguments[which].number, sizeof(int));
	result = SIDE_CALL(side, ioctl, fd, request_at(combination->index[0]), link ? PL_PTR(bytes) : 0);
	side_record(side, "ioctl", result, bytes, RECORDED);
}

static const struct sweep_axis axis_request = { "request", request_count, request_print };
static const struct sweep_axis axis_argument = { "argument", argument_count, argument_print };

const struct sweep_probe probe_ioctl = {
	.name = "ioctl",
	.axis = { &axis_request, &axis_argument },
	.groups = 1,
	.run = run_ioctl,
};
