/*
 * Anything that comes in over a link, while sockets of every kind are open: the stack survives, and leaves nothing behind.
 *
 * The input is a list of steps: a byte that says what is done, a byte of detail, and for packets as many bytes as the detail
 * and three bits of the first byte say. Bit 3 of the first byte is for the Ethernet link: its frames, its tunables, its state.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <plumbline/inspect.h>
#include <plumbline/link.h>
#include <plumbline/stack.h>
#include <plumbline/sysctl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct host {
	struct pl_stack *stack;
	int tun[2], ethernet;
	int64_t fd[16];
	unsigned fds;
};

static int64_t call(struct host *host, enum pl_op op, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f)
{
	return pl_call_now(host->stack, op, (const int64_t[6]){ a, b, c, d, e, f });
}

static int add_link(struct host *host, const char *name, enum pl_link_kind kind, uint32_t address)
{
	int ifindex = pl_link_add(host->stack, &(struct pl_link_config){ .name = name, .kind = kind });

	pl_address_add(host->stack, ifindex, &(struct pl_address){ .local.s_addr = htonl(address), .prefix_length = 16 });
	pl_link_set_up(host->stack, ifindex, true);
	return ifindex;
}

/* A socket bound to a port, and connected or listening when asked. */
static void add_socket_to(struct host *host, int type, int protocol, uint16_t port, uint32_t address, uint16_t remote, bool listening)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in far = { .sin_family = AF_INET, .sin_port = htons(remote), .sin_addr.s_addr = htonl(address) };
	int64_t fd = call(host, PL_OP_socket, AF_INET, type | SOCK_NONBLOCK, protocol, 0, 0, 0);

	if (fd < 0 || host->fds == 16)
		return;
	host->fd[host->fds++] = fd;
	static const int on = 1;
	call(host, PL_OP_setsockopt, fd, IPPROTO_IP, IP_RECVERR, PL_PTR(&on), sizeof(on), 0);
	call(host, PL_OP_setsockopt, fd, IPPROTO_IP, IP_PKTINFO, PL_PTR(&on), sizeof(on), 0);
	call(host, PL_OP_setsockopt, fd, IPPROTO_IP, IP_RECVOPTS, PL_PTR(&on), sizeof(on), 0);
	call(host, PL_OP_setsockopt, fd, IPPROTO_IP, IP_RETOPTS, PL_PTR(&on), sizeof(on), 0);
	call(host, PL_OP_bind, fd, PL_PTR(&local), sizeof(local), 0, 0, 0);
	if (remote)
		call(host, PL_OP_connect, fd, PL_PTR(&far), sizeof(far), 0, 0, 0);
	if (listening)
		call(host, PL_OP_listen, fd, 4, 0, 0, 0, 0);
}

static void add_socket(struct host *host, int type, int protocol, uint16_t port, uint16_t remote, bool listening)
{
	add_socket_to(host, type, protocol, port, 0xc0000201, remote, listening);
}

static void host_new(struct host *host)
{
	*host = (struct host){ .stack = pl_stack_new(&(struct pl_stack_config){ .seed = 1 }) };
	pl_link_set_up(host->stack, 1, true);
	host->tun[0] = add_link(host, "tun0", PL_LINK_TUN, 0xc0a80001);
	host->tun[1] = add_link(host, "tun1", PL_LINK_TUN, 0x0a000001);
	host->ethernet = add_link(host, "eth0", PL_LINK_ETHERNET, 0x0a010001);
	pl_route_add(host->stack, &(struct pl_route){ .ifindex = host->tun[0] }, false);
	pl_sysctl_write(host->stack, "net/ipv4/ping_group_range", "0 0", 3);
	pl_sysctl_write(host->stack, "net/ipv4/icmp_ratemask", "0", 1);
	add_socket(host, SOCK_DGRAM, 0, 1000, 0, false);
	add_socket(host, SOCK_DGRAM, 0, 1001, 2000, false);
	add_socket(host, SOCK_DGRAM, IPPROTO_UDPLITE, 1000, 0, false);
	add_socket(host, SOCK_RAW, IPPROTO_ICMP, 0, 0, false);
	add_socket(host, SOCK_RAW, 253, 0, 0, false);
	add_socket(host, SOCK_DGRAM, IPPROTO_ICMP, 77, 0, false);
	add_socket(host, SOCK_STREAM, 0, 80, 0, true);
	add_socket(host, SOCK_STREAM, 0, 1002, 2000, false);
	/* Over the Ethernet link, to somebody who has to be asked for. */
	add_socket_to(host, SOCK_DGRAM, 0, 1003, 0x0a010002, 2000, false);
	add_socket_to(host, SOCK_STREAM, 0, 1004, 0x0a010003, 2000, false);
}

