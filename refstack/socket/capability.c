/* cap_set: packetdrill's way to take a privilege from the calls that follow, or to give it back. */
#include "file.h"

/* libcap's cap_flag_t and cap_flag_value_t. */
enum { CAPABILITY_EFFECTIVE, CAPABILITY_PERMITTED, CAPABILITY_INHERITABLE };
enum { CAPABILITY_CLEAR, CAPABILITY_SET };

/*
 * Only what is effective matters to the stack. What is taken from the permitted set is lost for good on Linux; nobody here raises
 * a privilege from it, so that it needs no record.
 */
int64_t call_cap_set(struct pl_stack *stack, struct pl_call *call)
{
	int set = (int)call->arg[0], capability = (int)call->arg[1], value = (int)call->arg[2];

	if (set < CAPABILITY_EFFECTIVE || set > CAPABILITY_INHERITABLE || capability < 0 || capability > 63 ||
	    (value != CAPABILITY_CLEAR && value != CAPABILITY_SET))
		return -EINVAL;
	if (set != CAPABILITY_EFFECTIVE)
		return 0;
	if (value == CAPABILITY_SET)
		stack->capabilities |= UINT64_C(1) << capability;
	else
		stack->capabilities &= ~(UINT64_C(1) << capability);
	return 0;
}
