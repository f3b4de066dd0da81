/* What the files about sockets share. */
#ifndef REFSTACK_PROC_SOCKETS_H
#define REFSTACK_PROC_SOCKETS_H

#include "proc.h"

unsigned long long proc_pointer(uint32_t inode);
void proc_tcp_summary(struct pl_stack *stack, FILE *to);	/* the TCP line of sockstat */

#endif
