/* SO_REUSEPORT groups: places, programs, processors. */
#include "../calls.h"

#include <linux/filter.h>

#define MEMBERS 6		/* more than a group has room for at first */

static struct fixture f;
static int fd[MEMBERS];

static void set_up(void)
{
	fixture_new(&f);
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct sockaddr_in address = socket_address(LOCAL, 5000);

		fd[i] = open_socket(&f, SOCK_DGRAM, IPPROTO_UDP);
		set_int(&f, fd[i], SOL_SOCKET, SO_REUSEPORT, 1);
		CALL_IS(&f, 0, bind, fd[i], PL_PTR(&address), sizeof(address));
	}
}

static void tear_down(void)
{
	fixture_free(&f);
}

TestSuite(group, .init = set_up, .fini = tear_down);

/* The payload's first byte is the place. */
static void name_by_first_byte(int socket)
{
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_STMT(BPF_RET | BPF_A, 0) };
	struct sock_fprog program = { .len = 2, .filter = code };

	CALL_IS(&f, 0, setsockopt, socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, PL_PTR(&program), sizeof(program));
}

/* How many datagrams wait at the socket; they are read. */
static unsigned waiting(int socket)
{
	char buffer[16];
	unsigned count = 0;

	while (CALL(&f, recvfrom, socket, PL_PTR(buffer), sizeof(buffer), MSG_DONTWAIT, 0, 0) >= 0)
		count++;
	return count;
}

Test(group, a_program_names_places_in_the_order_of_binding)
{
	name_by_first_byte(fd[3]);
	for (unsigned i = 0; i < MEMBERS; i++) {
		inject_udp(&f, (uint16_t)(1000 + i), 5000, &(char){ (char)i }, 1);
		cr_assert_eq(waiting(fd[i]), 1, "%u", i);
	}
	CALL_IS(&f, 0, close, fd[1]);
	inject_udp(&f, 1, 5000, "\1", 1);
	cr_assert_eq(waiting(fd[MEMBERS - 1]), 1, "the last takes the place of one that leaves");
}

Test(group, a_number_that_is_nobodys_leaves_it_to_the_hash)
{
	unsigned total = 0;

	name_by_first_byte(fd[0]);
	inject_udp(&f, 1, 5000, "\6", 1);
	for (unsigned i = 0; i < MEMBERS; i++)
		total += waiting(fd[i]);
	cr_assert_eq(total, 1);
}

Test(group, the_hash_passes_over_who_is_connected)
{
	struct sockaddr_in peer = socket_address(REMOTE, 9);

	for (unsigned i = 0; i + 1 < MEMBERS; i++)
		CALL_IS(&f, 0, connect, fd[i], PL_PTR(&peer), sizeof(peer));
	for (uint16_t port = 100; port < 120; port++)
		inject_udp(&f, port, 5000, "x", 1);
	cr_assert_eq(waiting(fd[MEMBERS - 1]), 20);
}

Test(group, who_asked_for_the_processor_comes_first)
{
	set_int(&f, fd[2], SOL_SOCKET, SO_INCOMING_CPU, 0);
	set_int(&f, fd[3], SOL_SOCKET, SO_INCOMING_CPU, 1);
	for (uint16_t port = 100; port < 120; port++)
		inject_udp(&f, port, 5000, "x", 1);
	cr_assert_eq(waiting(fd[2]), 20);
	set_int(&f, fd[2], SOL_SOCKET, SO_INCOMING_CPU, -1);
	set_int(&f, fd[3], SOL_SOCKET, SO_INCOMING_CPU, -1);
	for (uint16_t port = 100; port < 164; port++)
		inject_udp(&f, port, 5000, "x", 1);
	for (unsigned i = 0; i < MEMBERS; i++)
		cr_assert_gt(waiting(fd[i]), 0, "%u", i);
}

Test(group, programs_are_for_those_in_a_group)
{
	int alone = udp_bound(&f, LOCAL, 6000), early = open_socket(&f, SOCK_DGRAM, IPPROTO_UDP);
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { .len = 1, .filter = code };
	struct sockaddr_in address = socket_address(LOCAL, 5000);

	CALL_IS(&f, -EINVAL, setsockopt, alone, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, PL_PTR(&program), sizeof(program));
	CALL_IS(&f, -EINVAL, setsockopt, early, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, PL_PTR(&program), sizeof(program));
	set_int(&f, early, SOL_SOCKET, SO_REUSEPORT, 1);
	CALL_IS(&f, 0, setsockopt, early, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, PL_PTR(&program), sizeof(program));
	CALL_IS(&f, -EADDRINUSE, bind, early, PL_PTR(&address), sizeof(address));
	set_int(&f, early, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
	CALL_IS(&f, -ENOENT, setsockopt, early, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, PL_PTR(&program), 4);
}
