#include "harness/engine/marshal.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fake.h"

static struct run run;
static const char *error;
static bool script_wrong;

static void setup(void)
{
	fake_script("0 > . 1:1(0) ack 1\n");
	run = (struct run){ .options = &fake_options, .arena = fake_arena, .ops = &fake_target };
	run.settings.local.s_addr = htonl(0xc0a80001);
	run.settings.remote.s_addr = htonl(0xc0000201);
	run.settings.bind_port = 8080;
	run.settings.connect_port = 8081;
	run.settings.tolerance_usecs = 4000;
	descriptor_add(&run, 3, 103, flow_new(&run, FLOW_NEW, SOCK_STREAM, IPPROTO_TCP));
	descriptor_add(&run, 4, 104, NULL);
}
TestSuite(marshal, .init = setup);

static struct marshalled *made(const char *call)
{
	struct script *script = fake_script(arena_printf(fake_arena, "0 %s\n", call));

	return marshal(&run, script->events->call, &error, &script_wrong);
}

static struct marshalled *call(const char *text)
{
	struct marshalled *m = made(text);

	cr_assert(m, "%s: %s", text, error);
	return m;
}

static void *pointer(const struct marshalled *m, unsigned i)
{
	return (void *)(intptr_t)m->call.arg[i];
}

/* The call has given `result`; what differs from the script, "" when nothing does. */
static const char *differences(struct marshalled *m, int64_t result)
{
	const char *text;

	m->call.result = result;
	m->call.finished = true;
	marshal_check(m, &text);
	return text;
}

Test(marshal, descriptors_are_the_targets)
{
	cr_assert_eq(call("close(3) = 0")->call.arg[0], 103);
	cr_assert_eq(call("close(-1) = -1 EBADF (Bad file descriptor)")->call.arg[0], -1);
}

Test(marshal, a_descriptor_that_is_not_open_is_no_fault_of_the_script)
{
	cr_assert_not(made("close(7) = 0"));
	cr_assert_not(script_wrong);
	cr_assert_gt(call("close(7) = -1 EBADF (Bad file descriptor)")->call.arg[0], 1000);
}

Test(marshal, left_open_addresses)
{
	struct sockaddr_in *address = pointer(call("bind(3, ..., ...) = 0"), 1);

	cr_assert_eq(address->sin_family, AF_INET);
	cr_assert_eq(address->sin_port, htons(8080));
	cr_assert_eq(address->sin_addr.s_addr, run.settings.local.s_addr);
	address = pointer(call("connect(3, ..., ...) = 0"), 1);
	cr_assert_eq(address->sin_port, htons(8081));
	cr_assert_eq(address->sin_addr.s_addr, run.settings.remote.s_addr);
	cr_assert_eq(call("connect(3, ..., ...) = 0")->call.arg[2], sizeof(struct sockaddr_in));
}

Test(marshal, addresses_in_full_or_by_family)
{
	struct sockaddr_in *address;

	address = pointer(call("bind(3, {sa_family=AF_INET, sin_port=htons(99), sin_addr=inet_addr(\"1.2.3.4\")}, 16) = 0"), 1);
	cr_assert_eq(address->sin_port, htons(99));
	cr_assert_eq(address->sin_addr.s_addr, htonl(0x01020304));
	address = pointer(call("connect(3, AF_UNSPEC, ...) = 0"), 1);
	cr_assert_eq(address->sin_family, AF_UNSPEC);
}

Test(marshal, an_accepted_address_is_compared)
{
	const char *text = "accept(3, {sa_family=AF_INET, sin_port=htons(99), sin_addr=inet_addr(\"1.2.3.4\")}, [16]) = 5";
	struct marshalled *m = call(text);
	struct sockaddr_in *address = pointer(m, 1);

	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(99), .sin_addr.s_addr = htonl(0x01020304) };
	*(socklen_t *)pointer(m, 2) = 16;
	cr_assert_str_eq(differences(m, 105), "");
	address->sin_port = htons(98);
	cr_assert_str_eq(differences(m, 105), "address.sin_port: expected htons(99), actual htons(98)\n");
	cr_assert(strstr(marshal_print(m, false), "sin_port=htons(98), sin_addr=inet_addr(\"1.2.3.4\")}, [16]) = 105"), "%s",
		  marshal_print(m, false));
}

