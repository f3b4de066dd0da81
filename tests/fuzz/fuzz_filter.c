/*
 * The packet filter: rules in any words, rules of any bytes, and packets through them. The stack survives, and leaves nothing behind.
 *
 * The input is lines, which are given to the built-in iptables; behind a NUL, rules as bytes (a byte of length in units of eight,
 * the entry), until a length of 0; then packets: a byte whose lowest bit is the link, a byte of length, the bytes.
 */
#include <arpa/inet.h>
#include <plumbline/filter.h>
#include <plumbline/inspect.h>
#include <plumbline/link.h>
#include <plumbline/sysctl.h>
#include <stdlib.h>
#include <string.h>

#include "harness/command/builtin.h"
#include "harness/target/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_LINES 40

static struct pl_stack *host_new(int tun[2])
{
	static const uint32_t address[] = { 0xc0a80001, 0x0a000001 };
	static const char *const names[] = { "tun0", "tun1" };
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ .seed = 1 });

	pl_link_set_up(stack, 1, true);
	for (int i = 0; i < 2; i++) {
		tun[i] = pl_link_add(stack, &(struct pl_link_config){ .name = names[i], .kind = PL_LINK_TUN });
		pl_address_add(stack, tun[i], &(struct pl_address){ .local.s_addr = htonl(address[i]), .prefix_length = 16 });
		pl_link_set_up(stack, tun[i], true);
	}
	pl_route_add(stack, &(struct pl_route){ .ifindex = tun[0] }, false);
	pl_sysctl_write(stack, "net/ipv4/ip_forward", "1", 1);
	return stack;
}

static const uint8_t *run_lines(struct commands *commands, struct arena *arena, const uint8_t *at, const uint8_t *end)
{
	const char *error;

	for (unsigned lines = 0; at < end && *at && lines < MOST_LINES; lines++) {
		const uint8_t *stop = at;

		while (stop < end && *stop && *stop != '\n')
			stop++;
		command_builtin(commands, arena_printf(arena, "iptables %.*s", (int)(stop - at), (const char *)at), arena, &error);
		at = stop < end && *stop ? stop + 1 : stop;
	}
	while (at < end && *at)
		at++;
	return at < end ? at + 1 : at;
}

/* A rule of these bytes, put into a chain of a table. */
static void add_rule(struct pl_stack *stack, const uint8_t *bytes, size_t size)
{
	struct pl_filter_table *table = pl_filter_get(stack, pl_filter_names[bytes[0] % 4]);
	struct ipt_entry *entry = calloc(1, size + sizeof(*entry));

	memcpy(entry, bytes, size);
	if (entry->next_offset <= size + sizeof(*entry)) {
		struct pl_filter_rule *rule = pl_filter_rule_new(entry);

		if (rule) {
			rule->next = table->chains->rules;
			table->chains->rules = rule;
			pl_filter_set(stack, table);
		}
	}
	free(entry);
	pl_filter_free(table);
}

static const uint8_t *add_rules(struct pl_stack *stack, const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at) {
		size_t size = *at++ * 8u;

		if (size > (size_t)(end - at))
			return end;
		add_rule(stack, at, size);
		at += size;
	}
	return at < end ? at + 1 : at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target_config config = { .script_path = "x.pkt" };
	struct arena *arena = arena_new();
	const uint8_t *end = data + size;
	char *text;
	int tun[2];
	struct commands commands = { .stack = host_new(tun), .config = &config };

	data = run_lines(&commands, arena, data, end);
	data = add_rules(commands.stack, data, end);
	while (end - data >= 2) {
		size_t length = data[1] < end - data - 2 ? data[1] : (size_t)(end - data - 2);

		pl_link_input(commands.stack, tun[data[0] & 1], data + 2, length);
		pl_stack_run_until(commands.stack, pl_stack_now(commands.stack) + (data[0] & 2 ? PL_NSEC_PER_SEC : 1000));
		data += 2 + length;
	}
	if (pl_inspect_file(commands.stack, "nf_conntrack", &text) >= 0)
		free(text);
	pl_stack_free(commands.stack);
	arena_free(arena);
	return 0;
}
