/*
 * Control messages of received packets, in the kernel's order: first SOL_SOCKET's (timestamps, drops, mark, priority), then
 * IPPROTO_IP's (address, TTL, TOS, options, original destination, fragment size).
 */
#include <linux/net_tstamp.h>
#include <sys/time.h>

#include "../ip/ip.h"
#include "../ip/options.h"
#include "datagram.h"
#include "error_queue.h"
#include "options.h"

static bool is_ping(const struct sock *sk)
{
	return sk->type == SOCK_DGRAM && sk->protocol == IPPROTO_ICMP;
}

static struct timespec stamp_timespec(int64_t stamp)
{
	return (struct timespec){ stamp / PL_NSEC_PER_SEC, stamp % PL_NSEC_PER_SEC };
}

int64_t sock_receive_stamp(const struct sock *sk, const struct pktbuf *packet)
{
	if (!sock_flag(sk, SF_TIMESTAMP) && !sock_flag(sk, SF_TIMESTAMPING_RX_SOFTWARE))
		return 0;
	return sk->stack->wall_clock + (packet->arrival ? packet->arrival : sk->stack->now);
}

/* SO_TIMESTAMP and SO_TIMESTAMPNS, old and new: one of the four. */
static void put_stamp(const struct sock *sk, struct msghdr *msg, int64_t stamp)
{
	struct timespec ts = stamp_timespec(stamp);
	struct timeval tv = { ts.tv_sec, ts.tv_nsec / 1000 };
	bool newer = sock_flag(sk, SF_TIMESTAMP_NEW);

	if (sock_flag(sk, SF_RCVTSTAMPNS))
		msg_put_control(msg, SOL_SOCKET, newer ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD, &ts, sizeof(ts));
	else
		msg_put_control(msg, SOL_SOCKET, newer ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD, &tv, sizeof(tv));
}

/* SO_TIMESTAMPING: software, an empty one, hardware (there is none). */
static void put_timestamping(const struct sock *sk, struct msghdr *msg, int64_t stamp)
{
	struct timespec stamps[3] = { stamp_timespec(stamp) };
	bool newer = sock_flag(sk, SF_TIMESTAMP_NEW);

	msg_put_control(msg, SOL_SOCKET, newer ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING_OLD, stamps, sizeof(stamps));
}

static void put_stamps(struct sock *sk, struct msghdr *msg, int64_t stamp, bool error_queue)
{
	bool wanted = sk->timestamping & SOF_TIMESTAMPING_SOFTWARE && stamp &&
		      (error_queue || sk->timestamping & SOF_TIMESTAMPING_RX_SOFTWARE ||
		       !(sk->timestamping & SOF_TIMESTAMPING_RX_FILTER));

	if (sock_flag(sk, SF_RCVTSTAMP))
		put_stamp(sk, msg, stamp ? stamp : stack_wall_clock(sk->stack));
	if (wanted)
		put_timestamping(sk, msg, stamp);
	if (!sock_flag(sk, SF_RCVTSTAMP) && !wanted)
		sk->stamp = stamp;
}

void msg_put_error_stamp(struct sock *sk, struct msghdr *msg, int64_t stamp, const struct pktbuf *statistics)
{
	put_stamps(sk, msg, stamp, true);
	if (statistics && sk->timestamping & SOF_TIMESTAMPING_OPT_STATS)
		msg_put_control(msg, SOL_SOCKET, SCM_TIMESTAMPING_OPT_STATS, statistics->data, pktbuf_length(statistics));
}

void msg_put_received_stamp(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet)
{
	put_stamps(sk, msg, datagram_control_of((struct pktbuf *)packet)->stamp, false);
}

