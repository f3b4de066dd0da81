/* Control messages: level, type, what their data is. */
#include "types_tables.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#ifndef SCM_TIMESTAMPING_OPT_STATS
#define SCM_TIMESTAMPING_OPT_STATS 54
#endif
#ifndef TCP_CM_INQ
#define TCP_CM_INQ 36
#endif
#ifndef IP_RECVFRAGSIZE
#define IP_RECVFRAGSIZE 25
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

static const struct {
	int level, control;
	const struct type *type;
} rows[] = {
	{ SOL_SOCKET, SCM_TIMESTAMP, &type_timeval },
	{ SOL_SOCKET, SCM_TIMESTAMPNS, &type_timespec },
	{ SOL_SOCKET, SO_TIMESTAMP_NEW, &type_timeval },
	{ SOL_SOCKET, SO_TIMESTAMPNS_NEW, &type_timespec },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, &type_stamps },
	{ SOL_SOCKET, SCM_TIMESTAMPING, &type_stamps },
	{ SOL_SOCKET, SCM_TIMESTAMPING_OPT_STATS, &type_attributes },
	{ SOL_SOCKET, SO_RXQ_OVFL, &type_u32 },
	{ SOL_SOCKET, SO_MARK, &type_u32 },
	{ SOL_SOCKET, SO_TXTIME, &type_u64 },
	{ SOL_SOCKET, SO_TIMESTAMPING, &type_stamps },
	{ IPPROTO_IP, IP_TTL, &type_int },
	{ IPPROTO_IP, IP_TOS, &type_u8 },
	{ IPPROTO_IP, IP_PKTINFO, &type_in_pktinfo },
	{ IPPROTO_IP, IP_RECVERR, &type_sock_extended_err },
	{ IPPROTO_IP, IP_RECVOPTS, &type_bytes },
	{ IPPROTO_IP, IP_RETOPTS, &type_bytes },
	{ IPPROTO_IP, IP_ORIGDSTADDR, &type_sockaddr },
	{ IPPROTO_IP, IP_CHECKSUM, &type_u32 },
	{ IPPROTO_IP, IP_RECVFRAGSIZE, &type_int },
	{ IPPROTO_TCP, TCP_CM_INQ, &type_int },
	{ IPPROTO_UDP, UDP_SEGMENT, &type_u16 },
	{ IPPROTO_UDP, UDP_GRO, &type_int },
};

const struct type *type_of_control(int level, int control)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].level == level && rows[i].control == control)
			return rows[i].type;
	return NULL;
}

bool controls_have_member(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (type_has_member(rows[i].type, name))
			return true;
	return false;
}
