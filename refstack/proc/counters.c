/* /proc/net/snmp and /proc/net/netstat: a line of names and a line of values for each group of counters. */
#include <inttypes.h>

#include "proc.h"

struct counter_row {
	const char *group, *name;
};
static const struct counter_row counter_rows[] = {
#define COUNTER(group, name) { #group, #name },
#include "../counter_list.h"
#undef COUNTER
};
_Static_assert(sizeof(counter_rows) / sizeof(counter_rows[0]) == CNT_COUNT, "one row a counter");

/* Types that were seen; Linux shows the line only when there is one. */
static void write_icmp_types(const struct pl_stack *stack, FILE *to)
{
	bool any = false;

	for (int out = 0; out < 2; out++)
		for (int type = 0; type < 256; type++)
			if ((out ? stack->icmp_out_type : stack->icmp_in_type)[type]) {
				fprintf(to, "%s %sType%d", any ? "" : "IcmpMsg:", out ? "Out" : "In", type);
				any = true;
			}
	if (!any)
		return;
	fputs("\nIcmpMsg:", to);
	for (int out = 0; out < 2; out++)
		for (int type = 0; type < 256; type++)
			if ((out ? stack->icmp_out_type : stack->icmp_in_type)[type])
				fprintf(to, " %" PRIu64, (out ? stack->icmp_out_type : stack->icmp_in_type)[type]);
	fputc('\n', to);
}

static void write_group(const struct pl_stack *stack, FILE *to, const char *group)
{
	for (int values = 0; values < 2; values++) {
		fprintf(to, "%s:", group);
		for (int i = 0; i < CNT_COUNT; i++) {
			if (strcmp(counter_rows[i].group, group))
				continue;
			if (values)
				fprintf(to, " %" PRId64, (int64_t)stack->counter[i]);
			else
				fprintf(to, " %s", counter_rows[i].name);
		}
		fputc('\n', to);
	}
}

/* Some of the Ip and Tcp "counters" are settings: RFC 4293 and RFC 4022 have them in the same table. */
static void write_groups(struct pl_stack *stack, FILE *to, const char *const *groups)
{
	for (; *groups; groups++) {
		write_group(stack, to, *groups);
		if (!strcmp(*groups, "Icmp"))
			write_icmp_types(stack, to);
	}
}

void proc_snmp(struct pl_stack *stack, FILE *to)
{
	static const char *const groups[] = { "Ip", "Icmp", "Tcp", "Udp", "UdpLite", NULL };

	stack->counter[CNT_Ip_Forwarding] = stack->sysctl.conf_all.forwarding ? 1 : 2;
	stack->counter[CNT_Ip_DefaultTTL] = stack->sysctl.ip_default_ttl;
	stack->counter[CNT_Tcp_RtoAlgorithm] = 1;	/* other: RFC 6298 */
	stack->counter[CNT_Tcp_RtoMin] = 200;
	stack->counter[CNT_Tcp_RtoMax] = 120000;
	stack->counter[CNT_Tcp_MaxConn] = UINT64_MAX;	/* -1: dynamic */
	write_groups(stack, to, groups);
}

void proc_netstat(struct pl_stack *stack, FILE *to)
{
	static const char *const groups[] = { "TcpExt", "IpExt", "MPTcpExt", NULL };

	write_groups(stack, to, groups);
}
