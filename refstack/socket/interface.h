/* ioctl requests about network devices (netdevice(7)), neighbours (arp(7)) and routes (rt_ioctl of old). */
#ifndef REFSTACK_INTERFACE_H
#define REFSTACK_INTERFACE_H

#include <net/if.h>

#include "../ip/ip.h"
#include "../link/link.h"
#include "file.h"

/* Each: 0 or the kernel's error; -ENOTTY: not one of them. */
int64_t interface_ioctl(struct pl_stack *stack, unsigned long request, void *argument);	/* interface.c */
int64_t route_ioctl(struct pl_stack *stack, unsigned long request, void *argument);	/* route_request.c: SIOCADDRT, SIOCDELRT */
int64_t arp_ioctl(struct pl_stack *stack, unsigned long request, void *argument);	/* arp_request.c: SIOCSARP, SIOCGARP, SIOCDARP */

/* The link that an ifreq names ("eth0:1" is a label of an address of eth0); NULL: none. */
struct link *interface_link(struct pl_stack *stack, const struct ifreq *ifreq);
/*
 * The address that an ifreq is about: the one with its label; among several, the one whose address the caller gave, if it gave one.
 * NULL: none.
 */
const struct inet_address *interface_address(const struct link *link, const char *name, const struct sockaddr_in *given);

/* interface_set.c: requests that change a link. The caller is privileged, the link exists. */
int64_t interface_set_flags(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq);
int64_t interface_set_address(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq);
int64_t interface_set_mtu(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq);
int64_t interface_set_name(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq);
int64_t interface_set_hardware_address(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq);
int64_t interface_set_hardware_broadcast(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq);
int64_t interface_set_queue_length(struct pl_stack *stack, struct link *link, unsigned long request, struct ifreq *ifreq);

#endif
