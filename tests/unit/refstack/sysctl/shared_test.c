/* Tunables of the whole machine: written in the first network namespace, read in others; those that only the first one has. */
#include "../support.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "refstack/internal.h"

static struct fixture fixture;

static void setup(void)
{
	fixture_new(&fixture);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(shared, .init = setup, .fini = teardown);

static const char *const shared[] = {
	"net/core/rmem_default", "net/core/rmem_max", "net/core/wmem_default", "net/core/wmem_max",
};

static ssize_t put(const char *path, const char *text)
{
	return pl_sysctl_write(fixture.stack, path, text, strlen(text));
}

struct search {
	const char *path;
	unsigned mode;
};

static int compare_path(void *context, const struct pl_sysctl_file *file)
{
	struct search *search = context;

	if (!strcmp(file->path, search->path))
		search->mode = file->mode;
	return 0;
}

static unsigned mode_of(const char *path)
{
	struct search search = { .path = path };

	pl_sysctl_walk(fixture.stack, compare_path, &search);
	return search.mode;
}

Test(shared, are_written_in_the_first_namespace_alone)
{
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		fixture.stack->first_namespace = false;
		cr_assert_eq(mode_of(shared[i]), 0444, "%s", shared[i]);
		cr_assert_eq(put(shared[i], "100000"), -EACCES, "%s", shared[i]);
		fixture.stack->first_namespace = true;
		cr_assert_eq(mode_of(shared[i]), 0644, "%s", shared[i]);
		cr_assert_eq(put(shared[i], "100000"), 6, "%s", shared[i]);
	}
}

static int buffer_of(int fd, int option)
{
	int value = 0;
	socklen_t length = sizeof(value);
	int64_t arg[6] = { fd, SOL_SOCKET, option, PL_PTR(&value), PL_PTR(&length) };

	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_getsockopt, arg), 0);
	return value;
}

static int udp_socket(void)
{
	int64_t arg[6] = { AF_INET, SOCK_DGRAM, 0 };

	return (int)pl_call_now(fixture.stack, PL_OP_socket, arg);
}

Test(shared, give_new_sockets_their_buffers_and_bound_what_is_asked_for)
{
	int much = 1000000;

	fixture.stack->first_namespace = true;
	cr_assert_gt(put("net/core/rmem_default", "100000"), 0);
	cr_assert_gt(put("net/core/wmem_default", "50000"), 0);
	cr_assert_gt(put("net/core/rmem_max", "300000"), 0);
	cr_assert_gt(put("net/core/wmem_max", "200000"), 0);
	int fd = udp_socket();
	cr_assert_eq(buffer_of(fd, SO_RCVBUF), 100000);
	cr_assert_eq(buffer_of(fd, SO_SNDBUF), 50000);
	int64_t receive[6] = { fd, SOL_SOCKET, SO_RCVBUF, PL_PTR(&much), sizeof(much) };
	int64_t send[6] = { fd, SOL_SOCKET, SO_SNDBUF, PL_PTR(&much), sizeof(much) };
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_setsockopt, receive), 0);
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_setsockopt, send), 0);
	cr_assert_eq(buffer_of(fd, SO_RCVBUF), 600000);
	cr_assert_eq(buffer_of(fd, SO_SNDBUF), 400000);
}

/* Without CAP_NET_ADMIN only the controls on the list may be chosen. */
static int64_t choose(int fd, const char *name)
{
	int64_t arg[6] = { fd, IPPROTO_TCP, 13 /* TCP_CONGESTION */, PL_PTR(name), (int64_t)strlen(name) };

	return pl_call_now(fixture.stack, PL_OP_setsockopt, arg);
}

Test(shared, allowed_congestion_controls)
{
	int64_t arg[6] = { AF_INET, SOCK_STREAM, 0 };

	cr_assert_eq(put("net/ipv4/tcp_allowed_congestion_control", "reno"), -EACCES);
	fixture.stack->first_namespace = true;
	cr_assert_eq(put("net/ipv4/tcp_allowed_congestion_control", "reno"), 4);
	cr_assert_eq(mode_of("net/ipv4/tcp_allowed_congestion_control"), 0644);
	int fd = (int)pl_call_now(fixture.stack, PL_OP_socket, arg);
	fixture.stack->capabilities = 0;
	cr_assert_eq(choose(fd, "reno"), 0);
	cr_assert_eq(choose(fd, "cubic"), -EPERM);
	fixture.stack->capabilities = UINT64_MAX;
	cr_assert_eq(choose(fd, "cubic"), 0);
}

Test(shared, files_of_the_first_namespace_are_not_in_others)
{
	cr_assert_eq(put("net/ipv4/tcp_mem", "1 2 3"), -ENOENT);
	cr_assert_eq(put("net/ipv4/tcp_max_orphans", "1"), -ENOENT);
	fixture.stack->first_namespace = true;
	cr_assert_eq(put("net/ipv4/tcp_mem", "1 2 3"), 5);
	cr_assert_eq(put("net/ipv4/tcp_max_orphans", "1"), 1);
}
