/*
 * Packet buffers and the accounting model.
 *
 * What Linux charges for a packet (its truesize) was measured on Linux 6.18, x86-64, through SO_MEMINFO: UDP datagrams of every
 * length written to a tun device or sent over the loopback link, and TCP queues. What comes out is
 *
 *	truesize = SKB_OVERHEAD + the allocation that holds headroom, bytes and SKB_SHARED_INFO + pages beside it
 *
 * where the allocation is
 *   - SMALL_HEAD (576 bytes) when headroom and bytes need at most 256, the pool that most ACKs come from;
 *   - else the next size class of the general allocator: 1024, 2048, 4096, 8192, ...
 *
 * A tun device reserves 64 bytes of headroom. What does not fit an allocation of two pages it puts in whole pages, behind a
 * first page that holds 3712 bytes. TCP puts data that the application sends in page fragments, charged by the byte, beside a
 * head from the small pool. A tap device puts a frame for which a page is enough into a piece of one, charged by the cache line.
 *
 * The block behind a pktbuf here is contiguous, whatever Linux's layout; only these figures follow Linux.
 */
#include "pktbuf.h"

#include "internal.h"
#include "ip/ip.h"
#include "netfilter/conntrack.h"

#include <assert.h>
#include <stdlib.h>

#define CACHE_LINE 64
#define PAGE 4096
#define SMALL_HEAD 576
#define TUN_HEADROOM 64
#define TUN_LINEAR_MAX (2 * PAGE - SKB_SHARED_INFO - TUN_HEADROOM)	/* bytes that still get one allocation */
#define TUN_PAGED_HEAD (PAGE - SKB_SHARED_INFO - TUN_HEADROOM)		/* bytes in the head when pages follow */

static size_t round_up(size_t value, size_t to)
{
	return (value + to - 1) / to * to;
}

/* The allocation for a head of `length` bytes, headroom included. */
static size_t head_allocation(size_t length)
{
	size_t need = round_up(length, CACHE_LINE) + SKB_SHARED_INFO, size = 1024;

	if (need <= SMALL_HEAD)
		return SMALL_HEAD;
	while (size < need)
		size *= 2;
	return size;
}

uint32_t truesize_linear(size_t length)
{
	return (uint32_t)(SKB_OVERHEAD + head_allocation(length));
}

/* Whether it comes in a piece of a page. */
static bool in_page(size_t length, bool ethernet)
{
	return ethernet && round_up(TUN_HEADROOM + length, CACHE_LINE) + SKB_SHARED_INFO <= PAGE;
}

uint32_t truesize_received(size_t length, bool ethernet)
{
	if (in_page(length, ethernet))
		return (uint32_t)(SKB_OVERHEAD + round_up(TUN_HEADROOM + length, CACHE_LINE) + SKB_SHARED_INFO);
	if (length <= TUN_LINEAR_MAX)
		return truesize_linear(TUN_HEADROOM + length);
	return (uint32_t)(SKB_OVERHEAD + PAGE + round_up(length - TUN_PAGED_HEAD, PAGE));
}

uint32_t tailroom_received(size_t length, bool ethernet)
{
	if (in_page(length, ethernet))
		return (uint32_t)(round_up(TUN_HEADROOM + length, CACHE_LINE) - TUN_HEADROOM - length);
	if (length > TUN_LINEAR_MAX)
		return 0;
	return (uint32_t)(head_allocation(TUN_HEADROOM + length) - SKB_SHARED_INFO - TUN_HEADROOM - length);
}

uint32_t truesize_tcp_data(uint32_t length)
{
	return SKB_OVERHEAD + SMALL_HEAD + length;
}

struct pktbuf *pktbuf_new(struct pl_stack *stack, size_t headroom, size_t size)
{
	struct pktbuf *packet = calloc(1, sizeof(*packet));
	uint8_t *head = malloc(headroom + size ? headroom + size : 1);

	if (!packet || !head) {
		free(packet);
		free(head);
		return NULL;
	}
	packet->head = head;
	packet->data = packet->tail = head + headroom;
	packet->end = head + headroom + size;
	packet->references = 1;
	packet->truesize = truesize_linear(headroom + size);
	stack->usage.packets++;
	stack->usage.packet_bytes += headroom + size;
	return packet;
}

struct pktbuf *pktbuf_copy(struct pl_stack *stack, const struct pktbuf *packet, size_t headroom)
{
	/* A header that was pulled stays reachable through packet->network, so copy from the lowest position that is named. */
	const uint8_t *from = packet->data;

	if (packet->network && packet->network < from)
		from = packet->network;
	if (packet->transport && packet->transport < from)
		from = packet->transport;
	size_t length = (size_t)(packet->tail - from);
	struct pktbuf *copy = pktbuf_new(stack, headroom, length);

