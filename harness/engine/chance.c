/*
 * Packets whose moment is a matter of chance: IGMP reports (RFC 2236 section 3, RFC 3376 section 5) come after a random time, up
 * to what the last query on the link allows, or when nobody asked, up to the unsolicited report interval. Two stacks that are
 * both right send them at different moments, so comparing knows of each how long that time may be.
 */
#include "run.h"

#include <stdlib.h>

#define PROMPT (20 * PL_NSEC_PER_MSEC)	/* what follows an input within this was caused by it and waits for nothing */
#define TENTH (PL_NSEC_PER_SEC / 10)
enum { QUERY = 0x11, REPORT_1 = 0x12, REPORT_2 = 0x16, REPORT_3 = 0x22 };
enum { IS_INCLUDE = 1, IS_EXCLUDE = 2 };	/* types of records that answer queries */

/* The IGMP message in a packet as seen on the wire, NULL: it is something else. */
static const uint8_t *igmp_message(const uint8_t *bytes, size_t length, bool ethernet, size_t *size)
{
	size_t at = ethernet ? 14 : 0, header;

	if (length < at + 20 || bytes[at] >> 4 != 4 || bytes[at + 9] != IPPROTO_IGMP)
		return NULL;
	header = (bytes[at] & 15) * 4u;
	if (length < at + header + 8)
		return NULL;
	*size = length - at - header;
	return bytes + at + header;
}

/* How long answers to a query may take: tenths of a second, beyond 127 in the floating point of RFC 3376 section 4.1.1. */
static pl_time answer_time(const uint8_t *query, size_t size)
{
	unsigned code = query[1];

	if (size == 8 && !code)		/* version 1 leaves ten seconds */
		code = 100;
	else if (size > 8 && code >= 128)
		code = ((code & 15) | 16) << ((code >> 4 & 7) + 3);
	return code * TENTH;
}

static bool is_ethernet(const struct run *run, unsigned link)
{
	return run->config.link[link].kind == PL_LINK_ETHERNET;
}

static pl_time last_query(const struct run *run, unsigned link)
{
	const struct trace *trace = &run->result->trace;
	size_t size;

	for (unsigned i = trace->count; i-- > 0;) {
		const struct trace_entry *entry = &trace->entry[i];
		const uint8_t *message;

		if (entry->kind != TRACE_PACKET_IN || entry->link != link)
			continue;
		message = igmp_message(entry->bytes, entry->length, is_ethernet(run, link), &size);
		if (message && message[0] == QUERY)
			return answer_time(message, size);
	}
	return 0;
}

static pl_time unasked(const struct run *run, unsigned link, int version)
{
	char path[96], value[32] = "";
	ssize_t length;

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/igmpv%d_unsolicited_report_interval", run->config.link[link].name,
		 version);
	length = run->ops->sysctl_read(run->target, path, value, sizeof(value) - 1);
	return length > 0 ? strtoll(value, NULL, 10) * PL_NSEC_PER_MSEC : 0;
}

static bool follows_input(const struct trace *trace, pl_time time)
{
	for (unsigned i = trace->count; i-- > 0;)
		if (trace->entry[i].kind != TRACE_PACKET_OUT && trace->entry[i].kind != TRACE_CODE &&
		    trace->entry[i].time <= time)
			return time - trace->entry[i].time < PROMPT;
	return false;
}

pl_time packet_chance(const struct run *run, const struct target_packet *packet, pl_time time)
{
	pl_time asked, interval;
	size_t size;
	const uint8_t *message = igmp_message(packet->bytes, packet->length, is_ethernet(run, packet->link), &size);
	bool prompt;

	if (!message)
		return 0;
	prompt = follows_input(&run->result->trace, time);
	switch (message[0]) {
	case REPORT_1:
	case REPORT_2:
		asked = last_query(run, packet->link);
		interval = prompt ? 0 : unasked(run, packet->link, 2);
		return asked > interval ? asked : interval;
	case REPORT_3:
		if (size > 8 && (message[8] == IS_INCLUDE || message[8] == IS_EXCLUDE))
			return last_query(run, packet->link);
		return prompt ? 0 : unasked(run, packet->link, 3);
	}
	return 0;
}
