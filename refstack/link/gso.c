/* Software segmentation: a large TCP packet for a link that wants none. */
#include <netinet/in.h>
#include <netinet/ip.h>
#include <linux/tcp.h>

#include "link.h"

/* Fields of one piece that differ from the large packet's. */
static void patch_piece(struct pktbuf *piece, unsigned number, uint32_t offset, bool first, bool last)
{
	struct iphdr *ip = (struct iphdr *)piece->data;
	struct tcphdr *tcp = (struct tcphdr *)(piece->data + ip->ihl * 4);
	uint32_t length = pktbuf_length(piece) - ip->ihl * 4u;

	ip->tot_len = htons((uint16_t)pktbuf_length(piece));
	ip->id = htons((uint16_t)(ntohs(ip->id) + number));
	ip->check = 0;
	ip->check = checksum_finish(checksum_add(ip, ip->ihl * 4u, 0));
	tcp->seq = htonl(ntohl(tcp->seq) + offset);
	if (!last)
		tcp->fin = tcp->psh = 0;
	if (!first)
		tcp->cwr = 0;		/* goes with the first piece only */
	tcp->check = 0;
	uint32_t sum = checksum_pseudo((struct in_addr){ ip->saddr }, (struct in_addr){ ip->daddr }, IPPROTO_TCP, length);
	tcp->check = checksum_finish(checksum_add(tcp, length, sum));
}

void link_segment(struct pl_stack *stack, struct pktbuf *packet, struct pktbuf_queue *pieces)
{
	const struct iphdr *ip = pktbuf_at(packet, 0, sizeof(*ip));
	const struct tcphdr *tcp = ip ? pktbuf_at(packet, ip->ihl * 4u, sizeof(*tcp)) : NULL;
	size_t headers = tcp ? ip->ihl * 4u + tcp->doff * 4u : 0;

	if (!tcp || !pktbuf_at(packet, 0, headers) || packet->gso_size == 0) {
		pktbuf_free(stack, packet);
		return;
	}
	uint32_t payload = pktbuf_length(packet) - (uint32_t)headers;
	for (uint32_t offset = 0, number = 0; offset < payload; offset += packet->gso_size, number++) {
		uint32_t length = payload - offset < packet->gso_size ? payload - offset : packet->gso_size;
		struct pktbuf *piece = pktbuf_new(stack, 64, headers + length);

		if (!piece)
			break;
		memcpy(pktbuf_put(piece, headers), packet->data, headers);
		memcpy(pktbuf_put(piece, length), packet->data + headers + offset, length);
		piece->link = packet->link;
		piece->gateway = packet->gateway;
		piece->network = piece->data;
		patch_piece(piece, number, offset, offset == 0, offset + length == payload);
		pktbuf_queue_push(pieces, piece);
	}
	pktbuf_free(stack, packet);
}
