/*
 * Who may have which local port: bind conflicts and the choice of ephemeral ports.
 *
 * Rules as Linux 6.18 has them. Two sockets conflict on a port when their addresses overlap (equal, or one is any), their links
 * overlap (equal, or one is none), and neither SO_REUSEADDR (both set, the other not listening) nor SO_REUSEPORT (both set, same
 * owner) lets them share it. A TIME-WAIT entry stands for its socket with the reuse flags that that one had.
 *
 * bind(0) draws from the ephemeral range, odd distance from the lower end first; connect() draws from it with even distance
 * first and follows RFC 6056 section 3.3.4 (a keyed hash of the destination plus a counter), so that the two disturb each other
 * little. connect() may share a port with other connections that connect() placed, as long as the four-tuples differ.
 */
#include "conn.h"

#include <stdlib.h>

#include "../socket/group.h"


static struct tcp_bind_bucket *bucket_find(struct pl_stack *stack, uint16_t port)
{
	struct tcp_bind_bucket *bucket = *tcp_bind_chain(stack, port);
	while (bucket && bucket->port != port)
		bucket = bucket->next;
	return bucket;
}

static struct tcp_bind_bucket *bucket_new(struct pl_stack *stack, uint16_t port)
{
	struct tcp_bind_bucket *bucket = calloc(1, sizeof(*bucket));
	if (!bucket)
		return NULL;
	struct tcp_bind_bucket **head = tcp_bind_chain(stack, port);
	bucket->port = port;
	bucket->next = *head;
	*head = bucket;
	return bucket;
}

static bool bucket_empty(const struct tcp_bind_bucket *bucket)
{
	return !bucket->owners && !bucket->timewaits;
}

/* When the last owner that called bind() is gone, connect() may use the port again. */
static void bucket_owner_gone(struct pl_stack *stack, struct tcp_bind_bucket *bucket)
{
	if (bucket_empty(bucket)) {
		struct tcp_bind_bucket **at = tcp_bind_chain(stack, bucket->port);
		while (*at != bucket)
			at = &(*at)->next;
		*at = bucket->next;
		free(bucket);
		return;
	}
	for (const struct tcp_sock *tp = bucket->owners; tp; tp = tp->bind_next)
		if (!tp->connect_bound)
			return;
	for (const struct tcp_timewait *tw = bucket->timewaits; tw; tw = tw->bind_next)
		if (!tw->connect_bound)
			return;
	bucket->fastreuse = -1;
	bucket->fastreuseport = -1;
}

static void bucket_own(struct tcp_bind_bucket *bucket, struct tcp_sock *tp, bool connect_bound)
{
	tp->bind = bucket;
	tp->connect_bound = connect_bound;
	tp->bind_next = bucket->owners;
	tp->bind_previous = &bucket->owners;
	if (tp->bind_next)
		tp->bind_next->bind_previous = &tp->bind_next;
	bucket->owners = tp;
	tp->sk.port = bucket->port;
	tp->sk.port_returned = false;
}

void tcp_put_port(struct tcp_sock *tp)
{
	struct tcp_bind_bucket *bucket = tp->bind;
	if (!bucket)
		return;
	*tp->bind_previous = tp->bind_next;
	if (tp->bind_next)
		tp->bind_next->bind_previous = tp->bind_previous;
	tp->sk.port_returned = true;
	tp->bind = NULL;	/* the name that getsockname gives, and the ports of a last reset, stay */
	bucket_owner_gone(tp->sk.stack, bucket);
}

int tcp_inherit_port(struct tcp_sock *listener, struct tcp_sock *child)
{
	struct pl_stack *stack = child->sk.stack;
	uint16_t port = child->entry.port;
	struct tcp_bind_bucket *bucket = listener->bind;
	/* A listener that got its packets by other means than its own port (IP_TRANSPARENT) has no bucket for this one. */
	if (!bucket || bucket->port != port) {
		bucket = bucket_find(stack, port);
		if (!bucket && !(bucket = bucket_new(stack, port)))
			return -ENOMEM;
	}
	bucket_own(bucket, child, listener->connect_bound);
	return 0;
}

