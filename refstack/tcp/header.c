/*
 * Headers and options as they are sent.
 *
 * Which options go into which kind of segment, and the order and padding of Linux: MD5, MSS, timestamps (with SACK-permitted
 * folded into their padding), AccECN, SACK-permitted, window scale, SACK blocks, Fast Open. Every option but AccECN and Fast Open
 * takes whole words of four bytes, padded by NOPs in front.
 */
#include "conn.h"

#define OPTION_SPACE 40

static uint8_t *put16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return to + 2;
}

static uint8_t *put32(uint8_t *to, uint32_t value)
{
	return put16(put16(to, value >> 16), value);
}

static uint8_t *put4(uint8_t *to, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	to[0] = a;
	to[1] = b;
	to[2] = c;
	to[3] = d;
	return to + 4;
}

/* --- which options ------------------------------------------------------------------------------------------------------ */
static unsigned fastopen_size(const struct tcp_fastopen_cookie *cookie)
{
	return ((unsigned)cookie->length + (cookie->experimental ? 4 : 2) + 3) & ~3u;
}

/* The Fast Open option joins a SYN or SYN-ACK when it still fits. */
static unsigned add_fastopen(struct tcp_out_options *o, const struct tcp_fastopen_cookie *cookie, unsigned size)
{
	if (!cookie || cookie->length < 0 || size + fastopen_size(cookie) > OPTION_SPACE)
		return size;
	o->has_fastopen = true;
	o->fastopen = *cookie;
	return size + fastopen_size(cookie);
}

unsigned tcp_options_syn(struct tcp_sock *tp, const struct pktbuf *packet, struct tcp_out_options *o)
{
	const struct sysctls *sysctl = &tp->sk.stack->sysctl;
	unsigned size = 4;
	*o = (struct tcp_out_options){ .has_mss = true, .mss = tcp_advertise_mss(tp) };
	o->md5 = tcp_md5_lookup(tp, tp->sk.remote);
	if (o->md5)
		size += 20;
	if (sysctl->tcp_timestamps && !o->md5) {
		o->has_timestamp = true;
		o->tsval = tcp_packet_ts(tp, packet);
		o->tsecr = tp->ts_recent;
		size += 12;
	}
	if (sysctl->tcp_window_scaling) {
		o->has_wscale = true;
		o->wscale = tp->rcv_wscale;
		size += 4;
	}
	if (sysctl->tcp_sack) {
		o->has_sackok = true;
		if (!o->has_timestamp)
			size += 4;
	}
	if (tp->fastopen_req.active) {
		size = add_fastopen(o, &tp->fastopen_req.cookie, size);
		if (o->has_fastopen) {
			tp->syn_fastopen = true;
			tp->syn_fastopen_exp = o->fastopen.experimental;
		}
	}
	return tcp_accecn_syn_options(tp, packet, o, size);
}

unsigned tcp_options_synack(struct tcp_request *request, uint16_t mss, const struct tcp_fastopen_cookie *cookie, uint32_t tsval,
			    struct tcp_out_options *o)
{
	unsigned size = 4;
	*o = (struct tcp_out_options){ .has_mss = true, .mss = mss };
	o->md5 = tcp_md5_lookup(request->listener, request->entry.remote);
	if (o->md5) {
		size += 20;
		/* Not both fit beside a signature: SACK is worth more than timestamps. */
		request->tstamp_ok = request->tstamp_ok && !request->sack_ok;
	}
	if (request->wscale_ok) {
		o->has_wscale = true;
		o->wscale = request->rcv_wscale;
		size += 4;
	}
	if (request->tstamp_ok) {
		o->has_timestamp = true;
		o->tsval = tsval;
		o->tsecr = request->ts_recent;
		size += 12;
		if (!request->tsval_first)
			request->tsval_first = o->tsval = o->tsval ? o->tsval : UINT32_MAX;
		request->tsval_last = o->tsval;
	}
	if (request->sack_ok) {
		o->has_sackok = true;
		if (!request->tstamp_ok)
			size += 4;
	}
	size = add_fastopen(o, cookie, size);
	return tcp_accecn_synack_options(request, o, size);
}

/* As many blocks as fit, the D-SACK before the others. */
static unsigned add_sacks(struct tcp_sock *tp, struct tcp_out_options *o, unsigned size)
{
	unsigned blocks = tp->num_sacks + tp->dsack_due, room = OPTION_SPACE - size;
	if (!blocks || room < 12)
		return size;
	if (blocks > (room - 4) / 8)
		blocks = (room - 4) / 8;
	for (unsigned i = 0; i < blocks; i++) {
		if (tp->dsack_due)
			o->sack[i] = i ? tp->selective_acks[i - 1] : tp->duplicate_sack;
		else
			o->sack[i] = tp->selective_acks[i];
	}
	o->sacks = (uint8_t)blocks;
	return size + 4 + 8 * blocks;
}

