/* The probes that families are made of. */
#ifndef HARNESS_SWEEP_FAMILY_H
#define HARNESS_SWEEP_FAMILY_H

#include "sweep.h"

/* calls.c, messages.c, requests.c */
extern const struct sweep_probe probe_socket, probe_bind, probe_connect, probe_listen, probe_accept, probe_shutdown,
	probe_getsockname, probe_getpeername, probe_poll, probe_sendto, probe_send_size, probe_sendmsg, probe_recvfrom, probe_recvmsg,
	probe_ioctl, probe_packet_field, probe_packet_cut;

/* Of a combination of probe_ioctl: its request, and the link that its argument names (NULL: no argument, "" none). */
unsigned combination_request(const struct combination *combination);
const char *combination_request_link(const struct combination *combination);

/* Of a combination of probe_socket: the protocol. */
int64_t combination_protocol(const struct combination *combination);

#endif
