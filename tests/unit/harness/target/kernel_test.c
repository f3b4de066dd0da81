/* The live-kernel target, on a kernel that lets us: otherwise every test here is skipped with the reason. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/arena.h"
#include "harness/target/kernel_ticks.h"
#include "harness/target/target.h"

#define LOCAL "192.168.0.1"
#define REMOTE "192.0.2.1"
#define ON_PACKET (1u << TARGET_PACKET)
#define ON_CALL (1u << TARGET_CALL)

static struct arena *arena;
static struct target *target;
static const struct target_ops *ops = &kernel_target;

static void open_with(enum pl_link_kind kind)
{
	struct target_config config = {
		.link[0] = { .name = kind == PL_LINK_TUN ? "tun0" : "tap0", .kind = kind, .prefix_length = 16 },
		.links = 1,
		.script_path = "/tmp/none.pkt",
	};
	const char *error = NULL;
	int status;

	inet_pton(AF_INET, LOCAL, &config.link[0].local);
	inet_pton(AF_INET, LOCAL, &config.gateway);
	inet_pton(AF_INET, REMOTE, &config.remote);
	arena = arena_new();
	status = ops->open(&config, arena, &target, &error);
	if (status == TARGET_UNAVAILABLE)
		cr_skip_test("%s", error);
	cr_assert_eq(status, 0, "%d: %s", status, error ? error : "");
}

static void setup(void)
{
	open_with(PL_LINK_TUN);
}

static void teardown(void)
{
	if (target)
		ops->close(target);
	arena_free(arena);
}

TestSuite(kernel, .init = setup, .fini = teardown, .timeout = 60);

#define CALL(op_, ...) call_now(&(struct pl_call){ .op = PL_OP_##op_, .arg = { __VA_ARGS__ } })

static int64_t call_now(struct pl_call *call)
{
	ops->submit(target, call);
	cr_assert(call->finished);
	return call->result;
}

static struct sockaddr_in address(const char *text, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

static uint16_t sum(const uint8_t *bytes, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The sum over the pseudo header and the transport part of a packet: 0xffff when its checksum is right. */
static uint16_t transport_sum(const uint8_t *packet, size_t length)
{
	size_t header = (packet[0] & 15) * 4u;

	return sum(packet + header, length - header, sum(packet + 12, 8, packet[9] + (uint32_t)(length - header)));
}

static void inject_tcp(uint32_t seq, uint32_t ack, uint8_t flags)
{
	uint8_t packet[40] = { 0x45, 0, 0, 40, 0, 0, 0, 0, 255, IPPROTO_TCP };
	uint16_t value;

	inet_pton(AF_INET, REMOTE, packet + 12);
	inet_pton(AF_INET, LOCAL, packet + 16);
	value = htons((uint16_t)~sum(packet, 20, 0));
	memcpy(packet + 10, &value, 2);
	packet[20] = 0x75, packet[21] = 0x31;
	packet[22] = 0x1f, packet[23] = 0x90;
	seq = htonl(seq);
	ack = htonl(ack);
	memcpy(packet + 24, &seq, 4);
	memcpy(packet + 28, &ack, 4);
	packet[32] = 0x50;
	packet[33] = flags;
	packet[34] = 0xff;
	value = htons((uint16_t)~transport_sum(packet, 40));
	memcpy(packet + 36, &value, 2);
	cr_assert_eq(ops->inject(target, 0, packet, sizeof(packet), 0), 0);
}

static struct target_packet take(void)
{
	struct target_packet packet;

	cr_assert_eq(ops->wait(target, ops->now(target) + PL_NSEC_PER_SEC, ON_PACKET), TARGET_PACKET);
	cr_assert(ops->take(target, arena, &packet));
	return packet;
}

static int64_t listener(int flags)
{
	int64_t fd = CALL(socket, AF_INET, SOCK_STREAM | flags, 0);
	struct sockaddr_in any = address("0.0.0.0", 8080);

	cr_assert_geq(fd, 0);
	cr_assert_eq(CALL(bind, fd, PL_PTR(&any), sizeof(any)), 0);
	cr_assert_eq(CALL(listen, fd, 5), 0);
	return fd;
}

/* The three packets of a connection that comes in; what the kernel's sequence numbers count from. */
static uint32_t handshake(void)
{
	struct target_packet packet;
	uint32_t seq;

	inject_tcp(0, 0, 0x02);
	packet = take();
	cr_assert_eq(packet.bytes[9], IPPROTO_TCP);
	cr_assert_eq(packet.bytes[33], 0x12);
	cr_assert_eq(packet.link, 0);
	memcpy(&seq, packet.bytes + 24, 4);
	seq = ntohl(seq) + 1;
	inject_tcp(1, seq, 0x10);
	return seq;
}

