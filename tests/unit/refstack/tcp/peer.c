#include "peer.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "refstack/tcp/conn.h"

#define PEER_PORT 40000
#define OWN_PORT 8080

static int64_t call(struct peer *peer, enum pl_op op, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e)
{
	int64_t arg[6] = { a, b, c, d, e };

	return pl_call_now(peer->fixture->stack, op, arg);
}

static void inject(struct peer *peer, uint32_t seq, uint32_t ack, uint16_t flags, uint16_t window, const uint8_t *options, size_t size)
{
	uint8_t segment[60] = { 0 }, packet[128];
	struct tcphdr tcp = { .source = htons(PEER_PORT), .dest = htons(OWN_PORT), .seq = htonl(seq), .ack_seq = htonl(ack),
			      .doff = (uint8_t)((20 + size) / 4), .syn = !!(flags & 2), .ack = !!(flags & 16), .window = htons(window) };
	struct {
		struct in_addr source, destination;
		uint8_t zero, protocol;
		uint16_t length;
		uint8_t bytes[60];
	} pseudo = { addr(REMOTE), addr(LOCAL), 0, IPPROTO_TCP, htons((uint16_t)(20 + size)), { 0 } };

	memcpy(segment, &tcp, 20);
	memcpy(segment + 20, options, size);
	memcpy(pseudo.bytes, segment, 20 + size);
	tcp.check = sum(&pseudo, 12 + 20 + size);
	memcpy(segment, &tcp, 20);
	size_t length = make_ip(packet, &(struct iphdr){ 0 }, REMOTE, LOCAL, IPPROTO_TCP, segment, 20 + size);
	cr_assert_eq(pl_link_input(peer->fixture->stack, peer->fixture->tun, packet, length), 0);
}

void peer_connect(struct peer *peer, struct fixture *fixture, pl_time rtt)
{
	static const uint8_t syn_options[] = { 2, 4, 1000 >> 8, 1000 & 255, 1, 1, 4, 2, 1, 3, 3, 10 };
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(OWN_PORT) };
	struct tcphdr tcp;

	*peer = (struct peer){ .fixture = fixture };
	peer->listener = (int)call(peer, PL_OP_socket, AF_INET, SOCK_STREAM, 0, 0, 0);
	cr_assert_geq(peer->listener, 0);
	cr_assert_eq(call(peer, PL_OP_bind, peer->listener, PL_PTR(&own), sizeof(own), 0, 0), 0);
	cr_assert_eq(call(peer, PL_OP_listen, peer->listener, 1, 0, 0, 0), 0);
	inject(peer, 0, 0, 2, 65535, syn_options, sizeof(syn_options));
	memcpy(&tcp, take(fixture)->bytes + 20, sizeof(tcp));
	cr_assert(tcp.syn && tcp.ack);
	peer->iss = ntohl(tcp.seq);
	peer_after(peer, rtt);
	peer_ack(peer, 0, 0, 0);
	peer->fd = (int)call(peer, PL_OP_accept, peer->listener, 0, 0, 0, 0);
	cr_assert_geq(peer->fd, 0);
}

void peer_ack(struct peer *peer, uint32_t ack, uint32_t sack_start, uint32_t sack_end)
{
	uint32_t first = peer->iss + 1, block[2] = { htonl(first + sack_start), htonl(first + sack_end) };
	uint8_t options[12] = { 1, 1, 5, 10 };

	memcpy(options + 4, block, sizeof(block));
	inject(peer, 1, first + ack, 16, 65535, options, sack_end ? sizeof(options) : 0);
}

void peer_after(struct peer *peer, pl_time span)
{
	pl_stack_run_until(peer->fixture->stack, pl_stack_now(peer->fixture->stack) + span);
}

struct tcp_sock *peer_sock(const struct peer *peer)
{
	for (struct sock *sk = sock_first(peer->fixture->stack); sk; sk = sk->all_next)
		if (sk->proto == &tcp_proto && sk->state == TCP_ESTABLISHED)
			return tcp_sk(sk);
	cr_assert_fail("no connection");
	return NULL;
}

void peer_info(struct peer *peer, void *info, size_t size)
{
	socklen_t length = (socklen_t)size;

	cr_assert_eq(call(peer, PL_OP_getsockopt, peer->fd, IPPROTO_TCP, TCP_INFO, PL_PTR(info), PL_PTR(&length)), 0);
}

uint32_t peer_sent_seq(const struct peer *peer, const struct sent_packet *packet)
{
	struct tcphdr tcp;

	memcpy(&tcp, packet->bytes + 20, sizeof(tcp));
	return ntohl(tcp.seq) - peer->iss;
}

uint32_t sent_payload(const struct sent_packet *packet)
{
	return (uint32_t)packet->length - 20 - (uint32_t)(packet->bytes[32] >> 4) * 4;
}
