/* Calls that carry data: sizes, flags, addresses, control messages, and what is left afterwards. */
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "address.h"
#include "family.h"
#include "numbers.h"

#define FILLER 0x55

/* Every bit of flags alone, none, and all. MSG_NOSIGNAL goes with each: a signal is not what is looked at. */
static unsigned flag_count(const struct combination *combination)
{
	return 34;
}

static int64_t flag_at(unsigned index)
{
	return index == 0 ? 0 : index == 33 ? (int)0xffffffff : (int)(1u << (index - 1));
}

static void flag_print(const struct combination *combination, unsigned index, struct text *text)
{
	print_number(flag_at(index), "MSG_", text);
}

static const struct sweep_axis axis_msg_flags = { "flags", flag_count, flag_print };

/* --- sending ------------------------------------------------------------------------------------------------------------- */

static const uint8_t payload[70000] = { 8 };	/* an ICMP echo request, for those that must send one */

static int64_t flags_of(unsigned index)
{
	return flag_at(index) | MSG_NOSIGNAL;
}

/* Eight bytes: the least that an ICMP socket takes. The first is an echo request's type. */
static void run_sendto(struct side *side, const struct combination *combination, int64_t fd)
{
	uint8_t bytes[8] = { 8 };
	struct address address;

	address_make(combination->index[0], combination->index[1], combination->index[2], &address);
	side_record(side, "sendto",
		    SIDE_CALL(side, sendto, fd, PL_PTR(bytes), sizeof(bytes), flags_of(combination->index[3]), address.pointer,
			      address.length),
		    NULL, 0);
	side_record_aftermath(side, fd);
}

/* The plain flags with every length, the plain length with every flag: the rest is their product and says nothing new. */
static bool sendto_valid(const struct combination *combination)
{
	return combination->index[2] == 0 || combination->index[3] == 0;
}

const struct sweep_probe probe_sendto = {
	.name = "sendto",
	.axis = { &axis_address, &axis_port, &axis_address_length, &axis_msg_flags },
	.groups = 1,
	.packets = true,
	.valid = sendto_valid,
	.run = run_sendto,
};

static const int64_t sizes[] = { 0, 1, 7, 8, 20, 1400, 1472, 1473, 1480, 1481, 65487, 65507, 65508, 65515, 65516, 65535, 65536, 70000 };
NUMBERS_AXIS(size, sizes, NULL)
static const int64_t size_flags[] = { 0, MSG_MORE, MSG_DONTROUTE, MSG_CONFIRM };
NUMBERS_AXIS(flags, size_flags, "MSG_")
static const char *const destinations[] = { "none", "loopback", "remote", "broadcast" };
static const unsigned destination_rows[] = { 0, 2, 5, 7 };

static unsigned destination_count(const struct combination *combination)
{
	return sizeof(destinations) / sizeof(destinations[0]);
}

static void destination_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", destinations[index]);
}

static const struct sweep_axis axis_destination = { "address", destination_count, destination_print };

static void run_send_size(struct side *side, const struct combination *combination, int64_t fd)
{
	unsigned to = combination->index[1];
	struct address address;

	address_make(destination_rows[to], 4, 0, &address);
	side_record(side, "sendto",
		    SIDE_CALL(side, sendto, fd, PL_PTR(payload), sizes[combination->index[0]],
			      size_flags[combination->index[2]] | MSG_NOSIGNAL, to ? address.pointer : 0, to ? address.length : 0),
		    NULL, 0);
	side_record_aftermath(side, fd);
}

const struct sweep_probe probe_send_size = {
	.name = "send-size",
	.axis = { &axis_size, &axis_destination, &axis_flags },
	.groups = 1,
	.packets = true,
	.run = run_send_size,
};

/* --- control messages to send -------------------------------------------------------------------------------------------- */