Test(kernel, handshake_and_data)
{
	int64_t fd = listener(0), peer;
	struct target_packet packet;
	pl_time before = ops->now(target);

	handshake();
	peer = CALL(accept, fd, 0, 0);
	cr_assert_geq(peer, 0);
	before = ops->now(target);
	cr_assert_eq(CALL(write, peer, PL_PTR("hello"), 5), 5);
	packet = take();
	cr_assert_eq(packet.length, 45);
	cr_assert_eq(memcmp(packet.bytes + 40, "hello", 5), 0);
	cr_assert_eq(transport_sum(packet.bytes, packet.length), 0xffff);
	cr_assert_geq(packet.time, before);
	cr_assert_leq(packet.time, ops->now(target));
	cr_assert_eq(CALL(close, peer), 0);
	packet = take();
	cr_assert_eq(packet.bytes[33], 0x11);
}

Test(kernel, large_segments)
{
	static char data[10000];
	int64_t fd = listener(0), peer;
	struct target_packet packet;

	handshake();
	peer = CALL(accept, fd, 0, 0);
	cr_assert_eq(CALL(write, peer, PL_PTR(data), sizeof(data)), sizeof(data));
	packet = take();
	/* Without an MSS option the peer takes 536 bytes a segment. How many go together is for TCP to say. */
	cr_assert_eq(packet.gso_size, 536);
	cr_assert_gt(packet.gso_segments, 1);
	cr_assert_eq(packet.length, 40 + packet.gso_segments * 536);
	cr_assert_eq(transport_sum(packet.bytes, packet.length), 0xffff);
}

Test(kernel, large_segments_in)
{
	static uint8_t packet[40 + 3000] = { 0x45, 0, 0x0b, 0xe0, 0, 0, 0, 0, 255, IPPROTO_TCP };
	static char data[4000];
	int64_t fd = listener(0), peer, got;
	uint32_t seq = htonl(1), ack = htonl(handshake());
	uint16_t value;

	peer = CALL(accept, fd, 0, 0);
	inet_pton(AF_INET, REMOTE, packet + 12);
	inet_pton(AF_INET, LOCAL, packet + 16);
	value = htons((uint16_t)~sum(packet, 20, 0));
	memcpy(packet + 10, &value, 2);
	memcpy(packet + 20, "\x75\x31\x1f\x90", 4);
	memcpy(packet + 24, &seq, 4);
	memcpy(packet + 28, &ack, 4);
	memcpy(packet + 32, "\x50\x10\xff\xff", 4);
	value = htons((uint16_t)~transport_sum(packet, sizeof(packet)));
	memcpy(packet + 36, &value, 2);
	cr_assert_eq(ops->inject(target, 0, packet, sizeof(packet), 1000), 0);
	got = CALL(read, peer, PL_PTR(data), sizeof(data));
	cr_assert_eq(got, 3000, "%d", (int)got);
	cr_assert_eq(ops->inject(target, 3, packet, sizeof(packet), 0), -ENODEV);
}

Test(kernel, waiting_call)
{
	int64_t fd = listener(0);
	struct pl_call accept = { .op = PL_OP_accept, .arg = { fd } };
	pl_time until = ops->now(target) + 20 * PL_NSEC_PER_MSEC;

	ops->submit(target, &accept);
	cr_assert_not(accept.finished);
	cr_assert_eq(ops->wait(target, until, ON_CALL), TARGET_TIME);
	cr_assert_not(accept.finished);
	handshake();
	cr_assert_eq(ops->wait(target, PL_TIME_NEVER, ON_CALL), TARGET_CALL);
	cr_assert(accept.finished);
	cr_assert_geq(accept.result, 0);
	cr_assert_geq(accept.completed, until);
	cr_assert_leq(accept.completed, ops->now(target));
}

static unsigned told;
static void tell(struct pl_call *call)
{
	told++;
}

Test(kernel, several_wait_and_are_interrupted)
{
	int64_t fd = listener(0);
	struct pl_call call[5];

	for (int i = 0; i < 5; i++) {
		call[i] = (struct pl_call){ .op = PL_OP_accept, .arg = { fd }, .done = tell };
		ops->submit(target, &call[i]);
		cr_assert_not(call[i].finished);
	}
	for (int i = 4; i >= 0; i--) {
		ops->cancel(target, &call[i]);
		cr_assert(call[i].finished);
		cr_assert_eq(call[i].result, -EINTR);
	}
	cr_assert_eq(told, 5);
	ops->cancel(target, &call[0]);
	cr_assert_eq(told, 5);
}