Test(marshal, buffers)
{
	struct marshalled *m = call("write(3, \"abc\", 5) = 5");

	cr_assert_eq(memcmp(pointer(m, 1), "abc\0", 5), 0);
	m = call("write(3, ..., 1000) = 1000");
	cr_assert_eq(((char *)pointer(m, 1))[999], 0);
	cr_assert_not(pointer(call("write(3, NULL, 5) = -1 EFAULT (Bad address)"), 1));
	m = call("read(3, \"hello\", 100) = 5");
	memcpy(pointer(m, 1), "hellp", 5);
	cr_assert_str_eq(differences(m, 5), "contents: expected \"hello\", actual \"hellp\"\n");
	cr_assert_str_eq(marshal_print(m, false), "read(3, \"hellp\", 100) = 5");
}

Test(marshal, option_values_by_their_type)
{
	struct marshalled *m = call("setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=7}, 8) = 0");
	const struct linger *linger = pointer(m, 3);

	cr_assert_eq(linger->l_onoff, 1);
	cr_assert_eq(linger->l_linger, 7);
	cr_assert_eq(*(int *)pointer(call("setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"), 3), 1);
	cr_assert_eq(*(uint8_t *)pointer(call("setsockopt(3, IPPROTO_IP, IP_TTL, [255], 1) = 0"), 3), 255);
	m = call("setsockopt(3, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=1, tv_usec=500}, 16) = 0");
	cr_assert_eq(((struct timeval *)pointer(m, 3))->tv_usec, 500);
	cr_assert_str_eq(pointer(call("setsockopt(3, IPPROTO_TCP, TCP_CONGESTION, \"reno\", 5) = 0"), 3), "reno");
}

Test(marshal, option_values_that_come_back)
{
	struct marshalled *m = call("getsockopt(3, SOL_SOCKET, SO_RCVBUF, [4096], [4]) = 0");

	*(int *)pointer(m, 3) = 4096;
	cr_assert_str_eq(differences(m, 0), "");
	*(int *)pointer(m, 3) = 4097;
	cr_assert_str_eq(differences(m, 0), "value: expected 4096, actual 4097\n");
	*(socklen_t *)pointer(m, 4) = 2;
	cr_assert(strstr(differences(m, 0), "length: expected 4, actual 2"), "%s", differences(m, 0));
	m = call("getsockopt(3, IPPROTO_TCP, TCP_CONGESTION, \"reno\", [16]) = 0");
	memcpy(pointer(m, 3), "cubic", 6);
	cr_assert_str_eq(differences(m, 0), "value: expected \"reno\", actual \"cubic\"\n");
}

Test(marshal, a_value_that_does_not_fit_is_an_error)
{
	cr_assert_not(made("setsockopt(3, IPPROTO_IP, IP_TTL, [4294967296], 4) = 0"));
	cr_assert(script_wrong);
	cr_assert_not(made("setsockopt(3, SOL_SOCKET, SO_LINGER, {onof=1}, 8) = 0"));
	cr_assert(strstr(error, "onof") || strstr(error, "members"), "%s", error);
}

Test(marshal, poll)
{
	struct marshalled *m = call("poll([{fd=3, events=POLLIN, revents=POLLIN}, {fd=4, events=POLLOUT}], 2, 0) = 1");
	struct pollfd *fds = pointer(m, 0);

	cr_assert_eq(fds[0].fd, 103);
	cr_assert_eq(fds[1].events, POLLOUT);
	cr_assert_eq(fds[0].revents, 0);
	fds[0].revents = POLLIN;
	cr_assert_str_eq(differences(m, 1), "");
	fds[1].revents = POLLOUT | POLLHUP;
	cr_assert_str_eq(differences(m, 2), "revents of pollfd 1: expected 0, actual POLLOUT|POLLHUP\n");
	cr_assert_not(made("poll([{fd=3, events=POLLIN}], 2, 0) = 1"));
}

Test(marshal, epoll)
{
	struct marshalled *m = call("epoll_ctl(4, EPOLL_CTL_ADD, 3, {events=EPOLLIN, fd=3}) = 0");
	struct epoll_event *events;

	cr_assert_eq(((struct epoll_event *)pointer(m, 3))->data.fd, 103);
	m = call("epoll_wait(4, {events=EPOLLIN, fd=3}, 1, 0) = 1");
	events = pointer(m, 1);
	events->events = EPOLLIN;
	events->data.u64 = 103;
	cr_assert_str_eq(differences(m, 1), "");
	cr_assert_str_eq(marshal_print(m, false), "epoll_wait(4, {events=EPOLLIN, fd=3}, 1, 0) = 1");
	events->events = EPOLLIN | EPOLLOUT;
	cr_assert_str_eq(differences(m, 1), "event.events: expected EPOLLIN, actual EPOLLIN|EPOLLOUT\n");
	m = call("epoll_wait(4, {events=EPOLLIN, u32=77}, 1, 0) = 1");
	events = pointer(m, 1);
	events->events = EPOLLIN;
	events->data.u32 = 76;
	cr_assert_str_eq(differences(m, 1), "event.u32: expected 77, actual 76\n");
}

