/*
 * The network namespace of a script, its links, addresses and routes.
 *
 * Links are made with the tun driver, so that their far ends are in this process: whatever it writes there arrives at the
 * kernel, whatever the kernel sends there can be read. They offer what a usual Ethernet card offers (checksums, segmentation
 * of TCP), because that is what TCP's sizes of segments depend on. Addresses and routes are those that `ip address add` and
 * `ip route add` would make. Nothing needs undoing: links go with their file descriptors, the rest with the namespace.
 */
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TUN_DEVICE "/dev/net/tun"

static bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* Become root of a user namespace that knows only this user: user_namespaces(7), "Defining user and group ID mappings". */
static bool user_namespace_enter(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER) < 0)
		return false;
	file_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!file_write("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return file_write("/proc/self/gid_map", map);
}

int kernel_namespace_enter(struct arena *arena, const char **error)
{
	pid_t parent = getppid();
	int signal_of_death = 0;
	bool entered;

	if (unshare(CLONE_NEWNET) == 0)
		return 0;
	/* Changing credentials forgets that this process is to end with its parent. */
	prctl(PR_GET_PDEATHSIG, &signal_of_death);
	entered = errno == EPERM && user_namespace_enter();
	prctl(PR_SET_PDEATHSIG, signal_of_death);
	if (signal_of_death && getppid() != parent)
		raise(signal_of_death);
	if (entered && unshare(CLONE_NEWNET) == 0)
		return 0;
	*error = arena_printf(arena, "no network namespace can be made here: %s (it needs root, or user namespaces)",
			      errno == ENOSPC ? "there may be no more (sysctl user.max_user_namespaces)" : strerror(errno));
	return TARGET_UNAVAILABLE;
}

/* One request to rtnetlink(7), with its answer: 0 or -errno. */
static int netlink_ask(struct mnl_socket *socket, struct nlmsghdr *request)
{
	char answer[8192];
	unsigned port = mnl_socket_get_portid(socket);
	ssize_t length;
	int status;

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = 1;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		length = mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (length < 0)
			return -errno;
		status = mnl_cb_run(answer, (size_t)length, request->nlmsg_seq, port, NULL, NULL);
	} while (status == MNL_CB_OK);
	return status < 0 ? -errno : 0;
}

/* What is to be set of a link; zero: leave it. */
struct link_change {
	unsigned mtu;
	const uint8_t *hwaddr;
	bool up;
};

static int link_change(struct mnl_socket *socket, int ifindex, const struct link_change *change)
{
	char buffer[512];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;

	request->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = ifindex;
	if (change->up)
		link->ifi_change = link->ifi_flags = IFF_UP;
	if (change->mtu)
		mnl_attr_put_u32(request, IFLA_MTU, change->mtu);
	if (change->hwaddr)
		mnl_attr_put(request, IFLA_ADDRESS, 6, change->hwaddr);
	return netlink_ask(socket, request);
}

/* `ip address add LOCAL/LENGTH dev LINK` */
static int address_add(struct mnl_socket *socket, int ifindex, struct in_addr local, unsigned prefix_length)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *address;

	request->nlmsg_type = RTM_NEWADDR;
	request->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	address = mnl_nlmsg_put_extra_header(request, sizeof(*address));
	address->ifa_family = AF_INET;
	address->ifa_prefixlen = (unsigned char)prefix_length;
	address->ifa_scope = ntohl(local.s_addr) >> 24 == IN_LOOPBACKNET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	address->ifa_index = (unsigned)ifindex;
	mnl_attr_put(request, IFA_LOCAL, sizeof(local), &local);
	mnl_attr_put(request, IFA_ADDRESS, sizeof(local), &local);
	return netlink_ask(socket, request);
}

/* `ip route add DESTINATION/LENGTH dev LINK [via GATEWAY]` */
static int route_add(struct mnl_socket *socket, int ifindex, struct in_addr destination, unsigned prefix_length,
		     struct in_addr gateway)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;
	uint32_t mask = prefix_length ? htonl(~UINT32_C(0) << (32 - prefix_length)) : 0;

	request->nlmsg_type = RTM_NEWROUTE;
	request->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	route->rtm_family = AF_INET;
	route->rtm_dst_len = (unsigned char)prefix_length;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_BOOT;
	route->rtm_scope = gateway.s_addr ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	route->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(request, RTA_DST, destination.s_addr & mask);
	if (gateway.s_addr)
		mnl_attr_put_u32(request, RTA_GATEWAY, gateway.s_addr);
	mnl_attr_put_u32(request, RTA_OIF, (uint32_t)ifindex);
	return netlink_ask(socket, request);
}

