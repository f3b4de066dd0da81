/*
 * The states of loss recovery and the ways between them.
 *
 *   Open      nothing is amiss.
 *   Disorder  SACKs or duplicates came, too few to tell loss from reordering; new data still flows (limited transmit, RFC 3042).
 *   CWR       the window is being reduced for a reason other than loss.
 *   Recovery  losses were found by RACK or, without SACK, by duplicates (NewReno, RFC 6582); the window is being reduced.
 *   Loss      a timeout. F-RTO (RFC 5682) finds out whether it was spurious.
 *
 * Recovery and Loss end when everything that was in flight at their beginning (high_seq) is acknowledged. A reduction is undone
 * when it turns out that the packets were only late: the timestamp echoed is from before the first retransmission (Eifel,
 * RFC 3522 and RFC 4015), or every retransmission was reported as a duplicate by D-SACK (RFC 3708).
 */
#include "send.h"

void tcp_forget_hints(struct tcp_sock *tp)
{
	tp->retransmit_hint = NULL;
}

/* Without retransmissions left in the queue, the next one begins a new episode. */
static void clean_retrans_stamp(struct tcp_sock *tp)
{
	if (!tcp_any_retransmission(tp))
		tp->retrans_stamp = 0;
}

/* --- duplicates instead of SACKs ----------------------------------------------------------------------------------------- */

/* Each duplicate stands for a packet delivered; keep the count below what is out, less what must be missing. */
bool tcp_reno_sacked_limit(struct tcp_sock *tp)
{
	uint32_t holes = tp->lost_out > 1 ? tp->lost_out : 1;

	if (holes > tp->packets_out)
		holes = tp->packets_out;
	if (tp->sacked_out + holes <= tp->packets_out)
		return false;
	tp->sacked_out = tp->packets_out - holes;
	return true;
}

/* More duplicates than packets out: the network duplicates or reorders. */
static void check_reno_reordering(struct tcp_sock *tp, uint32_t more)
{
	uint32_t most = (uint32_t)tcp_sysctl(tp)->tcp_max_reordering;

	if (!tcp_reno_sacked_limit(tp))
		return;
	tp->reordering = tp->packets_out + more < most ? tp->packets_out + more : most;
	tp->reord_seen++;
	COUNT(tp->sk.stack, TcpExt, TCPRenoReorder);
}

void tcp_reno_sacked_add(struct tcp_sock *tp, uint32_t dupacks, bool ece)
{
	uint32_t prior = tp->sacked_out;

	if (!dupacks)
		return;
	tp->sacked_out += dupacks;
	check_reno_reordering(tp, 0);
	if ((int32_t)(tp->sacked_out - prior) > 0)
		tcp_deliver_count(tp, tp->sacked_out - prior, ece);
}

/* `acked` packets were acknowledged at once: one of them was the hole, the others had been counted by duplicates. */
void tcp_reno_sacked_remove(struct tcp_sock *tp, int acked, bool ece)
{
	if (acked > 0) {
		uint32_t packets = (uint32_t)acked;

		tcp_deliver_count(tp, packets > tp->sacked_out + 1 ? packets - tp->sacked_out : 1, ece);
		tp->sacked_out = packets - 1 >= tp->sacked_out ? 0 : tp->sacked_out - (packets - 1);
	}
	check_reno_reordering(tp, (uint32_t)acked);
}

void tcp_reno_sacked_reset(struct tcp_sock *tp)
{
	tp->sacked_out = 0;
}

/* NewReno: the first packet is lost, after enough duplicates, or with each partial acknowledgement during recovery. */
static void mark_first_lost(struct tcp_sock *tp, bool advanced)
{
	struct pktbuf *head = tcp_rtx_head(tp);
	struct tcp_control *cb = tcp_cb(head);

	if (!(tp->ca_state < TCP_CA_STATE_RECOVERY && tp->sacked_out >= tp->reordering) &&
	    !(tp->ca_state == TCP_CA_STATE_RECOVERY && advanced))
		return;
	if (cb->sacked & TCPCB_LOST)
		return;
	uint32_t mss = cb->gso_size;
	if (cb->segments > 1 && pktbuf_length(head) > mss)
		tcp_split(tp, &tp->retransmit_queue, head, mss, mss);
	tcp_mark_lost(tp, head);
}

