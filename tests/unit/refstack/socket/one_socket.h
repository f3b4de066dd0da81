/* A stack and one UDP socket, for suites about what such a socket does. */
#ifndef TESTS_ONE_SOCKET_H
#define TESTS_ONE_SOCKET_H

#include "../calls.h"

static struct fixture f;
static int fd;

static inline void set_up_unbound(void)
{
	fixture_new(&f);
	fd = open_socket(&f, SOCK_DGRAM, 0);
}

static inline void set_up_bound(void)	/* LOCAL, port 5000 */
{
	fixture_new(&f);
	fd = udp_bound(&f, LOCAL, 5000);
}

static inline void tear_down(void)
{
	fixture_free(&f);
}

#endif
