/*
 * One side of a comparison: a target, the helpers on it, and what one combination gave.
 *
 * Nothing outlives a combination but the stack and the helpers: every descriptor is closed, connections with a reset, so that no
 * TIME-WAIT stays and no port is held; memberships and filters go with their sockets; what has come for the helpers is read.
 */
#include <arpa/inet.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "packet.h"
#include "sweep.h"

/*
 * Limits of rates would make what happens depend on the combinations before, and cached metrics are state. Any process may have
 * ICMP sockets.
 */
#define SETTINGS                                                                                                               \
	"net/ipv4/icmp_ratelimit=0", "net/ipv4/icmp_msgs_per_sec=10000000", "net/ipv4/icmp_msgs_burst=10000000",                \
		"net/ipv4/ping_group_range=0 2147483647", "net/ipv4/tcp_no_metrics_save=1", "net/ipv4/tcp_invalid_ratelimit=0", \
		"net/ipv4/tcp_challenge_ack_limit=2147483647", "net/ipv4/conf/all/rp_filter=0",                        \
		"net/ipv4/conf/default/rp_filter=0"

#define UPTIME (60 * PL_NSEC_PER_SEC)	/* of a reference stack */

int64_t side_call(struct side *side, enum pl_op op, const int64_t arg[6])
{
	struct pl_call call = { .op = op };

	memcpy(call.arg, arg, sizeof(call.arg));
	side->target->ops->submit(side->target, &call);
	if (call.finished)
		return call.result;
	side->target->ops->cancel(side->target, &call);
	return WOULD_WAIT;
}

int64_t side_keep(struct side *side, int64_t fd)
{
	if (fd >= 0 && side->opens < sizeof(side->open) / sizeof(side->open[0]))
		side->open[side->opens++] = fd;
	return fd;
}

struct record *side_record(struct side *side, const char *what, int64_t result, const void *bytes, size_t length)
{
	struct record *record = &side->record[side->records];

	if (side->records == SWEEP_RECORDS) {
		side->overflow = true;
		return &side->record[SWEEP_RECORDS - 1];
	}
	side->records++;
	if (length > SWEEP_BYTES)
		length = SWEEP_BYTES;
	*record = (struct record){ .what = what, .result = result, .length = (uint32_t)length };
	if (length)
		memcpy(record->bytes, bytes, length);
	return record;
}

void side_record_address(struct side *side, const char *what, int64_t result, const void *address, socklen_t length, size_t room)
{
	uint8_t bytes[SWEEP_BYTES];
	struct sockaddr_in in;

	if (room > sizeof(bytes) - sizeof(length))
		room = sizeof(bytes) - sizeof(length);
	memcpy(bytes, &length, sizeof(length));
	memcpy(bytes + sizeof(length), address, room);
	if (room >= 4) {
		memcpy(&in, address, room < sizeof(in) ? room : sizeof(in));
		if (in.sin_family == AF_INET) {
			in.sin_port = htons(map_port(ntohs(in.sin_port)));
			memcpy(bytes + sizeof(length), &in, 4);
		}
	}
	side_record(side, what, result, bytes, sizeof(length) + room);
}

void side_record_aftermath(struct side *side, int64_t fd)
{
	static const char *const what[] = { "then getsockname", "then getpeername" };
	struct pollfd ready = { .fd = (int)fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLRDBAND };
	socklen_t length;
	int64_t result;
	int error = 0;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t address[16] = { 0 };

		length = sizeof(address);
		result = i ? SIDE_CALL(side, getpeername, fd, PL_PTR(address), PL_PTR(&length))
			   : SIDE_CALL(side, getsockname, fd, PL_PTR(address), PL_PTR(&length));
		side_record_address(side, what[i], result, address, length, sizeof(address));
	}
	result = SIDE_CALL(side, poll, PL_PTR(&ready), 1, 0);
	side_record(side, "then poll", result, &ready.revents, sizeof(ready.revents));
	length = sizeof(error);
	result = SIDE_CALL(side, getsockopt, fd, SOL_SOCKET, SO_ERROR, PL_PTR(&error), PL_PTR(&length));
	side_record(side, "then SO_ERROR", result, &error, sizeof(error));
}

