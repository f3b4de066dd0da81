/*
 * recvmsg: bytes out of the receive queue.
 *
 * The call runs from the top whenever it is woken; what it has copied already is call->progress. Reading stops at the urgent
 * byte, which is not part of the stream unless SO_OOBINLINE says so, and at the FIN.
 */
#include "conn.h"

/* One run of a receiving call. */
struct reader {
	struct tcp_sock *tp;
	struct msghdr *msg;
	int flags;
	uint32_t *seq;		/* the next byte to read: copied_seq, or a private one that peeks */
	size_t length, copied;
	bool fin;		/* the FIN was reached */
	bool faulted;
	pl_time stamp;		/* arrival of the last packet read from; 0: none */
};

/* --- urgent data ------------------------------------------------------------------------------------------------------------------ */
/* recv with MSG_OOB. Never waits. */
static int64_t receive_urgent(struct tcp_sock *tp, struct msghdr *msg, size_t length, int flags)
{
	struct sock *sk = &tp->sk;
	if (sock_flag(sk, SF_URGINLINE) || !tp->urg_data || tp->urg_data == TCP_URG_READ)
		return -EINVAL;
	if (sk->state == TCP_CLOSE && !sock_flag(sk, SF_DONE))
		return -ENOTCONN;
	if (tp->urg_data & TCP_URG_VALID) {
		uint8_t byte = (uint8_t)tp->urg_data;
		if (!(flags & MSG_PEEK))
			tp->urg_data = TCP_URG_READ;
		msg->msg_flags |= MSG_OOB;
		if (!length) {
			msg->msg_flags |= MSG_TRUNC;
			return 0;
		}
		if (!(flags & MSG_TRUNC) && msg_copy_out(msg, 0, &byte, 1) != 1)
			return -EFAULT;
		return 1;
	}
	if (sk->state == TCP_CLOSE || sk->shutdown & RCV_SHUTDOWN)
		return 0;
	return -EAGAIN;
}

/* How much of `used` bytes at *seq may be read in one go: up to the urgent byte. *skip: the byte here is the urgent one. */
static uint32_t up_to_urgent(const struct reader *r, uint32_t used, bool *skip)
{
	const struct tcp_sock *tp = r->tp;
	uint32_t offset = tp->urg_seq - *r->seq;
	*skip = false;
	if (!tp->urg_data || offset >= used)
		return used;
	if (offset)
		return offset;
	*skip = !sock_flag(&tp->sk, SF_URGINLINE);
	return used;
}

static bool at_urgent_byte(const struct reader *r)
{
	return r->tp->urg_data && r->tp->urg_seq == *r->seq;
}

/* --- copying ------------------------------------------------------------------------------------------------------------------------- */
/* The packet that holds the byte at *seq, or the FIN there; NULL: not received yet. */
static struct pktbuf *packet_at(const struct reader *r, uint32_t *offset)
{
	for (struct pktbuf *packet = r->tp->sk.receive_queue.first; packet; packet = packet->next) {
		*offset = *r->seq - tcp_cb(packet)->seq - !!(tcp_cb(packet)->flags & TH_SYN);
		if (*offset < pktbuf_length(packet) || tcp_cb(packet)->flags & TH_FIN)
			return packet;
	}
	return NULL;
}

static void eat(struct reader *r, struct pktbuf *packet)
{
	if (r->flags & MSG_PEEK)
		return;
	pktbuf_queue_remove(&r->tp->sk.receive_queue, packet);
	pktbuf_free(r->tp->sk.stack, packet);
	tcp_mem_update(r->tp);
}

static void take_fin(struct reader *r, struct pktbuf *packet)
{
	(*r->seq)++;
	r->fin = true;
	eat(r, packet);
}

static void move_peek_offset(struct sock *sk, int flags, uint32_t used)
{
	if (sk->peek_offset < 0)
		return;
	if (flags & MSG_PEEK)
		sk->peek_offset += (int)used;
	else
		sk->peek_offset = sk->peek_offset > (int)used ? sk->peek_offset - (int)used : 0;
}

