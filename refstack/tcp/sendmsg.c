/*
 * sendmsg: bytes of the user into the write queue.
 *
 * Bytes join the last buffer of the write queue as long as it has room (size_goal: the largest segment that may leave in one
 * piece), is not closed by MSG_EOR and, with MSG_ZEROCOPY, holds pages of the same notification. Segments leave as buffers fill
 * up; what is left at the end is pushed by the rules of Nagle (output.c).
 *
 * The call runs from the top whenever it is woken. What it has queued already is call->progress; what belongs to the call beyond
 * that (the zerocopy notification, how much went into the SYN) is kept in tcp_sock.sending while the call waits.
 */
#include "../socket/datagram.h"
#include "../socket/pipe.h"
#include "conn.h"
#include "send.h"

#include <linux/net_tstamp.h>
#include <stdlib.h>

#define MAX_FRAGMENTS 17	/* pages that one buffer can refer to; spliced ones, net.core.max_skb_frags */
#define PAGE 4096

struct writer {
	struct tcp_sock *tp;
	struct pl_call *call;
	const struct msghdr *msg;
	int flags;
	size_t size, done;	/* done: bytes queued, those in the SYN included */
	uint32_t mss_now, size_goal, timestamping;
	bool zerocopy;
};

static size_t left(const struct writer *w)
{
	return w->size - w->done;
}

/* Bytes queued for sending by this call, without those that went into the SYN. */
static size_t queued(const struct writer *w)
{
	return w->done - w->tp->sending.in_syn;
}

/* --- control messages ---------------------------------------------------------------------------------------------------------- */
/*
 * What SOL_SOCKET control messages ask of a TCP send: SO_TIMESTAMPING alone acts. The mark and the priority are checked, and are of
 * datagrams only: a segment may hold bytes of many calls.
 */
static int64_t read_control(struct writer *w)
{
	struct datagram_send send = { .timestamp_flags = w->tp->sk.timestamping };
	int64_t result = w->msg->msg_controllen ? datagram_send_socket_control(&w->tp->sk, w->msg, &send) : 0;
	w->timestamping = send.timestamp_flags;
	return result;
}

/* --- the end of a call ------------------------------------------------------------------------------------------------------------ */
static void remove_empty_buffer(struct tcp_sock *tp)
{
	struct pktbuf *last = tp->write_queue.last;
	if (last && tcp_cb(last)->seq == tcp_cb(last)->end_seq && !pktbuf_length(last) && !(tcp_cb(last)->flags & TH_FIN))
		tcp_send_buffer_free(tp, &tp->write_queue, last);
}

static void end_zerocopy(struct writer *w, bool failed)
{
	struct tcp_sock *tp = w->tp;
	if (tp->sending.zerocopy)
		tcp_zerocopy_finish(tp, tp->sending.zerocopy, failed);
	tp->sending.zerocopy = NULL;
}

static void end_call(struct writer *w, bool failed)
{
	end_zerocopy(w, failed);
	w->tp->sending.call = NULL;
	w->tp->sending.in_syn = 0;
}

/* The last byte is queued, or no more can be. */
static int64_t finish(struct writer *w)
{
	struct tcp_sock *tp = w->tp;
	if (queued(w)) {
		struct pktbuf *last = tp->write_queue.last ? tp->write_queue.last : tp->retransmit_queue.last;
		if (last && w->timestamping & SOF_TIMESTAMPING_TX_RECORD_MASK)
			tcp_stamp_request(tp, last, w->timestamping);
		tcp_push(tp, w->flags, w->mss_now, tp->nonagle, w->size_goal);
	}
	end_call(w, false);
	return (int64_t)w->done;
}

/* An error: what was queued before it counts, and the error comes with the next call. */
static int64_t fail(struct writer *w, int64_t error)
{
	struct tcp_sock *tp = w->tp;
	remove_empty_buffer(tp);
	if (w->done)
		return finish(w);
	end_call(w, true);
	if (error == -EPIPE && tp->sk.error)
		error = sock_error_take(&tp->sk);
	/* Edge-triggered waiters must hear of the room that there is. */
	if (error == -EAGAIN && !tp->write_queue.count && !tp->retransmit_queue.count)
		sock_wake(&tp->sk, TCP_WAKE_WRITE);
	return error;
}

