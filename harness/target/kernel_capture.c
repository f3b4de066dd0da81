/*
 * What leaves on a link.
 *
 * Each packet is seen twice. libpcap sees it at the moment it leaves, with the kernel's own time stamp, and its first
 * CAPTURE_BYTES. The far end of the tun sees it whole, and knows whether it is one large segment (the virtio header's
 * gso_size) and whether its checksum is still to be filled in, as it would be by a network card. The two views are put
 * together here, in the order of the capture. A packet that one side alone has seen for a while is taken as that side saw it:
 * the tun drops packets when nobody reads it for five hundred packets, which the capture still tells.
 *
 * The ring of the capture holds two thousand packets, so that it loses none while this process does something else.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CAPTURE_BYTES 1900		/* two frames of the ring fit into a page */
#define CAPTURE_RING (4 * 1024 * 1024)
#define HALF_FOR (2 * PL_NSEC_PER_MSEC)	/* how long the other half of a packet is waited for */

static void queue_init(struct sent_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static void queue_put(struct sent_queue *queue, struct sent_packet *packet)
{
	packet->next = NULL;
	*queue->last = packet;
	queue->last = &packet->next;
}

/* Take out *at, which is a place in the queue's chain. */
static struct sent_packet *queue_remove(struct sent_queue *queue, struct sent_packet **at)
{
	struct sent_packet *packet = *at;

	*at = packet->next;
	if (queue->last == &packet->next)
		queue->last = at;
	return packet;
}

static void queue_clear(struct sent_queue *queue)
{
	while (queue->first) {
		struct sent_packet *packet = queue_remove(queue, &queue->first);

		free(packet->bytes);
		free(packet);
	}
}

static struct sent_packet *packet_new(const uint8_t *bytes, size_t captured, size_t length)
{
	struct sent_packet *packet = calloc(1, sizeof(*packet));

	if (!packet)
		return NULL;
	packet->bytes = malloc(captured ? captured : 1);
	if (!packet->bytes) {
		free(packet);
		return NULL;
	}
	memcpy(packet->bytes, bytes, captured);
	packet->captured = captured;
	packet->length = length;
	return packet;
}

int kernel_capture_open(struct kernel_link *link, struct arena *arena, const char **error)
{
	char message[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_create(link->name, message);
	int status;

	queue_init(&link->captured);
	queue_init(&link->received);
	if (!pcap) {
		*error = arena_printf(arena, "cannot capture on %s: %s", link->name, message);
		return TARGET_UNAVAILABLE;
	}
	pcap_set_snaplen(pcap, CAPTURE_BYTES);
	pcap_set_buffer_size(pcap, CAPTURE_RING);
	pcap_set_immediate_mode(pcap, 1);
	pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);
	status = pcap_activate(pcap);
	if (status < 0 || pcap_setdirection(pcap, PCAP_D_OUT) < 0 || pcap_setnonblock(pcap, 1, message) < 0) {
		*error = arena_printf(arena, "cannot capture on %s: %s", link->name,
				      status < 0 ? pcap_statustostr(status) : pcap_geterr(pcap));
		pcap_close(pcap);
		return TARGET_UNAVAILABLE;
	}
	link->capture = pcap;
	link->capture_fd = pcap_get_selectable_fd(pcap);
	return 0;
}

void kernel_capture_close(struct kernel_link *link)
{
	if (!link->capture)
		return;
	pcap_close(link->capture);
	link->capture = NULL;
	queue_clear(&link->captured);
	queue_clear(&link->received);
}

struct drain {
	struct kernel_link *link;
	int64_t offset;			/* from CLOCK_REALTIME to the target's clock */
	pl_time now;
};

static void packet_captured(u_char *context, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct drain *drain = (struct drain *)context;
	struct sent_packet *packet = packet_new(bytes, header->caplen, header->len);

	if (!packet)
		return;
	/* With nanosecond precision libpcap puts nanoseconds where the name says microseconds. */
	packet->time = header->ts.tv_sec * PL_NSEC_PER_SEC + header->ts.tv_usec + drain->offset;
	packet->seen = drain->now;
	queue_put(&drain->link->captured, packet);
}

/* Where the TCP payload begins, for counting the pieces of a large segment; 0: not TCP over IPv4. */
static size_t tcp_payload_offset(const uint8_t *bytes, size_t length)
{
	size_t ip, tcp;

	if (length < 20 || bytes[0] >> 4 != 4 || bytes[9] != IPPROTO_TCP)
		return 0;
	ip = (bytes[0] & 15) * 4u;
	if (length < ip + 20)
		return 0;
	tcp = (bytes[ip + 12] >> 4) * 4u;
	return length < ip + tcp ? 0 : ip + tcp;
}

/* The sum of RFC 1071 over the bytes, not yet inverted. */
static uint16_t ones_sum(const uint8_t *bytes, size_t length)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint64_t)bytes[i] << 8 | bytes[i + 1];
	if (length & 1)
		sum += (uint64_t)bytes[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/*
 * Do what the network card would be left to do: the sum from csum_start to the end goes to csum_start + csum_offset, where the
 * sum of the pseudo header stands (virtio 1.1, 5.1.6.2). A UDP checksum that comes out as 0 is sent as all ones (RFC 768).
 */
static void checksum_finish(struct sent_packet *packet, const struct virtio_net_hdr *header)
{
	size_t start = header->csum_start, place = start + header->csum_offset;
	uint16_t sum;

	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || place + 2 > packet->length)
		return;
	sum = (uint16_t)~ones_sum(packet->bytes + start, packet->length - start);
	if (sum == 0 && header->csum_offset == 6)
		sum = 0xffff;
	packet->bytes[place] = (uint8_t)(sum >> 8);
	packet->bytes[place + 1] = (uint8_t)sum;
}

