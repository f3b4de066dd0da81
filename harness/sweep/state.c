/* Sockets in their states, made alike on every target by calls alone: the loopback is the network. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "sweep.h"

#define AWAIT_TRIES 200			/* of a millisecond */

static struct sockaddr_in place(uint32_t address, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(address), .sin_port = htons(port) };
}

/*
 * Until fd has one of the events. A stack under virtual time delivers what was sent over its loopback before the call that sent
 * it returns; the kernel nearly always, but may leave it to another thread.
 */
static bool await(struct side *side, int64_t fd, short events)
{
	for (unsigned i = 0; i < AWAIT_TRIES; i++) {
		struct pollfd ready = { .fd = (int)fd, .events = events };

		if (SIDE_CALL(side, poll, PL_PTR(&ready), 1, 0) > 0)
			return true;
		if (side->target->ops->virtual_time)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return false;
}

static int64_t plain_socket(struct side *side, const struct sweep_socket *socket)
{
	return SIDE_CALL(side, socket, AF_INET, socket->type | SOCK_NONBLOCK, socket->protocol);
}

static int64_t bind_to(struct side *side, int64_t fd, uint32_t address, uint16_t port)
{
	struct sockaddr_in at = place(address, port);

	return SIDE_CALL(side, bind, fd, PL_PTR(&at), sizeof(at));
}

static int64_t connect_to(struct side *side, int64_t fd, uint32_t address, uint16_t port)
{
	struct sockaddr_in to = place(address, port);

	return SIDE_CALL(side, connect, fd, PL_PTR(&to), sizeof(to));
}

/* The helper of the socket's kind, made once a batch. */
static int64_t helper(struct side *side, const struct sweep_socket *socket)
{
	int64_t *helper = socket->type == SOCK_STREAM ? &side->listener : &side->datagrams;
	int64_t result;

	if (*helper >= 0)
		return *helper;
	*helper = plain_socket(side, socket);
	if (*helper < 0)
		return *helper;
	result = bind_to(side, *helper, INADDR_LOOPBACK, HELPER_PORT);
	if (result == 0 && socket->type == SOCK_STREAM)
		result = SIDE_CALL(side, listen, *helper, 100);
	return result < 0 ? result : *helper;
}

static bool has_helper(const struct sweep_socket *socket)
{
	return socket->protocol == IPPROTO_TCP || socket->protocol == IPPROTO_UDP || socket->protocol == IPPROTO_UDPLITE;
}

static int64_t make_connected(struct side *side, const struct sweep_socket *socket, int64_t fd)
{
	int64_t result = connect_to(side, fd, INADDR_LOOPBACK, has_helper(socket) ? HELPER_PORT : 0);

	if (socket->type != SOCK_STREAM)
		return result;
	if (result < 0 && result != -EINPROGRESS)
		return result;
	if (!await(side, side->listener, POLLIN))
		return -ETIMEDOUT;
	side->peer = SIDE_CALL(side, accept4, side->listener, 0, 0, SOCK_NONBLOCK);
	return side->peer < 0 ? side->peer : 0;
}

/* Five bytes for the socket: from the helper, or from itself over the loopback. */
static int64_t make_data(struct side *side, const struct sweep_socket *socket, int64_t fd)
{
	static const uint8_t echo[8] = { 8 }, bytes[5] = "hello";
	struct sockaddr_in own;
	socklen_t length = sizeof(own);
	int64_t result = socket->type == SOCK_DGRAM ? bind_to(side, fd, INADDR_LOOPBACK, BOUND_PORT) : 0;

	/* Bound first: the port, or the identifier of an ICMP socket, is part of what is received. */
	if (result == 0)
		result = make_connected(side, socket, fd);
	if (result < 0)
		return result;
	if (socket->type == SOCK_STREAM) {
		result = SIDE_CALL(side, send, side->peer, PL_PTR(bytes), sizeof(bytes), 0);
	} else if (has_helper(socket)) {
		SIDE_CALL(side, getsockname, fd, PL_PTR(&own), PL_PTR(&length));
		result = SIDE_CALL(side, sendto, side->datagrams, PL_PTR(bytes), sizeof(bytes), 0, PL_PTR(&own), sizeof(own));
	} else if (socket->protocol == IPPROTO_ICMP) {
		result = SIDE_CALL(side, send, fd, PL_PTR(echo), sizeof(echo), 0);
	} else {
		result = SIDE_CALL(side, send, fd, PL_PTR(bytes), sizeof(bytes), 0);
	}
	return result < 0 ? result : await(side, fd, POLLIN) ? 0 : -ETIMEDOUT;
}

static int64_t make_closed(struct side *side, const struct sweep_socket *socket, int64_t fd, bool reset)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	int64_t result;

	if (socket->type != SOCK_STREAM) {
		result = connect_to(side, fd, INADDR_LOOPBACK, DEAF_PORT);
		if (result == 0)
			result = SIDE_CALL(side, send, fd, PL_PTR("x"), 1, 0);
		return result < 0 ? result : await(side, fd, POLLERR) ? 0 : -ETIMEDOUT;
	}
	result = make_connected(side, socket, fd);
	if (result < 0)
		return result;
	if (reset)
		SIDE_CALL(side, setsockopt, side->peer, SOL_SOCKET, SO_LINGER, PL_PTR(&at_once), sizeof(at_once));
	SIDE_CALL(side, close, side->peer);
	side->peer = -1;
	return await(side, fd, POLLRDHUP | POLLHUP) ? 0 : -ETIMEDOUT;
}

