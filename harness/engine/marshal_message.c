/*
 * Messages. Where a script leaves a control buffer's size open, a receiving call gets room for exactly the messages that the
 * script expects, as packetdrill does: one more shows as MSG_CTRUNC.
 */
#include "marshal_kinds.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define CONTROL_ROOM 4096
#define MOST_BYTES (INT64_C(1) << 30)

static const struct expr_member *find(const struct expr *expr, const char *name)
{
	for (unsigned i = 0; expr->kind == EXPR_STRUCT && i < expr->members; i++)
		if (expr->member[i].name && !strcmp(expr->member[i].name, name))
			return &expr->member[i];
	return NULL;
}

/* The only names that a message has. */
static const char *unknown_name(const struct expr *expr)
{
	static const char *const names[] = {
		"msg_name", "msg_iov", "msg_flags", "msg_control", "msg_controllen", "msg_namelen"
	};

	for (unsigned i = 0; i < expr->members; i++) {
		size_t j = 0;

		while (j < 6 && (!expr->member[i].name || strcmp(names[j], expr->member[i].name)))
			j++;
		if (j == 6)
			return expr->member[i].name ? expr->member[i].name : "without a name";
	}
	return NULL;
}

/* --- vectors -------------------------------------------------------------------------------------------------------------- */
/* [{..., 1000}, {"text", 4}]: buffers and their sizes. */
static bool build_vector(struct marshalled *m, unsigned i, const struct expr *expr, bool in, struct iovec **vector,
			 size_t *count)
{
	const char *error = "expected [{buffer, size}, ...]";
	int64_t size;

	if (expr->kind != EXPR_LIST)
		return marshal_fail(m, i, error);
	*count = expr->members;
	*vector = arena_alloc(m->run->arena, (expr->members + 1) * sizeof(**vector));
	for (unsigned j = 0; j < expr->members; j++) {
		const struct expr *one = expr->member[j].value;

		if (one->kind != EXPR_STRUCT || one->members != 2)
			return marshal_fail(m, i, error);
		if (!eval_int(m->run, one->member[1].value, &size, &error))
			return marshal_fail(m, i, error);
		if (size < 0 || size > MOST_BYTES)
			return marshal_fail(m, i, "a buffer of that size cannot be had");
		(*vector)[j].iov_len = (size_t)size;
		if (one->member[0].value->kind == EXPR_INTEGER)
			continue;	/* NULL */
		(*vector)[j].iov_base = arena_alloc_pages(m->run->arena, (size_t)size);
		if (in && !marshal_bytes(m, one->member[0].value, (size_t)size, (*vector)[j].iov_base, &error))
			return marshal_fail(m, i, error);
	}
	return true;
}

static void check_vector(struct marshalled *m, const struct expr *expr, const struct iovec *vector, size_t total,
			 struct text *text)
{
	for (unsigned j = 0; j < expr->members; j++) {
		const struct expr *said = expr->member[j].value->member[0].value;
		size_t length = total < vector[j].iov_len ? total : vector[j].iov_len;

		total -= length;
		if (said->kind == EXPR_STRING)
			type_compare(m->run, &type_bytes, said, vector[j].iov_base, length,
				     arena_printf(m->run->arena, "contents of buffer %u", j), text);
	}
}

static void print_vector(const struct expr *expr, const struct iovec *vector, size_t total, struct text *text)
{
	text_add(text, "[");
	for (unsigned j = 0; j < expr->members; j++) {
		size_t length = total < vector[j].iov_len ? total : vector[j].iov_len;

		total -= length;
		text_add(text, "%s{", j ? ", " : "");
		if (vector[j].iov_base)
			marshal_print_bytes(vector[j].iov_base, length, text);
		else
			text_add(text, "NULL");
		text_add(text, ", %zu}", vector[j].iov_len);
	}
	text_add(text, "]");
}

static size_t total_in(const struct marshalled *m)
{
	return m->call.result > 0 ? (size_t)m->call.result : 0;
}

static bool build_iov(struct marshalled *m, unsigned i, const struct expr *expr, bool in)
{
	struct iovec *vector;
	size_t count;

	if (!build_vector(m, i, expr, in, &vector, &count))
		return false;
	m->memory[i] = vector;
	m->call.arg[i] = PL_PTR(vector);
	return true;
}

bool marshal_iov_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	return build_iov(m, i, expr, true);
}

bool marshal_iov_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	return build_iov(m, i, expr, false);
}

void marshal_iov_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	check_vector(m, expr, m->memory[i], total_in(m), text);
}

void marshal_iov_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	print_vector(expr, m->memory[i], total_in(m), text);
}

