/* Classic packet filters of sockets: SO_ATTACH_FILTER. */
#ifndef REFSTACK_FILTER_H
#define REFSTACK_FILTER_H

#include "file.h"

/* SO_ATTACH_FILTER (a struct sock_fprog), SO_DETACH_FILTER, SO_GET_FILTER: 0, the number of instructions, or the kernel's error. */
int64_t filter_attach(struct sock *sk, const void *value, socklen_t length);
int64_t filter_detach(struct sock *sk);
int64_t filter_get(const struct sock *sk, void *value, socklen_t *length);
/* A program of so many instructions, checked, with one reference; NULL: *error is -EINVAL or -ENOMEM. */
struct sock_filter;
struct filter *filter_new(const struct sock_filter *code, uint16_t length, int64_t *error);
/* The program of a struct sock_fprog, checked, with one reference; NULL: *error. */
struct filter *filter_make(const struct sock *sk, const void *value, socklen_t length, int64_t *error);
uint32_t filter_run(struct pl_stack *stack, const struct filter *filter, const struct pktbuf *packet);	/* what it returns */
void filter_drop(struct filter *filter);		/* NULL too */
struct filter *filter_hold(struct filter *filter);	/* NULL too */
void filter_put(struct sock *sk);			/* the socket lets go of its filter */

#endif
