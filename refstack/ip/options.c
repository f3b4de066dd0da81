#include "options.h"

#include <netinet/ip.h>

void options_keep_copied(uint8_t *options, size_t length)
{
	size_t at = 0;

	while (at < length && options[at] != IPOPT_END) {
		if (options[at] == IPOPT_NOP) {
			at++;
			continue;
		}
		if (at + 1 >= length || options[at + 1] < 2 || options[at + 1] > length - at)
			return;
		size_t size = options[at + 1];
		if (!IPOPT_COPIED(options[at]))
			memset(options + at, IPOPT_NOP, size);
		at += size;
	}
}

void options_write(struct pl_stack *stack, struct pktbuf *packet, const struct ip_options *options, const struct route *route)
{
	memcpy(packet->data + sizeof(struct iphdr), options->bytes, options->length);
}

bool options_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	return true;
}

bool options_echo(struct pl_stack *stack, const struct pktbuf *packet, struct ip_options *options)
{
	return true;
}

void options_forward(struct pl_stack *stack, struct pktbuf *packet)
{
}
