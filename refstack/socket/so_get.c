/*
 * What getsockopt reads at SOL_SOCKET: each fills in out->number, or out->bytes and out->length, or gives the error.
 */
#include "so_options.h"

#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <sys/time.h>

#include "../ip/ip.h"
#include "../link/link.h"

int64_t so_get_reuse(struct sock *sk, struct option_out *out)
{
	return out->number = sk->reuse, 0;
}

int64_t so_get_reuseport(struct sock *sk, struct option_out *out)
{
	return out->number = sk->reuseport, 0;
}

int64_t so_get_type(struct sock *sk, struct option_out *out)
{
	return out->number = sk->type, 0;
}

int64_t so_get_protocol(struct sock *sk, struct option_out *out)
{
	return out->number = sk->protocol, 0;
}

int64_t so_get_domain(struct sock *sk, struct option_out *out)
{
	return out->number = sk->proto->family ? sk->proto->family : AF_INET, 0;
}

int64_t so_get_error(struct sock *sk, struct option_out *out)
{
	out->number = -sock_error_take(sk);
	if (!out->number) {
		out->number = sk->error_soft;
		sk->error_soft = 0;
	}
	return 0;
}

int64_t so_get_send_buffer(struct sock *sk, struct option_out *out)
{
	return out->number = sk->send_buffer, 0;
}

int64_t so_get_receive_buffer(struct sock *sk, struct option_out *out)
{
	return out->number = sk->receive_buffer, 0;
}

int64_t so_get_priority(struct sock *sk, struct option_out *out)
{
	return out->number = (int)sk->priority, 0;
}

int64_t so_get_linger(struct sock *sk, struct option_out *out)
{
	struct linger linger = { sock_flag(sk, SF_LINGER), (int)sk->linger_seconds };

	return option_out_bytes(out, &linger, sizeof(linger));
}

int64_t so_get_zero(struct sock *sk, struct option_out *out)
{
	return out->number = 0, 0;
}

int64_t so_get_one(struct sock *sk, struct option_out *out)
{
	return out->number = 1, 0;
}

static int64_t timestamp_get(struct sock *sk, struct option_out *out, bool nanoseconds, bool newer)
{
	out->number = sock_flag(sk, SF_RCVTSTAMP) && sock_flag(sk, SF_RCVTSTAMPNS) == nanoseconds &&
		      sock_flag(sk, SF_TIMESTAMP_NEW) == newer;
	return 0;
}

int64_t so_get_timestamp(struct sock *sk, struct option_out *out)
{
	return timestamp_get(sk, out, false, false);
}

int64_t so_get_timestamp_new(struct sock *sk, struct option_out *out)
{
	return timestamp_get(sk, out, false, true);
}

int64_t so_get_timestampns(struct sock *sk, struct option_out *out)
{
	return timestamp_get(sk, out, true, false);
}

int64_t so_get_timestampns_new(struct sock *sk, struct option_out *out)
{
	return timestamp_get(sk, out, true, true);
}

int64_t so_get_timestamping(struct sock *sk, struct option_out *out)
{
	int value[2] = { (int)sk->timestamping, sk->timestamping_phc };

	return option_out_bytes(out, value, sizeof(value));
}

int64_t so_get_timestamping_new(struct sock *sk, struct option_out *out)
{
	int value[2] = { 0, 0 };

	return sock_flag(sk, SF_TIMESTAMP_NEW) ? so_get_timestamping(sk, out) : option_out_bytes(out, value, sizeof(value));
}

static int64_t timeout_get(pl_time timeout, struct option_out *out)
{
	struct timeval tv = { 0, 0 };

	if (timeout != PL_TIME_NEVER) {
		tv.tv_sec = timeout / PL_NSEC_PER_SEC;
		tv.tv_usec = timeout % PL_NSEC_PER_SEC / PL_NSEC_PER_USEC;
	}
	return option_out_bytes(out, &tv, sizeof(tv));
}

int64_t so_get_receive_timeout(struct sock *sk, struct option_out *out)
{
	return timeout_get(sk->receive_timeout, out);
}

int64_t so_get_send_timeout(struct sock *sk, struct option_out *out)
{
	return timeout_get(sk->send_timeout, out);
}

int64_t so_get_receive_low_water(struct sock *sk, struct option_out *out)
{
	return out->number = sk->receive_low_water, 0;
}

/* Only sockets of the local family know their peer: none, user and group -1. */
int64_t so_get_peer_credentials(struct sock *sk, struct option_out *out)
{
	struct {
		int pid, uid, gid;
	} credentials = { 0, -1, -1 };

	return option_out_bytes(out, &credentials, sizeof(credentials));
}

