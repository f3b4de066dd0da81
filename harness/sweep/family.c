/* The families of sweeps: which sockets and which probes each has. A family that joins is a row here. */
#include "family.h"
#include "packet.h"

#include <sys/socket.h>

const char *const sweep_state_names[STATES] = {
	[STATE_FRESH] = "fresh",	   [STATE_BOUND] = "bound",	  [STATE_CONNECTED] = "connected",
	[STATE_CONNECTING] = "connecting", [STATE_LISTENING] = "listening", [STATE_DATA] = "data",
	[STATE_CLOSED] = "closed",	   [STATE_RESET] = "reset",
};

#define IN(state) (1u << STATE_##state)
#define DATAGRAM_STATES (IN(FRESH) | IN(BOUND) | IN(CONNECTED) | IN(DATA))
#define STREAM_STATES (DATAGRAM_STATES | IN(CONNECTING) | IN(LISTENING) | IN(CLOSED) | IN(RESET))

static const struct sweep_socket
	tcp = { "tcp", SOCK_STREAM, IPPROTO_TCP, IPPROTO_TCP, "TCP_", STREAM_STATES },
	udp = { "udp", SOCK_DGRAM, IPPROTO_UDP, IPPROTO_UDP, "UDP_", DATAGRAM_STATES | IN(CLOSED) },
	udplite = { "udplite", SOCK_DGRAM, IPPROTO_UDPLITE, IPPROTO_UDPLITE, "UDPLITE_", DATAGRAM_STATES | IN(CLOSED) },
	ping = { "icmp", SOCK_DGRAM, IPPROTO_ICMP, IPPROTO_ICMP, "ICMP_", DATAGRAM_STATES },
	raw_other = { "raw-99", SOCK_RAW, 99, SOL_RAW, "ICMP_", DATAGRAM_STATES },
	raw_icmp = { "raw-icmp", SOCK_RAW, IPPROTO_ICMP, SOL_RAW, "ICMP_", DATAGRAM_STATES },
	raw_header = { "raw-raw", SOCK_RAW, IPPROTO_RAW, SOL_RAW, "ICMP_", IN(FRESH) | IN(BOUND) | IN(CONNECTED) };

#define SOCKETS(...) (const struct sweep_socket *const[]){ __VA_ARGS__, NULL }

static const struct sweep_probe *const all_probes[] = {
	&probe_getsockopt, &probe_setsockopt, &probe_structure, &probe_bind, &probe_connect, &probe_listen, &probe_accept,
	&probe_sendto, &probe_send_size, &probe_sendmsg, &probe_recvfrom, &probe_recvmsg, &probe_shutdown, &probe_getsockname,
	&probe_getpeername, &probe_ioctl, &probe_poll, NULL,
};
static const struct sweep_probe *const ip_probes[] = {
	&probe_socket, &probe_levels, &probe_getsockopt, &probe_setsockopt, &probe_structure, NULL,
};

static const struct sweep_probe *const packet_probes[] = { &probe_packet_field, &probe_packet_cut, NULL };

#define ALL_LEVELS { SOL_SOCKET, IPPROTO_IP, LEVEL_OWN, -1 }

static const struct sweep_family
	ip = { "ip", "socket(), option levels, and IPPROTO_IP on every type of socket",
	       SOCKETS(&tcp, &udp, &udplite, &ping, &raw_other, &raw_icmp, &raw_header), ip_probes, { IPPROTO_IP, -1 }, false },
	udp_family = { "udp", "UDP sockets: options and calls", SOCKETS(&udp), all_probes, ALL_LEVELS, false },
	udplite_family = { "udplite", "UDP-Lite sockets: options and calls", SOCKETS(&udplite), all_probes, ALL_LEVELS, false },
	raw = { "raw", "raw sockets of a protocol, of ICMP and with headers of their own: options and calls",
		SOCKETS(&raw_other, &raw_icmp, &raw_header), all_probes, ALL_LEVELS, false },
	icmp = { "icmp", "ICMP datagram sockets: options and calls", SOCKETS(&ping), all_probes, ALL_LEVELS, false },
	stream = { "stream", "TCP sockets: options and calls", SOCKETS(&tcp), all_probes, ALL_LEVELS, false },
	packet = { "packet", "packets of every protocol, each field changed, cut at each byte, into a stack in each state",
		   packet_states, packet_probes, { -1 }, true };

const struct sweep_family *const sweep_families[] = { &ip, &udp_family, &udplite_family, &raw, &icmp, &stream, &packet, NULL };
