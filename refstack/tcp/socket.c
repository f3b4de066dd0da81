/*
 * The sockets API of TCP: its row, made and destroyed, bind, names, poll, ioctl.
 */
#include "conn.h"

#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "../socket/options.h"

/* --- made and destroyed ------------------------------------------------------------------------------------------------------- */
void tcp_count_sock(struct tcp_sock *tp)
{
	tp->sk.stack->tcp->sockets++;
	tp->counted = true;
}

int tcp_init_sock(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	const struct sysctls *sysctl = &sk->stack->sysctl;
	tp->socket_state = SS_UNCONNECTED;
	sk->send_buffer = sysctl->tcp_wmem[1];
	sk->receive_buffer = sysctl->tcp_rmem[1];
	tp->mss_cache = TCP_MSS_DEFAULT;
	tp->accept_last = &tp->accept_first;
	tcp_receive_init(tp);
	tcp_delack_init(tp);
	tcp_keepalive_init(tp);
	tcp_send_init(tp);
	tcp_count_sock(tp);
	return 0;
}

void tcp_destroy_sock(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct pl_stack *stack = sk->stack;
	sock_hold(sk);	/* requests that go now give references back */
	if (sk->state == TCP_ESTABLISHED || sk->state == TCP_CLOSE_WAIT)
		stack->counter[CNT_Tcp_CurrEstab]--;
	if (sk->state == TCP_LISTEN)
		tcp_listener_remove(tp);
	tcp_listen_forget(tp);
	sk->state = TCP_CLOSE;
	tcp_entry_remove(stack, &tp->entry);
	tcp_put_port(tp);
	timer_cancel(stack, &tp->delack_timer);
	timer_cancel(stack, &tp->compressed_ack_timer);
	timer_cancel(stack, &tp->keepalive_timer);
	tcp_send_destroy(tp);
	pktbuf_queue_purge(stack, &tp->out_of_order);
	tcp_md5_list_free(tp->md5_keys);
	if (tp->sending.zerocopy)
		tcp_zerocopy_finish(tp, tp->sending.zerocopy, false);
	if (tp->request && !tp->request->child)
		tcp_request_free(tp->request);
	free(tp->saved_syn);
	tcp_mem_release(tp);
	if (tp->counted)
		stack->tcp->sockets--;
	if (tp->orphan)
		stack->tcp->orphans--;
}

/* --- bind and names ------------------------------------------------------------------------------------------------------------- */
static int64_t tcp_bind(struct sock *sk, const struct sockaddr *address, socklen_t length)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct sockaddr_in to;
	int64_t result = inet_bind_check(sk, address, length, &to);
	if (result)
		return result;
	if (sk->state != TCP_CLOSE || tp->bind)
		return -EINVAL;
	uint16_t port = ntohs(to.sin_port);
	int type = address_type(sk->stack, to.sin_addr);
	sk->local = sk->source = to.sin_addr;
	if (type == RTN_BROADCAST || type == RTN_MULTICAST)
		sk->source.s_addr = 0;	/* such an address can only be sent to */
	if (port || !sock_flag(sk, SF_BIND_ADDRESS_NO_PORT)) {
		int error = tcp_get_port(tp, port);
		if (error) {
			sk->local.s_addr = sk->source.s_addr = 0;
			return error;
		}
	}
	sk->bound_address = sk->local.s_addr != 0;
	sk->bound_port = port != 0;
	sk->remote.s_addr = 0;
	sk->remote_port = 0;
	return 0;
}

static int64_t tcp_getname(struct sock *sk, struct sockaddr_in *address, bool peer)
{
	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	if (!peer) {
		address->sin_addr = sk->local.s_addr ? sk->local : sk->source;
		address->sin_port = htons(sk->port);
		return 0;
	}
	/* accept tells the peer of a connection that is over already; getpeername does not. */
	if (!sk->remote_port || (sk->has_descriptor && (sk->state == TCP_CLOSE || sk->state == TCP_SYN_SENT)))
		return -ENOTCONN;
	address->sin_addr = sk->remote;
	address->sin_port = htons(sk->remote_port);
	return 0;
}