/* --- control messages ----------------------------------------------------------------------------------------------------- */
static bool eval_member(const struct marshalled *m, const struct expr *expr, const char *name, int *value, const char **error)
{
	const struct expr_member *member = find(expr, name);
	int64_t number;

	if (!member) {
		*error = arena_printf(m->run->arena, "a control message needs %s", name);
		return false;
	}
	if (!eval_int(m->run, member->value, &number, error))
		return false;
	*value = (int)number;
	return true;
}

/* One {cmsg_level=, cmsg_type=, cmsg_data=} behind the first *used bytes. */
static bool build_one_control(struct marshalled *m, const struct expr *expr, uint8_t *control, size_t *used, const char **error)
{
	const struct expr_member *data = find(expr, "cmsg_data");
	struct cmsghdr header = { 0 };
	size_t length = 0;
	int level, type;

	if (!eval_member(m, expr, "cmsg_level", &level, error) || !eval_member(m, expr, "cmsg_type", &type, error))
		return false;
	if (*used + CMSG_SPACE(0) > CONTROL_ROOM) {
		*error = "too many control messages";
		return false;
	}
	if (data && data->value->kind != EXPR_ELLIPSIS &&
	    !type_build(m->run, type_of_control(level, type), data->value, control + *used + CMSG_LEN(0),
			CONTROL_ROOM - *used - CMSG_LEN(0), &length, error))
		return false;
	if (data && data->value->kind == EXPR_ELLIPSIS && type_of_control(level, type))
		length = type_of_control(level, type)->size;
	if (*used + CMSG_SPACE(length) > CONTROL_ROOM) {
		*error = "the control messages are too long";
		return false;
	}
	header.cmsg_level = level;
	header.cmsg_type = type;
	header.cmsg_len = CMSG_LEN(length);
	memcpy(control + *used, &header, sizeof(header));
	*used += CMSG_SPACE(length);
	return true;
}

static bool build_control(struct marshalled *m, unsigned i, const struct expr *expr, struct msghdr *msg)
{
	const struct expr_member *control = find(expr, "msg_control"), *room = find(expr, "msg_controllen");
	const char *error;
	int64_t value;

	msg->msg_control = arena_alloc(m->run->arena, CONTROL_ROOM + 256);
	if (control && control->value->kind == EXPR_ELLIPSIS) {
		msg->msg_controllen = CONTROL_ROOM;
	} else if (control) {
		size_t used = 0;

		if (control->value->kind != EXPR_LIST)
			return marshal_fail(m, i, "expected msg_control=[{cmsg_level=..., cmsg_type=..., cmsg_data=...}, ...]");
		for (unsigned j = 0; j < control->value->members; j++)
			if (!build_one_control(m, control->value->member[j].value, msg->msg_control, &used, &error))
				return marshal_fail(m, i, error);
		msg->msg_controllen = used;
	}
	if (!room || room->value->kind == EXPR_ELLIPSIS)
		return true;
	if (!eval_int(m->run, room->value, &value, &error))
		return marshal_fail(m, i, error);
	if (value < 0 || value > CONTROL_ROOM)
		return marshal_fail(m, i, "msg_controllen is out of range");
	msg->msg_controllen = (size_t)value;
	return true;
}

static void check_one_control(struct marshalled *m, const struct expr *expr, const struct cmsghdr *cmsg, unsigned i,
			      struct text *text)
{
	const struct expr_member *data = find(expr, "cmsg_data");
	const struct type *type = type_of_control(cmsg->cmsg_level, cmsg->cmsg_type);
	const char *name = arena_printf(m->run->arena, "control message %u", i), *error = "";
	uint8_t wanted_bytes[CONTROL_ROOM];
	int level = 0, control = 0;
	size_t wanted = 0, actual = cmsg->cmsg_len - CMSG_LEN(0);

	if (!eval_member(m, expr, "cmsg_level", &level, &error) || !eval_member(m, expr, "cmsg_type", &control, &error)) {
		text_add(text, "%s: %s\n", name, error);
		return;
	}
	if (level != cmsg->cmsg_level || control != cmsg->cmsg_type) {
		text_add(text, "%s: expected level %d type %d, actual level %d type %d\n", name, level, control,
			 cmsg->cmsg_level, cmsg->cmsg_type);
		return;
	}
	if (!data)
		return;
	if (data->value->kind != EXPR_ELLIPSIS &&
	    type_build(m->run, type, data->value, wanted_bytes, sizeof(wanted_bytes), &wanted, &error) && wanted != actual) {
		text_add(text, "%s: expected %zu bytes of data, actual %zu\n", name, wanted, actual);
		return;
	}
	type_compare(m->run, type, data->value, CMSG_DATA(cmsg), actual, name, text);
}

