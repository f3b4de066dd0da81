/*
 * tcp_migrate_req: what a listener of a SO_REUSEPORT group leaves behind when it stops goes on with another of its group.
 *
 * Connections that wait to be accepted move at once. Handshakes stay where they are, listed with a listener that listens no more,
 * until something happens to them: the SYN-ACK's timer, or a segment. Then another member is asked for, and if there is none (or
 * the tunable says no by then) the handshake ends. A listener that stops while the tunable is off takes everything with it.
 */
#include "../socket/group.h"
#include "conn.h"

bool tcp_migrate_begin(struct tcp_sock *listener)
{
	listener->migrates = listener->sk.group && listener->sk.stack->sysctl.tcp_migrate_req;
	return listener->migrates;
}

struct tcp_sock *tcp_migrate_target(const struct tcp_request *request)
{
	const struct tcp_sock *from = request->listener;
	struct pl_stack *stack = from->sk.stack;
	const struct tcp_entry *entry = &request->entry;
	struct tcp_sock *target = NULL;

	if (!from->migrates)
		return NULL;
	if (stack->sysctl.tcp_migrate_req)
		target = tcp_sk(sock_group_pick(&from->sk,
						tcp_tuple_hash(stack, entry->local, entry->port, entry->remote, entry->remote_port),
						NULL, 0));
	if (!target)
		COUNT(stack, TcpExt, TCPMigrateReqFailure);
	return target;
}

void tcp_migrate_hold(struct tcp_request *request, struct tcp_sock *target)
{
	struct tcp_sock *from = request->listener;

	sock_hold(&target->sk);
	request->listener = target;
	/* Linux does not move its place in the count of Fast Open handshakes: its end makes room for one more here. */
	target->fastopenq.adopted |= request->fastopen != NULL;
	sock_put(&from->sk);
}
