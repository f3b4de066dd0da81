/*
 * Options whose values are structures: values that mean something, and such that nearly do. Sweeping plain numbers over them
 * finds out little, as most are refused for their length alone.
 */
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "../script/ast.h"
#include "sweep.h"

#define LINK_INDEX 2			/* of tun0: the second link of a stack */

struct structure {
	const char *text;		/* as the report and --only say it */
	int level, option;
	const void *bytes;
	socklen_t length;
};

/* In the order of the network; htonl is no constant everywhere. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NETWORK(value) ((((value) & 0xffu) << 24) | (((value) & 0xff00u) << 8) | (((value) >> 8) & 0xff00u) | ((value) >> 24))
#else
#define NETWORK(value) (value)
#endif
#define LOCAL { NETWORK(LOCAL_ADDRESS) }
#define GROUP { NETWORK(0xef010203u) }
#define SOURCE { NETWORK(REMOTE_ADDRESS) }
#define ROW(level, option, type, text, ...) { text, level, option, &(const type){ __VA_ARGS__ }, sizeof(type) }
#define IP(option, type, text, ...) ROW(IPPROTO_IP, option, type, text, __VA_ARGS__)
#define SO(option, type, text, ...) ROW(SOL_SOCKET, option, type, text, __VA_ARGS__)
#define BYTES(level, option, text, string) { text, level, option, string, sizeof(string) - 1 }
#define MREQN struct ip_mreqn
#define SOURCE_REQUEST struct ip_mreq_source

static struct sock_filter accept_all[] = { { BPF_RET | BPF_K, 0, 0, 0xffffffff } };
static struct sock_filter never_ends[] = { { BPF_LD | BPF_IMM, 0, 0, 1 } };
static struct sock_filter out_of_range[] = { { BPF_JMP | BPF_JA, 0, 0, 9 }, { BPF_RET | BPF_K, 0, 0, 0 } };

struct group_bytes {			/* struct group_req with an IPv4 group */
	uint32_t link, padding;
	struct sockaddr_in group;
	uint8_t rest[112];
};
struct group_source_bytes {
	uint32_t link, padding;
	struct sockaddr_in group;
	uint8_t rest[112];
	struct sockaddr_in source;
	uint8_t rest_of_source[112];
};
struct filter_bytes {			/* struct ip_msfilter with two sources */
	struct in_addr group, interface;
	uint32_t mode, sources;
	struct in_addr source[2];
};

