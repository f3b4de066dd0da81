/*
 * The tables that find a connection: one of four-tuples (sockets, handshakes under way, TIME-WAIT), one of listeners by port.
 *
 * Both are chained hash tables that grow with what they hold, so that a fresh stack is cheap. Places are chosen by a plain mix
 * of ports and addresses: nobody outside sees it, and nothing depends on the order within a chain but the choice among
 * listeners of equal standing, where the one that listened last is found first, as on Linux.
 */
#include "conn.h"

#include <stdlib.h>

#include "../socket/group.h"

#define LISTENER_BUCKETS 32
#define BIND_BUCKETS 64
#define ENTRY_BUCKETS_START 32

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t h = a * 0x9e3779b1u ^ b * 0x85ebca77u ^ c * 0xc2b2ae3du;
	h ^= h >> 15;
	h *= 0x27d4eb2fu;
	return h ^ h >> 13;
}

static uint32_t entry_hash(struct in_addr local, uint16_t port, struct in_addr remote, uint16_t remote_port)
{
	return mix(local.s_addr, remote.s_addr, (uint32_t)port << 16 | remote_port);
}

int tcp_tables_new(struct tcp_host *host)
{
	host->entry_buckets = ENTRY_BUCKETS_START;
	host->entries = calloc(host->entry_buckets, sizeof(*host->entries));
	host->listeners = calloc(LISTENER_BUCKETS, sizeof(*host->listeners));
	host->binds = calloc(BIND_BUCKETS, sizeof(*host->binds));
	return host->entries && host->listeners && host->binds ? 0 : -ENOMEM;
}

/* Requests and TIME-WAIT belong to nobody but the table. A request of a socket that is gone cannot be: it went with it. */
static bool free_entry(struct tcp_entry *entry, void *context)
{
	struct pl_stack *stack = context;
	switch (entry->kind) {
	case TCP_ENTRY_SOCKET:
		tcp_entry_remove(stack, entry);
		break;
	case TCP_ENTRY_REQUEST:
		tcp_request_free((struct tcp_request *)entry);
		break;
	case TCP_ENTRY_TIMEWAIT:
		tcp_timewait_free((struct tcp_timewait *)entry);
		break;
	}
	return true;
}

void tcp_tables_free(struct pl_stack *stack)
{
	struct tcp_host *host = stack->tcp;
	if (host->entries)
		tcp_entries_each(stack, free_entry, stack);
	if (host->binds)
		for (size_t i = 0; i < BIND_BUCKETS; i++)
			while (host->binds[i]) {
				struct tcp_bind_bucket *bucket = host->binds[i];
				host->binds[i] = bucket->next;
				free(bucket);
			}
	free(host->entries);
	free(host->listeners);
	free(host->binds);
}

static void chain(struct tcp_entry **head, struct tcp_entry *entry)
{
	entry->next = *head;
	entry->previous = head;
	if (entry->next)
		entry->next->previous = &entry->next;
	*head = entry;
}

/* Twice the buckets when the chains average more than two. Without memory the chains just stay long. */
static void grow(struct tcp_host *host)
{
	size_t buckets = host->entry_buckets * 2;
	struct tcp_entry **entries = calloc(buckets, sizeof(struct tcp_entry *));
	if (!entries)
		return;
	for (size_t i = 0; i < host->entry_buckets; i++) {
		struct tcp_entry *next;
		for (struct tcp_entry *e = host->entries[i]; e; e = next) {
			next = e->next;
			chain(&entries[entry_hash(e->local, e->port, e->remote, e->remote_port) & (buckets - 1)], e);
		}
	}
	free(host->entries);
	host->entries = entries;
	host->entry_buckets = buckets;
}

void tcp_entry_insert(struct pl_stack *stack, struct tcp_entry *entry)
{
	struct tcp_host *host = stack->tcp;
	if (host->entry_count >= host->entry_buckets * 2)
		grow(host);
	uint32_t hash = entry_hash(entry->local, entry->port, entry->remote, entry->remote_port);
	chain(&host->entries[hash & (host->entry_buckets - 1)], entry);
	host->entry_count++;
}

void tcp_entry_remove(struct pl_stack *stack, struct tcp_entry *entry)
{
	if (!entry->previous)
		return;
	*entry->previous = entry->next;
	if (entry->next)
		entry->next->previous = entry->previous;
	entry->next = NULL;
	entry->previous = NULL;
	stack->tcp->entry_count--;
}

