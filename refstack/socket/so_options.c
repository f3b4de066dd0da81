/*
 * SOL_SOCKET options: socket(7), and what sk_setsockopt() and sk_getsockopt() of Linux 6.18 make of lengths, values and
 * privileges. One row an option. Switches that are one bit of sock.flag need no code of their own; getters are in so_get.c.
 */
#include "filter.h"
#include "group.h"
#include "so_options.h"

#include <linux/capability.h>
#include <linux/net_tstamp.h>
#include <stdlib.h>
#include <sys/time.h>

#include "../ip/ip.h"
#include "../link/link.h"

/* The smallest buffers: room for one packet, for two (SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF). */
#define MIN_RECEIVE_BUFFER (2048 + SKB_OVERHEAD)
#define MIN_SEND_BUFFER (2 * MIN_RECEIVE_BUFFER)

static bool may_net_admin(const struct sock *sk)
{
	return capable(sk->stack, CAP_NET_ADMIN);
}

static bool may_net_raw_or_admin(const struct sock *sk)
{
	return capable(sk->stack, CAP_NET_RAW) || may_net_admin(sk);
}

/* --- setters: `value` is the int that every option but SO_BINDTODEVICE starts with --------------------------------------- */

static int64_t set_debug(struct sock *sk, int value, const struct option_value *option)
{
	if (value && !may_net_admin(sk))
		return -EACCES;
	sock_flag_set(sk, SF_DBG, value);
	return 0;
}

static int64_t set_reuse(struct sock *sk, int value, const struct option_value *option)
{
	sk->reuse = value != 0;
	return 0;
}

static int64_t set_reuseport(struct sock *sk, int value, const struct option_value *option)
{
	sk->reuseport = value != 0;
	return 0;
}

static int64_t set_dontroute(struct sock *sk, int value, const struct option_value *option)
{
	sock_flag_set(sk, SF_LOCALROUTE, value);
	sock_route_forget(sk);
	return 0;
}

static int64_t send_buffer_set(struct sock *sk, int value)
{
	if (value > INT_MAX / 2)
		value = INT_MAX / 2;
	sk->send_buffer_locked = true;
	sk->send_buffer = value * 2 > MIN_SEND_BUFFER ? value * 2 : MIN_SEND_BUFFER;
	sock_write_space(sk);
	return 0;
}

static int64_t receive_buffer_set(struct sock *sk, int value)
{
	if (value > INT_MAX / 2)
		value = INT_MAX / 2;
	sk->receive_buffer_locked = true;
	sk->receive_buffer = value * 2 > MIN_RECEIVE_BUFFER ? value * 2 : MIN_RECEIVE_BUFFER;
	return 0;
}

/* The tunable bounds the request as an unsigned number: a negative one asks for the most. */
static int buffer_request(int value, int most)
{
	return (uint32_t)value < (uint32_t)most ? value : most;
}

static int64_t set_send_buffer(struct sock *sk, int value, const struct option_value *option)
{
	return send_buffer_set(sk, buffer_request(value, sk->stack->sysctl.wmem_max));
}

static int64_t set_receive_buffer(struct sock *sk, int value, const struct option_value *option)
{
	return receive_buffer_set(sk, buffer_request(value, sk->stack->sysctl.rmem_max));
}

static int64_t set_send_buffer_force(struct sock *sk, int value, const struct option_value *option)
{
	return may_net_admin(sk) ? send_buffer_set(sk, value > 0 ? value : 0) : -EPERM;
}

static int64_t set_receive_buffer_force(struct sock *sk, int value, const struct option_value *option)
{
	return may_net_admin(sk) ? receive_buffer_set(sk, value > 0 ? value : 0) : -EPERM;
}

static int64_t set_keepalive(struct sock *sk, int value, const struct option_value *option)
{
	if (sk->proto->keepalive)
		sk->proto->keepalive(sk, value);
	sock_flag_set(sk, SF_KEEPOPEN, value);
	return 0;
}

/* TC_PRIO_BESTEFFORT to TC_PRIO_INTERACTIVE are everyone's. */
static int64_t set_priority(struct sock *sk, int value, const struct option_value *option)
{
	if ((value < 0 || value > 6) && !may_net_raw_or_admin(sk))
		return -EPERM;
	sk->priority = (uint32_t)value;
	return 0;
}

