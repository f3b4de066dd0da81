#include "../../../../refstack/ip/ip.h"
#include "../support.h"

#include <linux/tcp.h>

Test(gso, large_segment_is_cut_for_a_link_that_wants_none)
{
	struct fixture fixture;

	fixture_new(&fixture);
	for (int gso = 1; gso >= 0; gso--) {
		struct pktbuf *packet = pktbuf_new(fixture.stack, IP_HEADROOM, 20 + 2500);
		struct tcphdr *tcp = pktbuf_put(packet, sizeof(*tcp));
		uint8_t *data = pktbuf_put(packet, 2500);

		*tcp = (struct tcphdr){ .seq = htonl(0xfffffff0), .doff = 5, .ack = 1, .psh = 1, .fin = 1, .cwr = 1 };
		for (int i = 0; i < 2500; i++)
			data[i] = (uint8_t)(i / 10);
		packet->gso_size = 1000;
		packet->gso_segs = 3;
		cr_assert_eq(pl_link_set_gso(fixture.stack, fixture.tun, gso), 0);
		struct ip_send send = { .source = addr(LOCAL), .destination = addr(REMOTE), .protocol = IPPROTO_TCP, .id = 100,
					.dont_fragment = true };
		cr_assert_eq(ip_send_packet(fixture.stack, packet, &send), 0);
		if (gso) {
			const struct sent_packet *sent = take(&fixture);

			cr_assert_eq(sent->length, 20 + 20 + 2500);
			cr_assert_eq(sent->gso_size, 1000);
			continue;
		}
		for (unsigned i = 0; i < 3; i++) {
			const struct sent_packet *sent = take(&fixture);
			size_t length = i < 2 ? 1000 : 500;
			uint8_t pseudo[12 + 1020] = { 0 };
			struct tcphdr piece;
			struct iphdr ip;

			memcpy(&ip, sent->bytes, sizeof(ip));
			memcpy(&piece, sent->bytes + 20, sizeof(piece));
			cr_assert_eq(sent->length, 40 + length);
			cr_assert_eq(ntohs(ip.tot_len), sent->length);
			cr_assert_eq(ntohs(ip.id), 100 + i);
			cr_assert_eq(sum(sent->bytes, 20), 0);
			cr_assert_eq(ntohl(piece.seq), 0xfffffff0 + i * 1000);
			cr_assert_eq(piece.fin, i == 2);
			cr_assert_eq(piece.psh, i == 2);
			cr_assert_eq(piece.cwr, i == 0);
			cr_assert_eq(sent->bytes[40], (uint8_t)(i * 100));
			memcpy(pseudo, sent->bytes + 12, 8);
			pseudo[9] = IPPROTO_TCP;
			pseudo[10] = (uint8_t)((20 + length) >> 8);
			pseudo[11] = (uint8_t)(20 + length);
			memcpy(pseudo + 12, sent->bytes + 20, 20 + length);
			cr_assert_eq(sum(pseudo, 12 + 20 + length), 0);
		}
	}
	cr_assert_eq(left(&fixture), 0);
	fixture_free(&fixture);
}
