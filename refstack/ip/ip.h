/* IPv4: input, output, routes, ICMP, addresses. Addresses in network order unless the name says host. */
#ifndef REFSTACK_IP_H
#define REFSTACK_IP_H

#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>

#include "../internal.h"
#include "../link/link.h"
#include "../socket/sock.h"

/* --- addresses (device.c) ----------------------------------------------------------------------------------------- */
struct in_device {
	struct link *link;
	struct inet_address *addresses;	/* primary first, by scope, then in the order added; secondary ones after them */
	struct conf_sysctls conf;	/* conf/IF */
	struct neigh_sysctls neigh;	/* neigh/IF */
	struct mc_device *multicast;	/* its groups; igmp.h */
	pl_time reachable_time;		/* from base_reachable_time, drawn anew now and then */
	unsigned proxy_queued;		/* ARP requests that wait for proxy_delay */
	uint64_t conf_set, neigh_set;	/* a bit per int of them: set on this link, no longer the default's */
};
struct inet_address {
	struct inet_address *next;
	struct in_addr local, address, broadcast, mask;	/* address: the peer's on point-to-point links */
	uint8_t prefix_length, scope, flags;	/* IFA_F_* */
	char label[IFNAMSIZ];
};
/* What happens to a link, told to IPv4 by link/. */
int in_device_attach(struct pl_stack *stack, struct link *link);	/* 0 or -ENOMEM */
void in_device_detach(struct pl_stack *stack, struct link *link);
void in_device_up(struct pl_stack *stack, struct link *link);
void in_device_down(struct pl_stack *stack, struct link *link);
void in_device_mtu_changed(struct pl_stack *stack, struct link *link, unsigned old_mtu);
void in_device_hwaddr_changed(struct pl_stack *stack, struct link *link);
void in_device_carrier_changed(struct pl_stack *stack, struct link *link);
/* The link that has `local` as an address, whether it is up or not; NULL: none. */
struct link *address_owner(const struct pl_stack *stack, struct in_addr local);
/* The same, and that of a subnet that is local as a whole, as 127.0.0.0/8 is (route.c). */
struct link *local_address_link(struct pl_stack *stack, struct in_addr address);
/* Is `address` within a prefix of one of the device's addresses, or (with b != 0) both within one prefix? inet_addr_onlink. */
bool address_on_link(const struct in_device *device, struct in_addr a, struct in_addr b);
/*
 * An address of the device (NULL: of any) whose subnet has `destination` in it, and that is `local`; 0.0.0.0 for either: any will
 * do. Scopes beyond `scope` do not count. 0: none.
 */
struct in_addr address_confirm(const struct pl_stack *stack, const struct in_device *device, struct in_addr destination,
			       struct in_addr local, uint8_t scope);
static inline bool address_matches(struct in_addr address, const struct inet_address *ifa)
{
	return !((address.s_addr ^ ifa->address.s_addr) & ifa->mask.s_addr);
}
static inline struct in_addr prefix_mask(unsigned length)
{
	return (struct in_addr){ length ? htonl(UINT32_MAX << (32 - length)) : 0 };
}
/* How conf/all and conf/IF combine (ip-sysctl.txt has the rule for each file). */
#define CONF_OR(stack, device, field) ((stack)->sysctl.conf_all.field || (device)->conf.field)
#define CONF_AND(stack, device, field) ((stack)->sysctl.conf_all.field && (device)->conf.field)
#define CONF_MAX(stack, device, field)                                                                                         \
	((stack)->sysctl.conf_all.field > (device)->conf.field ? (stack)->sysctl.conf_all.field : (device)->conf.field)

/* --- groups of addresses, network order --------------------------------------------------------------------------- */
static inline bool ip_is_multicast(struct in_addr a)
{
	return (a.s_addr & htonl(0xf0000000)) == htonl(0xe0000000);
}
static inline bool ip_is_local_multicast(struct in_addr a)	/* 224.0.0.x: never forwarded */
{
	return (a.s_addr & htonl(0xffffff00)) == htonl(0xe0000000);
}
static inline bool ip_is_limited_broadcast(struct in_addr a)
{
	return a.s_addr == INADDR_BROADCAST;
}
static inline bool ip_is_zero(struct in_addr a)		/* Linux allows the rest of 0/8 */
{
	return a.s_addr == INADDR_ANY;
}
static inline bool ip_is_loopback(struct in_addr a)
{
	return (a.s_addr & htonl(0xff000000)) == htonl(0x7f000000);
}
/* Is the device a member of the group for packets from source of that protocol? source 0: from anyone. group.c */
bool multicast_accepts(struct pl_stack *stack, const struct in_device *device, struct in_addr group, struct in_addr source,
		       uint8_t protocol);

