/*
 * Reassembly: RFC 791 section 3.2, RFC 815's bookkeeping, RFC 5722's strictness, as Linux does it.
 *
 * Fragments of one datagram (source, destination, protocol, id, link group) are kept in a queue as runs: stretches of
 * bytes that came in order. A fragment that lies within one run is a duplicate and dropped alone; one that overlaps anything
 * else makes the whole datagram worthless, and the queue is thrown away. The datagram is whole when the first and the last
 * fragment are there and as many bytes as the last one's end says.
 *
 * A queue lives ipfrag_time. When it ends and the first fragment is there, the sender is told (time exceeded in reassembly).
 * Queues together may pin ipfrag_high_thresh bytes. A sender from which more than ipfrag_max_dist other fragments have come
 * since a queue's last one has wrapped its ids, probably: the queue starts anew.
 */
#include "reassemble.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "host.h"
#include "icmp.h"

#define QUEUE_TRUESIZE 216u	/* what Linux charges for a queue itself */

struct fragment_control {	/* in pktbuf.control */
	uint32_t offset, end;
};

/* Bytes [start, end) in fragments that came one behind the other. */
struct run {
	struct run *next;
	uint32_t start, end;
	struct pktbuf_queue fragments;
};

struct fragment_queue {
	struct fragment_queue *next;
	struct pl_stack *stack;
	struct pl_timer timer;
	struct in_addr source, destination;
	uint16_t id;
	uint8_t protocol;
	enum reassemble_user user;
	struct run *runs;		/* by start; never overlapping */
	bool first_in, last_in;
	uint32_t length, received;	/* end of the furthest byte known, bytes here */
	uint32_t memory;		/* truesize of the fragments */
	uint32_t sender_count;		/* the sender's fragments when the last of this queue came */
	uint32_t largest, largest_df;	/* sizes with header: of any fragment, of one with DF */
	uint8_t ecn;			/* 1 << codepoint of every fragment */
	int ifindex;			/* where the last one came in */
};

static struct fragment_control *control(struct pktbuf *packet)
{
	return (struct fragment_control *)packet->control;
}

/* --- queues ------------------------------------------------------------------------------------------------------- */

static void empty_queue(struct fragment_queue *queue)
{
	struct pl_stack *stack = queue->stack;

	while (queue->runs) {
		struct run *run = queue->runs;

		queue->runs = run->next;
		pktbuf_queue_purge(stack, &run->fragments);
		free(run);
	}
	stack->ip->fragment_memory -= queue->memory;
	queue->memory = 0;
}

static void kill_queue(struct fragment_queue *queue)
{
	struct pl_stack *stack = queue->stack;
	struct fragment_queue **place = &stack->ip->fragments;

	while (*place != queue)
		place = &(*place)->next;
	*place = queue->next;
	empty_queue(queue);
	timer_cancel(stack, &queue->timer);
	stack->ip->fragment_memory -= QUEUE_TRUESIZE;
	stack->ip->fragment_queues--;
	free(queue);
}

void reassemble_free(struct pl_stack *stack)
{
	while (stack->ip->fragments)
		kill_queue(stack->ip->fragments);
}

/* The first fragment, taken out of the queue. */
static struct pktbuf *take_first(struct fragment_queue *queue)
{
	struct pktbuf *packet = queue->runs->fragments.first;

	pktbuf_queue_remove(&queue->runs->fragments, packet);
	queue->memory -= packet->truesize;
	queue->stack->ip->fragment_memory -= packet->truesize;
	return packet;
}

