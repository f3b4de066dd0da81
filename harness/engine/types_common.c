/* The types that the tables of options, requests and control messages are made of. */
#include "types_tables.h"

#include "members.h"

#include <linux/errqueue.h>
#include <linux/if_packet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <linux/mroute.h>
#include <time.h>

const struct type type_int = { .kind = TYPE_SIGNED, .size = 4 };
const struct type type_u8 = { .kind = TYPE_UNSIGNED, .size = 1 };
const struct type type_u16 = { .kind = TYPE_UNSIGNED, .size = 2 };
const struct type type_u32 = { .kind = TYPE_UNSIGNED, .size = 4 };
const struct type type_u64 = { .kind = TYPE_UNSIGNED, .size = 8 };
const struct type type_s64 = { .kind = TYPE_SIGNED, .size = 8 };
const struct type type_bytes = { .kind = TYPE_BYTES };
const struct type type_opaque = { .kind = TYPE_OPAQUE };
const struct type type_text = { .kind = TYPE_TEXT };
const struct type type_network16 = { .kind = TYPE_NETWORK, .size = 2 };
const struct type type_address = { .kind = TYPE_ADDRESS, .size = 4 };
const struct type type_descriptor = { .kind = TYPE_DESCRIPTOR, .size = 4 };
const struct type type_family = { .kind = TYPE_UNSIGNED, .size = 2, .family = "AF_" };
const struct type type_stamps = { .kind = TYPE_STAMPS, .size = 3 * sizeof(struct timespec) };
const struct type type_attributes = { .kind = TYPE_ATTRIBUTES };

TYPE_STRUCT_DEFINE(sockaddr, struct sockaddr_in,
	{ "sa_family", &type_family, offsetof(struct sockaddr_in, sin_family) },
	{ "sin_port", &type_network16, offsetof(struct sockaddr_in, sin_port) },
	{ "sin_addr", &type_address, offsetof(struct sockaddr_in, sin_addr) });
/* The same by the C name of its first member. */
TYPE_STRUCT_DEFINE(sockaddr_in, struct sockaddr_in,
	{ "sin_family", &type_family, offsetof(struct sockaddr_in, sin_family) },
	{ "sin_port", &type_network16, offsetof(struct sockaddr_in, sin_port) },
	{ "sin_addr", &type_address, offsetof(struct sockaddr_in, sin_addr) });
TYPE_STRUCT_DEFINE(timeval, struct timeval,
	{ "tv_sec", &type_s64, offsetof(struct timeval, tv_sec) },
	{ "tv_usec", &type_s64, offsetof(struct timeval, tv_usec) });
TYPE_STRUCT_DEFINE(timespec, struct timespec,
	{ "tv_sec", &type_s64, offsetof(struct timespec, tv_sec) },
	{ "tv_nsec", &type_s64, offsetof(struct timespec, tv_nsec) });
TYPE_STRUCT_DEFINE(linger, struct linger,
	{ "onoff", &type_int, offsetof(struct linger, l_onoff) },
	{ "linger", &type_int, offsetof(struct linger, l_linger) });
TYPE_STRUCT_DEFINE(ip_mreqn, struct ip_mreqn,
	{ "imr_multiaddr", &type_address, offsetof(struct ip_mreqn, imr_multiaddr) },
	{ "imr_address", &type_address, offsetof(struct ip_mreqn, imr_address) },
	{ "imr_ifindex", &type_int, offsetof(struct ip_mreqn, imr_ifindex) });
TYPE_STRUCT_DEFINE(ip_mreq, struct ip_mreq,
	{ "imr_multiaddr", &type_address, offsetof(struct ip_mreq, imr_multiaddr) },
	{ "imr_interface", &type_address, offsetof(struct ip_mreq, imr_interface) });
TYPE_STRUCT_DEFINE(ip_mreq_source, struct ip_mreq_source,
	{ "imr_multiaddr", &type_address, offsetof(struct ip_mreq_source, imr_multiaddr) },
	{ "imr_interface", &type_address, offsetof(struct ip_mreq_source, imr_interface) },
	{ "imr_sourceaddr", &type_address, offsetof(struct ip_mreq_source, imr_sourceaddr) });
TYPE_STRUCT_DEFINE(group_req, struct group_req,
	{ "gr_interface", &type_u32, offsetof(struct group_req, gr_interface) },
	{ "gr_group", &type_sockaddr, offsetof(struct group_req, gr_group) });
TYPE_STRUCT_DEFINE(group_source_req, struct group_source_req,
	{ "gsr_interface", &type_u32, offsetof(struct group_source_req, gsr_interface) },
	{ "gsr_group", &type_sockaddr, offsetof(struct group_source_req, gsr_group) },
	{ "gsr_source", &type_sockaddr, offsetof(struct group_source_req, gsr_source) });
