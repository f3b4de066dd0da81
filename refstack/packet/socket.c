/*
 * SOCK_PACKET. A socket has an Ethernet type and, once bound, a link. It is given copies of the frames that arrive, and with
 * ETH_P_ALL of those that leave; what is sent goes out over the link that the address names, as it is.
 */
#include "packet.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "../ip/ip.h"
#include "../link/link.h"
#include "../socket/error_queue.h"

struct packet_sock {
	struct sock sk;
	uint16_t type;			/* Ethernet type, host order; 0: gets nothing */
	int link;			/* ifindex, 0: every link */
};

static struct packet_sock *packet_sk(struct sock *sk)
{
	return (struct packet_sock *)sk;
}

/* --- receiving ----------------------------------------------------------------------------------------------------------- */

/* What the frame carries; the loopback, too, has Ethernet's header for those who look at frames. */
static uint16_t frame_type(const struct link *link, const uint8_t *bytes, size_t length)
{
	if (link->kind == PL_LINK_ETHERNET)
		return length >= ETH_HLEN ? (uint16_t)(bytes[12] << 8 | bytes[13]) : 0;
	return length && bytes[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP;
}

static void give(struct sock *sk, const struct link *link, const struct pktbuf *packet, uint16_t type)
{
	size_t length = pktbuf_length(packet);
	size_t header = link->kind == PL_LINK_LOOPBACK ? ETH_HLEN : 0;
	struct pktbuf *copy = pktbuf_new(sk->stack, 0, header + length);
	uint8_t *at;

	if (!copy)
		return;
	at = pktbuf_put(copy, header + length);
	memset(at, 0, header);
	if (header) {
		at[12] = (uint8_t)(type >> 8);
		at[13] = (uint8_t)type;
	}
	if (length)
		memcpy(at + header, packet->data, length);
	copy->truesize = truesize_received(header + length, link->kind == PL_LINK_ETHERNET);
	if (sk->receive_allocated >= (uint32_t)sk->receive_buffer || sk->shutdown & RCV_SHUTDOWN) {
		sk->drops++;
		pktbuf_free(sk->stack, copy);
		return;
	}
	copy->input_ifindex = link->ifindex;
	copy->arrival = sk->stack->now;
	copy->mark = packet->mark;
	copy->priority = packet->priority;
	*datagram_control_of(copy) = (struct datagram_control){ .sum = type };
	datagram_queue(sk, copy);
}

void packet_tap(struct pl_stack *stack, const struct link *link, const struct pktbuf *packet, bool leaving)
{
	uint16_t type;

	if (!stack->packet_sockets)
		return;
	type = frame_type(link, packet->data, pktbuf_length(packet));
	for (struct sock *sk = sock_first(stack), *next; sk; sk = next) {
		const struct packet_sock *wants = packet_sk(sk);

		next = sk->all_next;
		if (sk->proto != &packet_proto || !sk->has_descriptor || (wants->link && wants->link != link->ifindex))
			continue;
		if (wants->type == ETH_P_ALL || (wants->type == type && !leaving))
			give(sk, link, packet, type);
	}
}

#define RECEIVE_FLAGS (MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE)

static int64_t packet_recvmsg(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags)
{
	struct pktbuf *packet;
	size_t length, copied;
	uint32_t offset;
	int64_t result;

	if (flags & ~RECEIVE_FLAGS)
		return -EINVAL;
	if (flags & MSG_ERRQUEUE)
		return sock_receive_error(sk, msg, flags);
	packet = datagram_take(sk, call, flags, &offset, &result);
	if (!packet)
		return result;
	length = pktbuf_length(packet);
	copied = msg_length(msg);
	if (copied < length)
		msg->msg_flags |= MSG_TRUNC;
	else
		copied = length;
	result = msg_copy_out(msg, 0, packet->data, copied) < copied ? -EFAULT : (int64_t)(flags & MSG_TRUNC ? length : copied);
	if (result >= 0 && msg->msg_name) {
		struct link *link = link_by_index(sk->stack, packet->input_ifindex);
		struct sockaddr_pkt name = { .spkt_family = link ? (unsigned short)link->ops->hardware_type : 0,
					     .spkt_protocol = htons((uint16_t)datagram_control_of(packet)->sum) };

		if (link)
			memcpy(name.spkt_device, link->name, sizeof(name.spkt_device) - 1);
		memcpy(msg->msg_name, &name, sizeof(name));
		msg->msg_namelen = sizeof(name);
	}
	if (result >= 0)
		msg_put_received(sk, msg, packet);
	pktbuf_free(sk->stack, packet);
	return result;
}

/* --- sending ------------------------------------------------------------------------------------------------------------- */

static struct link *named_link(struct pl_stack *stack, const void *name)
{
	char text[IFNAMSIZ] = "";

	memcpy(text, name, sizeof(((struct sockaddr_pkt *)0)->spkt_device) - 1);
	return link_by_name(stack, text);
}

static int64_t packet_sendmsg(struct sock *sk, struct pl_call *call, const struct msghdr *msg, int flags)
{
	const struct sockaddr_pkt *name = msg->msg_name;
	size_t length = msg_length(msg), header;
	struct pktbuf *packet;
	struct link *link;
	int64_t result;

	if (!msg->msg_namelen)
		return -ENOTCONN;
	if (msg->msg_namelen < sizeof(struct sockaddr))
		return -EINVAL;
	link = named_link(sk->stack, name->spkt_device);
	if (!link)
		return -ENODEV;
	if (!(link->flags & IFF_UP))
		return -ENETDOWN;
	header = link->kind == PL_LINK_TUN ? 0 : ETH_HLEN;
	if (length > link->mtu + header)
		return -EMSGSIZE;
	if (length < header)
		return -EINVAL;
	packet = pktbuf_new(sk->stack, 0, length);
	if (!packet)
		return -ENOBUFS;
	if (length && msg_copy_in(msg, 0, pktbuf_put(packet, length), length) < length) {
		pktbuf_free(sk->stack, packet);
		return -EFAULT;
	}
	if (link->kind == PL_LINK_LOOPBACK)
		pktbuf_pull(packet, header);
	packet->link = link;
	packet->network = packet->data + (link->kind == PL_LINK_ETHERNET ? header : 0);
	result = link_transmit(sk->stack, packet, NULL);
	return result ? result : (int64_t)length;
}

/* --- names ------------------------------------------------------------------------------------------------------------------ */

static int64_t packet_bind(struct sock *sk, const struct sockaddr *address, socklen_t length)
{
	struct link *link;

	if (length != sizeof(*address))
		return -EINVAL;
	link = named_link(sk->stack, address->sa_data);
	if (!link)
		return -ENODEV;
	packet_sk(sk)->link = link->ifindex;
	return 0;
}

static int64_t packet_getname(struct sock *sk, struct sockaddr_in *address, bool peer)
{
	struct sockaddr name = { .sa_family = AF_PACKET };
	const struct link *link = link_by_index(sk->stack, packet_sk(sk)->link);

	if (peer)
		return -EOPNOTSUPP;
	if (link)
		memcpy(name.sa_data, link->name, sizeof(name.sa_data) - 1);
	memcpy(address, &name, sizeof(name));
	return 0;
}

static int packet_init(struct sock *sk)
{
	packet_sk(sk)->type = ntohs((uint16_t)sk->protocol);
	sk->protocol = 0;
	sk->stack->packet_sockets++;
	return 0;
}

static void packet_destroy(struct sock *sk)
{
	sk->stack->packet_sockets--;
}

const struct proto packet_proto = {
	.name = "PACKET",
	.type = SOCK_PACKET,
	.family = AF_PACKET,
	.size = sizeof(struct packet_sock),
	.init = packet_init,
	.close = datagram_close,
	.destroy = packet_destroy,
	.bind = packet_bind,
	.getname = packet_getname,
	.sendmsg = packet_sendmsg,
	.recvmsg = packet_recvmsg,
	.ioctl = datagram_ioctl,
	.poll = datagram_poll,
};
