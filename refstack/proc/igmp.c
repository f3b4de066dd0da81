/* /proc/net/igmp and mcfilter: the groups of the links, and the sources that their filters name. */
#include "../ip/igmp.h"
#include "proc.h"

#define USER_HZ 100	/* the ticks of times that people read */

static uint32_t ticks_left(const struct pl_stack *stack, const struct pl_timer *timer)
{
	return timer_armed(timer) ? (uint32_t)((timer->deadline - stack->now) / (PL_NSEC_PER_SEC / USER_HZ)) : 0;
}

void proc_igmp(struct pl_stack *stack, FILE *to)
{
	fputs("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n", to);
	for (const struct link *link = stack->links; link; link = link->next) {
		const struct mc_device *device = link->ipv4->multicast;

		if (!device->groups)
			continue;
		fprintf(to, "%d\t%-10s: %5u      V%d\n", link->ifindex, link->name, device->count, igmp_version(device));
		for (const struct mc_group *group = device->groups; group; group = group->next)
			fprintf(to, "\t\t\t\t%08X %5u %d:%08X\t\t%d\n", group->address.s_addr, group->users,
				timer_armed(&group->timer), ticks_left(stack, &group->timer), group->last_reporter);
	}
}

/* Linux begins with the first link whose latest group has sources, and passes over links before it, whatever they have. */
static const struct link *first_filtered(const struct pl_stack *stack)
{
	const struct link *link = stack->links;

	while (link && !(link->ipv4->multicast->groups && link->ipv4->multicast->groups->sources))
		link = link->next;
	return link;
}

void proc_mcfilter(struct pl_stack *stack, FILE *to)
{
	fputs("Idx Device        MCA        SRC    INC    EXC\n", to);
	for (const struct link *link = first_filtered(stack); link; link = link->next)
		for (const struct mc_group *group = link->ipv4->multicast->groups; group; group = group->next)
			for (const struct mc_source *source = group->sources; source; source = source->next)
				fprintf(to, "%3d %6.6s 0x%08x 0x%08x %6u %6u\n", link->ifindex, link->name,
					ntohl(group->address.s_addr), ntohl(source->address.s_addr),
					source->users[MCAST_INCLUDE], source->users[MCAST_EXCLUDE]);
}