static const struct structure structures[] = {
	SO(SO_LINGER, struct linger, "on 0", 1, 0),
	SO(SO_LINGER, struct linger, "on 5", 1, 5),
	SO(SO_LINGER, struct linger, "off 5", 0, 5),
	SO(SO_LINGER, struct linger, "on -1", 1, -1),
	SO(SO_RCVTIMEO, struct timeval, "1.5 s", 1, 500000),
	SO(SO_RCVTIMEO, struct timeval, "1 us", 0, 1),
	SO(SO_RCVTIMEO, struct timeval, "1000000 us", 0, 1000000),
	SO(SO_RCVTIMEO, struct timeval, "-1 s", -1, 0),
	SO(SO_SNDTIMEO, struct timeval, "0.999999 s", 0, 999999),
	SO(SO_SNDTIMEO, struct timeval, "-1 us", 0, -1),
	SO(SO_SNDTIMEO_NEW, struct timeval, "2 s", 2, 0),
	SO(SO_RCVTIMEO_NEW, struct timeval, "2^62 s", 1L << 62, 0),
	SO(SO_ATTACH_FILTER, struct sock_fprog, "accept all", 1, accept_all),
	SO(SO_ATTACH_FILTER, struct sock_fprog, "no return", 1, never_ends),
	SO(SO_ATTACH_FILTER, struct sock_fprog, "jump out", 2, out_of_range),
	SO(SO_ATTACH_FILTER, struct sock_fprog, "empty", 0, accept_all),
	SO(SO_ATTACH_FILTER, struct sock_fprog, "null", 1, NULL),
	SO(SO_ATTACH_REUSEPORT_CBPF, struct sock_fprog, "accept all", 1, accept_all),
	SO(SO_ATTACH_REUSEPORT_CBPF, struct sock_fprog, "no return", 1, never_ends),
	BYTES(SOL_SOCKET, SO_BINDTODEVICE, "tun0", "tun0"),
	BYTES(SOL_SOCKET, SO_BINDTODEVICE, "lo and more", "lo\0tun0"),
	BYTES(SOL_SOCKET, SO_BINDTODEVICE, "nosuch", "nosuch"),
	BYTES(SOL_SOCKET, SO_BINDTODEVICE, "empty", "\0"),
	BYTES(SOL_SOCKET, SO_BINDTODEVICE, "long", "a-name-that-is-too-long"),
	SO(SO_TXTIME, struct sock_txtime, "monotonic", CLOCK_MONOTONIC, 0),
	SO(SO_TXTIME, struct sock_txtime, "TAI deadline", CLOCK_TAI, SOF_TXTIME_DEADLINE_MODE),
	SO(SO_TXTIME, struct sock_txtime, "unknown flag", CLOCK_MONOTONIC, 8),
	SO(SO_TXTIME, struct sock_txtime, "boot time", CLOCK_BOOTTIME, 0),
	SO(SO_TIMESTAMPING, struct so_timestamping, "all software", SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
	   SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID, 0),
	SO(SO_TIMESTAMPING, struct so_timestamping, "bind clock", SOF_TIMESTAMPING_BIND_PHC, 1),
	SO(SO_TIMESTAMPING_NEW, struct so_timestamping, "statistics", SOF_TIMESTAMPING_OPT_STATS, 0),
	SO(SO_MAX_PACING_RATE, uint64_t, "2^33", 1ULL << 33),
	SO(SO_MAX_PACING_RATE, uint64_t, "2^64-1", UINT64_MAX),

	IP(IP_MULTICAST_IF, MREQN, "address", .imr_address = LOCAL),
	IP(IP_MULTICAST_IF, MREQN, "link", .imr_ifindex = LINK_INDEX),
	IP(IP_MULTICAST_IF, MREQN, "link and address", .imr_ifindex = LINK_INDEX, .imr_address = LOCAL),
	IP(IP_MULTICAST_IF, MREQN, "no such link", .imr_ifindex = 99),
	IP(IP_MULTICAST_IF, MREQN, "foreign address", .imr_address = SOURCE),
	IP(IP_MULTICAST_IF, MREQN, "nothing", .imr_ifindex = 0),
	IP(IP_MULTICAST_IF, struct ip_mreq, "address of a request", .imr_interface = LOCAL),
	IP(IP_MULTICAST_IF, struct in_addr, "address alone", NETWORK(LOCAL_ADDRESS)),
	IP(IP_UNICAST_IF, uint32_t, "link", NETWORK((uint32_t)LINK_INDEX)),
	IP(IP_UNICAST_IF, uint32_t, "no such link", NETWORK(99u)),
	IP(IP_ADD_MEMBERSHIP, MREQN, "group", .imr_multiaddr = GROUP, .imr_address = LOCAL),
	IP(IP_ADD_MEMBERSHIP, MREQN, "group on a link", .imr_multiaddr = GROUP, .imr_ifindex = LINK_INDEX),
	IP(IP_ADD_MEMBERSHIP, MREQN, "no group", .imr_multiaddr = LOCAL, .imr_address = LOCAL),
	IP(IP_ADD_MEMBERSHIP, MREQN, "no such link", .imr_multiaddr = GROUP, .imr_ifindex = 99),
	IP(IP_ADD_MEMBERSHIP, struct ip_mreq, "group of a request", .imr_multiaddr = GROUP, .imr_interface = LOCAL),
	IP(IP_ADD_MEMBERSHIP, struct ip_mreq, "no interface", .imr_multiaddr = GROUP),
	IP(IP_ADD_MEMBERSHIP, struct ip_mreq, "foreign interface", .imr_multiaddr = GROUP, .imr_interface = SOURCE),
	IP(IP_DROP_MEMBERSHIP, struct ip_mreq, "not a member", .imr_multiaddr = GROUP, .imr_interface = LOCAL),
	IP(IP_DROP_MEMBERSHIP, MREQN, "no such link", .imr_multiaddr = GROUP, .imr_ifindex = 99),
	IP(IP_DROP_MEMBERSHIP, struct ip_mreq, "no group", .imr_multiaddr = LOCAL),
	IP(IP_ADD_SOURCE_MEMBERSHIP, SOURCE_REQUEST, "source", .imr_multiaddr = GROUP, .imr_interface = LOCAL, .imr_sourceaddr = SOURCE),
	IP(IP_ADD_SOURCE_MEMBERSHIP, SOURCE_REQUEST, "no group", .imr_multiaddr = LOCAL, .imr_sourceaddr = SOURCE),
	IP(IP_ADD_SOURCE_MEMBERSHIP, SOURCE_REQUEST, "no interface", .imr_multiaddr = GROUP, .imr_interface = SOURCE, .imr_sourceaddr = SOURCE),
	IP(IP_DROP_SOURCE_MEMBERSHIP, SOURCE_REQUEST, "not a member", .imr_multiaddr = GROUP, .imr_interface = LOCAL, .imr_sourceaddr = SOURCE),
	IP(IP_BLOCK_SOURCE, SOURCE_REQUEST, "not a member", .imr_multiaddr = GROUP, .imr_interface = LOCAL, .imr_sourceaddr = SOURCE),
	IP(IP_UNBLOCK_SOURCE, SOURCE_REQUEST, "not a member", .imr_multiaddr = GROUP, .imr_interface = LOCAL, .imr_sourceaddr = SOURCE),
	IP(IP_MSFILTER, struct filter_bytes, "include two", GROUP, LOCAL, MCAST_INCLUDE, 2, { SOURCE, LOCAL }),
	IP(IP_MSFILTER, struct filter_bytes, "exclude one", GROUP, LOCAL, MCAST_EXCLUDE, 1, { SOURCE }),
	IP(IP_MSFILTER, struct filter_bytes, "too many", GROUP, LOCAL, MCAST_INCLUDE, 3, { SOURCE }),
	IP(IP_MSFILTER, struct filter_bytes, "mode 7", GROUP, LOCAL, 7, 1, { SOURCE }),
	IP(MCAST_JOIN_GROUP, struct group_bytes, "group", LINK_INDEX, 0, { AF_INET, 0, GROUP, { 0 } }, { 0 }),
	IP(MCAST_JOIN_GROUP, struct group_bytes, "wrong family", LINK_INDEX, 0, { AF_INET6, 0, GROUP, { 0 } }, { 0 }),
	IP(MCAST_JOIN_GROUP, struct group_bytes, "no such link", 99, 0, { AF_INET, 0, GROUP, { 0 } }, { 0 }),
	IP(MCAST_LEAVE_GROUP, struct group_bytes, "not a member", LINK_INDEX, 0, { AF_INET, 0, GROUP, { 0 } }, { 0 }),
	IP(MCAST_JOIN_SOURCE_GROUP, struct group_source_bytes, "source", LINK_INDEX, 0, { AF_INET, 0, GROUP, { 0 } }, { 0 },
	   { AF_INET, 0, SOURCE, { 0 } }, { 0 }),
	IP(MCAST_LEAVE_SOURCE_GROUP, struct group_source_bytes, "not a member", LINK_INDEX, 0, { AF_INET, 0, GROUP, { 0 } }, { 0 },
	   { AF_INET, 0, SOURCE, { 0 } }, { 0 }),
	IP(MCAST_BLOCK_SOURCE, struct group_source_bytes, "not a member", LINK_INDEX, 0, { AF_INET, 0, GROUP, { 0 } }, { 0 },
	   { AF_INET, 0, SOURCE, { 0 } }, { 0 }),
	IP(MCAST_UNBLOCK_SOURCE, struct group_source_bytes, "wrong family", LINK_INDEX, 0, { AF_INET, 0, GROUP, { 0 } }, { 0 },
	   { AF_INET6, 0, SOURCE, { 0 } }, { 0 }),
	IP(51, uint32_t, "40000 to 41000", 41000u << 16 | 40000u),
	IP(51, uint32_t, "upside down", 40000u << 16 | 41000u),
	IP(51, uint32_t, "low end", 40000u),
	BYTES(IPPROTO_IP, IP_OPTIONS, "no operation", "\x01\x01\x01\x01"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "record route", "\x07\x0b\x04\0\0\0\0\0\0\0\0"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "record route with a bad pointer", "\x07\x0b\x03\0\0\0\0\0\0\0\0"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "time stamp", "\x44\x0c\x05\0\0\0\0\0\0\0\0\0"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "loose source route", "\x83\x0b\x04\xc0\x00\x02\x01\xc0\x00\x02\x02\0"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "strict source route, empty", "\x89\x03\x04\0"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "router alert", "\x94\x04\0\0"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "security", "\x82\x0b\0\0\0\0\0\0\0\0\0\0"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "unknown", "\x99\x04\x01\x02"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "too long for its area", "\x07\x0f\x04\0\0\0\0\0"),
	BYTES(IPPROTO_IP, IP_OPTIONS, "44 bytes", "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"),

	BYTES(IPPROTO_TCP, TCP_CONGESTION, "reno", "reno"),
	BYTES(IPPROTO_TCP, TCP_CONGESTION, "nosuch", "nosuch"),
	BYTES(IPPROTO_TCP, TCP_ULP, "nosuch", "nosuch"),
	ROW(IPPROTO_TCP, TCP_FASTOPEN_KEY, uint64_t, "8 bytes", 1),
	ROW(SOL_RAW, 1, uint32_t, "all types", 0xffffffff),
};
#define STRUCTURES (sizeof(structures) / sizeof(structures[0]))