static void check_control(struct marshalled *m, const struct expr *expr, struct msghdr *msg, struct text *text)
{
	const struct expr_member *control = find(expr, "msg_control");
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	unsigned i = 0;

	if (control && control->value->kind == EXPR_ELLIPSIS)
		return;
	for (; cmsg && cmsg->cmsg_len >= sizeof(*cmsg); cmsg = CMSG_NXTHDR(msg, cmsg), i++)
		if (control && i < control->value->members)
			check_one_control(m, control->value->member[i].value, cmsg, i, text);
	if (i != (control ? control->value->members : 0))
		text_add(text, "control messages: expected %u, actual %u\n", control ? control->value->members : 0, i);
}

static void print_named(const char *family, int value, struct text *text)
{
	const char *name = symbol_name(family, value);

	if (name)
		text_add(text, "%s", name);
	else
		text_add(text, "%d", value);
}

static const char *control_family(int level)
{
	switch (level) {
	case SOL_SOCKET:
		return "SCM_";
	case IPPROTO_IP:
		return "IP_";
	case IPPROTO_TCP:
		return "TCP_CM_";
	case IPPROTO_UDP:
		return "UDP_";
	default:
		return "";
	}
}

static void print_control(struct marshalled *m, struct msghdr *msg, struct text *text)
{
	const char *separator = "";

	text_add(text, ", msg_control=[");
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg && cmsg->cmsg_len >= sizeof(*cmsg);
	     cmsg = CMSG_NXTHDR(msg, cmsg)) {
		text_add(text, "%s{cmsg_level=", separator);
		print_named("SOL_", cmsg->cmsg_level, text);
		text_add(text, ", cmsg_type=");
		print_named(control_family(cmsg->cmsg_level), cmsg->cmsg_type, text);
		text_add(text, ", cmsg_data=");
		type_print(m->run, type_of_control(cmsg->cmsg_level, cmsg->cmsg_type), CMSG_DATA(cmsg),
			   cmsg->cmsg_len - CMSG_LEN(0), text);
		text_add(text, "}");
		separator = ", ";
	}
	text_add(text, "]");
}

/* --- struct msghdr -------------------------------------------------------------------------------------------------------- */
static bool build_msg(struct marshalled *m, unsigned i, const struct expr *expr, bool in, struct msghdr *msg)
{
	const struct expr_member *name, *iov, *flags;
	const char *error = unknown_name(expr);
	struct iovec *vector;
	int64_t value;

	if (expr->kind != EXPR_STRUCT)
		return marshal_fail(m, i, "expected {msg_name(...)=..., msg_iov(n)=[...], msg_flags=...}");
	if (error)
		return marshal_fail(m, i, arena_printf(m->run->arena, "a message has no member %s", error));
	name = find(expr, "msg_name");
	iov = find(expr, "msg_iov");
	flags = find(expr, "msg_flags");
	if (name) {
		msg->msg_name = arena_alloc(m->run->arena, sizeof(struct sockaddr_storage));
		msg->msg_namelen = in ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_storage);
		if (in && !marshal_address(m, name->value, msg->msg_name, &error))
			return marshal_fail(m, i, error);
		m->address_default[i] = name->value->kind == EXPR_ELLIPSIS;
		if (name->argument && name->argument->kind != EXPR_ELLIPSIS) {
			if (!eval_int(m->run, name->argument, &value, &error))
				return marshal_fail(m, i, error);
			msg->msg_namelen = (socklen_t)value;
		}
	}
	if (iov) {
		if (!build_vector(m, i, iov->value, in, &vector, &msg->msg_iovlen))
			return false;
		msg->msg_iov = vector;
		if (iov->argument && iov->argument->kind != EXPR_ELLIPSIS) {
			if (!eval_int(m->run, iov->argument, &value, &error))
				return marshal_fail(m, i, error);
			if ((size_t)value != msg->msg_iovlen)
				return marshal_fail(m, i,
						    arena_printf(m->run->arena, "msg_iov(%lld) has %zu elements",
								 (long long)value, msg->msg_iovlen));
		}
	}
	if (flags && in && (!eval_int(m->run, flags->value, &value, &error) || (msg->msg_flags = (int)value)))
		return marshal_fail(m, i, "sendmsg does not look at msg_flags");
	return build_control(m, i, expr, msg);
}

static bool build_one(struct marshalled *m, unsigned i, const struct expr *expr, bool in)
{
	struct msghdr *msg = arena_alloc(m->run->arena, sizeof(*msg));

	m->memory[i] = msg;
	m->room[i] = sizeof(*msg);
	m->call.arg[i] = PL_PTR(msg);
	return build_msg(m, i, expr, in, msg);
}

bool marshal_msg_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	return build_one(m, i, expr, true);
}

bool marshal_msg_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	return build_one(m, i, expr, false);
}

