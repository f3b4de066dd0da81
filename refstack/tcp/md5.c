/*
 * RFC 2385: an MD5 digest over pseudo header, TCP header without options and with a zero checksum, payload, key.
 *
 * The message digest itself (RFC 1321) is here because nothing else in the stack needs it.
 */
#include "conn.h"

#include <stdlib.h>

struct md5 {
	uint32_t state[4];
	uint64_t length;
	uint8_t block[64];
};

/* floor(2^32 * |sin(i + 1)|), RFC 1321 section 3.4. */
static const uint32_t sine[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af,
	0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
	0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
	0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97,
	0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
	0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint8_t rotation[4][4] = { { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 } };

static uint32_t round_function(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round) {
	case 0:
		return (b & c) | (~b & d);
	case 1:
		return (d & b) | (~d & c);
	case 2:
		return b ^ c ^ d;
	default:
		return c ^ (b | ~d);
	}
}

static unsigned word_index(unsigned round, unsigned i)
{
	static const uint8_t factor[4] = { 1, 5, 3, 7 }, shift[4] = { 0, 1, 5, 0 };
	return (factor[round] * i + shift[round]) % 16;
}

static void md5_block(struct md5 *md5)
{
	uint32_t word[16], a = md5->state[0], b = md5->state[1], c = md5->state[2], d = md5->state[3];
	for (unsigned i = 0; i < 16; i++) {
		const uint8_t *at = md5->block + 4 * i;
		word[i] = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
	}
	for (unsigned i = 0; i < 64; i++) {
		unsigned round = i / 16, turn = rotation[round][i % 4];
		uint32_t sum = a + round_function(round, b, c, d) + sine[i] + word[word_index(round, i)];
		a = d;
		d = c;
		c = b;
		b += sum << turn | sum >> (32 - turn);
	}
	md5->state[0] += a;
	md5->state[1] += b;
	md5->state[2] += c;
	md5->state[3] += d;
}

static void md5_add(struct md5 *md5, const void *bytes, size_t length)
{
	for (const uint8_t *at = bytes; length--; at++) {
		md5->block[md5->length++ % 64] = *at;
		if (md5->length % 64 == 0)
			md5_block(md5);
	}
}

static void md5_end(struct md5 *md5, uint8_t digest[16])
{
	uint64_t bits = md5->length * 8;
	md5_add(md5, "\x80", 1);
	while (md5->length % 64 != 56)
		md5_add(md5, "", 1);
	for (unsigned i = 0; i < 8; i++)
		md5_add(md5, &(uint8_t){ (uint8_t)(bits >> 8 * i) }, 1);
	for (unsigned i = 0; i < 16; i++)
		digest[i] = (uint8_t)(md5->state[i / 4] >> 8 * (i % 4));
}

void tcp_md5_sign(const struct tcp_md5_key *key, struct in_addr source, struct in_addr destination, const uint8_t *header,
		  size_t header_length, const uint8_t *payload, size_t length, uint8_t digest[16])
{
	struct md5 md5 = { .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 } };
	uint16_t total = htons((uint16_t)(header_length + length));
	uint8_t plain[TCP_HEADER];
	memcpy(plain, header, sizeof(plain));
	plain[16] = plain[17] = 0;
	md5_add(&md5, &source, 4);
	md5_add(&md5, &destination, 4);
	md5_add(&md5, (uint8_t[]){ 0, IPPROTO_TCP }, 2);
	md5_add(&md5, &total, 2);
	md5_add(&md5, plain, sizeof(plain));
	md5_add(&md5, payload, length);
	md5_add(&md5, key->key, key->length);
	md5_end(&md5, digest);
}

static bool prefix_covers(const struct tcp_md5_key *key, struct in_addr remote)
{
	uint32_t mask = key->prefix_length ? UINT32_MAX << (32 - key->prefix_length) : 0;
	return ((ntohl(key->remote.s_addr) ^ ntohl(remote.s_addr)) & mask) == 0;
}

/* The longest prefix counts. */
const struct tcp_md5_key *tcp_md5_lookup(const struct tcp_sock *tp, struct in_addr remote)
{
	const struct tcp_md5_key *best = NULL;
	for (const struct tcp_md5_key *key = tp->md5_keys; key; key = key->next) {
		if (key->ifindex && key->ifindex != tp->sk.bound_link)
			continue;
		if (prefix_covers(key, remote) && (!best || key->prefix_length > best->prefix_length))
			best = key;
	}
	return best;
}