unsigned tcp_options_established(struct tcp_sock *tp, const struct pktbuf *packet, struct tcp_out_options *o)
{
	unsigned size = 0;
	*o = (struct tcp_out_options){ .md5 = tcp_md5_lookup(tp, tp->sk.remote) };
	if (o->md5)
		size += 20;
	if (tp->tstamp_ok) {
		o->has_timestamp = true;
		o->tsval = packet ? tcp_packet_ts(tp, packet) : 0;
		o->tsecr = tp->ts_recent;
		size += 12;
	}
	size = add_sacks(tp, o, size);
	if (packet && o->sacks)
		tp->dsack_due = false;
	return tcp_accecn_options(tp, packet, o, size);
}

/* --- writing them ---------------------------------------------------------------------------------------------------------- */
static uint8_t *write_accecn(uint8_t *to, const struct tcp_out_options *o)
{
	unsigned order[3] = { 0, 1, 2 };
	if (o->accecn_order) {
		order[0] = 2;
		order[2] = 0;
	}
	*to++ = o->accecn_order ? 174 : 172;
	*to++ = (uint8_t)(2 + 3 * o->accecn_fields);
	for (unsigned i = 0; i < o->accecn_fields; i++) {
		*to++ = (uint8_t)(o->accecn[order[i]] >> 16);
		to = put16(to, o->accecn[order[i]]);
	}
	return to;
}

static uint8_t *write_fastopen(uint8_t *to, const struct tcp_fastopen_cookie *cookie)
{
	if (cookie->experimental) {
		*to++ = 254;
		*to++ = (uint8_t)(4 + cookie->length);
		to = put16(to, 0xf989);
	} else {
		*to++ = 34;
		*to++ = (uint8_t)(2 + cookie->length);
	}
	memcpy(to, cookie->bytes, (size_t)cookie->length);
	return to + cookie->length;
}

/*
 * Two bytes left over by AccECN's odd length are used up by the next option instead of its leading NOPs. `to` at an even offset
 * that is no multiple of four says that there are some.
 */
static uint8_t *pad2(uint8_t *to, const uint8_t *start)
{
	if (((to - start) & 3) == 0) {
		*to++ = 1;
		*to++ = 1;
	}
	return to;
}

static uint8_t *write_options(uint8_t *start, const struct tcp_out_options *o, uint8_t **md5_place)
{
	uint8_t *to = start;
	bool sackok = o->has_sackok;
	if (o->md5) {
		to = put4(to, 1, 1, 19, 18);
		*md5_place = to;
		memset(to, 0, 16);
		to += 16;
	}
	if (o->has_mss)
		to = put16(put16(to, 0x0204), o->mss);
	if (o->has_timestamp) {
		to = sackok ? put4(to, 4, 2, 8, 10) : put4(to, 1, 1, 8, 10);
		to = put32(put32(to, o->tsval), o->tsecr);
		sackok = false;
	}
	if (o->has_accecn) {
		to = write_accecn(to, o);
		while ((to - start) & 1)
			*to++ = 1;
	}
	if (sackok)
		to = put16(pad2(to, start), 0x0402);
	if (o->has_wscale) {
		while (((to - start) & 3) != 1)
			*to++ = 1;
		*to++ = 3;
		*to++ = 3;
		*to++ = o->wscale;
	}
	if (o->sacks) {
		to = put16(pad2(to, start), 0x0500 | (2u + 8u * o->sacks));
		for (unsigned i = 0; i < o->sacks; i++)
			to = put32(put32(to, o->sack[i].start), o->sack[i].end);
	}
	if (o->has_fastopen)
		to = write_fastopen(to, &o->fastopen);
	while ((to - start) & 3)
		*to++ = 1;
	return to;
}

void tcp_header_push(struct pktbuf *packet, const struct tcp_out_header *h, const struct tcp_out_options *o)
{
	uint8_t options[OPTION_SPACE + 24], *md5_place = NULL;
	size_t length = o ? (size_t)(write_options(options, o, &md5_place) - options) : 0;
	size_t payload = pktbuf_length(packet);
	uint8_t *header = pktbuf_push(packet, TCP_HEADER + length);
	packet->transport = header;
	put16(put16(header, h->source_port), h->destination_port);
	put32(put32(header + 4, h->seq), h->ack);
	put16(header + 12, (uint32_t)((TCP_HEADER + length) / 4) << 12 | h->flags);
	put16(header + 14, h->window);
	put16(put16(header + 16, 0), h->urgent);
	memcpy(header + TCP_HEADER, options, length);
	if (md5_place)
		tcp_md5_sign(o->md5, h->source, h->destination, header, TCP_HEADER + length, header + TCP_HEADER + length, payload,
			     header + TCP_HEADER + (md5_place - options));
	uint32_t sum = checksum_pseudo(h->source, h->destination, IPPROTO_TCP, pktbuf_length(packet));
	uint16_t checksum = checksum_finish(checksum_add(packet->data, pktbuf_length(packet), sum));
	memcpy(header + 16, &checksum, 2);
}
