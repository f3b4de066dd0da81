/*
 * The interface between packetdrill and a user-space stack in a shared object.
 *
 * packetdrill (--so_filename) and Plumbline (--target so:FILE) load the object and call its packetdrill_interface_init, which
 * fills this struct. The layout is packetdrill's: the order and the types of the members are what two programs agree on.
 *
 * Every function gets userdata first. Those named after a system call behave as it does, errno included. A program may make
 * one waiting call at a time from a second thread while its first thread goes on with the others.
 */
#ifndef PLUMBLINE_PACKETDRILL_H
#define PLUMBLINE_PACKETDRILL_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

struct packetdrill_interface {
	void *userdata;
	void (*free)(void *userdata);		/* the stack, at the end */

	int (*socket)(void *userdata, int, int, int);
	int (*bind)(void *userdata, int, const struct sockaddr *, socklen_t);
	int (*listen)(void *userdata, int, int);
	int (*accept)(void *userdata, int, struct sockaddr *, socklen_t *);
	int (*connect)(void *userdata, int, const struct sockaddr *, socklen_t);
	ssize_t (*read)(void *userdata, int, void *, size_t);
	ssize_t (*readv)(void *userdata, int, const struct iovec *, int);
	ssize_t (*recv)(void *userdata, int, void *, size_t, int);
	ssize_t (*recvfrom)(void *userdata, int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t (*recvmsg)(void *userdata, int, struct msghdr *, int);
	ssize_t (*write)(void *userdata, int, const void *, size_t);
	ssize_t (*writev)(void *userdata, int, const struct iovec *, int);
	ssize_t (*send)(void *userdata, int, const void *, size_t, int);
	ssize_t (*sendto)(void *userdata, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	ssize_t (*sendmsg)(void *userdata, int, const struct msghdr *, int);
	int (*fcntl)(void *userdata, int, int, ...);
	int (*ioctl)(void *userdata, int, unsigned long, ...);
	int (*close)(void *userdata, int);
	int (*shutdown)(void *userdata, int, int);
	int (*getsockopt)(void *userdata, int, int, int, void *, socklen_t *);
	int (*setsockopt)(void *userdata, int, int, int, const void *, socklen_t);
	int (*poll)(void *userdata, struct pollfd *, nfds_t, int);

	/* An IP packet arrives: 0, or -1. */
	int (*netdev_send)(void *userdata, const void *packet, size_t length);
	/*
	 * The next IP packet that leaves; may wait for it. *length is the buffer's size, then the packet's, or 0 for none;
	 * *microseconds is when it left, by the clock of gettimeofday below. 0; or -1, and the caller asks again.
	 */
	int (*netdev_receive)(void *userdata, void *buffer, size_t *length, long long *microseconds);

	/* The stack's clock: it may be a virtual one, which usleep moves. */
	int (*usleep)(void *userdata, useconds_t);
	int (*gettimeofday)(void *userdata, struct timeval *, struct timezone *);

	int (*epoll_create)(void *userdata, int);
	int (*epoll_ctl)(void *userdata, int, int, int, struct epoll_event *);
	int (*epoll_wait)(void *userdata, int, struct epoll_event *, int, int);
	int (*pipe)(void *userdata, int[2]);
	int (*splice)(void *userdata, int, loff_t *, int, loff_t *, size_t, unsigned);
};

/* What the shared object exports. flags: what the user gave with --so_flags, or NULL. */
typedef void packetdrill_interface_init_function(const char *flags, struct packetdrill_interface *interface);

#endif
