/*
 * What netdevice(7), arp(7) and route(8)'s ioctl requests take: struct ifreq with the member of its union that belongs to the request,
 * struct ifconf, struct arpreq, struct rtentry.
 */
#include "types_tables.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <string.h>

static const struct type type_name = { .kind = TYPE_TEXT, .size = IFNAMSIZ };
static const struct type type_hardware = { .kind = TYPE_BYTES, .size = 6 };
static const struct type type_hardware_family = { .kind = TYPE_UNSIGNED, .size = 2, .family = "ARPHRD_" };
static const struct type type_flags = { .kind = TYPE_SIGNED, .size = 2 };
static const struct type type_arp_flags = { .kind = TYPE_SIGNED, .size = 4 };
static const struct type type_route_flags = { .kind = TYPE_UNSIGNED, .size = 2 };
static const struct type type_short = { .kind = TYPE_SIGNED, .size = 2 };
static const struct type type_long = { .kind = TYPE_UNSIGNED, .size = sizeof(long) };
static const struct type type_device = { .kind = TYPE_POINTER, .size = sizeof(char *) };

TYPE_STRUCT_DEFINE(hardware_address, struct sockaddr,
	{ "sa_family", &type_hardware_family, offsetof(struct sockaddr, sa_family) },
	{ "sa_data", &type_hardware, offsetof(struct sockaddr, sa_data) });
TYPE_STRUCT_DEFINE(ifmap, struct ifmap,
	{ "mem_start", &type_long, offsetof(struct ifmap, mem_start) },
	{ "mem_end", &type_long, offsetof(struct ifmap, mem_end) },
	{ "base_addr", &type_u16, offsetof(struct ifmap, base_addr) },
	{ "irq", &type_u8, offsetof(struct ifmap, irq) },
	{ "dma", &type_u8, offsetof(struct ifmap, dma) },
	{ "port", &type_u8, offsetof(struct ifmap, port) });