/* --- messages ------------------------------------------------------------------------------------------------------------- */
#define RECVMSG(control)                                                                                                       \
	"recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=MSG_ERRQUEUE, msg_control=[" control "]}, 0) = 10"
#define RECVERR                                                                                                                \
	"{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=ECONNREFUSED, ee_origin=SO_EE_ORIGIN_ICMP, ee_type=3, " \
	"ee_code=3, ee_info=0, ee_data=0}}"

Test(marshal, a_received_message_has_room_for_what_is_expected)
{
	struct msghdr *msg = pointer(call(RECVMSG(RECVERR)), 1);

	cr_assert_eq(msg->msg_iovlen, 1);
	cr_assert_eq(msg->msg_iov[0].iov_len, 100);
	cr_assert_eq(msg->msg_controllen, CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in)));
	cr_assert_eq(((struct msghdr *)pointer(call(RECVMSG("")), 1))->msg_controllen, 0);
}

Test(marshal, control_messages_are_compared)
{
	struct marshalled *m = call(RECVMSG(RECVERR));
	struct msghdr *msg = pointer(m, 1);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct sock_extended_err *wrong = (struct sock_extended_err *)CMSG_DATA(cmsg);

	msg->msg_flags = MSG_ERRQUEUE;
	cr_assert_str_eq(differences(m, 10), "");
	wrong->ee_code = 1;
	cr_assert_str_eq(differences(m, 10), "control message 0.ee_code: expected 3, actual 1\n");
	wrong->ee_code = 3;
	cmsg->cmsg_type = IP_TTL;
	cr_assert(strstr(differences(m, 10), "control message 0: expected level 0 type 11, actual level 0 type 2"), "%s",
		  differences(m, 10));
	msg->msg_controllen = 0;
	cr_assert_str_eq(differences(m, 10), "control messages: expected 1, actual 0\n");
}

Test(marshal, message_flags_are_compared)
{
	struct marshalled *m = call(RECVMSG(""));
	struct msghdr *msg = pointer(m, 1);

	msg->msg_flags = MSG_ERRQUEUE | MSG_TRUNC;
	cr_assert_str_eq(differences(m, 10), "msg_flags: expected MSG_ERRQUEUE, actual MSG_TRUNC|MSG_ERRQUEUE\n");
}

Test(marshal, stamps_in_script_time)
{
	struct marshalled *m = call(RECVMSG("{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={scm_sec=0, "
					    "scm_nsec=400000000}}"));
	struct msghdr *msg = pointer(m, 1);
	struct timespec *stamp = (struct timespec *)CMSG_DATA(CMSG_FIRSTHDR(msg));

	msg->msg_flags = MSG_ERRQUEUE;
	run.start = 2 * PL_NSEC_PER_SEC;
	*stamp = (struct timespec){ 2, 403000000 };
	cr_assert_str_eq(differences(m, 10), "");
	*stamp = (struct timespec){ 2, 405000000 };
	cr_assert_str_eq(differences(m, 10), "control message 0: expected 0.400000, actual 0.405000\n");
}

Test(marshal, a_count_of_buffers_must_be_true)
{
	cr_assert_not(made("recvmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 100}], msg_flags=0}, 0) = 10"));
	cr_assert_not(made("readv(3, [{..., 100}], 2) = 10"));
	cr_assert(call("readv(3, [{..., 100}, {..., 5}], 2) = 10"));
}

Test(marshal, requests)
{
	struct marshalled *m = call("ioctl(3, SIOCINQ, [1000]) = 0");

	cr_assert_eq(*(int *)pointer(m, 2), 0);
	*(int *)pointer(m, 2) = 999;
	cr_assert_str_eq(differences(m, 0), "value: expected 1000, actual 999\n");
	cr_assert_eq(call("fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0")->call.arg[2], 04002);
	cr_assert(call("fcntl(3, F_GETFL) = 2"));
}

Test(marshal, offsets)
{
	cr_assert_eq(*(int64_t *)pointer(call("sendfile(3, 4, [10], 5) = 5"), 2), 10);
	cr_assert_eq(call("splice(3, 0, 4, 0, 5, 0) = 5")->call.arg[1], 0);
}

Test(marshal, results_are_printed_with_their_error)
{
	struct marshalled *m = call("close(3) = 0");

	m->call.finished = true;
	m->call.result = -EAGAIN;
	cr_assert_str_eq(marshal_print(m, true), "close(3) = -1 EAGAIN (Resource temporarily unavailable)");
}
