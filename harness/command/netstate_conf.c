/* The settings of a namespace's links that decide what becomes of the link's addresses. */
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <plumbline/sysctl.h>
#include <stdio.h>
#include <string.h>

#include "netstate.h"

static bool promotes(struct pl_stack *stack, const char *link)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/promote_secondaries", link);
	return pl_sysctl_read(stack, path, text, sizeof(text)) > 0 && *text != '0';
}

static void set_promote(struct mnl_socket *socket, const char *name, bool on)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *body;
	struct nlattr *families, *family, *conf;

	request->nlmsg_type = RTM_SETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	body->ifi_family = AF_UNSPEC;
	body->ifi_index = (int)if_nametoindex(name);
	families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	family = mnl_attr_nest_start(request, AF_INET);
	conf = mnl_attr_nest_start(request, IFLA_INET_CONF);
	mnl_attr_put_u32(request, IPV4_DEVCONF_PROMOTE_SECONDARIES, on);
	mnl_attr_nest_end(request, conf);
	mnl_attr_nest_end(request, family);
	mnl_attr_nest_end(request, families);
	if (body->ifi_index && mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0)
		mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
}

void netstate_show_conf(struct pl_stack *stack)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct if_nameindex *links = socket ? if_nameindex() : NULL;
	bool all = promotes(stack, "all");

	for (struct if_nameindex *link = links; link && link->if_name; link++)
		set_promote(socket, link->if_name, all || promotes(stack, link->if_name));
	if (links)
		if_freenameindex(links);
	if (socket)
		mnl_socket_close(socket);
}
