/*
 * The table of connections.
 *
 * A packet meets it twice: at the first hook it finds its connection, or makes one that only the packet knows; at the last the new
 * connection is confirmed and enters the table. So what the rules drop in between is never remembered. Timeouts are looked
 * at when a connection is looked for: one that has run out is not there any more.
 */
#include "conntrack.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "tables.h"

static struct conntrack_host *host_of(const struct pl_stack *stack)
{
	return stack->netfilter->conntrack;
}

int conntrack_enable(struct pl_stack *stack)
{
	struct conntrack_host *host = host_of(stack);

	if (host)
		return 0;
	host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	stack->netfilter->conntrack = host;
	return 0;
}

void conntrack_hold(struct conntrack *conntrack)
{
	conntrack->references++;
}

void conntrack_put(struct conntrack *conntrack)
{
	if (conntrack && --conntrack->references == 0)
		free(conntrack);
}

void packet_set_conntrack(struct pktbuf *packet, struct conntrack *conntrack, unsigned info)
{
	if (conntrack)
		conntrack_hold(conntrack);
	conntrack_put(packet->conntrack);
	packet->conntrack = conntrack;
	packet->conntrack_info = (uint8_t)info;
}

void nf_packet_forget(struct pktbuf *packet)
{
	packet_set_conntrack(packet, NULL, 0);
}

void nf_packet_attach(struct pktbuf *answer, const struct pktbuf *packet)
{
	if (packet->conntrack)
		packet_set_conntrack(answer, packet->conntrack,
				     info_direction(packet->conntrack_info) == ORIGINAL ? IP_CT_RELATED_REPLY : IP_CT_RELATED);
}

/* --- the table ------------------------------------------------------------------------------------------------------ */

static struct conntrack_node **bucket_of(struct conntrack_host *host, const struct tuple *tuple)
{
	return &host->bucket[siphash(host->key, tuple, sizeof(*tuple)) % CONNTRACK_BUCKETS];
}

bool conntrack_expired(const struct pl_stack *stack, const struct conntrack *conntrack)
{
	return conntrack_is_confirmed(conntrack) && conntrack->timeout <= stack->now;
}

void conntrack_kill(struct pl_stack *stack, struct conntrack *conntrack)
{
	struct conntrack_host *host = host_of(stack);

	if (conntrack->is_dead || !conntrack_is_confirmed(conntrack))
		return;
	conntrack->is_dead = true;
	conntrack->status |= IPS_DYING;
	for (int side = 0; side < 2; side++) {
		struct conntrack_node **place = bucket_of(host, &conntrack->tuple[side]);

		while (*place != &conntrack->node[side])
			place = &(*place)->next;
		*place = conntrack->node[side].next;
	}
	host->count--;
	conntrack_put(conntrack);
}

static void insert(struct conntrack_host *host, struct conntrack *conntrack)
{
	for (int side = 0; side < 2; side++) {
		struct conntrack_node **place = bucket_of(host, &conntrack->tuple[side]);

		conntrack->node[side] = (struct conntrack_node){ *place, conntrack, (enum direction)side };
		*place = &conntrack->node[side];
	}
	host->count++;
	conntrack_hold(conntrack);
}

struct conntrack *conntrack_find(const struct pl_stack *stack, const struct tuple *tuple, enum direction *direction)
{
	struct conntrack_host *host = host_of(stack);

	for (struct conntrack_node *node = host ? *bucket_of(host, tuple) : NULL; node; node = node->next)
		if (tuple_equal(&node->conntrack->tuple[node->direction], tuple) && !conntrack_expired(stack, node->conntrack)) {
			*direction = node->direction;
			return node->conntrack;
		}
	return NULL;
}

static struct conntrack *first_of(const struct pl_stack *stack, unsigned bucket, const struct conntrack_node *node)
{
	const struct conntrack_host *host = host_of(stack);

	for (;;) {
		for (; node; node = node->next)
			if (node->direction == ORIGINAL)
				return node->conntrack;
		if (++bucket >= CONNTRACK_BUCKETS)
			return NULL;
		node = host->bucket[bucket];
	}
}

struct conntrack *conntrack_next(const struct pl_stack *stack, const struct conntrack *after)
{
	struct conntrack_host *host = stack->netfilter ? host_of(stack) : NULL;

	if (!host)
		return NULL;
	if (!after)
		return first_of(stack, 0, host->bucket[0]);
	return first_of(stack, (unsigned)(bucket_of(host, &after->tuple[ORIGINAL]) - host->bucket), after->node[ORIGINAL].next);
}

