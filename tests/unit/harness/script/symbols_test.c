/* The symbol table against the headers of this machine, and what is made of misspelt words. */
#include "harness/script/symbols.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "harness/script/ast.h"

static const struct row {
	const char *family, *name;
	long long value;
} rows[] = {
#define SYMBOL(family, name, value) { family, #name, value },
#include "harness/script/symbol_list.h"
#undef SYMBOL
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

Test(symbols, every_row_is_found_and_only_once)
{
	int64_t value;

	for (size_t i = 0; i < ROWS; i++) {
		cr_assert(symbol_value(rows[i].name, &value), "%s", rows[i].name);
		cr_assert_eq(value, rows[i].value, "%s", rows[i].name);
		for (size_t j = 0; j < i; j++)
			cr_assert(strcmp(rows[i].name, rows[j].name), "%s stands twice", rows[i].name);
	}
}

Test(symbols, unknown_words)
{
	int64_t value;

	cr_assert_not(symbol_value("", &value));
	cr_assert_not(symbol_value("SOCK_STREA", &value));
	cr_assert_not(symbol_value("SOCK_STREAMS", &value));
	cr_assert_not(symbol_value("sock_stream", &value));
	cr_assert(symbol_lookup("SOCK_STREAMING", 11, &value));
	cr_assert_eq(value, SOCK_STREAM);
}

/* Those that the headers define as macros; the preprocessor cannot ask for enumerators. */
#define SAME(name) cr_assert(symbol_value(#name, &value) && value == (int64_t)(name), #name)
#define SAME_BITS(name) cr_assert(symbol_value(#name, &value) && (uint32_t)value == (uint32_t)(name), #name)

Test(symbols, agree_with_the_headers)
{
	int64_t value;

	SAME(AF_INET); SAME(AF_INET6); SAME(AF_PACKET); SAME(PF_INET);
	SAME(SOCK_STREAM); SAME(SOCK_DGRAM); SAME(SOCK_RAW); SAME(SOCK_NONBLOCK); SAME(SOCK_CLOEXEC);
	SAME(IPPROTO_TCP); SAME(IPPROTO_UDP); SAME(IPPROTO_UDPLITE); SAME(IPPROTO_RAW); SAME(IPPROTO_MPTCP);
	SAME(SOL_SOCKET); SAME(SOL_IP); SAME(SOL_TCP); SAME(SOL_UDP); SAME(SOL_RAW); SAME(SOL_PACKET);
	SAME(SO_REUSEADDR); SAME(SO_REUSEPORT); SAME(SO_SNDBUF); SAME(SO_RCVBUF); SAME(SO_LINGER); SAME(SO_ERROR);
	SAME(SO_TIMESTAMP); SAME(SO_TIMESTAMPING); SAME(SO_ZEROCOPY); SAME(SO_TXTIME); SAME(SO_MARK); SAME(SO_PEEK_OFF);
	SAME(SO_RCVTIMEO); SAME(SO_SNDTIMEO); SAME(SO_RXQ_OVFL); SAME(SO_INCOMING_CPU); SAME(SO_MAX_PACING_RATE);
	SAME(MSG_PEEK); SAME(MSG_TRUNC); SAME(MSG_CTRUNC); SAME(MSG_ERRQUEUE); SAME(MSG_FASTOPEN); SAME(MSG_ZEROCOPY);
	SAME(MSG_WAITALL); SAME(MSG_MORE); SAME(MSG_DONTWAIT); SAME(MSG_NOSIGNAL);
	SAME(IP_TOS); SAME(IP_TTL); SAME(IP_OPTIONS); SAME(IP_PKTINFO); SAME(IP_RECVERR); SAME(IP_MTU_DISCOVER); SAME(IP_MTU);
	SAME(IP_MINTTL); SAME(IP_FREEBIND); SAME(IP_TRANSPARENT); SAME(IP_RECVORIGDSTADDR); SAME(IP_CHECKSUM);
	SAME(IP_ADD_MEMBERSHIP); SAME(IP_ADD_SOURCE_MEMBERSHIP); SAME(IP_MULTICAST_ALL); SAME(IP_UNICAST_IF);
	SAME(IP_PMTUDISC_DO); SAME(IP_PMTUDISC_PROBE); SAME(IP_PMTUDISC_OMIT); SAME(MCAST_JOIN_GROUP); SAME(MCAST_MSFILTER);
	SAME(IPV6_RECVERR); SAME(IPV6_TCLASS); SAME(IPV6_HOPLIMIT); SAME(IPV6_MTU); SAME(IPV6_V6ONLY);
	SAME(TCP_NODELAY); SAME(TCP_INFO); SAME(TCP_CONGESTION); SAME(TCP_FASTOPEN); SAME(TCP_INQ); SAME(TCP_CM_INQ);
	SAME(TCP_USER_TIMEOUT); SAME(TCP_NOTSENT_LOWAT); SAME(TCP_TX_DELAY); SAME(TCP_FASTOPEN_NO_COOKIE); SAME(TCP_MD5SIG);
	SAME(TCP_ESTABLISHED); SAME(TCP_CLOSE_WAIT); SAME(TCP_CLOSING); SAME(TCP_LISTEN); SAME(TCPI_OPT_SYN_DATA);
	SAME(UDP_CORK); SAME(UDP_SEGMENT); SAME(UDP_GRO); SAME(UDP_ENCAP);
	SAME(EPOLLIN); SAME(EPOLLRDHUP); SAME_BITS(EPOLLET); SAME(EPOLLEXCLUSIVE); SAME(EPOLL_CTL_MOD); SAME(EPOLL_CLOEXEC);
	SAME(POLLIN); SAME(POLLRDHUP); SAME(POLLNVAL); SAME(POLLWRBAND);
	SAME(F_SETFL); SAME(F_GETFL); SAME(F_DUPFD_CLOEXEC); SAME(FD_CLOEXEC); SAME(O_RDWR); SAME(O_NONBLOCK); SAME(O_CREAT);
	SAME(SEEK_END); SAME(LOCK_EX); SAME(SPLICE_F_MORE); SAME(SHUT_RDWR);
	SAME(FIONREAD); SAME(FIONBIO); SAME(SIOCINQ); SAME(SIOCOUTQ); SAME(SIOCOUTQNSD); SAME(SIOCGIFADDR); SAME(SIOCATMARK);
	SAME(IFF_UP); SAME(IFF_LOOPBACK); SAME(IFF_MULTICAST);
	SAME(SOF_TIMESTAMPING_TX_ACK); SAME(SOF_TIMESTAMPING_OPT_STATS); SAME(SOF_TIMESTAMPING_RX_SOFTWARE);
	SAME(SCM_TIMESTAMPING); SAME(SCM_TIMESTAMPING_OPT_STATS); SAME(SCM_TSTAMP_ACK); SAME(SCM_RIGHTS);
	SAME(SO_EE_ORIGIN_ICMP); SAME(SO_EE_ORIGIN_ZEROCOPY); SAME(SO_EE_ORIGIN_TIMESTAMPING); SAME(SO_EE_CODE_ZEROCOPY_COPIED);
	SAME(CAP_NET_ADMIN); SAME(CAP_NET_RAW); SAME(CAP_CHECKPOINT_RESTORE);
	SAME(INADDR_ANY); SAME_BITS(INADDR_BROADCAST); SAME_BITS(INADDR_LOOPBACK); SAME_BITS(INADDR_ALLHOSTS_GROUP);
	SAME(EAGAIN); SAME(EWOULDBLOCK); SAME(EINPROGRESS); SAME(ECONNREFUSED); SAME(EHOSTUNREACH);
	SAME(EMSGSIZE); SAME(EHWPOISON);
}

Test(symbols, names_by_family)
{
	cr_assert_str_eq(symbol_name("errno", EAGAIN), "EAGAIN");
	cr_assert_str_eq(symbol_name("errno", ECONNRESET), "ECONNRESET");
	cr_assert_str_eq(symbol_name("SO_", SO_REUSEADDR), "SO_REUSEADDR");
	cr_assert_str_eq(symbol_name("TCP_state", TCP_CLOSE), "TCP_CLOSE");
	cr_assert_str_eq(symbol_name("TCP_", TCP_NODELAY), "TCP_NODELAY");
	cr_assert_str_eq(symbol_name("IPPROTO_", 0), "IPPROTO_IP");
	cr_assert_null(symbol_name("errno", 4095));
	cr_assert_null(symbol_name("no such family", 1));
}

Test(symbols, distance)
{
	cr_assert_eq(word_distance("abc", "abc", 2), 0);
	cr_assert_eq(word_distance("abc", "abd", 2), 1);
	cr_assert_eq(word_distance("abc", "ac", 2), 1);
	cr_assert_eq(word_distance("abc", "abxc", 2), 1);
	cr_assert_eq(word_distance("abcd", "abdc", 2), 1);
	cr_assert_eq(word_distance("", "ab", 2), 2);
	cr_assert_gt(word_distance("abc", "xyz", 2), 2);
	cr_assert_gt(word_distance("a", "abcdef", 2), 2);
}

Test(symbols, nearest)
{
	char longer[200];

	cr_assert_str_eq(symbol_nearest("SOCK_STREM"), "SOCK_STREAM");
	cr_assert_str_eq(symbol_nearest("EPOLIN"), "EPOLLIN");
	cr_assert_null(symbol_nearest("MSS"));
	cr_assert_null(symbol_nearest("CODE"));
	cr_assert_null(symbol_nearest("TFO_COOKIE"));
	cr_assert_null(symbol_nearest("CMSG_LEVEL_IP"));
	cr_assert_null(symbol_nearest("CMSG_TYPE_RECVERR"));
	memset(longer, 'A', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	cr_assert_null(symbol_nearest(longer));
}
