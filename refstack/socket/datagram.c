/* Receiving datagrams: the queue and its limit, taking and peeking, poll, shutdown. */
#include "datagram.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "error_queue.h"
#include "options.h"

uint32_t checksum_sum32(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t sum = 0;

	while (length) {
		uint32_t word = 0;
		size_t part = length < sizeof(word) ? length : sizeof(word);

		memcpy(&word, at, part);
		sum += word;
		at += part;
		length -= part;
	}
	while (sum >> 32)
		sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)sum;
}

uint32_t checksum_subtract32(uint32_t sum, uint32_t part)
{
	uint32_t result = sum + ~part;

	return result + (result < ~part);
}

void datagram_queue(struct sock *sk, struct pktbuf *packet)
{
	struct datagram_control *control = datagram_control_of(packet);

	control->stamp = sock_receive_stamp(sk, packet);
	control->drops = sk->drops;
	control->has_info = sock_flag(sk, SF_CMSG_PKTINFO);
	sock_charge_receive(sk, packet);
	pktbuf_queue_push(&sk->receive_queue, packet);
	if (!sock_flag(sk, SF_DEAD))
		sock_data_ready(sk);
}

/* Where SO_PEEK_OFF stands: 0 when it is off or does not apply. */
static uint32_t peek_offset(const struct sock *sk, int flags)
{
	return flags & MSG_PEEK && sk->peek_offset > 0 ? (uint32_t)sk->peek_offset : 0;
}

/* The first packet that reaches past the offset, which is made relative to it; empty packets count when nothing was peeked. */
static struct pktbuf *packet_at(struct sock *sk, int flags, uint32_t *offset)
{
	struct pktbuf *packet = sk->receive_queue.first;

	*offset = peek_offset(sk, flags);
	if (!(flags & MSG_PEEK) || sk->peek_offset < 0)
		return packet;
	for (; packet; packet = packet->next) {
		uint32_t length = pktbuf_length(packet);

		if (*offset < length || (!length && !*offset))
			break;
		*offset -= length;
	}
	return packet;
}

struct pktbuf *datagram_take(struct sock *sk, struct pl_call *call, int flags, uint32_t *offset, int64_t *result)
{
	pl_time timeout = sock_receive_timeout(sk, call, flags);
	struct pktbuf *packet;

	*result = sock_error_take(sk);
	if (*result)
		return NULL;
	packet = packet_at(sk, flags, offset);
	if (packet) {
		if (flags & MSG_PEEK)
			pktbuf_hold(packet);
		else
			pktbuf_queue_remove(&sk->receive_queue, packet);
		return packet;
	}
	if (timeout && sk->shutdown & RCV_SHUTDOWN)
		*result = 0;
	else
		*result = sock_wait_exclusive(sk, call, EPOLLIN | EPOLLRDNORM, timeout);
	return NULL;
}

void datagram_peek_moved(struct sock *sk, int flags, uint32_t length)
{
	if (sk->peek_offset < 0)
		return;
	if (flags & MSG_PEEK)
		sk->peek_offset += (int)length;
	else
		sk->peek_offset = (uint32_t)sk->peek_offset > length ? sk->peek_offset - (int)length : 0;
}

uint32_t datagram_poll(struct sock *sk)
{
	uint32_t events = 0;

	if (sk->error || sk->error_queue.count)
		events |= EPOLLERR | (sock_flag(sk, SF_SELECT_ERR_QUEUE) ? EPOLLPRI : 0);
	if (sk->shutdown & RCV_SHUTDOWN)
		events |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (sk->shutdown == SHUTDOWN_MASK)
		events |= EPOLLHUP;
	if (sk->receive_queue.count)
		events |= EPOLLIN | EPOLLRDNORM;
	if (sk->write_allocated < (uint32_t)sk->send_buffer >> 1)
		events |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return events;
}

/* A socket that is not connected cannot be shut down, and is all the same: Linux sets the bits before it complains. */
int64_t datagram_ioctl(struct sock *sk, unsigned long request, void *argument)
{
	int number;

	if (request == SIOCOUTQ)
		number = (int)sk->write_allocated;
	else if (request == SIOCINQ)
		number = sk->receive_queue.first ? (int)pktbuf_length(sk->receive_queue.first) : 0;
	else
		return -ENOTTY;
	if (!argument)
		return -EFAULT;
	memcpy(argument, &number, sizeof(number));
	return 0;
}

int64_t datagram_shutdown(struct sock *sk, int how)
{
	sk->shutdown |= (uint8_t)(how + 1);
	sock_route_refresh(sk);
	sock_state_change(sk);
	return sk->state == TCP_CLOSE ? -ENOTCONN : 0;
}

int64_t datagram_close(struct sock *sk, struct pl_call *call)
{
	sock_flag_set(sk, SF_DEAD, true);
	if (sk->proto->unhash)
		sk->proto->unhash(sk);
	return 0;
}
