/*
 * Socket options whose value is not an int: level, name, type. What is not here is an int, or the bytes that the script gives.
 */
#include "types_tables.h"

#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <linux/mroute.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static const struct type type_u32_array = { .kind = TYPE_ARRAY, .element = &type_u32 };

TYPE_STRUCT_DEFINE(so_timestamping, struct so_timestamping,
	{ "flags", &type_int, offsetof(struct so_timestamping, flags) },
	{ "bind_phc", &type_int, offsetof(struct so_timestamping, bind_phc) });

static const struct type type_key16 = { .kind = TYPE_BYTES, .size = 16 };
static const struct type type_key80 = { .kind = TYPE_BYTES, .size = TCP_MD5SIG_MAXKEYLEN };
TYPE_STRUCT_DEFINE(tcp_md5sig, struct tcp_md5sig,
	{ "tcpm_addr", &type_sockaddr, offsetof(struct tcp_md5sig, tcpm_addr) },
	{ "tcpm_flags", &type_u8, offsetof(struct tcp_md5sig, tcpm_flags) },
	{ "tcpm_prefixlen", &type_u8, offsetof(struct tcp_md5sig, tcpm_prefixlen) },
	{ "tcpm_keylen", &type_u16, offsetof(struct tcp_md5sig, tcpm_keylen) },
	{ "tcpm_ifindex", &type_int, offsetof(struct tcp_md5sig, tcpm_ifindex) },
	{ "tcpm_key", &type_key80, offsetof(struct tcp_md5sig, tcpm_key) });
TYPE_STRUCT_DEFINE(tcp_repair_window, struct tcp_repair_window,
	{ "snd_wl1", &type_u32, offsetof(struct tcp_repair_window, snd_wl1) },
	{ "snd_wnd", &type_u32, offsetof(struct tcp_repair_window, snd_wnd) },
	{ "max_window", &type_u32, offsetof(struct tcp_repair_window, max_window) },
	{ "rcv_wnd", &type_u32, offsetof(struct tcp_repair_window, rcv_wnd) },
	{ "rcv_wup", &type_u32, offsetof(struct tcp_repair_window, rcv_wup) });
TYPE_STRUCT_DEFINE(tcp_zerocopy_receive, struct tcp_zerocopy_receive,
	{ "address", &type_u64, offsetof(struct tcp_zerocopy_receive, address) },
	{ "length", &type_u32, offsetof(struct tcp_zerocopy_receive, length) },
	{ "recv_skip_hint", &type_u32, offsetof(struct tcp_zerocopy_receive, recv_skip_hint) },
	{ "inq", &type_u32, offsetof(struct tcp_zerocopy_receive, inq) },
	{ "err", &type_int, offsetof(struct tcp_zerocopy_receive, err) });

/* A classic BPF program, given as a pointer to its instructions. */
TYPE_STRUCT_DEFINE(sock_filter, struct sock_filter,
	{ "code", &type_u16, offsetof(struct sock_filter, code) },
	{ "jt", &type_u8, offsetof(struct sock_filter, jt) },
	{ "jf", &type_u8, offsetof(struct sock_filter, jf) },
	{ "k", &type_u32, offsetof(struct sock_filter, k) });
static const struct type type_instructions = { .kind = TYPE_POINTER, .size = sizeof(void *), .element = &type_sock_filter };
TYPE_STRUCT_DEFINE(sock_fprog, struct sock_fprog,
	{ "len", &type_u16, offsetof(struct sock_fprog, len) },
	{ "filter", &type_instructions, offsetof(struct sock_fprog, filter) });
const struct type type_program = { .kind = TYPE_ARRAY, .element = &type_sock_filter };

