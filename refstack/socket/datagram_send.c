/* Sending datagrams: what control messages ask for, the route, and connect. */
#include "datagram.h"

#include <linux/capability.h>
#include <linux/net_tstamp.h>
#include <stdlib.h>

#include "../ip/output.h"
#include "../link/neighbour.h"
#include "error_queue.h"
#include "options.h"

#define SCM_DEVMEM_DMABUF_TYPE 79
#define SCM_TS_OPT_ID_TYPE 81

void datagram_send_begin(const struct sock *sk, struct datagram_send *send, struct pl_call *call, int flags)
{
	*send = (struct datagram_send){
		.link = sk->bound_link,
		.source = sk->source,
		.tos = -1,
		.protocol = sk->protocol,
		.mark = sk->mark,
		.priority = sk->priority,
		.timestamp_flags = sk->timestamping,
		.call = call,
		.flags = flags,
	};
}

void datagram_send_end(struct sock *sk, struct datagram_send *send)
{
	free(send->own_options);
	send->own_options = NULL;
	if (send->route)
		route_put(sk->stack, send->route);
	send->route = NULL;
}

const struct cmsghdr *control_next(const struct msghdr *msg, const struct cmsghdr *before, bool *bad)
{
	const char *start = msg->msg_control, *at = start;
	const struct cmsghdr *next;
	size_t left;

	if (before)
		at = (const char *)before + CMSG_ALIGN(before->cmsg_len);
	left = msg->msg_controllen - (size_t)(at - start);
	if ((size_t)(at - start) > msg->msg_controllen || left < sizeof(*next))
		return NULL;
	next = (const struct cmsghdr *)at;
	if (next->cmsg_len < sizeof(*next) || next->cmsg_len > left) {
		*bad = true;
		return NULL;
	}
	return next;
}

/* An int-sized control message's value; false: another length. */
static bool control_int(const struct cmsghdr *control, int *value)
{
	if (control->cmsg_len != CMSG_LEN(sizeof(*value)))
		return false;
	memcpy(value, CMSG_DATA(control), sizeof(*value));
	return true;
}

/* SOL_SOCKET messages of a message to send (__sock_cmsg_send). */
static int64_t socket_control(struct sock *sk, const struct cmsghdr *control, struct datagram_send *send)
{
	int value;

	switch (control->cmsg_type) {
	case SO_MARK:
		if (!capable(sk->stack, CAP_NET_RAW) && !capable(sk->stack, CAP_NET_ADMIN))
			return -EPERM;
		if (!control_int(control, &value))
			return -EINVAL;
		send->mark = (uint32_t)value;
		return 0;
	case SO_TIMESTAMPING_OLD:
	case SO_TIMESTAMPING_NEW:
		if (!control_int(control, &value) || value & ~SOF_TIMESTAMPING_TX_RECORD_MASK)
			return -EINVAL;
		send->timestamp_flags = (send->timestamp_flags & ~(uint32_t)SOF_TIMESTAMPING_TX_RECORD_MASK) | (uint32_t)value;
		return 0;
	case SCM_TXTIME:
		return sock_flag(sk, SF_TXTIME) && control->cmsg_len == CMSG_LEN(sizeof(uint64_t)) ? 0 : -EINVAL;
	case SCM_TS_OPT_ID_TYPE:
		if (sk->type == SOCK_STREAM || !(sk->timestamping & SOF_TIMESTAMPING_OPT_ID) || !control_int(control, &value))
			return -EINVAL;
		send->has_timestamp_key = true;
		send->timestamp_key = (uint32_t)value;
		return 0;
	case SCM_DEVMEM_DMABUF_TYPE:
		return control_int(control, &value) ? 0 : -EINVAL;
	case SCM_RIGHTS:
	case SCM_CREDENTIALS:
		return 0;
	case SO_PRIORITY:
		if (!control_int(control, &value))
			return -EINVAL;
		if ((value < 0 || value > 6) && !capable(sk->stack, CAP_NET_RAW) && !capable(sk->stack, CAP_NET_ADMIN))
			return -EPERM;
		send->priority = (uint32_t)value;
		return 0;
	}
	return -EINVAL;
}

