/* The other end of one TCP connection, for unit tests: segments in by sequence numbers relative to both ends' first ones. */
#ifndef TESTS_TCP_PEER_H
#define TESTS_TCP_PEER_H

#include "../support.h"

#include <linux/tcp.h>

struct peer {
	struct fixture *fixture;
	uint32_t iss;			/* of the stack */
	uint16_t port;
	int listener, fd;		/* the stack's descriptors */
};

/* A listener on port 8080 and a connection to it: MSS 1000, SACK, window scale 10; accepted at the present time plus rtt. */
void peer_connect(struct peer *peer, struct fixture *fixture, pl_time rtt);
/* An acknowledgement of `ack` bytes with window 65535 << 10, and one SACK block when sack_end is not 0. */
void peer_ack(struct peer *peer, uint32_t ack, uint32_t sack_start, uint32_t sack_end);
void peer_after(struct peer *peer, pl_time span);	/* let time pass */
struct tcp_sock *peer_sock(const struct peer *peer);	/* the connection, from inside */
void peer_info(struct peer *peer, void *info, size_t size);	/* TCP_INFO */
uint32_t peer_sent_seq(const struct peer *peer, const struct sent_packet *packet);	/* relative: the first data byte is 1 */
uint32_t sent_payload(const struct sent_packet *packet);

#endif