static void find_losses(struct tcp_sock *tp, int *flag)
{
	uint32_t resent = tp->retrans_out;

	if (!tcp_rtx_head(tp))
		return;
	if (tcp_is_reno(tp)) {
		mark_first_lost(tp, *flag & FLAG_SND_UNA_ADVANCED);
		return;
	}
	if (tcp_rack_mark_lost(tp))
		*flag &= ~FLAG_SET_XMIT_TIMER;
	if (resent > tp->retrans_out)
		*flag |= FLAG_LOST_RETRANS;
}

/* --- undo -------------------------------------------------------------------------------------------------------------------- */

static bool echo_is_before(const struct tcp_sock *tp, uint32_t stamp)
{
	return tp->saw_tstamp && tp->rcv_tsecr && before(tp->rcv_tsecr, stamp);
}

/* Was what is acknowledged now only late? Its echo is older than the first retransmission, or there has been none yet. */
static bool packet_was_late(const struct tcp_sock *tp)
{
	if (tp->retrans_stamp)
		return echo_is_before(tp, tp->retrans_stamp);
	/* Two cases in which retransmissions happened and the stamp is gone all the same. */
	if (tcp_is_reno(tp) && !before(tp->snd_una, tp->high_seq))
		return false;
	return tp->sk.state != TCP_SYN_SENT;
}

static bool may_undo(const struct tcp_sock *tp)
{
	return tp->undo_marker && (!tp->undo_retrans || packet_was_late(tp));
}

/* Take back the reduction, and with `unmark` the verdict that packets were lost. */
static void undo_reduction(struct tcp_sock *tp, bool unmark)
{
	if (unmark) {
		for (struct pktbuf *packet = tcp_rtx_head(tp); packet; packet = packet->next)
			tcp_cb(packet)->sacked &= (uint8_t)~TCPCB_LOST;
		tp->lost_out = 0;
		tcp_forget_hints(tp);
	}
	if (tp->prior_ssthresh) {
		tp->snd_cwnd = tp->cong->undo_cwnd(tp);
		if (tp->prior_ssthresh > tp->snd_ssthresh) {
			tp->snd_ssthresh = tp->prior_ssthresh;
			tcp_ecn_withdraw_cwr(tp);
		}
	}
	tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	tp->undo_marker = 0;
	tp->rack.advanced = true;	/* look at everything again */
}

/* Without SACK, stay until something above high_seq is acknowledged: duplicates of before must not start another recovery. */
static bool reno_keeps_state(struct tcp_sock *tp)
{
	if (tp->snd_una != tp->high_seq || !tcp_is_reno(tp))
		return false;
	clean_retrans_stamp(tp);
	return true;
}

static void reopen(struct tcp_sock *tp)
{
	tcp_set_ca_state(tp, TCP_CA_STATE_OPEN);
	tp->is_sack_reneg = false;
}

/* The recovery's end was reached. true: the state is kept for the time being. */
bool tcp_try_undo_recovery(struct tcp_sock *tp)
{
	if (may_undo(tp)) {
		undo_reduction(tp, false);
		if (tp->ca_state == TCP_CA_STATE_LOSS)
			COUNT(tp->sk.stack, TcpExt, TCPLossUndo);
		else
			COUNT(tp->sk.stack, TcpExt, TCPFullUndo);
	} else if (tp->rack.reo_wnd_persist) {
		tp->rack.reo_wnd_persist--;
	}
	if (reno_keeps_state(tp))
		return true;
	reopen(tp);
	return false;
}

/* Every retransmission was a duplicate at the peer. */
static bool undo_by_duplicates(struct tcp_sock *tp)
{
	if (!tp->undo_marker || tp->undo_retrans)
		return false;
	if (tp->rack.reo_wnd_persist < TCP_RACK_PERSIST)
		tp->rack.reo_wnd_persist++;
	undo_reduction(tp, false);
	COUNT(tp->sk.stack, TcpExt, TCPDSACKUndo);
	return true;
}

