/*
 * States of a stack that a packet may come into: sockets of each protocol, and TCP in each of its states, made by calls and by the
 * far end's packets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "packet.h"

enum packet_state {
	PACKET_IDLE, PACKET_FORWARDING, PACKET_SOURCE_ROUTES, PACKET_UDP, PACKET_UDP_CONNECTED, PACKET_UDP_ERRORS, PACKET_UDPLITE,
	PACKET_MEMBER, PACKET_RAW, PACKET_RAW_ICMP, PACKET_PING, PACKET_FRAGMENT, PACKET_LISTEN, PACKET_SYN_RECEIVED,
	PACKET_SYN_SENT, PACKET_ESTABLISHED, PACKET_UNACKNOWLEDGED, PACKET_CLOSE_WAIT, PACKET_LAST_ACK, PACKET_FIN_WAIT_1,
	PACKET_FIN_WAIT_2, PACKET_CLOSING, PACKET_TIME_WAIT, PACKET_STATES
};

#define STATE(number, name_) [number] = &(const struct sweep_socket){ .name = name_, .type = number, .level = -1, .states = 1 }
const struct sweep_socket *const packet_states[PACKET_STATES + 1] = {
	STATE(PACKET_IDLE, "idle"),
	STATE(PACKET_FORWARDING, "forwarding"),
	STATE(PACKET_SOURCE_ROUTES, "forwarding-source-routes"),
	STATE(PACKET_UDP, "udp-bound"),
	STATE(PACKET_UDP_CONNECTED, "udp-connected"),
	STATE(PACKET_UDP_ERRORS, "udp-connected-recverr"),
	STATE(PACKET_UDPLITE, "udplite-bound"),
	STATE(PACKET_MEMBER, "udp-member"),
	STATE(PACKET_RAW, "raw-99"),
	STATE(PACKET_RAW_ICMP, "raw-icmp"),
	STATE(PACKET_PING, "icmp-socket"),
	STATE(PACKET_FRAGMENT, "fragment-held"),
	STATE(PACKET_LISTEN, "tcp-listen"),
	STATE(PACKET_SYN_RECEIVED, "tcp-syn-received"),
	STATE(PACKET_SYN_SENT, "tcp-syn-sent"),
	STATE(PACKET_ESTABLISHED, "tcp-established"),
	STATE(PACKET_UNACKNOWLEDGED, "tcp-unacknowledged"),
	STATE(PACKET_CLOSE_WAIT, "tcp-close-wait"),
	STATE(PACKET_LAST_ACK, "tcp-last-ack"),
	STATE(PACKET_FIN_WAIT_1, "tcp-fin-wait-1"),
	STATE(PACKET_FIN_WAIT_2, "tcp-fin-wait-2"),
	STATE(PACKET_CLOSING, "tcp-closing"),
	STATE(PACKET_TIME_WAIT, "tcp-time-wait"),
};

void packet_inject(struct side *side, const struct packet *packet)
{
	side->target->ops->inject(side->target, 0, packet->bytes, packet->length, 0);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Read what the stack has sent, and learn from it: where it is in its sequence, and what its clock says. */
static void listen_to(struct side *side, struct far_end *far)
{
	struct target_packet packet;

	while (side->target->ops->take(side->target, side->arena, &packet)) {
		const uint8_t *tcp = packet.bytes + 20;
		size_t header = packet.length >= 40 ? (tcp[12] >> 4) * 4u : 0;

		if (packet.length < 40 || packet.bytes[0] != 0x45 || packet.bytes[9] != IPPROTO_TCP || packet.length < 20 + header)
			continue;
		if (tcp[13] & TH_SYN_) {
			far->names.has_iss = true;
			far->names.iss = get32(tcp + 4);
			far->acknowledged = far->names.iss + 1;
		}
		for (size_t at = 20; at + 10 <= header; at += tcp[at] <= 1 ? 1 : tcp[at + 1] >= 2 ? tcp[at + 1] : header)
			if (tcp[at] == 8 && tcp[at + 1] == 10) {
				far->stamp = get32(tcp + at + 2);
				break;
			}
	}
}

static void send_segment(struct side *side, struct far_end *far, unsigned flags)
{
	struct packet packet;

	packet_tcp(far, flags, 0, &packet);
	packet_inject(side, &packet);
	if (flags & (TH_SYN_ | TH_FIN_))
		far->next++;
	listen_to(side, far);
}

static int64_t open_bound(struct side *side, struct far_end *far, int type, int protocol)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(LOCAL_ADDRESS), .sin_port = htons(BOUND_PORT) };

	if (type == SOCK_RAW || protocol == IPPROTO_UDPLITE || protocol == IPPROTO_UDP)
		local.sin_addr.s_addr = INADDR_ANY;
	far->fd = side_keep(side, SIDE_CALL(side, socket, AF_INET, type | SOCK_NONBLOCK, protocol));
	if (far->fd < 0)
		return far->fd;
	return SIDE_CALL(side, bind, far->fd, PL_PTR(&local), sizeof(local));
}

