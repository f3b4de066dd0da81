/*
 * The tunables as the stack's code reads them: stack->sysctl.tcp_sack, link->ipv4->conf.rp_filter. A field has its file's name
 * (route_NAME for route/NAME); the three of tcp_rmem are an array.
 *
 * Values are kept as the kernel keeps them: a tunable whose file counts seconds, milliseconds or hundredths (kinds JIFFIES,
 * MS_JIFFIES, USERHZ in sysctl_list.h) holds jiffies. SYSCTL_TIME turns those into a span.
 */
#ifndef REFSTACK_SYSCTL_H
#define REFSTACK_SYSCTL_H

#include <limits.h>
#include <netinet/in.h>
#include <plumbline/sysctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SYSCTL_FIELD_INT(field) int field;
#define SYSCTL_FIELD_U8(field) uint8_t field;
#define SYSCTL_FIELD_UINT(field) unsigned field;
#define SYSCTL_FIELD_INT3(field) int field[3];
#define SYSCTL_FIELD_ULONG(field) unsigned long field;
#define SYSCTL_FIELD_ULONG3(field) unsigned long field[3];
#define SYSCTL_FIELD_JIFFIES(field) int field;
#define SYSCTL_FIELD_MS_JIFFIES(field) int field;
#define SYSCTL_FIELD_MS_JIFFIES_POSITIVE(field) int field;
#define SYSCTL_FIELD_USERHZ(field) int field;
#define SYSCTL_FIELD_UNRES_QLEN(field) int field;
#define SYSCTL_FIELD_PORT_RANGE(field) int field[2];
#define SYSCTL_FIELD_UNPRIVILEGED(field) int field;
#define SYSCTL_FIELD_PORT_BITMAP(field) uint8_t field[65536 / 8];	/* bit per port */
#define SYSCTL_FIELD_GID_RANGE(field) uint32_t field[2];
#define SYSCTL_FIELD_FASTOPEN_KEY(field) uint8_t field[2][16]; unsigned tcp_fastopen_keys;	/* 0: none made yet */
#define SYSCTL_FIELD_CONGESTION(field) char field[16];		/* of new sockets */
#define SYSCTL_FIELD_ALLOWED(field) char field[128];
#define SYSCTL_FIELD_TEXT(field) char field[128];
#define SYSCTL_FIELD_TRIGGER(field)

struct conf_sysctls {
#define CONF(file, ...) int file;
#include "sysctl_list.h"
};

struct neigh_sysctls {
#define NEIGH(file, field, kind, ...) SYSCTL_FIELD_##kind(field)
#define NEIGH_DEFAULT(file, field, kind, ...) SYSCTL_FIELD_##kind(field)
#include "sysctl_list.h"
};

struct sysctls {
#define SYSCTL(folder, file, field, kind, ...) SYSCTL_FIELD_##kind(field)
#define SYSCTL_FIRST(folder, file, field, kind, ...) SYSCTL_FIELD_##kind(field)
#include "sysctl_list.h"
	struct conf_sysctls conf_all, conf_default;	/* conf/IF is in_device.conf */
	struct neigh_sysctls neigh_default;
};

/* The span of a tunable kept in jiffies. */
#define SYSCTL_TIME(stack, value) jiffies_to_time(stack, value)

struct pl_stack;
struct pl_machine;
struct in_device;

/* What a fresh namespace starts with on that machine. */
void sysctl_defaults(struct sysctls *sysctls, const struct pl_machine *machine);
/* A new link's conf/IF and neigh/IF: copies of the defaults as they stand. */
void sysctl_link_init(struct pl_stack *stack, struct in_device *device);
/* The link got an address: later changes of conf/default do not reach it any more. */
void sysctl_link_pin(struct in_device *device);

/* --- rows and kinds: for tree.c, kinds.c, special.c and whoever documents the tunables --------------------------------- */
enum sysctl_kind {
	SYSCTL_INT, SYSCTL_U8, SYSCTL_UINT, SYSCTL_INT2, SYSCTL_INT3, SYSCTL_ULONG, SYSCTL_ULONG2, SYSCTL_ULONG3, SYSCTL_JIFFIES, SYSCTL_MS_JIFFIES,
	SYSCTL_MS_JIFFIES_POSITIVE, SYSCTL_USERHZ, SYSCTL_UNRES_QLEN, SYSCTL_PORT_RANGE, SYSCTL_UNPRIVILEGED, SYSCTL_PORT_BITMAP,
	SYSCTL_GID_RANGE, SYSCTL_FASTOPEN_KEY, SYSCTL_CONGESTION, SYSCTL_ALLOWED, SYSCTL_TEXT, SYSCTL_TRIGGER, SYSCTL_KINDS
};
enum sysctl_place { PLACE_CORE, PLACE_IPV4, PLACE_ROUTE, PLACE_IPV6, PLACE_NETFILTER, PLACE_CONF, PLACE_NEIGH, PLACE_COUNT };

/* A row's mode when its value is the whole machine's: 0644 in the first namespace, without the right to write in others. */
#define SYSCTL_SHARED 01644

struct sysctl_row {
	const char *file;
	const char *start;		/* text in a fresh namespace; "" where the machine or nobody sets it */
	int64_t minimum;
	uint64_t maximum;
	uint32_t offset;		/* in struct sysctls, conf_sysctls or neigh_sysctls, by place */
	uint16_t mode;
	uint16_t meaning;		/* in sysctl_meanings */
	uint8_t place, kind;
	bool first_only;		/* only the first network namespace has the file */
	bool default_only;		/* neigh/default alone */
};
extern const struct sysctl_row sysctl_rows[];
extern const unsigned sysctl_row_count;

/* What a tunable is for, and whether it matters here: a line of meaning_list.h. */
struct sysctl_meaning {
	const char *meaning, *note;	/* note: why it is inert, or what is missing; NULL when it acts */
	enum pl_sysctl_mark mark;
};
extern const struct sysctl_meaning sysctl_meanings[];

/* One open file's view of a value: what a kind's functions work on. */
struct sysctl_access {
	struct pl_stack *stack;
	const struct sysctl_row *row;
	void *value;
};

/*
 * A kind's handlers, with the contract of procfs handlers: `position` is the file position, advanced by what was taken or given
 * where the kernel's handler advances it. write: bytes taken or -errno. print: the whole text, its length; read decides what
 * part of it a reader gets.
 */
struct sysctl_kind_ops {
	ssize_t (*write)(const struct sysctl_access *access, const char *text, size_t length, int64_t *position);
	size_t (*print)(const struct sysctl_access *access, char *buffer, size_t size);
	bool seekable;			/* reads go on where the last one ended; otherwise whatever did not fit is lost */
};
extern const struct sysctl_kind_ops sysctl_kind_table[SYSCTL_KINDS];

/* proc_get_long's rules: one number of at most 21 characters at *text, in C's bases; -EINVAL, or 0 with *text moved past it. */
int sysctl_scan(const char **text, size_t *left, unsigned long *magnitude, bool *negative, const char *separators);
size_t sysctl_skip_spaces(const char **text, size_t *left);

#endif