/* Part of what was in flight at the start of the recovery is acknowledged. true: it was late, and retransmissions are out. */
static bool undo_partially(struct tcp_sock *tp, uint32_t prior_una)
{
	if (!tp->undo_marker || !packet_was_late(tp))
		return false;
	tcp_check_sack_reordering(tp, prior_una, true);
	/* Retransmissions are in flight: let new data out, but mark and send nothing more of the old. */
	if (tp->retrans_out)
		return true;
	clean_retrans_stamp(tp);
	undo_reduction(tp, true);
	COUNT(tp->sk.stack, TcpExt, TCPPartialUndo);
	tcp_try_keep_open(tp);
	return false;
}

static bool undo_loss(struct tcp_sock *tp, bool spurious_by_frto)
{
	if (!spurious_by_frto && !may_undo(tp))
		return false;
	undo_reduction(tp, true);
	COUNT(tp->sk.stack, TcpExt, TCPLossUndo);
	if (spurious_by_frto)
		COUNT(tp->sk.stack, TcpExt, TCPSpuriousRTOs);
	tp->retransmits = 0;
	if (reno_keeps_state(tp))
		return true;
	if (spurious_by_frto || !tcp_is_reno(tp))
		reopen(tp);
	return true;
}

/* A SYN was resent needlessly when its SYN-ACK echoes the first one's timestamp: the initial window is not to suffer. */
void tcp_try_undo_spurious_syn(struct tcp_sock *tp)
{
	if (tp->undo_marker && tp->retrans_stamp && tp->saw_tstamp && tp->retrans_stamp == tp->rcv_tsecr)
		tp->undo_marker = 0;
}

/* --- entering ----------------------------------------------------------------------------------------------------------------- */

static void prepare_undo(struct tcp_sock *tp)
{
	tp->undo_marker = tp->snd_una;
	tp->undo_retrans = (int32_t)tp->retrans_out;
	if (tp->tlp_high_seq && tp->tlp_retrans)
		tp->undo_retrans++;
	if (!tp->undo_retrans)
		tp->undo_retrans = -1;	/* 0 would say: all of them were duplicates */
}

void tcp_enter_recovery(struct tcp_sock *tp, bool ece)
{
	clean_retrans_stamp(tp);
	if (tcp_is_reno(tp))
		COUNT(tp->sk.stack, TcpExt, TCPRenoRecovery);
	else
		COUNT(tp->sk.stack, TcpExt, TCPSackRecovery);
	tp->prior_ssthresh = 0;
	prepare_undo(tp);
	if (!tcp_in_cwnd_reduction(tp)) {
		if (!ece)
			tp->prior_ssthresh = tcp_current_ssthresh(tp);
		tcp_init_cwnd_reduction(tp);
	}
	tcp_set_ca_state(tp, TCP_CA_STATE_RECOVERY);
}

/* After a timeout everything in flight is lost, but for what was sent too recently to have been acknowledged. */
static void mark_all_lost(struct tcp_sock *tp)
{
	struct pktbuf *head = tcp_rtx_head(tp);
	/* The oldest packet cannot be SACKed and unacknowledged: the peer threw away what it had reported (RFC 2018 section 8). */
	bool reneged = head && (tcp_cb(head)->sacked & TCPCB_SACKED_ACKED);

	if (reneged) {
		COUNT(tp->sk.stack, TcpExt, TCPSACKReneging);
		tp->sacked_out = 0;
		tp->is_sack_reneg = true;
	} else if (tcp_is_reno(tp)) {
		tcp_reno_sacked_reset(tp);
	}
	for (struct pktbuf *packet = head; packet; packet = packet->next) {
		if (reneged)
			tcp_cb(packet)->sacked &= (uint8_t)~TCPCB_SACKED_ACKED;
		else if (packet != head && tcp_rack_left_us(tp, packet, 0) > 0)
			continue;
		tcp_mark_lost(tp, packet);
	}
	tcp_forget_hints(tp);
}

