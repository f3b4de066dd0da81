/*
 * What TCP keeps for the whole stack, and the numbers that a connection starts with.
 *
 * Initial sequence numbers follow RFC 6528: a keyed hash of the four-tuple plus a clock that gains one every 64 ns, as Linux has
 * it. Timestamp offsets are another keyed hash of the four-tuple, so that nobody learns the host's uptime from them (RFC 7323
 * section 5.4) and a four-tuple that is used again finds its timestamps growing.
 */
#include "conn.h"

#include <stdlib.h>

int tcp_host_new(struct pl_stack *stack)
{
	struct tcp_host *host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	stack->tcp = host;
	prng_bytes(&stack->prng, host->isn_key, sizeof(host->isn_key));
	prng_bytes(&stack->prng, host->timestamp_key, sizeof(host->timestamp_key));
	prng_bytes(&stack->prng, host->port_key, sizeof(host->port_key));
	prng_bytes(&stack->prng, host->hash_key, sizeof(host->hash_key));
	prng_bytes(&stack->prng, host->syncookie_key, sizeof(host->syncookie_key));
	if (tcp_tables_new(host) == 0)
		return 0;
	tcp_host_free(stack);
	return -ENOMEM;
}

void tcp_host_free(struct pl_stack *stack)
{
	struct tcp_host *host = stack->tcp;
	if (!host)
		return;
	tcp_tables_free(stack);
	tcp_metrics_free(stack);
	free(host);
	stack->tcp = NULL;
}

/* The four-tuple as the keyed hashes read it: addresses in network order, ports in network order. */
struct tuple_bytes {
	uint32_t source, destination;
	uint16_t source_port, destination_port;
};

static uint64_t hash_tuple(const uint8_t key[16], struct in_addr source, uint16_t source_port, struct in_addr destination,
			   uint16_t destination_port)
{
	struct tuple_bytes tuple = { source.s_addr, destination.s_addr, htons(source_port), htons(destination_port) };
	return siphash(key, &tuple, sizeof(tuple));
}

uint32_t tcp_initial_sequence(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
			      uint16_t remote_port)
{
	uint32_t hash = (uint32_t)hash_tuple(stack->tcp->isn_key, local, port, remote, remote_port);
	return hash + (uint32_t)(stack_wall_clock(stack) >> 6);
}

uint32_t tcp_timestamp_offset(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
			      uint16_t remote_port)
{
	if (stack->sysctl.tcp_timestamps != 1)
		return 0;
	return (uint32_t)hash_tuple(stack->tcp->timestamp_key, local, port, remote, remote_port);
}

uint64_t tcp_port_offset(const struct pl_stack *stack, struct in_addr local, struct in_addr remote, uint16_t remote_port)
{
	return hash_tuple(stack->tcp->port_key, local, 0, remote, remote_port);
}

uint32_t tcp_tuple_hash(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
			uint16_t remote_port)
{
	return (uint32_t)hash_tuple(stack->tcp->hash_key, local, port, remote, remote_port);
}
