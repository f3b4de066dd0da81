/*
 * Ports of UDP and who gets a datagram.
 *
 * A datagram goes to the socket that is connected with its source, else to the one that matches it in most ways (udp_lookup); among
 * equals to the one hashed last. Sockets of one SO_REUSEPORT group share: their program or a keyed hash of the two ends chooses, and
 * the first group that is found ends the search.
 */
#include "udp.h"

#include <stdlib.h>

#include "../socket/group.h"
#include "../socket/multicast.h"

int udp_host_new(struct pl_stack *stack)
{
	stack->udp = calloc(1, sizeof(*stack->udp));
	if (!stack->udp)
		return -ENOMEM;
	prng_bytes(&stack->prng, stack->udp->reuseport_key, sizeof(stack->udp->reuseport_key));
	return 0;
}

void udp_host_free(struct pl_stack *stack)
{
	free(stack->udp);
	stack->udp = NULL;
}

struct udp_table *udp_table(struct pl_stack *stack, bool lite)
{
	return lite ? &stack->udp->lite : &stack->udp->udp;
}

struct sock **udp_bucket(struct udp_table *table, uint16_t port)
{
	return &table->bucket[port % UDP_BUCKETS];
}

/* --- ports ---------------------------------------------------------------------------------------------------------------- */

/* May both have the same port only if they are of one SO_REUSEPORT group? */
static bool meet(const struct sock *sk, const struct sock *other)
{
	return !(sk->reuse && other->reuse) && inet_links_meet(sk, other) && inet_addresses_meet(sk, other);
}

/*
 * A port that was `asked` for is granted, as in Linux, when the first of those that sk meets there, the last one bound, is of its
 * SO_REUSEPORT group, whatever the others are. One that is chosen suits all.
 */
static bool port_taken(const struct sock *sk, uint16_t port, bool asked)
{
	for (struct sock *other = *udp_bucket(udp_table(sk->stack, udp_is_lite(sk)), port); other; other = other->hash_next) {
		if (other == sk || other->port != port || !meet(sk, other))
			continue;
		if (!(sk->reuseport && other->reuseport && !sk->group && sk->uid == other->uid))
			return true;
		if (asked)
			return false;
	}
	return false;
}

/* Any free port of the range, starting anywhere; 0: none is free. */
static uint16_t port_choose(struct sock *sk)
{
	uint16_t low, high;
	uint32_t count, start;

	port_range(sk, &low, &high);
	if (low > high)
		return 0;
	count = (uint32_t)(high - low) + 1;
	start = prng_below(&sk->stack->prng, count);
	for (uint32_t i = 0; i < count; i++) {
		uint16_t port = (uint16_t)(low + (start + i) % count);

		if (!port_reserved(sk->stack, port) && !port_taken(sk, port, false))
			return port;
	}
	return 0;
}

/* One with which sk shares its port, by SO_REUSEPORT. */
static struct sock *group_fellow(struct sock *sk)
{
	for (struct sock *other = *udp_bucket(udp_table(sk->stack, udp_is_lite(sk)), sk->port); other; other = other->hash_next)
		if (other != sk && other->reuseport && other->port == sk->port && other->local.s_addr == sk->local.s_addr &&
		    other->bound_link == sk->bound_link && other->uid == sk->uid)
			return other;
	return NULL;
}

static void hash_first(struct sock *sk)
{
	struct sock **bucket = udp_bucket(udp_table(sk->stack, udp_is_lite(sk)), sk->port);

	sk->hash_next = *bucket;
	*bucket = sk;
	udp_sk(sk)->hashed = true;
}

static void hash_remove(struct sock *sk)
{
	struct sock **at = udp_bucket(udp_table(sk->stack, udp_is_lite(sk)), sk->port);

	while (*at != sk)
		at = &(*at)->hash_next;
	*at = sk->hash_next;
	udp_sk(sk)->hashed = false;
}

int64_t udp_get_port(struct sock *sk, uint16_t port)
{
	if (!port)
		port = port_choose(sk);
	else if (port_taken(sk, port, true))
		port = 0;
	if (!port)
		return -EADDRINUSE;
	sk->port = port;
	if (sk->reuseport && sock_group_join(sk, group_fellow(sk))) {
		sk->port = 0;
		return -EADDRINUSE;
	}
	hash_first(sk);
	return 0;
}

void udp_unhash(struct sock *sk)
{
	if (!udp_sk(sk)->hashed)
		return;
	hash_remove(sk);
	sock_group_leave(sk);
	sk->port = 0;
}

void udp_rehash(struct sock *sk)
{
	if (!udp_sk(sk)->hashed)
		return;
	hash_remove(sk);
	sock_group_leave(sk);
	hash_first(sk);
}

/* --- lookup -------------------------------------------------------------------------------------------------------------------- */