void tcp_enter_loss(struct tcp_sock *tp)
{
	bool new_recovery = tp->ca_state < TCP_CA_STATE_RECOVERY;
	uint32_t reordering = (uint32_t)tcp_sysctl(tp)->tcp_reordering;

	mark_all_lost(tp);
	/* One reduction for one flight. */
	if (tp->ca_state <= TCP_CA_STATE_DISORDER || !after(tp->high_seq, tp->snd_una) ||
	    (tp->ca_state == TCP_CA_STATE_LOSS && !tp->retransmits)) {
		tp->prior_ssthresh = tcp_current_ssthresh(tp);
		tp->prior_cwnd = tp->snd_cwnd;
		tp->snd_ssthresh = tp->cong->ssthresh(tp);
		tcp_cong_tell(tp, CONG_LOSS);
		prepare_undo(tp);
	}
	tp->snd_cwnd = tcp_packets_in_flight(tp) + 1;
	tp->snd_cwnd_cnt = 0;
	tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	/* So many duplicates and yet a timeout: reordering was overestimated. */
	if (tp->ca_state <= TCP_CA_STATE_DISORDER && tp->sacked_out >= reordering && tp->reordering > reordering)
		tp->reordering = reordering;
	tcp_set_ca_state(tp, TCP_CA_STATE_LOSS);
	tp->high_seq = tp->snd_nxt;
	tp->tlp_high_seq = 0;
	tcp_ecn_queue_cwr(tp);
	tp->frto = tcp_sysctl(tp)->tcp_frto && (new_recovery || tp->retransmits) && !tp->mtup.probe_size;
}

/* --- one acknowledgement ---------------------------------------------------------------------------------------------------------- */

/*
 * F-RTO after a timeout, RFC 5682 section 3.1. true: something was decided. Data acknowledged that was never retransmitted
 * means that the timeout was spurious; until that is known new data is sent, if there is any.
 */
static bool frto_step(struct tcp_sock *tp, int flag, uint32_t dupacks, bool recovered, enum tcp_resend *resend)
{
	if ((flag & FLAG_ORIG_SACK_ACKED) && undo_loss(tp, true))
		return true;
	if (after(tp->snd_nxt, tp->high_seq)) {
		if ((flag & FLAG_DATA_SACKED) || dupacks)
			tp->frto = false;	/* 3.a: the loss was real */
	} else if ((flag & FLAG_SND_UNA_ADVANCED) && !recovered) {
		tp->high_seq = tp->snd_nxt;
		if (tcp_send_head(tp) && after(tcp_wnd_end(tp), tp->snd_nxt)) {
			*resend = RESEND_NEW;	/* 2.b */
			return true;
		}
		tp->frto = false;
	}
	return false;
}

static void loss_step(struct tcp_sock *tp, int flag, uint32_t dupacks, enum tcp_resend *resend)
{
	bool recovered = !before(tp->snd_una, tp->high_seq);

	if (((flag & FLAG_SND_UNA_ADVANCED) || tp->request) && undo_loss(tp, false))
		return;
	if (tp->frto && frto_step(tp, flag, dupacks, recovered, resend))
		return;
	if (recovered) {
		tcp_try_undo_recovery(tp);
		return;
	}
	if (tcp_is_reno(tp)) {
		if (after(tp->snd_nxt, tp->high_seq) && dupacks)
			tcp_reno_sacked_add(tp, dupacks, flag & FLAG_ECE);
		else if (flag & FLAG_SND_UNA_ADVANCED)
			tcp_reno_sacked_reset(tp);
	}
	*resend = RESEND_LOST;
}

static void try_to_open(struct tcp_sock *tp, int flag)
{
	clean_retrans_stamp(tp);
	if (flag & FLAG_ECE)
		tcp_enter_cwr(tp);
	if (tp->ca_state != TCP_CA_STATE_CWR)
		tcp_try_keep_open(tp);
}

/*
 * The oldest packet is SACKed although it is not acknowledged: the peer may have thrown it away. Wait a little for an
 * acknowledgement that was overtaken, then let a timeout send everything again.
 */
static bool wait_for_reneging(struct tcp_sock *tp, int *flag)
{
	if (!(*flag & FLAG_SACK_RENEGING) || !(*flag & FLAG_SND_UNA_ADVANCED))
		return false;
	uint32_t jiffies = tcp_us_to_jiffies(tp, tp->srtt_us >> 4), least = tcp_ms_to_jiffies(tp, 10);
	tcp_arm(tp, ICSK_TIME_RETRANS, jiffies > least ? jiffies : least, false);
	*flag &= ~FLAG_SET_XMIT_TIMER;
	return true;
}

