/*
 * Classic BPF (the BSD packet filter, as linux/filter.h has it): a program of loads, arithmetic, forward jumps and returns, run over
 * a packet from where the protocol's header starts. Programs are checked when they are attached, so that running them needs no
 * checks but those of packet bounds and division.
 */
#include "filter.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <stdlib.h>

#include "../ip/ip.h"
#include "../link/link.h"
#include "options.h"

struct filter {
	unsigned references;		/* a connection shares its listener's */
	uint16_t length;
	struct sock_filter code[];
};

/* --- checking ------------------------------------------------------------------------------------------------------------ */

/* Operations that exist. Jumps, divisions and memory words are checked beside. */
static bool known_operation(uint16_t code)
{
	switch (BPF_CLASS(code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_CLASS(code) == BPF_LDX && BPF_MODE(code) == BPF_MSH)
			return BPF_SIZE(code) == BPF_B;
		if (BPF_MODE(code) == BPF_IMM || BPF_MODE(code) == BPF_MEM || BPF_MODE(code) == BPF_LEN)
			return BPF_SIZE(code) == BPF_W;
		return BPF_CLASS(code) == BPF_LD && (BPF_MODE(code) == BPF_ABS || BPF_MODE(code) == BPF_IND) &&
		       BPF_SIZE(code) != 0x18;
	case BPF_ST:
	case BPF_STX:
		return code == BPF_ST || code == BPF_STX;
	case BPF_ALU:
		return BPF_OP(code) <= BPF_XOR && !(BPF_OP(code) == BPF_NEG && BPF_SRC(code) == BPF_X);
	case BPF_JMP:
		return code == (BPF_JMP | BPF_JA) || (BPF_OP(code) >= BPF_JEQ && BPF_OP(code) <= BPF_JSET);
	case BPF_RET:
		return BPF_RVAL(code) == BPF_K || BPF_RVAL(code) == BPF_A;
	case BPF_MISC:
		return code == (BPF_MISC | BPF_TAX) || code == (BPF_MISC | BPF_TXA);
	}
	return false;
}

static bool known_ancillary(uint32_t offset)
{
	return offset < (uint32_t)SKF_AD_OFF || offset - (uint32_t)SKF_AD_OFF < SKF_AD_MAX;
}

static bool instruction_right(const struct sock_filter *at, size_t left)
{
	uint16_t code = at->code;
	bool constant = BPF_SRC(code) == BPF_K;

	if (!known_operation(code))
		return false;
	switch (BPF_CLASS(code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(code) == BPF_MEM)
			return at->k < BPF_MEMWORDS;
		return BPF_MODE(code) != BPF_ABS || known_ancillary(at->k);
	case BPF_ST:
	case BPF_STX:
		return at->k < BPF_MEMWORDS;
	case BPF_ALU:
		if (constant && (BPF_OP(code) == BPF_DIV || BPF_OP(code) == BPF_MOD))
			return at->k != 0;
		return !constant || (BPF_OP(code) != BPF_LSH && BPF_OP(code) != BPF_RSH) || at->k < 32;
	case BPF_JMP:
		return code == (BPF_JMP | BPF_JA) ? at->k < left - 1 : at->jt < left - 1 && at->jf < left - 1;
	}
	return true;
}

/* Is every word of memory written before it is read, on every path? As jumps only go forward one pass tells. */
static bool memory_right(const struct filter *filter)
{
	uint16_t *known = malloc(filter->length * sizeof(*known)), now = 0;
	bool right = known != NULL;

	if (known)
		memset(known, 0xff, filter->length * sizeof(*known));
	for (size_t i = 0; right && i < filter->length; i++) {
		const struct sock_filter *at = &filter->code[i];

		now &= known[i];
		switch (BPF_CLASS(at->code)) {
		case BPF_ST:
		case BPF_STX:
			now |= (uint16_t)(1u << at->k);
			break;
		case BPF_LD:
		case BPF_LDX:
			right = BPF_MODE(at->code) != BPF_MEM || now >> at->k & 1;
			break;
		case BPF_JMP:
			if (at->code == (BPF_JMP | BPF_JA)) {
				known[i + 1 + at->k] &= now;
			} else {
				known[i + 1 + at->jt] &= now;
				known[i + 1 + at->jf] &= now;
			}
			now = UINT16_MAX;
			break;
		}
	}
	free(known);
	return right;
}

static bool program_right(const struct filter *filter)
{
	for (size_t i = 0; i < filter->length; i++)
		if (!instruction_right(&filter->code[i], filter->length - i))
			return false;
	return BPF_CLASS(filter->code[filter->length - 1].code) == BPF_RET && memory_right(filter);
}

