/*
 * One packet that stands for several datagrams of one flow: what UDP_SEGMENT makes and the loopback link carries whole. A socket
 * with UDP_GRO reads it as it is, with the size of its pieces in a control message; for any other it is cut up first.
 */
#include "udp.h"

#include <arpa/inet.h>

/* The headers of packet again, and `length` of its bytes from `at` behind the UDP header. NULL: no memory. */
static struct pktbuf *piece_of(struct pl_stack *stack, const struct pktbuf *packet, size_t at, size_t length)
{
	size_t header = (size_t)(packet->transport - packet->network);
	struct pktbuf *piece = pktbuf_copy(stack, packet, 0);
	struct udphdr *udp;

	if (!piece)
		return NULL;
	/* Data is at the UDP header, and so are the copy's; the bytes of the piece move up to it. */
	memmove(piece->data + sizeof(*udp), packet->data + sizeof(*udp) + at, length);
	pktbuf_trim(piece, sizeof(*udp) + length);
	udp = (struct udphdr *)piece->data;
	udp->len = htons((uint16_t)(sizeof(*udp) + length));
	ip_header(piece)->tot_len = htons((uint16_t)(header + sizeof(*udp) + length));
	piece->gso_size = piece->gso_segs = 0;
	piece->truesize = truesize_linear(header + sizeof(*udp) + length);
	return piece;
}

void udp_cut(struct pl_stack *stack, struct pktbuf *packet, struct pktbuf_queue *pieces)
{
	size_t size = packet->gso_size, whole = pktbuf_length(packet) - sizeof(struct udphdr);

	for (size_t at = 0; at < whole; at += size) {
		struct pktbuf *piece = piece_of(stack, packet, at, whole - at < size ? whole - at : size);

		if (piece)
			pktbuf_queue_push(pieces, piece);
	}
	pktbuf_free(stack, packet);
}
