/* The calls that make, name, connect and end sockets: what Linux does in net/socket.c, before and after the protocol. */
#include "message.h"

#include <stdlib.h>

int64_t call_socket(struct pl_stack *stack, struct pl_call *call)
{
	int type = (int)call->arg[1], flags = type & ~0xf, number = 0;
	const struct proto *proto = NULL;
	struct sock *sk;
	int64_t result;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	type &= 0xf;
	result = protocol_find(stack, (int)call->arg[0], type, (int)call->arg[2], &proto, &number);
	if (result)
		return result;
	sk = sock_new(stack, proto, type, number);
	if (!sk)
		return -ENOMEM;
	result = proto->init ? proto->init(sk) : 0;
	if (!result)
		result = socket_install(stack, sk, flags);
	if (result < 0)
		sock_put(sk);
	return result;
}

int64_t call_bind(struct pl_stack *stack, struct pl_call *call)
{
	struct sockaddr_storage address;
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	if (!sk)
		return result;
	result = address_in(call_pointer(call, 1), call->arg[2], &address);
	if (result)
		return result;
	return sk->proto->bind ? sk->proto->bind(sk, (struct sockaddr *)&address, (socklen_t)call->arg[2]) : -EOPNOTSUPP;
}

int64_t call_connect(struct pl_stack *stack, struct pl_call *call)
{
	struct sockaddr_storage address;
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	if (!sk)
		return result;
	result = address_in(call_pointer(call, 1), call->arg[2], &address);
	if (result)
		return result;
	return sk->proto->connect ? sk->proto->connect(sk, call, (struct sockaddr *)&address, (socklen_t)call->arg[2],
						       call_dontwait(call))
				  : -EOPNOTSUPP;
}

int64_t call_listen(struct pl_stack *stack, struct pl_call *call)
{
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);
	unsigned backlog = (unsigned)call->arg[1];

	if (!sk)
		return result;
	if (backlog > (unsigned)stack->sysctl.somaxconn)
		backlog = (unsigned)stack->sysctl.somaxconn;
	return sk->proto->listen ? sk->proto->listen(sk, (int)backlog) : -EOPNOTSUPP;
}

/* The common part of accept and accept4: the descriptor comes first, so that no connection is lost for want of one. */
static int64_t accept_with_flags(struct pl_stack *stack, struct pl_call *call, int flags)
{
	struct sockaddr_in address = { 0 };
	struct sock *child = NULL;
	int64_t result = 0;
	struct sock *sk;
	int fd;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	sk = call_sock(call, &result);
	if (!sk)
		return result;
	result = descriptor_available(stack);
	if (result)
		return result;
	if (!sk->proto->accept)
		return -EOPNOTSUPP;
	result = sk->proto->accept(sk, call, call_dontwait(call), &child);
	if (result < 0)
		return result;
	if (call->arg[1]) {
		result = child->proto->getname(child, &address, true);
		result = result < 0 ? -ECONNABORTED
				    : address_out(call_pointer(call, 1), call_pointer(call, 2), &address, sizeof(address));
	}
	fd = socket_install(stack, child, flags);
	if (fd < 0) {
		if (child->proto->close)
			child->proto->close(child, NULL);
		sock_put(child);
		return fd;
	}
	if (result < 0)
		file_put(descriptor_remove(stack, fd), NULL);
	return result < 0 ? result : fd;
}

int64_t call_accept(struct pl_stack *stack, struct pl_call *call)
{
	return accept_with_flags(stack, call, 0);
}

int64_t call_accept4(struct pl_stack *stack, struct pl_call *call)
{
	return accept_with_flags(stack, call, (int)call->arg[3]);
}

/* getsockname and getpeername. */
static int64_t name_out(struct pl_call *call, bool peer)
{
	struct sockaddr_in address = { 0 };
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);

	if (!sk)
		return result;
	result = sk->proto->getname(sk, &address, peer);
	return result < 0 ? result : address_out(call_pointer(call, 1), call_pointer(call, 2), &address, sizeof(address));
}

int64_t call_getsockname(struct pl_stack *stack, struct pl_call *call)
{
	return name_out(call, false);
}

int64_t call_getpeername(struct pl_stack *stack, struct pl_call *call)
{
	return name_out(call, true);
}

int64_t call_shutdown(struct pl_stack *stack, struct pl_call *call)
{
	int64_t result = 0;
	struct sock *sk = call_sock(call, &result);
	int how = (int)call->arg[1];

	if (!sk)
		return result;
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	return sk->proto->shutdown ? sk->proto->shutdown(sk, how) : -EOPNOTSUPP;
}