static int64_t set_linger(struct sock *sk, int value, const struct option_value *option)
{
	struct linger linger;

	if (option->length < sizeof(linger))
		return -EINVAL;
	memcpy(&linger, option->bytes, sizeof(linger));
	if (linger.l_onoff)
		sk->linger_seconds = linger.l_linger < 0 ? INT64_MAX / sk->stack->machine.hz : linger.l_linger;
	sock_flag_set(sk, SF_LINGER, linger.l_onoff);
	return 0;
}

static int64_t set_nothing(struct sock *sk, int value, const struct option_value *option)
{
	return 0;
}

/* The four timestamp switches are two bits beside the main one: nanoseconds, and the 64-bit layout. */
static int64_t timestamps_set(struct sock *sk, bool on, bool nanoseconds, bool newer)
{
	sock_flag_set(sk, SF_RCVTSTAMP, on);
	sock_flag_set(sk, SF_RCVTSTAMPNS, on && nanoseconds);
	if (on) {
		sock_flag_set(sk, SF_TIMESTAMP_NEW, newer);
		sock_flag_set(sk, SF_TIMESTAMP, true);
	}
	return 0;
}

static int64_t set_timestamp(struct sock *sk, int value, const struct option_value *option)
{
	return timestamps_set(sk, value, false, false);
}

static int64_t set_timestamp_new(struct sock *sk, int value, const struct option_value *option)
{
	return timestamps_set(sk, value, false, true);
}

static int64_t set_timestampns(struct sock *sk, int value, const struct option_value *option)
{
	return timestamps_set(sk, value, true, false);
}

static int64_t set_timestampns_new(struct sock *sk, int value, const struct option_value *option)
{
	return timestamps_set(sk, value, true, true);
}

/* struct so_timestamping: the flags, and the clock to which SOF_TIMESTAMPING_BIND_PHC binds. No link here has one. */
static int64_t timestamping_set(struct sock *sk, uint32_t flags, bool newer)
{
	if (flags & ~SOF_TIMESTAMPING_ALL)
		return -EINVAL;
	if (flags & SOF_TIMESTAMPING_OPT_ID_TCP && !(flags & SOF_TIMESTAMPING_OPT_ID))
		return -EINVAL;
	if (flags & SOF_TIMESTAMPING_OPT_ID && !(sk->timestamping & SOF_TIMESTAMPING_OPT_ID)) {
		int64_t result = 0;

		if (sk->proto->timestamp_key)
			result = sk->proto->timestamp_key(sk, flags);
		else
			sk->timestamp_key = 0;
		if (result)
			return result;
	}
	if (flags & SOF_TIMESTAMPING_OPT_STATS && !(flags & SOF_TIMESTAMPING_OPT_TSONLY))
		return -EINVAL;
	if (flags & SOF_TIMESTAMPING_BIND_PHC)
		return -EOPNOTSUPP;
	sk->timestamping = flags;
	sock_flag_set(sk, SF_TIMESTAMP_NEW, newer);
	sock_flag_set(sk, SF_TIMESTAMPING_RX_SOFTWARE, flags & SOF_TIMESTAMPING_RX_SOFTWARE);
	return 0;
}

static int64_t set_timestamping(struct sock *sk, int value, const struct option_value *option)
{
	return timestamping_set(sk, (uint32_t)value, false);
}

static int64_t set_timestamping_new(struct sock *sk, int value, const struct option_value *option)
{
	return timestamping_set(sk, (uint32_t)value, true);
}

static int64_t set_receive_low_water(struct sock *sk, int value, const struct option_value *option)
{
	if (value < 0)
		value = INT_MAX;
	if (sk->proto->set_receive_low_water)
		return sk->proto->set_receive_low_water(sk, value);
	sk->receive_low_water = value ? value : 1;
	return 0;
}

/* A timeout is kept in jiffies, rounded up; 0 is none, a negative one is over at once. */
static int64_t timeout_set(struct sock *sk, pl_time *timeout, const struct option_value *option)
{
	unsigned hz = sk->stack->machine.hz;
	int64_t tick = 1000000 / hz;
	struct timeval tv;

	if (option->length < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, option->bytes, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0)
		*timeout = 0;
	else if ((!tv.tv_sec && !tv.tv_usec) || tv.tv_sec >= PL_TIME_NEVER / PL_NSEC_PER_SEC / 2)
		*timeout = PL_TIME_NEVER;
	else
		*timeout = tv.tv_sec * PL_NSEC_PER_SEC +
			   jiffies_to_time(sk->stack, (tv.tv_usec + tick - 1) / tick);
	return 0;
}

