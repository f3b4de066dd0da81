/*
 * What cannot be compared as it is, and what is known to differ, each with its reason. Nothing is left out silently: the command
 * counts and prints all three kinds.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "family.h"

#define ANY (-1)

/* --- not carried out ------------------------------------------------------------------------------------------------------ */

struct skip_row {
	const struct sweep_probe *probe;
	int level;			/* of options */
	int first, last;		/* of a range of options or requests */
	bool privileged_only, named_only;	/* requests: only where it could act */
	const char *reason;
};

#define FILTER_TABLES "belongs to netfilter's tables (iptables, arptables, ipset), whose modules may be loaded or not"
#define ORIGINAL "SO_ORIGINAL_DST belongs to connection tracking, whose module may be loaded or not"
#define CHANGES "changes a link, an address or a route, which the combinations after it would see"

static const struct skip_row skips[] = {
	{ &probe_getsockopt, IPPROTO_IP, 64, 67, false, false, FILTER_TABLES },
	{ &probe_setsockopt, IPPROTO_IP, 64, 67, false, false, FILTER_TABLES },
	{ &probe_getsockopt, IPPROTO_IP, 83, 83, false, false, FILTER_TABLES },
	{ &probe_setsockopt, IPPROTO_IP, 83, 83, false, false, FILTER_TABLES },
	{ &probe_getsockopt, IPPROTO_IP, 96, 99, false, false, FILTER_TABLES },
	{ &probe_setsockopt, IPPROTO_IP, 96, 99, false, false, FILTER_TABLES },
	{ &probe_getsockopt, IPPROTO_IP, 80, 80, false, false, ORIGINAL },
	{ &probe_setsockopt, IPPROTO_IP, 80, 80, false, false, ORIGINAL },
	{ &probe_ioctl, ANY, 0x8914, 0x8914, true, true, CHANGES },	/* SIOCSIFFLAGS */
	{ &probe_ioctl, ANY, 0x8916, 0x8916, true, true, CHANGES },	/* SIOCSIFADDR, and the other SIOCSIF... */
	{ &probe_ioctl, ANY, 0x8918, 0x8918, true, true, CHANGES },
	{ &probe_ioctl, ANY, 0x891a, 0x891a, true, true, CHANGES },
	{ &probe_ioctl, ANY, 0x891c, 0x891c, true, true, CHANGES },
	{ &probe_ioctl, ANY, 0x8922, 0x8924, true, true, CHANGES },
	{ &probe_ioctl, ANY, 0x8936, 0x8937, true, true, CHANGES },
	{ &probe_ioctl, ANY, 0x8943, 0x8943, true, true, CHANGES },
	{ &probe_ioctl, ANY, 0x894c, 0x894c, true, false, "SIOCGSKNS opens a descriptor of the network namespace, of which there is none in a process" },
	{ &probe_ioctl, ANY, 0x8980, 0x89ef, false, false, "asks for a module of bridges, VLANs, bonds or time stamping hardware, which is the machine's" },
	{ &probe_ioctl, ANY, 0x8940, 0x8941, false, false, "asks for the bridge module, which is the machine's" },
};

static bool in_range(const struct combination *combination, const struct skip_row *row)
{
	if (row->probe == &probe_ioctl) {
		unsigned request = combination_request(combination);
		const char *link = combination_request_link(combination);

		return request >= (unsigned)row->first && request <= (unsigned)row->last &&
		       (!row->privileged_only || combination->privileged) && (!row->named_only || (link && *link));
	}
	return combination_level(combination) == row->level && combination_option(combination) >= row->first &&
	       combination_option(combination) <= row->last;
}

const char *exception_skip(const struct combination *combination)
{
	for (size_t i = 0; i < sizeof(skips) / sizeof(skips[0]); i++)
		if (skips[i].probe == combination->probe && in_range(combination, &skips[i]))
			return skips[i].reason;
	return NULL;
}

/* --- mapped --------------------------------------------------------------------------------------------------------------- */

/* How an option's value is made comparable. The first four bytes of a record of an option are its length. */
enum map_how {
	MAP_WHETHER_ZERO,		/* every byte of the value: 0 or 1 for all of it together */
	MAP_NOTHING_OF_IT,		/* the value is not looked at, its length and the result are */
	MAP_PORT,			/* it is the socket's port: as MAP_WHETHER_ZERO where the stack chose it */
};
struct map_row {
	int level, option;		/* level ANY: ioctl, option is the request */
	enum map_how how;
	const char *reason;
};

