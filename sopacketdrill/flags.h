/*
 * What --so_flags may say, separated by commas:
 *
 *	local=ADDRESS[/LENGTH]	the host's address; without it the host takes on the first address that it is spoken to by
 *	mtu=N			of its link
 *	seed=N			of everything random
 *	NAME=VALUE		a tunable, where NAME has a dot in it: net.ipv4.tcp_sack=0
 */
#ifndef SOPACKETDRILL_FLAGS_H
#define SOPACKETDRILL_FLAGS_H

#include <netinet/in.h>
#include <stdint.h>

struct so_flags {
	struct in_addr local;		/* 0: not told */
	unsigned prefix_length, mtu;
	uint64_t seed;
	char *text;			/* the flags, taken apart; to be freed with the rest */
	struct {
		const char *name, *value;
	} sysctl[64];
	unsigned sysctls;
};

/* Zero, or -1 with a message written to `message`. */
int flags_parse(const char *text, struct so_flags *flags, char *message, size_t size);

#endif
