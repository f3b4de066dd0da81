/* /proc/net/dev, arp, igmp, mcfilter, packet: what belongs to links. */
#include <inttypes.h>
#include <stdlib.h>

#include "../ip/ip.h"
#include "../socket/file.h"
#include "../socket/multicast.h"
#include "proc.h"

void proc_dev(struct pl_stack *stack, FILE *to)
{
	fputs("Inter-|   Receive                                                |  Transmit\n"
	      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
	      "compressed\n",
	      to);
	for (const struct link *link = stack->links; link; link = link->next)
		fprintf(to,
			"%6s: %7" PRIu64 " %7" PRIu64 " %4" PRIu64 " %4" PRIu64 " %4d %5d %10d %9" PRIu64 " %8" PRIu64 " %7" PRIu64
			" %4" PRIu64 " %4" PRIu64 " %4d %5d %7d %10d\n",
			link->name, link->rx_bytes, link->rx_packets, link->rx_errors, link->rx_dropped, 0, 0, 0, link->multicast,
			link->tx_bytes, link->tx_packets, link->tx_errors, link->tx_dropped, 0, 0, 0, 0);
}

void proc_arp(struct pl_stack *stack, FILE *to)
{
	fputs("IP address       HW type     Flags       HW address            Mask     Device\n", to);
}

void proc_packet(struct pl_stack *stack, FILE *to)
{
	fputs("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n", to);
}

/* Of all memberships on one link: how many sockets are in the group. */
static unsigned group_users(const struct pl_stack *stack, const struct link *link, struct in_addr group)
{
	unsigned users = group.s_addr == htonl(INADDR_ALLHOSTS_GROUP);

	for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
		for (const struct ip_memberships *member = sk->memberships; member; member = member->next)
			users += member->ifindex == link->ifindex && member->group.s_addr == group.s_addr;
	return users;
}

/* The groups of a link, each once, the one joined last first; *count of them. The caller frees. */
static struct in_addr *groups_of(const struct pl_stack *stack, const struct link *link, size_t *count)
{
	struct in_addr *groups = NULL;
	size_t n = 0;

	for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
		for (const struct ip_memberships *member = sk->memberships; member; member = member->next) {
			size_t i = 0;

			if (member->ifindex != link->ifindex)
				continue;
			while (i < n && groups[i].s_addr != member->group.s_addr)
				i++;
			if (i < n)
				continue;
			struct in_addr *more = realloc(groups, (n + 2) * sizeof(*more));
			if (!more)
				break;
			groups = more;
			groups[n++] = member->group;
		}
	if (!groups)
		groups = malloc(sizeof(*groups));
	if (groups)
		groups[n++].s_addr = htonl(INADDR_ALLHOSTS_GROUP);
	*count = groups ? n : 0;
	return groups;
}

static int igmp_version(const struct pl_stack *stack, const struct link *link)
{
	int all = stack->sysctl.conf_all.force_igmp_version, own = link->ipv4->conf.force_igmp_version;
	int forced = all ? all : own;

	return forced == 1 || forced == 2 ? forced : 3;
}

void proc_igmp(struct pl_stack *stack, FILE *to)
{
	fputs("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n", to);
	for (const struct link *link = stack->links; link; link = link->next) {
		size_t count;

		if (!link_is_up(link))
			continue;
		struct in_addr *groups = groups_of(stack, link, &count);
		fprintf(to, "%d\t%-10s: %5zu      V%d\n", link->ifindex, link->name, count, igmp_version(stack, link));
		for (size_t i = 0; i < count; i++)
			fprintf(to, "\t\t\t\t%08X %5u 0:%08X\t\t%d\n", groups[i].s_addr, group_users(stack, link, groups[i]), 0, 0);
		free(groups);
	}
}

void proc_mcfilter(struct pl_stack *stack, FILE *to)
{
	bool any = false;

	for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
		for (const struct ip_memberships *member = sk->memberships; member; member = member->next)
			any |= member->count > 0;
	fputs("Idx Device        MCA        SRC    INC    EXC\n", to);
	for (const struct link *link = stack->links; any && link; link = link->next)
		for (const struct sock *sk = sock_first(stack); sk; sk = sk->all_next)
			for (const struct ip_memberships *member = sk->memberships; member; member = member->next)
				for (uint32_t i = 0; member->ifindex == link->ifindex && i < member->count; i++)
					fprintf(to, "%3d %6.6s 0x%08x 0x%08x %6d %6d\n", link->ifindex, link->name,
						ntohl(member->group.s_addr), ntohl(member->source[i].s_addr), !member->exclude,
						member->exclude);
}
