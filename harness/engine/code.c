/*
 * Python blocks. What a block may ask about (TCP_INFO, TCP_CC_INFO, SO_MEMINFO of the socket under test) is read when its time
 * comes; the blocks themselves run after the last event, all in one program, as packetdrill has them.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "../python/python.h"
#include "run.h"

#define INFO_BYTES 512

/* A block whose time has come. */
struct code_block {
	struct code_block *next;
	const struct event *event;
	struct python_variable *variable;
	unsigned variables, entry;
};

/* A variable and where its value stands: bits `shift` to `shift + bits` of the bytes at `offset`, which may be `size` long. */
struct info_field {
	const char *name;
	uint16_t offset;
	uint8_t size, shift, bits;	/* bits 0: all */
};

static const struct info_field tcp_info_fields[] = {
#define INFO(name, offset, width) { #name, offset, (width) / 8, 0, 0 },
#include "tcp_info_members.h"
#undef INFO
	{ "tcpi_snd_wscale", 6, 1, 0, 4 },
	{ "tcpi_rcv_wscale", 6, 1, 4, 4 },
	{ "tcpi_delivery_rate_app_limited", 7, 1, 0, 1 },
	{ "tcpi_fastopen_client_fail", 7, 1, 1, 2 },
	{ "tcpi_ecn_mode", 276, 4, 0, 2 },
	{ "tcpi_accecn_opt_seen", 276, 4, 2, 2 },
	{ "tcpi_accecn_fail_mode", 276, 4, 4, 4 },
	{ "tcpi_options2", 276, 4, 8, 24 },
};

/* union tcp_cc_info: which member it is, only the congestion control knows; all that fit are there, as in packetdrill. */
static const struct info_field bbr_fields[] = {
	{ "bbr_bw_lo", 0, 4, 0, 0 }, { "bbr_bw_hi", 4, 4, 0, 0 }, { "bbr_bw", 0, 8, 0, 0 }, { "bbr_min_rtt", 8, 4, 0, 0 },
	{ "bbr_pacing_gain", 12, 4, 0, 0 }, { "bbr_cwnd_gain", 16, 4, 0, 0 },
};
static const struct info_field other_cc_fields[] = {
	{ "dctcp_enabled", 0, 2, 0, 0 }, { "dctcp_ce_state", 2, 2, 0, 0 }, { "dctcp_alpha", 4, 4, 0, 0 },
	{ "dctcp_ab_ecn", 8, 4, 0, 0 }, { "dctcp_ab_tot", 12, 4, 0, 0 }, { "tcpv_enabled", 0, 4, 0, 0 },
	{ "tcpv_rttcnt", 4, 4, 0, 0 }, { "tcp_rtt", 8, 4, 0, 0 }, { "tcp_minrtt", 12, 4, 0, 0 },
};
static const struct info_field meminfo_fields[] = {
	{ "SK_MEMINFO_RMEM_ALLOC", 0, 4, 0, 0 }, { "SK_MEMINFO_RCVBUF", 4, 4, 0, 0 },
	{ "SK_MEMINFO_WMEM_ALLOC", 8, 4, 0, 0 }, { "SK_MEMINFO_SNDBUF", 12, 4, 0, 0 },
	{ "SK_MEMINFO_FWD_ALLOC", 16, 4, 0, 0 }, { "SK_MEMINFO_WMEM_QUEUED", 20, 4, 0, 0 },
	{ "SK_MEMINFO_OPTMEM", 24, 4, 0, 0 },    { "SK_MEMINFO_BACKLOG", 28, 4, 0, 0 },
	{ "SK_MEMINFO_DROPS", 32, 4, 0, 0 },
};