/* Leave the call waiting, or end it. */
static int64_t wait_or_fail(struct writer *w, uint32_t events)
{
	struct sock *sk = &w->tp->sk;
	w->call->progress = (int64_t)w->done;
	int64_t wait = sock_wait(sk, w->call, events, sock_send_timeout(sk, w->call, w->flags));
	return wait == CALL_WAITS ? wait : fail(w, wait);
}

/* --- Fast Open ---------------------------------------------------------------------------------------------------------------------- */
static bool unspecified_address(const struct msghdr *msg)
{
	const struct sockaddr *address = msg->msg_name;
	return address && msg->msg_namelen >= sizeof(address->sa_family) && address->sa_family == AF_UNSPEC;
}

static int64_t begin_fastopen(struct writer *w)
{
	struct tcp_sock *tp = w->tp;
	if (!(tp->sk.stack->sysctl.tcp_fastopen & TFO_CLIENT) || unspecified_address(w->msg))
		return -EOPNOTSUPP;
	if (tp->fastopen_req.active)
		return -EALREADY;
	tp->fastopen_req = (struct tcp_fastopen_request){
		.active = true, .data = w->msg, .size = w->size, .cookie = { .length = 0 }	/* ask for one, unless one is known */
	};
	tp->sending.fastopen = true;
	if (sock_flag(&tp->sk, SF_DEFER_CONNECT) && tcp_connect_start(tp) < 0) {
		tcp_set_state(tp, TCP_CLOSE);
		tp->sk.remote_port = 0;
	}
	return 0;
}

/*
 * MSG_FASTOPEN, or the first send after a deferred connect: the SYN goes out with what fits of the data, and the rest of the call
 * goes on when the connection is made. 0: go on; else the call's result.
 */
static int64_t send_fastopen(struct writer *w)
{
	struct tcp_sock *tp = w->tp;
	if (!tp->sending.fastopen) {
		int64_t result = begin_fastopen(w);
		if (result)
			return fail(w, result);
	}
	int64_t result = tcp_stream_connect(&tp->sk, w->call, w->msg->msg_name, w->msg->msg_namelen, w->flags, true);
	if (result == CALL_WAITS) {
		tp->write_pending = tp->fastopen_req.active && tp->fastopen_req.data;
		return CALL_WAITS;
	}
	tp->sending.fastopen = false;
	if (tp->fastopen_req.active) {
		w->done = tp->sending.in_syn = tp->fastopen_req.copied;
		tcp_fastopen_request_free(tp);
		sock_flag_set(&tp->sk, SF_DEFER_CONNECT, false);
	}
	tp->sending.fastopen_done = true;
	if (result == -EINPROGRESS && w->done)
		return finish(w);
	if (!result)
		return 0;
	w->done = tp->sending.in_syn = 0;
	return fail(w, result);
}

/* --- filling buffers ------------------------------------------------------------------------------------------------------------------ */
/* How many bytes of the caller's buffer that holds byte `at` are left from there. */
static size_t contiguous(const struct msghdr *msg, size_t at)
{
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		if (at < msg->msg_iov[i].iov_len)
			return msg->msg_iov[i].iov_len - at;
		at -= msg->msg_iov[i].iov_len;
	}
	return 0;
}

/* A new buffer at the end of the write queue; NULL: the writer has to wait. */
static struct pktbuf *new_buffer(struct writer *w)
{
	struct tcp_sock *tp = w->tp;
	if (!tcp_stream_memory_free(tp))
		return NULL;
	size_t room = left(w) < w->size_goal ? left(w) : w->size_goal;
	struct pktbuf *packet = tcp_stream_alloc(tp, room);
	if (packet)
		tcp_queue_entail(tp, packet);
	return packet;
}

/*
 * Can the buffer take pages of the user's (MSG_ZEROCOPY) or of a file or pipe (splice, sendfile) by reference, and this piece? Pages
 * are counted as if each piece began at one. What is copied lies in large pieces of memory, which hardly reach the limit.
 */
