/* The /proc/net files, each in the kernel's own format: one writer a file, one row here. */
#ifndef REFSTACK_PROC_H
#define REFSTACK_PROC_H

#include <stdio.h>

#include "../internal.h"

/* Write the file's text of this moment. */
typedef void proc_writer(struct pl_stack *stack, FILE *to);

#define PROC_FILES(X)                                                                                                          \
	X(arp)                                                                                                                 \
	X(dev)                                                                                                                 \
	X(fib_trie)                                                                                                            \
	X(icmp)                                                                                                                \
	X(igmp)                                                                                                                \
	X(ip_mr_cache)                                                                                                         \
	X(ip_mr_vif)                                                                                                           \
	X(mcfilter)                                                                                                            \
	X(netstat)                                                                                                             \
	X(nf_conntrack)                                                                                                        \
	X(packet)                                                                                                              \
	X(raw)                                                                                                                 \
	X(route)                                                                                                               \
	X(snmp)                                                                                                                \
	X(sockstat)                                                                                                            \
	X(tcp)                                                                                                                 \
	X(udp)                                                                                                                 \
	X(udplite)

#define PROC_DECLARE(name) proc_writer proc_##name;
PROC_FILES(PROC_DECLARE)
#undef PROC_DECLARE

/* One line, padded with spaces to `width` characters, as the kernel pads lines whose length it wants fixed. */
void proc_line(FILE *to, int width, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
