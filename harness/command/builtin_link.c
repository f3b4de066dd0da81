/* ip link set and ip neighbour, in the forms that scripts use; see builtin_net.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <plumbline/link.h>
#include <stdio.h>
#include <string.h>

#include "builtin.h"
#include "builtin_words.h"

/* A hardware address of six bytes: "2:0:0:0:1:a". */
static bool hwaddr_of(const char *text, uint8_t to[6])
{
	unsigned byte[6];
	int length = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5], &length) != 6 ||
	    text[length])
		return false;
	for (int i = 0; i < 6; i++)
		to[i] = (uint8_t)byte[i];
	return true;
}

static int refused(struct builtin *b, int error)
{
	return builtin_answer(b, 2, arena_printf(b->arena, "RTNETLINK answers: %s", strerrordesc_np(-error)));
}

/* --- ip link set ---------------------------------------------------------------------------------------------------------- */
enum link_word { LINK_UP, LINK_ADDRESS, LINK_MTU, LINK_ARP, LINK_CARRIER };

struct link_words {
	int ifindex;
	unsigned given;			/* 1 << enum link_word */
	bool up, arp, carrier;
	unsigned long mtu;
	uint8_t hwaddr[6];
};

static bool on_or_off(const char *text, bool *on)
{
	*on = !strcmp(text, "on");
	return *on || !strcmp(text, "off");
}

/* What is to be set, at words[i]: how many words it is, 0 when it is not known here. */
static unsigned link_word(const struct shell_command *command, unsigned i, struct link_words *made)
{
	const char *word = command->word[i], *value = i + 1 < command->words ? command->word[i + 1] : NULL;
	bool known = false;
	enum link_word which = LINK_UP;

	if (!strcmp(word, "up") || !strcmp(word, "down")) {
		made->up = !strcmp(word, "up");
		made->given |= 1u << LINK_UP;
		return 1;
	}
	if (!value)
		return 0;
	if (!strcmp(word, "address")) {
		which = LINK_ADDRESS;
		known = hwaddr_of(value, made->hwaddr);
	} else if (!strcmp(word, "mtu")) {
		which = LINK_MTU;
		known = builtin_number(value, 65535, &made->mtu);
	} else if (!strcmp(word, "arp")) {
		which = LINK_ARP;
		known = on_or_off(value, &made->arp);
	} else if (!strcmp(word, "carrier")) {
		which = LINK_CARRIER;
		known = on_or_off(value, &made->carrier);
	}
	made->given |= 1u << which;
	return known ? 2 : 0;
}

static bool link_parse(struct builtin *b, const struct shell_command *command, struct link_words *made)
{
	unsigned i = 3, words;

	*made = (struct link_words){ 0 };
	if (!builtin_is_word(command, 2, "set"))
		return false;
	if (builtin_is_word(command, i, "dev"))
		i++;
	if (i >= command->words)
		return false;
	made->ifindex = pl_link_find(b->commands->stack, command->word[i]);
	if (made->ifindex < 0)
		return false;
	for (i++; i < command->words; i += words) {
		words = link_word(command, i, made);
		if (!words)
			return false;
	}
	return made->given;
}

/* In the order in which the kernel looks at the attributes of one message. */
static int link_run(struct builtin *b, const struct link_words *made)
{
	struct pl_stack *stack = b->commands->stack;
	int status = 0;

	if (made->given & 1u << LINK_ADDRESS)
		status = pl_link_set_hwaddr(stack, made->ifindex, made->hwaddr);
	if (!status && made->given & 1u << LINK_MTU)
		status = pl_link_set_mtu(stack, made->ifindex, (unsigned)made->mtu);
	if (!status && made->given & 1u << LINK_ARP)
		status = pl_link_set_arp(stack, made->ifindex, made->arp);
	if (!status && made->given & 1u << LINK_UP)
		status = pl_link_set_up(stack, made->ifindex, made->up);
	if (!status && made->given & 1u << LINK_CARRIER)
		status = pl_link_set_carrier(stack, made->ifindex, made->carrier);
	return status ? refused(b, status) : 0;
}

/* --- ip neighbour --------------------------------------------------------------------------------------------------------- */
static const struct {
	const char *name;
	uint16_t state;
} states[] = {
	{ "permanent", NUD_PERMANENT }, { "reachable", NUD_REACHABLE }, { "stale", NUD_STALE },
	{ "delay", NUD_DELAY },		{ "probe", NUD_PROBE },		{ "failed", NUD_FAILED },
	{ "incomplete", NUD_INCOMPLETE }, { "noarp", NUD_NOARP },	{ "none", NUD_NONE },
};

static const struct {
	const char *name;
	unsigned flags;
} verbs[] = {
	{ "add", NLM_F_CREATE | NLM_F_EXCL },
	{ "replace", NLM_F_CREATE | NLM_F_REPLACE },
	{ "repl", NLM_F_CREATE | NLM_F_REPLACE },
	{ "change", NLM_F_REPLACE },
	{ "chg", NLM_F_REPLACE },
};