static void expire(struct pl_stack *stack, struct pl_timer *timer)
{
	struct fragment_queue *queue = (struct fragment_queue *)((char *)timer - offsetof(struct fragment_queue, timer));
	struct pktbuf *first = NULL;
	struct route *route = NULL;

	COUNT(stack, Ip, ReasmFails);
	COUNT(stack, Ip, ReasmTimeout);
	if (queue->first_in) {
		first = take_first(queue);
		first->link = link_by_index(stack, queue->ifindex);
	}
	bool on_the_way = queue->user == REASSEMBLE_CONNTRACK_IN || queue->user == REASSEMBLE_CONNTRACK_OUT;
	kill_queue(queue);
	if (first && first->link && route_input(stack, first, &route) == 0) {
		if (first->route)
			route_put(stack, first->route);
		first->route = route;
		/* Put together for the filter's sake: of what only passes through, its own receiver tells. */
		if (!on_the_way || route->type == RTN_LOCAL)
			icmp_send_error(stack, first, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
	}
	pktbuf_free(stack, first);
}

static pl_time lifetime_end(const struct pl_stack *stack)
{
	return stack->now + SYSCTL_TIME(stack, stack->sysctl.ipfrag_time);
}

static struct fragment_queue *find_queue(struct pl_stack *stack, const struct iphdr *ip, enum reassemble_user user)
{
	struct ip_host *host = stack->ip;
	struct fragment_queue *queue;

	for (queue = host->fragments; queue; queue = queue->next)
		if (queue->id == ip->id && queue->protocol == ip->protocol && queue->source.s_addr == ip->saddr &&
		    queue->destination.s_addr == ip->daddr && queue->user == user)
			return queue;
	if (host->fragment_memory > (uint64_t)stack->sysctl.ipfrag_high_thresh || stack->sysctl.ipfrag_high_thresh <= 0)
		return NULL;
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return NULL;
	queue->stack = stack;
	queue->id = ip->id;
	queue->protocol = ip->protocol;
	queue->source.s_addr = ip->saddr;
	queue->destination.s_addr = ip->daddr;
	queue->user = user;
	timer_init(&queue->timer, expire);
	timer_arm(stack, &queue->timer, lifetime_end(stack));
	queue->next = host->fragments;
	host->fragments = queue;
	host->fragment_memory += QUEUE_TRUESIZE;
	host->fragment_queues++;
	return queue;
}

/* --- a fragment comes --------------------------------------------------------------------------------------------- */

/* Too many of the sender's other fragments have come between: what is here belongs to an older datagram of the same id. */
static void check_distance(struct fragment_queue *queue)
{
	struct pl_stack *stack = queue->stack;
	struct icmp_peer *peer;

	if (stack->sysctl.ipfrag_max_dist <= 0)
		return;
	peer = icmp_peer_find(stack, queue->source);
	if (!peer)
		return;
	uint32_t before = queue->sender_count;
	queue->sender_count = ++peer->fragments;
	if (!queue->runs || queue->sender_count - before <= (uint32_t)stack->sysctl.ipfrag_max_dist)
		return;
	COUNT(stack, Ip, ReasmFails);
	empty_queue(queue);
	timer_arm(stack, &queue->timer, lifetime_end(stack));
	queue->first_in = queue->last_in = false;
	queue->length = queue->received = 0;
	queue->ecn = 0;
}

enum place { PLACED, DUPLICATE, OVERLAP, NO_MEMORY };

/* Put the fragment into its run, the last one when it continues that, else one of its own. */
static enum place place_fragment(struct fragment_queue *queue, struct pktbuf *packet, uint32_t offset, uint32_t end)
{
	struct run **at = &queue->runs, *run;

	for (; *at && (*at)->end <= offset; at = &(*at)->next)
		if ((*at)->end == offset && !(*at)->next) {
			(*at)->end = end;
			pktbuf_queue_push(&(*at)->fragments, packet);
			return PLACED;
		}
	if (*at && (*at)->start < end)
		return offset >= (*at)->start && end <= (*at)->end ? DUPLICATE : OVERLAP;
	run = calloc(1, sizeof(*run));
	if (!run)
		return NO_MEMORY;
	run->start = offset;
	run->end = end;
	pktbuf_queue_push(&run->fragments, packet);
	run->next = *at;
	*at = run;
	return PLACED;
}

/* What the ends of the fragments say about the datagram's length; false: they contradict each other, or it is empty. */
static bool check_ends(struct fragment_queue *queue, bool more, uint32_t offset, uint32_t *end)
{
	if (!more) {
		if (*end < queue->length || (queue->last_in && *end != queue->length))
			return false;
		queue->last_in = true;
		queue->length = *end;
	} else {
		*end &= ~7u;
		if (*end > queue->length) {
			if (queue->last_in)
				return false;
			queue->length = *end;
		}
	}
	return *end != offset;
}

static void discard(struct fragment_queue *queue, struct pktbuf *packet)
{
	struct pl_stack *stack = queue->stack;

	COUNT(stack, Ip, ReasmFails);
	kill_queue(queue);
	pktbuf_free(stack, packet);
}

/* True: the queue holds it now. False: it is gone, and the queue perhaps too. */
static bool enqueue(struct fragment_queue *queue, struct pktbuf *packet)
{
	struct pl_stack *stack = queue->stack;
	const struct iphdr *ip = ip_header(packet);
	uint32_t header = ip->ihl * 4u, field = ntohs(ip->frag_off);
	uint32_t offset = (field & IP_OFFMASK) * 8, end = offset + (uint32_t)(packet->tail - packet->network) - header;
	int ifindex = packet->link->ifindex;

	check_distance(queue);
	if (!check_ends(queue, field & IP_MF, offset, &end)) {
		discard(queue, packet);
		return false;
	}
	/* The header stays reachable by packet->network. */
	packet->data = packet->network + header;
	pktbuf_trim(packet, end - offset);
	uint32_t size = header + pktbuf_length(packet), length = pktbuf_length(packet);
	uint8_t ecn = (uint8_t)(1 << (ip->tos & 3));
	switch (place_fragment(queue, packet, offset, end)) {
	case DUPLICATE:
	case NO_MEMORY:
		pktbuf_free(stack, packet);
		return false;
	case OVERLAP:
		COUNT(stack, IpExt, ReasmOverlaps);
		discard(queue, packet);
		return false;
	case PLACED:
		break;
	}
	*control(packet) = (struct fragment_control){ offset, end };
	queue->ifindex = ifindex;
	queue->received += length;
	queue->ecn |= ecn;
	queue->memory += packet->truesize;
	stack->ip->fragment_memory += packet->truesize;
	queue->first_in |= offset == 0;
	if (size > queue->largest)
		queue->largest = size;
	if (field & IP_DF && size > queue->largest_df)
		queue->largest_df = size;
	return true;
}

/* --- the datagram is whole ---------------------------------------------------------------------------------------- */

/*
 * RFC 3168 section 5.3: the codepoint to set in the whole, by which ones its fragments had; -1: a mix that makes no sense.
 * Without CE the first fragment's stands.
 */
static int whole_ecn(uint8_t seen)
{
	enum { NOT_ECT = 1, ECT1 = 2, ECT0 = 4, CE = 8 };

	if (seen & NOT_ECT)
		return seen == NOT_ECT ? 0 : -1;
	return seen & CE && seen != CE ? IPTOS_ECN_CE : 0;
}

/* The lengths of the fragments' payloads in their order, ended by 0; NULL: no memory, then nobody knows them. */
static uint16_t *lengths(const struct fragment_queue *queue)
{
	size_t count = 0;
	uint16_t *length;

	for (const struct run *run = queue->runs; run; run = run->next)
		count += run->fragments.count;
	length = calloc(count + 1, sizeof(*length));
	if (!length)
		return NULL;
	count = 0;
	for (const struct run *run = queue->runs; run; run = run->next)
		for (const struct pktbuf *piece = run->fragments.first; piece; piece = piece->next)
			length[count++] = (uint16_t)pktbuf_length(piece);
	return length;
}

static struct pktbuf *join(struct fragment_queue *queue, struct link *link)
{
	struct pl_stack *stack = queue->stack;
	struct pktbuf *first = queue->runs->fragments.first;
	uint32_t header = (uint32_t)(first->data - first->network);
	struct pktbuf *whole = pktbuf_new(stack, 64, header + queue->length);

	if (!whole)
		return NULL;
	struct iphdr *ip = memcpy(pktbuf_put(whole, header), first->network, header);
	for (const struct run *run = queue->runs; run; run = run->next)
		for (const struct pktbuf *piece = run->fragments.first; piece; piece = piece->next)
			memcpy(pktbuf_put(whole, pktbuf_length(piece)), piece->data, pktbuf_length(piece));
	whole->network = whole->data;
	whole->truesize = queue->memory;
	whole->link = link;
	whole->input_ifindex = first->input_ifindex;
	whole->gateway = first->gateway;
	whole->priority = first->priority;
	whole->arrival = first->arrival;
	whole->packet_type = first->packet_type;
	whole->mark = first->mark;
	whole->options = first->options;
	whole->checksum_ok = first->checksum_ok;
	ip->tot_len = htons((uint16_t)(header + queue->length));
	ip->tos |= (uint8_t)whole_ecn(queue->ecn);
	whole->frag_df = queue->largest_df == queue->largest;
	ip->frag_off = whole->frag_df ? htons(IP_DF) : 0;
	ip->check = 0;
	ip->check = checksum_finish(checksum_add(ip, header, 0));
	whole->frag_max_size = (uint16_t)(queue->largest > UINT16_MAX ? UINT16_MAX : queue->largest);
	return whole;
}

struct pktbuf *reassemble(struct pl_stack *stack, struct pktbuf *packet, enum reassemble_user user)
{
	struct pktbuf *whole = NULL;
	struct fragment_queue *queue;
	struct route *route;

	COUNT(stack, Ip, ReasmReqds);
	queue = find_queue(stack, ip_header(packet), user);
	if (!queue) {
		COUNT(stack, Ip, ReasmFails);
		pktbuf_free(stack, packet);
		return NULL;
	}
	route = packet->route ? route_hold(packet->route) : NULL;
	struct link *link = packet->link;
	if (enqueue(queue, packet) && queue->first_in && queue->last_in && queue->received == queue->length) {
		uint32_t header = (uint32_t)(queue->runs->fragments.first->data - queue->runs->fragments.first->network);

		if (whole_ecn(queue->ecn) >= 0 && header + queue->length <= UINT16_MAX)
			whole = join(queue, link);
		if (whole) {
			COUNT(stack, Ip, ReasmOKs);
			whole->route = route;	/* the last fragment's */
			whole->pieces = user == REASSEMBLE_LOCAL ? NULL : lengths(queue);
			route = NULL;
		} else {
			COUNT(stack, Ip, ReasmFails);
		}
		kill_queue(queue);
	}
	route_put(stack, route);
	return whole;
}