static int64_t options_control(struct sock *sk, const struct cmsghdr *control, struct datagram_send *send)
{
	size_t length = control->cmsg_len - CMSG_LEN(0);
	int64_t error;

	free(send->own_options);
	send->own_options = ip_options_make(sk, CMSG_DATA(control), length < 40 ? length : 40, &error);
	send->options = send->own_options;
	return error;
}

/* IP_TOS may be an int or a byte. */
static int64_t tos_control(const struct cmsghdr *control, struct datagram_send *send)
{
	int value;

	if (control->cmsg_len == CMSG_LEN(1))
		value = *CMSG_DATA(control);
	else if (!control_int(control, &value))
		return -EINVAL;
	if (value < 0 || value > 255)
		return -EINVAL;
	send->tos = value;
	return 0;
}

static int64_t ip_control(struct sock *sk, const struct cmsghdr *control, struct datagram_send *send)
{
	struct in_pktinfo info;
	int value;

	switch (control->cmsg_type) {
	case IP_RETOPTS:
		return options_control(sk, control, send);
	case IP_PKTINFO:
		if (control->cmsg_len != CMSG_LEN(sizeof(info)))
			return -EINVAL;
		memcpy(&info, CMSG_DATA(control), sizeof(info));
		if (info.ipi_ifindex)
			send->link = info.ipi_ifindex;
		send->source = info.ipi_spec_dst;
		return 0;
	case IP_TTL:
		if (!control_int(control, &value) || value < 1 || value > 255)
			return -EINVAL;
		send->ttl = value;
		return 0;
	case IP_TOS:
		return tos_control(control, send);
	case IP_PROTOCOL:
		if (!control_int(control, &value) || value < 1 || value > 255)
			return -EINVAL;
		send->protocol = value;
		return 0;
	}
	return -EINVAL;
}

static int64_t send_control(struct sock *sk, const struct msghdr *msg, struct datagram_send *send, bool ip)
{
	const struct cmsghdr *control = NULL;
	bool bad = false;

	while ((control = control_next(msg, control, &bad))) {
		int64_t result = 0;

		if (control->cmsg_level == SOL_SOCKET)
			result = socket_control(sk, control, send);
		else if (control->cmsg_level == IPPROTO_IP && ip)
			result = ip_control(sk, control, send);
		if (result)
			return result;
	}
	return bad ? -EINVAL : 0;
}

int64_t datagram_send_control(struct sock *sk, const struct msghdr *msg, struct datagram_send *send)
{
	return send_control(sk, msg, send, true);
}

int64_t datagram_send_socket_control(struct sock *sk, const struct msghdr *msg, struct datagram_send *send)
{
	return send_control(sk, msg, send, false);
}

/* --- the way ------------------------------------------------------------------------------------------------------------ */

/* Which link, and with it which source, multicast and the socket's unicast choice give. */
static void choose_link(const struct sock *sk, struct datagram_send *send, struct in_addr destination)
{
	if (ip_is_multicast(destination)) {
		if (!send->link)
			send->link = sk->multicast_link;
		if (!send->source.s_addr)
			send->source = sk->multicast_source;
	} else if (!send->link) {
		send->link = sk->unicast_link;
	} else if (ip_is_limited_broadcast(destination) && sk->unicast_link) {
		send->link = sk->unicast_link;
	}
}

static struct flow send_flow(const struct sock *sk, const struct datagram_send *send, struct in_addr hop, uint16_t port)
{
	return (struct flow){
		.destination = hop,
		.source = send->source,
		.output_link = send->link,
		.tos = (uint8_t)(send->tos >= 0 ? send->tos : sk->tos),
		.protocol = (uint8_t)send->protocol,
		.mark = send->mark,
		.uid = sk->uid,
		.source_port = sk->port,
		.destination_port = port,
		.flags = sock_flag(sk, SF_TRANSPARENT) || sock_flag(sk, SF_HDRINCL) ? FLOW_ANY_SOURCE : 0,
	};
}

