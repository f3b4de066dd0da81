/*
 * Anything that is written to the tree of tunables, or asked of it: the stack survives, its files can be read afterwards, and
 * nothing is left behind. In between the stack is at work, so that the values act.
 *
 * The input is a list of steps: a byte that says what is done, two that choose a file, one of detail, and for writes as many bytes
 * as that says. An index beyond the walk's last file takes the text as a path.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <plumbline/inspect.h>
#include <plumbline/link.h>
#include <plumbline/stack.h>
#include <plumbline/sysctl.h>

#define FILES 1024
#define MOST 70000		/* more than a page, in which the kernel's handlers work */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct files {
	char *path[FILES];
	unsigned count;
};

static int note_file(void *context, const struct pl_sysctl_file *file)
{
	struct files *files = context;

	if (!file->folder && files->count < FILES)
		files->path[files->count++] = strdup(file->path);
	return 0;
}

static void files_free(struct files *files)
{
	while (files->count)
		free(files->path[--files->count]);
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* What a file gives from a position on, whatever it is: no more than there was room for. */
static void read_file(struct pl_stack *stack, const char *path, size_t size, int64_t position)
{
	char *buffer = malloc(size ? size : 1);
	ssize_t length = pl_sysctl_pread(stack, path, buffer, size, &position);

	must(length <= (ssize_t)size && length > -4096 && position >= 0);
	free(buffer);
}

static void write_file(struct pl_stack *stack, const char *path, const uint8_t *text, size_t length, int64_t position)
{
	ssize_t taken = pl_sysctl_pwrite(stack, path, (const char *)text, length, &position);

	must(taken <= (ssize_t)length && taken > -4096 && position >= 0);
}

static int64_t call(struct pl_stack *stack, enum pl_op op, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f)
{
	return pl_call_now(stack, op, (const int64_t[6]){ a, b, c, d, e, f });
}

/* A datagram out and a connection begun: routes, ports, windows and congestion control are asked for. */
static void work(struct pl_stack *stack)
{
	struct sockaddr_in far = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0xc0000201) };
	int64_t udp = call(stack, PL_OP_socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, 0, 0, 0);
	int64_t tcp = call(stack, PL_OP_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, 0, 0, 0);

	call(stack, PL_OP_sendto, udp, PL_PTR("datagram"), 8, 0, PL_PTR(&far), sizeof(far));
	call(stack, PL_OP_connect, tcp, PL_PTR(&far), sizeof(far), 0, 0, 0);
	pl_stack_run_until(stack, pl_stack_now(stack) + PL_NSEC_PER_SEC);
	call(stack, PL_OP_close, udp, 0, 0, 0, 0, 0);
	call(stack, PL_OP_close, tcp, 0, 0, 0, 0, 0);
}

/* A link, with its folders, comes or goes. */
static void toggle_link(struct pl_stack *stack, struct files *files, unsigned which)
{
	const char *name = which & 1 ? "tun1" : "tun2";
	int ifindex = pl_link_find(stack, name);

	if (ifindex > 0)
		pl_link_delete(stack, ifindex);
	else
		pl_link_add(stack, &(struct pl_link_config){ .name = name, .kind = PL_LINK_TUN });
	files_free(files);
	pl_sysctl_walk(stack, note_file, files);
}

static size_t step(struct pl_stack *stack, struct files *files, const uint8_t *data, size_t size)
{
	unsigned what = data[0] & 7, index = data[1] | data[2] << 8, detail = data[3];
	size_t length = (what & 1 ? detail * 256u : detail) % MOST;
	char raw[256] = "";
	const char *path = raw;

	length = length < size - 4 ? length : size - 4;
	if (index % (files->count + 1) < files->count)
		path = files->path[index % (files->count + 1)];
	else
		memcpy(raw, data + 4, length < sizeof(raw) - 1 ? length : sizeof(raw) - 1);
	switch (what) {
	case 0: case 1: case 2:
		write_file(stack, path, data + 4, length, 0);
		break;
	case 3:
		write_file(stack, path, data + 4, length, detail * INT64_C(37));
		break;
	case 4:
		read_file(stack, path, detail, 0);
		return 4;
	case 5:
		read_file(stack, path, MOST, detail);
		return 4;
	case 6:
		toggle_link(stack, files, detail);
		return 4;
	case 7:
		work(stack);
		return 4;
	}
	return 4 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ .seed = 1, .first_namespace = size && data[0] & 128 });
	int tun = pl_link_add(stack, &(struct pl_link_config){ .name = "tun0", .kind = PL_LINK_TUN });
	struct files files = { 0 };
	char *text = NULL;

	pl_link_set_up(stack, 1, true);
	pl_link_set_up(stack, tun, true);
	pl_address_add(stack, tun, &(struct pl_address){ .local.s_addr = htonl(0xc0a80001), .prefix_length = 16 });
	pl_route_add(stack, &(struct pl_route){ .ifindex = tun }, false);
	pl_sysctl_walk(stack, note_file, &files);
	while (size >= 4) {
		size_t used = step(stack, &files, data, size);

		data += used;
		size -= used;
	}
	work(stack);
	for (unsigned i = 0; i < files.count; i++)
		read_file(stack, files.path[i], 4096, 0);
	for (size_t i = 0; pl_inspect_names[i]; i++, free(text), text = NULL)
		must(pl_inspect_file(stack, pl_inspect_names[i], &text) >= 0);
	files_free(&files);
	pl_stack_free(stack);
	return 0;
}