void conntrack_kill_all(struct pl_stack *stack, bool (*wanted)(const struct conntrack *, const void *), const void *argument)
{
	struct conntrack *conntrack = conntrack_next(stack, NULL), *next;

	for (; conntrack; conntrack = next) {
		next = conntrack_next(stack, conntrack);
		if (wanted(conntrack, argument))
			conntrack_kill(stack, conntrack);
	}
}

static bool everyone(const struct conntrack *conntrack, const void *argument)
{
	(void)conntrack;
	(void)argument;
	return true;
}

void conntrack_host_free(struct pl_stack *stack)
{
	conntrack_kill_all(stack, everyone, NULL);
	free(stack->netfilter->conntrack);
	stack->netfilter->conntrack = NULL;
}

void conntrack_resume(struct pl_stack *stack)
{
	for (struct conntrack *conntrack = conntrack_next(stack, NULL); conntrack;
	     conntrack = conntrack_next(stack, conntrack))
		conntrack->tcp.seen[ORIGINAL].max_window = conntrack->tcp.seen[REPLY].max_window = 0;
}

/* --- a packet comes --------------------------------------------------------------------------------------------------- */

void conntrack_refresh(struct pl_stack *stack, struct conntrack *conntrack, enum ip_conntrack_info info,
		       const struct pktbuf *packet, pl_time span)
{
	enum direction direction = info_direction(info);

	conntrack->timeout = conntrack_is_confirmed(conntrack) ? stack->now + span : span;
	if (conntrack->is_counted) {
		conntrack->packets[direction]++;
		conntrack->bytes[direction] += pktbuf_length(packet);
	}
}

static bool is_over(const struct conntrack *conntrack, const void *argument)
{
	return conntrack_expired(argument, conntrack);
}

static struct conntrack *conntrack_new(struct pl_stack *stack, const struct tuple *tuple)
{
	struct conntrack_host *host = host_of(stack);
	struct conntrack *conntrack;
	struct tuple reply;

	if (!tuple_invert(tuple, &reply))
		return NULL;
	if (stack->sysctl.nf_conntrack_max && host->count >= (unsigned)stack->sysctl.nf_conntrack_max)
		conntrack_kill_all(stack, is_over, stack);
	if (stack->sysctl.nf_conntrack_max && host->count >= (unsigned)stack->sysctl.nf_conntrack_max)
		return NULL;
	conntrack = calloc(1, sizeof(*conntrack));
	if (!conntrack)
		return NULL;
	conntrack->tuple[ORIGINAL] = *tuple;
	conntrack->tuple[REPLY] = reply;
	conntrack->is_counted = stack->sysctl.nf_conntrack_acct;
	return conntrack;
}

static enum ip_conntrack_info info_of(const struct conntrack *conntrack, enum direction direction)
{
	if (direction == REPLY)
		return IP_CT_ESTABLISHED_REPLY;
	return conntrack->status & IPS_SEEN_REPLY ? IP_CT_ESTABLISHED : IP_CT_NEW;
}

/*
 * An ICMP error belongs to the connection of the packet that it quotes. It has to go to that packet's sender: nobody else could
 * have been told.
 */
static void track_icmp_error(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);
	size_t offset = ip->ihl * 4u + sizeof(struct icmphdr);
	const struct iphdr *quoted = pktbuf_at(packet, offset, sizeof(*quoted));
	struct tuple tuple, inverse;
	enum direction direction;
	struct conntrack *conntrack;

	if (!quoted || !tuple_of(quoted, pktbuf_length(packet) - offset, &tuple) || !tuple_invert(&tuple, &inverse))
		return;
	conntrack = conntrack_find(stack, &inverse, &direction);
	if (!conntrack || conntrack->tuple[direction].destination.s_addr != ip->daddr)
		return;
	packet_set_conntrack(packet, conntrack, direction == REPLY ? IP_CT_RELATED_REPLY : IP_CT_RELATED);
}

/* False: it is an error, dealt with, or makes no sense. */
static bool is_icmp_query(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place)
{
	const struct icmphdr *icmp = pktbuf_at(packet, ip_header(packet)->ihl * 4u, sizeof(*icmp));

	if (!icmp || icmp->type > NR_ICMP_TYPES)
		return false;
	if (stack->sysctl.nf_conntrack_checksum && place->hook == NF_INET_PRE_ROUTING && !transport_checksum_right(packet))
		return false;
	if (!icmp_is_error(icmp->type))
		return true;
	track_icmp_error(stack, packet);
	return false;
}

