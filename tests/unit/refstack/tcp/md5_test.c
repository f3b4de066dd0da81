/* RFC 2385 signatures: what is signed, and which key. The digests were made with another implementation of MD5. */
#include "peer.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "refstack/tcp/conn.h"

static struct fixture fixture;

static void setup(void)
{
	fixture_new(&fixture);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(md5, .init = setup, .fini = teardown);

static const struct tcp_md5_key secret = { .length = 6, .key = "secret" };

static void sign(const uint8_t *options, size_t size, uint16_t checksum, uint8_t digest[16])
{
	uint8_t header[60] = { 0 };
	struct tcphdr tcp = { .source = htons(40000), .dest = htons(8080), .seq = htonl(1000), .ack_seq = htonl(2000),
			      .doff = 10, .psh = 1, .ack = 1, .window = htons(512), .check = checksum };

	memcpy(header, &tcp, 20);
	memcpy(header + 20, options, size);
	tcp_md5_sign(&secret, addr(REMOTE), addr(LOCAL), header, 40, (const uint8_t *)"hello", 5, digest);
}

Test(md5, the_digest_is_that_of_the_rfc)
{
	static const uint8_t expected[16] = { 0x7b, 0xe0, 0x87, 0xc3, 0x28, 0xe2, 0x06, 0x8f,
					      0x36, 0xf2, 0x46, 0x44, 0x1c, 0xed, 0x8b, 0x2c };
	uint8_t digest[16], none[20] = { 0 };

	sign(none, 0, 0, digest);
	cr_assert_arr_eq(digest, expected, 16);
}

Test(md5, options_and_checksum_are_not_signed)
{
	uint8_t plain[16], other[16], options[20] = { 1, 1, 8, 10, 1, 2, 3, 4 }, none[20] = { 0 };

	sign(none, 0, 0, plain);
	sign(options, sizeof(options), 0xbeef, other);
	cr_assert_arr_eq(plain, other, 16);
}

static int tcp_socket(void)
{
	int64_t arg[6] = { AF_INET, SOCK_STREAM, 0 };

	return (int)pl_call_now(fixture.stack, PL_OP_socket, arg);
}

static int64_t set_key(int fd, int name, const char *address, uint8_t prefix, const char *key)
{
	struct tcp_md5sig sig = { .tcpm_flags = prefix < 32 ? TCP_MD5SIG_FLAG_PREFIX : 0, .tcpm_prefixlen = prefix,
				  .tcpm_keylen = (uint16_t)strlen(key) };
	struct sockaddr_in remote = { .sin_family = AF_INET, .sin_addr = addr(address) };
	int64_t arg[6] = { fd, IPPROTO_TCP, name, PL_PTR(&sig), sizeof(sig) };

	memcpy(&sig.tcpm_addr, &remote, sizeof(remote));
	memcpy(sig.tcpm_key, key, strlen(key));
	return pl_call_now(fixture.stack, PL_OP_setsockopt, arg);
}

Test(md5, the_longest_prefix_has_the_key)
{
	int fd = tcp_socket();
	const struct tcp_sock *tp = tcp_sk(sock_first(fixture.stack));

	cr_assert_eq(set_key(fd, TCP_MD5SIG_EXT, "192.0.0.0", 8, "eight"), 0);
	cr_assert_eq(set_key(fd, TCP_MD5SIG_EXT, "192.0.2.0", 24, "twentyfour"), 0);
	cr_assert_eq(set_key(fd, TCP_MD5SIG, "192.0.2.1", 32, "host"), 0);
	cr_assert_eq(tcp_md5_lookup(tp, addr("192.0.2.1"))->length, strlen("host"));
	cr_assert_eq(tcp_md5_lookup(tp, addr("192.0.2.2"))->length, strlen("twentyfour"));
	cr_assert_eq(tcp_md5_lookup(tp, addr("192.9.9.9"))->length, strlen("eight"));
	cr_assert_null(tcp_md5_lookup(tp, addr("10.0.0.1")));
	cr_assert_eq(set_key(fd, TCP_MD5SIG, "192.0.2.1", 32, ""), 0);	/* an empty key takes it away */
	cr_assert_eq(tcp_md5_lookup(tp, addr("192.0.2.1"))->length, strlen("twentyfour"));
	cr_assert_eq(set_key(fd, TCP_MD5SIG, "192.0.2.1", 32, ""), -ENOENT);
}