int64_t so_get_peer_groups(struct sock *sk, struct option_out *out)
{
	return -ENODATA;
}

int64_t so_get_peer_name(struct sock *sk, struct option_out *out)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(sk->remote_port), .sin_addr = sk->remote };

	if (!sk->remote_port)
		return -ENOTCONN;
	return out->room > sizeof(address) ? -EINVAL : option_out_bytes(out, &address, sizeof(address));
}

int64_t so_get_accepting(struct sock *sk, struct option_out *out)
{
	return out->number = sk->state == TCP_LISTEN, 0;
}

int64_t so_get_bind_to_device(struct sock *sk, struct option_out *out)
{
	const struct link *link;

	if (!sk->bound_link)
		return option_out_bytes(out, "", 0);
	if (out->room < IFNAMSIZ)
		return -EINVAL;
	link = link_by_index(sk->stack, sk->bound_link);
	return link ? option_out_bytes(out, link->name, strlen(link->name) + 1) : -ENODEV;
}

int64_t so_get_bind_to_index(struct sock *sk, struct option_out *out)
{
	return out->number = sk->bound_link, 0;
}

int64_t so_get_mark(struct sock *sk, struct option_out *out)
{
	return out->number = (int)sk->mark, 0;
}

int64_t so_get_peek_offset(struct sock *sk, struct option_out *out)
{
	return out->number = sk->peek_offset, sk->proto->peek_offset ? 0 : -EOPNOTSUPP;
}

/* The number of ancillary loads that the packet filter knows: SKF_AD_MAX. */
int64_t so_get_filter_extensions(struct sock *sk, struct option_out *out)
{
	return out->number = SKF_AD_MAX, 0;
}

int64_t so_get_busy_poll(struct sock *sk, struct option_out *out)
{
	return out->number = sk->busy_poll, 0;
}

int64_t so_get_max_pacing_rate(struct sock *sk, struct option_out *out)
{
	if (out->room >= sizeof(sk->max_pacing_rate))
		return option_out_bytes(out, &sk->max_pacing_rate, sizeof(sk->max_pacing_rate));
	out->number = (int)(sk->max_pacing_rate < UINT32_MAX ? (uint32_t)sk->max_pacing_rate : UINT32_MAX);
	return 0;
}

int64_t so_get_incoming_cpu(struct sock *sk, struct option_out *out)
{
	return out->number = sk->incoming_cpu, 0;
}

/* SK_MEMINFO_*: rmem_alloc, rcvbuf, wmem_alloc, sndbuf, fwd_alloc, wmem_queued, optmem, backlog, drops. */
int64_t so_get_memory(struct sock *sk, struct option_out *out)
{
	uint32_t memory[9] = { sk->receive_allocated, (uint32_t)sk->receive_buffer, sk->write_allocated,
			       (uint32_t)sk->send_buffer, (uint32_t)sk->forward_allocated, sk->write_queued, sk->optmem, 0,
			       sk->drops };

	return option_out_bytes(out, memory, sizeof(memory));
}

int64_t so_get_cookie(struct sock *sk, struct option_out *out)
{
	if (out->room < sizeof(sk->cookie))
		return -EINVAL;
	if (!sk->cookie)
		sk->cookie = ++sk->stack->descriptors->last_cookie;
	return option_out_bytes(out, &sk->cookie, sizeof(sk->cookie));
}

/* The first network namespace has cookie 1; a stack is one. */
int64_t so_get_namespace_cookie(struct sock *sk, struct option_out *out)
{
	uint64_t cookie = 1;

	return out->room == sizeof(cookie) ? option_out_bytes(out, &cookie, sizeof(cookie)) : -EINVAL;
}

int64_t so_get_txtime(struct sock *sk, struct option_out *out)
{
	struct sock_txtime txtime = { sk->txtime_clock, sk->txtime_flags };

	return option_out_bytes(out, &txtime, sizeof(txtime));
}

int64_t so_get_buffer_lock(struct sock *sk, struct option_out *out)
{
	return out->number = sk->send_buffer_locked | sk->receive_buffer_locked << 1, 0;
}

int64_t so_get_txrehash(struct sock *sk, struct option_out *out)
{
	return out->number = sk->transmit_rehash, sk->protocol == IPPROTO_TCP && sk->type == SOCK_STREAM ? 0 : -EOPNOTSUPP;
}

int64_t so_get_unsupported(struct sock *sk, struct option_out *out)
{
	return -EOPNOTSUPP;
}
