/* What a client proves without being remembered: SYN cookies and Fast Open cookies. */
#include "peer.h"

#include <string.h>
#include <sys/socket.h>

#include "refstack/tcp/conn.h"

static struct fixture fixture;
static struct tcp_sock *listener;

static void tunable(const char *path, const char *text)
{
	cr_assert_eq(pl_sysctl_write(fixture.stack, path, text, strlen(text)), (ssize_t)strlen(text));
}

static void setup(void)
{
	fixture_new(&fixture);
	int64_t arg[6] = { AF_INET, SOCK_STREAM, 0 };
	int fd = (int)pl_call_now(fixture.stack, PL_OP_socket, arg);
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(8080) };
	int64_t bind[6] = { fd, PL_PTR(&own), sizeof(own) }, listen[6] = { fd, 10 };

	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_bind, bind), 0);
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_listen, listen), 0);
	listener = tcp_sk(sock_first(fixture.stack));
	cr_assert_eq(listener->sk.state, TCP_LISTEN);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(proof, .init = setup, .fini = teardown);

/* A segment of the client; the packet is on nobody's list. */
static struct tcp_segment segment_of(uint32_t seq, uint32_t ack, uint16_t flags, struct pktbuf *packet)
{
	return (struct tcp_segment){ .packet = packet, .seq = seq, .end_seq = seq + !!(flags & TH_SYN), .ack = ack, .flags = flags,
				     .source_port = 40000, .destination_port = 8080, .source = addr(REMOTE),
				     .destination = addr(LOCAL), .window = 1000 };
}

static bool good(uint32_t seq, uint32_t ack)
{
	struct pktbuf *packet = pktbuf_new(fixture.stack, 100, 0);
	struct tcp_segment third = segment_of(seq, ack, TH_ACK, packet);
	bool valid;

	packet->network = pktbuf_push(packet, sizeof(struct iphdr));
	memset(packet->network, 0, sizeof(struct iphdr));
	tcp_syncookie_check(listener, &third, &valid);
	pktbuf_free(fixture.stack, packet);
	return valid;
}

static uint32_t cookie_for(uint32_t seq, uint16_t *mss)
{
	struct tcp_segment syn = segment_of(seq, 0, TH_SYN, NULL);

	return tcp_syncookie_make(listener, &syn, mss);
}

Test(proof, a_syn_cookie_rounds_the_mss_down)
{
	static const struct {
		uint16_t offered, kept;
	} rows[] = { { 100, 536 }, { 536, 536 }, { 1299, 536 }, { 1300, 1300 }, { 1459, 1440 }, { 9000, 1460 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t mss = rows[i].offered;

		cookie_for(1000, &mss);
		cr_assert_eq(mss, rows[i].kept, "%u gives %u", rows[i].offered, mss);
	}
}

Test(proof, a_syn_cookie_is_good_for_its_numbers_alone)
{
	uint16_t mss = 1460;
	uint32_t cookie = cookie_for(1000, &mss);

	cr_assert_not(good(1001, cookie + 2));
	cr_assert_not(good(1101, cookie + 1));
	cr_assert_not(good(1001, cookie + 1 + (5u << 24)));	/* of another minute */
	COUNTER_IS(&fixture, "TcpExt", "SyncookiesFailed", 3);
	cr_assert(good(1001, cookie + 1));
	COUNTER_IS(&fixture, "TcpExt", "SyncookiesRecv", 1);
}

Test(proof, a_syn_cookie_grows_old)
{
	uint16_t mss = 1460;
	uint32_t cookie = cookie_for(1000, &mss);

	tunable("net/ipv4/tcp_syncookies", "2");
	pl_stack_run_until(fixture.stack, 200 * PL_NSEC_PER_SEC);
	cr_assert_not(good(1001, cookie + 1));
}

Test(proof, syn_cookies_are_only_looked_for_when_some_were_sent)
{
	cr_assert_not(good(1001, 5000));
	COUNTER_IS(&fixture, "TcpExt", "SyncookiesFailed", 0);
}

/* --- Fast Open -------------------------------------------------------------------------------------------------------------- */
#define KEY_ONE "00000000-00000001-00000002-00000003"
#define KEY_TWO "00000004-00000005-00000006-00000007"

/* A cookie request (empty), or a cookie: what the SYN-ACK would return. Length -1: nothing. */
static struct tcp_fastopen_cookie answer_to(const struct tcp_fastopen_cookie *cookie)
{
	struct pktbuf *packet = pktbuf_new(fixture.stack, 100, 0);
	struct tcp_segment syn = segment_of(1000, 0, TH_SYN, packet);
	struct tcp_fastopen_cookie answer = { .length = -1 };

	syn.option.has_fastopen = true;
	if (cookie) {
		syn.option.fastopen_length = (uint8_t)cookie->length;
		memcpy(syn.option.fastopen_cookie, cookie->bytes, sizeof(cookie->bytes));
	}
	struct tcp_request *request = tcp_request_new(listener, &syn);
	tcp_fastopen_try(listener, &syn, request, &answer);
	tcp_request_free(request);
	pktbuf_free(fixture.stack, packet);
	return answer;
}

Test(proof, a_fast_open_cookie_is_that_of_its_key_and_addresses)
{
	/* What Linux makes of this key for 192.0.2.1 to 192.168.0.1. */
	static const uint8_t expected[8] = { 0x3c, 0x30, 0x63, 0xd4, 0x99, 0x64, 0x7f, 0x2d };

	tunable("net/ipv4/tcp_fastopen", "3");
	tunable("net/ipv4/tcp_fastopen_key", KEY_ONE);
	listener->fastopenq.max_qlen = 10;
	struct tcp_fastopen_cookie cookie = answer_to(NULL);
	cr_assert_eq(cookie.length, 8);
	cr_assert_arr_eq(cookie.bytes, expected, 8);
}

Test(proof, a_new_key_makes_new_cookies)
{
	tunable("net/ipv4/tcp_fastopen", "3");
	tunable("net/ipv4/tcp_fastopen_key", KEY_ONE);
	listener->fastopenq.max_qlen = 10;
	struct tcp_fastopen_cookie one = answer_to(NULL);
	tunable("net/ipv4/tcp_fastopen_key", KEY_TWO "," KEY_ONE);
	struct tcp_fastopen_cookie two = answer_to(NULL);

	cr_assert_eq(two.length, 8);
	cr_assert(memcmp(one.bytes, two.bytes, 8));
}