Test(kernel, closing_interrupts_what_waits)
{
	int64_t fd = listener(0);
	struct pl_call accept = { .op = PL_OP_accept, .arg = { fd } };

	ops->submit(target, &accept);
	cr_assert_not(accept.finished);
}

Test(kernel, errors_are_the_kernels)
{
	cr_assert_eq(CALL(close, 4000), -EBADF);
	cr_assert_eq(CALL(socket, AF_INET, 77, 0), -EINVAL);
	cr_assert_eq(CALL(epoll_create, 0), -EINVAL);
	cr_assert_eq(CALL(open, PL_PTR("no-such-file"), O_RDONLY), -ENOENT);
	cr_assert_eq(CALL(cap_set, 0, 4711, 0), -EINVAL);
}

Test(kernel, never_early)
{
	for (int i = 0; i < 30; i++) {
		pl_time until = ops->now(target) + (1 + i % 4) * PL_NSEC_PER_MSEC;

		cr_assert_eq(ops->wait(target, until, ON_PACKET | ON_CALL), TARGET_TIME);
		cr_assert_geq(ops->now(target), until);
		cr_assert_leq(ops->now(target) - until, ops->lateness(target) + PL_NSEC_PER_SEC);
	}
	cr_log_info("longest lateness %ld us", (long)(ops->lateness(target) / 1000));
}

Test(kernel, starts_inside_a_jiffy)
{
	pl_time start = ops->start(target), now = ops->now(target);

	cr_assert_geq(now, start);
	cr_assert_leq(now - start, PL_NSEC_PER_SEC);
}