int64_t datagram_route(struct sock *sk, struct datagram_send *send, uint16_t port, int flags, bool connected)
{
	struct flow flow;
	bool on_link;
	int result;

	if (!send->options)
		send->options = sk->options;
	on_link = sock_flag(sk, SF_LOCALROUTE) || flags & MSG_DONTROUTE || (send->options && send->options->strict);
	send->hop = send->destination;
	send->confirms = flags & MSG_CONFIRM;
	if (send->options && send->options->first_hop.s_addr) {
		if (!send->destination.s_addr)
			return -EINVAL;
		send->hop = send->options->first_hop;
		connected = false;
	}
	if (on_link || ip_is_multicast(send->destination))
		connected = false;
	choose_link(sk, send, send->destination);
	if (connected && sk->route && route_valid(sk->stack, sk->route)) {
		send->route = route_hold(sk->route);
		send->kept_route = true;
		if (!send->source.s_addr)
			send->source = sk->route->source;
		return 0;
	}
	flow = send_flow(sk, send, send->hop, port);
	flow.scope = on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	result = route_output(sk->stack, &flow, &send->route);
	if (result) {
		if (result == -ENETUNREACH)
			COUNT(sk->stack, Ip, OutNoRoutes);
		return result;
	}
	if (send->route->type == RTN_BROADCAST && !sock_flag(sk, SF_BROADCAST))
		return -EACCES;
	send->source = flow.source;
	if (!send->destination.s_addr)
		send->destination = send->hop = flow.destination;
	if (connected) {
		sock_route_forget(sk);
		sk->route = route_hold(send->route);
	}
	return 0;
}

void datagram_probe(struct sock *sk, const struct datagram_send *send)
{
	if (send->confirms)
		neighbour_confirm_route(sk->stack, send->route);
}

void datagram_ip_send(struct sock *sk, const struct datagram_send *send, uint32_t length, struct ip_send *ip)
{
	bool multicast = send->route->type == RTN_MULTICAST;
	int ttl = send->ttl ? send->ttl : multicast ? sk->multicast_ttl : sk->unicast_ttl;

	*ip = (struct ip_send){
		.source = send->source,
		.destination = send->destination,
		.protocol = (uint8_t)send->protocol,
		.tos = (uint8_t)(send->tos >= 0 ? send->tos : sk->tos),
		.ttl = ttl > 0 ? (uint8_t)ttl : 0,
		.ttl_zero = multicast && !ttl,
		.options = send->options && send->options->length ? send->options : NULL,
		.route = send->route,
		.sk = sk,
		.marked = true,
		.mark = send->mark,
		.priority = send->priority,
		.id = -1,
		.confirms = send->confirms,
	};
	ip_send_datagram_df(ip, sk, send->route, length);
}

/* --- what is told of a datagram that left ------------------------------------------------------------------------------- */

#define TX_ANY (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_HARDWARE)
#define LOOPBACK_HEADER 14

/*
 * A copy of the first packet that a datagram left as, from where its link's header starts: the loopback device has an Ethernet
 * header of zeros. NULL: no memory.
 */
static struct pktbuf *sent_copy(struct pl_stack *stack, const struct pktbuf *packet, const struct link *link, uint32_t mtu)
{
	size_t length = (size_t)(packet->tail - packet->network), header = ip_header(packet)->ihl * 4u;
	size_t front = link->flags & IFF_LOOPBACK ? LOOPBACK_HEADER : 0;
	struct pktbuf *copy;
	struct iphdr *ip;
	uint8_t *link_header;
	bool cut = length > mtu && header < length;