/* --- running ------------------------------------------------------------------------------------------------------------- */

struct machine {
	struct pl_stack *stack;
	const struct pktbuf *packet;
	uint32_t a, x, memory[BPF_MEMWORDS];
};

/* Bytes at an offset from the data, or from the network header; NULL: not there. */
static const uint8_t *bytes_at(const struct pktbuf *packet, int32_t offset, size_t size)
{
	const uint8_t *from = packet->data;

	if (offset < 0) {
		if (offset < SKF_NET_OFF)	/* nothing is known of the link layer's header */
			return NULL;
		offset -= SKF_NET_OFF;
		from = packet->network;
	}
	return from && (size_t)(packet->tail - from) >= (size_t)offset + size ? from + offset : NULL;
}

/* What is known of a packet beside its bytes. */
static bool ancillary(struct machine *machine, uint32_t which)
{
	const struct pktbuf *packet = machine->packet;

	switch (which) {
	case SKF_AD_PROTOCOL:
		machine->a = ETH_P_IP;
		return true;
	case SKF_AD_PKTTYPE:
		machine->a = packet->packet_type;
		return true;
	case SKF_AD_IFINDEX:
		machine->a = (uint32_t)packet->input_ifindex;
		return packet->input_ifindex != 0;
	case SKF_AD_HATYPE:
		machine->a = packet->link ? packet->link->ops->hardware_type : 0;
		return packet->link != NULL;
	case SKF_AD_MARK:
		machine->a = packet->mark;
		return true;
	case SKF_AD_ALU_XOR_X:
		machine->a ^= machine->x;
		return true;
	case SKF_AD_RANDOM:
		machine->a = prng_u32(&machine->stack->prng);
		return true;
	default:	/* queue, hash, processor, VLAN: 0 */
		machine->a = 0;
		return true;
	}
}

/* Loads into A. False: the packet is too short, and the program returns 0. */
static bool load(struct machine *machine, const struct sock_filter *at)
{
	int64_t offset = (int32_t)at->k;
	const uint8_t *bytes;
	size_t size = BPF_SIZE(at->code) == BPF_W ? 4 : BPF_SIZE(at->code) == BPF_H ? 2 : 1;

	if (BPF_MODE(at->code) == BPF_ABS && at->k >= (uint32_t)SKF_AD_OFF)
		return ancillary(machine, at->k - (uint32_t)SKF_AD_OFF);
	if (BPF_MODE(at->code) == BPF_IND)
		offset = (int32_t)(at->k + machine->x);
	bytes = bytes_at(machine->packet, (int32_t)offset, size);
	if (!bytes)
		return false;
	machine->a = 0;
	for (size_t i = 0; i < size; i++)
		machine->a = machine->a << 8 | bytes[i];
	return true;
}

/* False: division by zero, and the program returns 0. */
static bool arithmetic(struct machine *machine, const struct sock_filter *at)
{
	uint32_t value = BPF_SRC(at->code) == BPF_X ? machine->x : at->k;

	switch (BPF_OP(at->code)) {
	case BPF_ADD:
		machine->a += value;
		break;
	case BPF_SUB:
		machine->a -= value;
		break;
	case BPF_MUL:
		machine->a *= value;
		break;
	case BPF_DIV:
	case BPF_MOD:
		if (!value)
			return false;
		machine->a = BPF_OP(at->code) == BPF_DIV ? machine->a / value : machine->a % value;
		break;
	case BPF_OR:
		machine->a |= value;
		break;
	case BPF_AND:
		machine->a &= value;
		break;
	case BPF_XOR:
		machine->a ^= value;
		break;
	case BPF_LSH:
		machine->a <<= value & 31;
		break;
	case BPF_RSH:
		machine->a >>= value & 31;
		break;
	case BPF_NEG:
		machine->a = -machine->a;
		break;
	}
	return true;
}

/* How far a jump goes. */
static uint32_t jump(const struct machine *machine, const struct sock_filter *at)
{
	uint32_t value = BPF_SRC(at->code) == BPF_X ? machine->x : at->k;
	bool taken = false;

	switch (BPF_OP(at->code)) {
	case BPF_JA:
		return at->k;
	case BPF_JEQ:
		taken = machine->a == value;
		break;
	case BPF_JGT:
		taken = machine->a > value;
		break;
	case BPF_JGE:
		taken = machine->a >= value;
		break;
	case BPF_JSET:
		taken = machine->a & value;
		break;
	}
	return taken ? at->jt : at->jf;
}