void side_drain(struct side *side, bool record)
{
	struct target_packet packet;

	while (side->target->ops->take(side->target, side->arena, &packet)) {
		uint8_t bytes[SWEEP_BYTES];
		size_t length;

		if (!record || packet_is_noise(packet.bytes, packet.length))
			continue;
		length = packet_map(packet.bytes, packet.length, side->names, bytes, sizeof(bytes));
		side_record(side, "packet", (int64_t)packet.length, bytes, length)->bare = true;
	}
}

/* --- privileges --------------------------------------------------------------------------------------------------------- */

static void capability(struct side *side, int number, bool on)
{
	SIDE_CALL(side, cap_set, 0, number, on);
}

void side_unprivileged(struct side *side)
{
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		capability(side, i, false);
	side->without_raw = true;
}

/* --- opening ------------------------------------------------------------------------------------------------------------ */

int side_open(struct side *side, const struct target_ops *ops, const struct pl_machine *machine, bool packet_level,
	      struct arena *arena, const char **error)
{
	static const char *const setting[] = { SETTINGS, NULL };
	struct target_config *config = arena_alloc(arena, sizeof(*config));
	int status;

	*config = (struct target_config){
		.link = { { .name = "tun0", .kind = PL_LINK_TUN, .mtu = 1500, .local = { htonl(LOCAL_ADDRESS) }, .prefix_length = 16 } },
		.links = 1,
		.remote = { htonl(REMOTE_ADDRESS) },
		.gateway = { htonl(LOCAL_ADDRESS + 1) },
		.seed = 1,
		.no_commands = true,
		.bulk = true,
		.machine = machine,
		.sysctl = setting,
	};
	if (packet_level) {
		config->remote.s_addr = htonl(FAR_NETWORK);
		config->remote_prefix_length = FAR_PREFIX;
	}
	*side = (struct side){ .arena = arena, .listener = -1, .datagrams = -1, .peer = -1 };
	status = ops->open(config, arena, &side->target, error);
	/* A host that is compared has been up for a while. */
	if (!status && ops->virtual_time)
		ops->wait(side->target, UPTIME, 0);
	return status;
}

void side_close(struct side *side)
{
	side->target->ops->close(side->target);
}

/* --- one combination ---------------------------------------------------------------------------------------------------- */

/* Whatever else a call may have opened on the way is closed with a reset: nothing stays behind. */
static void close_at_once(struct side *side, const struct sweep_socket *socket, int64_t fd)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (!socket || socket->type == SOCK_STREAM)
		SIDE_CALL(side, setsockopt, fd, SOL_SOCKET, SO_LINGER, PL_PTR(&at_once), sizeof(at_once));
	SIDE_CALL(side, close, fd);
}

void side_run(struct side *side, const struct combination *combination)
{
	bool bare = combination->probe->bare || combination->probe->packet_level;
	const struct sweep_socket *socket = bare ? NULL : combination->socket;
	bool lend_raw = side->without_raw && socket && socket->type == SOCK_RAW;
	int64_t fd = -1;

	side->records = side->opens = 0;
	side->overflow = false;
	side->peer = -1;
	if (lend_raw)
		capability(side, CAP_NET_RAW, true);
	if (socket)
		fd = socket_make(side, socket, combination->state);
	if (lend_raw)
		capability(side, CAP_NET_RAW, false);
	if (socket && fd < 0) {
		side_record(side, "the state cannot be had", fd, NULL, 0);
	} else {
		side_drain(side, false);
		combination->probe->run(side, combination, fd);
		side_drain(side, combination->probe->packets);
	}
	if (side->peer >= 0)
		close_at_once(side, socket, side->peer);
	while (side->opens)
		close_at_once(side, socket, side->open[--side->opens]);
	if (socket)
		socket_tidy(side, socket);
	side_drain(side, false);
}