static int64_t connect_far(struct side *side, struct far_end *far)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(far->names.remote), .sin_port = htons(REMOTE_PORT) };
	int64_t result = SIDE_CALL(side, connect, far->fd, PL_PTR(&to), sizeof(to));

	return result == -EINPROGRESS ? 0 : result;
}

static int64_t set_option(struct side *side, struct far_end *far, int level, int option, int value)
{
	return SIDE_CALL(side, setsockopt, far->fd, level, option, PL_PTR(&value), sizeof(value));
}

static int64_t make_listen(struct side *side, struct far_end *far)
{
	int64_t result = open_bound(side, far, SOCK_STREAM, IPPROTO_TCP);

	return result ? result : SIDE_CALL(side, listen, far->fd, 5);
}

static int64_t make_syn_sent(struct side *side, struct far_end *far)
{
	int64_t result = open_bound(side, far, SOCK_STREAM, IPPROTO_TCP);

	if (!result)
		result = connect_far(side, far);
	listen_to(side, far);
	return result ? result : far->names.has_iss ? 0 : -ENOTCONN;
}

static int64_t make_established(struct side *side, struct far_end *far)
{
	int64_t result = make_syn_sent(side, far);

	if (!result)
		send_segment(side, far, TH_SYN_ | TH_ACK_);
	return result;
}

static int64_t make_fin_wait_1(struct side *side, struct far_end *far)
{
	int64_t result = make_established(side, far);

	if (!result)
		result = SIDE_CALL(side, shutdown, far->fd, SHUT_WR);
	listen_to(side, far);
	return result;
}

static int64_t make_fin_wait_2(struct side *side, struct far_end *far)
{
	int64_t result = make_fin_wait_1(side, far);

	far->acknowledged++;
	if (!result)
		send_segment(side, far, TH_ACK_);
	return result;
}

static int64_t make_close_wait(struct side *side, struct far_end *far)
{
	int64_t result = make_established(side, far);

	if (!result)
		send_segment(side, far, TH_ACK_ | TH_FIN_);
	return result;
}

static int64_t make_tcp(struct side *side, enum packet_state state, struct far_end *far)
{
	static const uint8_t bytes[1000];
	int64_t result;

	switch (state) {
	case PACKET_LISTEN:
		return make_listen(side, far);
	case PACKET_SYN_RECEIVED:
		result = make_listen(side, far);
		if (!result)
			send_segment(side, far, TH_SYN_);
		return result;
	case PACKET_SYN_SENT:
		return make_syn_sent(side, far);
	case PACKET_ESTABLISHED:
		return make_established(side, far);
	case PACKET_UNACKNOWLEDGED:
		result = make_established(side, far);
		if (!result)
			result = SIDE_CALL(side, send, far->fd, PL_PTR(bytes), sizeof(bytes), 0);
		listen_to(side, far);
		return result < 0 ? result : 0;
	case PACKET_CLOSE_WAIT:
		return make_close_wait(side, far);
	case PACKET_LAST_ACK:
		result = make_close_wait(side, far);
		if (!result)
			result = SIDE_CALL(side, shutdown, far->fd, SHUT_WR);
		listen_to(side, far);
		return result;
	case PACKET_FIN_WAIT_1:
		return make_fin_wait_1(side, far);
	case PACKET_FIN_WAIT_2:
		return make_fin_wait_2(side, far);
	case PACKET_CLOSING:
		result = make_fin_wait_1(side, far);
		if (!result)
			send_segment(side, far, TH_ACK_ | TH_FIN_);
		return result;
	case PACKET_TIME_WAIT:
		result = make_fin_wait_2(side, far);
		if (!result)
			send_segment(side, far, TH_ACK_ | TH_FIN_);
		return result;
	default:
		return -EINVAL;
	}
}

static int64_t set_sysctl(struct side *side, const char *name)
{
	ssize_t result = side->target->ops->sysctl_write(side->target, name, "1", 1);

	return result < 0 ? result : 0;
}

static int64_t make_datagram(struct side *side, enum packet_state state, struct far_end *far)
{
	struct ip_mreqn group = { .imr_multiaddr.s_addr = htonl(GROUP_ADDRESS), .imr_address.s_addr = htonl(LOCAL_ADDRESS) };
	int64_t result = open_bound(side, far, SOCK_DGRAM, state == PACKET_UDPLITE ? IPPROTO_UDPLITE : IPPROTO_UDP);

	if (!result && (state == PACKET_UDP_CONNECTED || state == PACKET_UDP_ERRORS))
		result = connect_far(side, far);
	if (!result && state == PACKET_UDP_ERRORS)
		result = set_option(side, far, IPPROTO_IP, IP_RECVERR, 1);
	if (!result && state == PACKET_MEMBER)
		result = SIDE_CALL(side, setsockopt, far->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, PL_PTR(&group), sizeof(group));
	return result;
}