/* Filters: as many sources follow as the number says. */
static const struct type type_addresses = { .kind = TYPE_ARRAY, .element = &type_address };
static const struct type type_storage = { .name = "sockaddr", .kind = TYPE_STRUCT, .size = sizeof(struct sockaddr_storage),
					  .member = sockaddr_members, .members = 3 };
static const struct type type_storages = { .kind = TYPE_ARRAY, .element = &type_storage };
const struct type type_filter_mode = { .kind = TYPE_UNSIGNED, .size = 4, .family = "MCAST_mode" };
TYPE_FLEXIBLE_DEFINE(ip_msfilter, IP_MSFILTER_SIZE(0),
	{ "imsf_multiaddr", &type_address, offsetof(struct ip_msfilter, imsf_multiaddr) },
	{ "imsf_interface", &type_address, offsetof(struct ip_msfilter, imsf_interface) },
	{ "imsf_fmode", &type_filter_mode, offsetof(struct ip_msfilter, imsf_fmode) },
	{ "imsf_numsrc", &type_u32, offsetof(struct ip_msfilter, imsf_numsrc) },
	{ "imsf_slist", &type_addresses, offsetof(struct ip_msfilter, imsf_slist) });
TYPE_FLEXIBLE_DEFINE(group_filter, GROUP_FILTER_SIZE(0),
	{ "gf_interface", &type_u32, offsetof(struct group_filter, gf_interface) },
	{ "gf_group", &type_sockaddr, offsetof(struct group_filter, gf_group) },
	{ "gf_fmode", &type_filter_mode, offsetof(struct group_filter, gf_fmode) },
	{ "gf_numsrc", &type_u32, offsetof(struct group_filter, gf_numsrc) },
	{ "gf_slist", &type_storages, offsetof(struct group_filter, gf_slist) });
/* Multicast routing. */
static const struct type type_ttls = { .kind = TYPE_ARRAY, .size = MAXVIFS, .element = &type_u8 };
TYPE_STRUCT_DEFINE(vifctl, struct vifctl,
	{ "vifc_vifi", &type_u16, offsetof(struct vifctl, vifc_vifi) },
	{ "vifc_flags", &type_u8, offsetof(struct vifctl, vifc_flags) },
	{ "vifc_threshold", &type_u8, offsetof(struct vifctl, vifc_threshold) },
	{ "vifc_rate_limit", &type_u32, offsetof(struct vifctl, vifc_rate_limit) },
	{ "vifc_lcl_addr", &type_address, offsetof(struct vifctl, vifc_lcl_addr) },
	{ "vifc_lcl_ifindex", &type_int, offsetof(struct vifctl, vifc_lcl_ifindex) },
	{ "vifc_rmt_addr", &type_address, offsetof(struct vifctl, vifc_rmt_addr) });
TYPE_STRUCT_DEFINE(mfcctl, struct mfcctl,
	{ "mfcc_origin", &type_address, offsetof(struct mfcctl, mfcc_origin) },
	{ "mfcc_mcastgrp", &type_address, offsetof(struct mfcctl, mfcc_mcastgrp) },
	{ "mfcc_parent", &type_u16, offsetof(struct mfcctl, mfcc_parent) },
	{ "mfcc_ttls", &type_ttls, offsetof(struct mfcctl, mfcc_ttls) });
TYPE_STRUCT_DEFINE(in_pktinfo, struct in_pktinfo,
	{ "ipi_ifindex", &type_int, offsetof(struct in_pktinfo, ipi_ifindex) },
	{ "ipi_spec_dst", &type_address, offsetof(struct in_pktinfo, ipi_spec_dst) },
	{ "ipi_addr", &type_address, offsetof(struct in_pktinfo, ipi_addr) });
TYPE_STRUCT_DEFINE(ucred, struct ucred,
	{ "pid", &type_int, offsetof(struct ucred, pid) },
	{ "uid", &type_u32, offsetof(struct ucred, uid) },
	{ "gid", &type_u32, offsetof(struct ucred, gid) });

/* IP_RECVERR_RFC4884: where in the payload the extension begins, and what is wrong with it. It stands where ee_data does. */
TYPE_STRUCT_DEFINE(sock_ee_data_rfc4884, struct sock_ee_data_rfc4884,
	{ "len", &type_u16, offsetof(struct sock_ee_data_rfc4884, len) },
	{ "flags", &type_u8, offsetof(struct sock_ee_data_rfc4884, flags) });
