/*
 * Links, addresses, routes: what `ip link`, `ip address` and `ip route` set on a Linux host.
 * Addresses are struct in_addr in network order, as everywhere in the sockets API; lengths and MTUs count bytes.
 */
#ifndef PLUMBLINE_LINK_H
#define PLUMBLINE_LINK_H

#include <netinet/in.h>
#include <plumbline/stack.h>

enum pl_link_kind { PL_LINK_LOOPBACK, PL_LINK_TUN, PL_LINK_ETHERNET };

/*
 * An Ethernet link carries whole frames, with their 14 bytes of header and without the check sequence, in both directions: IPv4
 * and ARP (RFC 826). Before an IP packet can leave, the neighbour's hardware address must be known: the stack asks for it by ARP
 * over the same link, so a caller sees ARP frames going out and feeds the answers in.
 *
 * Hardware addresses that everybody uses who makes links for scripts, so that both ends of a comparison have the same: link
 * number i (from 0, in the order of making, loopback not counted) has PL_HWADDR_OWN(i), and whoever is at its far end and was
 * given no address of its own has PL_HWADDR_PEER(i).
 */
#define PL_HWADDR_OWN(i) 2, 0, 0, 0, 0, (uint8_t)((i) + 1)
#define PL_HWADDR_PEER(i) 2, 0, 0, 0, 1, (uint8_t)((i) + 1)

/*
 * A packet as it leaves. A TCP packet may leave as one large segment, as Linux shows it to a capture: gso_size is then the
 * payload of each of its gso_segs packets on the wire, and its IP total length and checksums are those of the large one.
 */
struct pl_frame {
	const uint8_t *bytes;	/* from the IP header on a tun link, from the Ethernet header on an Ethernet link */
	size_t length;
	pl_time time;
	int ifindex;
	unsigned gso_size, gso_segs;	/* 0 when the packet is not a large segment */
};

struct pl_link_config {
	const char *name;	/* at most 15 characters, IFNAMSIZ */
	enum pl_link_kind kind;
	unsigned mtu;		/* 0: 1500, or 65536 on a loopback link */
	unsigned txqueuelen;	/* 0: the kernel's default for the kind */
	uint8_t hwaddr[6];	/* Ethernet only */
	bool no_gso;		/* as `ethtool -K DEV tso off` */
	void (*output)(void *context, const struct pl_frame *frame);	/* must copy what it keeps */
	void *context;
};

/* The new link's index, or -EEXIST, -EINVAL, -ENOMEM. It is down and has no address. */
int pl_link_add(struct pl_stack *stack, const struct pl_link_config *config);
int pl_link_delete(struct pl_stack *stack, int ifindex);
int pl_link_find(struct pl_stack *stack, const char *name);	/* index or -ENODEV */
int pl_link_set_up(struct pl_stack *stack, int ifindex, bool up);
int pl_link_set_mtu(struct pl_stack *stack, int ifindex, unsigned mtu);
int pl_link_set_gso(struct pl_stack *stack, int ifindex, bool on);
/* `ip link set dev LINK address HWADDR`. -EOPNOTSUPP: no Ethernet link, -EADDRNOTAVAIL: a group's address or zero. */
int pl_link_set_hwaddr(struct pl_stack *stack, int ifindex, const uint8_t hwaddr[6]);
/*
 * `ip link set dev LINK carrier on|off`: a cable is plugged in or not. A new link has a carrier. Without one nothing leaves and,
 * with arp_evict_nocarrier, the link's neighbours are forgotten.
 */
int pl_link_set_carrier(struct pl_stack *stack, int ifindex, bool on);
/* `ip link set dev LINK arp on|off`: without ARP everybody is taken to hear the link's own address. */
int pl_link_set_arp(struct pl_stack *stack, int ifindex, bool on);

/* The queue in front of the link: packets beyond `limit` are dropped (`tc qdisc replace dev DEV root pfifo limit N`). */
int pl_link_set_queue_limit(struct pl_stack *stack, int ifindex, unsigned limit);

/* A packet arrives now. Malformed ones are counted and dropped as Linux does; -ENODEV and -ENETDOWN are for the caller. */
int pl_link_input(struct pl_stack *stack, int ifindex, const void *bytes, size_t length);

/* As pl_link_input, for a TCP packet that arrives as one large segment (GRO): gso_size as in struct pl_frame. */
int pl_link_input_gso(struct pl_stack *stack, int ifindex, const void *bytes, size_t length, unsigned gso_size);