/* Read from one packet at `offset`, as far as it and the buffer go. */
static void take_bytes(struct reader *r, struct pktbuf *packet, uint32_t offset)
{
	struct tcp_sock *tp = r->tp;
	uint32_t whole = pktbuf_length(packet), used = whole - offset;
	bool skip;
	if (used > r->length - r->copied)
		used = (uint32_t)(r->length - r->copied);
	used = up_to_urgent(r, used, &skip);
	if (skip) {
		(*r->seq)++;
		offset++;
		used--;
	}
	if (used && !(r->flags & MSG_TRUNC) && msg_copy_out(r->msg, r->copied, packet->data + offset, used) != used) {
		r->faulted = true;
		return;
	}
	if (used) {
		*r->seq += used;
		r->copied += used;
		move_peek_offset(&tp->sk, r->flags, used);
		tcp_rcv_space_adjust(tp);
	}
	if (tp->urg_data && after(tp->copied_seq, tp->urg_seq))
		tp->urg_data = 0;
	r->stamp = packet->arrival;
	if (used + offset < whole)
		return;
	if (tcp_cb(packet)->flags & TH_FIN)
		take_fin(r, packet);
	else
		eat(r, packet);
}

/* Everything that is there. */
static void take_available(struct reader *r)
{
	while (r->copied < r->length && !r->fin && !r->faulted) {
		uint32_t offset;
		if (at_urgent_byte(r) && r->copied)
			return;
		struct pktbuf *packet = packet_at(r, &offset);
		if (!packet)
			return;
		if (offset < pktbuf_length(packet))
			take_bytes(r, packet, offset);
		else
			take_fin(r, packet);
	}
}

/* --- control messages ------------------------------------------------------------------------------------------------------------------ */
/* TCP_CM_INQ: bytes still to be read after this; 1 when only the FIN is left. */
static int bytes_left(const struct tcp_sock *tp)
{
	uint32_t left = tp->rcv_nxt - tp->copied_seq;
	if (tp->sk.state == TCP_LISTEN)
		return 0;
	if (left == 0 && sock_flag(&tp->sk, SF_DONE))
		return 1;
	return (int)left;
}

static void put_control(struct reader *r)
{
	struct tcp_sock *tp = r->tp;
	if (r->stamp) {
		struct pktbuf stamp = { .arrival = r->stamp };
		msg_put_received_stamp(&tp->sk, r->msg, &stamp);
	}
	if (tp->recvmsg_inq) {
		int left = bytes_left(tp);
		msg_put_control(r->msg, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof(left));
	}
}

/* --- the call ----------------------------------------------------------------------------------------------------------------------------- */
/* Nothing more to take now: is the call over? Its result, or CALL_WAITS when it has to wait. */
static int64_t out_of_data(struct reader *r, struct pl_call *call, size_t target)
{
	struct sock *sk = &r->tp->sk;
	pl_time timeout = sock_receive_timeout(sk, call, r->flags);
	if (r->copied >= target)
		return 0;
	if (r->copied) {
		if (!timeout || sk->error || sk->state == TCP_CLOSE || sk->shutdown & RCV_SHUTDOWN)
			return 0;
	} else {
		if (sock_flag(sk, SF_DONE))
			return 0;
		if (sk->error)
			return sock_error_take(sk);
		if (sk->shutdown & RCV_SHUTDOWN)
			return 0;
		if (sk->state == TCP_CLOSE)
			return -ENOTCONN;
		if (!timeout)
			return -EAGAIN;
	}
	tcp_cleanup_rbuf(r->tp, (int)r->copied);
	int64_t wait = sock_wait(sk, call, EPOLLIN | EPOLLPRI, timeout);
	return wait != CALL_WAITS && r->copied ? 0 : wait;
}

static size_t low_water(const struct sock *sk, int flags, size_t length)
{
	size_t target = flags & MSG_WAITALL ? length : (size_t)sk->receive_low_water;
	if (target > length)
		target = length;
	return target ? target : 1;
}

