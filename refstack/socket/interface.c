/* netdevice(7): struct ifreq names a link; its address, flags, MTU and so on are read, a few are set. */
#include "interface.h"

#include <linux/capability.h>
#include <linux/sockios.h>

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
	if (conf.ifc_len < 0)
		return -EINVAL;
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
static struct link *request_link(struct pl_stack *stack, const struct ifreq *ifreq)
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
static const struct inet_address *request_address(const struct link *link, const char *name, const struct sockaddr_in *given)
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

/* SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFDSTADDR; what has no answer is -EINVAL. */
static int64_t get_address(struct pl_stack *stack, unsigned long request, struct ifreq *ifreq)
{
	struct sockaddr_in address;
	const struct inet_address *own;
	const struct link *link;

	if (request == SIOCGIFPFLAGS || request == SIOCSIFPFLAGS)
		return -EINVAL;
	link = request_link(stack, ifreq);
	if (!link)
		return -ENODEV;
	memcpy(&address, &ifreq->ifr_addr, sizeof(address));
	own = request_address(link, ifreq->ifr_name, &address);
	if (!own)
		return -EADDRNOTAVAIL;
	address = (struct sockaddr_in){ .sin_family = AF_INET };
	switch (request) {
	case SIOCGIFADDR:
		address.sin_addr = own->local;
		break;
	case SIOCGIFBRDADDR:
		address.sin_addr = own->broadcast;
		break;
	case SIOCGIFNETMASK:
		address.sin_addr = own->mask;
		break;
	default:
		address.sin_addr = own->address;
		break;
	}
	memcpy(&ifreq->ifr_addr, &address, sizeof(address));
	return 0;
}

static void get_hardware_address(const struct link *link, struct ifreq *ifreq)
{
	memset(&ifreq->ifr_hwaddr, 0, sizeof(ifreq->ifr_hwaddr));
	ifreq->ifr_hwaddr.sa_family = (sa_family_t)link->ops->hardware_type;
	if (link->kind == PL_LINK_ETHERNET)
		memcpy(ifreq->ifr_hwaddr.sa_data, link->hwaddr, sizeof(link->hwaddr));
}

/* Requests that read a link. */
static int64_t get_link(struct link *link, unsigned long request, struct ifreq *ifreq)
{
	switch (request) {
	case SIOCGIFFLAGS:
		ifreq->ifr_flags = (short)link->flags;
		return 0;
	case SIOCGIFMETRIC:
		ifreq->ifr_metric = 0;
		return 0;
	case SIOCGIFMTU:
		ifreq->ifr_mtu = (int)link->mtu;
		return 0;
	case SIOCGIFHWADDR:
		get_hardware_address(link, ifreq);
		return 0;
	case SIOCGIFMAP:
		memset(&ifreq->ifr_map, 0, sizeof(ifreq->ifr_map));
		return 0;
	case SIOCGIFINDEX:
		ifreq->ifr_ifindex = link->ifindex;
		return 0;
	case SIOCGIFTXQLEN:
		ifreq->ifr_qlen = (int)link->txqueuelen;
		return 0;
	case SIOCGIFSLAVE:
		return -EINVAL;
	}
	return -ENOTTY;
}

/* What SIOCSIFFLAGS may change beside IFF_UP. */
#define FLAGS_TO_SET (IFF_DEBUG | IFF_NOTRAILERS | IFF_NOARP | IFF_DYNAMIC | IFF_MULTICAST | IFF_PORTSEL | IFF_AUTOMEDIA)

/* Requests that change a link. */
static int64_t set_link(struct pl_stack *stack, struct link *link, unsigned long request, const struct ifreq *ifreq)
{
	if (!capable(stack, CAP_NET_ADMIN))
		return -EPERM;
	if (!link)
		return -ENODEV;
	switch (request) {
	case SIOCSIFFLAGS:
		if (strchr(ifreq->ifr_name, ':'))
			return -EADDRNOTAVAIL;
		link->flags = (link->flags & ~(unsigned)FLAGS_TO_SET) | ((unsigned)ifreq->ifr_flags & FLAGS_TO_SET);
		return pl_link_set_up(stack, link->ifindex, ifreq->ifr_flags & IFF_UP);
	case SIOCSIFMTU:
		return pl_link_set_mtu(stack, link->ifindex, (unsigned)ifreq->ifr_mtu);
	case SIOCSIFTXQLEN:
		if (ifreq->ifr_qlen < 0)
			return -EINVAL;
		link->txqueuelen = (unsigned)ifreq->ifr_qlen;
		return 0;
	case SIOCSIFMETRIC:
		return -EOPNOTSUPP;
	}
	return -ENOTTY;
}

/* What a request is about; REQUEST_NOBODY: a driver's, and no driver here has it; REQUEST_NONE: not about a network device. */
enum request_kind { REQUEST_NONE, REQUEST_ADDRESS, REQUEST_GET, REQUEST_SET, REQUEST_NAME, REQUEST_LIST, REQUEST_NOBODY };

static enum request_kind request_kind(unsigned long request)
{
	switch (request) {
	case SIOCGIFADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFDSTADDR:
		return REQUEST_ADDRESS;
	case SIOCGIFFLAGS:
	case SIOCGIFMETRIC:
	case SIOCGIFMTU:
	case SIOCGIFHWADDR:
	case SIOCGIFMAP:
	case SIOCGIFINDEX:
	case SIOCGIFTXQLEN:
	case SIOCGIFSLAVE:
		return REQUEST_GET;
	case SIOCSIFFLAGS:
	case SIOCSIFMTU:
	case SIOCSIFTXQLEN:
	case SIOCSIFMETRIC:
		return REQUEST_SET;
	case SIOCGIFNAME:
		return REQUEST_NAME;
	case SIOCGIFCONF:
		return REQUEST_LIST;
	case SIOCGIFPFLAGS:
	case SIOCSIFPFLAGS:
		return REQUEST_ADDRESS;
	}
	if ((request >= SIOCDEVPRIVATE && request <= SIOCDEVPRIVATE + 15) || (request >= SIOCBONDENSLAVE && request <= SIOCBONDCHANGEACTIVE))
		return REQUEST_NOBODY;
	return REQUEST_NONE;
}

int64_t interface_ioctl(struct pl_stack *stack, unsigned long request, void *argument)
{
	enum request_kind kind = request_kind(request);
	struct ifreq ifreq;
	struct link *link;
	int64_t result;

	if (kind == REQUEST_NONE)
		return -ENOTTY;
	if (kind == REQUEST_LIST)
		return list_addresses(stack, argument);
	if (!argument)
		return -EFAULT;
	memcpy(&ifreq, argument, sizeof(ifreq));
	ifreq.ifr_name[IFNAMSIZ - 1] = '\0';
	if (kind == REQUEST_ADDRESS) {
		result = get_address(stack, request, &ifreq);
	} else if (kind == REQUEST_NAME) {
		link = link_by_index(stack, ifreq.ifr_ifindex);
		result = link ? 0 : -ENODEV;
		if (link)
			memcpy(ifreq.ifr_name, link->name, IFNAMSIZ);
	} else {
		link = request_link(stack, &ifreq);
		if (kind == REQUEST_SET)
			return set_link(stack, link, request, &ifreq);
		if (kind == REQUEST_NOBODY)
			return link ? -EOPNOTSUPP : -ENODEV;
		result = link ? get_link(link, request, &ifreq) : -ENODEV;
	}
	if (!result)
		memcpy(argument, &ifreq, sizeof(ifreq));
	return result;
}