/* `ip address add ADDR/PREFIX dev LINK`: with the local, prefix and broadcast routes that the kernel makes of it. */
struct pl_address {
	struct in_addr local, broadcast, peer;	/* broadcast or peer 0: as ifconfig and the kernel derive it */
	unsigned prefix_length, scope;		/* RT_SCOPE_* */
	const char *label;			/* "eth0:1", as SIOCSIFADDR names it; NULL: the link's name */
};
int pl_address_add(struct pl_stack *stack, int ifindex, const struct pl_address *address);
int pl_address_delete(struct pl_stack *stack, int ifindex, struct in_addr local, unsigned prefix_length);

/* One of several next hops of a route: `nexthop via GATEWAY dev LINK weight N`. */
#define PL_NEXTHOPS 16
struct pl_nexthop {
	struct in_addr gateway;
	int ifindex;
	unsigned weight;			/* 1 to 256; 0: 1 */
	bool on_link;
};

/* `ip route add|replace`. Zero means "not given", as in the command. */
struct pl_route {
	struct in_addr destination, gateway, preferred_source;
	unsigned prefix_length, table, priority;
	uint8_t type, scope, tos, protocol;	/* RTN_*, RT_SCOPE_*, RTPROT_* */
	bool on_link;				/* the gateway is on the link, whatever the addresses say */
	int ifindex;
	uint32_t metric[18];			/* by RTAX_*; metric[RTAX_LOCK] is the mask of locked ones */
	char congestion[16];			/* name of a congestion control (`congctl`), in place of metric[RTAX_CC_ALGO] */
	unsigned nexthops;			/* several next hops stand here, then gateway and ifindex are not given */
	struct pl_nexthop nexthop[PL_NEXTHOPS];
};
int pl_route_add(struct pl_stack *stack, const struct pl_route *route, bool replace);
/* As pl_route_add, behind the routes of the same prefix, TOS and priority: `ip route append`. */
int pl_route_append(struct pl_stack *stack, const struct pl_route *route);
int pl_route_delete(struct pl_stack *stack, const struct pl_route *route);

/*
 * `ip rule add`: which table a packet's route is looked up in. What is zero or empty matches anything. A new stack has the
 * three rules of every Linux host: 0 table local, 32766 table main, 32767 table default.
 */
struct pl_rule {
	uint32_t priority;			/* 0: in front of all but the first, as the kernel chooses it */
	uint8_t action;				/* FR_ACT_*; 0: FR_ACT_TO_TBL */
	uint8_t tos;				/* TOS bits that routes can be chosen by, 0x1c */
	uint8_t protocol;			/* IPPROTO_* */
	bool invert;				/* `not` */
	struct in_addr source, destination;
	unsigned source_length, destination_length;
	char input_link[16], output_link[16];	/* names: the links may come later */
	uint32_t mark, mark_mask;		/* mask 0: any mark */
	uint32_t table, target;			/* target: priority of the rule that FR_ACT_GOTO goes on with */
	uint16_t source_ports[2], destination_ports[2];	/* from, to; host order */
	uint32_t uids[2];
	bool has_uids;
	bool suppresses;			/* routes whose prefix is not longer than suppress_length do not count */
	unsigned suppress_length;
};
int pl_rule_add(struct pl_stack *stack, const struct pl_rule *rule);		/* 0, -EEXIST, -EINVAL, -ENOMEM */
int pl_rule_delete(struct pl_stack *stack, const struct pl_rule *rule);	/* the first that matches what is given; -ENOENT */

/*
 * `ip neighbour add|replace|delete`: what is known of the host with that address on that link. flags are those of rtnetlink(7):
 * NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE. 0, or -ENODEV, -ENOENT, -EEXIST, -EINVAL, -ENOBUFS.
 */
struct pl_neighbour {
	int ifindex;			/* of a proxy entry 0 for any link */
	struct in_addr address;
	uint8_t hwaddr[6];
	bool has_hwaddr;
	uint16_t state;			/* NUD_*; proxy entries have none */
	uint8_t flags;			/* NTF_PROXY: answer ARP for that address; NTF_USE, NTF_ROUTER, NTF_EXT_LEARNED */
	bool managed;			/* NTF_EXT_MANAGED: keep it reachable without being asked */
};
int pl_neighbour_set(struct pl_stack *stack, const struct pl_neighbour *neighbour, unsigned flags);
int pl_neighbour_delete(struct pl_stack *stack, const struct pl_neighbour *neighbour);
void pl_neighbour_flush(struct pl_stack *stack, int ifindex);	/* all but permanent ones and groups; ifindex 0: of every link */
/* What is known, and then the proxy entries (NTF_PROXY), one by one from index 0: false past the last. */
bool pl_neighbour_get(const struct pl_stack *stack, unsigned index, struct pl_neighbour *neighbour);

/* Does TCP remember any destination? And `ip tcp_metrics flush all`. */
bool pl_tcp_metrics_known(const struct pl_stack *stack);
void pl_tcp_metrics_flush(struct pl_stack *stack);

#endif