void tcp_timewait_bind(struct tcp_timewait *tw, struct tcp_bind_bucket *bucket)
{
	tw->bind = bucket;
	tw->bind_next = bucket->timewaits;
	tw->bind_previous = &bucket->timewaits;
	if (tw->bind_next)
		tw->bind_next->bind_previous = &tw->bind_next;
	bucket->timewaits = tw;
}

void tcp_timewait_unbind(struct tcp_timewait *tw)
{
	struct tcp_bind_bucket *bucket = tw->bind;
	if (!bucket)
		return;
	*tw->bind_previous = tw->bind_next;
	if (tw->bind_next)
		tw->bind_next->bind_previous = tw->bind_previous;
	tw->bind = NULL;
	bucket_owner_gone(tw->stack, bucket);
}

/* --- conflicts -------------------------------------------------------------------------------------------------------- */
/* What a binder, or one who holds the port already, brings to the comparison. */
struct claim {
	struct in_addr address;
	int link;
	bool reuse, reuseport;
	bool open;		/* may share with others: is in no group of its own yet */
	uint8_t state;
	uint32_t uid;
};

static struct claim claim_of_sock(const struct tcp_sock *tp)
{
	return (struct claim){ .address = tp->sk.local,
			       .link = tp->sk.bound_link,
			       .reuse = tp->sk.reuse,
			       .reuseport = tp->sk.reuseport,
			       .open = sock_group_open(&tp->sk),
			       .state = tp->sk.state,
			       .uid = tp->sk.uid };
}

static struct claim claim_of_timewait(const struct tcp_timewait *tw)
{
	return (struct claim){ .address = tw->entry.local,
			       .link = tw->entry.bound_link,
			       .reuse = tw->reuse,
			       .reuseport = tw->reuseport,
			       .state = TCP_TIME_WAIT,
			       .uid = tw->uid };
}

/*
 * May `wanted` not share the port with `held`? relax: SO_REUSEADDR on both sides is enough (bind to a given port); without it
 * (bind(0)) they keep apart. reuseport_ok: SO_REUSEPORT counts, as it does for a given port.
 */
static bool claims_conflict(const struct claim *wanted, const struct claim *held, bool relax, bool reuseport_ok)
{
	bool addresses_overlap = !wanted->address.s_addr || !held->address.s_addr ||
				 wanted->address.s_addr == held->address.s_addr;
	bool links_overlap = !wanted->link || !held->link || wanted->link == held->link;
	if (!addresses_overlap || !links_overlap)
		return false;
	bool group = wanted->reuseport && wanted->open && held->reuseport && (held->state == TCP_TIME_WAIT || wanted->uid == held->uid);
	if (wanted->reuse && held->reuse && held->state != TCP_LISTEN)
		return !relax || (!reuseport_ok && group);
	return !reuseport_ok || !group;
}

static bool bucket_conflicts(const struct tcp_bind_bucket *bucket, const struct tcp_sock *tp, bool relax, bool reuseport_ok)
{
	struct claim wanted = claim_of_sock(tp);
	for (const struct tcp_sock *other = bucket->owners; other; other = other->bind_next) {
		struct claim held = claim_of_sock(other);
		if (other != tp && claims_conflict(&wanted, &held, relax, reuseport_ok))
			return true;
	}
	for (const struct tcp_timewait *tw = bucket->timewaits; tw; tw = tw->bind_next) {
		struct claim held = claim_of_timewait(tw);
		if (claims_conflict(&wanted, &held, relax, reuseport_ok))
			return true;
	}
	return false;
}

/*
 * A short cut that spares the search: tp is like the binder whose address is remembered, or that one has them all. It holds however
 * SO_REUSEPORT of that socket stands by now.
 */
static bool reuseport_matches(const struct tcp_bind_bucket *bucket, const struct tcp_sock *tp)
{
	if (bucket->fastreuseport <= 0 || !tp->sk.reuseport || tp->sk.group || bucket->fastuid != tp->sk.uid)
		return false;
	return !bucket->fast_address.s_addr || bucket->fast_address.s_addr == tp->sk.local.s_addr;
}

