#include "metrics_mirror.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/tcp_metrics.h>
#include <netinet/in.h>
#include <plumbline/link.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 4096	/* each question has one short answer */
#define PATIENCE 100	/* milliseconds: a loopback answers at once or never */

static int take_family(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
			*(uint16_t *)data = mnl_attr_get_u16(attribute);
	return MNL_CB_OK;
}

static struct nlmsghdr *request(char *buffer, uint16_t family, uint8_t command, uint8_t version)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));

	message->nlmsg_type = family;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	generic->cmd = command;
	generic->version = version;
	return message;
}

/* 0, or -1 with errno the kernel's answer. */
static int ask(struct mnl_socket *socket, struct nlmsghdr *message, mnl_cb_t each, void *data)
{
	char answer[ROOM];
	ssize_t length;
	int more = MNL_CB_OK;

	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -1;
	while (more > MNL_CB_STOP) {
		length = mnl_socket_recvfrom(socket, answer, sizeof(answer));
		more = length < 0 ? -1 : mnl_cb_run(answer, (size_t)length, 0, mnl_socket_get_portid(socket), each, data);
	}
	return more;
}

/* Does the namespace remember its loopback? */
static bool marked(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	char question[ROOM];
	struct nlmsghdr *message;
	uint16_t family = 0;
	bool found = false;

	if (!socket)
		return false;
	message = request(question, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, TCP_METRICS_GENL_NAME);
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 && ask(socket, message, take_family, &family) == 0 && family) {
		message = request(question, family, TCP_METRICS_CMD_GET, TCP_METRICS_GENL_VERSION);
		mnl_attr_put_u32(message, TCP_METRICS_ATTR_ADDR_IPV4, htonl(INADDR_LOOPBACK));
		found = ask(socket, message, NULL, NULL) == 0;
	}
	mnl_socket_close(socket);
	return found;
}

/* No trace of the connection is to stay but the one that is wanted. */
static void keep_no_timewait(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_max_tw_buckets", "we");

	if (!file)
		return;
	fputs("0", file);
	fclose(file);
}

/* True when the connection came about: rules of the script may forbid it. */
static bool connect_and_close(int listener, int client)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct pollfd arrival = { .fd = listener, .events = POLLIN };
	int server;

	if (listener < 0 || client < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
	    (connect(client, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS) ||
	    poll(&arrival, 1, PATIENCE) != 1)
		return false;
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		return false;
	shutdown(client, SHUT_WR);
	arrival.fd = server;
	poll(&arrival, 1, PATIENCE);
	close(server);
	return true;
}

static bool mark(void)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool made;

	keep_no_timewait();
	made = connect_and_close(listener, client);
	if (client >= 0)
		close(client);
	if (listener >= 0)
		close(listener);
	/* The last segment is handled within close() but where the machine puts off what the network does. */
	for (int i = 0; made && i < PATIENCE && !marked(); i++)
		poll(NULL, 0, 1);
	return made && marked();
}

bool metrics_mirror_show(struct pl_stack *stack)
{
	return pl_tcp_metrics_known(stack) && (marked() || mark());
}

void metrics_mirror_take(struct pl_stack *stack, bool shown)
{
	if (shown && !marked())
		pl_tcp_metrics_flush(stack);
}
