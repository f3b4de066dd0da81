#include "host.h"

#include "mroute.h"

#include <stdlib.h>

int ip_host_new(struct pl_stack *stack)
{
	stack->ip = calloc(1, sizeof(*stack->ip));
	if (!stack->ip)
		return -ENOMEM;
	prng_bytes(&stack->prng, stack->ip->id_key, sizeof(stack->ip->id_key));
	/* Not drawn from the stream: what is drawn after this stays what it was. */
	for (size_t i = 0; i < sizeof(stack->ip->multipath_key); i++)
		stack->ip->multipath_key[i] = stack->ip->id_key[i] ^ 0x6d;
	return 0;
}

void ip_host_free(struct pl_stack *stack)
{
	struct ip_host *host = stack->ip;

	if (!host)
		return;
	reassemble_free(stack);
	mroute_free(stack);
	free(host);
}