/* Remember what the owners have in common now that tp joins them. */
static void bucket_note_owner(struct tcp_bind_bucket *bucket, const struct tcp_sock *tp)
{
	bool reuse = tp->sk.reuse && tp->sk.state != TCP_LISTEN;
	bool first = bucket_empty(bucket);
	if (first)
		bucket->fastreuse = reuse;
	else if (!reuse)
		bucket->fastreuse = 0;
	if (!tp->sk.reuseport) {
		bucket->fastreuseport = 0;
	} else if (first || !reuseport_matches(bucket, tp)) {
		bucket->fastreuseport = 1;
		bucket->fastuid = tp->sk.uid;
		bucket->fast_address = tp->sk.local;
	}
}

static int bind_given_port(struct tcp_sock *tp, uint16_t port)
{
	struct tcp_bind_bucket *bucket = bucket_find(tp->sk.stack, port);
	if (bucket && !bucket_empty(bucket)) {
		bool alike = tp->sk.reuse > 1 || reuseport_matches(bucket, tp);
		if (!alike && bucket_conflicts(bucket, tp, true, true))
			return -EADDRINUSE;
	}
	if (!bucket && !(bucket = bucket_new(tp->sk.stack, port)))
		return -ENOMEM;
	bucket_note_owner(bucket, tp);
	if (!tp->bind)
		bucket_own(bucket, tp, false);
	return 0;
}

/* --- bind(0) ------------------------------------------------------------------------------------------------------------ */
static bool port_free_for(struct tcp_sock *tp, uint16_t port, bool relax)
{
	struct pl_stack *stack = tp->sk.stack;
	if (port_reserved(stack, port))
		return false;
	struct tcp_bind_bucket *bucket = bucket_find(stack, port);
	return !bucket || !bucket_conflicts(bucket, tp, relax, false);
}

/* A port of [low, high) or 0: from a random place, every second port, then the ones between. */
static uint16_t scan_for_bind(struct tcp_sock *tp, uint32_t low, uint32_t high, bool relax)
{
	uint32_t remaining = high - low;
	if (remaining > 1)
		remaining &= ~UINT32_C(1);
	uint32_t offset = prng_below(&tp->sk.stack->prng, remaining) | 1;
	for (int parity = 0; parity < 2; parity++, offset--) {
		uint32_t port = low + offset;
		for (uint32_t i = 0; i < remaining; i += 2, port += 2) {
			if (port >= high)
				port -= remaining;
			if (port_free_for(tp, (uint16_t)port, relax))
				return (uint16_t)port;
		}
	}
	return 0;
}

/* With SO_REUSEADDR the lower half of the range is tried before the upper, so that the upper stays for exclusive use. */
static uint16_t scan_range_for_bind(struct tcp_sock *tp, bool relax)
{
	uint16_t first, last;
	port_range(&tp->sk, &first, &last);
	uint32_t low = first, high = (uint32_t)last + 1;
	if (tp->sk.reuse != 1 || high - low < 4)
		return scan_for_bind(tp, low, high, relax);
	uint32_t half = low + ((high - low) >> 2 << 1);
	uint16_t port = scan_for_bind(tp, low, half, relax);
	return port ? port : scan_for_bind(tp, half, high, relax);
}

int tcp_get_port(struct tcp_sock *tp, uint16_t port)
{
	if (port)
		return bind_given_port(tp, port);
	struct pl_stack *stack = tp->sk.stack;
	port = scan_range_for_bind(tp, false);
	if (!port && stack->sysctl.ip_autobind_reuse)
		port = scan_range_for_bind(tp, true);
	if (!port)
		return -EADDRINUSE;
	struct tcp_bind_bucket *bucket = bucket_find(stack, port);
	if (!bucket && !(bucket = bucket_new(stack, port)))
		return -ENOMEM;
	bucket_note_owner(bucket, tp);
	bucket_own(bucket, tp, false);
	return 0;
}

