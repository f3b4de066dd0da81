#include "../../../refstack/internal.h"
#include "support.h"

#include <malloc.h>

/* As much memory is in use after a stack was made, used and freed as before. */
Test(stack, nothing_is_left)
{
	struct fixture fixture;

	/* The first runs fill the C library's own caches. */
	size_t before = 0;
	for (int run = 0; run < 200; run++) {
		uint8_t packet[128];

		if (run == 100)
			before = mallinfo2().uordblks;
		fixture_new(&fixture);
		struct iphdr fragment = { .frag_off = htons(IP_MF), .id = 1 };
		size_t length = make_ip(packet, &fragment, REMOTE, LOCAL, IPPROTO_UDP, "0123456789abcdef", 16);
		cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, length), 0);
		int64_t fd = pl_call_now(fixture.stack, PL_OP_socket, (const int64_t[6]){ AF_INET, SOCK_DGRAM, 0 });
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = addr(REMOTE) };
		cr_assert_geq(fd, 0);
		cr_assert_eq(pl_call_now(fixture.stack, PL_OP_connect, (const int64_t[6]){ fd, PL_PTR(&to), sizeof(to) }), 0);
		struct pl_usage usage;
		pl_usage(fixture.stack, &usage);
		cr_assert_eq(usage.packets, 1);
		fixture_free(&fixture);
	}
	cr_assert_eq(mallinfo2().uordblks, before, "%zu bytes are left", mallinfo2().uordblks - before);
}

/* What this host sends to itself arrives once what sent it has ended. */
Test(stack, loopback_arrives_at_settle)
{
	struct fixture fixture;

	fixture_new(&fixture);
	int64_t fd = pl_call_now(fixture.stack, PL_OP_socket, (const int64_t[6]){ AF_INET, SOCK_DGRAM, 0 });
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = addr("127.0.0.1") };
	char byte;
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_bind, (const int64_t[6]){ fd, PL_PTR(&own), sizeof(own) }), 0);
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_sendto,
				 (const int64_t[6]){ fd, PL_PTR("x"), 1, 0, PL_PTR(&own), sizeof(own) }), 1);
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_recv, (const int64_t[6]){ fd, PL_PTR(&byte), 1, MSG_DONTWAIT }), 1);
	cr_assert_eq(byte, 'x');
	cr_assert_eq(left(&fixture), 0);
	fixture_free(&fixture);
}

Test(stack, same_seed_same_randomness)
{
	struct pl_stack *a = pl_stack_new(&(struct pl_stack_config){ .seed = 9 });
	struct pl_stack *b = pl_stack_new(&(struct pl_stack_config){ .seed = 9 });

	cr_assert_eq(prng_u64(&a->prng), prng_u64(&b->prng));
	pl_stack_free(a);
	pl_stack_free(b);
	pl_stack_free(NULL);
}

Test(stack, time_only_goes_forward)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ 0 });

	pl_stack_run_until(stack, 100);
	pl_stack_run_until(stack, 50);
	cr_assert_eq(pl_stack_now(stack), 100);
	cr_assert_eq(pl_stack_next_timer(stack), PL_TIME_NEVER);
	pl_stack_free(stack);
}