/* `ip neighbour add ADDRESS lladdr HWADDR dev LINK nud permanent` */
static int neighbour_add(struct mnl_socket *socket, int ifindex, struct in_addr address, const uint8_t hwaddr[6])
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *neighbour;

	request->nlmsg_type = RTM_NEWNEIGH;
	request->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	neighbour = mnl_nlmsg_put_extra_header(request, sizeof(*neighbour));
	neighbour->ndm_family = AF_INET;
	neighbour->ndm_ifindex = ifindex;
	neighbour->ndm_state = NUD_PERMANENT;
	mnl_attr_put(request, NDA_DST, sizeof(address), &address);
	mnl_attr_put(request, NDA_LLADDR, 6, hwaddr);
	return netlink_ask(socket, request);
}

static int fail(struct arena *arena, const char **error, int code, const char *name, const char *what)
{
	*error = arena_printf(arena, "%s: cannot %s: %s", name, what, strerror(-code));
	return code;
}

/* Make the device; it is gone when its descriptor is closed. */
static int tun_open(struct kernel_link *link, struct arena *arena, const char **error)
{
	struct ifreq request = { .ifr_flags = IFF_NO_PI | IFF_VNET_HDR };
	unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	link->tun = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (link->tun < 0) {
		*error = arena_printf(arena, "%s cannot be opened: %s", TUN_DEVICE, strerror(errno));
		return TARGET_UNAVAILABLE;
	}
	request.ifr_flags |= link->kind == PL_LINK_ETHERNET ? IFF_TAP : IFF_TUN;
	strcpy(request.ifr_name, link->name);
	if (ioctl(link->tun, TUNSETIFF, &request) < 0) {
		*error = arena_printf(arena, "%s: cannot make the link: %s", link->name, strerror(errno));
		return errno == EPERM ? TARGET_UNAVAILABLE : -errno;
	}
	if (ioctl(link->tun, TUNSETOFFLOAD, offload) < 0)
		return fail(arena, error, -errno, link->name, "set its offloads");
	return 0;
}

/* `ethtool -s LINK speed N autoneg off`; TCP reads it when the link comes up. */
static int speed_set(const char *name, unsigned speed)
{
	struct ethtool_cmd settings = { .cmd = ETHTOOL_GSET };
	struct ifreq request = { .ifr_data = (char *)&settings };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;

	if (fd < 0)
		return -errno;
	strcpy(request.ifr_name, name);
	status = ioctl(fd, SIOCETHTOOL, &request);
	if (status == 0) {
		settings.cmd = ETHTOOL_SSET;
		ethtool_cmd_speed_set(&settings, speed);
		settings.autoneg = AUTONEG_DISABLE;
		status = ioctl(fd, SIOCETHTOOL, &request);
	}
	status = status < 0 ? -errno : 0;
	close(fd);
	return status;
}

/*
 * No IPv6 address of its own making: its router solicitations and listener reports would be packets that no script asked for.
 * A kernel without IPv6 refuses that attribute and needs no such care.
 */
static int link_bring_up(struct mnl_socket *socket, struct kernel_link *link, unsigned number, const struct target_link *from)
{
	uint8_t hwaddr[6] = { TARGET_HWADDR(number) };
	struct link_change change = {
		.mtu = from->mtu,
		.hwaddr = link->kind == PL_LINK_ETHERNET ? hwaddr : NULL,
	};
	int status = link_change(socket, link->ifindex, &change);

	if (status < 0)
		return status;
	return link_change(socket, link->ifindex, &(struct link_change){ .up = true });
}

static int link_make(struct mnl_socket *socket, struct kernel_link *link, unsigned number, const struct target_link *from,
		     struct arena *arena, const char **error)
{
	int status;

