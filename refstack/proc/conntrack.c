/* /proc/net/nf_conntrack: the connections that are tracked, each with both its tuples. */
#include <arpa/inet.h>
#include <inttypes.h>

#include "../netfilter/conntrack.h"
#include "proc.h"

static const char *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_UDPLITE:
		return "udplite";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_DCCP:
		return "dccp";
	case IPPROTO_GRE:
		return "gre";
	default:
		return "unknown";
	}
}

static void write_tuple(FILE *to, const struct tuple *tuple)
{
	char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &tuple->source, source, sizeof(source));
	inet_ntop(AF_INET, &tuple->destination, destination, sizeof(destination));
	fprintf(to, "src=%s dst=%s ", source, destination);
	if (tuple->protocol == IPPROTO_ICMP)
		fprintf(to, "type=%u code=%u id=%u ", tuple->icmp_type, tuple->icmp_code, ntohs(tuple->source_port));
	else if (tuple_has_ports(tuple))
		fprintf(to, "sport=%u dport=%u ", ntohs(tuple->source_port), ntohs(tuple->destination_port));
}

static void write_counters(FILE *to, const struct conntrack *conntrack, enum direction direction)
{
	if (conntrack->is_counted)
		fprintf(to, "packets=%" PRIu64 " bytes=%" PRIu64 " ", conntrack->packets[direction], conntrack->bytes[direction]);
}

static void write_connection(struct pl_stack *stack, FILE *to, const struct conntrack *conntrack)
{
	static const char *const states[TRACKED_STATES] = {
		[TRACKED_NONE] = "NONE", [TRACKED_SYN_SENT] = "SYN_SENT", [TRACKED_SYN_RECV] = "SYN_RECV",
		[TRACKED_ESTABLISHED] = "ESTABLISHED", [TRACKED_FIN_WAIT] = "FIN_WAIT", [TRACKED_CLOSE_WAIT] = "CLOSE_WAIT",
		[TRACKED_LAST_ACK] = "LAST_ACK", [TRACKED_TIME_WAIT] = "TIME_WAIT", [TRACKED_CLOSE] = "CLOSE",
		[TRACKED_SYN_SENT2] = "SYN_SENT2",
	};
	const struct tuple *original = &conntrack->tuple[ORIGINAL];
	int64_t left = (conntrack->timeout - stack->now) / PL_NSEC_PER_SEC;

	fprintf(to, "%-8s 2 %-8s %u %" PRId64 " ", "ipv4", protocol_name(original->protocol), original->protocol, left);
	if (original->protocol == IPPROTO_TCP)
		fprintf(to, "%s ", states[conntrack->tcp.state]);
	write_tuple(to, original);
	write_counters(to, conntrack, ORIGINAL);
	if (!(conntrack->status & IPS_SEEN_REPLY))
		fputs("[UNREPLIED] ", to);
	write_tuple(to, &conntrack->tuple[REPLY]);
	write_counters(to, conntrack, REPLY);
	if (conntrack->status & IPS_ASSURED)
		fputs("[ASSURED] ", to);
	fprintf(to, "mark=%u zone=0 use=2\n", conntrack->mark);
}

void proc_nf_conntrack(struct pl_stack *stack, FILE *to)
{
	for (const struct conntrack *conntrack = conntrack_next(stack, NULL); conntrack;
	     conntrack = conntrack_next(stack, conntrack))
		if (!conntrack_expired(stack, conntrack))
			write_connection(stack, to, conntrack);
}
