/* Calls other than those that carry data: their addresses, flags and numbers. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../script/ast.h"
#include "address.h"
#include "family.h"
#include "numbers.h"

#define FILLER 0x55

/* --- socket ------------------------------------------------------------------------------------------------------------- */

static const int64_t types[] = { 0, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP, 7, 8, 9, SOCK_PACKET, 11,
				 -1, SOCK_STREAM | SOCK_NONBLOCK, SOCK_DGRAM | SOCK_CLOEXEC, SOCK_DGRAM | 0x10, SOCK_STREAM | 0x4000 };
static const int64_t families[] = { AF_INET, AF_UNSPEC, 45, 46, 100, -1 };
NUMBERS_AXIS(type, types, "SOCK_")
NUMBERS_AXIS(family, families, "AF_")

/* All of a byte, and what is beyond it: IPPROTO_MPTCP, the first that is none, and a negative one. */
static const int64_t beyond[] = { 256, 262, 263, 65536, -1 };

static unsigned protocol_count(const struct combination *combination)
{
	return 256 + sizeof(beyond) / sizeof(beyond[0]);
}

static int64_t protocol_at(unsigned index)
{
	return index < 256 ? index : beyond[index - 256];
}

int64_t combination_protocol(const struct combination *combination)
{
	return protocol_at(combination->index[2]);
}

static void protocol_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%lld", (long long)protocol_at(index));
}

static const struct sweep_axis axis_protocol = { "protocol", protocol_count, protocol_print };

static void run_socket(struct side *side, const struct combination *combination, int64_t fd)
{
	static const int what[] = { SO_TYPE, SO_PROTOCOL, SO_DOMAIN, SO_SNDBUF, SO_RCVBUF };
	int64_t made = side_keep(side, SIDE_CALL(side, socket, families[combination->index[0]], types[combination->index[1]],
						 protocol_at(combination->index[2])));

	side_record(side, "socket", made < 0 ? made : 0, NULL, 0);
	for (unsigned i = 0; made >= 0 && i < sizeof(what) / sizeof(what[0]); i++) {
		int value = 0;
		socklen_t length = sizeof(value);
		int64_t result = SIDE_CALL(side, getsockopt, made, SOL_SOCKET, what[i], PL_PTR(&value), PL_PTR(&length));

		side_record(side, "then getsockopt", result, &value, sizeof(value));
	}
}

const struct sweep_probe probe_socket = {
	.name = "socket",
	.axis = { &axis_family, &axis_type, &axis_protocol },
	.groups = 2,
	.bare = true,
	.run = run_socket,
};

/* --- bind, connect ------------------------------------------------------------------------------------------------------- */

static void run_bind(struct side *side, const struct combination *combination, int64_t fd)
{
	struct address address;

	address_make(combination->index[0], combination->index[1], combination->index[2], &address);
	side_record(side, "bind", SIDE_CALL(side, bind, fd, address.pointer, address.length), NULL, 0);
	side_record_aftermath(side, fd);
}

static void run_connect(struct side *side, const struct combination *combination, int64_t fd)
{
	struct address address;

	address_make(combination->index[0], combination->index[1], combination->index[2], &address);
	side_record(side, "connect", SIDE_CALL(side, connect, fd, address.pointer, address.length), NULL, 0);
	side_record_aftermath(side, fd);
	side_record(side, "again connect", SIDE_CALL(side, connect, fd, address.pointer, address.length), NULL, 0);
}

const struct sweep_probe probe_bind = {
	.name = "bind",
	.axis = { &axis_address, &axis_port, &axis_address_length },
	.groups = 1,
	.packets = true,
	.run = run_bind,
};
const struct sweep_probe probe_connect = {
	.name = "connect",
	.axis = { &axis_address, &axis_port, &axis_address_length },
	.groups = 1,
	.packets = true,
	.run = run_connect,
};

/* --- listen, accept, shutdown -------------------------------------------------------------------------------------------- */

static const int64_t backlogs[] = { 0, 1, 5, 4096, 65535, 65536, -1, 0x7fffffff };
static const int64_t hows[] = { SHUT_RD, SHUT_WR, SHUT_RDWR, 3, 4, -1 };
static const int64_t accept_flags[] = { 0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC, 1, 0x10, -1 };
NUMBERS_AXIS(backlog, backlogs, NULL)
NUMBERS_AXIS(how, hows, "SHUT_")
NUMBERS_AXIS(flags, accept_flags, "SOCK_")

static void run_listen(struct side *side, const struct combination *combination, int64_t fd)
{
	side_record(side, "listen", SIDE_CALL(side, listen, fd, backlogs[combination->index[0]]), NULL, 0);
	side_record(side, "again listen", SIDE_CALL(side, listen, fd, backlogs[combination->index[0]]), NULL, 0);
	side_record_aftermath(side, fd);
}

const struct sweep_probe probe_listen = {
	.name = "listen", .axis = { &axis_backlog }, .groups = 1, .packets = true, .run = run_listen,
};

