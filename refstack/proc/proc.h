/* The /proc/net files, each in the kernel's own format: one writer a file, one row in proc.c. */
#ifndef REFSTACK_PROC_H
#define REFSTACK_PROC_H

#include <stdio.h>

#include "../internal.h"

/* Write the file's text of this moment. */
typedef void proc_writer(struct pl_stack *stack, FILE *to);

proc_writer proc_snmp, proc_netstat;

#endif
