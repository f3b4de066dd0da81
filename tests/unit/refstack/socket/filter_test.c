#include "one_socket.h"

#include <linux/filter.h>

TestSuite(filter, .init = set_up_bound, .fini = tear_down);

static int64_t attach(const struct sock_filter *code, size_t count)
{
	struct sock_fprog program = { .len = (unsigned short)count, .filter = (struct sock_filter *)code };

	return CALL(&f, setsockopt, fd, SOL_SOCKET, SO_ATTACH_FILTER, PL_PTR(&program), sizeof(program));
}
#define ATTACH(...)                                                                                                            \
	attach((struct sock_filter[]){ __VA_ARGS__ },                                                                          \
	       sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter))

/* The first payload byte, behind the 8 of the header, decides: 'a' passes, 'b' is cut to 2 bytes of payload, others are dropped. */
Test(filter, passes_cuts_and_drops)
{
	char buffer[16];

	cr_assert_eq(ATTACH(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'a', 0, 1),
			    BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'b', 0, 1),
			    BPF_STMT(BPF_RET | BPF_K, 10), BPF_STMT(BPF_RET | BPF_K, 0)), 0);
	inject_udp(&f, 1, 5000, "abcd", 4);
	inject_udp(&f, 1, 5000, "bcde", 4);
	inject_udp(&f, 1, 5000, "cdef", 4);
	inject_udp(&f, 1, 5000, "", 0);		/* too short for the load */
	CALL_IS(&f, 4, read, fd, PL_PTR(buffer), sizeof(buffer));
	CALL_IS(&f, 2, read, fd, PL_PTR(buffer), sizeof(buffer));
	CALL_IS(&f, -EAGAIN, read, fd, PL_PTR(buffer), sizeof(buffer));
	COUNTER_IS(&f, "Udp", "InErrors", 2);
	CALL_IS(&f, 0, setsockopt, fd, SOL_SOCKET, SO_DETACH_FILTER, PL_PTR(buffer), 4);
	CALL_IS(&f, -ENOENT, setsockopt, fd, SOL_SOCKET, SO_DETACH_FILTER, PL_PTR(buffer), 4);
	inject_udp(&f, 1, 5000, "cdef", 4);
	CALL_IS(&f, 4, read, fd, PL_PTR(buffer), sizeof(buffer));
}

/* Arithmetic, memory and the header of the network layer: the payload passes when TTL * 2 + 1 is 129. */
Test(filter, computes)
{
	char buffer[16];

	cr_assert_eq(ATTACH(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF + 8), BPF_STMT(BPF_ST, 3),
			    BPF_STMT(BPF_LDX | BPF_W | BPF_MEM, 3), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
			    BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 1), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 129, 0, 1),
			    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), BPF_STMT(BPF_RET | BPF_K, 0)), 0);
	inject_udp(&f, 1, 5000, "abcd", 4);
	CALL_IS(&f, 4, read, fd, PL_PTR(buffer), sizeof(buffer));
}

Test(filter, wrong_programs)
{
	cr_assert_eq(ATTACH(BPF_STMT(BPF_LD | BPF_IMM, 1)), -EINVAL);		/* no return at the end */
	cr_assert_eq(ATTACH(BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), BPF_STMT(BPF_RET | BPF_K, 0)), -EINVAL);
	cr_assert_eq(ATTACH(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 0)), -EINVAL);
	cr_assert_eq(ATTACH(BPF_STMT(BPF_LD | BPF_MEM, 16), BPF_STMT(BPF_RET | BPF_K, 0)), -EINVAL);
	cr_assert_eq(ATTACH(BPF_STMT(BPF_LD | BPF_MEM, 1), BPF_STMT(BPF_RET | BPF_K, 0)), -EINVAL);	/* never written */
	cr_assert_eq(ATTACH(BPF_STMT(0xffff, 1), BPF_STMT(BPF_RET | BPF_K, 0)), -EINVAL);
	cr_assert_eq(attach(NULL, 1), -EINVAL);
	cr_assert_eq(ATTACH(BPF_STMT(BPF_RET | BPF_K, 0)), 0);
	set_int(&f, fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
	cr_assert_eq(ATTACH(BPF_STMT(BPF_RET | BPF_K, 0)), -EPERM);
	socklen_t length = 0;
	CALL_IS(&f, 0, getsockopt, fd, SOL_SOCKET, SO_GET_FILTER, 0, PL_PTR(&length));
	cr_assert_eq(length, 1);
}