static void run_shutdown(struct side *side, const struct combination *combination, int64_t fd)
{
	uint8_t bytes[16] = { 0 };

	side_record(side, "shutdown", SIDE_CALL(side, shutdown, fd, hows[combination->index[0]]), NULL, 0);
	side_record(side, "again shutdown", SIDE_CALL(side, shutdown, fd, hows[combination->index[0]]), NULL, 0);
	side_record_aftermath(side, fd);
	side_record(side, "then send", SIDE_CALL(side, send, fd, PL_PTR(bytes), 8, MSG_NOSIGNAL), NULL, 0);
	side_record(side, "then recv", SIDE_CALL(side, recv, fd, PL_PTR(bytes), 4, 0), bytes, 5);
}

const struct sweep_probe probe_shutdown = {
	.name = "shutdown", .axis = { &axis_how }, .groups = 1, .packets = true, .run = run_shutdown,
};

/* --- calls that give an address ------------------------------------------------------------------------------------------ */

/* The last two: no place for the address, no place for its length. */
static const int rooms[] = { 0, 1, 2, 4, 8, 15, 16, 17, 128, 256, -1, 16, 16 };
#define ROOMS (sizeof(rooms) / sizeof(rooms[0]))

static unsigned room_count(const struct combination *combination)
{
	return ROOMS;
}

static void room_print(const struct combination *combination, unsigned index, struct text *text)
{
	if (index >= ROOMS - 2)
		text_add(text, "%s", index == ROOMS - 2 ? "null-address" : "null-length");
	else
		text_add(text, "%d", rooms[index]);
}

static const struct sweep_axis axis_room = { "room", room_count, room_print };

static void name_call(struct side *side, const char *what, enum pl_op op, int64_t fd, unsigned room, int64_t flags)
{
	uint8_t bytes[256];
	socklen_t length = (socklen_t)rooms[room];
	int64_t result;

	memset(bytes, FILLER, sizeof(bytes));
	result = SIDE_CALL_OP(side, op, fd, room == ROOMS - 2 ? 0 : PL_PTR(bytes), room == ROOMS - 1 ? 0 : PL_PTR(&length), flags);
	if (op == PL_OP_accept4)
		side_keep(side, result);
	side_record_address(side, what, op == PL_OP_accept4 && result > 0 ? 0 : result, bytes, length, 32);
}

static void run_getsockname(struct side *side, const struct combination *combination, int64_t fd)
{
	name_call(side, "getsockname", PL_OP_getsockname, fd, combination->index[0], 0);
}

static void run_getpeername(struct side *side, const struct combination *combination, int64_t fd)
{
	name_call(side, "getpeername", PL_OP_getpeername, fd, combination->index[0], 0);
}

/* On the listening helper with a connection in its queue, too: there is something to be accepted. */
static void run_accept(struct side *side, const struct combination *combination, int64_t fd)
{
	struct address helper;

	name_call(side, "accept4", PL_OP_accept4, fd, combination->index[0], accept_flags[combination->index[1]]);
	if (combination->state != STATE_FRESH || combination->socket->type != SOCK_STREAM)
		return;
	address_make(2, 3, 0, &helper);
	SIDE_CALL(side, connect, fd, helper.pointer, helper.length);
	name_call(side, "with a connection accept4", PL_OP_accept4, side->listener, combination->index[0],
		  accept_flags[combination->index[1]]);
}

const struct sweep_probe probe_getsockname = { .name = "getsockname", .axis = { &axis_room }, .groups = 1, .run = run_getsockname };
const struct sweep_probe probe_getpeername = { .name = "getpeername", .axis = { &axis_room }, .groups = 1, .run = run_getpeername };
const struct sweep_probe probe_accept = { .name = "accept", .axis = { &axis_room, &axis_flags }, .groups = 1, .run = run_accept };

/* --- poll ---------------------------------------------------------------------------------------------------------------- */

static unsigned events_count(const struct combination *combination)
{
	return 18;
}

static int events_at(unsigned index)
{
	return index < 16 ? 1 << index : index == 16 ? 0 : 0xffff;
}

static void events_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%#x", events_at(index));
}

static const struct sweep_axis axis_events = { "events", events_count, events_print };

static void run_poll(struct side *side, const struct combination *combination, int64_t fd)
{
	struct pollfd ready = { .fd = (int)fd, .events = (short)events_at(combination->index[0]), .revents = 0x55 };
	int64_t result = SIDE_CALL(side, poll, PL_PTR(&ready), 1, 0);

	side_record(side, "poll", result, &ready.revents, sizeof(ready.revents));
	ready.fd = -1;
	result = SIDE_CALL(side, poll, PL_PTR(&ready), 1, 0);
	side_record(side, "poll of none", result, &ready.revents, sizeof(ready.revents));
	side_record(side, "poll of NULL", SIDE_CALL(side, poll, 0, 1, 0), NULL, 0);
}

const struct sweep_probe probe_poll = { .name = "poll", .axis = { &axis_events }, .groups = 1, .run = run_poll };