static struct tcp_md5_key **find_exact(struct tcp_sock *tp, const struct tcp_md5_key *wanted)
{
	struct tcp_md5_key **at = &tp->md5_keys;
	for (; *at; at = &(*at)->next)
		if ((*at)->remote.s_addr == wanted->remote.s_addr && (*at)->prefix_length == wanted->prefix_length &&
		    (*at)->ifindex == wanted->ifindex)
			break;
	return at;
}

static int64_t add_key(struct tcp_sock *tp, const struct tcp_md5_key *key)
{
	struct tcp_md5_key **at = find_exact(tp, key);
	struct tcp_md5_key *next = *at ? (*at)->next : NULL, *place = *at;
	if (!place) {
		place = malloc(sizeof(*place));
		if (!place)
			return -ENOMEM;
		next = tp->md5_keys;
		at = &tp->md5_keys;
	}
	*place = *key;
	place->next = next;
	*at = place;
	return 0;
}

int64_t tcp_md5_set(struct tcp_sock *tp, int name, const void *value, socklen_t length)
{
	struct tcp_md5sig sig;
	if (length < sizeof(sig))
		return -EINVAL;
	memcpy(&sig, value, sizeof(sig));
	const struct sockaddr_in *address = (const struct sockaddr_in *)&sig.tcpm_addr;
	if (address->sin_family != AF_INET)
		return -EINVAL;
	struct tcp_md5_key key = { .remote = address->sin_addr, .prefix_length = 32 };
	if (name == TCP_MD5SIG_EXT && sig.tcpm_flags & TCP_MD5SIG_FLAG_PREFIX) {
		if (sig.tcpm_prefixlen > 32)
			return -EINVAL;
		key.prefix_length = sig.tcpm_prefixlen;
	}
	if (name == TCP_MD5SIG_EXT && sig.tcpm_ifindex && sig.tcpm_flags & TCP_MD5SIG_FLAG_IFINDEX)
		key.ifindex = sig.tcpm_ifindex;
	if (!sig.tcpm_keylen) {
		struct tcp_md5_key **at = find_exact(tp, &key), *old = *at;
		if (!old)
			return -ENOENT;
		*at = old->next;
		free(old);
		return 0;
	}
	if (sig.tcpm_keylen > TCP_MD5SIG_MAXKEYLEN)
		return -EINVAL;
	key.length = (uint8_t)sig.tcpm_keylen;
	memcpy(key.key, sig.tcpm_key, sig.tcpm_keylen);
	return add_key(tp, &key);
}

void tcp_md5_list_free(struct tcp_md5_key *list)
{
	while (list) {
		struct tcp_md5_key *next = list->next;
		free(list);
		list = next;
	}
}

/* A child keeps the one key that its peer is known by, now for that address alone. */
int tcp_md5_copy(struct tcp_sock *to, const struct tcp_sock *from, struct in_addr remote)
{
	const struct tcp_md5_key *key = tcp_md5_lookup(from, remote);
	to->md5_keys = NULL;
	if (!key)
		return 0;
	struct tcp_md5_key own = *key;
	own.remote = remote;
	own.prefix_length = 32;
	return (int)add_key(to, &own);
}

bool tcp_md5_accept_key(struct pl_stack *stack, const struct tcp_md5_key *key, const struct tcp_segment *segment)
{
	uint8_t digest[16];
	if (segment->option.bad_md5)
		return false;
	if (!segment->option.has_md5) {
		if (key)
			COUNT(stack, TcpExt, TCPMD5NotFound);
		return !key;
	}
	if (!key) {
		COUNT(stack, TcpExt, TCPMD5Unexpected);
		return false;
	}
	tcp_md5_sign(key, segment->source, segment->destination, segment->header, segment->header_length, segment->packet->data,
		     segment->length, digest);
	if (memcmp(digest, segment->option.md5, sizeof(digest)) == 0)
		return true;
	COUNT(stack, TcpExt, TCPMD5Failure);
	return false;
}

bool tcp_md5_accept(struct pl_stack *stack, const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	return tcp_md5_accept_key(stack, tcp_md5_lookup(tp, segment->source), segment);
}
