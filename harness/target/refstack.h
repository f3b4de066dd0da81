/* The reference-stack target's own, for those that look into it (a mounted tree, a private namespace for commands). */
#ifndef HARNESS_TARGET_REFSTACK_H
#define HARNESS_TARGET_REFSTACK_H

#include "target.h"

/* The stack behind a target that refstack_target opened. */
struct pl_stack *refstack_target_stack(struct target *target);

#endif