static int64_t make_state(struct side *side, const struct sweep_socket *socket, enum sweep_state state, int64_t fd)
{
	int64_t result;

	switch (state) {
	case STATE_FRESH:
		return 0;
	case STATE_BOUND:
		return bind_to(side, fd, LOCAL_ADDRESS, BOUND_PORT);
	case STATE_CONNECTED:
		return make_connected(side, socket, fd);
	case STATE_CONNECTING:
		result = connect_to(side, fd, REMOTE_ADDRESS, 80);
		return result == -EINPROGRESS ? 0 : result;
	case STATE_LISTENING:
		result = bind_to(side, fd, LOCAL_ADDRESS, BOUND_PORT);
		return result < 0 ? result : SIDE_CALL(side, listen, fd, 5);
	case STATE_DATA:
		return make_data(side, socket, fd);
	case STATE_CLOSED:
		return make_closed(side, socket, fd, false);
	case STATE_RESET:
		return make_closed(side, socket, fd, true);
	case STATES:
		break;
	}
	return -EINVAL;
}

int64_t socket_make(struct side *side, const struct sweep_socket *socket, enum sweep_state state)
{
	int64_t fd, result;

	if (has_helper(socket) && (result = helper(side, socket)) < 0)
		return result;
	fd = side_keep(side, plain_socket(side, socket));
	if (fd < 0)
		return fd;
	result = make_state(side, socket, state, fd);
	return result < 0 ? result : fd;
}

/* What has come for the helpers is taken: connections that nobody accepted, datagrams that nobody read. */
void socket_tidy(struct side *side, const struct sweep_socket *socket)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	uint8_t bytes[16];
	int64_t fd;

	if (socket->type == SOCK_STREAM && side->listener >= 0)
		while ((fd = SIDE_CALL(side, accept4, side->listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
			SIDE_CALL(side, setsockopt, fd, SOL_SOCKET, SO_LINGER, PL_PTR(&at_once), sizeof(at_once));
			SIDE_CALL(side, close, fd);
		}
	if (socket->type == SOCK_DGRAM && side->datagrams >= 0)
		while (SIDE_CALL(side, recv, side->datagrams, PL_PTR(bytes), sizeof(bytes), 0) != -EAGAIN)
			;
}
