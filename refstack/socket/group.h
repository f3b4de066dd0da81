/*
 * SO_REUSEPORT groups: sockets that share an address and port, of which each packet chooses one.
 *
 * A socket joins when it gets its port (UDP) or begins to listen (TCP), by what SO_REUSEPORT says then, and stays until it leaves
 * its protocol's tables. Its place among the members is what a program (SO_ATTACH_REUSEPORT_CBPF) names: members stand in the order
 * in which they came, and the last one takes the place of one that leaves.
 */
#ifndef REFSTACK_GROUP_H
#define REFSTACK_GROUP_H

#include "file.h"

/*
 * sk enters its protocol's tables, beside `other` of the same address, port, link and owner, or alone (NULL). 0, -ENOMEM, or -EBUSY:
 * it is in another group, with others.
 */
int sock_group_join(struct sock *sk, struct sock *other);
/* A listener stops: it is chosen no more, but what it leaves behind may go on with the others (tcp_migrate_req). */
void sock_group_stop(struct sock *sk);
void sock_group_leave(struct sock *sk);		/* harmless for a socket of no group */
/*
 * Who gets a packet: the member that the group's program names, which sees the packet from `payload` bytes behind the start of its
 * IP header on, else one that the hash names. NULL packet: the hash alone. NULL: sk has no group, or nobody is left in it.
 */
struct sock *sock_group_pick(const struct sock *sk, uint32_t hash, const struct pktbuf *packet, size_t payload);
/* Has one of sk's group been connected since it was in it? */
bool sock_group_has_connections(const struct sock *sk);
void sock_group_connected(struct sock *sk);
/* May sk still join others? Not when it is in a group already, as an attached program makes it be. */
bool sock_group_open(const struct sock *sk);

/* SO_ATTACH_REUSEPORT_CBPF (a struct sock_fprog), SO_DETACH_REUSEPORT_BPF, SO_INCOMING_CPU: 0, or the kernel's error. */
int64_t sock_group_attach(struct sock *sk, const void *value, socklen_t length);
int64_t sock_group_detach(struct sock *sk);
void sock_group_set_cpu(struct sock *sk, int cpu);

#endif