/* --- poll --------------------------------------------------------------------------------------------------------------------------- */
static uint32_t notsent_lowat(const struct tcp_sock *tp)
{
	return tp->notsent_lowat ? tp->notsent_lowat : tp->sk.stack->sysctl.tcp_notsent_lowat;
}

bool tcp_stream_memory_free(const struct tcp_sock *tp)
{
	if (tp->sk.write_queued >= (uint32_t)tp->sk.send_buffer)
		return false;
	return tp->write_seq - tp->snd_nxt < notsent_lowat(tp);
}

bool tcp_stream_writeable(const struct tcp_sock *tp, bool wake)
{
	int64_t queued = tp->sk.write_queued, room = tp->sk.send_buffer - queued;
	if (room < queued / 2 || room <= 0)
		return false;
	uint32_t unsent = tp->write_seq - tp->snd_nxt;
	return (uint64_t)unsent << wake < notsent_lowat(tp);
}

void tcp_write_space(struct tcp_sock *tp)
{
	if (!tcp_stream_writeable(tp, false))
		return;
	tp->nospace = false;
	sock_wake(&tp->sk, TCP_WAKE_WRITE);
}

/* Enough to read, or so little room for more that waiting would not help. */
bool tcp_readable(const struct tcp_sock *tp, int target)
{
	const struct sock *sk = &tp->sk;
	int available = (int)(tp->rcv_nxt - tp->copied_seq);
	if (available <= 0)
		return false;
	if (available >= target || tcp_under_memory_pressure(sk->stack))
		return true;
	int64_t threshold = sk->receive_buffer - (sk->receive_buffer >> 3);
	return sk->receive_allocated > threshold || tcp_receive_window(tp) <= tp->ack.rcv_mss;
}

/* EPOLLIN, EPOLLOUT and EPOLLPRI of a socket that has a peer. */
static uint32_t poll_connected(struct tcp_sock *tp)
{
	struct sock *sk = &tp->sk;
	uint32_t mask = 0;
	int target = sk->receive_low_water ? sk->receive_low_water : 1;
	/* The urgent byte is not part of the stream. */
	if (tp->urg_data && tp->urg_seq == tp->copied_seq && !sock_flag(sk, SF_URGINLINE))
		target++;
	if (tcp_readable(tp, target))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (sk->shutdown & SEND_SHUTDOWN || tcp_stream_writeable(tp, true))
		mask |= EPOLLOUT | EPOLLWRNORM;
	else
		tp->nospace = true;
	if (tp->urg_data & TCP_URG_VALID)
		mask |= EPOLLPRI;
	return mask;
}

uint32_t tcp_poll(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	uint32_t mask = 0;
	if (sk->state == TCP_LISTEN)
		return tp->accept_first ? EPOLLIN | EPOLLRDNORM : 0;
	if (sk->shutdown == SHUTDOWN_MASK || sk->state == TCP_CLOSE)
		mask |= EPOLLHUP;
	if (sk->shutdown & RCV_SHUTDOWN)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (sk->state != TCP_SYN_SENT && (sk->state != TCP_SYN_RECV || tp->request))
		mask |= poll_connected(tp);
	else if (sk->state == TCP_SYN_SENT && sock_flag(sk, SF_DEFER_CONNECT))
		mask |= EPOLLOUT | EPOLLWRNORM;	/* the first write sends the SYN */
	if (sk->error || sk->error_queue.first)
		mask |= EPOLLERR;
	return mask;
}

/* --- ioctl --------------------------------------------------------------------------------------------------------------------------- */
uint32_t tcp_inq(const struct tcp_sock *tp)
{
	const struct sock *sk = &tp->sk;
	if (sk->state == TCP_SYN_SENT || sk->state == TCP_SYN_RECV)
		return 0;
	if (sock_flag(sk, SF_URGINLINE) || !tp->urg_data || before(tp->urg_seq, tp->copied_seq) ||
	    !before(tp->urg_seq, tp->rcv_nxt)) {
		uint32_t available = tp->rcv_nxt - tp->copied_seq;
		return available && sock_flag(sk, SF_DONE) ? available - 1 : available;	/* less the FIN */
	}
	return tp->urg_seq - tp->copied_seq;
}