static void check_msg(struct marshalled *m, const struct expr *expr, struct msghdr *msg, size_t total, struct text *text)
{
	const struct expr_member *name = find(expr, "msg_name"), *iov = find(expr, "msg_iov"), *flags = find(expr, "msg_flags");
	const char *error = "";
	int64_t wanted;

	if (flags && flags->value->kind != EXPR_ELLIPSIS && eval_int(m->run, flags->value, &wanted, &error) &&
	    (int)wanted != msg->msg_flags) {
		text_add(text, "msg_flags: expected ");
		marshal_flags("MSG_", (uint32_t)wanted, text);
		text_add(text, ", actual ");
		marshal_flags("MSG_", (uint32_t)msg->msg_flags, text);
		text_add(text, "\n");
	}
	if (name && name->value->kind == EXPR_STRUCT)
		type_compare(m->run, type_by_members(name->value), name->value, msg->msg_name, msg->msg_namelen, "msg_name",
			     text);
	if (iov)
		check_vector(m, iov->value, msg->msg_iov, total, text);
	check_control(m, expr, msg, text);
}

static void print_msg(struct marshalled *m, const struct expr *expr, struct msghdr *msg, size_t total, struct text *text)
{
	const struct expr_member *iov = find(expr, "msg_iov");

	text_add(text, "{msg_name(%u)=", msg->msg_namelen);
	if (msg->msg_name && msg->msg_namelen >= sizeof(struct sockaddr_in))
		type_print(m->run, &type_sockaddr, msg->msg_name, sizeof(struct sockaddr_in), text);
	else
		text_add(text, "...");
	if (iov) {
		text_add(text, ", msg_iov(%zu)=", msg->msg_iovlen);
		print_vector(iov->value, msg->msg_iov, total, text);
	}
	text_add(text, ", msg_flags=");
	marshal_flags("MSG_", (uint32_t)msg->msg_flags, text);
	if (msg->msg_controllen)
		print_control(m, msg, text);
	text_add(text, "}");
}

void marshal_msg_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (m->call.result >= 0)
		check_msg(m, expr, m->memory[i], total_in(m), text);
}

void marshal_msg_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (m->call.result >= 0)
		print_msg(m, expr, m->memory[i], total_in(m), text);
	else
		expr_print(m->run, expr, text);
}

/* --- struct mmsghdr ------------------------------------------------------------------------------------------------------- */
/* [{msg_hdr={...}, msg_len=n}, ...]; msg_len is what comes back. */
static bool build_many(struct marshalled *m, unsigned i, const struct expr *expr, bool in)
{
	struct mmsghdr *many;

	if (expr->kind != EXPR_LIST)
		return marshal_fail(m, i, "expected [{msg_hdr={...}, msg_len=...}, ...]");
	many = arena_alloc(m->run->arena, (expr->members + 1) * sizeof(*many));
	m->memory[i] = many;
	m->call.arg[i] = PL_PTR(many);
	for (unsigned j = 0; j < expr->members; j++) {
		const struct expr_member *header = find(expr->member[j].value, "msg_hdr");

		if (!header)
			return marshal_fail(m, i, "expected [{msg_hdr={...}, msg_len=...}, ...]");
		if (!build_msg(m, i, header->value, in, &many[j].msg_hdr))
			return false;
	}
	return true;
}

bool marshal_mmsg_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	return build_many(m, i, expr, true);
}

bool marshal_mmsg_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	return build_many(m, i, expr, false);
}

void marshal_mmsg_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	struct mmsghdr *many = m->memory[i];

	for (unsigned j = 0; j < expr->members && (int64_t)j < m->call.result; j++) {
		const struct expr *one = expr->member[j].value;
		const struct expr_member *length = find(one, "msg_len");

		if (length)
			type_compare(m->run, &type_u32, length->value, (const uint8_t *)&many[j].msg_len,
				     sizeof(many[j].msg_len), arena_printf(m->run->arena, "message %u: msg_len", j), text);
		if (m->row->arg[i] == PL_ARG_MMSG_OUT)
			check_msg(m, find(one, "msg_hdr")->value, &many[j].msg_hdr, many[j].msg_len, text);
	}
}

void marshal_mmsg_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	struct mmsghdr *many = m->memory[i];

	text_add(text, "[");
	for (unsigned j = 0; j < expr->members && (int64_t)j < m->call.result; j++) {
		text_add(text, "%s{msg_hdr=", j ? ", " : "");
		print_msg(m, find(expr->member[j].value, "msg_hdr")->value, &many[j].msg_hdr, many[j].msg_len, text);
		text_add(text, ", msg_len=%u}", many[j].msg_len);
	}
	text_add(text, "]");
}