/* TCP_REPAIR: who restores a connection may only look. */
static int64_t repair_check(const struct tcp_sock *tp, int flags)
{
	if (!tp->repair)
		return 0;
	if (!(flags & MSG_PEEK))
		return -EPERM;
	return tp->repair_queue == TCP_NO_QUEUE ? -EINVAL : 0;
}

/* What was sent and what was written, for TCP_REPAIR. */
static int64_t peek_send_queue(const struct tcp_sock *tp, struct msghdr *msg, size_t length)
{
	const struct pktbuf_queue *queues[2] = { &tp->retransmit_queue, &tp->write_queue };
	size_t copied = 0;
	for (int i = 0; i < 2; i++)
		for (const struct pktbuf *packet = queues[i]->first; packet && copied < length; packet = packet->next) {
			size_t part = pktbuf_length(packet);
			if (part > length - copied)
				part = length - copied;
			copied += msg_copy_out(msg, copied, packet->data, part);
		}
	return (int64_t)copied;
}

int64_t tcp_recvmsg(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct reader r = { .tp = tp, .msg = msg, .flags = flags, .seq = &tp->copied_seq, .length = msg_length(msg) };
	if (flags & MSG_ERRQUEUE)
		return sock_receive_error(sk, msg, flags);
	if (sk->state == TCP_LISTEN)
		return -ENOTCONN;
	if (flags & MSG_OOB)
		return receive_urgent(tp, msg, r.length, flags);
	int64_t result = repair_check(tp, flags);
	if (result)
		return result;
	if (tp->repair && tp->repair_queue == TCP_SEND_QUEUE)
		return peek_send_queue(tp, msg, r.length);
	size_t target = low_water(sk, flags, r.length);
	uint32_t peek_seq = tp->copied_seq + (sk->peek_offset > 0 ? (uint32_t)sk->peek_offset : 0);
	if (flags & MSG_PEEK)
		r.seq = &peek_seq;	/* each run of a call that peeks starts over: nothing was taken */
	else
		r.copied = (size_t)call->progress;
	take_available(&r);
	if (!(flags & MSG_PEEK))
		call->progress = (int64_t)r.copied;
	if (r.faulted && !r.copied)
		return -EFAULT;
	uint32_t offset;
	bool over = r.fin || r.faulted || (at_urgent_byte(&r) && r.copied) || (r.copied == r.length && (r.length || packet_at(&r, &offset)));
	if (!over) {
		result = out_of_data(&r, call, target);
		if (result)
			return result;
	}
	tcp_cleanup_rbuf(tp, (int)r.copied);
	put_control(&r);
	return (int64_t)r.copied;
}

/* The queue lent to a reader in the kernel's sense: splice. */
int64_t tcp_read_sock(struct sock *sk, size_t (*take)(void *context, const uint8_t *bytes, size_t length), void *context)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct reader r = { .tp = tp, .seq = &tp->copied_seq };
	struct pktbuf *packet;
	uint32_t offset;
	int64_t copied = 0;
	if (sk->state == TCP_LISTEN)
		return -ENOTCONN;
	while ((packet = packet_at(&r, &offset))) {
		uint32_t whole = pktbuf_length(packet), length = whole - offset, urgent = tp->urg_seq - tp->copied_seq;
		if (offset < whole) {
			if (tp->urg_data && urgent < length)
				length = urgent;
			size_t taken = length ? take(context, packet->data + offset, length) : 0;
			tp->copied_seq += (uint32_t)taken;
			copied += (int64_t)taken;
			if (taken < length || !length || offset + taken < whole)
				break;
		}
		if (tcp_cb(packet)->flags & TH_FIN) {
			take_fin(&r, packet);
			break;
		}
		eat(&r, packet);
	}
	tcp_rcv_space_adjust(tp);
	if (copied)
		tcp_cleanup_rbuf(tp, (int)copied);
	return copied;
}
