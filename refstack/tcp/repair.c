/*
 * TCP_REPAIR: a connection is taken down here and set up elsewhere without a word to the peer, as checkpointing does. While it is
 * on, reading and writing move the queues alone, connect() establishes at once, close() says nothing.
 */
#include "../socket/options.h"
#include "conn.h"

#include <linux/capability.h>

bool tcp_may_repair(const struct tcp_sock *tp)
{
	return capable(tp->sk.stack, CAP_NET_ADMIN) && tp->sk.state != TCP_LISTEN;
}

int64_t tcp_set_repair(struct tcp_sock *tp, int value)
{
	if (!tcp_may_repair(tp))
		return -EPERM;
	switch (value) {
	case TCP_REPAIR_ON:
		tp->repair = true;
		tp->sk.reuse = 2;
		tp->repair_queue = TCP_NO_QUEUE;
		return 0;
	case TCP_REPAIR_OFF:
	case TCP_REPAIR_OFF_NO_WP:
		tp->repair = false;
		tp->sk.reuse = 0;
		if (value == TCP_REPAIR_OFF)
			tcp_send_window_probe(tp);
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t tcp_set_repair_queue(struct tcp_sock *tp, int value)
{
	if (!tp->repair)
		return -EPERM;
	if (value < 0 || value >= TCP_QUEUES_NR)
		return -EINVAL;
	tp->repair_queue = (uint8_t)value;
	return 0;
}

int64_t tcp_set_queue_seq(struct tcp_sock *tp, int value)
{
	if (tp->sk.state != TCP_CLOSE)
		return -EPERM;
	switch (tp->repair_queue) {
	case TCP_SEND_QUEUE:
		if (tp->retransmit_queue.first)
			return -EPERM;
		tp->write_seq = (uint32_t)value;
		return 0;
	case TCP_RECV_QUEUE:
		if (tp->rcv_nxt != tp->copied_seq)
			return -EPERM;
		tp->rcv_nxt = tp->copied_seq = (uint32_t)value;
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t tcp_get_repair(struct tcp_sock *tp)
{
	return tp->repair;
}

int64_t tcp_get_repair_queue(struct tcp_sock *tp)
{
	return tp->repair ? tp->repair_queue : -EINVAL;
}

int64_t tcp_get_queue_seq(struct tcp_sock *tp)
{
	switch (tp->repair_queue) {
	case TCP_SEND_QUEUE:
		return tp->write_seq;
	case TCP_RECV_QUEUE:
		return tp->rcv_nxt;
	default:
		return -EINVAL;
	}
}

int64_t tcp_set_repair_options(struct tcp_sock *tp, const void *value, socklen_t length)
{
	if (!tp->repair)
		return -EINVAL;
	if (tp->sk.state != TCP_ESTABLISHED || tp->bytes_sent)
		return -EPERM;
	const uint8_t *at = value;
	for (; length >= sizeof(struct tcp_repair_opt); at += sizeof(struct tcp_repair_opt), length -= sizeof(struct tcp_repair_opt)) {
		struct tcp_repair_opt option;
		memcpy(&option, at, sizeof(option));
		switch (option.opt_code) {
		case 2:		/* MSS */
			tp->mss_clamp = (uint16_t)option.opt_val;
			tcp_mtup_init(tp);
			break;
		case 3:		/* window scales, sent in the low half */
			if ((option.opt_val & 0xffff) > TCP_MAX_WSCALE || option.opt_val >> 16 > TCP_MAX_WSCALE)
				return -EFBIG;
			tp->snd_wscale = (uint8_t)option.opt_val;
			tp->rcv_wscale = (uint8_t)(option.opt_val >> 16);
			tp->wscale_ok = true;
			break;
		case 4:		/* SACK permitted */
			if (option.opt_val)
				return -EINVAL;
			tp->sack_ok = true;
			break;
		case 8:		/* timestamps */
			if (option.opt_val)
				return -EINVAL;
			tp->tstamp_ok = true;
			break;
		}
	}
	return 0;
}

int64_t tcp_set_repair_window(struct tcp_sock *tp, const void *value, socklen_t length)
{
	struct tcp_repair_window window;
	if (!tp->repair)
		return -EPERM;
	if (length != sizeof(window))
		return -EINVAL;
	memcpy(&window, value, sizeof(window));
	if (window.max_window < window.snd_wnd)
		return -EINVAL;
	if (after(window.snd_wl1, tp->rcv_nxt + window.rcv_wnd) || after(window.rcv_wup, tp->rcv_nxt))
		return -EINVAL;
	tp->snd_wl1 = window.snd_wl1;
	tp->snd_wnd = window.snd_wnd;
	tp->max_window = window.max_window;
	tp->rcv_wnd = window.rcv_wnd;
	tp->rcv_wup = window.rcv_wup;
	return 0;
}

int64_t tcp_get_repair_window(struct tcp_sock *tp, void *value, socklen_t *length)
{
	struct tcp_repair_window window = {
		.snd_wl1 = tp->snd_wl1,
		.snd_wnd = tp->snd_wnd,
		.max_window = tp->max_window,
		.rcv_wnd = tp->rcv_wnd,
		.rcv_wup = tp->rcv_wup,
	};
	if (*length != sizeof(window))
		return -EINVAL;
	if (!tp->repair)
		return -EPERM;
	return sockopt_copy_out(value, length, &window, sizeof(window));
}