static const struct {
	int level, name;
	const struct type *type;
} rows[] = {
	{ SOL_SOCKET, SO_LINGER, &type_linger },
	{ SOL_SOCKET, SO_RCVTIMEO, &type_timeval },
	{ SOL_SOCKET, SO_SNDTIMEO, &type_timeval },
	{ SOL_SOCKET, SO_BINDTODEVICE, &type_text },
	{ SOL_SOCKET, SO_PEERCRED, &type_ucred },
	{ SOL_SOCKET, SO_MEMINFO, &type_u32_array },
	{ SOL_SOCKET, SO_COOKIE, &type_u64 },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, &type_u64 },
	{ SOL_SOCKET, SO_TIMESTAMPING, &type_so_timestamping },
	{ SOL_SOCKET, SO_RCVTIMEO_NEW, &type_timeval },
	{ SOL_SOCKET, SO_SNDTIMEO_NEW, &type_timeval },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, &type_so_timestamping },
	{ SOL_SOCKET, SO_ATTACH_FILTER, &type_sock_fprog },
	{ SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &type_sock_fprog },
	{ IPPROTO_IP, IP_OPTIONS, &type_bytes },
	{ IPPROTO_IP, IP_ADD_MEMBERSHIP, &type_ip_mreqn },
	{ IPPROTO_IP, IP_DROP_MEMBERSHIP, &type_ip_mreqn },
	{ IPPROTO_IP, IP_MULTICAST_IF, &type_ip_mreqn },
	{ IPPROTO_IP, MRT_ADD_VIF, &type_vifctl },
	{ IPPROTO_IP, MRT_DEL_VIF, &type_vifctl },
	{ IPPROTO_IP, MRT_ADD_MFC, &type_mfcctl },
	{ IPPROTO_IP, MRT_DEL_MFC, &type_mfcctl },
	{ IPPROTO_IP, MRT_ADD_MFC_PROXY, &type_mfcctl },
	{ IPPROTO_IP, MRT_DEL_MFC_PROXY, &type_mfcctl },
	{ IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &type_ip_mreq_source },
	{ IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &type_ip_mreq_source },
	{ IPPROTO_IP, IP_BLOCK_SOURCE, &type_ip_mreq_source },
	{ IPPROTO_IP, IP_UNBLOCK_SOURCE, &type_ip_mreq_source },
	{ IPPROTO_IP, MCAST_JOIN_GROUP, &type_group_req },
	{ IPPROTO_IP, MCAST_LEAVE_GROUP, &type_group_req },
	{ IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &type_group_source_req },
	{ IPPROTO_IP, MCAST_LEAVE_SOURCE_GROUP, &type_group_source_req },
	{ IPPROTO_IP, MCAST_BLOCK_SOURCE, &type_group_source_req },
	{ IPPROTO_IP, MCAST_UNBLOCK_SOURCE, &type_group_source_req },
	{ IPPROTO_IP, IP_MSFILTER, &type_ip_msfilter },
	{ IPPROTO_IP, 80 /* SO_ORIGINAL_DST */, &type_sockaddr },
	{ IPPROTO_IP, MCAST_MSFILTER, &type_group_filter },
	{ IPPROTO_IP, IP_LOCAL_PORT_RANGE, &type_u32 },
	{ IPPROTO_TCP, TCP_CONGESTION, &type_text },
	{ IPPROTO_TCP, TCP_ULP, &type_text },
	{ IPPROTO_TCP, TCP_INFO, &type_opaque },
	{ IPPROTO_TCP, TCP_CC_INFO, &type_opaque },
	{ IPPROTO_TCP, TCP_FASTOPEN_KEY, &type_key16 },
	{ IPPROTO_TCP, TCP_MD5SIG, &type_tcp_md5sig },
	{ IPPROTO_TCP, TCP_REPAIR_WINDOW, &type_tcp_repair_window },
	{ IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &type_tcp_zerocopy_receive },
	{ IPPROTO_TCP, TCP_TX_DELAY, &type_int },
};

const struct type *type_of_option(int level, int name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].level == level && rows[i].name == name)
			return rows[i].type;
	return NULL;
}

bool options_have_member(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (type_has_member(rows[i].type, name))
			return true;
	return false;
}