static const struct map_row maps[] = {
	{ SOL_SOCKET, SO_PEERCRED, MAP_NOTHING_OF_IT, "process numbers" },
	{ SOL_SOCKET, SO_INCOMING_CPU, MAP_NOTHING_OF_IT, "the processor that the last packet came in on" },
	{ SOL_SOCKET, SO_INCOMING_NAPI_ID, MAP_NOTHING_OF_IT, "a number of the receiving queue" },
	{ SOL_SOCKET, 55, MAP_NOTHING_OF_IT, "SO_MEMINFO: moments of the memory accounting" },
	{ SOL_SOCKET, 57, MAP_WHETHER_ZERO, "SO_COOKIE: numbers given in the order of asking" },
	{ SOL_SOCKET, 71, MAP_WHETHER_ZERO, "SO_NETNS_COOKIE: a number of the network namespace" },
	{ IPPROTO_IP, 52, MAP_PORT, "IP_PROTOCOL: reads as the local port, which the stack chose" },
	{ IPPROTO_TCP, TCP_INFO, MAP_NOTHING_OF_IT, "times since events" },
	{ IPPROTO_TCP, TCP_TIMESTAMP, MAP_NOTHING_OF_IT, "a clock" },
	{ IPPROTO_TCP, TCP_CC_INFO, MAP_NOTHING_OF_IT, "moments of the congestion control" },
	{ ANY, SIOCGSTAMP_OLD, MAP_NOTHING_OF_IT, "a clock" },
	{ ANY, SIOCGSTAMPNS_OLD, MAP_NOTHING_OF_IT, "a clock" },
};

static void map_bytes(uint8_t *bytes, size_t length, enum map_how how)
{
	bool any = false;

	for (size_t i = 0; i < length; i++)
		any |= bytes[i] != 0;
	memset(bytes, how != MAP_NOTHING_OF_IT && any, length);
}

static bool port_chosen(const struct combination *combination)
{
	return combination->socket->type != SOCK_RAW && combination->state != STATE_FRESH && combination->state != STATE_BOUND &&
	       combination->state != STATE_LISTENING;
}

static const char *map_option(const struct combination *combination, struct record *record, unsigned records)
{
	int level = combination_level(combination), option = combination_option(combination);

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		if (maps[i].level != level || maps[i].option != option || (maps[i].how == MAP_PORT && !port_chosen(combination)))
			continue;
		for (unsigned r = 0; r < records; r++) {
			socklen_t length = 0;

			if (record[r].result < 0 || record[r].length < sizeof(length))
				continue;
			memcpy(&length, record[r].bytes, sizeof(length));
			if (length > record[r].length - sizeof(length))
				length = record[r].length - sizeof(length);
			map_bytes(record[r].bytes + sizeof(length), length, maps[i].how);
		}
		return maps[i].reason;
	}
	return NULL;
}

static const char *map_request(unsigned request, struct record *record, unsigned records)
{
	if ((request & 0xff00ffff) != (request & 0xffff) && (request & 0xff00) != 0x8900)
		return NULL;
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		if (maps[i].level != ANY || (unsigned)maps[i].option != (request & 0xffff))
			continue;
		for (unsigned r = 0; r < records; r++)
			if (record[r].result >= 0)
				map_bytes(record[r].bytes, record[r].length, maps[i].how);
		return maps[i].reason;
	}
	return NULL;
}

const char *exception_map(const struct combination *combination, struct record *record, unsigned records)
{
	if (combination->probe == &probe_getsockopt || combination->probe == &probe_setsockopt)
		return map_option(combination, record, records);
	if (combination->probe == &probe_ioctl)
		return map_request(combination_request(combination), record, records);
	return NULL;
}

/* --- known to differ ------------------------------------------------------------------------------------------------------ */

struct known_row {
	unsigned first, last;		/* requests */
	int64_t refstack, kernel;	/* what they give; only these two together are known */
	const char *reason;
};

#define MPTCP 262
#define NO_PROCESSES "the stack knows the first process only; a machine has more"

static const struct known_row knowns[] = {
	{ 0x8901, 0x8902, -ESRCH, 0, NO_PROCESSES },	/* FIOSETOWN, SIOCSPGRP */
	{ SIOCETHTOOL, SIOCETHTOOL, -ENODEV, -EFAULT, "a pointer that is not NULL is trusted: the stack runs in its caller's process" },
};

const char *exception_known(const struct combination *combination, const struct side *refstack, const struct side *kernel)
{
	unsigned request;

	if (combination->probe == &probe_socket && combination_protocol(combination) == MPTCP)
		return "MPTCP is out of scope: as a kernel without it";
	if (combination->probe != &probe_ioctl)
		return NULL;
	request = combination_request(combination);
	for (size_t i = 0; i < sizeof(knowns) / sizeof(knowns[0]); i++)
		if (request >= knowns[i].first && request <= knowns[i].last && refstack->record[0].result == knowns[i].refstack &&
		    kernel->record[0].result == knowns[i].kernel)
			return knowns[i].reason;
	return NULL;
}