/* --- routes (fib.c, route.c, route_input.c) ----------------------------------------------------------------------- */
struct flow {			/* what a route is looked up by, and what the lookup fills in */
	struct in_addr destination, source;
	int output_link, input_link;
	uint8_t tos, protocol, scope, flags;	/* scope: RT_SCOPE_LINK demands an on-link destination; flags: FLOW_* */
	uint32_t mark, uid;
	uint16_t source_port, destination_port;	/* for rules and the choice among next hops; host order, 0: none or unknown */
	const struct pktbuf *packet;		/* that the route is for, or that it is about; NULL: none yet */
};
enum {
	FLOW_ANY_SOURCE = 1,	/* the source need not be an address of this host (transparent sockets, IP_HDRINCL) */
	FLOW_ANY_CARRIER = 2,	/* also routes that ignore_routes_with_linkdown passes by */
};
/* A resolved route: reference counted, thrown away by generation. */
struct route {
	unsigned references;
	uint64_t generation;
	uint8_t type;			/* RTN_LOCAL, RTN_UNICAST, RTN_BROADCAST, RTN_MULTICAST, ... */
	int error;			/* negative errno for unreachable, prohibit, blackhole */
	struct link *link;
	int asked_link;			/* on the way out: the link that a looped packet seems to come in on (rt_iif), 0: the loopback */
	struct in_addr gateway;		/* next hop: the destination itself when on link */
	struct in_addr destination, source;
	uint32_t metric[18];		/* RTAX_*, 0: not given; RTAX_CC_ALGO as tcp_cong_key has it */
	uint32_t pmtu;			/* learnt, 0: none */
	bool pmtu_locked;
	pl_time pmtu_expires;
	bool has_nexthop;		/* of a table: the gateway is a neighbour; else the packet's own destination is, whatever was asked for */
	bool uses_gateway;
	bool is_local;			/* RTCF_LOCAL: packets arrive at this host, on the way out a copy of them does */
	bool redirected;		/* the gateway is from a redirect */
	bool do_redirect;		/* forwarding: the sender should use the gateway itself */
	uint8_t scope;
};
/* Find the way out for flow; fills flow->source when it was 0. A held route in *route, or -ENETUNREACH, -EHOSTUNREACH, ... */
int route_output(struct pl_stack *stack, struct flow *flow, struct route **route);
/* What to do with a packet that came in: the held route's type says local, forward (unicast), broadcast, multicast, error. */
int route_input(struct pl_stack *stack, struct pktbuf *packet, struct route **route);
/* The same for given addresses, without a packet: icmp.c and source routes ask for it. -EXDEV: the reverse path filter. */
int route_input_for(struct pl_stack *stack, struct link *link, struct in_addr source, struct in_addr destination, uint8_t tos,
		    uint8_t protocol, uint32_t mark, struct route **route);
struct route *route_hold(struct route *route);
void route_put(struct pl_stack *stack, struct route *route);
void route_cache_flush(struct pl_stack *stack);	/* every cached route is stale from now on */
bool route_valid(const struct pl_stack *stack, const struct route *route);
struct flow sock_flow(const struct sock *sk);	/* of a connected socket's packets */
/* The route of a connected socket, looked up again when it is stale; NULL and *error when there is none. Not held. */
struct route *sock_route(struct sock *sk, int *error);
/* A call that had a datagram socket to itself ends: if it keeps a route, that is a good one from now on, or none (ip4_datagram_release_cb). */
void sock_route_refresh(struct sock *sk);
uint32_t route_mtu(const struct pl_stack *stack, const struct route *route);	/* dst_mtu: learnt, locked or the link's */
/* For packets passing through: what was learnt of the path counts only where ip_forward_use_pmtu says so, or it is locked. */
uint32_t route_forward_mtu(const struct pl_stack *stack, const struct route *route);
uint32_t route_advmss(const struct pl_stack *stack, const struct route *route);	/* dst_metric_advmss */
/* ICMP said that what goes by this flow fits into `mtu` bytes only; exception.c. */
void route_pmtu_learn(struct pl_stack *stack, const struct flow *flow, uint32_t mtu);
/* The same for what sk sent, as an error quotes it: unless it takes nobody's word for MTUs. The route that it keeps is a new one then. */
void sock_pmtu_learn(struct sock *sk, const struct iphdr *quoted, uint32_t mtu);
/* A redirect (data at its ICMP header) about what goes by this flow. used: the route in use, or NULL: what the flow gives now. */
void route_redirect(struct pl_stack *stack, const struct pktbuf *icmp, const struct flow *flow, const struct route *used);
/* The flow of a packet of ours that an ICMP error quotes: sk has sent it, or with NULL this host itself, with that mark. */
struct flow quoted_flow(const struct sock *sk, const struct iphdr *quoted, uint32_t mark);
void route_exceptions_flush(struct pl_stack *stack);	/* forget all that was learnt of single destinations */
/* RTN_* of an address as `ip route get` classes it: local, broadcast, multicast, unicast, ... */
int address_type(struct pl_stack *stack, struct in_addr address);
/* The link of an address of this host: one that was set, or one of a subnet that is local as a whole, as 127.0.0.0/8 is. */
struct link *local_address_link(struct pl_stack *stack, struct in_addr address);
/* The address to send to `destination` from over `link` (NULL: any), as inet_select_addr chooses it; 0: none. */
struct in_addr select_source(struct pl_stack *stack, const struct link *link, struct in_addr destination, uint8_t scope);