	if (cut)
		length = header + ((mtu - header) & ~(size_t)7);
	copy = pktbuf_new(stack, front % 4, front + length);	/* the IP header stays aligned */
	if (!copy)
		return NULL;
	link_header = pktbuf_put(copy, front);
	memset(link_header, 0, front);
	if (front)
		link_header[12] = 8;		/* ETH_P_IP */
	ip = memcpy(pktbuf_put(copy, length), packet->network, length);
	copy->network = (uint8_t *)ip;
	if (front && ip->protocol == IPPROTO_UDP && !cut) {
		/* The loopback device would sum itself: the field holds the sum over the pseudo header only. */
		uint16_t part = (uint16_t)~checksum_finish(checksum_pseudo(ip_source(packet), ip_destination(packet), IPPROTO_UDP,
									   (uint32_t)(length - header)));

		memcpy((uint8_t *)ip + header + 6, &part, sizeof(part));
	}
	if (cut) {
		ip->tot_len = htons((uint16_t)length);
		ip->frag_off |= htons(IP_MF);
		ip->check = 0;
		ip->check = checksum_finish(checksum_add(ip, header, 0));
	}
	return copy;
}

/* SO_TIMESTAMPING: the packet was given to the queue (SCM_TSTAMP_SCHED) and left the host (SCM_TSTAMP_SND), at once. */
static void tell_sent(struct sock *sk, const struct pktbuf *packet, const struct datagram_send *send)
{
	static const struct {
		uint32_t flag, type;
	} stamps[] = { { SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED }, { SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND } };
	const struct link *link = send->route->link;
	uint32_t key = 0;

	if (sk->timestamping & SOF_TIMESTAMPING_OPT_ID)
		key = send->has_timestamp_key ? send->timestamp_key : sk->timestamp_key++;
	for (size_t i = 0; i < 2; i++) {
		struct pktbuf *copy = NULL;

		if (!(send->timestamp_flags & stamps[i].flag))
			continue;
		if (!(sk->timestamping & SOF_TIMESTAMPING_OPT_TSONLY)) {
			if (!sk->stack->sysctl.tstamp_allow_data && !capable(sk->stack, CAP_NET_RAW))
				continue;
			copy = sent_copy(sk->stack, packet, link, sock_path_mtu(sk, send->route));
			if (!copy)
				continue;
		}
		sock_queue_sent(sk, stamps[i].type, key, copy, link->ifindex);
	}
}

/* Send by `ip`, or as it is (NULL), and tell the socket what it wants to know. */
static int transmit(struct sock *sk, struct pktbuf *packet, const struct ip_send *ip, const struct datagram_send *send)
{
	struct pktbuf *held = send->timestamp_flags & TX_ANY ? pktbuf_hold(packet) : NULL;

	packet->owner = sk;	/* charged if it has to wait for its neighbour */
	int error = ip ? ip_send_packet(sk->stack, packet, ip) : ip_local_out(sk->stack, packet, sk);

	if (held && !error)
		tell_sent(sk, held, send);
	pktbuf_free(sk->stack, held);
	sock_write_space(sk);
	return error;
}

int datagram_transmit(struct sock *sk, struct pktbuf *packet, const struct ip_send *ip, const struct datagram_send *send)
{
	return transmit(sk, packet, ip, send);
}

int datagram_transmit_whole(struct sock *sk, struct pktbuf *packet, const struct datagram_send *send)
{
	return transmit(sk, packet, NULL, send);
}

int64_t datagram_may_send(struct sock *sk, const struct datagram_send *send)
{
	int64_t error = sock_error_take(sk);

	if (!error && sk->shutdown & SEND_SHUTDOWN)
		error = -EPIPE;
	if (!error && sk->write_allocated >= (uint32_t)sk->send_buffer) {
		error = sock_wait(sk, send->call, EPOLLOUT, sock_send_timeout(sk, send->call, send->flags));
		if (error == CALL_WAITS)
			return error;
	}
	if (error)
		COUNT(sk->stack, Ip, OutDiscards);
	return error;
}

/* A datagram is built of its fragments, all before the last of which may take twice the send buffer. */
static bool fragments_fit(const struct sock *sk, uint32_t mtu, uint32_t header, uint32_t length)
{
	uint32_t part = mtu > header + 8 ? (mtu - header) & ~7u : 8, count = (length + part - 1) / part;

	return header + length <= mtu || (uint64_t)(count - 1) * truesize_linear(header + part + SEND_SLACK) < 2 * (uint64_t)sk->send_buffer;
}