	if (!copy)
		return NULL;
	uint8_t *head = copy->head, *end = copy->end;
	*copy = *packet;
	copy->next = copy->prev = NULL;
	copy->head = head;
	copy->end = end;
	memcpy(head + headroom, from, length);
	copy->data = head + headroom + (packet->data - from);
	copy->tail = end;
	copy->network = packet->network ? head + headroom + (packet->network - from) : NULL;
	copy->transport = packet->transport ? head + headroom + (packet->transport - from) : NULL;
	copy->references = 1;
	copy->owner = NULL;
	copy->charge = NULL;
	copy->assigned = NULL;
	copy->sender = NULL;
	copy->original = NULL;
	copy->waiting_copies = 0;
	copy->waits = false;
	if (copy->conntrack)
		conntrack_hold(copy->conntrack);
	if (copy->route)
		route_hold(copy->route);
	return copy;
}

struct pktbuf *pktbuf_hold(struct pktbuf *packet)
{
	packet->references++;
	return packet;
}

void pktbuf_orphan(struct pktbuf *packet)
{
	if (packet->charge)
		*packet->charge -= packet->truesize;
	packet->charge = NULL;
	packet->owner = NULL;
	if (packet->waits)
		return;
	packet->sender = NULL;
	packet->original = NULL;
}

void pktbuf_free(struct pl_stack *stack, struct pktbuf *packet)
{
	if (!packet || --packet->references > 0)
		return;
	pktbuf_orphan(packet);
	if (packet->conntrack)
		conntrack_put(packet->conntrack);
	if (packet->assigned)
		sock_put(packet->assigned);
	if (packet->route)
		route_put(stack, packet->route);
	stack->usage.packets--;
	stack->usage.packet_bytes -= (size_t)(packet->end - packet->head);
	free(packet->pieces);
	free(packet->head);
	free(packet);
}

bool pktbuf_reserve(struct pl_stack *stack, struct pktbuf *packet, size_t length)
{
	size_t size = (size_t)(packet->end - packet->head), used = (size_t)(packet->tail - packet->head), room = used + length;
	ptrdiff_t data = packet->data - packet->head;
	ptrdiff_t network = packet->network ? packet->network - packet->head : -1;
	ptrdiff_t transport = packet->transport ? packet->transport - packet->head : -1;

	if (room <= size)
		return true;
	room += room / 2;	/* whoever appends once will append again */
	uint8_t *head = malloc(room);
	if (!head)
		return false;
	uint8_t *old = packet->head;
	memcpy(head, old, used);
	packet->head = head;
	packet->data = head + data;
	packet->tail = head + used;
	packet->end = head + room;
	packet->network = network >= 0 ? head + network : NULL;
	packet->transport = transport >= 0 ? head + transport : NULL;
	stack->usage.packet_bytes += room - size;
	free(old);
	return true;
}

void *pktbuf_push(struct pktbuf *packet, size_t length)
{
	assert((size_t)(packet->data - packet->head) >= length);
	return packet->data -= length;
}

void *pktbuf_put(struct pktbuf *packet, size_t length)
{
	uint8_t *start = packet->tail;

	assert((size_t)(packet->end - packet->tail) >= length);
	packet->tail += length;
	return start;
}

void *pktbuf_at(const struct pktbuf *packet, size_t offset, size_t length)
{
	size_t have = pktbuf_length(packet);

	return offset > have || length > have - offset ? NULL : packet->data + offset;
}

void pktbuf_pull(struct pktbuf *packet, size_t length)
{
	assert(length <= pktbuf_length(packet));
	packet->data += length;
}

void pktbuf_trim(struct pktbuf *packet, size_t length)
{
	if (length < pktbuf_length(packet))
		packet->tail = packet->data + length;
}

void pktbuf_queue_push(struct pktbuf_queue *queue, struct pktbuf *packet)
{
	pktbuf_queue_insert_after(queue, queue->last, packet);
}

void pktbuf_queue_insert_after(struct pktbuf_queue *queue, struct pktbuf *after, struct pktbuf *packet)
{
	packet->prev = after;
	packet->next = after ? after->next : queue->first;
	if (packet->next)
		packet->next->prev = packet;
	else
		queue->last = packet;
	if (after)
		after->next = packet;
	else
		queue->first = packet;
	queue->count++;
	queue->bytes += pktbuf_length(packet);
}

void pktbuf_queue_remove(struct pktbuf_queue *queue, struct pktbuf *packet)
{
	if (packet->prev)
		packet->prev->next = packet->next;
	else
		queue->first = packet->next;
	if (packet->next)
		packet->next->prev = packet->prev;
	else
		queue->last = packet->prev;
	packet->next = packet->prev = NULL;
	queue->count--;
	queue->bytes -= pktbuf_length(packet);
}

struct pktbuf *pktbuf_queue_pop(struct pktbuf_queue *queue)
{
	struct pktbuf *packet = queue->first;

	if (packet)
		pktbuf_queue_remove(queue, packet);
	return packet;
}

void pktbuf_queue_purge(struct pl_stack *stack, struct pktbuf_queue *queue)
{
	struct pktbuf *packet;

	while ((packet = pktbuf_queue_pop(queue)))
		pktbuf_free(stack, packet);
	queue->bytes = 0;
}