static int64_t make(struct side *side, enum packet_state state, struct far_end *far)
{
	struct packet packet;
	int64_t result;

	switch (state) {
	case PACKET_IDLE:
		return 0;
	case PACKET_SOURCE_ROUTES:
		result = set_sysctl(side, "net/ipv4/conf/all/accept_source_route");
		if (!result)
			result = set_sysctl(side, "net/ipv4/conf/tun0/accept_source_route");
		return result ? result : set_sysctl(side, "net/ipv4/ip_forward");
	case PACKET_FORWARDING:
		return set_sysctl(side, "net/ipv4/ip_forward");
	case PACKET_UDP:
	case PACKET_UDP_CONNECTED:
	case PACKET_UDP_ERRORS:
	case PACKET_UDPLITE:
	case PACKET_MEMBER:
		return make_datagram(side, state, far);
	case PACKET_RAW:
		return open_bound(side, far, SOCK_RAW, 99);
	case PACKET_RAW_ICMP:
		return open_bound(side, far, SOCK_RAW, IPPROTO_ICMP);
	case PACKET_PING:
		return open_bound(side, far, SOCK_DGRAM, IPPROTO_ICMP);
	case PACKET_FRAGMENT:
		result = make_datagram(side, PACKET_UDP, far);
		for (unsigned kind = 0; kind < packet_kinds(); kind++)
			if (!strcmp(packet_kind_name(kind), "fragment-first")) {
				packet_make(kind, far, &packet);
				packet_inject(side, &packet);
			}
		return result;
	default:
		return make_tcp(side, state, far);
	}
}

int64_t packet_state_make(struct side *side, const struct combination *combination, struct far_end *far)
{
	int64_t result;

	far->number++;
	far->names = (struct packet_names){ .remote = FAR_NETWORK + 0x10000 + far->number * 16 };
	far->next = FAR_ISN;
	far->acknowledged = far->stamp = 0;
	far->fd = -1;
	result = make(side, (enum packet_state)combination->socket->type, far);
	listen_to(side, far);
	return result;
}

/* --- afterwards ------------------------------------------------------------------------------------------------------------ */

/* What is on the error queue: the error, and where it came from. */
static void record_errors(struct side *side, struct far_end *far)
{
	uint8_t bytes[64] = { 0 };
	uint64_t control[12] = { 0 };
	struct sockaddr_in name = { 0 };
	struct iovec vector = { bytes, sizeof(bytes) };
	struct msghdr message = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &vector, .msg_iovlen = 1,
				  .msg_control = control, .msg_controllen = sizeof(control) };
	int64_t result = SIDE_CALL(side, recvmsg, far->fd, PL_PTR(&message), MSG_ERRQUEUE | MSG_DONTWAIT);

	side_record(side, "then recvmsg MSG_ERRQUEUE", result, control, result >= 0 ? 48 : 0);
}

static void record_tcp(struct side *side, struct far_end *far, enum packet_state state)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);
	int64_t fd = SIDE_CALL(side, accept4, far->fd, 0, 0, SOCK_NONBLOCK);
	uint8_t bytes[16] = { 0 };
	int64_t result;

	if (state == PACKET_LISTEN || state == PACKET_SYN_RECEIVED) {
		side_record(side, "then accept", fd < 0 ? fd : 0, NULL, 0);
		if (side_keep(side, fd) >= 0) {
			result = SIDE_CALL(side, recv, fd, PL_PTR(bytes), sizeof(bytes), 0);
			side_record(side, "then recv", result, NULL, 0);
		}
	}
	SIDE_CALL(side, getsockopt, far->fd, IPPROTO_TCP, TCP_INFO, PL_PTR(&info), PL_PTR(&length));
	side_record(side, "then TCP_INFO's state", info.tcpi_state, NULL, 0);
}

void packet_state_record(struct side *side, const struct combination *combination, struct far_end *far)
{
	enum packet_state state = (enum packet_state)combination->socket->type;
	struct pollfd ready = { .fd = (int)far->fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP };
	uint8_t bytes[128] = { 0 };
	socklen_t length = sizeof(int);
	int64_t result;
	int error = 0;

	side_drain(side, true);
	if (far->fd < 0)
		return;
	result = SIDE_CALL(side, poll, PL_PTR(&ready), 1, 0);
	side_record(side, "then poll", result, &ready.revents, sizeof(ready.revents));
	if (state >= PACKET_LISTEN)
		record_tcp(side, far, state);
	record_errors(side, far);
	result = SIDE_CALL(side, getsockopt, far->fd, SOL_SOCKET, SO_ERROR, PL_PTR(&error), PL_PTR(&length));
	side_record(side, "then SO_ERROR", error, NULL, 0);
	for (unsigned i = 0; i < 2; i++) {
		result = SIDE_CALL(side, recv, far->fd, PL_PTR(bytes), sizeof(bytes), MSG_TRUNC * (state < PACKET_LISTEN));
		side_record(side, "then recv", result, NULL, 0);
	}
	side_drain(side, true);
}

/* A reset ends what has no descriptor: handshakes, TIME-WAIT. */
void packet_state_undo(struct side *side, struct far_end *far)
{
	struct packet packet;

	if (!far->names.has_iss)
		return;
	packet_tcp(far, TH_RST_ | TH_ACK_, 0, &packet);
	packet_inject(side, &packet);
}