static uint16_t checksum(const uint8_t *bytes, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void store(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

/* Checksums and total length made right, so that the fuzzer gets past them. */
static void mend(uint8_t *packet, size_t length)
{
	size_t header = length ? (packet[0] & 15) * 4u : 0;

	if (header < 20 || header > length)
		return;
	store(packet + 2, (uint16_t)length);
	store(packet + 10, 0);
	store(packet + 10, checksum(packet, header, 0));
	static const struct {
		uint8_t protocol, offset;
		bool pseudo;
	} rows[] = { { IPPROTO_ICMP, 2, false }, { IPPROTO_TCP, 16, true }, { IPPROTO_UDP, 6, true }, { IPPROTO_IGMP, 2, false } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t *at = packet + header + rows[i].offset;
		uint32_t sum = 0;

		if (packet[9] != rows[i].protocol || header + rows[i].offset + 2u > length)
			continue;
		for (size_t k = 12; rows[i].pseudo && k < 20; k++)
			sum += (uint32_t)packet[k] << (k % 2 ? 0 : 8);
		if (rows[i].pseudo)
			sum += packet[9] + (uint32_t)(length - header);
		store(at, 0);
		store(at, checksum(packet + header, length - header, sum));
	}
}

/* Groups joined and left, sources wanted and not: what IGMP has to tell of. */
static void change_membership(struct host *host, int64_t fd, unsigned how)
{
	static const int options[] = { IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP,
				       IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE };
	unsigned option = how % 6;
	struct in_addr group = { htonl(0xef010100 + how / 6 % 2) }, link = { htonl(0xc0a80001) };
	struct ip_mreqn any = { .imr_multiaddr = group, .imr_address = link };
	struct ip_mreq_source one = { .imr_multiaddr = group, .imr_interface = link,
				      .imr_sourceaddr.s_addr = htonl(0x0a000000 + how / 12) };

	if (option < 2)
		call(host, PL_OP_setsockopt, fd, IPPROTO_IP, options[option], PL_PTR(&any), sizeof(any), 0);
	else
		call(host, PL_OP_setsockopt, fd, IPPROTO_IP, options[option], PL_PTR(&one), sizeof(one), 0);
}

static void use_socket(struct host *host, unsigned which, unsigned how)
{
	int64_t fd = host->fds ? host->fd[which % host->fds] : -1;
	uint8_t bytes[2048], control[256];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct sockaddr_storage name;
	struct msghdr msg = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control, .msg_controllen = sizeof(control) };
	int64_t result;

	switch (how % 8) {
	case 0:
	case 1:
		call(host, PL_OP_recvmsg, fd, PL_PTR(&msg), MSG_DONTWAIT, 0, 0, 0);
		break;
	case 2:
		call(host, PL_OP_recvmsg, fd, PL_PTR(&msg), MSG_DONTWAIT | MSG_ERRQUEUE, 0, 0, 0);
		break;
	case 3:
		memset(bytes, 'x', sizeof(bytes));
		call(host, PL_OP_send, fd, PL_PTR(bytes), how * 8, MSG_DONTWAIT, 0, 0);
		break;
	case 4:
		call(host, PL_OP_shutdown, fd, how / 8 % 3, 0, 0, 0, 0);
		break;
	case 5:
		result = call(host, PL_OP_accept, fd, 0, 0, 0, 0, 0);
		if (result >= 0 && host->fds < 16)
			host->fd[host->fds++] = result;
		break;
	case 6:
		call(host, PL_OP_poll, PL_PTR(&((struct pollfd){ .fd = (int)fd, .events = -1 })), 1, 0, 0, 0, 0);
		break;
	case 7:
		if (how == 7)
			call(host, PL_OP_close, fd, 0, 0, 0, 0, 0);
		else
			change_membership(host, fd, how / 8 - 1);
		break;
	}
}

static void toggle(struct host *host, unsigned what)
{
	static const char *const files[] = { "net/ipv4/ip_forward", "net/ipv4/conf/all/rp_filter", "net/ipv4/ip_no_pmtu_disc",
					     "net/ipv4/conf/all/bc_forwarding", "net/ipv4/conf/tun0/route_localnet",
					     "net/ipv4/tcp_ecn", "net/ipv4/tcp_syncookies", "net/ipv4/tcp_timestamps" };
	char value = (char)('0' + what / 8 % 4);

	pl_sysctl_write(host->stack, files[what % 8], &value, 1);
}

/* What acts on neighbours: tunables, and what happens to the link. */
static void toggle_ethernet(struct host *host, unsigned what)
{
	static const char *const files[] = {
		"net/ipv4/conf/eth0/arp_accept", "net/ipv4/conf/eth0/arp_ignore",	"net/ipv4/conf/eth0/arp_announce",
		"net/ipv4/conf/all/arp_filter",	 "net/ipv4/conf/all/proxy_arp",		"net/ipv4/conf/all/proxy_arp_pvlan",
		"net/ipv4/conf/all/arp_notify",	 "net/ipv4/neigh/eth0/mcast_solicit",	"net/ipv4/neigh/eth0/ucast_solicit",
		"net/ipv4/neigh/eth0/unres_qlen", "net/ipv4/neigh/eth0/base_reachable_time", "net/ipv4/neigh/eth0/proxy_delay",
	};
	struct pl_neighbour neighbour = { .ifindex = host->ethernet, .address.s_addr = htonl(0x0a010000 + what / 16),
					  .has_hwaddr = what & 16, .state = 1 << what / 32, .flags = what & 64 ? 8 : 0 };
	char value = (char)('0' + what / 16 % 4);

	switch (what % 16) {
	case 12:
		pl_link_set_carrier(host->stack, host->ethernet, what & 16);
		break;
	case 13:
		pl_link_set_up(host->stack, host->ethernet, what & 16);
		break;
	case 14:
		pl_neighbour_set(host->stack, &neighbour, 0x500);	/* NLM_F_CREATE, NLM_F_REPLACE */
		break;
	case 15:
		pl_neighbour_delete(host->stack, &neighbour);
		break;
	default:
		pl_sysctl_write(host->stack, files[what % 16], &value, 1);
	}
}

static void packet_in(struct host *host, unsigned what, uint8_t *packet, size_t length)
{
	bool ethernet = what & 8;
	size_t skip = !ethernet ? 0 : length > 14 && packet[12] == 8 && packet[13] == 0 ? 14 : length;

	if (what & 1)
		mend(packet + skip, length - skip);
	pl_link_input(host->stack, ethernet ? host->ethernet : host->tun[what >> 2 & 1], packet, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host host;

	host_new(&host);
	while (size >= 2) {
		unsigned what = data[0], detail = data[1];

		data += 2;
		size -= 2;
		if ((what & 3) < 2) {
			size_t length = detail | (what >> 5) << 8;
			uint8_t *packet = malloc(length < size ? length + 1 : size + 1);

			length = length < size ? length : size;
			memcpy(packet, data, length);
			data += length;
			size -= length;
			packet_in(&host, what, packet, length);
			free(packet);
		} else if ((what & 3) == 2) {
			use_socket(&host, what >> 2, detail);
		} else if ((what & 12) == 12) {
			toggle_ethernet(&host, detail);
		} else if (what & 4) {
			toggle(&host, detail);
		} else {
			pl_stack_run_until(host.stack, pl_stack_now(host.stack) + (INT64_C(1) << detail % 36));
		}
	}
	char *text = NULL;
	for (size_t i = 0; pl_inspect_names[i]; i++, free(text), text = NULL)
		if (pl_inspect_file(host.stack, pl_inspect_names[i], &text) < 0)
			abort();
	pl_stack_free(host.stack);
	return 0;
}