	link->tun = -1;
	link->kind = from->kind;
	if (!from->name || strlen(from->name) >= sizeof(link->name)) {
		*error = arena_printf(arena, "\"%s\" is no name for a link", from->name ? from->name : "");
		return -EINVAL;
	}
	strcpy(link->name, from->name);
	if (link->kind != PL_LINK_LOOPBACK) {
		status = tun_open(link, arena, error);
		if (status < 0)
			return status;
	}
	link->ifindex = (int)if_nametoindex(link->name);
	if (!link->ifindex)
		return fail(arena, error, -errno, link->name, "find the link");
	if (from->speed && (status = speed_set(link->name, from->speed)) < 0)
		return fail(arena, error, status, link->name, "set its speed");
	if (link->kind != PL_LINK_LOOPBACK && (status = link_bring_up(socket, link, number, from)) < 0)
		return fail(arena, error, status, link->name, "bring it up");
	if (link->kind == PL_LINK_LOOPBACK && from->mtu &&
	    (status = link_change(socket, link->ifindex, &(struct link_change){ .mtu = from->mtu })) < 0)
		return fail(arena, error, status, link->name, "set its MTU");
	if (from->local.s_addr && (status = address_add(socket, link->ifindex, from->local, from->prefix_length)) < 0)
		return fail(arena, error, status, link->name, "add its address");
	if (from->neighbour.s_addr &&
	    (status = neighbour_add(socket, link->ifindex, from->neighbour, (const uint8_t[]){ PL_HWADDR_PEER(number) })) < 0)
		return fail(arena, error, status, link->name, "add its neighbour");
	return 0;
}

/*
 * Links get no IPv6 addresses of themselves, and so have nothing to say to IPv6 routers: neither now nor when IPv6 begins anew on them,
 * as it does when an MTU grows beyond its least. A kernel without IPv6 has no such file.
 */
static void no_ipv6_addresses(void)
{
	int file = open("/proc/sys/net/ipv6/conf/default/addr_gen_mode", O_WRONLY | O_CLOEXEC);

	if (file < 0)
		return;
	if (dprintf(file, "%d\n", IN6_ADDR_GEN_MODE_NONE) < 0)
		errno = 0;	/* such packets are then seen, and reported */
	close(file);
}

static int links_make(struct mnl_socket *socket, struct kernel_target *kernel, const struct target_config *config,
		      bool capture, struct arena *arena, const char **error)
{
	int status = link_change(socket, (int)if_nametoindex("lo"), &(struct link_change){ .up = true });

	if (status < 0)
		return fail(arena, error, status, "lo", "bring it up");
	no_ipv6_addresses();
	for (unsigned i = 0; i < config->links; i++) {
		struct target_link from = config->link[i];

		/* The address may be any of the prefix: whoever wants that sets it up, in the script's init command. */
		if (config->is_anyip)
			from.local.s_addr = 0;
		kernel->links++;
		status = link_make(socket, &kernel->link[i], i, &from, arena, error);
		if (status < 0)
			return status;
	}
	if (config->links && config->remote.s_addr) {
		unsigned length = config->remote_prefix_length ? config->remote_prefix_length : 32;
		struct in_addr gateway = config->is_anyip ? (struct in_addr){ 0 } : config->gateway;

		status = route_add(socket, kernel->link[0].ifindex, config->remote, length, gateway);
		if (status < 0)
			return fail(arena, error, status, kernel->link[0].name, "route the remote address to it");
	}
	for (unsigned i = 0; capture && i < kernel->links; i++)
		if (kernel->link[i].kind != PL_LINK_LOOPBACK &&
		    (status = kernel_capture_open(&kernel->link[i], arena, error)) < 0)
			return status;
	return 0;
}

int kernel_links_make(struct kernel_target *kernel, const struct target_config *config, bool capture, struct arena *arena,
		      const char **error)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int status;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		status = fail(arena, error, -errno, "netlink", "open a socket");
	} else {
		status = links_make(socket, kernel, config, capture, arena, error);
	}
	if (socket)
		mnl_socket_close(socket);
	return status;
}

void kernel_links_close(struct kernel_target *kernel)
{
	for (unsigned i = 0; i < kernel->links; i++) {
		kernel_capture_close(&kernel->link[i]);
		if (kernel->link[i].tun >= 0)
			close(kernel->link[i].tun);
	}
	kernel->links = 0;
}