/* Loads that are not from the packet, and LDX MSH, which is: four times the low half of a byte. False: return 0. */
static bool load_other(struct machine *machine, const struct sock_filter *at)
{
	const uint8_t *byte;
	uint32_t value;

	switch (BPF_MODE(at->code)) {
	case BPF_IMM:
		value = at->k;
		break;
	case BPF_MEM:
		value = machine->memory[at->k];
		break;
	case BPF_LEN:
		value = pktbuf_length(machine->packet);
		break;
	default:
		byte = bytes_at(machine->packet, (int32_t)at->k, 1);
		if (!byte)
			return false;
		value = (*byte & 15u) * 4;
		break;
	}
	*(BPF_CLASS(at->code) == BPF_LD ? &machine->a : &machine->x) = value;
	return true;
}

uint32_t filter_run(struct pl_stack *stack, const struct filter *filter, const struct pktbuf *packet)
{
	struct machine machine = { .stack = stack, .packet = packet };

	for (const struct sock_filter *at = filter->code;; at++) {
		bool right = true;

		switch (BPF_CLASS(at->code)) {
		case BPF_LD:
		case BPF_LDX:
			right = BPF_CLASS(at->code) == BPF_LD && (BPF_MODE(at->code) == BPF_ABS || BPF_MODE(at->code) == BPF_IND)
					? load(&machine, at)
					: load_other(&machine, at);
			break;
		case BPF_ST:
			machine.memory[at->k] = machine.a;
			break;
		case BPF_STX:
			machine.memory[at->k] = machine.x;
			break;
		case BPF_ALU:
			right = arithmetic(&machine, at);
			break;
		case BPF_JMP:
			at += jump(&machine, at);
			break;
		case BPF_RET:
			return BPF_RVAL(at->code) == BPF_A ? machine.a : at->k;
		case BPF_MISC:
			if (BPF_MISCOP(at->code) == BPF_TAX)
				machine.x = machine.a;
			else
				machine.a = machine.x;
			break;
		}
		if (!right)
			return 0;
	}
}

uint32_t sock_filter(const struct sock *sk, const struct pktbuf *packet)
{
	return sk->filter ? filter_run(sk->stack, sk->filter, packet) : UINT32_MAX;
}

/* --- options --------------------------------------------------------------------------------------------------------------- */

struct filter *filter_hold(struct filter *filter)
{
	if (filter)
		filter->references++;
	return filter;
}

void filter_drop(struct filter *filter)
{
	if (filter && --filter->references == 0)
		free(filter);
}

void filter_put(struct sock *sk)
{
	filter_drop(sk->filter);
	sk->filter = NULL;
}

struct filter *filter_new(const struct sock_filter *code, uint16_t length, int64_t *error)
{
	size_t size = length * sizeof(*code);
	struct filter *filter = malloc(sizeof(*filter) + size);

	*error = -ENOMEM;
	if (!filter)
		return NULL;
	filter->references = 1;
	filter->length = length;
	memcpy(filter->code, code, size);
	if (program_right(filter))
		return filter;
	*error = -EINVAL;
	free(filter);
	return NULL;
}

struct filter *filter_make(const struct sock *sk, const void *value, socklen_t length, int64_t *error)
{
	struct sock_fprog program;

	*error = -EINVAL;
	if (length != sizeof(program))
		return NULL;
	*error = -EFAULT;
	if (!value)
		return NULL;
	memcpy(&program, value, sizeof(program));
	*error = -EPERM;
	if (sock_flag(sk, SF_LOCK_FILTER))
		return NULL;
	*error = -EINVAL;
	if (!program.filter || !program.len || program.len > BPF_MAXINSNS)
		return NULL;
	return filter_new(program.filter, program.len, error);
}

int64_t filter_attach(struct sock *sk, const void *value, socklen_t length)
{
	int64_t error;
	struct filter *filter = filter_make(sk, value, length, &error);

	if (!filter)
		return error;
	filter_put(sk);
	sk->filter = filter;
	return 0;
}

int64_t filter_detach(struct sock *sk)
{
	if (sock_flag(sk, SF_LOCK_FILTER))
		return -EPERM;
	if (!sk->filter)
		return -ENOENT;
	filter_put(sk);
	return 0;
}

/* The length is in instructions, also the caller's; 0 asks only for it. */
int64_t filter_get(const struct sock *sk, void *value, socklen_t *length)
{
	socklen_t count = sk->filter ? sk->filter->length : 0;

	if (*length && count) {
		if (*length < count)
			return -EINVAL;
		if (!value)
			return -EFAULT;
		memcpy(value, sk->filter->code, count * sizeof(sk->filter->code[0]));
	}
	*length = count;
	return 0;
}
