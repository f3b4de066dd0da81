/*
 * Options of level IPPROTO_TCP whose values are strings or structures.
 */
#include "conn.h"

#include <linux/capability.h>
#include <stdlib.h>

#include "info.h"

#define NAME_MAX_CC 16
#define NAME_MAX_ULP 16
#define FASTOPEN_KEY_LENGTH 16

/* --- setting --------------------------------------------------------------------------------------------------------------------- */
/* A name that may lack its terminating zero, as strncpy_from_user takes it. */
static void read_name(char *name, size_t size, const void *value, socklen_t length)
{
	size_t most = length < size - 1 ? length : size - 1, count = strnlen(value, most);
	memcpy(name, value, count);
	name[count] = 0;
}

int64_t tcp_set_congestion(struct tcp_sock *tp, const void *value, socklen_t length)
{
	char name[NAME_MAX_CC];
	if (length < 1)
		return -EINVAL;
	if (!value)
		return -EFAULT;
	read_name(name, sizeof(name), value, length);
	return tcp_set_congestion_control(tp, name, capable(tp->sk.stack, CAP_NET_ADMIN));
}

/* Upper layer protocols: none is here. Linux knows "mptcp", which cannot be asked for this way. */
int64_t tcp_set_ulp(struct tcp_sock *tp, const void *value, socklen_t length)
{
	char name[NAME_MAX_ULP];
	(void)tp;
	if (length < 1)
		return -EINVAL;
	if (!value)
		return -EFAULT;
	read_name(name, sizeof(name), value, length);
	return strcmp(name, "mptcp") == 0 ? -EOPNOTSUPP : -ENOENT;
}

int64_t tcp_set_fastopen_key(struct tcp_sock *tp, const void *value, socklen_t length)
{
	if (length != FASTOPEN_KEY_LENGTH && length != 2 * FASTOPEN_KEY_LENGTH)
		return -EINVAL;
	if (!value)
		return -EFAULT;
	memcpy(tp->fastopenq.key, value, length);
	tp->fastopenq.keys = (uint8_t)(length / FASTOPEN_KEY_LENGTH);
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------------------------------------------- */
/* The SYN's headers, once; too little room tells how much it takes. */
static int64_t get_saved_syn(struct tcp_sock *tp, void *value, socklen_t *length)
{
	struct tcp_saved_syn *saved = tp->saved_syn;
	if (!saved) {
		*length = 0;
		return 0;
	}
	if (*length < saved->length) {
		*length = saved->length;
		return -EINVAL;
	}
	int64_t result = sockopt_copy_out(value, length, saved->bytes, saved->length);
	if (result)
		return result;
	free(saved);
	tp->saved_syn = NULL;
	return 0;
}

/* The keys that were set on this socket; those of the host are read elsewhere. */
static int64_t get_fastopen_key(struct tcp_sock *tp, void *value, socklen_t *length)
{
	return sockopt_copy_out(value, length, tp->fastopenq.key, tp->fastopenq.keys * (size_t)FASTOPEN_KEY_LENGTH);
}

static int64_t get_cc_info(struct tcp_sock *tp, void *value, socklen_t *length)
{
	union tcp_cc_info info;
	memset(&info, 0, sizeof(info));
	size_t size = tp->cong && tp->cong->get_info ? tp->cong->get_info(tp, UINT32_MAX, &info) : 0;
	return sockopt_copy_out(value, length, &info, size);
}

static int64_t get_congestion(struct tcp_sock *tp, void *value, socklen_t *length)
{
	char name[NAME_MAX_CC] = "";
	if (tp->cong)
		strncpy(name, tp->cong->name, sizeof(name) - 1);
	return sockopt_copy_out(value, length, name, sizeof(name));
}

/* Pages of received data cannot be mapped from here: what would be mapped is to be copied instead, and its length is told. */
static int64_t get_zerocopy_receive(struct tcp_sock *tp, void *value, socklen_t *length)
{
	struct tcp_zerocopy_receive zc = { 0 };
	size_t least = offsetof(struct tcp_zerocopy_receive, recv_skip_hint) + sizeof(zc.recv_skip_hint);
	if (*length < least)
		return -EINVAL;
	if (!value)
		return -EFAULT;
	if (*length > sizeof(zc)) {
		for (size_t i = sizeof(zc); i < *length; i++)
			if (((const uint8_t *)value)[i])
				return -EINVAL;
		*length = sizeof(zc);
	}
	memcpy(&zc, value, *length);
	if (zc.reserved)
		return -EINVAL;
	if (zc.msg_flags & ~(uint32_t)TCP_RECEIVE_ZEROCOPY_FLAG_TLB_CLEAN_HINT)
		return -EINVAL;
	if (zc.address & 4095 || zc.length > INT32_MAX)
		return -EINVAL;
	if (tp->sk.state == TCP_LISTEN)
		return -ENOTCONN;
	uint32_t available = tcp_inq(tp);
	zc.recv_skip_hint = available;
	zc.length = 0;
	if (!available && sock_flag(&tp->sk, SF_DONE))
		return -EIO;
	return sockopt_copy_out(value, length, &zc, *length);
}

int64_t tcp_get_structure(struct tcp_sock *tp, int name, void *value, socklen_t *length)
{
	struct tcp_info_linux info;
	switch (name) {
	case TCP_INFO:
		memset(&info, 0, sizeof(info));
		tcp_get_info(tp, &info);
		return sockopt_copy_out(value, length, &info, sizeof(info));
	case TCP_CC_INFO:
		return get_cc_info(tp, value, length);
	case TCP_CONGESTION:
		return get_congestion(tp, value, length);
	case TCP_ULP:
		*length = 0;
		return 0;
	case TCP_FASTOPEN_KEY:
		return get_fastopen_key(tp, value, length);
	case TCP_REPAIR_WINDOW:
		return tcp_get_repair_window(tp, value, length);
	case TCP_SAVED_SYN:
		return get_saved_syn(tp, value, length);
	case TCP_ZEROCOPY_RECEIVE:
		return get_zerocopy_receive(tp, value, length);
	default:
		return -ENOPROTOOPT;
	}
}
