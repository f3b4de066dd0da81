/* Calls as data: the table of calls, and the way of a call through its handler. */
#include "file.h"

const struct pl_call_row pl_call_table[PL_OP_COUNT] = {
#define PL_CALL_ROW(name, ...) [PL_OP_##name] = { #name, { __VA_ARGS__ } },
	PL_CALL_LIST(PL_CALL_ROW)
#undef PL_CALL_ROW
};

/* One handler a row: its result, or CALL_WAITS to be run again from the top when something it waits for has happened. */
static int64_t (*const call_handler[PL_OP_COUNT])(struct pl_stack *, struct pl_call *) = {
#define PL_CALL_HANDLER_ROW(name, ...) [PL_OP_##name] = call_##name,
	PL_CALL_LIST(PL_CALL_HANDLER_ROW)
#undef PL_CALL_HANDLER_ROW
};

void call_run(struct pl_call *call)
{
	int64_t result = call_handler[call->op](call->stack, call);

	if (result != CALL_WAITS)
		call_finish(call, result);
}

void pl_call_submit(struct pl_stack *stack, struct pl_call *call)
{
	call->stack = stack;
	call->file[0] = call->file[1] = NULL;
	call->waiting = NULL;
	call->ready_next = NULL;
	call->progress = call->messages = 0;
	call->result = 0;
	call->finished = call->ready = call->timed_out = call->cancelled = false;
	call->submitted = call->since = stack->now;
	if ((unsigned)call->op >= PL_OP_COUNT)
		call_finish(call, -ENOSYS);
	else if (stack->descriptors->freeing)
		call_finish(call, -EINTR);
	else
		call_run(call);
	stack_settle(stack);
}

int64_t pl_call_now(struct pl_stack *stack, enum pl_op op, const int64_t arg[6])
{
	struct pl_call call = { .op = op };

	memcpy(call.arg, arg, sizeof(call.arg));
	pl_call_submit(stack, &call);
	if (call.finished)
		return call.result;
	pl_call_cancel(stack, &call);
	return call.result == -EINTR ? -EAGAIN : call.result;
}