Test(kernel, no_packet_is_lost)
{
	int64_t fd = CALL(socket, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to = address(REMOTE, 9);
	uint32_t count, next = 0;

	/* More than the queue of the link holds, before anything is read. */
	for (count = 0; count < 900; count++)
		cr_assert_eq(CALL(sendto, fd, PL_PTR(&count), 4, 0, PL_PTR(&to), sizeof(to)), 4);
	while (next < 900) {
		struct target_packet packet = take();

		cr_assert_eq(packet.length, 32);
		cr_assert_eq(memcmp(packet.bytes + 28, &next, 4), 0);
		next++;
	}
}

Test(kernel, no_packet_of_a_command_is_lost)
{
	const char *error = NULL;
	unsigned packets = 0;
	struct target_packet packet;

	/* More than link and capture can hold together. */
	cr_assert_eq(ops->command(target, "python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
				  "for i in range(5000): s.sendto(b\"x\", (\"" REMOTE "\", 9))'", false, arena, &error), 0, "%s", error);
	while (ops->wait(target, ops->now(target) + 20 * PL_NSEC_PER_MSEC, ON_PACKET) == TARGET_PACKET)
		while (ops->take(target, arena, &packet))
			packets++;
	cr_assert_eq(packets, 5000, "%u", packets);
}

Test(kernel, commands)
{
	char expected[32];
	const char *error = NULL;

	cr_assert_eq(ops->command(target, "ip link show dev tun0 >/dev/null && test -e /sys/class/net/tun0", false, arena, &error), 0,
		     "%s", error);
	cr_assert_eq(ops->command(target, "echo one; echo two >&2; exit 3", false, arena, &error), 3);
	cr_assert_str_eq(error, "exit status 3: one\ntwo");
	cr_assert_neq(ops->command(target, "kill -9 $$", false, arena, &error), 0);
	cr_assert(strstr(error, "signal 9"));
	cr_assert_eq(ops->command(target, "test $PPID = $PACKETDRILL_PID", false, arena, &error), 0);
	snprintf(expected, sizeof(expected), "exit status 1: %d", (int)getpid());
	ops->command(target, "echo $PPID; exit 1", false, arena, &error);
	cr_assert_str_eq(error, expected);
	/* A daemon holds nobody up. */
	cr_assert_eq(ops->command(target, "sleep 1000 &", false, arena, &error), 0);
	cr_assert_eq(ops->command(target, "test \"$(pwd)\" = /tmp", false, arena, &error), 0);
}

Test(kernel, files_of_commands_are_removed)
{
	const char *error = NULL;
	char name[64], other[64];
	int fd;

	snprintf(name, sizeof(name), "/tmp/sysctl_restore_%d.sh", (int)getpid());
	snprintf(other, sizeof(other), "/tmp/kernel_test_1%d", (int)getpid());
	fd = open(other, O_CREAT | O_WRONLY, 0600);
	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(ops->command(target, "echo : > /tmp/sysctl_restore_$PPID.sh; mkdir -p /tmp/$PPID-d/e; : >/tmp/$PPID-d/f",
				  false, arena, &error), 0, "%s", error);
	cr_assert_eq(access(name, F_OK), 0);
	ops->close(target);
	target = NULL;
	cr_assert_neq(access(name, F_OK), 0);
	snprintf(name, sizeof(name), "/tmp/%d-d", (int)getpid());
	cr_assert_neq(access(name, F_OK), 0);
	cr_assert_eq(access(other, F_OK), 0);
	unlink(other);
}

Test(kernel, tunables)
{
	char text[64];
	const char *error = NULL;

	cr_assert_eq(ops->sysctl_read(target, "net/ipv4/tcp_sack", text, sizeof(text)), 2);
	cr_assert_eq(text[0], '1');
	cr_assert_eq(ops->sysctl_write(target, "net.ipv4.tcp_sack", "0\n", 2), 2);
	cr_assert_eq(ops->sysctl_read(target, "net.ipv4.tcp_sack", text, sizeof(text)), 2);
	cr_assert_eq(text[0], '0');
	cr_assert_eq(ops->command(target, "test $(sysctl -n net.ipv4.tcp_sack) = 0", false, arena, &error), 0, "%s", error);
	cr_assert_eq(ops->sysctl_write(target, "net/ipv4/tcp_sack", "nonsense", 8), -EINVAL);
	cr_assert_eq(ops->sysctl_read(target, "net/ipv4/no_such", text, sizeof(text)), -ENOENT);
	cr_assert_eq(ops->sysctl_read(target, "net/../../self/comm", text, sizeof(text)), -ENOENT);
}

Test(kernel, capabilities)
{
	char text[64];

	cr_assert_geq(CALL(socket, AF_INET, SOCK_RAW, IPPROTO_UDP), 0);
	cr_assert_eq(CALL(cap_set, 0, CAP_NET_RAW, 0), 0);
	cr_assert_eq(CALL(socket, AF_INET, SOCK_RAW, IPPROTO_UDP), -EPERM);
	cr_assert_eq(CALL(cap_set, 0, CAP_NET_RAW, 1), 0);
	cr_assert_geq(CALL(socket, AF_INET, SOCK_RAW, IPPROTO_UDP), 0);
	cr_assert_eq(CALL(cap_set, 0, CAP_NET_ADMIN, 0), 0);
	cr_assert_eq(ops->sysctl_write(target, "net/ipv4/tcp_sack", "1\n", 2), 2);
	cr_assert_gt(ops->sysctl_read(target, "net/ipv4/tcp_sack", text, sizeof(text)), 0);
}

Test(kernel, nothing_comes_unasked)
{
	struct target_packet packet;

	cr_assert_eq(ops->wait(target, ops->now(target) + 300 * PL_NSEC_PER_MSEC, ON_PACKET), TARGET_TIME);
	cr_assert_not(ops->take(target, arena, &packet));
}

Test(kernel_machine, is_this_one)
{
	struct pl_machine machine;

	arena = arena_new();
	cr_assert(kernel_machine_read(&machine, arena));
	cr_assert(machine.hz == 100 || machine.hz == 250 || machine.hz == 300 || machine.hz == 1000, "%u", machine.hz);
	cr_assert_gt(machine.ram_pages, 1 << 10);
	/* Whatever is the default is available. */
	cr_assert(strstr(machine.available_congestion_control, machine.congestion_control));
	arena_free(arena);
}

Test(kernel_ticks, leave_a_processor_to_run_on, .timeout = 60)
{
	int fd = kernel_ticks_begin(), cpu = kernel_ticks_cpu();
	cpu_set_t allowed;

	cr_assert_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	cr_assert(cpu < 0 || CPU_ISSET(cpu, &allowed), "%d", cpu);
	kernel_ticks_end(fd);
}

Test(kernel_ethernet, asks_for_its_peer, .timeout = 60)
{
	struct target_packet packet;
	struct sockaddr_in to;
	int64_t fd;

	open_with(PL_LINK_ETHERNET);
	to = address("192.168.0.77", 9);
	fd = CALL(socket, AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(CALL(sendto, fd, PL_PTR("x"), 1, 0, PL_PTR(&to), sizeof(to)), 1);
	packet = take();
	cr_assert_eq(memcmp(packet.bytes, "\xff\xff\xff\xff\xff\xff\x02", 7), 0);
	cr_assert_eq(memcmp(packet.bytes + 12, "\x08\x06", 2), 0);
	teardown();
}