/* Keep the far end's header with the packet until the two halves meet: in front of the bytes. */
struct received_packet {
	struct sent_packet packet;
	struct virtio_net_hdr header;
};

static void tun_drain(struct kernel_target *kernel, struct kernel_link *link, pl_time now)
{
	ssize_t got;

	if (link->tun < 0)
		return;
	while ((got = read(link->tun, kernel->buffer, KERNEL_PACKET_ROOM)) > (ssize_t)sizeof(struct virtio_net_hdr)) {
		size_t length = (size_t)got - sizeof(struct virtio_net_hdr);
		struct received_packet *received = calloc(1, sizeof(*received));

		if (!received)
			return;
		memcpy(&received->header, kernel->buffer, sizeof(received->header));
		received->packet.bytes = malloc(length);
		if (!received->packet.bytes) {
			free(received);
			return;
		}
		memcpy(received->packet.bytes, kernel->buffer + sizeof(received->header), length);
		received->packet.length = received->packet.captured = length;
		received->packet.seen = received->packet.time = now;
		queue_put(&link->received, &received->packet);
	}
}

/* Make of the far end's view the finished packet. */
static void received_finish(const struct kernel_link *link, struct received_packet *received)
{
	struct sent_packet *packet = &received->packet;
	size_t frame = link->kind == PL_LINK_ETHERNET ? 14 : 0, payload;

	checksum_finish(packet, &received->header);
	if (received->header.gso_type == VIRTIO_NET_HDR_GSO_NONE || !received->header.gso_size || packet->length < frame)
		return;
	packet->gso_size = received->header.gso_size;
	payload = tcp_payload_offset(packet->bytes + frame, packet->length - frame);
	packet->gso_segments = (unsigned)((packet->length - frame - payload + packet->gso_size - 1) / packet->gso_size);
}

static bool halves_match(const struct sent_packet *captured, const struct sent_packet *received)
{
	return captured->length == received->length && captured->captured <= received->captured &&
	       memcmp(captured->bytes, received->bytes, captured->captured) == 0;
}

/* Give the captured packet its whole: true when it has one. */
static bool halves_join(struct kernel_link *link, struct sent_packet *captured)
{
	for (struct sent_packet **at = &link->received.first; *at; at = &(*at)->next) {
		struct received_packet *received;

		if (!halves_match(captured, *at))
			continue;
		received = (struct received_packet *)queue_remove(&link->received, at);
		received_finish(link, received);
		free(captured->bytes);
		captured->bytes = received->packet.bytes;
		captured->captured = captured->length;
		captured->gso_size = received->packet.gso_size;
		captured->gso_segments = received->packet.gso_segments;
		captured->whole = true;
		free(received);
		return true;
	}
	return false;
}