static unsigned structure_count(const struct combination *combination)
{
	return STRUCTURES;
}

static void structure_print(const struct combination *combination, unsigned index, struct text *text)
{
	const struct structure *row = &structures[index];
	const char *family = row->level == SOL_SOCKET ? "SO_" : row->level == IPPROTO_IP ? "IP_" : row->level == SOL_RAW ? "ICMP_" : "TCP_";
	const char *name = symbol_name(family, row->option);

	if (!name && row->level == IPPROTO_IP)
		name = symbol_name("MCAST_", row->option);
	if (name)
		text_add(text, "%s: %s", name, row->text);
	else
		text_add(text, "%d: %s", row->option, row->text);
}

/* One byte less and one more than the structure has are tried, too. */
static unsigned change_count(const struct combination *combination)
{
	return 4;
}

static const char *const changes[] = { "whole", "a byte less", "a byte more", "twice" };

static void change_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", changes[index]);
}

static bool structure_valid(const struct combination *combination)
{
	const struct structure *row = &structures[combination->index[0]];
	bool has = false;

	for (unsigned i = 0; combination->family->levels[i] != -1; i++) {
		int level = combination->family->levels[i];

		has |= (level == LEVEL_OWN ? combination->socket->level : level) == row->level;
	}
	return has;
}

