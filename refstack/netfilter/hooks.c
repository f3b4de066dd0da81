/* What happens to a packet at each hook, in the order of Linux's priorities. */
#include <arpa/inet.h>

#include "../ip/reassemble.h"
#include "nat.h"
#include "tables.h"

void ip_header_changed(struct iphdr *ip)
{
	ip->check = 0;
	ip->check = checksum_finish(checksum_add(ip, ip->ihl * 4u, 0));
}

uint32_t filter_random(struct pl_stack *stack)
{
	return prng_u32(&stack->prng);
}

int route_again(struct pl_stack *stack, struct pktbuf *packet, struct sock *sk)
{
	const struct iphdr *ip = ip_header(packet);
	struct in_addr source = ip_source(packet);
	int type = address_type(stack, source);
	struct flow flow = {
		.destination = ip_destination(packet), .tos = ip->tos, .mark = packet->mark, .protocol = ip->protocol,
		.output_link = sk ? sk->bound_link : 0,
	};
	struct route *route = NULL;

	if (type == RTN_LOCAL || type == RTN_UNICAST) {
		flow.source = source;
		flow.flags = FLOW_ANY_SOURCE;
	}
	int error = route_output(stack, &flow, &route);
	if (error)
		return error;
	route_put(stack, packet->route);
	packet->route = route;
	packet->gateway = route->gateway;
	packet->link = route->link;
	return 0;
}

/* Whole datagrams for those who look at ports. NULL: the fragment waits for others. */
static struct pktbuf *defragment(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place)
{
	if (!(ip_header(packet)->frag_off & htons(IP_MF | IP_OFFMASK)) ||
	    (place->sk && sock_flag(place->sk, SF_NODEFRAG)))
		return packet;
	packet = reassemble(stack, packet,
			    place->hook == NF_INET_LOCAL_OUT ? REASSEMBLE_CONNTRACK_OUT : REASSEMBLE_CONNTRACK_IN);
	if (packet)
		packet->df_allowed_frag = true;
	return packet;
}

/* What decides the way of a packet that leaves: when mangling changes it, the packet is routed anew. */
struct way {
	uint32_t source, destination, mark;
	uint8_t tos;
};

static struct way way_of(const struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);

	return (struct way){ ip->saddr, ip->daddr, packet->mark, ip->tos };
}

static bool same_way(const struct way *a, const struct way *b)
{
	return a->source == b->source && a->destination == b->destination && a->mark == b->mark && a->tos == b->tos;
}

static enum nf_verdict mangle_output(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	struct way before = way_of(packet);
	enum nf_verdict verdict = table_run(stack, TABLE_MANGLE, packet, place, error);
	struct way after = verdict == NF_VERDICT_STOLEN ? before : way_of(packet);

	if (verdict != NF_VERDICT_ACCEPT || same_way(&before, &after))
		return verdict;
	*error = route_again(stack, packet, place->sk);
	return *error ? NF_VERDICT_DROP : NF_VERDICT_ACCEPT;
}

static enum nf_verdict nat(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	uint32_t destination = ip_header(packet)->daddr;
	enum nf_verdict verdict;

	if (!stack->netfilter->table[TABLE_NAT])
		return NF_VERDICT_ACCEPT;
	verdict = nat_hook(stack, packet, place, error);
	if (verdict != NF_VERDICT_ACCEPT || destination == ip_header(packet)->daddr)
		return verdict;
	if (place->hook == NF_INET_LOCAL_OUT) {
		*error = route_again(stack, packet, place->sk);
		return *error ? NF_VERDICT_DROP : NF_VERDICT_ACCEPT;
	}
	if (place->hook == NF_INET_PRE_ROUTING) {
		route_put(stack, packet->route);
		packet->route = NULL;
	}
	return NF_VERDICT_ACCEPT;
}

static enum nf_verdict track(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	(void)error;
	return stack->netfilter->track_users ? conntrack_packet(stack, packet, place) : NF_VERDICT_ACCEPT;
}

static enum nf_verdict confirm(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	(void)error;
	(void)place;
	return packet->conntrack ? conntrack_confirm(stack, packet) : NF_VERDICT_ACCEPT;
}

static enum nf_verdict raw(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	return table_run(stack, TABLE_RAW, packet, place, error);
}

static enum nf_verdict mangle(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	return place->hook == NF_INET_LOCAL_OUT ? mangle_output(stack, packet, place, error) :
						  table_run(stack, TABLE_MANGLE, packet, place, error);
}

static enum nf_verdict filter(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	return table_run(stack, TABLE_FILTER, packet, place, error);
}

static enum nf_verdict security(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error)
{
	return table_run(stack, TABLE_SECURITY, packet, place, error);
}

typedef enum nf_verdict nf_step(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error);

static nf_step *const steps[NF_INET_NUMHOOKS][8] = {
	[NF_INET_PRE_ROUTING] = { raw, track, mangle, nat },
	[NF_INET_LOCAL_IN] = { mangle, filter, security, nat, confirm },
	[NF_INET_FORWARD] = { mangle, filter, security },
	[NF_INET_LOCAL_OUT] = { raw, track, mangle, nat, filter, security },
	[NF_INET_POST_ROUTING] = { mangle, nat, confirm },
};

struct pktbuf *nf_hook_slow(struct pl_stack *stack, struct pktbuf *packet, unsigned hook, struct link *in, struct link *out,
			    struct sock *sk, int *error)
{
	struct nf_place place = { .hook = hook, .in = in, .out = out, .sk = sk };
	const struct netfilter *netfilter = stack->netfilter;

	*error = 0;
	if ((netfilter->track_users || netfilter->defragment_users) &&
	    (hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT))
		packet = defragment(stack, packet, &place);
	for (nf_step *const *step = steps[hook]; packet && *step; step++) {
		if (hook == NF_INET_LOCAL_OUT)
			place.out = packet->route->link;	/* as it is routed by now */
		switch ((*step)(stack, packet, &place, error)) {
		case NF_VERDICT_ACCEPT:
			break;
		case NF_VERDICT_STOLEN:
			*error = 0;
			return NULL;
		case NF_VERDICT_DROP:
			if (!*error)
				*error = -EPERM;
			pktbuf_free(stack, packet);
			return NULL;
		}
	}
	return packet;
}