static int64_t set_receive_timeout(struct sock *sk, int value, const struct option_value *option)
{
	return timeout_set(sk, &sk->receive_timeout, option);
}

static int64_t set_send_timeout(struct sock *sk, int value, const struct option_value *option)
{
	return timeout_set(sk, &sk->send_timeout, option);
}

static int64_t bind_to_link(struct sock *sk, int ifindex)
{
	if (sk->bound_link && !capable(sk->stack, CAP_NET_RAW))
		return -EPERM;
	if (ifindex < 0)
		return -EINVAL;
	sk->bound_link = ifindex;
	if (sk->proto->rehash)
		sk->proto->rehash(sk);
	sock_route_forget(sk);
	return 0;
}

/* By name, at most IFNAMSIZ - 1 characters of it; an empty name takes the binding away. */
static int64_t set_bind_to_device(struct sock *sk, int value, const struct option_value *option)
{
	size_t length = option->length < IFNAMSIZ - 1 ? option->length : IFNAMSIZ - 1;
	char name[IFNAMSIZ] = "";
	const struct link *link = NULL;

	if (length && !option->bytes)
		return -EFAULT;
	if (length)
		memcpy(name, option->bytes, length);
	if (name[0]) {
		link = link_by_name(sk->stack, name);
		if (!link)
			return -ENODEV;
	}
	return bind_to_link(sk, link ? link->ifindex : 0);
}

static int64_t set_bind_to_index(struct sock *sk, int value, const struct option_value *option)
{
	return bind_to_link(sk, value);
}

static int64_t set_mark(struct sock *sk, int value, const struct option_value *option)
{
	if (!may_net_raw_or_admin(sk))
		return -EPERM;
	if (sk->mark != (uint32_t)value) {
		sk->mark = (uint32_t)value;
		sock_route_forget(sk);
	}
	return 0;
}

static int64_t set_lock_filter(struct sock *sk, int value, const struct option_value *option)
{
	if (sock_flag(sk, SF_LOCK_FILTER) && !value)
		return -EPERM;
	sock_flag_set(sk, SF_LOCK_FILTER, value);
	return 0;
}

/* A filter on a TCP socket could break its connections' peers: Linux leaves it to the privileged. */
static int64_t set_attach_filter(struct sock *sk, int value, const struct option_value *option)
{
	if (sk->protocol == IPPROTO_TCP && sk->type == SOCK_STREAM && !may_net_admin(sk))
		return -EPERM;
	return filter_attach(sk, option->bytes, option->length);
}

static int64_t set_detach_filter(struct sock *sk, int value, const struct option_value *option)
{
	return filter_detach(sk);
}

/* Programs of the other kind of BPF come as descriptors; none can be one here. */
static int64_t set_attach_bpf(struct sock *sk, int value, const struct option_value *option)
{
	if (option->length != sizeof(value))
		return -EINVAL;
	if (sock_flag(sk, SF_LOCK_FILTER))
		return -EPERM;
	return (value >= 0 && value < DESCRIPTOR_FIRST) || descriptor_file(sk->stack, value) ? -EINVAL : -EBADF;
}

/* A program that chooses within an SO_REUSEPORT group. */
static int64_t set_reuseport_program(struct sock *sk, int value, const struct option_value *option)
{
	return sock_group_attach(sk, option->bytes, option->length);
}

static int64_t detach_reuseport_program(struct sock *sk, int value, const struct option_value *option)
{
	return sock_group_detach(sk);
}

static int64_t set_peek_offset(struct sock *sk, int value, const struct option_value *option)
{
	if (!sk->proto->peek_offset)
		return -EOPNOTSUPP;
	sk->peek_offset = value;
	return 0;
}

static int64_t set_busy_poll(struct sock *sk, int value, const struct option_value *option)
{
	if (value < 0)
		return -EINVAL;
	sk->busy_poll = value;
	return 0;
}