static bool takes_pages(struct writer *w, struct pktbuf *packet, size_t *piece)
{
	struct tcp_control *control = tcp_cb(packet);
	int limit = w->zerocopy ? MAX_FRAGMENTS : tcp_sysctl(w->tp)->max_skb_frags;
	if (control->fragments >= limit || (w->zerocopy && !tcp_zerocopy_attach(w->tp->sending.zerocopy, packet)))
		return false;
	size_t whole = contiguous(w->msg, w->done), most = (size_t)(limit - control->fragments) * PAGE;
	if (*piece > whole)
		*piece = whole;
	if (*piece > most)
		*piece = most;
	control->fragments = (uint8_t)(control->fragments + (*piece + PAGE - 1) / PAGE);
	return true;
}

/* What `piece` bytes cost in memory: themselves, or the pages of the user that hold them, whose buffers are taken to begin at one. */
static uint32_t cost(const struct writer *w, size_t piece)
{
	if (!w->zerocopy)
		return (uint32_t)piece;
	size_t at = w->done, start = 0;
	for (size_t i = 0; i < w->msg->msg_iovlen; i++) {
		start = at;
		if (at < w->msg->msg_iov[i].iov_len)
			break;
		at -= w->msg->msg_iov[i].iov_len;
	}
	return (uint32_t)((start % PAGE + piece + PAGE - 1) / PAGE * PAGE);
}

/* Append `piece` bytes of the message. 0, -EFAULT, -ENOMEM. */
static int append(struct writer *w, struct pktbuf *packet, size_t piece)
{
	struct tcp_sock *tp = w->tp;
	if (!pktbuf_reserve(tp->sk.stack, packet, piece))
		return -ENOMEM;
	if (msg_copy_in(w->msg, w->done, packet->tail, piece) != piece)
		return -EFAULT;
	pktbuf_put(packet, piece);
	packet->truesize += cost(w, piece);
	tcp_wmem_add(tp, (int32_t)cost(w, piece));
	if (!queued(w))
		tcp_cb(packet)->flags &= (uint16_t)~TH_PSH;
	tcp_cb(packet)->end_seq += (uint32_t)piece;
	tcp_cb(packet)->segments = 0;
	tp->write_seq += (uint32_t)piece;
	w->done += piece;
	return 0;
}

/* A buffer is full: send it when there is reason not to wait for the end of the call. */
static void buffer_full(struct writer *w, struct pktbuf *packet)
{
	struct tcp_sock *tp = w->tp;
	if (tcp_forced_push(tp)) {
		tcp_mark_push(tp, packet);
		tcp_push_with(tp, w->mss_now, TCP_NAGLE_PUSH);
	} else if (packet == tp->write_queue.first) {
		tcp_push_one(tp, w->mss_now);
	}
}

/* The buffer that takes the next bytes and how many it takes. NULL: the writer has to wait. */
static struct pktbuf *choose_buffer(struct writer *w, size_t *piece)
{
	struct pktbuf *packet = w->tp->write_queue.last;
	for (;;) {
		bool fits = packet && pktbuf_length(packet) < w->size_goal && !tcp_cb(packet)->eor;
		if (!fits) {
			packet = new_buffer(w);
			if (!packet)
				return NULL;
		}
		*piece = w->size_goal - pktbuf_length(packet);
		if (*piece > left(w))
			*piece = left(w);
		if ((!w->zerocopy && !(w->flags & MSG_SPLICE_PAGES)) || takes_pages(w, packet, piece))
			return packet;
		tcp_mark_push(w->tp, packet);
		packet = NULL;
	}
}

static int64_t wait_for_room(struct writer *w)
{
	struct tcp_sock *tp = w->tp;
	tp->nospace = true;
	remove_empty_buffer(tp);
	if (queued(w))
		tcp_push(tp, w->flags & ~MSG_MORE, w->mss_now, TCP_NAGLE_PUSH, w->size_goal);
	if (tp->sk.error || tp->sk.shutdown & SEND_SHUTDOWN)
		return fail(w, -EPIPE);
	return wait_or_fail(w, EPOLLOUT);
}

static int64_t fill(struct writer *w)
{
	struct tcp_sock *tp = w->tp;
	w->mss_now = tcp_send_mss(tp, &w->size_goal, w->flags);
	if (tp->sk.error || tp->sk.shutdown & SEND_SHUTDOWN)
		return fail(w, -EPIPE);
	while (left(w)) {
		size_t piece;
		struct pktbuf *packet = choose_buffer(w, &piece);
		if (!packet)
			return wait_for_room(w);
		int error = append(w, packet, piece);
		if (error == -ENOMEM)
			return wait_for_room(w);
		if (error)
			return fail(w, error);
		if (!left(w)) {
			if (w->flags & MSG_EOR)
				tcp_cb(packet)->eor = true;
		} else if (pktbuf_length(packet) >= w->size_goal && !(w->flags & MSG_OOB) && !tp->repair) {
			buffer_full(w, packet);
		}
	}
	return finish(w);
}