/* A path MTU probe was lost, and nothing else: a smaller size next time, and no reduction. */
static bool probe_was_lost(struct tcp_sock *tp)
{
	if (tp->ca_state >= TCP_CA_STATE_CWR || !tp->mtup.probe_size || tp->snd_una != tp->mtup.probe_seq_start)
		return false;
	tcp_mtu_probe_failed(tp);
	tp->snd_cwnd++;		/* what the probe took */
	tcp_simple_retransmit(tp);
	return true;
}

/* high_seq was reached: CWR and Recovery end. true: nothing more is to be done for this acknowledgement. */
static bool leave_reduction(struct tcp_sock *tp)
{
	switch (tp->ca_state) {
	case TCP_CA_STATE_CWR:
		/* An acknowledgement of exactly high_seq may be one of several for it; the next one ends it. */
		if (tp->snd_una != tp->high_seq) {
			tcp_end_cwnd_reduction(tp);
			tcp_set_ca_state(tp, TCP_CA_STATE_OPEN);
		}
		break;
	case TCP_CA_STATE_RECOVERY:
		if (tcp_is_reno(tp))
			tcp_reno_sacked_reset(tp);
		if (tcp_try_undo_recovery(tp))
			return true;
		tcp_end_cwnd_reduction(tp);
		break;
	}
	return false;
}

void tcp_rto_stats_end(struct tcp_sock *tp)
{
	if (tp->rto_stamp) {
		tp->total_rto_time += tcp_clock_ts(tp->sk.stack, false) - tp->rto_stamp;
		tp->rto_stamp = 0;
	}
}

/* Open, Disorder, CWR: is there a loss now? */
static void detect_step(struct tcp_sock *tp, uint32_t dupacks, int *flag, enum tcp_resend *resend)
{
	bool ece = *flag & FLAG_ECE;

	if (tcp_is_reno(tp)) {
		if (*flag & FLAG_SND_UNA_ADVANCED)
			tcp_reno_sacked_reset(tp);
		tcp_reno_sacked_add(tp, dupacks, ece);
	}
	if (tp->ca_state <= TCP_CA_STATE_DISORDER)
		undo_by_duplicates(tp);
	find_losses(tp, flag);
	if (!tp->lost_out) {
		try_to_open(tp, *flag);
		return;
	}
	if (probe_was_lost(tp))
		return;
	tcp_enter_recovery(tp, ece);
	*resend = RESEND_LOST;
}

/*
 * An acknowledgement that is a duplicate, raises an alarm, or comes outside of Open: move the state of recovery on. *resend
 * says what to send afterwards, when the window is known.
 */
void tcp_recovery_step(struct tcp_sock *tp, uint32_t prior_una, uint32_t dupacks, int *flag, enum tcp_resend *resend)
{
	bool ece = *flag & FLAG_ECE;

	if (!tp->packets_out && tp->sacked_out)
		tp->sacked_out = 0;
	if (ece)
		tp->prior_ssthresh = 0;	/* the reduction is not to be undone */
	if (wait_for_reneging(tp, flag))
		return;
	if (tp->ca_state == TCP_CA_STATE_OPEN)
		tp->retrans_stamp = 0;
	else if (!before(tp->snd_una, tp->high_seq) && leave_reduction(tp))
		return;

	switch (tp->ca_state) {
	case TCP_CA_STATE_RECOVERY:
		if (!(*flag & FLAG_SND_UNA_ADVANCED)) {
			if (tcp_is_reno(tp))
				tcp_reno_sacked_add(tp, dupacks, ece);
		} else if (undo_partially(tp, prior_una)) {
			return;
		}
		if (undo_by_duplicates(tp))
			try_to_open(tp, *flag);
		find_losses(tp, flag);
		if (tp->ca_state != TCP_CA_STATE_RECOVERY) {
			if (!tp->lost_out)
				return;
			tcp_enter_recovery(tp, ece);	/* undone, and yet there are losses: another begins */
		}
		*resend = RESEND_LOST;
		break;
	case TCP_CA_STATE_LOSS:
		loss_step(tp, *flag, dupacks, resend);
		if (tp->ca_state != TCP_CA_STATE_LOSS)
			tcp_rto_stats_end(tp);
		find_losses(tp, flag);
		if (tp->ca_state == TCP_CA_STATE_OPEN || (*flag & FLAG_LOST_RETRANS))
			detect_step(tp, dupacks, flag, resend);
		break;
	default:
		detect_step(tp, dupacks, flag, resend);
	}
}
