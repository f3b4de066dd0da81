/* getsockopt and setsockopt: the level decides who is asked. */
#include "options.h"

int64_t call_setsockopt(struct pl_stack *stack, struct pl_call *call)
{
	int level = (int)call->arg[1], name = (int)call->arg[2];
	const void *value = call_pointer(call, 3);
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	if (!sk)
		return result;
	if ((int)call->arg[4] < 0)
		return -EINVAL;
	if (level == SOL_SOCKET)
		return sock_setsockopt(sk, name, value, (socklen_t)call->arg[4]);
	return sk->proto->setsockopt ? sk->proto->setsockopt(sk, level, name, value, (socklen_t)call->arg[4]) : -EOPNOTSUPP;
}

int64_t call_getsockopt(struct pl_stack *stack, struct pl_call *call)
{
	int level = (int)call->arg[1], name = (int)call->arg[2];
	void *value = call_pointer(call, 3);
	socklen_t *length = call_pointer(call, 4);
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	if (!sk)
		return result;
	if (level == SOL_SOCKET)
		return sock_getsockopt(sk, name, value, length);
	return sk->proto->getsockopt ? sk->proto->getsockopt(sk, level, name, value, length) : -EOPNOTSUPP;
}