static int64_t set_prefer_busy_poll(struct sock *sk, int value, const struct option_value *option)
{
	if (value && !may_net_admin(sk))
		return -EPERM;
	sock_flag_set(sk, SF_PREFER_BUSY_POLL, value);
	return 0;
}

static int64_t set_busy_poll_budget(struct sock *sk, int value, const struct option_value *option)
{
	if (value > sk->busy_poll_budget && !may_net_admin(sk))
		return -EPERM;
	if (value < 0 || value > UINT16_MAX)
		return -EINVAL;
	sk->busy_poll_budget = value;
	return 0;
}

/* An unsigned int, or an unsigned long where there is room for one; all ones is no limit. */
static int64_t set_max_pacing_rate(struct sock *sk, int value, const struct option_value *option)
{
	uint64_t rate = (uint32_t)value == UINT32_MAX ? UINT64_MAX : (uint32_t)value;

	if (option->length >= sizeof(rate))
		memcpy(&rate, option->bytes, sizeof(rate));
	sk->max_pacing_rate = rate;
	if (sk->pacing_rate > rate)
		sk->pacing_rate = rate;
	return 0;
}

static int64_t set_incoming_cpu(struct sock *sk, int value, const struct option_value *option)
{
	sock_group_set_cpu(sk, value);
	return 0;
}

/* Zero copy is for TCP and UDP. */
static int64_t set_zerocopy(struct sock *sk, int value, const struct option_value *option)
{
	if (sk->protocol != IPPROTO_TCP && !(sk->type == SOCK_DGRAM && sk->protocol == IPPROTO_UDP))
		return -EOPNOTSUPP;
	if (value < 0 || value > 1)
		return -EINVAL;
	sock_flag_set(sk, SF_ZEROCOPY, value);
	return 0;
}

static int64_t set_txtime(struct sock *sk, int value, const struct option_value *option)
{
	struct sock_txtime txtime;

	if (option->length != sizeof(txtime))
		return -EINVAL;
	memcpy(&txtime, option->bytes, sizeof(txtime));
	if (txtime.flags & ~(uint32_t)SOF_TXTIME_FLAGS_MASK)
		return -EINVAL;
	if (txtime.clockid != CLOCK_MONOTONIC && !may_net_admin(sk))
		return -EPERM;
	if (txtime.clockid != CLOCK_MONOTONIC && txtime.clockid != CLOCK_REALTIME && txtime.clockid != CLOCK_TAI)
		return -EINVAL;
	sock_flag_set(sk, SF_TXTIME, true);
	sk->txtime_clock = txtime.clockid;
	sk->txtime_flags = txtime.flags;
	return 0;
}

static int64_t set_buffer_lock(struct sock *sk, int value, const struct option_value *option)
{
	if (value & ~3)
		return -EINVAL;
	sk->send_buffer_locked = value & 1;
	sk->receive_buffer_locked = value & 2;
	return 0;
}

/* No memory control group accounts for the sockets here. */
static int64_t set_reserve_memory(struct sock *sk, int value, const struct option_value *option)
{
	return value < 0 ? -EINVAL : -EOPNOTSUPP;
}

static int64_t set_txrehash(struct sock *sk, int value, const struct option_value *option)
{
	if (sk->protocol != IPPROTO_TCP || sk->type != SOCK_STREAM)
		return -EOPNOTSUPP;
	if (value < -1 || value > 1)
		return -EINVAL;
	sk->transmit_rehash = (int8_t)(value < 0 ? sk->stack->sysctl.txrehash : value);
	return 0;
}

static int64_t set_connection_advice(struct sock *sk, int value, const struct option_value *option)
{
	if (value == 1)
		sock_route_forget(sk);
	return 0;
}

/* Tokens of packets in a device's memory, given back; no link here has such, so that none is found. */
static int64_t set_device_memory(struct sock *sk, int value, const struct option_value *option)
{
	if (sk->protocol != IPPROTO_TCP)
		return -EBADF;
	return option->length % 8 || option->length > 128 * 8 ? -EINVAL : 0;
}

static int64_t refuse(struct sock *sk, int value, const struct option_value *option)
{
	return -EOPNOTSUPP;
}

/* --- the table ----------------------------------------------------------------------------------------------------------- */

