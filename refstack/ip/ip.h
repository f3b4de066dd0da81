/* IPv4: input, output, routes, ICMP, addresses. Addresses in network order unless the name says host. */
#ifndef REFSTACK_IP_H
#define REFSTACK_IP_H

#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#include "../internal.h"
#include "../link/link.h"
#include "../socket/sock.h"

/* --- addresses (device.c) -------------------------------------------------------------------------------------------- */
struct in_device {
	struct link *link;
	struct inet_address *addresses;	/* primary first, in the order added */
	struct conf_sysctls conf;	/* conf/IF */
	struct neigh_sysctls neigh;	/* neigh/IF */
	uint64_t conf_set, neigh_set;	/* a bit per int of them: set on this link, no longer the default's */
	struct ip_mc_list *groups;
};
struct inet_address {
	struct inet_address *next;
	struct in_addr local, address, broadcast, mask;	/* address: the peer's on point-to-point links */
	uint8_t prefix_length, scope, flags;
	char label[IFNAMSIZ];
};

/* --- routes (route.c) -------------------------------------------------------------------------------------------------- */
struct flow {			/* what a route is looked up by, and what the lookup fills in */
	struct in_addr destination, source;
	int output_link, input_link;
	uint8_t tos, protocol, scope, flags;
	uint32_t mark, uid;
	uint16_t source_port, destination_port;	/* for multipath hashing; host order */
};
/* A resolved route: reference counted, thrown away by generation. */
struct route {
	unsigned references;
	uint64_t generation;
	uint8_t type;			/* RTN_LOCAL, RTN_UNICAST, RTN_BROADCAST, RTN_MULTICAST, ... */
	int error;			/* negative errno for unreachable, prohibit, blackhole */
	struct link *link;
	struct in_addr gateway;		/* next hop: the destination itself when on link */
	struct in_addr destination, source;
	uint32_t metric[18];		/* RTAX_*, 0: not given */
	uint32_t pmtu;			/* learnt, 0: none */
	bool pmtu_locked;
	pl_time pmtu_expires;
	bool uses_gateway;
};
/* Find the way out for flow; fills flow->source when it was 0. A held route in *route, or -ENETUNREACH, -EHOSTUNREACH, ... */
int route_output(struct pl_stack *stack, struct flow *flow, struct route **route);
/* What to do with a packet that came in: the held route's type says local, forward (unicast), broadcast, multicast, error. */
int route_input(struct pl_stack *stack, struct pktbuf *packet, struct route **route);
struct route *route_hold(struct route *route);
void route_put(struct pl_stack *stack, struct route *route);
void route_cache_flush(struct pl_stack *stack);	/* every cached route is stale from now on */
bool route_valid(const struct pl_stack *stack, const struct route *route);
/* The route of a connected socket, looked up again when it is stale; NULL and *error when there is none. Not held. */
struct route *sock_route(struct sock *sk, int *error);
uint32_t route_mtu(const struct pl_stack *stack, const struct route *route);	/* dst_mtu: learnt, locked or the link's */
uint32_t route_advmss(const struct pl_stack *stack, const struct route *route);	/* dst_metric_advmss */
void route_pmtu_learn(struct pl_stack *stack, struct in_addr destination, uint32_t mtu);	/* from ICMP; min_pmtu, mtu_expires */
/* RTN_* of an address as `ip route get` classes it: local, broadcast, multicast, unicast, ... */
int address_type(struct pl_stack *stack, struct in_addr address);
/* Does some socket of the host take packets to this group that come in on link? source 0: from anyone (socket/multicast.c). */
bool ip_mc_member(struct pl_stack *stack, const struct link *link, struct in_addr group, struct in_addr source);
struct in_addr select_source(struct pl_stack *stack, const struct link *link, struct in_addr destination, uint8_t scope);

/* --- input (input.c) ------------------------------------------------------------------------------------------------------- */
/* A packet with data at its IP header has come in on packet->link. Consumes it. */
void ip_receive(struct pl_stack *stack, struct pktbuf *packet);

/* Transport protocols, one row each in protocols.c. */
struct ip_protocol {
	/* data at the transport header, packet->network set. Consumes the packet; true: some socket took it (no ICMP needed). */
	bool (*receive)(struct pl_stack *stack, struct pktbuf *packet);
	/* An ICMP error quotes a packet of ours: icmp at its ICMP header, quoted = the inner IP header, `length` bytes present. */
	void (*error)(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info);
	bool icmp_strict_tag_validation;
};
extern const struct ip_protocol *const ip_protocol_table[256];

/* --- output (output.c) ------------------------------------------------------------------------------------------------------ */
struct ip_send {		/* everything that the IP header of one packet needs */
	struct in_addr source, destination;
	uint8_t protocol, tos;
	uint8_t ttl;			/* 0: the route's or ip_default_ttl */
	bool dont_fragment;		/* DF as IP_MTU_DISCOVER decides */
	bool ignore_df;			/* local fragmentation allowed although DF */
	const struct ip_options *options;
	struct route *route;		/* not consumed; NULL: looked up */
	struct sock *sk;		/* for ids, mark, priority; NULL: the stack itself */
	int id;				/* -1: chosen as Linux does */
};
/* Put an IP header before data (the transport header) and send. Consumes the packet. 0, or -EMSGSIZE, -ENOBUFS, ... */
int ip_send_packet(struct pl_stack *stack, struct pktbuf *packet, const struct ip_send *send);
#define IP_HEADROOM 96		/* room that pktbuf_new leaves for IP and link headers */

/* --- ICMP (icmp.c) -------------------------------------------------------------------------------------------------------- */
/* An ICMP error about `packet` (data anywhere, network header set), subject to every rule of RFC 1122 3.2.2 and the rate limits. */
void icmp_send_error(struct pl_stack *stack, struct pktbuf *packet, uint8_t type, uint8_t code, uint32_t info);
/* errno and fatality that Linux gives the codes of destination unreachable. */
struct icmp_error_map { int error; bool fatal; };
extern const struct icmp_error_map icmp_error_map[16];

/* --- ids, ports, checks shared by transports ------------------------------------------------------------------------------------ */
uint16_t ip_select_id(struct pl_stack *stack, const struct ip_send *send, unsigned segments);
/* sockaddr checks of bind, by the kernel's rules: 0, -EINVAL, -EAFNOSUPPORT, -EADDRNOTAVAIL, -EACCES. */
int64_t inet_bind_check(struct sock *sk, const struct sockaddr *address, socklen_t length, struct sockaddr_in *out);
void port_range(const struct sock *sk, uint16_t *low, uint16_t *high);
bool port_reserved(const struct pl_stack *stack, uint16_t port);

#endif
