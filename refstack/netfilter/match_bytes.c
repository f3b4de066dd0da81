/* Matches of single bytes of a packet, of where it is from and of when it comes: u32, bpf, esp, ah, policy, mac, time. */
#include <time.h>

#include "../socket/filter.h"
#include "extensions.h"

#include <linux/filter.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_u32.h>
#include <linux/netfilter_ipv4/ipt_ah.h>

/* --- u32 ----------------------------------------------------------------------------------------------------------------- */

/* The four bytes at an offset from `from`; false: they are not all there. */
static bool word_at(const struct pktbuf *packet, uint32_t from, uint32_t offset, uint32_t *value)
{
	const uint8_t *bytes;

	if (from > pktbuf_length(packet) || offset > pktbuf_length(packet) - from)
		return false;
	bytes = pktbuf_at(packet, from + offset, 4);
	if (bytes)
		*value = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
	return bytes;
}

/* Where the test looks: a word, then what is done to it; `@` makes it the start of the next. */
static bool u32_value(const struct pktbuf *packet, const struct xt_u32_test *test, uint32_t *value)
{
	uint32_t from = 0;

	if (!word_at(packet, 0, test->location[0].number, value))
		return false;
	for (unsigned i = 1; i < test->nnums; i++) {
		uint32_t number = test->location[i].number;

		switch (test->location[i].nextop) {
		case XT_U32_AND:
			*value &= number;
			break;
		case XT_U32_LEFTSH:
			*value = number < 32 ? *value << number : 0;
			break;
		case XT_U32_RIGHTSH:
			*value = number < 32 ? *value >> number : 0;
			break;
		case XT_U32_AT:
			if (from + *value < from)
				return false;
			from += *value;
			if (!word_at(packet, from, number, value))
				return false;
			break;
		}
	}
	return true;
}

static bool u32_fits(const struct pktbuf *packet, const struct xt_u32_test *test)
{
	uint32_t value;

	if (!u32_value(packet, test, &value))
		return false;
	for (unsigned i = 0; i < test->nvalues; i++)
		if (value >= test->value[i].min && value <= test->value[i].max)
			return true;
	return false;
}

static bool match_u32(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_u32 *rule = data;
	unsigned i = 0;

	(void)state;
	while (i < rule->ntests && u32_fits(at->packet, &rule->tests[i]))
		i++;
	return (i == rule->ntests) != !!rule->invert;
}

static int check_u32(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_u32 *rule = data;

	(void)place;
	(void)state;
	if (rule->ntests > XT_U32_MAXSIZE + 1)
		return -EINVAL;
	for (unsigned i = 0; i < rule->ntests; i++)
		if (rule->tests[i].nnums > XT_U32_MAXSIZE + 1 || rule->tests[i].nvalues > XT_U32_MAXSIZE + 1)
			return -EINVAL;
	return 0;
}

/* --- bpf ----------------------------------------------------------------------------------------------------------------- */

/* A program of the socket filters' machine, from the IP header on. */
static int check_bpf(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_bpf_info_v1 *rule = data;
	int64_t error = 0;

	(void)place;
	if (rule->mode != XT_BPF_MODE_BYTECODE)
		return -EOPNOTSUPP;
	if (!rule->bpf_program_num_elem || rule->bpf_program_num_elem > XT_BPF_MAX_NUM_INSTR)
		return -EINVAL;
	*(struct filter **)state = filter_new(rule->bpf_program, rule->bpf_program_num_elem, &error);
	return *(struct filter **)state ? 0 : (int)error;
}

static void release_bpf(struct pl_stack *stack, void *state)
{
	(void)stack;
	filter_drop(*(struct filter **)state);
}

static bool match_bpf(struct rule_packet *at, const void *data, void *state)
{
	(void)data;
	return filter_run(at->stack, *(struct filter **)state, at->packet) != 0;
}

/* --- IPsec: its headers' SPI, and that there is none ---------------------------------------------------------------------- */

static bool match_spi(struct rule_packet *at, uint32_t offset, uint32_t size, const uint32_t range[2], bool invert)
{
	const uint8_t *header;
	uint32_t spi;

	if (at->fragment)
		return false;
	header = transport_at(at, 0, size);
	if (!header) {
		at->hotdrop = true;
		return false;
	}
	memcpy(&spi, header + offset, sizeof(spi));
	return in_range(ntohl(spi), range[0], range[1], invert);
}

