#include "support.h"

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new();
}

static void tear_down(void)
{
	arena_free(arena);
}

TestSuite(option, .init = set_up, .fini = tear_down);

/* Decode, compare the text, encode, compare the bytes. */
static void check(enum layer_kind layer, const uint8_t *bytes, size_t length, const char *text)
{
	uint8_t again[256];
	size_t used = 0;
	struct wire_option *options;
	unsigned count = wire_options_decode(layer, bytes, length, arena, &options);
	const char *printed = "";

	for (unsigned i = 0; i < count; i++) {
		printed = arena_printf(arena, "%s%s%s", printed, i ? "," : "", wire_option_print(layer, &options[i], arena));
		used += wire_option_encode(layer, &options[i], again + used);
	}
	cr_assert_str_eq(printed, text);
	cr_assert_eq(used, length, "%s: %zu bytes became %zu", text, length, used);
	cr_assert_arr_eq(again, bytes, length);
}

#define CHECK(layer, text, ...)                                                                                                \
	do {                                                                                                                   \
		static const uint8_t bytes[] = { __VA_ARGS__ };                                                                \
		check(layer, bytes, sizeof(bytes), text);                                                                      \
	} while (0)

Test(option, every_kind_of_tcp_option)
{
	CHECK(LAYER_TCP, "mss 1460,nop,nop,sackOK", 2, 4, 5, 0xb4, 1, 1, 4, 2);
	CHECK(LAYER_TCP, "nop,wscale 7", 1, 3, 3, 7);
	CHECK(LAYER_TCP, "nop,nop,TS val 100 ecr 4294967295", 1, 1, 8, 10, 0, 0, 0, 100, 255, 255, 255, 255);
	CHECK(LAYER_TCP, "sack 1:2 3:4", 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4);
	CHECK(LAYER_TCP, "md5 000102030405060708090a0b0c0d0e0f", 19, 18, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	CHECK(LAYER_TCP, "FO", 34, 2);
	CHECK(LAYER_TCP, "FO abcd1234,nop,nop", 34, 6, 0xab, 0xcd, 0x12, 0x34, 1, 1);
	CHECK(LAYER_TCP, "FOEXP", 254, 4, 0xf9, 0x89);
	CHECK(LAYER_TCP, "FOEXP 0102", 254, 6, 0xf9, 0x89, 1, 2);
	CHECK(LAYER_TCP, "ECN", 172, 2);
	CHECK(LAYER_TCP, "ECN e0b 1", 172, 5, 0, 0, 1);
	CHECK(LAYER_TCP, "ECN e0b 1 ceb 2 e1b 16777215", 172, 11, 0, 0, 1, 0, 0, 2, 255, 255, 255);
	CHECK(LAYER_TCP, "ECN e1b 1 ceb 2 e0b 3", 174, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3);
	CHECK(LAYER_TCP, "eol,eol", 0, 0);
	CHECK(LAYER_TCP, "kind 99 0102", 99, 4, 1, 2);
	CHECK(LAYER_TCP, "kind 99", 99, 2);
}

/* Four blocks are the most that fit; a list that would have five is no list. */
Test(option, sack_lists_at_their_limits)
{
	uint8_t bytes[38] = { 5, 34 };
	struct wire_option *options;

	cr_assert_eq(wire_options_decode(LAYER_TCP, bytes, 34, arena, &options), 1);
	cr_assert_eq(options[0].sack.count, 4);
	bytes[1] = 38;
	cr_assert_eq(wire_options_decode(LAYER_TCP, bytes, 38, arena, &options), 1);
	cr_assert_eq(wire_option_shape(LAYER_TCP, &options[0]), SHAPE_BLOB);
	bytes[1] = 2;
	wire_options_decode(LAYER_TCP, bytes, 2, arena, &options);
	cr_assert_eq(wire_option_shape(LAYER_TCP, &options[0]), SHAPE_BLOB, "an empty list says nothing");
}

Test(option, malformed_options_keep_their_bytes)
{
	CHECK(LAYER_TCP, "kind 2 ff", 2, 3, 0xff);
	CHECK(LAYER_TCP, "kind 3 0102", 3, 4, 1, 2);
	CHECK(LAYER_TCP, "kind 4 00", 4, 3, 0);
	CHECK(LAYER_TCP, "kind 8 length 10 000000", 8, 10, 0, 0, 0);
	CHECK(LAYER_TCP, "kind 5 length 0 0101", 5, 0, 1, 1);
	CHECK(LAYER_TCP, "kind 5 length 1", 5, 1);
	CHECK(LAYER_TCP, "nop,kind 8 cut", 1, 8);
	CHECK(LAYER_TCP, "kind 172 00000001", 172, 6, 0, 0, 0, 1);
	CHECK(LAYER_TCP, "kind 254 f9", 254, 3, 0xf9);
	CHECK(LAYER_TCP, "kind 254 f98a", 254, 4, 0xf9, 0x8a);
	CHECK(LAYER_TCP, "kind 34 length 9 01", 34, 9, 1);
}

Test(option, ip_options_by_name)
{
	CHECK(LAYER_IPV4, "rr slots 1 {}", 7, 7, 4, 0, 0, 0, 0);
	CHECK(LAYER_IPV4, "ra", 148, 4, 0, 0);
	CHECK(LAYER_IPV4, "nop,lsrr {192.0.2.1},eol", 1, 131, 7, 4, 192, 0, 2, 1, 0);
	CHECK(LAYER_IPV4, "kind 77 \"\\x01\"", 77, 3, 1);
	CHECK(LAYER_IPV4, "rr slots 2 {10.0.0.1}", 7, 11, 8, 10, 0, 0, 1, 0, 0, 0, 0);
	CHECK(LAYER_IPV4, "rr ptr 8 {10.0.0.1, 0.0.0.9}", 7, 11, 8, 10, 0, 0, 1, 0, 0, 0, 9);
	CHECK(LAYER_IPV4, "ts tsandaddr ovfl 15 {10.0.0.1=5}", 68, 12, 13, 0xf1, 10, 0, 0, 1, 0, 0, 0, 5);
	CHECK(LAYER_IPV4, "ts tsprespec {10.0.0.1}", 68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0);
	CHECK(LAYER_IPV4, "ts \"\\x05\\x02\"", 68, 4, 5, 2);
	/* What is an option to TCP is none to IP. */
	CHECK(LAYER_IPV4, "kind 2 \"\\x05\\xb4\"", 2, 4, 5, 0xb4);
}