/* --- connect() ------------------------------------------------------------------------------------------------------------ */
/* Is the four-tuple with this port free? A TIME-WAIT entry that may be reused gives way and is returned in *displaced. */
static bool tuple_free(struct tcp_sock *tp, uint16_t port, bool chosen, struct tcp_timewait **displaced)
{
	struct sock *sk = &tp->sk;
	*displaced = NULL;
	struct tcp_entry *entry = tcp_entry_find(sk->stack, sk->source, port, sk->remote, sk->remote_port, sk->bound_link);
	if (!entry)
		return true;
	if (entry->kind != TCP_ENTRY_TIMEWAIT)
		return false;
	struct tcp_timewait *tw = (struct tcp_timewait *)entry;
	if (!tcp_timewait_reusable(tp, tw, chosen))
		return false;
	*displaced = tw;
	return true;
}

static void enter_table(struct tcp_sock *tp, struct tcp_timewait *displaced)
{
	struct sock *sk = &tp->sk;
	if (displaced) {
		COUNT(sk->stack, TcpExt, TWRecycled);
		tcp_timewait_free(displaced);
	}
	tp->entry = (struct tcp_entry){ .kind = TCP_ENTRY_SOCKET,
					.local = sk->source,
					.remote = sk->remote,
					.port = sk->port,
					.remote_port = sk->remote_port,
					.bound_link = sk->bound_link };
	tcp_entry_insert(sk->stack, &tp->entry);
}

/* Can connect() have this port? The bucket to join is left in *bucket (NULL: to be made). */
static bool port_free_for_connect(struct tcp_sock *tp, uint16_t port, struct tcp_bind_bucket **bucket,
				  struct tcp_timewait **displaced)
{
	*displaced = NULL;
	if (port_reserved(tp->sk.stack, port))
		return false;
	*bucket = bucket_find(tp->sk.stack, port);
	if (!*bucket)
		return true;
	if ((*bucket)->fastreuse >= 0 || (*bucket)->fastreuseport >= 0)
		return false;
	return tuple_free(tp, port, true, displaced);
}

static int take_for_connect(struct tcp_sock *tp, uint16_t port, struct tcp_bind_bucket *bucket, struct tcp_timewait *displaced)
{
	if (!bucket) {
		bucket = bucket_new(tp->sk.stack, port);
		if (!bucket)
			return -ENOMEM;
		bucket->fastreuse = -1;
		bucket->fastreuseport = -1;
	}
	bucket_own(bucket, tp, true);
	enter_table(tp, displaced);
	return 0;
}

int tcp_hash_connect(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	struct tcp_timewait *displaced;
	if (tp->bind) {
		if (!tuple_free(tp, tp->sk.port, false, &displaced))
			return -EADDRNOTAVAIL;
		enter_table(tp, displaced);
		return 0;
	}
	uint16_t first, last;
	port_range(&tp->sk, &first, &last);
	/* A range of the socket's own (IP_LOCAL_PORT_RANGE) is used port by port, the host's in two passes. */
	uint32_t step = tp->sk.port_range_low || tp->sk.port_range_high ? 1 : 2;
	uint32_t low = first, high = (uint32_t)last + 1, remaining = high - low;
	if (step == 2 && remaining > 1)
		remaining &= ~UINT32_C(1);
	uint64_t hash = tcp_port_offset(stack, tp->sk.source, tp->sk.remote, tp->sk.remote_port);
	uint32_t *counter = &stack->tcp->port_offset[hash & 255];
	uint32_t offset = (*counter + (uint32_t)(hash >> 32)) % remaining;
	if (step == 2)
		offset &= ~UINT32_C(1);
	for (uint32_t pass = 0; pass < (step == 2 && remaining > 1 ? 2 : 1); pass++, offset++) {
		uint32_t port = low + offset;
		for (uint32_t i = 0; i < remaining; i += step, port += step) {
			struct tcp_bind_bucket *bucket;
			if (port >= high)
				port -= remaining;
			if (!port_free_for_connect(tp, (uint16_t)port, &bucket, &displaced))
				continue;
			/* A little randomness, so that the next port says little about this one. */
			uint32_t ahead = prng_below(&stack->prng, 8) * step;
			*counter += (i > ahead ? i : ahead) + step;
			return take_for_connect(tp, (uint16_t)port, bucket, displaced);
		}
	}
	return -EADDRNOTAVAIL;
}
