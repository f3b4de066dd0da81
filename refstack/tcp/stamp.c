/*
 * Transmit time stamps (Documentation/networking/timestamping.rst) and completions of MSG_ZEROCOPY, both on the error queue.
 *
 * A stamp is asked for a byte: the last one of a sendmsg call. It is taken when the segment with that byte enters the link's
 * queue (SCHED), leaves this host (SND), and when the byte is acknowledged (ACK). With SOF_TIMESTAMPING_OPT_ID a report tells
 * the byte by its offset from where the stream stood when the option was set.
 */
#include "send.h"

#include <linux/capability.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <stdlib.h>

/* sendmsg is done; `packet` holds its last byte. */
void tcp_stamp_request(struct tcp_sock *tp, struct pktbuf *packet, uint32_t timestamping)
{
	struct tcp_control *cb = tcp_cb(packet);

	if (timestamping & SOF_TIMESTAMPING_TX_SCHED)
		cb->tx_flags |= TCPTX_SCHED;
	if (timestamping & SOF_TIMESTAMPING_TX_SOFTWARE)
		cb->tx_flags |= TCPTX_SOFTWARE;
	if (timestamping & SOF_TIMESTAMPING_TX_ACK)
		cb->txstamp_ack = true;
	if (timestamping & SOF_TIMESTAMPING_TX_RECORD_MASK)
		cb->timestamp_key = cb->seq + pktbuf_length(packet) - 1;
}

/*
 * Report a stamp of `buffer`. `packet` is what goes with the report, unless only the stamp was asked for; the statistics of
 * SOF_TIMESTAMPING_OPT_STATS take its place then. ttl: of the acknowledgement, -1 when it is not about one.
 */
static void report(struct tcp_sock *tp, uint32_t type, const struct pktbuf *buffer, const struct pktbuf *packet, int ttl)
{
	struct sock *sk = &tp->sk;
	struct pl_stack *stack = sk->stack;
	bool only_stamp = sk->timestamping & SOF_TIMESTAMPING_OPT_TSONLY;
	bool statistics = only_stamp && (sk->timestamping & SOF_TIMESTAMPING_OPT_STATS);
	struct pktbuf *payload = NULL;

	if (!only_stamp && !stack->sysctl.tstamp_allow_data && !capable(stack, CAP_NET_RAW))
		return;
	if (statistics)
		payload = tcp_statistics(tp, buffer, ttl);
	else if (!only_stamp)
		payload = pktbuf_copy(stack, packet, 0);
	if (!payload && (statistics || !only_stamp))
		return;
	sock_queue_timestamp(sk, type, tcp_cb(buffer)->timestamp_key - sk->timestamp_key, payload, statistics);
}

void tcp_stamp_sent(struct tcp_sock *tp, const struct pktbuf *packet, const struct pktbuf *sent, bool left)
{
	uint8_t wanted = tcp_cb(packet)->tx_flags;

	if (wanted & TCPTX_SCHED)
		report(tp, SCM_TSTAMP_SCHED, packet, sent, -1);
	if ((wanted & TCPTX_SOFTWARE) && left)
		report(tp, SCM_TSTAMP_SND, packet, sent, -1);
}

/* The acknowledgement `segment` moved snd_una from prior_una: does it cover the byte? */
void tcp_stamp_acked(struct tcp_sock *tp, struct pktbuf *packet, uint32_t prior_una, const struct tcp_segment *segment)
{
	struct tcp_control *cb = tcp_cb(packet);

	if (!cb->txstamp_ack || before(cb->timestamp_key, prior_una) || !before(cb->timestamp_key, tp->snd_una))
		return;
	const struct pktbuf *ack = segment->packet;
	int ttl = ack && ack->network ? ((const struct iphdr *)ack->network)->ttl : -1;
	report(tp, SCM_TSTAMP_ACK, packet, packet, ttl);
}

/* --- MSG_ZEROCOPY ------------------------------------------------------------------------------------------------------------ */

/* What one notification may cover, less four of the largest segments (Linux keeps to it to bound what a report speaks of). */
#define ZEROCOPY_MOST_BYTES (65535u * 8 - 4 * 65535u)

/*
 * sendmsg begins. The notification of the buffer at the end of the write queue goes on with this call when the numbers of the
 * calls follow each other; else there is a new one. NULL: no memory.
 */
struct tcp_zerocopy *tcp_zerocopy_start(struct tcp_sock *tp, struct pktbuf *last, size_t size)
{
	struct tcp_zerocopy *zerocopy = last ? tcp_cb(last)->zerocopy : NULL;

	if (zerocopy && zerocopy->bytes + size < ZEROCOPY_MOST_BYTES && zerocopy->id + zerocopy->calls == tp->sk.zerocopy_key) {
		zerocopy->calls++;
		zerocopy->bytes += (uint32_t)size;
	} else {
		zerocopy = calloc(1, sizeof(*zerocopy));
		if (!zerocopy)
			return NULL;
		zerocopy->id = tp->sk.zerocopy_key;
		zerocopy->calls = 1;
		zerocopy->bytes = (uint32_t)size;
	}
	tp->sk.zerocopy_key++;
	return tcp_zerocopy_hold(zerocopy);
}

struct tcp_zerocopy *tcp_zerocopy_hold(struct tcp_zerocopy *zerocopy)
{
	zerocopy->references++;
	return zerocopy;
}

bool tcp_zerocopy_attach(struct tcp_zerocopy *zerocopy, struct pktbuf *packet)
{
	struct tcp_control *cb = tcp_cb(packet);

	if (cb->zerocopy)
		return cb->zerocopy == zerocopy;
	if (pktbuf_length(packet))
		return false;	/* copied bytes and user pages do not share a buffer */
	cb->zerocopy = tcp_zerocopy_hold(zerocopy);
	return true;
}

/* The last buffer that held the pages is gone: tell the user that they are free. calls is 0 when nothing is to be told. */
void tcp_zerocopy_release(struct tcp_sock *tp, struct tcp_zerocopy *zerocopy)
{
	if (--zerocopy->references > 0)
		return;
	if (zerocopy->calls)
		sock_queue_zerocopy(&tp->sk, zerocopy->id, zerocopy->id + zerocopy->calls - 1, zerocopy->copied);
	free(zerocopy);
}

void tcp_zerocopy_finish(struct tcp_sock *tp, struct tcp_zerocopy *zerocopy, bool failed)
{
	if (failed) {
		tp->sk.zerocopy_key--;
		zerocopy->calls--;
	}
	tcp_zerocopy_release(tp, zerocopy);
}