#define FLAG(bit) .flag = (bit), .is_flag = true
static const struct option_row sol_socket[] = {
	[SO_DEBUG] = { FLAG(SF_DBG), .set = set_debug },
	[SO_REUSEADDR] = { .set = set_reuse, .get = so_get_reuse },
	[SO_TYPE] = { .get = so_get_type },
	[SO_ERROR] = { .get = so_get_error },
	[SO_DONTROUTE] = { FLAG(SF_LOCALROUTE), .set = set_dontroute },
	[SO_BROADCAST] = { FLAG(SF_BROADCAST) },
	[SO_SNDBUF] = { .set = set_send_buffer, .get = so_get_send_buffer },
	[SO_RCVBUF] = { .set = set_receive_buffer, .get = so_get_receive_buffer },
	[SO_KEEPALIVE] = { FLAG(SF_KEEPOPEN), .set = set_keepalive },
	[SO_OOBINLINE] = { FLAG(SF_URGINLINE) },
	[SO_NO_CHECK] = { FLAG(SF_NO_CHECK_TX) },
	[SO_PRIORITY] = { .set = set_priority, .get = so_get_priority },
	[SO_LINGER] = { .set = set_linger, .get = so_get_linger },
	[SO_BSDCOMPAT] = { .set = set_nothing, .get = so_get_zero },
	[SO_REUSEPORT] = { .set = set_reuseport, .get = so_get_reuseport },
	[SO_PASSCRED] = { .set = refuse, .get = so_get_unsupported },
	[SO_PEERCRED] = { .get = so_get_peer_credentials },
	[SO_RCVLOWAT] = { .set = set_receive_low_water, .get = so_get_receive_low_water },
	[SO_SNDLOWAT] = { .get = so_get_one },
	[SO_RCVTIMEO_OLD] = { .set = set_receive_timeout, .get = so_get_receive_timeout },
	[SO_SNDTIMEO_OLD] = { .set = set_send_timeout, .get = so_get_send_timeout },
	[SO_BINDTODEVICE] = { .set = set_bind_to_device, .get = so_get_bind_to_device },
	[SO_ATTACH_FILTER] = { .set = set_attach_filter },
	[SO_DETACH_FILTER] = { .set = set_detach_filter },
	[SO_PEERNAME] = { .get = so_get_peer_name },
	[SO_TIMESTAMP_OLD] = { .set = set_timestamp, .get = so_get_timestamp },
	[SO_ACCEPTCONN] = { .get = so_get_accepting },
	[SO_SNDBUFFORCE] = { .set = set_send_buffer_force },
	[SO_RCVBUFFORCE] = { .set = set_receive_buffer_force },
	[SO_PASSSEC] = { .set = refuse, .get = so_get_unsupported },
	[SO_TIMESTAMPNS_OLD] = { .set = set_timestampns, .get = so_get_timestampns },
	[SO_MARK] = { .set = set_mark, .get = so_get_mark },
	[SO_TIMESTAMPING_OLD] = { .set = set_timestamping, .get = so_get_timestamping },
	[SO_PROTOCOL] = { .get = so_get_protocol },
	[SO_DOMAIN] = { .get = so_get_domain },
	[SO_RXQ_OVFL] = { FLAG(SF_RXQ_OVFL) },
	[SO_WIFI_STATUS] = { FLAG(SF_WIFI_STATUS) },
	[SO_PEEK_OFF] = { .set = set_peek_offset, .get = so_get_peek_offset },
	[SO_NOFCS] = { FLAG(SF_NOFCS) },
	[SO_LOCK_FILTER] = { FLAG(SF_LOCK_FILTER), .set = set_lock_filter },
	[SO_SELECT_ERR_QUEUE] = { FLAG(SF_SELECT_ERR_QUEUE) },
	[SO_BUSY_POLL] = { .set = set_busy_poll, .get = so_get_busy_poll },
	[SO_MAX_PACING_RATE] = { .set = set_max_pacing_rate, .get = so_get_max_pacing_rate },
	[SO_BPF_EXTENSIONS] = { .get = so_get_filter_extensions },
	[SO_INCOMING_CPU] = { .set = set_incoming_cpu, .get = so_get_incoming_cpu },
	[SO_ATTACH_BPF] = { .set = set_attach_bpf },
	[SO_ATTACH_REUSEPORT_CBPF] = { .set = set_reuseport_program },
	[SO_ATTACH_REUSEPORT_EBPF] = { .set = set_attach_bpf },
	[SO_CNX_ADVICE] = { .set = set_connection_advice },
	[SO_MEMINFO] = { .get = so_get_memory },
	[SO_INCOMING_NAPI_ID] = { .get = so_get_zero },
	[SO_COOKIE] = { .get = so_get_cookie },
	[SO_PEERGROUPS] = { .get = so_get_peer_groups },
	[SO_ZEROCOPY] = { FLAG(SF_ZEROCOPY), .set = set_zerocopy },
	[SO_TXTIME] = { .set = set_txtime, .get = so_get_txtime },
	[SO_BINDTOIFINDEX] = { .set = set_bind_to_index, .get = so_get_bind_to_index },
	[SO_TIMESTAMP_NEW] = { .set = set_timestamp_new, .get = so_get_timestamp_new },
	[SO_TIMESTAMPNS_NEW] = { .set = set_timestampns_new, .get = so_get_timestampns_new },
	[SO_TIMESTAMPING_NEW] = { .set = set_timestamping_new, .get = so_get_timestamping_new },
	[SO_RCVTIMEO_NEW] = { .set = set_receive_timeout, .get = so_get_receive_timeout },
	[SO_SNDTIMEO_NEW] = { .set = set_send_timeout, .get = so_get_send_timeout },
	[SO_DETACH_REUSEPORT_BPF] = { .set = detach_reuseport_program },
	[SO_PREFER_BUSY_POLL] = { FLAG(SF_PREFER_BUSY_POLL), .set = set_prefer_busy_poll },
	[SO_BUSY_POLL_BUDGET] = { .set = set_busy_poll_budget },
	[SO_NETNS_COOKIE] = { .get = so_get_namespace_cookie },
	[SO_BUF_LOCK] = { .set = set_buffer_lock, .get = so_get_buffer_lock },
	[SO_RESERVE_MEM] = { .set = set_reserve_memory, .get = so_get_zero },
	[SO_TXREHASH] = { .set = set_txrehash, .get = so_get_txrehash },
	[SO_RCVMARK] = { FLAG(SF_RCVMARK) },
	[SO_PASSPIDFD] = { .set = refuse, .get = so_get_unsupported },
	[SO_PEERPIDFD] = { .get = so_get_peer_groups },
	[SO_DEVMEM_DONTNEED] = { .set = set_device_memory },
	[SO_RCVPRIORITY] = { FLAG(SF_RCVPRIORITY) },
	[SO_PASSRIGHTS] = { .set = refuse, .get = so_get_unsupported },
};

