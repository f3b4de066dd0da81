/* Between the arguments of a call and what a protocol sees of them. */
#ifndef REFSTACK_MESSAGE_H
#define REFSTACK_MESSAGE_H

#include <sys/uio.h>

#include "file.h"

/* What one read or write moves at most: the largest int, rounded down to pages. */
#define MAX_RW_COUNT ((size_t)0x7ffff000)
#ifndef UIO_MAXIOV
#define UIO_MAXIOV 1024
#endif

/*
 * The checks of import_iovec(): a count out of range gives `too_many` (-EINVAL for readv, -EMSGSIZE for msghdr), NULL -EFAULT, a
 * negative length -EINVAL. 0 and the bytes in *total, which stop at MAX_RW_COUNT.
 */
int64_t message_iov(const struct iovec *iov, int64_t count, int64_t too_many, size_t *total);

/* A caller's address into *address, zero filled: move_addr_to_kernel(). 0, -EINVAL for a bad length, -EFAULT. */
int64_t address_in(const void *user, int64_t length, struct sockaddr_storage *address);
/* An address to the caller, cut to the int at user_length, which then has the whole length: move_addr_to_user(). */
int64_t address_out(void *user, void *user_length, const void *address, socklen_t length);

#endif