/* With the offender's address behind it, as the kernel puts it into the control message. */
struct error_with_offender {
	struct sock_extended_err error;
	struct sockaddr_in offender;
};
TYPE_STRUCT_DEFINE(sock_extended_err, struct error_with_offender,
	{ "ee_errno", &type_u32, offsetof(struct error_with_offender, error.ee_errno) },
	{ "ee_origin", &type_u8, offsetof(struct error_with_offender, error.ee_origin) },
	{ "ee_type", &type_u8, offsetof(struct error_with_offender, error.ee_type) },
	{ "ee_code", &type_u8, offsetof(struct error_with_offender, error.ee_code) },
	{ "ee_info", &type_u32, offsetof(struct error_with_offender, error.ee_info) },
	{ "ee_data", &type_u32, offsetof(struct error_with_offender, error.ee_data) },
	{ "offender", &type_sockaddr, offsetof(struct error_with_offender, offender) },
	{ "ee_rfc4884", &type_sock_ee_data_rfc4884, offsetof(struct error_with_offender, error.ee_data) });

/* Of SOCK_PACKET sockets: a link by its name. */
static const struct type type_device_name = { .kind = TYPE_TEXT, .size = sizeof(((struct sockaddr_pkt *)0)->spkt_device) };
TYPE_STRUCT_DEFINE(sockaddr_pkt, struct sockaddr_pkt,
	{ "spkt_family", &type_u16, offsetof(struct sockaddr_pkt, spkt_family) },
	{ "spkt_device", &type_device_name, offsetof(struct sockaddr_pkt, spkt_device) },
	{ "spkt_protocol", &type_network16, offsetof(struct sockaddr_pkt, spkt_protocol) });

static const struct type type_poll_events = { .kind = TYPE_UNSIGNED, .size = 2 };
TYPE_STRUCT_DEFINE(pollfd, struct pollfd,
	{ "fd", &type_descriptor, offsetof(struct pollfd, fd) },
	{ "events", &type_poll_events, offsetof(struct pollfd, events) },
	{ "revents", &type_poll_events, offsetof(struct pollfd, revents) });
TYPE_STRUCT_DEFINE(epoll_event, struct epoll_event,
	{ "events", &type_u32, offsetof(struct epoll_event, events) },
	{ "fd", &type_descriptor, offsetof(struct epoll_event, data) },
	{ "ptr", &type_u64, offsetof(struct epoll_event, data) },
	{ "u32", &type_u32, offsetof(struct epoll_event, data) },
	{ "u64", &type_u64, offsetof(struct epoll_event, data) });

static const struct type_member tcp_info_members[] = {
#define INFO(name, offset, width) { #name, &type_u##width, offset },
#include "tcp_info_members.h"
#undef INFO
};
/* As long as it comes: its members are compared one by one, those that a script names. */
static const struct type type_tcp_info = { .name = "tcp_info", .kind = TYPE_STRUCT, .member = tcp_info_members,
					   .members = sizeof(tcp_info_members) / sizeof(tcp_info_members[0]) };

/* Structs that a script may write where no table says what belongs there. */
static const struct type *const known[] = {
	&type_linger, &type_sockaddr, &type_sockaddr_in, &type_timeval, &type_timespec, &type_ip_mreqn, &type_ip_mreq,
	&type_ip_mreq_source, &type_group_req, &type_group_source_req, &type_in_pktinfo, &type_ucred, &type_sock_extended_err,
	&type_tcp_info,
	&type_sockaddr_pkt, &type_ip_msfilter, &type_group_filter, &type_vifctl, &type_mfcctl,
};

static bool has_member(const struct type *type, const char *name)
{
	for (unsigned i = 0; i < type->members; i++)
		if (!strcmp(type->member[i].name, name))
			return true;
	return false;
}

const struct type *type_by_members(const struct expr *expr)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		unsigned j = 0;

		while (j < expr->members && expr->member[j].name && has_member(known[i], expr->member[j].name))
			j++;
		if (j && j == expr->members)
			return known[i];
	}
	return NULL;
}

bool type_has_member(const struct type *type, const char *name)
{
	if (!type)
		return false;
	for (unsigned i = 0; i < type->members; i++)
		if (!strcmp(type->member[i].name, name) || type_has_member(type->member[i].type, name))
			return true;
	return type_has_member(type->element, name);
}

bool type_member_known(const char *name)
{
	static const struct type *const others[] = { &type_pollfd, &type_epoll_event };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (type_has_member(known[i], name))
			return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (type_has_member(others[i], name))
			return true;
	return options_have_member(name) || controls_have_member(name) || requests_have_member(name);
}