/* The priority of packets with that TOS, unless somebody gives another (ip_tos2prio). */
static inline uint32_t ip_tos_priority(uint8_t tos)
{
	static const uint8_t priority[4] = { 0, 2, 6, 4 };	/* TC_PRIO_: BESTEFFORT, BULK, INTERACTIVE, INTERACTIVE_BULK */

	return priority[tos >> 3 & 3];
}

/* --- input (input.c) ---------------------------------------------------------------------------------------------- */
/* A packet with data at its IP header has come in on packet->link. Consumes it. */
void ip_receive(struct pl_stack *stack, struct pktbuf *packet);
void ip_receive_checked(struct pl_stack *stack, struct pktbuf *packet);	/* its header is checked: route it and go on */
void ip_deliver(struct pl_stack *stack, struct pktbuf *packet);		/* it is for this host */

/* --- early demultiplexing (early.c) ------------------------------------------------------------------------------------ */
struct route *early_route(struct pl_stack *stack, const struct pktbuf *packet);	/* of the packet's connection: held, or NULL */
/* sk has taken a packet: its route will serve for later ones. any_link: whatever link they come by. */
void sock_arrival_keep(struct sock *sk, const struct pktbuf *packet, bool any_link);
void sock_arrival_forget(struct sock *sk);
void sock_route_forget(struct sock *sk);	/* the cached way out */

/* Transport protocols, one row each in protocols.c. */
struct ip_protocol {
	uint8_t number;
	/* Data at the transport header, packet->network set. Consumes the packet; true: some socket took it. */
	bool (*receive)(struct pl_stack *stack, struct pktbuf *packet);
	/* An ICMP error quotes a packet of ours: icmp at its ICMP header, quoted: the inner IP header, `length` bytes present. */
	void (*error)(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info);
	/* The connected socket that a packet is for, found before its route is; data at the IP header. NULL: none, or not wanted. */
	struct sock *(*early)(struct pl_stack *stack, const struct pktbuf *packet);
	bool icmp_strict_tag_validation;
};
/*
 * Hooks of the parts that see packets beside the protocols; NULL: there is no such part yet. All in protocols.c.
 * ip_raw_receive: data at the transport header; does not consume, copies for each raw socket that takes it; true: one did.
 * ip_raw_error: as ip_protocol.error. ip_router_alert: takes the packet over, or returns false.
 * icmp_ping_receive: data at the ICMP header; does not consume; true: a socket took it.
 */
extern bool (*const ip_raw_receive)(struct pl_stack *, struct pktbuf *);
extern void (*const ip_raw_error)(struct pl_stack *, struct pktbuf *, const struct iphdr *, size_t, uint32_t);
extern bool (*const ip_router_alert)(struct pl_stack *, struct pktbuf *);
extern bool (*const icmp_ping_receive)(struct pl_stack *, struct pktbuf *);
extern void (*const icmp_ping_error)(struct pl_stack *, struct pktbuf *, const struct iphdr *, size_t, uint32_t);
extern const struct ip_protocol *const ip_protocol_rows[];	/* protocols.c; NULL past the last */
const struct ip_protocol *ip_protocol_find(const struct pl_stack *stack, uint8_t number);	/* NULL: none */
static inline struct iphdr *ip_header(const struct pktbuf *packet)
{
	return (struct iphdr *)packet->network;
}
static inline struct in_addr ip_source(const struct pktbuf *packet)
{
	return (struct in_addr){ ip_header(packet)->saddr };
}
static inline struct in_addr ip_destination(const struct pktbuf *packet)
{
	return (struct in_addr){ ip_header(packet)->daddr };
}

