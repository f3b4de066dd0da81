/*
 * Connection tracking: which connection a packet belongs to, in what state that is, and how its addresses are translated.
 *
 * A connection is known by two tuples: that of its first packet, and that which a reply will have. Without translation one is the
 * inverse of the other; translating means to change the reply's tuple when the connection is new, and then to make every packet's
 * header the inverse of the tuple of the other direction (RFC 3022's NAPT, with a table that serves both directions).
 */
#ifndef REFSTACK_NETFILTER_CONNTRACK_H
#define REFSTACK_NETFILTER_CONNTRACK_H

#include "netfilter.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>

enum direction { ORIGINAL, REPLY };
enum { INFO_UNTRACKED = 7 };	/* beside enum ip_conntrack_info: a packet that is not to be tracked */

struct tuple {
	struct in_addr source, destination;
	uint16_t source_port, destination_port;	/* network order; of ICMP the identifier, and 0 */
	uint8_t icmp_type, icmp_code;		/* of ICMP queries */
	uint8_t protocol, zero;		/* zero: tuples are hashed as bytes */
};

/* TCP's states as the tracker has them, in the order in which they are reached. */
enum tracked_tcp {
	TRACKED_NONE, TRACKED_SYN_SENT, TRACKED_SYN_RECV, TRACKED_ESTABLISHED, TRACKED_FIN_WAIT, TRACKED_CLOSE_WAIT,
	TRACKED_LAST_ACK, TRACKED_TIME_WAIT, TRACKED_CLOSE, TRACKED_SYN_SENT2, TRACKED_STATES,
};
/* What one end of a TCP connection has sent and may send; conntrack_tcp.c has the theory. */
struct tracked_end {
	uint32_t end;			/* past the highest sequence number sent */
	uint32_t max_end;		/* past what the other end has allowed */
	uint32_t max_window;		/* largest window that it has offered */
	uint32_t max_ack;		/* highest acknowledgement that it has sent */
	uint8_t scale;
	bool scales, sacks, liberal, closed_first, unacknowledged, acked;
};
struct tracked_tcp_state {
	enum tracked_tcp state;
	struct tracked_end seen[2];
	uint8_t last_kind, last_direction;	/* of the packet before */
	uint32_t last_seq, last_ack, last_end;
	uint16_t last_window;
	uint8_t last_scale;
	bool last_scales, last_sacks, simultaneous, challenge_expected;	/* of a SYN that was let through unbelieved */
	uint8_t retransmissions;
};

struct conntrack_node {			/* in the bucket of one of its tuples */
	struct conntrack_node *next;
	struct conntrack *conntrack;
	enum direction direction;
};

struct conntrack {
	unsigned references;		/* the table's, and one for each packet that is part of it */
	struct conntrack_node node[2];
	struct tuple tuple[2];
	uint32_t status;		/* IPS_*, <linux/netfilter/nf_conntrack_common.h> */
	bool is_dead;			/* taken out of the table */
	pl_time timeout;		/* an instant once it is confirmed; a span before */
	uint32_t mark;
	bool is_counted;		/* nf_conntrack_acct was set when it began */
	uint64_t packets[2], bytes[2];
	int masquerade_link;		/* ifindex that it was masqueraded for, 0: none */
	pl_time stream_since;		/* UDP: from then on it counts as a stream */
	struct tracked_tcp_state tcp;
};

#define CONNTRACK_BUCKETS 1024
struct conntrack_host {
	struct conntrack_node *bucket[CONNTRACK_BUCKETS];
	unsigned count;
	uint8_t key[16];
};

/* --- conntrack.c ------------------------------------------------------------------------------------------------------ */
int conntrack_enable(struct pl_stack *stack);	/* 0 or -ENOMEM */
void conntrack_resume(struct pl_stack *stack);	/* rules want it again: what was seen of TCP windows meanwhile is not known */
void conntrack_host_free(struct pl_stack *stack);
/* Find or make the packet's connection: packet->conntrack and its conntrack_info. */
enum nf_verdict conntrack_packet(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place);
enum nf_verdict conntrack_confirm(struct pl_stack *stack, struct pktbuf *packet);	/* it has passed every rule */
struct conntrack *conntrack_find(const struct pl_stack *stack, const struct tuple *tuple, enum direction *direction);
void conntrack_hold(struct conntrack *conntrack);
void conntrack_put(struct conntrack *conntrack);	/* NULL too */
void conntrack_kill(struct pl_stack *stack, struct conntrack *conntrack);
void conntrack_kill_all(struct pl_stack *stack, bool (*wanted)(const struct conntrack *, const void *), const void *argument);
void packet_set_conntrack(struct pktbuf *packet, struct conntrack *conntrack, unsigned info);
/* Connections that are alive, in no order: the one behind `after`, the first for NULL. NULL: none is left. */
struct conntrack *conntrack_next(const struct pl_stack *stack, const struct conntrack *after);
bool conntrack_expired(const struct pl_stack *stack, const struct conntrack *conntrack);
/* The timeout is `span` from now, and the packet is counted. */
void conntrack_refresh(struct pl_stack *stack, struct conntrack *conntrack, enum ip_conntrack_info info,
		       const struct pktbuf *packet, pl_time span);
static inline enum direction info_direction(enum ip_conntrack_info info)
{
	return info >= IP_CT_IS_REPLY && (int)info != INFO_UNTRACKED ? REPLY : ORIGINAL;
}
static inline bool conntrack_is_confirmed(const struct conntrack *conntrack)
{
	return conntrack->status & IPS_CONFIRMED;
}

/* --- conntrack_tuple.c --------------------------------------------------------------------------------------------------- */
/* The tuple of an IP packet of `length` bytes from its header on. False: it has none (a later fragment, too short). */
bool tuple_of(const struct iphdr *ip, size_t length, struct tuple *tuple);
bool tuple_invert(const struct tuple *tuple, struct tuple *inverse);	/* false: an ICMP type that has no answer */
bool tuple_equal(const struct tuple *a, const struct tuple *b);
bool icmp_is_error(uint8_t type);
bool tuple_has_ports(const struct tuple *tuple);	/* false for ICMP too */

/* --- the protocols: conntrack_protocols.c, conntrack_tcp.c ---------------------------------------------------------------- */
enum tracked { TRACKED_VALID, TRACKED_INVALID, TRACKED_DROP, TRACKED_REPEAT };	/* REPEAT: the connection is gone, look anew */
/* A packet of the connection, new or known: state and timeout. */
enum tracked track_protocol(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack,
			    enum ip_conntrack_info info, const struct nf_place *place);
enum tracked track_tcp(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack, enum ip_conntrack_info info,
		       const struct nf_place *place);
/* Is the checksum behind the IP header right? Asked only of packets that came in at this hook. */
bool transport_checksum_right(const struct pktbuf *packet);

#endif
