/*
 * netdevice(7): struct ifreq names a link; its address, flags, MTU and so on are read here, and set in interface_set.c. One row a
 * request.
 */
#include "interface.h"

#include <linux/capability.h>
#include <linux/sockios.h>

/* Newer than some of the headers that the project builds with. */
#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894c
#endif

#include "../ip/ip.h"
#include "../link/link.h"

/* SIOCGIFCONF: an ifreq for each address; with no buffer, the room that they need. */
static int64_t list_addresses(struct pl_stack *stack, void *argument)
{
	struct ifconf conf;
	int used = 0;

	if (!argument)
		return -EFAULT;
	memcpy(&conf, argument, sizeof(conf));
	for (struct link *link = stack->links; link; link = link->next) {
		for (struct inet_address *own = link->ipv4 ? link->ipv4->addresses : NULL; own; own = own->next) {
			struct ifreq entry = { 0 };
			struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = own->local };

			memcpy(entry.ifr_name, own->label[0] ? own->label : link->name, IFNAMSIZ);
			memcpy(&entry.ifr_addr, &address, sizeof(address));
			if (conf.ifc_buf && used + (int)sizeof(entry) > conf.ifc_len)
				break;
			if (conf.ifc_buf)
				memcpy(conf.ifc_buf + used, &entry, sizeof(entry));
			used += (int)sizeof(entry);
		}
	}
	conf.ifc_len = used;
	memcpy(argument, &conf, sizeof(conf));
	return 0;
}

/* The link that an ifreq names: "eth0:1" is a label of an address of eth0. */
struct link *interface_link(struct pl_stack *stack, const struct ifreq *ifreq)
{
	char name[IFNAMSIZ];
	char *colon;

	memcpy(name, ifreq->ifr_name, IFNAMSIZ);
	colon = strchr(name, ':');
	if (colon)
		*colon = '\0';
	return link_by_name(stack, name);
}

/*
 * The address that an ifreq is about: the one with its label; among several, the one whose address the caller gave, if it gave one.
 * NULL: none.
 */
const struct inet_address *interface_address(const struct link *link, const char *name, const struct sockaddr_in *given)
{
	const struct inet_address *first = link->ipv4 ? link->ipv4->addresses : NULL;

	for (const struct inet_address *own = first; own && given->sin_family == AF_INET; own = own->next)
		if (!strcmp(name, own->label) && own->local.s_addr == given->sin_addr.s_addr)
			return own;
	for (const struct inet_address *own = first; own; own = own->next)
		if (!strcmp(name, own->label))
			return own;
	return NULL;
}

/* --- requests that read --------------------------------------------------------------------------------------------------- */

static int64_t get_address(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	struct sockaddr_in address;
	const struct inet_address *own;

	memcpy(&address, &ifreq->ifr_addr, sizeof(address));
	own = interface_address(link, ifreq->ifr_name, &address);
	if (!own)
		return -EADDRNOTAVAIL;
	address = (struct sockaddr_in){ .sin_family = AF_INET };
	if (request == SIOCGIFADDR)
		address.sin_addr = own->local;
	else if (request == SIOCGIFBRDADDR)
		address.sin_addr = own->broadcast;
	else if (request == SIOCGIFNETMASK)
		address.sin_addr = own->mask;
	else
		address.sin_addr = own->address;
	memcpy(&ifreq->ifr_addr, &address, sizeof(address));
	return 0;
}

static int64_t get_flags(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return ifreq->ifr_flags = (short)link->flags, 0;
}

static int64_t get_metric(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return ifreq->ifr_metric = 0;
}

static int64_t get_mtu(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return ifreq->ifr_mtu = (int)link->mtu, 0;
}

static int64_t get_hardware_address(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	memset(&ifreq->ifr_hwaddr, 0, sizeof(ifreq->ifr_hwaddr));
	ifreq->ifr_hwaddr.sa_family = (sa_family_t)link->ops->hardware_type;
	if (link->kind == PL_LINK_ETHERNET)
		memcpy(ifreq->ifr_hwaddr.sa_data, link->hwaddr, sizeof(link->hwaddr));
	return 0;
}