struct control {
	const char *text;
	int level, type;
	socklen_t length;		/* of the data, as the header says; may be more or less than there is */
	uint8_t data[16];
};
static const struct control controls[] = {
	{ "none", 0, 0, 0, { 0 } },
	{ "IP_TTL 7", IPPROTO_IP, IP_TTL, 4, { 7 } },
	{ "IP_TTL 0", IPPROTO_IP, IP_TTL, 4, { 0 } },
	{ "IP_TTL 256", IPPROTO_IP, IP_TTL, 4, { 0, 1 } },
	{ "IP_TTL of a byte", IPPROTO_IP, IP_TTL, 1, { 7 } },
	{ "IP_TOS 0x10", IPPROTO_IP, IP_TOS, 4, { 0x10 } },
	{ "IP_TOS 255", IPPROTO_IP, IP_TOS, 4, { 255 } },
	{ "IP_TOS 256", IPPROTO_IP, IP_TOS, 4, { 0, 1 } },
	{ "IP_TOS of a byte", IPPROTO_IP, IP_TOS, 1, { 0x20 } },
	{ "IP_TOS of 2 bytes", IPPROTO_IP, IP_TOS, 2, { 0x20 } },
	{ "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, 12, { 0 } },
	{ "IP_PKTINFO link", IPPROTO_IP, IP_PKTINFO, 12, { 2 } },
	{ "IP_PKTINFO no such link", IPPROTO_IP, IP_PKTINFO, 12, { 99 } },
	{ "IP_PKTINFO source", IPPROTO_IP, IP_PKTINFO, 12, { 0, 0, 0, 0, 192, 168, 0, 1 } },
	{ "IP_PKTINFO foreign source", IPPROTO_IP, IP_PKTINFO, 12, { 0, 0, 0, 0, 192, 0, 2, 1 } },
	{ "IP_PKTINFO short", IPPROTO_IP, IP_PKTINFO, 8, { 0 } },
	{ "IP_RETOPTS", IPPROTO_IP, IP_RETOPTS, 4, { 1, 1, 1, 1 } },
	{ "IP_RETOPTS router alert", IPPROTO_IP, IP_RETOPTS, 4, { 148, 4 } },
	{ "IP_RETOPTS bad", IPPROTO_IP, IP_RETOPTS, 4, { 7, 9 } },
	{ "IP_PROTOCOL 99", IPPROTO_IP, 52, 4, { 99 } },
	{ "IP_PROTOCOL 0", IPPROTO_IP, 52, 4, { 0 } },
	{ "IP_RECVERR", IPPROTO_IP, IP_RECVERR, 4, { 1 } },
	{ "IP 99", IPPROTO_IP, 99, 4, { 1 } },
	{ "SO_MARK 3", SOL_SOCKET, SO_MARK, 4, { 3 } },
	{ "SO_MARK short", SOL_SOCKET, SO_MARK, 2, { 3 } },
	{ "SO_PRIORITY 3", SOL_SOCKET, SO_PRIORITY, 4, { 3 } },
	{ "SO_PRIORITY 9", SOL_SOCKET, SO_PRIORITY, 4, { 9 } },
	{ "SO_TIMESTAMPING", SOL_SOCKET, SO_TIMESTAMPING, 4, { 2 } },
	{ "SO_TIMESTAMPING receive", SOL_SOCKET, SO_TIMESTAMPING, 4, { 8 } },
	{ "SCM_TXTIME", SOL_SOCKET, SO_TXTIME, 8, { 1 } },
	{ "SCM_TS_OPT_ID", SOL_SOCKET, 81, 4, { 1 } },
	{ "SOL_SOCKET 99", SOL_SOCKET, 99, 4, { 1 } },
	{ "UDP_SEGMENT 4", IPPROTO_UDP, UDP_SEGMENT, 2, { 4 } },
	{ "UDP_SEGMENT 0", IPPROTO_UDP, UDP_SEGMENT, 2, { 0 } },
	{ "UDP_SEGMENT of 4 bytes", IPPROTO_UDP, UDP_SEGMENT, 4, { 4 } },
	{ "UDP 99", IPPROTO_UDP, 99, 2, { 4 } },
	{ "level 99", 99, 1, 4, { 1 } },
	{ "header alone", IPPROTO_IP, IP_TTL, 0, { 0 } },
	{ "longer than it is", IPPROTO_IP, IP_TTL, 4000, { 7 } },
};

static unsigned control_count(const struct combination *combination)
{
	return sizeof(controls) / sizeof(controls[0]);
}

static void control_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", controls[index].text);
}

