/* Sockets made, counted and freed; the memory they are charged for. */
#include "filter.h"
#include "group.h"
#include "multicast.h"
#include "options.h"

#include <stdlib.h>

#include "../ip/ip.h"
#include "../link/neighbour.h"

struct sock *sock_new(struct pl_stack *stack, const struct proto *proto, int type, int protocol)
{
	struct descriptor_table *table = stack->descriptors;
	struct sock *sk = calloc(1, proto->size);

	if (!sk)
		return NULL;
	sk->stack = stack;
	sk->proto = proto;
	sk->type = type;
	sk->protocol = protocol;
	sk->references = 1;
	sk->state = TCP_CLOSE;
	sk->receive_buffer = stack->sysctl.rmem_default;
	sk->send_buffer = stack->sysctl.wmem_default;
	sk->receive_low_water = 1;
	sk->receive_timeout = sk->send_timeout = PL_TIME_NEVER;
	sk->max_pacing_rate = sk->pacing_rate = UINT64_MAX;
	sk->stamp = -1;
	sk->peek_offset = -1;
	sk->incoming_cpu = -1;
	sk->transmit_rehash = (int8_t)stack->sysctl.txrehash;
	sk->uid = stack->uid;
	sk->inode = ++table->last_inode;
	sk->unicast_ttl = -1;
	sk->multicast_ttl = 1;
	sk->pmtudisc = stack->sysctl.ip_no_pmtu_disc ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
	sock_flag_set(sk, SF_MC_LOOP, true);
	sock_flag_set(sk, SF_MC_ALL, true);

	sk->all_next = table->sockets;
	sk->all_prev = &table->sockets;
	if (table->sockets)
		table->sockets->all_prev = &sk->all_next;
	table->sockets = sk;
	stack->usage.sockets++;
	return sk;
}

struct sock *sock_clone(const struct sock *parent)
{
	struct sock *sk = sock_new(parent->stack, parent->proto, parent->type, parent->protocol);

	if (!sk)
		return NULL;
	struct sock *next = sk->all_next, **prev = sk->all_prev;
	uint32_t inode = sk->inode;

	memcpy(sk, parent, parent->proto->size);
	sk->inode = inode;
	sk->all_next = next;
	sk->all_prev = prev;
	sk->hash_next = NULL;
	sk->references = 1;
	sk->has_descriptor = false;
	sk->bound_port = false;
	sk->error = sk->error_soft = 0;
	sk->receive_allocated = sk->write_allocated = sk->write_queued = sk->optmem = sk->drops = 0;
	sk->forward_allocated = 0;
	sk->priority = 0;
	sk->cookie = 0;
	sk->peek_offset = -1;
	sk->receive_queue = sk->error_queue = (struct pktbuf_queue){ 0 };
	sk->wait = (struct wait_queue){ 0 };
	sk->memberships = NULL;
	sk->filter = filter_hold(parent->filter);
	sk->group = NULL;
	sk->options = NULL;
	sk->route = sk->arrival = NULL;
	sk->ip_id_set = false;
	sock_flag_set(sk, SF_DONE, false);
	return sk;
}

void sock_route_forget(struct sock *sk)
{
	if (sk->route)
		route_put(sk->stack, sk->route);
	sk->route = NULL;
}

void sock_hold(struct sock *sk)
{
	sk->references++;
}

/* Free sk whatever its references. */
static void sock_destroy(struct sock *sk)
{
	struct pl_stack *stack = sk->stack;

	if (sk->proto->destroy)
		sk->proto->destroy(sk);
	pktbuf_queue_purge(stack, &sk->receive_queue);
	pktbuf_queue_purge(stack, &sk->error_queue);
	neighbours_disown(stack, sk);
	free(sk->options);
	multicast_leave_all(sk);
	filter_put(sk);
	sock_group_leave(sk);
	route_put(stack, sk->route);
	sock_arrival_forget(sk);
	*sk->all_prev = sk->all_next;
	if (sk->all_next)
		sk->all_next->all_prev = sk->all_prev;
	stack->usage.sockets--;
	free(sk);
}

void sock_put(struct sock *sk)
{
	if (--sk->references == 0)
		sock_destroy(sk);
}

/* Listeners first: the connections in their accept queues are sockets of this list too, which they let go of. */
void sock_destroy_all(struct pl_stack *stack)
{
	for (struct sock *sk = stack->descriptors->sockets, *next; sk; sk = next) {
		next = sk->all_next;
		if (sk->state == TCP_LISTEN)
			sock_destroy(sk);
	}
	while (stack->descriptors->sockets)
		sock_destroy(stack->descriptors->sockets);
}

struct sock *sock_first(const struct pl_stack *stack)
{
	return stack->descriptors->sockets;
}

int socket_install(struct pl_stack *stack, struct sock *sk, int flags)
{
	struct pl_file *file = file_new(stack, &socket_file_ops, O_RDWR | (flags & SOCK_NONBLOCK), sk);
	int fd;

	if (!file)
		return -ENOMEM;
	fd = descriptor_install(stack, file, 0, flags & SOCK_CLOEXEC);
	if (fd < 0) {
		free(file);
		return fd;
	}
	sk->has_descriptor = true;
	return fd;
}

/* --- packets that wait below ---------------------------------------------------------------------------------------------- */
#define PURE_ACK_TRUESIZE 2	/* what Linux charges for a segment that carries nothing */

static uint32_t send_charge(const struct pktbuf *packet)
{
	return packet->original ? packet->truesize : PURE_ACK_TRUESIZE;
}

void sock_send_waits(struct pktbuf *packet)
{
	if (!packet->sender || packet->waits)
		return;
	packet->waits = true;
	sock_hold(packet->sender);
	packet->sender->write_allocated += send_charge(packet);
	if (packet->original)
		pktbuf_hold(packet->original)->waiting_copies++;
}

void sock_send_left(struct pl_stack *stack, struct pktbuf *packet)
{
	struct sock *sk = packet->sender;

	if (!packet->waits)
		return;
	packet->waits = false;
	sk->write_allocated -= send_charge(packet);
	if (packet->original) {
		packet->original->waiting_copies--;
		pktbuf_free(stack, packet->original);
	}
	packet->sender = NULL;
	packet->original = NULL;
	if (sk->told_later) {
		sock_put(sk);
		return;
	}
	sk->told_later = true;
	sk->senders_next = stack->senders;
	stack->senders = sk;
}

static struct sock *sender_next(struct pl_stack *stack)
{
	struct sock *sk = stack->senders;

	if (sk) {
		stack->senders = sk->senders_next;
		sk->told_later = false;
	}
	return sk;
}

void sock_senders_tell(struct pl_stack *stack)
{
	struct sock *sk;

	while ((sk = sender_next(stack))) {
		if (sk->proto->sent)
			sk->proto->sent(sk);
		sock_put(sk);
	}
}

void sock_senders_forget(struct pl_stack *stack)
{
	struct sock *sk;

	while ((sk = sender_next(stack)))
		sock_put(sk);
}

void sock_charge_receive(struct sock *sk, struct pktbuf *packet)
{
	packet->owner = sk;
	packet->charge = &sk->receive_allocated;
	sk->receive_allocated += packet->truesize;
}

int sock_error_take(struct sock *sk)
{
	int error = sk->error;

	sk->error = 0;
	return -error;
}
