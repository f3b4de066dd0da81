/* What the error queue and the control messages of received packets share. */
#ifndef REFSTACK_ERROR_QUEUE_H
#define REFSTACK_ERROR_QUEUE_H

#include "file.h"

/*
 * When a packet came, as the socket is to be told: CLOCK_REALTIME in nanoseconds, or 0 when nobody had asked for stamps by then (it
 * is stamped when it is read).
 */
int64_t sock_receive_stamp(const struct sock *sk, const struct pktbuf *packet);
/* SCM_TIMESTAMP* and SCM_TIMESTAMPING of an error report; statistics: its payload, sent along too. */
void msg_put_error_stamp(struct sock *sk, struct msghdr *msg, int64_t stamp, const struct pktbuf *statistics);
/* As msg_put_received_ip, of the packet that an error came in or that was sent; `own` is the ipi_spec_dst of IP_PKTINFO. */
void msg_put_error_ip(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet, struct in_addr own);
/* SO_TIMESTAMPING: a datagram has left over `link`, now. payload: a copy of it from where the link's header starts, or NULL. */
void sock_queue_sent(struct sock *sk, uint32_t type, uint32_t key, struct pktbuf *payload, int link);

#endif
