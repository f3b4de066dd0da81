/*
 * What Linux derived from the machine it booted on, for a reference stack that is compared with it.
 *
 * The pages that size the tables are not told anywhere as such, but tcp_init and udp_init make tcp_mem and udp_mem of them:
 * the middle value is a sixteenth for TCP, an eighth for UDP (tcp(7), udp(7)). When these two agree, nobody has changed them.
 * A jiffy is as long as the coarse clocks are fine (clock_getres(2)).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "../arena.h"
#include "target.h"

/* A tunable's text, without the line end; NULL: there is none here. */
static const char *tunable(struct arena *arena, const char *name)
{
	char path[128], text[1024];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length < 0)
		return NULL;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return arena_strdup(arena, text);
}

static uint64_t middle(const char *text)
{
	unsigned long value;

	return text && sscanf(text, "%*u %lu", &value) == 1 ? value : 0;
}

static uint64_t ram_pages(struct arena *arena)
{
	uint64_t tcp = middle(tunable(arena, "tcp_mem")), udp = middle(tunable(arena, "udp_mem"));
	struct sysinfo info;

	if (tcp && udp / 2 == tcp)
		return udp * 8;
	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit / 4096 : 0;
}

bool kernel_machine_read(struct pl_machine *machine, struct arena *arena)
{
	struct timespec jiffy;

	machine->ram_pages = ram_pages(arena);
	machine->hz = clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy) == 0 && jiffy.tv_sec == 0 && jiffy.tv_nsec > 0 ?
			      (unsigned)((PL_NSEC_PER_SEC + jiffy.tv_nsec / 2) / jiffy.tv_nsec) : 0;
	machine->congestion_control = tunable(arena, "tcp_congestion_control");
	machine->available_congestion_control = tunable(arena, "tcp_available_congestion_control");
	machine->allowed_congestion_control = tunable(arena, "tcp_allowed_congestion_control");
	/* Only the first namespace says which are allowed elsewhere; in others, what is in use is. */
	if (!machine->allowed_congestion_control)
		machine->allowed_congestion_control = machine->congestion_control;
	return machine->ram_pages && machine->hz && machine->congestion_control && machine->available_congestion_control;
}