struct neighbour_words {
	struct pl_neighbour neighbour;
	unsigned flags;
	bool delete, flush, has_address;
};

static bool state_of(const char *text, uint16_t *state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (!strcmp(text, states[i].name)) {
			*state = states[i].state;
			return true;
		}
	return false;
}

/* A word of ip neighbour that stands alone. */
static bool neighbour_flag(const char *word, struct pl_neighbour *to)
{
	if (!strcmp(word, "router")) {
		to->flags |= NTF_ROUTER;
	} else if (!strcmp(word, "use")) {
		to->flags |= NTF_USE;
		to->state = NUD_NONE;
	} else if (!strcmp(word, "managed")) {
		to->managed = true;
		to->state = NUD_NONE;
	} else if (!strcmp(word, "extern_learn")) {
		to->flags |= NTF_EXT_LEARNED;
	} else {
		return false;
	}
	return true;
}

static unsigned neighbour_word(struct builtin *b, const struct shell_command *command, unsigned i, struct neighbour_words *made)
{
	const char *word = command->word[i], *value = i + 1 < command->words ? command->word[i + 1] : NULL;
	struct pl_neighbour *to = &made->neighbour;

	if (neighbour_flag(word, to))
		return 1;
	if (value && !strcmp(word, "dev")) {
		to->ifindex = pl_link_find(b->commands->stack, value);
		return to->ifindex > 0 ? 2 : 0;
	}
	if (value && !strcmp(word, "lladdr")) {
		to->has_hwaddr = hwaddr_of(value, to->hwaddr);
		return to->has_hwaddr ? 2 : 0;
	}
	if (value && !strcmp(word, "nud"))
		return state_of(value, &to->state) ? 2 : 0;
	if (value && !strcmp(word, "proxy")) {
		to->flags |= NTF_PROXY;
		word = value;
	} else if (value && !strcmp(word, "to")) {
		word = value;
	} else {
		value = NULL;
	}
	if (made->has_address || inet_pton(AF_INET, word, &to->address) != 1)
		return 0;
	made->has_address = true;
	return value ? 2 : 1;
}

static bool neighbour_parse(struct builtin *b, const struct shell_command *command, struct neighbour_words *made)
{
	unsigned words;
	bool known = false;

	*made = (struct neighbour_words){ .neighbour.state = NUD_PERMANENT };
	made->flush = builtin_is_word(command, 2, "flush");
	known = made->delete = builtin_is_word(command, 2, "del") || builtin_is_word(command, 2, "delete");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (builtin_is_word(command, 2, verbs[i].name)) {
			made->flags = verbs[i].flags;
			known = true;
		}
	if (made->flush && builtin_is_word(command, 3, "all"))
		return command->words == 4;
	if (!known && !made->flush)
		return false;
	for (unsigned i = 3; i < command->words; i += words) {
		words = neighbour_word(b, command, i, made);
		if (!words)
			return false;
	}
	if (made->flush)
		return made->neighbour.ifindex && !made->has_address && command->words == 5;
	return made->has_address && (made->neighbour.ifindex || made->neighbour.flags & NTF_PROXY);
}

static int neighbour_run(struct builtin *b, const struct neighbour_words *made)
{
	const struct pl_neighbour *neighbour = &made->neighbour;
	const unsigned connected = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE;
	int status;

	if (made->flush) {
		pl_neighbour_flush(b->commands->stack, neighbour->ifindex);
		return 0;
	}
	if (made->delete)
		status = pl_neighbour_delete(b->commands->stack, neighbour);
	else
		status = pl_neighbour_set(b->commands->stack, neighbour, made->flags);
	if (status == -EINVAL && !made->delete && !neighbour->has_hwaddr && neighbour->state & connected)
		return builtin_answer(b, 2, "Error: No link layer address given.");
	return status ? refused(b, status) : 0;
}

/* --- both ----------------------------------------------------------------------------------------------------------------- */
static bool is_neighbour(const struct shell_command *command)
{
	return builtin_is_word(command, 1, "neigh") || builtin_is_word(command, 1, "neighbour") ||
	       builtin_is_word(command, 1, "neighbor") || builtin_is_word(command, 1, "n");
}

bool builtin_ip_link_mine(struct builtin *b, const struct shell_command *command)
{
	struct neighbour_words neighbour;
	struct link_words link;

	if (is_neighbour(command))
		return neighbour_parse(b, command, &neighbour);
	return (builtin_is_word(command, 1, "link") || builtin_is_word(command, 1, "l")) && link_parse(b, command, &link);
}

int builtin_ip_link_run(struct builtin *b, const struct shell_command *command)
{
	struct neighbour_words neighbour;
	struct link_words link;
	int status;

	if (is_neighbour(command))	/* a real shell is shown the stack's neighbours, so this needs not be remembered */
		return neighbour_parse(b, command, &neighbour) ? neighbour_run(b, &neighbour) : 1;
	if (!link_parse(b, command, &link))
		return 1;
	status = link_run(b, &link);
	if (!status)
		builtin_remember(b, command);
	return status;
}
