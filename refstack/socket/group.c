/* SO_REUSEPORT groups, by the rules of Linux's sock_reuseport. */
#include "group.h"

#include <stdlib.h>

#include "filter.h"

struct sock_group {
	unsigned references;		/* sockets that point here: members, and listeners that have stopped */
	unsigned count, room;
	struct sock **member;
	struct filter *program;
	unsigned with_cpu;		/* members that SO_INCOMING_CPU was set for */
	bool has_connections;
};

/* The processor that takes all packets. */
#define THIS_CPU 0

static void group_put(struct sock_group *group)
{
	if (--group->references)
		return;
	filter_drop(group->program);
	free(group->member);
	free(group);
}

static int place_of(const struct sock_group *group, const struct sock *sk)
{
	for (unsigned i = 0; i < group->count; i++)
		if (group->member[i] == sk)
			return (int)i;
	return -1;
}

/* sk becomes the last member; it points to the group already. False: no memory. */
static bool add_member(struct sock_group *group, struct sock *sk)
{
	if (group->count == group->room) {
		unsigned room = group->room ? group->room * 2 : 4;
		struct sock **member = realloc(group->member, room * sizeof(struct sock *));

		if (!member)
			return false;
		group->member = member;
		group->room = room;
	}
	group->member[group->count++] = sk;
	group->with_cpu += sk->incoming_cpu >= 0;
	return true;
}

static void remove_member(struct sock_group *group, const struct sock *sk)
{
	int place = place_of(group, sk);

	if (place < 0)
		return;
	group->member[place] = group->member[--group->count];
	group->with_cpu -= sk->incoming_cpu >= 0 && group->with_cpu;
}

/* sk becomes a member of `group`, or of a new one for itself. */
static int enter(struct sock *sk, struct sock_group *group)
{
	if (!group)
		group = calloc(1, sizeof(*group));
	if (!group)
		return -ENOMEM;
	group->references++;
	if (!add_member(group, sk)) {
		group_put(group);
		return -ENOMEM;
	}
	sk->group = group;
	return 0;
}

int sock_group_join(struct sock *sk, struct sock *other)
{
	int error = other && !other->group ? enter(other, NULL) : 0;

	if (error)
		return error;
	if (sk->group && place_of(sk->group, sk) >= 0) {
		if (!other)
			return 0;
		if (sk->group->count != 1)
			return -EBUSY;
	}
	sock_group_leave(sk);
	return enter(sk, other ? other->group : NULL);
}

void sock_group_stop(struct sock *sk)
{
	if (sk->group)
		remove_member(sk->group, sk);
}

void sock_group_leave(struct sock *sk)
{
	if (!sk->group)
		return;
	remove_member(sk->group, sk);
	group_put(sk->group);
	sk->group = NULL;
}

/* Connected sockets are passed over; among the others those that asked for this processor come first. */
static struct sock *pick_by_hash(const struct sock_group *group, uint32_t hash)
{
	unsigned first = (unsigned)((uint64_t)hash * group->count >> 32);
	struct sock *any = NULL;

	for (unsigned i = 0; i < group->count; i++) {
		struct sock *sk = group->member[(first + i) % group->count];

		if (sk->state == TCP_ESTABLISHED)
			continue;
		if (!group->with_cpu || sk->incoming_cpu == THIS_CPU)
			return sk;
		if (!any)
			any = sk;
	}
	return any;
}

struct sock *sock_group_pick(const struct sock *sk, uint32_t hash, const struct pktbuf *packet, size_t payload)
{
	const struct sock_group *group = sk->group;

	if (!group)
		return NULL;
	if (group->program && packet && payload <= (size_t)(packet->tail - packet->network)) {
		struct pktbuf whole = *packet;
		uint32_t place;

		whole.data = packet->network + payload;
		place = filter_run(sk->stack, group->program, &whole);
		if (place < group->count)
			return group->member[place];
	}
	return pick_by_hash(group, hash);
}

bool sock_group_has_connections(const struct sock *sk)
{
	return sk->group && sk->group->has_connections;
}

void sock_group_connected(struct sock *sk)
{
	if (sk->group)
		sk->group->has_connections = true;
}

bool sock_group_open(const struct sock *sk)
{
	return !sk->group || sk->group->references > sk->group->count;
}

/* --- options ------------------------------------------------------------------------------------------------------------- */

/* Is sk where packets find it? A stream socket when it listens or is connected, any other once it has its port. */
static bool is_found(const struct sock *sk)
{
	return sk->type == SOCK_STREAM ? sk->state != TCP_CLOSE : sk->port != 0;
}

int64_t sock_group_attach(struct sock *sk, const void *value, socklen_t length)
{
	int64_t error = 0;
	struct filter *program = filter_make(sk, value, length, &error);

	if (!program)
		return error;
	if (is_found(sk))
		error = sk->group ? 0 : -EINVAL;
	else
		error = sk->reuseport ? sock_group_join(sk, NULL) : -EINVAL;
	if (error) {
		filter_drop(program);
		return error;
	}
	filter_drop(sk->group->program);
	sk->group->program = program;
	return 0;
}

int64_t sock_group_detach(struct sock *sk)
{
	struct sock_group *group = sk->group;

	if (!group)
		return sk->reuseport ? -ENOENT : -EINVAL;
	if (!group->program || (!is_found(sk) && group->references > group->count))
		return -ENOENT;
	filter_drop(group->program);
	group->program = NULL;
	return 0;
}

void sock_group_set_cpu(struct sock *sk, int cpu)
{
	struct sock_group *group = sk->group;

	if (group && sk->incoming_cpu < 0 && cpu >= 0)
		group->with_cpu++;
	else if (group && sk->incoming_cpu >= 0 && cpu < 0 && group->with_cpu)
		group->with_cpu--;
	sk->incoming_cpu = cpu;
}
