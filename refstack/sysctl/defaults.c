/*
 * Where a stack's tunables start: each row's text through its own kind, then what Linux derives from the machine.
 */
#include <stdio.h>
#include <string.h>

#include "../internal.h"
#include "../ip/ip.h"

static void *global_field(struct sysctls *sysctls, const struct sysctl_row *row)
{
	switch ((enum sysctl_place)row->place) {
	case PLACE_CONF:
		return (char *)&sysctls->conf_all + row->offset;
	case PLACE_NEIGH:
		return (char *)&sysctls->neigh_default + row->offset;
	case PLACE_CORE:
	case PLACE_IPV4:
	case PLACE_ROUTE:
	case PLACE_IPV6:
	case PLACE_NETFILTER:
	case PLACE_COUNT:
		break;
	}
	return (char *)sysctls + row->offset;
}

/* tcp_mem, udp_mem and buffer ceilings as tcp_init, udp_init and sk_init size them from memory. */
static void from_memory(struct sysctls *sysctls, uint64_t pages)
{
	unsigned long tcp = pages / 16 > 128 ? pages / 16 : 128, udp = pages / 8 > 128 ? pages / 8 : 128;
	unsigned long limit = pages << 12 >> 7;	/* 1/128 of memory, for the largest buffers */

	sysctls->tcp_mem[0] = tcp / 4 * 3;
	sysctls->tcp_mem[1] = tcp;
	sysctls->tcp_mem[2] = sysctls->tcp_mem[0] * 2;
	sysctls->udp_mem[0] = udp / 4 * 3;
	sysctls->udp_mem[1] = udp;
	sysctls->udp_mem[2] = sysctls->udp_mem[0] * 2;
	sysctls->tcp_wmem[2] = (int)(limit < 4194304 ? limit : 4194304);
	sysctls->tcp_rmem[2] = (int)(limit < 33554432 ? limit : 33554432);
}

void sysctl_defaults(struct sysctls *sysctls, const struct pl_machine *machine)
{
	/* The kinds look at nothing of a stack but its machine and its other tunables. */
	struct pl_stack scratch = { .machine = *machine };

	for (unsigned i = 0; i < sysctl_row_count; i++) {
		const struct sysctl_row *row = &sysctl_rows[i];
		struct sysctl_row unbounded = *row;
		int64_t position = 0;

		if (!*row->start)
			continue;
		unbounded.minimum = INT64_MIN;
		unbounded.maximum = UINT64_MAX;
		sysctl_kind_table[row->kind].write(
			&(struct sysctl_access){ &scratch, &unbounded, global_field(&scratch.sysctl, row) }, row->start,
			strlen(row->start), &position);
	}
	scratch.sysctl.conf_default = scratch.sysctl.conf_all;
	scratch.sysctl.conf_all.accept_source_route = 0;
	from_memory(&scratch.sysctl, machine->ram_pages);
	*sysctls = scratch.sysctl;
	snprintf(sysctls->tcp_congestion_control, sizeof(sysctls->tcp_congestion_control), "%s", machine->congestion_control);
	snprintf(sysctls->tcp_available_congestion_control, sizeof(sysctls->tcp_available_congestion_control), "%s",
		 machine->available_congestion_control);
	snprintf(sysctls->tcp_allowed_congestion_control, sizeof(sysctls->tcp_allowed_congestion_control), "%s",
		 machine->allowed_congestion_control);
}
