/*
 * The packet filter inside the stack: hooks on the packet's way, and what the rules of the tables do there.
 *
 *	           PREROUTING ---- route ---- FORWARD ---- POSTROUTING
 *	in  defragment, raw, track,  |        mangle,      mangle, nat (source),   out
 *	    mangle, nat (dest.)    INPUT      filter       confirm
 *	                           mangle, filter,            |
 *	                           nat (source), confirm    OUTPUT   defragment, raw, track, mangle, nat (dest.), filter
 *	                             |                        |
 *	                           sockets -------------------+
 *
 * A stack on which nothing was ever set has no struct netfilter at all, and the hooks cost it one comparison.
 */
#ifndef REFSTACK_NETFILTER_H
#define REFSTACK_NETFILTER_H

#include <plumbline/filter.h>

#include "../ip/ip.h"

struct conntrack;
struct conntrack_host;
struct filter_table;
struct shared_table;

enum filter_table_id { TABLE_RAW, TABLE_MANGLE, TABLE_NAT, TABLE_FILTER, TABLE_SECURITY, TABLES };

struct netfilter {
	struct filter_table *table[TABLES];	/* NULL: never set */
	struct conntrack_host *conntrack;	/* NULL: no rule ever needed it */
	struct shared_table *shared;	/* what rules share by name */
	unsigned track_users, defragment_users;	/* rules that need tracking, and datagrams whole */
	uint32_t random_state;
	bool is_copying;		/* a packet that a rule has copied passes the hooks */
};

/* Where a packet is: what the rules are asked with. */
struct nf_place {
	unsigned hook;			/* NF_INET_* */
	struct link *in, *out;		/* NULL where there is none */
	struct sock *sk;		/* who sends it, NULL: nobody here */
};

enum nf_verdict { NF_VERDICT_ACCEPT, NF_VERDICT_DROP, NF_VERDICT_STOLEN };

/*
 * The packet (data at its IP header) passes a hook. The packet to go on with, which may be another one than before; or NULL: it
 * is gone, with *error 0 when somebody keeps it and -EPERM or a route's error when it was dropped.
 */
struct pktbuf *nf_hook_slow(struct pl_stack *stack, struct pktbuf *packet, unsigned hook, struct link *in, struct link *out,
			    struct sock *sk, int *error);
static inline struct pktbuf *nf_hook(struct pl_stack *stack, struct pktbuf *packet, unsigned hook, struct link *in,
				     struct link *out, struct sock *sk, int *error)
{
	return stack->netfilter ? nf_hook_slow(stack, packet, hook, in, out, sk, error) : packet;
}

/* --- for those who look from outside --------------------------------------------------------------------------------- */
/* SO_ORIGINAL_DST: where the connection of local:port (host order) with remote:port was first sent to. False: not tracked. */
bool nf_original_destination(const struct pl_stack *stack, uint8_t protocol, struct in_addr local, uint16_t port,
			     struct in_addr remote, uint16_t remote_port, struct sockaddr_in *original);
/* An address or a link goes: connections masqueraded behind it are forgotten. local 0: all of the link's. */
void nf_address_gone(struct pl_stack *stack, const struct link *link, struct in_addr local);
/* A packet has come where it was going, or leaves: it is no part of a connection any more (nf_reset_ct). */
void nf_packet_forget(struct pktbuf *packet);
/* An answer of this host's own to a packet, an error or a reset, belongs to its connection (nf_ct_attach). */
void nf_packet_attach(struct pktbuf *answer, const struct pktbuf *packet);
/* What came with the packet by way of TPROXY: a socket that takes it whatever its addresses are. NULL: none. Not held. */
static inline struct sock *nf_assigned_socket(const struct pktbuf *packet)
{
	return packet->assigned;
}

#endif