/* What the tun alone has seen for too long becomes a packet of its own: the capture's ring was full. */
static void received_expire(struct kernel_link *link, pl_time now)
{
	while (link->received.first && now - link->received.first->seen > HALF_FOR) {
		struct received_packet *received = (struct received_packet *)queue_remove(&link->received, &link->received.first);

		received_finish(link, received);
		received->packet.whole = true;
		queue_put(&link->captured, &received->packet);
	}
}

static bool link_ready(const struct kernel_link *link, pl_time now)
{
	const struct sent_packet *first = link->captured.first;

	return first && (first->whole || link->tun < 0 || now - first->seen > HALF_FOR);
}

bool kernel_capture_drain(struct kernel_target *kernel)
{
	struct timespec wall;
	bool ready = false;

	for (unsigned i = 0; i < kernel->links; i++) {
		struct kernel_link *link = &kernel->link[i];
		struct drain drain = { .link = link, .now = kernel_now(&kernel->target) };

		if (!link->capture)
			continue;
		/* The tun first: what it has seen, the capture has seen before. */
		tun_drain(kernel, link, drain.now);
		clock_gettime(CLOCK_REALTIME, &wall);
		drain.offset = kernel_now(&kernel->target) - (wall.tv_sec * PL_NSEC_PER_SEC + wall.tv_nsec);
		while (pcap_dispatch(link->capture, -1, packet_captured, (u_char *)&drain) > 0)
			;
		for (struct sent_packet *packet = link->captured.first; packet && link->received.first; packet = packet->next)
			if (!packet->whole)
				halves_join(link, packet);
		received_expire(link, drain.now);
		ready |= link_ready(link, drain.now);
	}
	return ready;
}

bool kernel_capture_halfway(const struct kernel_target *kernel)
{
	for (unsigned i = 0; i < kernel->links; i++) {
		const struct sent_packet *first = kernel->link[i].captured.first;

		if ((first && !first->whole) || kernel->link[i].received.first)
			return true;
	}
	return false;
}

/* Without captures: what there is to be read at the far ends of the links, as it was sent. */
static bool take_received(struct kernel_target *kernel, struct arena *arena, struct target_packet *packet)
{
	for (unsigned i = 0; i < kernel->links; i++) {
		struct received_packet received = { .packet.next = NULL };
		size_t header = sizeof(received.header);
		ssize_t got = kernel->link[i].tun < 0 ? -1 : read(kernel->link[i].tun, kernel->buffer, KERNEL_PACKET_ROOM);

		if (got <= (ssize_t)header)
			continue;
		memcpy(&received.header, kernel->buffer, header);
		received.packet.length = (size_t)got - header;
		received.packet.bytes = arena_memdup(arena, kernel->buffer + header, received.packet.length);
		received_finish(&kernel->link[i], &received);
		*packet = (struct target_packet){
			.link = i,
			.bytes = received.packet.bytes,
			.length = received.packet.length,
			.time = kernel_now(&kernel->target),
			.gso_size = received.packet.gso_size,
			.gso_segments = received.packet.gso_segments,
		};
		return true;
	}
	return false;
}

bool kernel_take(struct target *target, struct arena *arena, struct target_packet *packet)
{
	struct kernel_target *kernel = kernel_of(target);
	pl_time now;
	struct kernel_link *from = NULL;
	struct sent_packet *sent;

	if (kernel->bulk)
		return take_received(kernel, arena, packet);
	kernel_capture_drain(kernel);
	now = kernel_now(target);
	for (unsigned i = 0; i < kernel->links; i++)
		if (link_ready(&kernel->link[i], now) &&
		    (!from || kernel->link[i].captured.first->time < from->captured.first->time))
			from = &kernel->link[i];
	if (!from)
		return false;
	sent = queue_remove(&from->captured, &from->captured.first);
	*packet = (struct target_packet){
		.link = (unsigned)(from - kernel->link),
		.bytes = arena_memdup(arena, sent->bytes, sent->captured),
		.length = sent->captured,
		.time = sent->time,
		.gso_size = sent->gso_size,
		.gso_segments = sent->gso_segments,
	};
	free(sent->bytes);
	free(sent);
	return true;
}
