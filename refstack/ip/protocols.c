/* The transport protocols: each adds its row when it exists. */
#include "../raw/raw.h"

extern const struct ip_protocol icmp_protocol, igmp_protocol, tcp_protocol, udp_protocol, udplite_protocol;

/* Multicast routers' protocol: a host without multicast routing knows it, and does nothing with it. */
static bool pim_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	pktbuf_free(stack, packet);
	return false;
}

static const struct ip_protocol pim_protocol = { .number = IPPROTO_PIM, .receive = pim_receive };

const struct ip_protocol *const ip_protocol_rows[] = {
	&icmp_protocol,
	&igmp_protocol,
	&tcp_protocol,
	&udp_protocol,
	&udplite_protocol,
	&pim_protocol,
	NULL,
};

/* Raw sockets see every packet for this host first. */
bool (*const ip_raw_receive)(struct pl_stack *, struct pktbuf *) = raw_receive;
void (*const ip_raw_error)(struct pl_stack *, struct pktbuf *, const struct iphdr *, size_t, uint32_t) = raw_error;
/* Sockets that asked for router alerts. */
bool (*const ip_router_alert)(struct pl_stack *, struct pktbuf *) = raw_router_alert;
/* Ping sockets: echo replies, and errors about echo requests. */
bool (*const icmp_ping_receive)(struct pl_stack *, struct pktbuf *) = ping_receive;
void (*const icmp_ping_error)(struct pl_stack *, struct pktbuf *, const struct iphdr *, size_t, uint32_t) = ping_error;

const struct ip_protocol *ip_protocol_find(const struct pl_stack *stack, uint8_t number)
{
	for (const struct ip_protocol *const *row = ip_protocol_rows; *row; row++)
		if ((*row)->number == number)
			return *row;
	return NULL;
}