/* struct ifreq with its name and one member of its union. */
#define IFREQ(NAME, MEMBER, TYPE)                                                                                            \
	TYPE_STRUCT_DEFINE(ifreq_##NAME, struct ifreq, { "ifr_name", &type_name, offsetof(struct ifreq, ifr_name) },             \
			   { #MEMBER, TYPE, offsetof(struct ifreq, MEMBER) })

IFREQ(addr, ifr_addr, &type_sockaddr);
IFREQ(dstaddr, ifr_dstaddr, &type_sockaddr);
IFREQ(broadaddr, ifr_broadaddr, &type_sockaddr);
IFREQ(netmask, ifr_netmask, &type_sockaddr);
IFREQ(hwaddr, ifr_hwaddr, &type_hardware_address);
IFREQ(flags, ifr_flags, &type_flags);
IFREQ(ifindex, ifr_ifindex, &type_int);
IFREQ(metric, ifr_metric, &type_int);
IFREQ(mtu, ifr_mtu, &type_int);
IFREQ(map, ifr_map, &type_ifmap);
IFREQ(slave, ifr_slave, &type_name);
IFREQ(newname, ifr_newname, &type_name);
IFREQ(qlen, ifr_qlen, &type_int);

TYPE_STRUCT_DEFINE(arpreq, struct arpreq,
	{ "arp_pa", &type_sockaddr, offsetof(struct arpreq, arp_pa) },
	{ "arp_ha", &type_hardware_address, offsetof(struct arpreq, arp_ha) },
	{ "arp_flags", &type_arp_flags, offsetof(struct arpreq, arp_flags) },
	{ "arp_netmask", &type_sockaddr, offsetof(struct arpreq, arp_netmask) },
	{ "arp_dev", &type_name, offsetof(struct arpreq, arp_dev) });
TYPE_STRUCT_DEFINE(rtentry, struct rtentry,
	{ "rt_dst", &type_sockaddr, offsetof(struct rtentry, rt_dst) },
	{ "rt_gateway", &type_sockaddr, offsetof(struct rtentry, rt_gateway) },
	{ "rt_genmask", &type_sockaddr, offsetof(struct rtentry, rt_genmask) },
	{ "rt_flags", &type_route_flags, offsetof(struct rtentry, rt_flags) },
	{ "rt_metric", &type_short, offsetof(struct rtentry, rt_metric) },
	{ "rt_dev", &type_device, offsetof(struct rtentry, rt_dev) },
	{ "rt_mtu", &type_long, offsetof(struct rtentry, rt_mtu) },
	{ "rt_window", &type_long, offsetof(struct rtentry, rt_window) },
	{ "rt_irtt", &type_u16, offsetof(struct rtentry, rt_irtt) });

/* --- texts and arrays behind a pointer --------------------------------------------------------------------------------------------------- */
static const char *pointed(const uint8_t *bytes)
{
	const char *text;

	memcpy(&text, bytes, sizeof(text));
	return text;
}

bool pointer_build(const struct run *run, const struct type *type, const struct expr *expr, uint8_t *to, const char **error)
{
	const struct type array = { .kind = TYPE_ARRAY, .element = type->element };
	uint8_t *copy = NULL;
	size_t length;

	if (type->element && expr->kind == EXPR_LIST) {
		size_t room = (size_t)expr->members * type->element->size;

		copy = arena_alloc(run->arena, room ? room : 1);
		if (!type_build(run, &array, expr, copy, room, &length, error))
			return false;
	} else if (!type->element && expr->kind == EXPR_STRING) {
		copy = arena_memdup(run->arena, expr->bytes, expr->length);
	} else if (expr->kind != EXPR_WORD || strcmp(expr->word, "NULL")) {
		*error = type->element ? "expected [a list], or NULL" : "expected a text in quotes, or NULL";
		return false;
	}
	memcpy(to, &copy, sizeof(copy));
	return true;
}

void pointer_print(const uint8_t *bytes, struct text *text)
{
	const char *said = pointed(bytes);

	if (said)
		text_quote(text, said, strlen(said));
	else
		text_add(text, "NULL");
}

bool pointer_compare(const struct expr *expr, const uint8_t *bytes, const char *name, struct text *text)
{
	const char *said = pointed(bytes);

	if (expr->kind == EXPR_STRING ? said && !strcmp(said, expr->bytes) : !said)
		return true;
	text_add(text, "%s: actual ", name);
	pointer_print(bytes, text);
	text_add(text, "\n");
	return false;
}

/* --- struct ifconf ------------------------------------------------------------------------------------------------------------ */
#define IFCONF_ROOM 16384	/* bytes behind ifc_req, whatever ifc_len says */

static const struct type ifreq_array = { .kind = TYPE_ARRAY, .element = &type_ifreq_addr };
const struct type type_ifconf = { .name = "ifconf", .kind = TYPE_IFCONF, .size = sizeof(struct ifconf) };

static const struct expr *ifconf_member(const struct expr *expr, const char *name)
{
	for (unsigned i = 0; i < expr->members; i++)
		if (expr->member[i].name && !strcmp(expr->member[i].name, name))
			return expr->member[i].value;
	return NULL;
}

bool ifconf_build(const struct run *run, const struct expr *expr, uint8_t *to, const char **error)
{
	const struct expr *length = ifconf_member(expr, "ifc_len"), *list = ifconf_member(expr, "ifc_req");
	bool null = list && list->kind == EXPR_WORD && !strcmp(list->word, "NULL");
	struct ifconf conf = { 0 };
	int64_t value = 0;

	if (expr->kind != EXPR_STRUCT) {
		*error = "expected {ifc_len=..., ifc_req=[...]}";
		return false;
	}
	if (length && length->kind != EXPR_ELLIPSIS && !eval_int(run, expr_part(length, 0), &value, error))
		return false;
	if (value > IFCONF_ROOM) {
		*error = arena_printf(run->arena, "ifc_len is at most %d here", IFCONF_ROOM);
		return false;
	}
	conf.ifc_len = (int)value;
	conf.ifc_req = null ? NULL : arena_alloc(run->arena, IFCONF_ROOM);
	memcpy(to, &conf, sizeof(conf));
	return true;
}

bool ifconf_compare(const struct run *run, const struct expr *expr, const uint8_t *bytes, const char *name, struct text *text)
{
	const struct expr *length = ifconf_member(expr, "ifc_len"), *list = ifconf_member(expr, "ifc_req");
	struct ifconf conf;
	bool same = true;

	memcpy(&conf, bytes, sizeof(conf));
	if (length)
		same = type_compare(run, &type_int, length, (const uint8_t *)&conf.ifc_len, sizeof(conf.ifc_len), "ifc_len", text);
	if (list && conf.ifc_req && list->kind == EXPR_LIST && conf.ifc_len >= 0 &&
	    list->members != (unsigned)conf.ifc_len / sizeof(struct ifreq)) {
		text_add(text, "ifc_req: expected %u elements, actual %zu\n", list->members, conf.ifc_len / sizeof(struct ifreq));
		return false;
	}
	if (list && conf.ifc_req && list->kind == EXPR_LIST && conf.ifc_len >= 0)
		same &= type_compare(run, &ifreq_array, list, (const uint8_t *)conf.ifc_req, (size_t)conf.ifc_len, name, text);
	return same;
}

void ifconf_print(const struct run *run, const uint8_t *bytes, struct text *text)
{
	struct ifconf conf;

	memcpy(&conf, bytes, sizeof(conf));
	text_add(text, "{ifc_len=%d, ifc_req=", conf.ifc_len);
	if (conf.ifc_req && conf.ifc_len >= 0 && conf.ifc_len <= IFCONF_ROOM)
		type_print(run, &ifreq_array, (const uint8_t *)conf.ifc_req, (size_t)conf.ifc_len, text);
	else
		text_add(text, "NULL");
	text_add(text, "}");
}

bool ifconf_has_member(const char *name)
{
	return !strcmp(name, "ifc_len") || !strcmp(name, "ifc_req");
}

/* --- requests ------------------------------------------------------------------------------------------------------------------ */
/* Of a request that sets something, only the name is looked at when it returns: it is what the script has said. */
#define GET(REQUEST, TYPE) { PL_OP_ioctl, REQUEST, &type_##TYPE, true, true }
#define SET(REQUEST, TYPE) { PL_OP_ioctl, REQUEST, &type_##TYPE, true, false }

const struct request_row interface_requests[] = {
	GET(SIOCGIFNAME, ifreq_ifindex),     GET(SIOCGIFINDEX, ifreq_ifindex),	 GET(SIOCGIFFLAGS, ifreq_flags),
	SET(SIOCSIFFLAGS, ifreq_flags),	     GET(SIOCGIFPFLAGS, ifreq_flags),	 SET(SIOCSIFPFLAGS, ifreq_flags),
	GET(SIOCGIFADDR, ifreq_addr),	     SET(SIOCSIFADDR, ifreq_addr),	 GET(SIOCGIFDSTADDR, ifreq_dstaddr),
	SET(SIOCSIFDSTADDR, ifreq_dstaddr),  GET(SIOCGIFBRDADDR, ifreq_broadaddr), SET(SIOCSIFBRDADDR, ifreq_broadaddr),
	GET(SIOCGIFNETMASK, ifreq_netmask),  SET(SIOCSIFNETMASK, ifreq_netmask), GET(SIOCGIFMETRIC, ifreq_metric),
	SET(SIOCSIFMETRIC, ifreq_metric),    GET(SIOCGIFMTU, ifreq_mtu),	 SET(SIOCSIFMTU, ifreq_mtu),
	GET(SIOCGIFHWADDR, ifreq_hwaddr),    SET(SIOCSIFHWADDR, ifreq_hwaddr),	 SET(SIOCSIFHWBROADCAST, ifreq_hwaddr),
	GET(SIOCGIFMAP, ifreq_map),	     SET(SIOCSIFMAP, ifreq_map),	 SET(SIOCADDMULTI, ifreq_hwaddr),
	SET(SIOCDELMULTI, ifreq_hwaddr),     GET(SIOCGIFTXQLEN, ifreq_qlen),	 SET(SIOCSIFTXQLEN, ifreq_qlen),
	SET(SIOCSIFNAME, ifreq_newname),     GET(SIOCGIFSLAVE, ifreq_slave),	 SET(SIOCSIFSLAVE, ifreq_slave),
	GET(SIOCGIFMEM, ifreq_metric),	     SET(SIOCSIFMEM, ifreq_metric),	 GET(SIOCGIFCOUNT, ifreq_ifindex),
	GET(SIOCGIFCONF, ifconf),	     GET(SIOCGARP, arpreq),		 SET(SIOCSARP, arpreq),
	SET(SIOCDARP, arpreq),		     SET(SIOCADDRT, rtentry),		 SET(SIOCDELRT, rtentry),
};
const unsigned interface_request_count = sizeof(interface_requests) / sizeof(interface_requests[0]);