static const struct sweep_axis axis_control = { "control", control_count, control_print };
static const int64_t send_flags[] = { 0, MSG_MORE, MSG_DONTROUTE, MSG_ZEROCOPY, MSG_OOB };
NUMBERS_AXIS(send_flag, send_flags, "MSG_")

static void run_sendmsg(struct side *side, const struct combination *combination, int64_t fd)
{
	const struct control *row = &controls[combination->index[0]];
	unsigned to = combination->index[1];
	uint8_t bytes[8] = { 8 };
	uint64_t control[8] = { 0 };
	struct cmsghdr header = { .cmsg_len = CMSG_LEN(row->length), .cmsg_level = row->level, .cmsg_type = row->type };
	struct iovec vector = { bytes, sizeof(bytes) };
	struct address address;
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

	address_make(destination_rows[to], 4, 0, &address);
	if (to) {
		message.msg_name = address.bytes;
		message.msg_namelen = 16;
	}
	memcpy(control, &header, sizeof(header));
	memcpy((uint8_t *)control + CMSG_LEN(0), row->data, sizeof(row->data));
	if (combination->index[0]) {
		message.msg_control = control;
		message.msg_controllen = row->length > sizeof(row->data) ? CMSG_SPACE(4) : CMSG_SPACE(row->length);
	}
	side_record(side, "sendmsg",
		    SIDE_CALL(side, sendmsg, fd, PL_PTR(&message), send_flags[combination->index[2]] | MSG_NOSIGNAL), NULL, 0);
	side_record_aftermath(side, fd);
}

const struct sweep_probe probe_sendmsg = {
	.name = "sendmsg",
	.axis = { &axis_control, &axis_destination, &axis_send_flag },
	.groups = 1,
	.packets = true,
	.run = run_sendmsg,
};

/* --- receiving ----------------------------------------------------------------------------------------------------------- */

static const int64_t receive_sizes[] = { 100, 0, 1, 4, 5 };
NUMBERS_AXIS(receive_size, receive_sizes, NULL)
static const int64_t name_rooms[] = { 16, 0, 8, 32, -1 };
NUMBERS_AXIS(name_room, name_rooms, NULL)

/* What a raw socket receives starts with an IP header: its identification, and the checksum over it, are the stack's choice. */
static void header_map(const struct combination *combination, uint8_t *bytes, int64_t length)
{
	static const uint8_t chosen[] = { 4, 5, 10, 11 };

	for (unsigned i = 0; combination->socket->type == SOCK_RAW && i < sizeof(chosen); i++)
		if (chosen[i] < length)
			bytes[chosen[i]] = 0;
}

static void run_recvfrom(struct side *side, const struct combination *combination, int64_t fd)
{
	uint8_t bytes[128], name[32];
	socklen_t length = (socklen_t)name_rooms[combination->index[2]];
	int64_t flags = flag_at(combination->index[0]) | MSG_DONTWAIT, result;

	memset(bytes, FILLER, sizeof(bytes));
	memset(name, FILLER, sizeof(name));
	result = SIDE_CALL(side, recvfrom, fd, PL_PTR(bytes), receive_sizes[combination->index[1]], flags, PL_PTR(name),
			   PL_PTR(&length));
	header_map(combination, bytes, receive_sizes[combination->index[1]]);
	side_record(side, "recvfrom", result, bytes, sizeof(bytes));
	side_record_address(side, "its address", 0, name, length, sizeof(name));
	side_record_aftermath(side, fd);
}

