/* Between the files that hold the tables of types. */
#ifndef HARNESS_ENGINE_TYPES_TABLES_H
#define HARNESS_ENGINE_TYPES_TABLES_H

#include <stddef.h>

#include "types.h"

/* const struct type type_NAME of C type CTYPE with these members. */
#define TYPE_STRUCT_DEFINE(NAME, CTYPE, ...)                                                                         \
	static const struct type_member NAME##_members[] = { __VA_ARGS__ };                                          \
	const struct type type_##NAME = { #NAME, TYPE_STRUCT,    sizeof(CTYPE),                                      \
					  NULL,  NAME##_members, sizeof(NAME##_members) / sizeof(NAME##_members[0]), \
					  NULL }

/* The same of `SIZE` bytes and an array behind them, its last member, that is as long as the caller makes it. */
#define TYPE_FLEXIBLE_DEFINE(NAME, SIZE, ...)                                                                                \
	static const struct type_member NAME##_members[] = { __VA_ARGS__ };                                                  \
	const struct type type_##NAME = { #NAME, TYPE_STRUCT, SIZE, NULL, NAME##_members,                                    \
					  sizeof(NAME##_members) / sizeof(NAME##_members[0]), NULL }

extern const struct type type_s64, type_family, type_sockaddr_in, type_linger, type_ip_mreqn, type_ip_mreq, type_ip_mreq_source,
    type_group_req, type_group_source_req, type_in_pktinfo, type_ucred, type_sock_extended_err, type_pollfd, type_epoll_event,
    type_ip_msfilter, type_group_filter, type_vifctl, type_mfcctl, type_sock_fprog, type_sock_ee_data_rfc4884, type_sockaddr_pkt,
    type_program;	/* what SO_GET_FILTER reads, whose length counts instructions */

/* Whether the type, or one inside it, is a structure with a member of this name. */
bool type_has_member(const struct type *type, const char *name);
/* The same over all types of one table. */
bool options_have_member(const char *name);
bool controls_have_member(const char *name);
bool requests_have_member(const char *name);

/* types_interface.c */
extern const struct request_row interface_requests[];
extern const unsigned interface_request_count;
extern const struct type type_ifconf;
bool ifconf_has_member(const char *name);
bool pointer_build(const struct run *run, const struct type *type, const struct expr *expr, uint8_t *to, const char **error);
bool pointer_compare(const struct expr *expr, const uint8_t *bytes, const char *name, struct text *text);
void pointer_print(const uint8_t *bytes, struct text *text);
bool ifconf_build(const struct run *run, const struct expr *expr, uint8_t *to, const char **error);
bool ifconf_compare(const struct run *run, const struct expr *expr, const uint8_t *bytes, const char *name, struct text *text);
void ifconf_print(const struct run *run, const uint8_t *bytes, struct text *text);

/* types_odd.c */
const struct expr *type_member_value(const struct expr *expr, unsigned i);
bool stamps_eval(const struct run *run, const struct expr *expr, int64_t *nanoseconds, const char **error);
bool stamps_compare(const struct run *run, const struct expr *expr, const uint8_t *bytes, size_t length, const char *name,
		    struct text *text);
void stamps_print(const struct run *run, const uint8_t *bytes, size_t length, struct text *text);
bool attributes_build(const struct run *run, const struct expr *expr, uint8_t *to, size_t room, size_t *length,
		      const char **error);
bool attributes_compare(const struct run *run, const struct expr *expr, const uint8_t *bytes, size_t length, const char *name,
			struct text *text);
void attributes_print(const uint8_t *bytes, size_t length, struct text *text);

#endif
