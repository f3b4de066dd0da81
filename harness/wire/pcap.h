/*
 * Capture files: classic pcap with nanosecond time stamps (magic 0xa1b23c4d), in the byte order of this machine, so that the same
 * packets at the same times give the same bytes.
 */
#ifndef HARNESS_WIRE_PCAP_H
#define HARNESS_WIRE_PCAP_H

#include <plumbline/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct pcap_file;
struct trace;

/* Longest packet that a file holds: an IPv4 packet and an Ethernet header, with room to spare. */
#define PCAP_SNAP_LENGTH 262144

/*
 * Create (or empty) a file. With `ethernet` its packets begin with an Ethernet header (LINKTYPE_ETHERNET), else with an IP
 * header (LINKTYPE_RAW). NULL: errno says why.
 */
struct pcap_file *pcap_file_create(const char *path, bool ethernet);

/*
 * Add a packet seen at `time`, nanoseconds since 1970. `ethernet`: the bytes begin with an Ethernet header; where the file's
 * packets do and these do not, they get one with zero addresses, and the other way round lose it. Transport checksums that the
 * stack left to the device are completed, as the device would.
 */
void pcap_file_add(struct pcap_file *file, int64_t time, bool ethernet, const uint8_t *bytes, size_t length, struct arena *arena);

/* 0, or -errno of the first write that failed. */
int pcap_file_close(struct pcap_file *file);

/* All packets of a trace into a new file: 0 or -errno. */
int pcap_write_trace(const char *path, const struct trace *trace);

#endif