void msg_put_received(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet)
{
	const struct datagram_control *control = datagram_control_of((struct pktbuf *)packet);
	int priority = (int)packet->priority;
	uint32_t mark = packet->mark;

	msg_put_received_stamp(sk, msg, packet);
	if (is_ping(sk))	/* which tells nothing else */
		return;
	if (sock_flag(sk, SF_RXQ_OVFL) && control->drops)
		msg_put_control(msg, SOL_SOCKET, SO_RXQ_OVFL, &control->drops, sizeof(control->drops));
	if (sock_flag(sk, SF_RCVMARK))
		msg_put_control(msg, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (sock_flag(sk, SF_RCVPRIORITY))
		msg_put_control(msg, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
}

/*
 * IP_PKTINFO: the link it came over, the address that a reply would have, the address it came to. The first two were looked up
 * when the packet was queued, and are 0 when nobody had asked for them by then.
 */
static void put_packet_info(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet, struct in_addr own, bool known)
{
	struct in_pktinfo info = { .ipi_addr = ip_destination(packet) };

	if (known) {
		info.ipi_ifindex = packet->input_ifindex;
		info.ipi_spec_dst = own;
	}
	msg_put_control(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

/* IP_RECVOPTS: the options as they came. IP_RETOPTS: as a reply would carry them. */
static void put_options(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet, bool reply)
{
	const struct iphdr *ip = ip_header(packet);
	struct ip_options echo = { 0 };

	if (ip->ihl == 5)
		return;
	if (!reply) {
		msg_put_control(msg, IPPROTO_IP, IP_RECVOPTS, ip + 1, (ip->ihl - 5) * 4u);
		return;
	}
	if (options_echo(sk->stack, packet, &echo))
		msg_put_control(msg, IPPROTO_IP, IP_RETOPTS, echo.bytes, echo.length);
	else
		msg->msg_flags |= MSG_CTRUNC;
}

/* IP_RECVORIGDSTADDR: the destination, with the port that TCP and UDP have at the same place. */
static void put_original_destination(struct msghdr *msg, const struct pktbuf *packet)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = ip_destination(packet) };

	if (!packet->transport || packet->transport + 4 > packet->tail)
		return;
	memcpy(&address.sin_port, packet->transport + 2, sizeof(address.sin_port));
	msg_put_control(msg, IPPROTO_IP, IP_ORIGDSTADDR, &address, sizeof(address));
}

static void put_checksum(struct msghdr *msg, const struct pktbuf *packet)
{
	uint32_t sum = datagram_control_of((struct pktbuf *)packet)->sum;

	msg_put_control(msg, IPPROTO_IP, IP_CHECKSUM, &sum, sizeof(sum));
}

static void put_received_ip(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet, struct in_addr own, bool error)
{
	const struct iphdr *ip = ip_header(packet);
	int ttl = ip->ttl, fragment = packet->frag_max_size;

	if (sock_flag(sk, SF_CMSG_PKTINFO))
		put_packet_info(sk, msg, packet, own, error || is_ping(sk) || datagram_control_of((struct pktbuf *)packet)->has_info);
	if (sock_flag(sk, SF_CMSG_TTL))
		msg_put_control(msg, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (sock_flag(sk, SF_CMSG_TOS))
		msg_put_control(msg, IPPROTO_IP, IP_TOS, &ip->tos, sizeof(ip->tos));
	if (sock_flag(sk, SF_CMSG_RECVOPTS))
		put_options(sk, msg, packet, false);
	if (sock_flag(sk, SF_CMSG_RETOPTS))
		put_options(sk, msg, packet, true);
	if (sock_flag(sk, SF_CMSG_ORIGDSTADDR))
		put_original_destination(msg, packet);
	if (sock_flag(sk, SF_CMSG_CHECKSUM) && !error && sk->type == SOCK_DGRAM && datagram_control_of((struct pktbuf *)packet)->has_sum)
		put_checksum(msg, packet);
	if (sock_flag(sk, SF_CMSG_RECVFRAGSIZE) && fragment)
		msg_put_control(msg, IPPROTO_IP, IP_RECVFRAGSIZE, &fragment, sizeof(fragment));
}

void msg_put_received_ip(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet)
{
	struct in_addr own = { 0 };

	if (sock_flag(sk, SF_CMSG_PKTINFO) && !is_ping(sk))	/* ping sockets do not look it up */
		own = ip_specific_destination(sk->stack, packet);
	put_received_ip(sk, msg, packet, own, false);
}

void msg_put_error_ip(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet, struct in_addr own)
{
	put_received_ip(sk, msg, packet, own, true);
}
