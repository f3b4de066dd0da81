/*
 * The options of a script's first lines and of the command line: packetdrill's, and Plumbline's. One table of names, kinds of
 * values and bounds; the engine gives them their effect.
 */
#ifndef HARNESS_SCRIPT_OPTIONS_H
#define HARNESS_SCRIPT_OPTIONS_H

#include <netinet/in.h>
#include <plumbline/link.h>
#include <stdbool.h>

enum script_option_kind {
	OPTION_KIND_FLAG,		/* takes no value */
	OPTION_KIND_NUMBER,		/* within its bounds */
	OPTION_KIND_PERCENT,		/* 0 to 100, with decimals */
	OPTION_KIND_TEXT,
	OPTION_KIND_ADDRESS,		/* IPv4 or IPv6, perhaps with /PREFIX */
	OPTION_KIND_NETMASK,		/* 255.255.0.0 */
	OPTION_KIND_IP_VERSION,		/* ipv4, ipv4-mapped-ipv6, ipv6 */
	OPTION_KIND_LIST,		/* of "packet" and "syscall" */
	OPTION_KIND_DEFINE,		/* NAME=VALUE */
	OPTION_KIND_LINK,		/* see script_link_parse */
};

struct script_option_row {
	const char *name;		/* without the dashes */
	enum script_option_kind kind;
	unsigned least, most;		/* NUMBER */
};

/* The row of an option, or NULL. */
const struct script_option_row *script_option_row(const char *name);
/* The option whose name is nearest to a misspelt one, or NULL. */
const char *script_option_nearest(const char *name);
/*
 * Whether the option may have this value (NULL: none was given). If not, *expected says what it takes; it points into `buffer`.
 */
bool script_option_fits(const struct script_option_row *row, const char *value, char *buffer, size_t size,
			const char **expected);

/*
 * --link=NAME[,KIND][,local=ADDRESS/PREFIX][,remote=ADDRESS][,arp=WHO][,mtu=N]: one more link, beside the first, which is tun0.
 * KIND is tun (the default), ethernet or loopback. `remote` is the far end, from which packets come that do not say where
 * from. WHO deals with ARP on an Ethernet link: the script (the default), nobody since the far end is a permanent neighbour, or
 * the far end, which answers for every address that is not the stack's. False when the text is none of this.
 */
struct script_link {
	char name[16];
	enum pl_link_kind kind;
	struct in_addr local, remote;	/* 0: none */
	unsigned prefix_length;
	unsigned mtu;			/* 0: the kind's own */
	enum script_link_arp { LINK_ARP_SCRIPT, LINK_ARP_PERMANENT, LINK_ARP_ANSWER } arp;
};
bool script_link_parse(const char *text, struct script_link *link);

#endif