/* --- the call -------------------------------------------------------------------------------------------------------------------------- */
/* sk_stream_wait_connect: 0 to go on. */
static int64_t await_connection(struct writer *w)
{
	struct tcp_sock *tp = w->tp;
	struct sock *sk = &tp->sk;
	bool passive_fastopen = sk->state == TCP_SYN_RECV && tp->request;
	if (sk->state == TCP_ESTABLISHED || sk->state == TCP_CLOSE_WAIT || passive_fastopen)
		return 0;
	if (sk->error)
		return fail(w, sock_error_take(sk));
	if (sk->state != TCP_SYN_SENT && sk->state != TCP_SYN_RECV)
		return fail(w, -EPIPE);
	int64_t wait = wait_or_fail(w, EPOLLOUT);
	tp->write_pending = wait == CALL_WAITS;
	return wait;
}

static int64_t begin_zerocopy(struct writer *w)
{
	struct tcp_sock *tp = w->tp;
	w->zerocopy = w->flags & MSG_ZEROCOPY && w->size && sock_flag(&tp->sk, SF_ZEROCOPY);
	if (!w->zerocopy || tp->sending.zerocopy)
		return 0;
	tp->sending.zerocopy = tcp_zerocopy_start(tp, tp->write_queue.last, w->size);
	return tp->sending.zerocopy ? 0 : -ENOBUFS;
}

/* TCP_REPAIR: bytes for the receive queue, as if they had come. */
static int64_t fill_receive_queue(struct tcp_sock *tp, const struct msghdr *msg, size_t size)
{
	struct pl_stack *stack = tp->sk.stack;
	if (!size)
		return 0;
	struct pktbuf *packet = pktbuf_new(stack, 0, size);
	if (!packet)
		return -ENOMEM;
	if (msg_copy_in(msg, 0, packet->tail, size) != size) {
		pktbuf_free(stack, packet);
		return -EFAULT;
	}
	pktbuf_put(packet, size);
	*tcp_cb(packet) = (struct tcp_control){ .seq = tp->rcv_nxt, .end_seq = tp->rcv_nxt + (uint32_t)size, .flags = TH_ACK };
	pktbuf_queue_push(&tp->sk.receive_queue, packet);
	sock_charge_receive(&tp->sk, packet);
	tp->rcv_nxt += (uint32_t)size;
	return (int64_t)size;
}

int64_t tcp_sendmsg(struct sock *sk, struct pl_call *call, const struct msghdr *msg, int flags)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct writer w = {
		.tp = tp, .call = call, .msg = msg, .flags = flags, .size = msg_length(msg), .done = (size_t)call->progress
	};
	int64_t result;
	tp->write_pending = false;
	bool first = tp->sending.call != call;
	if (first && tp->sending.zerocopy)
		tcp_zerocopy_finish(tp, tp->sending.zerocopy, false);	/* another call that waits: it begins a new one */
	if (first)
		tp->sending = (struct tcp_sending){ .call = call };
	result = begin_zerocopy(&w);
	if (result)
		return fail(&w, result);
	bool fastopen = (flags & MSG_FASTOPEN || sock_flag(sk, SF_DEFER_CONNECT)) && !tp->repair;
	if (fastopen && !tp->sending.fastopen_done) {
		result = send_fastopen(&w);
		if (result || !tp->sending.call)
			return result;
	}
	if (first)
		tcp_rate_check_app_limited(tp);
	result = await_connection(&w);
	if (result)
		return result;
	if (tp->repair && tp->repair_queue == TCP_RECV_QUEUE) {
		end_call(&w, true);
		return fill_receive_queue(tp, msg, w.size);
	}
	if (tp->repair && tp->repair_queue == TCP_NO_QUEUE)
		return fail(&w, -EINVAL);
	/* Only now: without a connection, that is the error, whatever the control messages are. */
	result = read_control(&w);
	return result ? fail(&w, result) : fill(&w);
}