const struct sweep_probe probe_recvfrom = {
	.name = "recvfrom",
	.axis = { &axis_msg_flags, &axis_receive_size, &axis_name_room },
	.groups = 1,
	.packets = true,
	.run = run_recvfrom,
};

/* Which control messages are asked for, and how much room there is for them. */
static const struct {
	const char *text;
	int level, option;
} asked[] = {
	{ "none", -1, 0 },
	{ "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO },
	{ "IP_RECVTTL", IPPROTO_IP, IP_RECVTTL },
	{ "IP_RECVTOS", IPPROTO_IP, IP_RECVTOS },
	{ "IP_RECVOPTS", IPPROTO_IP, IP_RECVOPTS },
	{ "IP_RETOPTS", IPPROTO_IP, IP_RETOPTS },
	{ "IP_RECVORIGDSTADDR", IPPROTO_IP, IP_RECVORIGDSTADDR },
	{ "IP_CHECKSUM", IPPROTO_IP, 23 },
	{ "IP_RECVFRAGSIZE", IPPROTO_IP, 25 },
	{ "SO_RXQ_OVFL", SOL_SOCKET, SO_RXQ_OVFL },
	{ "SO_RCVMARK", SOL_SOCKET, 75 },
	{ "SO_RCVPRIORITY", SOL_SOCKET, 82 },
	{ "UDP_GRO", IPPROTO_UDP, UDP_GRO },
	{ "TCP_INQ", IPPROTO_TCP, 36 },
	{ "IP_RECVERR", IPPROTO_IP, IP_RECVERR },
};

static unsigned asked_count(const struct combination *combination)
{
	return sizeof(asked) / sizeof(asked[0]);
}

static void asked_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", asked[index].text);
}

static const struct sweep_axis axis_asked = { "control", asked_count, asked_print };
static const int64_t control_rooms[] = { 0, 1, 8, 15, 16, 17, 20, 24, 28, 32, 64, 128 };
NUMBERS_AXIS(control_room, control_rooms, NULL)
static const int64_t receive_flags[] = { 0, MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE, MSG_WAITALL, MSG_CMSG_CLOEXEC };
NUMBERS_AXIS(receive_flag, receive_flags, "MSG_")

static void run_recvmsg(struct side *side, const struct combination *combination, int64_t fd)
{
	unsigned ask = combination->index[0];
	uint8_t bytes[128], name[32];
	uint64_t control[16];
	struct iovec vector = { bytes, sizeof(bytes) };
	struct msghdr message = {
		.msg_name = name, .msg_namelen = sizeof(name), .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = (size_t)control_rooms[combination->index[1]], .msg_flags = 0x55,
	};
	int one = 1;
	int64_t result;

	memset(bytes, FILLER, sizeof(bytes));
	memset(name, FILLER, sizeof(name));
	memset(control, FILLER, sizeof(control));
	if (asked[ask].level >= 0)
		side_record(side, "setsockopt",
			    SIDE_CALL(side, setsockopt, fd, asked[ask].level, asked[ask].option, PL_PTR(&one), sizeof(one)), NULL, 0);
	result = SIDE_CALL(side, recvmsg, fd, PL_PTR(&message), receive_flags[combination->index[2]] | MSG_DONTWAIT);
	header_map(combination, bytes, result);
	side_record(side, "recvmsg", result, bytes, 64);
	side_record_address(side, "its address", 0, name, message.msg_namelen, sizeof(name));
	side_record(side, "its flags", message.msg_flags, NULL, 0);
	side_record(side, "its control", (int64_t)message.msg_controllen, control, sizeof(control));
}

const struct sweep_probe probe_recvmsg = {
	.name = "recvmsg",
	.axis = { &axis_asked, &axis_control_room, &axis_receive_flag },
	.groups = 1,
	.packets = true,
	.run = run_recvmsg,
};