static void run_structure(struct side *side, const struct combination *combination, int64_t fd)
{
	const struct structure *row = &structures[combination->index[0]];
	unsigned change = combination->index[1];
	socklen_t length = change == 1 ? row->length - 1 : change == 2 ? row->length + 1 : row->length;
	uint8_t bytes[SWEEP_BYTES * 2] = { 0 }, back[SWEEP_BYTES] = { 0 };

	memcpy(bytes, row->bytes, row->length);
	side_record(side, "setsockopt", SIDE_CALL(side, setsockopt, fd, row->level, row->option, PL_PTR(bytes), length), NULL, 0);
	if (change == 3)
		side_record(side, "again setsockopt",
			    SIDE_CALL(side, setsockopt, fd, row->level, row->option, PL_PTR(bytes), length), NULL, 0);
	/* What a multicast filter is asked for is named in the memory that takes the answer. */
	memcpy(back, row->bytes, row->length < 16 ? row->length : 16);
	length = sizeof(back) - sizeof(length);
	side_record(side, "then getsockopt",
		    SIDE_CALL(side, getsockopt, fd, row->level, row->option, PL_PTR(back), PL_PTR(&length)), back, 64);
	side_record(side, "and its length", length, NULL, 0);
}

static const struct sweep_axis axis_structure = { "structure", structure_count, structure_print };
static const struct sweep_axis axis_change = { "change", change_count, change_print };

const struct sweep_probe probe_structure = {
	.name = "structure",
	.axis = { &axis_structure, &axis_change },
	.groups = 1,
	.valid = structure_valid,
	.run = run_structure,
};