struct tcp_entry *tcp_entry_find(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
				 uint16_t remote_port, int ifindex)
{
	const struct tcp_host *host = stack->tcp;
	struct tcp_entry *e = host->entries[entry_hash(local, port, remote, remote_port) & (host->entry_buckets - 1)];
	for (; e; e = e->next)
		if (e->local.s_addr == local.s_addr && e->remote.s_addr == remote.s_addr && e->port == port &&
		    e->remote_port == remote_port && (!e->bound_link || e->bound_link == ifindex))
			return e;
	return NULL;
}

void tcp_entries_each(struct pl_stack *stack, bool (*visit)(struct tcp_entry *entry, void *context), void *context)
{
	struct tcp_host *host = stack->tcp;
	for (size_t i = 0; i < host->entry_buckets; i++) {
		struct tcp_entry *next;
		for (struct tcp_entry *e = host->entries[i]; e; e = next) {
			next = e->next;
			if (!visit(e, context))
				return;
		}
	}
}

/* --- listeners -------------------------------------------------------------------------------------------------------- */
/* One with which tp, which begins to listen, shares its port. */
static struct sock *group_fellow(const struct tcp_sock *tp)
{
	for (struct tcp_sock *other = tp->sk.stack->tcp->listeners[tp->sk.port % LISTENER_BUCKETS]; other; other = other->listen_next)
		if (other->sk.reuseport && other->bind == tp->bind && other->sk.local.s_addr == tp->sk.local.s_addr &&
		    other->sk.bound_link == tp->sk.bound_link && other->sk.uid == tp->sk.uid)
			return &other->sk;
	return NULL;
}

int tcp_listener_insert(struct tcp_sock *tp)
{
	struct tcp_sock **head = &tp->sk.stack->tcp->listeners[tp->sk.port % LISTENER_BUCKETS];
	int error = tp->sk.reuseport ? sock_group_join(&tp->sk, group_fellow(tp)) : 0;
	if (error)
		return error;
	tp->listen_next = *head;
	*head = tp;
	return 0;
}

void tcp_listener_remove(struct tcp_sock *tp)
{
	struct tcp_sock **at = &tp->sk.stack->tcp->listeners[tp->sk.port % LISTENER_BUCKETS];
	while (*at && *at != tp)
		at = &(*at)->listen_next;
	if (*at)
		*at = tp->listen_next;
	tp->listen_next = NULL;
	if (tp->sk.stack->sysctl.tcp_migrate_req)
		sock_group_stop(&tp->sk);
	else
		sock_group_leave(&tp->sk);
}

/* How well a listener fits, as compute_score: bound to the link counts more than bound to none; 0: it does not. */
static int listener_score(const struct tcp_sock *tp, struct in_addr address, uint16_t port, int ifindex)
{
	if (tp->sk.port != port || tp->sk.local.s_addr != address.s_addr)
		return 0;
	if (tp->sk.bound_link && tp->sk.bound_link != ifindex)
		return 0;
	return (tp->sk.bound_link ? 3 : 2) + (tp->sk.incoming_cpu == 0);	/* the processor that takes all packets */
}

static struct tcp_sock *find_listener_at(const struct pl_stack *stack, struct in_addr address, uint16_t port, int ifindex,
					 uint32_t hash, const struct pktbuf *packet, size_t payload)
{
	struct tcp_sock *best = NULL;
	int best_score = 0;
	for (struct tcp_sock *tp = stack->tcp->listeners[port % LISTENER_BUCKETS]; tp; tp = tp->listen_next) {
		int score = listener_score(tp, address, port, ifindex);
		struct sock *chosen;
		if (score <= best_score)
			continue;
		chosen = tp->sk.reuseport ? sock_group_pick(&tp->sk, hash, packet, payload) : NULL;
		if (chosen)
			return tcp_sk(chosen);
		best = tp;
		best_score = score;
	}
	return best;
}

/* A listener on the very address comes before one on any address. */
struct tcp_sock *tcp_listener_find(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
				   uint16_t remote_port, int ifindex, const struct pktbuf *packet, size_t payload)
{
	uint32_t hash = tcp_tuple_hash(stack, local, port, remote, remote_port);
	struct tcp_sock *tp = find_listener_at(stack, local, port, ifindex, hash, packet, payload);
	return tp ? tp : find_listener_at(stack, (struct in_addr){ INADDR_ANY }, port, ifindex, hash, packet, payload);
}

struct tcp_bind_bucket **tcp_bind_chain(struct pl_stack *stack, uint16_t port)
{
	return &stack->tcp->binds[port % BIND_BUCKETS];
}
