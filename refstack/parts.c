/* The parts that a stack is made of: each of them adds its row when it exists. */
#include "internal.h"

const struct stack_part stack_parts[] = {
	{ fib_host_new, fib_host_free },
	{ ip_host_new, ip_host_free },
	{ icmp_host_new, icmp_host_free },
	{ neighbour_host_new, neighbour_host_free },
	{ netfilter_host_new, netfilter_host_free },
	{ link_host_new, link_host_free },
	{ tcp_host_new, tcp_host_free },
	{ udp_host_new, udp_host_free },
	{ raw_host_new, raw_host_free },
	{ socket_host_new, socket_host_free },
	{ NULL, NULL },
};
