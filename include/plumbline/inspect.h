/* What an observer may see of a stack without taking part: counters and the /proc/net files. */
#ifndef PLUMBLINE_INSPECT_H
#define PLUMBLINE_INSPECT_H

#include <plumbline/stack.h>
#include <sys/types.h>

/* A counter by the kernel's name: "Tcp", "RetransSegs"; "TcpExt", "TCPTimeouts"; "Ip", "InReceives". -1: no such counter. */
int64_t pl_counter(const struct pl_stack *stack, const char *group, const char *name);

/*
 * A /proc/net file in the kernel's own format ("tcp", "udp", "snmp", "netstat", "route", …): malloc'd text in *text and its
 * length, or -ENOENT, -ENOMEM.
 */
ssize_t pl_inspect_file(struct pl_stack *stack, const char *name, char **text);

/* The names that pl_inspect_file knows; NULL past the last. */
extern const char *const pl_inspect_names[];
/* The permission bits that the kernel's file of this name has. */
unsigned pl_inspect_mode(const char *name);

/* Bytes and objects this stack holds now, for leak checks and bounds. */
struct pl_usage {
	size_t sockets, packets, timers, packet_bytes;
};
void pl_usage(const struct pl_stack *stack, struct pl_usage *usage);

#endif
