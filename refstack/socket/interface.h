/* ioctl requests about network devices. */
#ifndef REFSTACK_INTERFACE_H
#define REFSTACK_INTERFACE_H

#include "file.h"

/* SIOCGIF*, SIOCSIF*: 0 or the kernel's error; -ENOTTY: not one of them. */
int64_t interface_ioctl(struct pl_stack *stack, unsigned long request, void *argument);

#endif