/* --- output (output.c) -------------------------------------------------------------------------------------------- */
struct ip_send {		/* everything that the IP header of one packet needs */
	struct in_addr source, destination;
	uint8_t protocol, tos;
	uint8_t ttl;			/* 0: the route's or ip_default_ttl */
	bool ttl_zero;			/* really 0: a multicast that stays on this host */
	bool dont_fragment;		/* DF as IP_MTU_DISCOVER decides */
	bool confirms;			/* the sender knows that the neighbour hears this host */
	bool ignore_df;			/* local fragmentation allowed although DF */
	const struct ip_options *options;
	struct route *route;		/* not consumed; NULL: looked up */
	struct sock *sk;		/* for ids and, unless they are given, mark and priority; NULL: the stack itself */
	bool marked;			/* mark and priority are given */
	int id;				/* -1: chosen as Linux does */
	uint32_t mark;			/* given, or without a socket */
	uint32_t priority;
	int output_link;		/* without a socket: it has to leave over this one; 0: any */
};
/* Put an IP header before data (the transport header) and send. Consumes the packet. 0, or -EMSGSIZE, -ENOBUFS, ... */
int ip_send_packet(struct pl_stack *stack, struct pktbuf *packet, const struct ip_send *send);
/* dont_fragment and ignore_df of a datagram of `length` bytes (with its IP header), as IP_MTU_DISCOVER of sk decides. */
void ip_send_datagram_df(struct ip_send *send, const struct sock *sk, const struct route *route, uint32_t length);
bool sock_dont_fragment(const struct sock *sk, const struct route *route);	/* ip_dont_fragment: for TCP segments */
bool sock_ignores_df(const struct sock *sk);	/* ip_sk_ignore_df: datagrams up to 65535 bytes, else EMSGSIZE beyond the MTU */
uint32_t sock_path_mtu(const struct sock *sk, const struct route *route);	/* what is learnt, or the link's */
bool route_mtu_locked(const struct route *route);
#define IP_HEADROOM 96		/* room that pktbuf_new leaves for IP and link headers */

/* --- ICMP (icmp.c) ------------------------------------------------------------------------------------------------ */
/*
 * An ICMP error about `packet` (data anywhere, network header set), subject to the rules of RFC 1122 3.2.2 and the rate limits.
 * info: the MTU of fragmentation needed, the offset of a parameter problem, the gateway of a redirect (struct in_addr's word).
 */
void icmp_send_error(struct pl_stack *stack, struct pktbuf *packet, uint8_t type, uint8_t code, uint32_t info);
void icmp_send_redirect(struct pl_stack *stack, struct pktbuf *packet);	/* the sender has a better next hop than this host */
/* The token bucket of error_cost and error_burst, per sender, for errors about packets without a route. */
bool icmp_route_error_allowed(struct pl_stack *stack, struct in_addr sender);
/* The source of a reply to `packet`: the address it came to, or one of the link's if that was a group's (RFC 1122 3.2.1.3). */
struct in_addr ip_specific_destination(struct pl_stack *stack, const struct pktbuf *packet);
/* errno and fatality that Linux gives the codes of destination unreachable. */
struct icmp_error_map { int error; bool fatal; };
extern const struct icmp_error_map icmp_error_map[16];

/* --- ids, ports, checks shared by transports ---------------------------------------------------------------------- */
uint16_t ip_select_id(struct pl_stack *stack, const struct ip_send *send, unsigned segments);
/*
 * The checks of bind(2) before the port is asked for, by the kernel's rules (__inet_bind): 0 with the address in *out (AF_INET),
 * -EINVAL for a short address or a socket that is bound or connected, -EAFNOSUPPORT, -EADDRNOTAVAIL, -EACCES. socket/inet.c
 */
int64_t inet_bind_check(struct sock *sk, const struct sockaddr *address, socklen_t length, struct sockaddr_in *out);
/*
 * bind(2) as UDP and TCP have it: the checks, the addresses set, then get_port(sk, port in host order or 0), which gives the port
 * to sk->port or an error. With IP_BIND_ADDRESS_NO_PORT and port 0 the port is left for later.
 */
int64_t inet_bind(struct sock *sk, const struct sockaddr *address, socklen_t length,
		  int64_t (*get_port)(struct sock *sk, uint16_t port));
/* Do two sockets' bound addresses meet: the same, or one of them any? */
static inline bool inet_addresses_meet(const struct sock *a, const struct sock *b)
{
	return a->local.s_addr == b->local.s_addr || !a->local.s_addr || !b->local.s_addr;
}
static inline bool inet_links_meet(const struct sock *a, const struct sock *b)
{
	return !a->bound_link || !b->bound_link || a->bound_link == b->bound_link;
}
/* Where ephemeral ports are taken from: the tunable, narrowed by IP_LOCAL_PORT_RANGE. Both ends included. */
void port_range(const struct sock *sk, uint16_t *low, uint16_t *high);
bool port_reserved(const struct pl_stack *stack, uint16_t port);	/* ip_local_reserved_ports */

#endif
