/*
 * A packet through a table: rule after rule until one decides, jumps into chains and back out of them, at the end the policy of
 * the chain that the hook begins with. A rule that matches is counted before its target is asked.
 */
#include "tables.h"

#include <arpa/inet.h>

static bool interface_matches(const struct link *link, const char *name, const unsigned char *mask)
{
	char own[IFNAMSIZ] = "";

	if (link)
		memcpy(own, link->name, sizeof(own));
	for (size_t i = 0; i < IFNAMSIZ; i++)
		if ((own[i] ^ name[i]) & mask[i])
			return false;
	return true;
}

bool rule_matches_ip(const struct ipt_ip *rule, const struct iphdr *ip, const struct link *in, const struct link *out,
		     bool is_fragment)
{
	bool source = (ip->saddr & rule->smsk.s_addr) == rule->src.s_addr;
	bool destination = (ip->daddr & rule->dmsk.s_addr) == rule->dst.s_addr;

	if (source == !!(rule->invflags & IPT_INV_SRCIP) || destination == !!(rule->invflags & IPT_INV_DSTIP))
		return false;
	if (interface_matches(in, rule->iniface, rule->iniface_mask) == !!(rule->invflags & IPT_INV_VIA_IN) ||
	    interface_matches(out, rule->outiface, rule->outiface_mask) == !!(rule->invflags & IPT_INV_VIA_OUT))
		return false;
	if (rule->proto && (ip->protocol == rule->proto) == !!(rule->invflags & IPT_INV_PROTO))
		return false;
	return !(rule->flags & IPT_F_FRAG) || is_fragment != !!(rule->invflags & IPT_INV_FRAG);
}

static void count(struct xt_counters *counters, const struct rule_packet *at)
{
	counters->bcnt += pktbuf_length(at->packet);
	counters->pcnt++;
}

static bool rule_matches(const struct filter_rule *rule, struct rule_packet *at)
{
	if (!rule_matches_ip(&rule->entry->ip, at->ip, at->place->in, at->place->out, at->fragment))
		return false;
	for (unsigned i = 0; i < rule->matches; i++)
		if (!rule->match[i].type->match(at, rule->match[i].data, rule->match[i].state))
			return false;
	return true;
}

/* TARGET_CONTINUE: the chain has ended, or RETURN was met. */
static enum target_verdict chain_run(const struct filter_chain *chain, struct rule_packet *at)
{
	enum target_verdict verdict = TARGET_CONTINUE;

	for (unsigned i = 0; i < chain->rules && !at->hotdrop; i++) {
		const struct filter_rule *rule = &chain->rule[i];

		if (!rule_matches(rule, at))
			continue;
		if (at->hotdrop)
			break;
		count(&rule->entry->counters, at);
		switch (rule->action) {
		case ACTION_CONTINUE:
			break;
		case ACTION_ACCEPT:
			return TARGET_ACCEPT;
		case ACTION_DROP:
			return TARGET_DROP;
		case ACTION_RETURN:
			return TARGET_CONTINUE;
		case ACTION_JUMP:
			verdict = chain_run(rule->chain, at);
			if (rule->is_goto)
				return verdict;
			break;
		case ACTION_TARGET:
			verdict = rule->target->target(at, rule->data);
			at->ip = ip_header(at->packet);
			break;
		}
		if (verdict != TARGET_CONTINUE)
			return verdict;
	}
	return at->hotdrop ? TARGET_DROP : TARGET_CONTINUE;
}

enum nf_verdict table_run(struct pl_stack *stack, enum filter_table_id id, struct pktbuf *packet, const struct nf_place *place,
			  int *error)
{
	const struct filter_table *table = stack->netfilter->table[id];
	struct filter_chain *chain = table ? table->at_hook[place->hook] : NULL;
	const struct iphdr *ip = ip_header(packet);
	struct rule_packet at = {
		.stack = stack, .packet = packet, .place = place, .ip = ip,
		.transport = ip->ihl * 4u, .fragment = ntohs(ip->frag_off) & IP_OFFMASK,
	};

	if (!chain)
		return NF_VERDICT_ACCEPT;
	switch (chain_run(chain, &at)) {
	case TARGET_CONTINUE:
		count(&chain->counters, &at);
		return chain->drops ? NF_VERDICT_DROP : NF_VERDICT_ACCEPT;
	case TARGET_ACCEPT:
		return NF_VERDICT_ACCEPT;
	case TARGET_STOLEN:
		return NF_VERDICT_STOLEN;
	case TARGET_DROP:
		if (at.error)
			*error = at.error;
		break;
	}
	return NF_VERDICT_DROP;
}