static bool match_esp(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_esp *rule = data;

	(void)state;
	return match_spi(at, 0, 8, rule->spis, rule->invflags & XT_ESP_INV_SPI);
}

static int check_esp(const struct rule_place *place, const void *data, void *state)
{
	(void)place;
	(void)state;
	return ((const struct xt_esp *)data)->invflags & ~XT_ESP_INV_MASK ? -EINVAL : 0;
}

static bool match_ah(struct rule_packet *at, const void *data, void *state)
{
	const struct ipt_ah *rule = data;

	(void)state;
	return match_spi(at, 4, 12, rule->spis, rule->invflags & IPT_AH_INV_SPI);
}

static int check_ah(const struct rule_place *place, const void *data, void *state)
{
	(void)place;
	(void)state;
	return ((const struct ipt_ah *)data)->invflags & ~IPT_AH_INV_MASK ? -EINVAL : 0;
}

/* A host without any policy: no packet is under one. */
static bool match_policy(struct rule_packet *at, const void *data, void *state)
{
	(void)at;
	(void)state;
	return ((const struct xt_policy_info *)data)->flags & XT_POLICY_MATCH_NONE;
}

static int check_policy(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_policy_info *rule = data;
	bool in = rule->flags & XT_POLICY_MATCH_IN, out = rule->flags & XT_POLICY_MATCH_OUT;

	(void)state;
	if ((!in && !out) || (in && place->hooks & (HOOK_BIT(POST_ROUTING) | HOOK_BIT(LOCAL_OUT))) ||
	    (out && place->hooks & (HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_IN))))
		return -EINVAL;
	return rule->len > XT_POLICY_MAX_ELEM ? -EINVAL : 0;
}

/* --- beside the packet ---------------------------------------------------------------------------------------------------- */

static bool match_mac(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_mac_info *rule = data;

	(void)state;
	return at->packet->has_source_hwaddr &&
	       !memcmp(at->packet->source_hwaddr, rule->srcaddr, sizeof(rule->srcaddr)) != !!rule->invert;
}

#define DAY (24 * 60 * 60)

/* By the wall clock in UTC; the kernel's own time zone, which --kerneltz asks for, is UTC too where nobody sets it. */
static bool match_time(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_time_info *rule = data;
	time_t now = (time_t)(stack_wall_clock(at->stack) / PL_NSEC_PER_SEC);
	uint32_t second = (uint32_t)(now % DAY);
	struct tm day;

	(void)state;
	if (now < (time_t)rule->date_start || now > (time_t)rule->date_stop)
		return false;
	if (rule->daytime_start < rule->daytime_stop) {
		if (second < rule->daytime_start || second > rule->daytime_stop)
			return false;
	} else {
		if (second < rule->daytime_start && second > rule->daytime_stop)
			return false;
		/* Over midnight as one period: its morning belongs to the day before. */
		if (rule->flags & XT_TIME_CONTIGUOUS && second <= rule->daytime_stop)
			now -= DAY;
	}
	gmtime_r(&now, &day);
	return rule->weekdays_match & 1u << (day.tm_wday ? day.tm_wday : 7) && rule->monthdays_match & 1u << day.tm_mday;
}

static int check_time(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_time_info *rule = data;

	(void)place;
	(void)state;
	if (rule->daytime_start > XT_TIME_MAX_DAYTIME || rule->daytime_stop > XT_TIME_MAX_DAYTIME)
		return -EDOM;
	return rule->flags & ~XT_TIME_ALL_FLAGS ? -EINVAL : 0;
}

const struct match_type matches_of_bytes[] = {
	{ "ah", 0, sizeof(struct ipt_ah), IPPROTO_AH, .check = check_ah, .match = match_ah },
	{ "bpf", 1, sizeof(struct xt_bpf_info_v1), .state_size = sizeof(struct filter *), .check = check_bpf, .release = release_bpf,
	  .match = match_bpf },
	{ "esp", 0, sizeof(struct xt_esp), IPPROTO_ESP, .check = check_esp, .match = match_esp },
	{ "mac", 0, sizeof(struct xt_mac_info), .hooks = HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_IN) | HOOK_BIT(FORWARD),
	  .match = match_mac },
	{ "policy", 0, sizeof(struct xt_policy_info), .check = check_policy, .match = match_policy },
	{ "time", 0, sizeof(struct xt_time_info), .check = check_time, .match = match_time },
	{ "u32", 0, sizeof(struct xt_u32), .check = check_u32, .match = match_u32 },
	{ 0 },
};
