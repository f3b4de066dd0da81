/* Option tables: a row an option, indexed by its number. */
#ifndef REFSTACK_OPTIONS_H
#define REFSTACK_OPTIONS_H

#include <linux/net_tstamp.h>

#include "file.h"

/* Newer than some of the headers that the project builds with. */
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif
#ifndef SO_DEVMEM_DONTNEED
#define SO_DEVMEM_DONTNEED 80
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82
#define SO_PASSRIGHTS 83
#endif
#ifndef SOF_TIMESTAMPING_OPT_ID_TCP
#define SOF_TIMESTAMPING_OPT_ID_TCP (1 << 16)
#endif
#define SOF_TIMESTAMPING_RX_FILTER (1 << 17)	/* SOF_TIMESTAMPING_OPT_RX_FILTER; an enumerator in newer headers */
#define SOF_TIMESTAMPING_ALL ((1 << 19) - 1)	/* up to SOF_TIMESTAMPING_TX_COMPLETION */

/* What the caller of setsockopt gave: at least an int, except with SO_BINDTODEVICE. */
struct option_value {
	const void *bytes;
	socklen_t length;
};

/* What getsockopt gives back: the number, or bytes and their length. */
struct option_out {
	union {
		int number;
		uint8_t bytes[64];
	};
	size_t length;
	socklen_t room;			/* the caller's */
};

static inline int64_t option_out_bytes(struct option_out *out, const void *bytes, size_t length)
{
	memcpy(out->bytes, bytes, length);
	out->length = length;
	return 0;
}

struct option_row {
	bool is_flag;			/* a switch that is one bit of sock.flag; set and get, where given, come first */
	enum sock_flag flag;
	int64_t (*set)(struct sock *sk, int value, const struct option_value *option);
	int64_t (*get)(struct sock *sk, struct option_out *out);
};

/* Newer than some of the headers that the project builds with. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif
#ifndef IP_RECVERR_RFC4884
#define IP_RECVERR_RFC4884 26
#endif

void ip_set_tos(struct sock *sk, uint8_t tos);	/* and the priority that goes with it */
/* A checked area of options: malloc'd, or NULL and *error -EINVAL, -EFAULT, -ENOMEM. */
struct ip_options *ip_options_make(struct sock *sk, const void *bytes, size_t length, int64_t *error);
int64_t ip_set_header_options(struct sock *sk, const void *value, socklen_t length);
int64_t ip_get_header_options(struct sock *sk, void *value, socklen_t *length);
int64_t ip_get_packet_options(struct sock *sk, void *value, socklen_t *length);

/* The two levels of an IPv4 socket that are not its protocol's: IPPROTO_IP, or the kernel's error for another. */
int64_t inet_setsockopt(struct sock *sk, int level, int name, const void *value, socklen_t length);
int64_t inet_getsockopt(struct sock *sk, int level, int name, void *value, socklen_t *length);
/* getsockname and getpeername of any IPv4 socket. */
int64_t inet_getname(struct sock *sk, struct sockaddr_in *address, bool peer);
/* May sk bind to an address of this type (RTN_*)? */
bool inet_address_bindable(struct sock *sk, struct in_addr address, int type);

#endif