int64_t datagram_check_size(struct sock *sk, const struct datagram_send *send, uint32_t length)
{
	uint32_t mtu = sock_path_mtu(sk, send->route), options = send->options ? send->options->length : 0;
	uint32_t most = sock_ignores_df(sk) ? UINT16_MAX : mtu;

	if (length + sizeof(struct iphdr) + options > most) {
		sock_queue_local_error(sk, EMSGSIZE, send->destination, sk->remote_port, mtu - options);
		return -EMSGSIZE;
	}
	if (fragments_fit(sk, mtu, sizeof(struct iphdr) + options, length))
		return 0;
	COUNT(sk->stack, Ip, OutDiscards);
	return -ENOBUFS;
}

#define LINEAR_MAX 16064	/* SKB_MAX_ALLOC: longer ones have no more than their headers in the head */

void datagram_charge_pending(struct sock *sk, const struct datagram_send *send, struct datagram_pending *pending, uint32_t length,
			     uint32_t transport)
{
	uint32_t header = sizeof(struct iphdr) + (send->options ? send->options->length : 0), charged = 0;
	uint32_t mtu = send->segment ? UINT16_MAX : sock_path_mtu(sk, send->route);
	uint32_t whole = header + ((mtu - header) & ~7u);

	if (pending->last)
		transport = 0;
	length += transport;
	while (length || !pending->last) {
		uint32_t room = pending->last + length <= mtu ? length : pending->last < whole ? whole - pending->last : 0;

		if (pending->last && room) {
			charged += room;
			pending->last += room;
			length -= room;
			continue;
		}
		uint32_t carried = pending->last ? pending->last - whole : 0, part = length + carried;
		if (header + part > mtu)
			part = whole - header;
		if (send->segment || header + part + SEND_SLACK >= LINEAR_MAX)
			part = carried + transport;
		charged += truesize_linear(header + part + SEND_SLACK);
		pending->last = header + part;
		length -= part - carried;
		transport = 0;
	}
	pending->charged += charged;
	sk->write_allocated += charged;
}

void datagram_uncharge_pending(struct sock *sk, struct datagram_pending *pending)
{
	sk->write_allocated -= pending->charged;
	*pending = (struct datagram_pending){ 0 };
}

/* --- connect -------------------------------------------------------------------------------------------------------------- */

int64_t datagram_connect(struct sock *sk, const struct sockaddr *address, socklen_t length, void (*rehash)(struct sock *sk))
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	struct datagram_send send;
	struct flow flow;
	struct route *route = NULL;
	int result;

	if (length < sizeof(*in))
		return -EINVAL;
	if (in->sin_family != AF_INET)
		return -EAFNOSUPPORT;
	sock_route_forget(sk);
	datagram_send_begin(sk, &send, NULL, 0);
	choose_link(sk, &send, in->sin_addr);
	flow = send_flow(sk, &send, in->sin_addr, ntohs(in->sin_port));
	flow.scope = sock_flag(sk, SF_LOCALROUTE) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	if (!sock_flag(sk, SF_TRANSPARENT))
		flow.flags = 0;		/* IP_HDRINCL gives leave for any source to what is sent only */
	result = route_output(sk->stack, &flow, &route);
	if (result) {
		if (result == -ENETUNREACH)
			COUNT(sk->stack, Ip, OutNoRoutes);
		return result;
	}
	if (route->type == RTN_BROADCAST && !sock_flag(sk, SF_BROADCAST)) {
		route_put(sk->stack, route);
		return -EACCES;
	}
	if (!sk->source.s_addr)
		sk->source = flow.source;
	if (!sk->local.s_addr) {
		sk->local = flow.source;
		if (rehash)
			rehash(sk);
	}
	sk->remote = flow.destination;
	sk->remote_port = ntohs(in->sin_port);
	sk->state = TCP_ESTABLISHED;
	sk->ip_id_set = false;
	sk->route = route;
	return 0;
}