static const struct option_row *sol_socket_row(int name)
{
	return name > 0 && (size_t)name < sizeof(sol_socket) / sizeof(sol_socket[0]) ? &sol_socket[name] : NULL;
}

int64_t sock_setsockopt(struct sock *sk, int name, const void *value, socklen_t length)
{
	const struct option_row *row = sol_socket_row(name);
	struct option_value option = { .bytes = value, .length = length };
	int number;

	if (name == SO_BINDTODEVICE)
		return set_bind_to_device(sk, 0, &option);
	if (length < sizeof(number))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	memcpy(&number, value, sizeof(number));
	if (!row || (!row->set && !row->is_flag))
		return -ENOPROTOOPT;
	if (row->set)
		return row->set(sk, number, &option);
	sock_flag_set(sk, row->flag, number);
	return 0;
}

int64_t sock_getsockopt(struct sock *sk, int name, void *value, socklen_t *length)
{
	const struct option_row *row = sol_socket_row(name);
	struct option_out out;
	int64_t result = 0;

	if (!length)
		return -EFAULT;
	if ((int)*length < 0)
		return -EINVAL;
	if (name == SO_GET_FILTER)
		return filter_get(sk, value, length);
	if (!row || (!row->get && !row->is_flag))
		return -ENOPROTOOPT;
	out = (struct option_out){ .length = sizeof(out.number), .room = *length };
	if (row->get)
		result = row->get(sk, &out);
	else
		out.number = sock_flag(sk, row->flag);
	return result ? result : sockopt_copy_out(value, length, out.bytes, out.length);
}