/* One datagram's ends, as a lookup sees them. */
struct ends {
	struct in_addr source, destination;
	uint16_t source_port, port;
	int link;
	const struct pktbuf *packet;	/* NULL: there is none */
};

/* How well sk matches: -1 not at all. `local` is the address that sockets of this round are bound to. */
static int score(const struct sock *sk, const struct ends *ends, struct in_addr local)
{
	int points = 2;

	if (sk->port != ends->port || sk->local.s_addr != local.s_addr)
		return -1;
	if (sk->remote.s_addr) {
		if (sk->remote.s_addr != ends->source.s_addr)
			return -1;
		points += 4;
	}
	if (sk->remote_port) {
		if (sk->remote_port != ends->source_port)
			return -1;
		points += 4;
	}
	if (sk->bound_link) {
		if (sk->bound_link != ends->link)
			return -1;
		points += 4;
	}
	return points + (sk->incoming_cpu == 0);	/* the one that takes all packets */
}

/* Who of the group of sk gets it; NULL: sk is in none. */
static struct sock *group_choose(const struct sock *sk, const struct ends *ends)
{
	struct {
		uint32_t source, destination;
		uint16_t source_port, port;
	} key = { ends->source.s_addr, ends->destination.s_addr, ends->source_port, ends->port };
	const struct pktbuf *packet = ends->packet;

	if (!sk->reuseport || !sk->group)
		return NULL;
	return sock_group_pick(sk, (uint32_t)siphash(sk->stack->udp->reuseport_key, &key, sizeof(key)), packet,
			       packet ? (size_t)(packet->transport - packet->network) + sizeof(struct udphdr) : 0);
}

/* The socket with this very peer. */
static struct sock *lookup_connected(struct udp_table *table, const struct ends *ends)
{
	struct sock *best = NULL;
	int most = -1;

	for (struct sock *sk = *udp_bucket(table, ends->port); sk; sk = sk->hash_next) {
		int points = sk->state == TCP_ESTABLISHED ? score(sk, ends, ends->destination) : -1;

		if (points > most) {
			most = points;
			best = sk;
		}
	}
	return best;
}

static struct sock *lookup_round(struct udp_table *table, const struct ends *ends, struct in_addr local)
{
	struct sock *best = NULL;
	int most = -1;

	for (struct sock *sk = *udp_bucket(table, ends->port); sk; sk = sk->hash_next) {
		int points = score(sk, ends, local);
		struct sock *chosen;

		if (points <= most)
			continue;
		chosen = sk->state == TCP_ESTABLISHED ? NULL : group_choose(sk, ends);
		if (chosen && !sock_group_has_connections(chosen))
			return chosen;
		best = chosen ? chosen : sk;
		most = chosen ? score(chosen, ends, local) : points;
	}
	return best;
}

struct sock *udp_lookup(struct pl_stack *stack, bool lite, struct in_addr source, uint16_t source_port,
			struct in_addr destination, uint16_t port, int link, const struct pktbuf *packet)
{
	struct ends ends = { source, destination, source_port, port, link, packet };
	struct udp_table *table = udp_table(stack, lite);
	struct sock *sk = lookup_connected(table, &ends);

	if (!sk)
		sk = lookup_round(table, &ends, destination);
	return sk ? sk : lookup_round(table, &ends, (struct in_addr){ INADDR_ANY });
}

struct sock *udp_early(struct pl_stack *stack, const struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);
	const struct udphdr *udp = (const struct udphdr *)(packet->network + ip->ihl * 4u);
	struct sock *sk;

	if (!stack->sysctl.udp_early_demux || packet->packet_type != PACKET_HOST || (const uint8_t *)(udp + 1) > packet->tail)
		return NULL;
	sk = *udp_bucket(udp_table(stack, false), ntohs(udp->dest));
	while (sk && (sk->port != ntohs(udp->dest) || sk->local.s_addr != ip->daddr))
		sk = sk->hash_next;
	if (!sk || sk->state != TCP_ESTABLISHED || sk->remote.s_addr != ip->saddr || sk->remote_port != ntohs(udp->source))
		return NULL;
	return !sk->bound_link || sk->bound_link == packet->input_ifindex ? sk : NULL;
}

bool udp_takes_multicast(const struct sock *sk, struct in_addr source, uint16_t source_port, struct in_addr destination,
			 uint16_t port, int link)
{
	if (sk->port != port)
		return false;
	if (sk->remote.s_addr && sk->remote.s_addr != source.s_addr)
		return false;
	if (sk->remote_port && sk->remote_port != source_port)
		return false;
	if (sk->local.s_addr && sk->local.s_addr != destination.s_addr)
		return false;
	if (sk->bound_link && sk->bound_link != link)
		return false;
	return multicast_allowed(sk, destination, source, link);
}
