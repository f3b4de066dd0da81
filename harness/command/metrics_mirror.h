/*
 * What TCP remembers of destinations, between a reference stack and the network namespace in which its commands run: only that it is
 * forgotten (`ip tcp_metrics flush`). Nothing but a connection makes an entry in a kernel, so the namespace has one entry of its
 * own, made by a connection over its loopback: where a command has removed it, the stack forgets too.
 */
#ifndef HARNESS_METRICS_MIRROR_H
#define HARNESS_METRICS_MIRROR_H

#include <stdbool.h>

struct pl_stack;

/*
 * Before a command: can its forgetting be seen? False, at no cost, while
 * the stack remembers nothing; and where the loopback carries nothing.
 */
bool metrics_mirror_show(struct pl_stack *stack);
/* After it; `shown` is what the other one said. */
void metrics_mirror_take(struct pl_stack *stack, bool shown);

#endif