int64_t tcp_ioctl(struct sock *sk, unsigned long request, void *argument)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	bool handshaking = sk->state == TCP_SYN_SENT || sk->state == TCP_SYN_RECV;
	int answer;
	switch (request) {
	case SIOCINQ:
		answer = (int)tcp_inq(tp);
		break;
	case SIOCATMARK:
		answer = tp->urg_data && tp->urg_seq == tp->copied_seq;
		break;
	case SIOCOUTQ:
		answer = handshaking ? 0 : (int)(tp->write_seq - tp->snd_una);
		break;
	case SIOCOUTQNSD:
		answer = handshaking ? 0 : (int)(tp->write_seq - tp->snd_nxt);
		break;
	default:
		return -ENOTTY;
	}
	if (sk->state == TCP_LISTEN && request != SIOCATMARK)
		return -EINVAL;
	if (!argument)
		return -EFAULT;
	memcpy(argument, &answer, sizeof(answer));
	return 0;
}

/* --- told by the common options ---------------------------------------------------------------------------------------------- */
static void tcp_keepalive_option(struct sock *sk, bool on)
{
	tcp_set_keepalive(tcp_sk(sk), on);
}

/* SO_RCVLOWAT: no more than half of what the buffer can become; and the buffer grows to hold it. */
static int64_t tcp_set_low_water(struct sock *sk, int value)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int most = (sk->receive_buffer_locked ? sk->receive_buffer : sk->stack->sysctl.tcp_rmem[2]) >> 1;
	if (value > most)
		value = most;
	sk->receive_low_water = value ? value : 1;
	tcp_data_ready(tp);
	if (sk->receive_buffer_locked)
		return 0;
	int space = (int)tcp_space_from_window(tp, (uint32_t)value);
	if (space > sk->receive_buffer) {
		sk->receive_buffer = space;
		if (tp->window_clamp && tp->window_clamp < (uint32_t)value)
			tp->window_clamp = (uint32_t)value;
	}
	return 0;
}

/* Offsets in time stamp reports count from here: what is written next, or with the older flag what is not acknowledged. */
static int64_t tcp_timestamp_key(struct sock *sk, uint32_t flags)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	if (sk->state == TCP_CLOSE || sk->state == TCP_LISTEN)
		return -EINVAL;
	sk->timestamp_key = flags & SOF_TIMESTAMPING_OPT_ID_TCP ? tp->write_seq : tp->snd_una;
	return 0;
}

static void tcp_header_changed(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	if (sk->state == TCP_CLOSE || sk->state == TCP_LISTEN)
		return;
	tp->ext_header_length = sk->options ? sk->options->length : 0;
	tcp_sync_mss(tp, tp->pmtu_cookie);
}

const struct proto tcp_proto = {
	.name = "TCP",
	.type = SOCK_STREAM,
	.protocol = IPPROTO_TCP,
	.size = sizeof(struct tcp_sock),
	.init = tcp_init_sock,
	.close = tcp_close,
	.destroy = tcp_destroy_sock,
	.bind = tcp_bind,
	.connect = tcp_connect_call,
	.listen = tcp_listen,
	.accept = tcp_accept,
	.shutdown = tcp_shutdown,
	.getname = tcp_getname,
	.sendmsg = tcp_sendmsg,
	.recvmsg = tcp_recvmsg,
	.setsockopt = tcp_setsockopt,
	.getsockopt = tcp_getsockopt,
	.ioctl = tcp_ioctl,
	.read_sock = tcp_read_sock,
	.poll = tcp_poll,
	.keepalive = tcp_keepalive_option,
	.set_receive_low_water = tcp_set_low_water,
	.timestamp_key = tcp_timestamp_key,
	.header_changed = tcp_header_changed,
	.sent = tcp_sent,
	.peek_offset = true,
};