static int64_t get_map(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	memset(&ifreq->ifr_map, 0, sizeof(ifreq->ifr_map));
	return 0;
}

static int64_t get_index(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return ifreq->ifr_ifindex = link->ifindex, 0;
}

static int64_t get_queue_length(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return ifreq->ifr_qlen = (int)link->txqueuelen, 0;
}

/* By number; of the name only the bytes up to its end are written. */
static int64_t get_name(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	link = link_by_index(stack, ifreq->ifr_ifindex);
	if (!link)
		return -ENODEV;
	memcpy(ifreq->ifr_name, link->name, strlen(link->name) + 1);
	return 0;
}

/* --- requests that nothing here answers -------------------------------------------------------------------------------- */

static int64_t never_valid(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return -EINVAL;
}

static int64_t no_driver_has_it(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return -EOPNOTSUPP;
}

#define FIRST_PAGE 4096			/* no address below it is anyone's */

/* What is asked for stands in the caller's memory, before it is known which link is meant. */
static int64_t ethtool(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	if ((uintptr_t)ifreq->ifr_data < FIRST_PAGE)
		return -EFAULT;
	link = interface_link(stack, ifreq);
	return link ? -EOPNOTSUPP : -ENODEV;
}

static int64_t namespace_descriptor(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq)
{
	return -EOPNOTSUPP;
}

/* --- the table ------------------------------------------------------------------------------------------------------------ */

enum { NEEDS_LINK = 1, NEEDS_ADMIN = 2, NEEDS_INET = 4, TELLS = 8, NO_ARGUMENT = 16 };