static const struct python_variable constants[] = {
	{ "TCP_ESTABLISHED", 1 }, { "TCP_SYN_SENT", 2 }, { "TCP_SYN_RECV", 3 }, { "TCP_FIN_WAIT1", 4 }, { "TCP_FIN_WAIT2", 5 },
	{ "TCP_TIME_WAIT", 6 }, { "TCP_CLOSE", 7 }, { "TCP_CLOSE_WAIT", 8 }, { "TCP_LAST_ACK", 9 }, { "TCP_LISTEN", 10 },
	{ "TCP_CLOSING", 11 }, { "TCP_CA_Open", 0 }, { "TCP_CA_Disorder", 1 }, { "TCP_CA_CWR", 2 }, { "TCP_CA_Recovery", 3 },
	{ "TCP_CA_Loss", 4 }, { "TCPI_OPT_TIMESTAMPS", 1 }, { "TCPI_OPT_SACK", 2 }, { "TCPI_OPT_WSCALE", 4 },
	{ "TCPI_OPT_ECN", 8 }, { "TCPI_OPT_ECN_SEEN", 16 }, { "TCPI_OPT_SYN_DATA", 32 }, { "TCPI_OPT_USEC_TS", 64 },
	{ "TCPI_OPT_TFO_CHILD", 128 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOST_VARIABLES \
	(COUNT(constants) + COUNT(tcp_info_fields) + COUNT(bbr_fields) + COUNT(other_cc_fields) + COUNT(meminfo_fields))

/* --- collecting ----------------------------------------------------------------------------------------------------------- */
static void block_fields(struct code_block *block, const struct info_field *field, size_t count, const uint8_t *bytes)
{
	for (size_t i = 0; i < count; i++, field++) {
		uint64_t value = 0;

		memcpy(&value, bytes + field->offset, field->size);
		value >>= field->shift;
		if (field->bits)
			value &= (UINT64_C(1) << field->bits) - 1;
		block->variable[block->variables++] = (struct python_variable){ field->name, value };
	}
}

/* The option's bytes, zeros behind them; their number, or minus the error. */
static int64_t option_read(struct run *run, int level, int name, uint8_t bytes[INFO_BYTES], socklen_t room)
{
	socklen_t length = room;
	struct pl_call call = { .op = PL_OP_getsockopt };

	memset(bytes, 0, INFO_BYTES);
	call.arg[0] = run->flow->live_fd;
	call.arg[1] = level;
	call.arg[2] = name;
	call.arg[3] = PL_PTR(bytes);
	call.arg[4] = PL_PTR(&length);
	run->ops->submit(run->target, &call);
	if (!call.finished)
		run->ops->cancel(run->target, &call);
	return call.result < 0 ? call.result : (int64_t)length;
}

static bool option_missing(struct run *run, const char *name, int64_t status)
{
	run_fail(run, run->event, "Python: getsockopt %s of the socket under test: %s", name, errno_text(run, (int)-status));
	return false;
}

static bool block_collect(struct run *run, struct code_block *block)
{
	uint8_t *bytes = arena_alloc(run->arena, INFO_BYTES);
	int64_t length = option_read(run, IPPROTO_TCP, TCP_INFO, bytes, 280);

	if (length < 0)
		return option_missing(run, "TCP_INFO", length);
	memcpy(block->variable, constants, sizeof(constants));
	block->variables = COUNT(constants);
	block_fields(block, tcp_info_fields, COUNT(tcp_info_fields), bytes);
	length = option_read(run, IPPROTO_TCP, TCP_CC_INFO, bytes, 64);
	if (length < 0)
		return option_missing(run, "TCP_CC_INFO", length);
	if (length >= 20)
		block_fields(block, bbr_fields, COUNT(bbr_fields), bytes);
	if (length >= 16)
		block_fields(block, other_cc_fields, COUNT(other_cc_fields), bytes);
	length = option_read(run, SOL_SOCKET, SO_MEMINFO, bytes, 36);
	if (length < 0)
		return option_missing(run, "SO_MEMINFO", length);
	block_fields(block, meminfo_fields, COUNT(meminfo_fields), bytes);
	return true;
}

void run_code_event(struct run *run)
{
	struct code_block *block;

	if (!run_wait_event(run) || run->observing)
		return;
	run_drain(run);
	if (!run->flow) {
		run_fail(run, run->event, "Python: no socket to ask");
		return;
	}
	block = arena_alloc(run->arena, sizeof(*block));
	block->event = run->event;
	block->variable = arena_alloc(run->arena, MOST_VARIABLES * sizeof(*block->variable));
	block->entry = trace_add(run, TRACE_CODE, run->event, run_now(run));
	if (!block_collect(run, block))
		return;
	*run->code_tail = block;
	run->code_tail = &block->next;
}

/* --- running -------------------------------------------------------------------------------------------------------------- */
static const char *code_command(const struct run *run)
{
	return strcmp(run->settings.code_command, "python3") ? run->settings.code_command : NULL;
}

static void code_failed(struct run *run, const struct code_block *block, const struct python_result *result)
{
	size_t first = strcspn(result->message, "\n");
	struct failure *failure = run_fail(run, block->event, "Python: %.*s", (int)first, result->message);

	if (result->message[first])
		failure->detail = arena_strdup(run->arena, result->message + first + 1);
}

void code_run(struct run *run)
{
	struct python_result result;
	struct python_block *blocks;
	struct code_block *block;
	unsigned count = 0;
	const char *error;

	for (block = run->code; block; block = block->next)
		count++;
	if (!count)
		return;
	blocks = arena_alloc(run->arena, count * sizeof(*blocks));
	for (block = run->code, count = 0; block; block = block->next, count++)
		blocks[count] = (struct python_block){ .line = block->event->span.line, .text = block->event->text,
						       .variable = block->variable, .variables = block->variables };
	if (!python_run(run->script->path, blocks, count, code_command(run), run->arena, &result, &error)) {
		run_error(run, run->code->event, "Python: %s", error);
		return;
	}
	run->result->trace.entry[run->code->entry].text = result.output;
	for (block = run->code; block && result.failed > 0; result.failed--)
		block = block->next;
	if (!result.failed)
		code_failed(run, block, &result);
}
