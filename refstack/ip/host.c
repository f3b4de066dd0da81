#include "host.h"

#include <stdlib.h>

int ip_host_new(struct pl_stack *stack)
{
	stack->ip = calloc(1, sizeof(*stack->ip));
	if (!stack->ip)
		return -ENOMEM;
	prng_bytes(&stack->prng, stack->ip->id_key, sizeof(stack->ip->id_key));
	return 0;
}

void ip_host_free(struct pl_stack *stack)
{
	struct ip_host *host = stack->ip;

	if (!host)
		return;
	reassemble_free(stack);
	while (host->exceptions) {
		struct pmtu_exception *exception = host->exceptions;

		host->exceptions = exception->next;
		free(exception);
	}
	free(host);
}