static const struct request_row {
	unsigned long first, last;
	unsigned rules;			/* checked in the order admin, family of the address, link */
	int64_t (*run)(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq);
} requests[] = {
	{ SIOCGIFNAME, SIOCGIFNAME, TELLS, get_name },
	{ SIOCGIFFLAGS, SIOCGIFFLAGS, NEEDS_LINK | TELLS, get_flags },
	{ SIOCSIFFLAGS, SIOCSIFFLAGS, NEEDS_ADMIN | NEEDS_LINK, interface_set_flags },
	{ SIOCGIFADDR, SIOCGIFADDR, NEEDS_LINK | TELLS, get_address },
	{ SIOCSIFADDR, SIOCSIFADDR, NEEDS_ADMIN | NEEDS_INET | NEEDS_LINK, interface_set_address },
	{ SIOCGIFDSTADDR, SIOCGIFDSTADDR, NEEDS_LINK | TELLS, get_address },
	{ SIOCSIFDSTADDR, SIOCSIFDSTADDR, NEEDS_ADMIN | NEEDS_INET | NEEDS_LINK, interface_set_address },
	{ SIOCGIFBRDADDR, SIOCGIFBRDADDR, NEEDS_LINK | TELLS, get_address },
	{ SIOCSIFBRDADDR, SIOCSIFBRDADDR, NEEDS_ADMIN | NEEDS_INET | NEEDS_LINK, interface_set_address },
	{ SIOCGIFNETMASK, SIOCGIFNETMASK, NEEDS_LINK | TELLS, get_address },
	{ SIOCSIFNETMASK, SIOCSIFNETMASK, NEEDS_ADMIN | NEEDS_INET | NEEDS_LINK, interface_set_address },
	{ SIOCGIFMETRIC, SIOCGIFMETRIC, NEEDS_LINK | TELLS, get_metric },
	{ SIOCSIFMETRIC, SIOCSIFMETRIC, NEEDS_ADMIN | NEEDS_LINK, no_driver_has_it },
	{ SIOCGIFMTU, SIOCGIFMTU, NEEDS_LINK | TELLS, get_mtu },
	{ SIOCSIFMTU, SIOCSIFMTU, NEEDS_ADMIN | NEEDS_LINK, interface_set_mtu },
	{ SIOCSIFNAME, SIOCSIFNAME, NEEDS_ADMIN | NEEDS_LINK, interface_set_name },
	{ SIOCSIFHWADDR, SIOCSIFHWADDR, NEEDS_ADMIN | NEEDS_LINK, interface_set_hardware_address },
	{ SIOCGIFHWADDR, SIOCGIFHWADDR, NEEDS_LINK | TELLS, get_hardware_address },
	{ SIOCGIFSLAVE, SIOCGIFSLAVE, NEEDS_LINK, never_valid },
	{ SIOCSIFSLAVE, SIOCSIFSLAVE, NEEDS_ADMIN | NEEDS_LINK, never_valid },
	{ SIOCADDMULTI, SIOCDELMULTI, NEEDS_ADMIN | NEEDS_LINK, never_valid },
	{ SIOCGIFINDEX, SIOCGIFINDEX, NEEDS_LINK | TELLS, get_index },
	{ SIOCSIFPFLAGS, SIOCGIFPFLAGS, 0, never_valid },
	{ SIOCSIFHWBROADCAST, SIOCSIFHWBROADCAST, NEEDS_ADMIN | NEEDS_LINK, interface_set_hardware_broadcast },
	{ SIOCGIFTXQLEN, SIOCGIFTXQLEN, NEEDS_LINK | TELLS, get_queue_length },
	{ SIOCSIFTXQLEN, SIOCSIFTXQLEN, NEEDS_ADMIN | NEEDS_LINK, interface_set_queue_length },
	{ SIOCETHTOOL, SIOCETHTOOL, 0, ethtool },
	{ SIOCGMIIPHY, SIOCSMIIREG, NEEDS_ADMIN | NEEDS_LINK, no_driver_has_it },
	{ SIOCWANDEV, SIOCWANDEV, NEEDS_LINK, no_driver_has_it },
	{ SIOCGSKNS, SIOCGSKNS, NEEDS_ADMIN | NO_ARGUMENT, namespace_descriptor },
	{ SIOCGIFMAP, SIOCGIFMAP, NEEDS_LINK | TELLS, get_map },
	{ SIOCSIFMAP, SIOCSIFMAP, NEEDS_ADMIN | NEEDS_LINK, no_driver_has_it },
	{ SIOCBONDENSLAVE, SIOCBONDCHANGEACTIVE, NEEDS_LINK, no_driver_has_it },
	{ SIOCDEVPRIVATE, SIOCDEVPRIVATE + 15, NEEDS_LINK, no_driver_has_it },
};

static const struct request_row *request_row(unsigned long request)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (request >= requests[i].first && request <= requests[i].last)
			return &requests[i];
	return NULL;
}

int64_t interface_ioctl(struct pl_stack *stack, unsigned long request, void *argument)
{
	const struct request_row *row = request_row(request);
	struct ifreq ifreq = { 0 };
	struct link *link = NULL;
	int64_t result;

	if (request == SIOCGIFCONF)
		return list_addresses(stack, argument);
	if (!row)
		return -ENOTTY;
	if (!argument && !(row->rules & NO_ARGUMENT))
		return -EFAULT;
	if (argument)
		memcpy(&ifreq, argument, sizeof(ifreq));
	ifreq.ifr_name[IFNAMSIZ - 1] = '\0';
	if (row->rules & NEEDS_ADMIN && !capable(stack, CAP_NET_ADMIN))
		return -EPERM;
	if (row->rules & NEEDS_INET && ifreq.ifr_addr.sa_family != AF_INET)
		return -EINVAL;
	if (row->rules & NEEDS_LINK && !(link = interface_link(stack, &ifreq)))
		return -ENODEV;
	result = row->run(stack, link, request, &ifreq);
	if (!result && row->rules & TELLS)
		memcpy(argument, &ifreq, sizeof(ifreq));
	return result;
}
