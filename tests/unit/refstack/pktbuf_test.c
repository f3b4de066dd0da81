#include "../../../refstack/internal.h"
#include "support.h"

/* Figures read through SO_MEMINFO on Linux 6.18 for datagrams of these lengths (IP header included) written to a tun device. */
Test(pktbuf, truesize_of_received_packets)
{
	static const struct {
		size_t length;
		uint32_t truesize;
	} measured[] = { { 29, 832 },	 { 192, 832 },	  { 193, 1280 },  { 640, 1280 },   { 641, 2304 },	{ 1664, 2304 },
			 { 1665, 4352 }, { 3712, 4352 },  { 3713, 8448 }, { 7808, 8448 },  { 7809, 12544 },	{ 11904, 12544 },
			 { 11944, 16640 }, { 65192, 69888 } };

	for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++)
		cr_assert_eq(truesize_received(measured[i].length, false), measured[i].truesize, "%zu: %u", measured[i].length,
			     truesize_received(measured[i].length, false));
}

/* The same for frames (Ethernet header included) written to a tap device. */
Test(pktbuf, truesize_of_received_frames)
{
	static const struct {
		size_t length;
		uint32_t truesize;
	} measured[] = { { 43, 704 }, { 92, 768 }, { 128, 768 }, { 129, 832 }, { 542, 1216 }, { 1042, 1728 }, { 1514, 2176 } };

	for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++)
		cr_assert_eq(truesize_received(measured[i].length, true), measured[i].truesize, "%zu: %u", measured[i].length,
			     truesize_received(measured[i].length, true));
}

Test(pktbuf, accessor_stays_inside)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ 0 });
	struct pktbuf *packet = pktbuf_new(stack, 16, 32);

	memset(pktbuf_put(packet, 10), 'x', 10);
	cr_assert_eq(pktbuf_at(packet, 0, 10), packet->data);
	cr_assert_null(pktbuf_at(packet, 0, 11));
	cr_assert_null(pktbuf_at(packet, 11, 0));
	cr_assert_null(pktbuf_at(packet, SIZE_MAX, 2));
	cr_assert_not_null(pktbuf_at(packet, 10, 0));
	cr_assert_null(pktbuf_at(packet, 9, SIZE_MAX));
	pktbuf_pull(packet, 4);
	pktbuf_trim(packet, 3);
	cr_assert_eq(pktbuf_length(packet), 3);
	memcpy(pktbuf_push(packet, 4), "abcd", 4);
	cr_assert_eq(pktbuf_length(packet), 7);
	pktbuf_free(stack, packet);
	pl_stack_free(stack);
}

Test(pktbuf, charge_is_given_back_and_usage_counts)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ 0 });
	struct pl_usage usage;
	uint32_t account = 0;
	struct pktbuf *packet = pktbuf_new(stack, 0, 100);

	account += packet->truesize;
	packet->charge = &account;
	pl_usage(stack, &usage);
	cr_assert_eq(usage.packets, 1);
	cr_assert_eq(usage.packet_bytes, 100);
	pktbuf_hold(packet);
	pktbuf_free(stack, packet);
	cr_assert_eq(account, truesize_linear(100));
	pktbuf_free(stack, packet);
	cr_assert_eq(account, 0);
	pktbuf_free(stack, NULL);
	pl_usage(stack, &usage);
	cr_assert_eq(usage.packets, 0);
	cr_assert_eq(usage.packet_bytes, 0);
	pl_stack_free(stack);
}

Test(pktbuf, copy_keeps_headers_that_were_pulled)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ 0 });
	struct pktbuf *packet = pktbuf_new(stack, 0, 20), *copy;

	memcpy(pktbuf_put(packet, 8), "headbody", 8);
	packet->network = packet->data;
	pktbuf_pull(packet, 4);
	copy = pktbuf_copy(stack, packet, 32);
	pktbuf_free(stack, packet);
	cr_assert_eq(pktbuf_length(copy), 4);
	cr_assert_arr_eq(copy->network, "headbody", 8);
	cr_assert_arr_eq(copy->data, "body", 4);
	pktbuf_push(copy, 4);
	pktbuf_push(copy, 32);
	pktbuf_free(stack, copy);
	pl_stack_free(stack);
}

Test(pktbuf, queue_order)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ 0 });
	struct pktbuf_queue queue = { 0 };
	struct pktbuf *packet[4];

	for (int i = 0; i < 4; i++) {
		packet[i] = pktbuf_new(stack, 0, 8);
		pktbuf_put(packet[i], (size_t)i + 1);
	}
	pktbuf_queue_push(&queue, packet[1]);
	pktbuf_queue_push(&queue, packet[3]);
	pktbuf_queue_insert_after(&queue, packet[1], packet[2]);
	pktbuf_queue_insert_after(&queue, NULL, packet[0]);
	cr_assert_eq(queue.count, 4);
	cr_assert_eq(queue.bytes, 10);
	pktbuf_queue_remove(&queue, packet[2]);
	pktbuf_free(stack, packet[2]);
	cr_assert_eq(pktbuf_queue_pop(&queue), packet[0]);
	pktbuf_free(stack, packet[0]);
	cr_assert_eq(queue.first, packet[1]);
	cr_assert_eq(queue.last, packet[3]);
	pktbuf_queue_purge(stack, &queue);
	cr_assert_eq(queue.count, 0);
	cr_assert_null(queue.first);
	pl_stack_free(stack);
}