enum nf_verdict conntrack_packet(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place)
{
	const struct iphdr *ip = ip_header(packet);
	enum direction direction = ORIGINAL;
	enum tracked result;
	struct tuple tuple;

	/* Sent by this host to itself it keeps what it was found to be when it left. */
	if (packet->conntrack || packet->conntrack_info == INFO_UNTRACKED)
		return NF_VERDICT_ACCEPT;
	if (place->hook == NF_INET_LOCAL_OUT && ip->frag_off & htons(IP_MF | IP_OFFMASK))
		return NF_VERDICT_ACCEPT;
	if (ip->protocol == IPPROTO_ICMP && !is_icmp_query(stack, packet, place))
		return NF_VERDICT_ACCEPT;
	if (!tuple_of(ip, pktbuf_length(packet), &tuple))
		return NF_VERDICT_ACCEPT;
	do {
		struct conntrack *conntrack = conntrack_find(stack, &tuple, &direction);

		if (!conntrack) {
			direction = ORIGINAL;
			conntrack = conntrack_new(stack, &tuple);
			if (!conntrack)		/* the table is full; but what can have no reply is merely invalid */
				return tuple_invert(&tuple, &tuple) ? NF_VERDICT_DROP : NF_VERDICT_ACCEPT;
		}
		packet_set_conntrack(packet, conntrack, info_of(conntrack, direction));
		result = track_protocol(stack, packet, conntrack, packet->conntrack_info, place);
		if (result != TRACKED_VALID)
			packet_set_conntrack(packet, NULL, 0);
	} while (result == TRACKED_REPEAT);
	if (result == TRACKED_VALID && packet->conntrack_info == IP_CT_ESTABLISHED_REPLY)
		packet->conntrack->status |= IPS_SEEN_REPLY;
	return result == TRACKED_DROP ? NF_VERDICT_DROP : NF_VERDICT_ACCEPT;
}

enum nf_verdict conntrack_confirm(struct pl_stack *stack, struct pktbuf *packet)
{
	struct conntrack *conntrack = packet->conntrack, *other = NULL;
	enum direction direction;

	if (!conntrack || conntrack_is_confirmed(conntrack) || info_direction(packet->conntrack_info) != ORIGINAL)
		return NF_VERDICT_ACCEPT;
	for (int side = 0; side < 2 && !other; side++)
		other = conntrack_find(stack, &conntrack->tuple[side], &direction);
	if (other) {
		/* Two packets of one new connection were under way at once: the second joins the first's. */
		if (conntrack->tuple[ORIGINAL].protocol == IPPROTO_TCP || direction != ORIGINAL ||
		    !tuple_equal(&conntrack->tuple[ORIGINAL], &other->tuple[ORIGINAL]) ||
		    !tuple_equal(&conntrack->tuple[REPLY], &other->tuple[REPLY]))
			return NF_VERDICT_DROP;
		packet_set_conntrack(packet, other, info_of(other, ORIGINAL));
		return NF_VERDICT_ACCEPT;
	}
	conntrack->status |= IPS_CONFIRMED;
	conntrack->timeout += stack->now;
	insert(host_of(stack), conntrack);
	return NF_VERDICT_ACCEPT;
}

/* --- for the rest of the stack ---------------------------------------------------------------------------------------- */

bool nf_original_destination(const struct pl_stack *stack, uint8_t protocol, struct in_addr local, uint16_t port,
			     struct in_addr remote, uint16_t remote_port, struct sockaddr_in *original)
{
	struct tuple tuple = { .source = local, .destination = remote, .source_port = htons(port),
			       .destination_port = htons(remote_port), .protocol = protocol };
	enum direction direction;
	const struct conntrack *conntrack = stack->netfilter ? conntrack_find(stack, &tuple, &direction) : NULL;

	if (!conntrack)
		return false;
	*original = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = conntrack->tuple[ORIGINAL].destination_port,
		.sin_addr = conntrack->tuple[ORIGINAL].destination,
	};
	return true;
}

struct gone {
	int ifindex;
	struct in_addr local;
};

static bool is_behind(const struct conntrack *conntrack, const void *argument)
{
	const struct gone *gone = argument;

	return conntrack->masquerade_link == gone->ifindex &&
	       (!gone->local.s_addr || conntrack->tuple[REPLY].destination.s_addr == gone->local.s_addr);
}

void nf_address_gone(struct pl_stack *stack, const struct link *link, struct in_addr local)
{
	struct gone gone = { link->ifindex, local };

	if (stack->netfilter)
		conntrack_kill_all(stack, is_behind, &gone);
}
