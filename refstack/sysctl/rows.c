/* The definition list as a table. */
#include <stddef.h>

#include "../internal.h"

/* One number for each line of meaning_list.h: a row whose tunable has no line there names a number that does not exist. */
enum {
#define ACTS(folder, file, ...) MEANING_##folder##_##file,
#define INERT ACTS
#define PENDING ACTS
#include "meaning_list.h"
	MEANINGS
};

const struct sysctl_meaning sysctl_meanings[] = {
#define ACTS(folder, file, text) { .mark = PL_SYSCTL_ACTS, .meaning = text },
#define INERT(folder, file, text, why) { .mark = PL_SYSCTL_INERT, .meaning = text, .note = why },
#define PENDING(folder, file, text, missing) { .mark = PL_SYSCTL_PENDING, .meaning = text, .note = missing },
#include "meaning_list.h"
};

#define ROW(place_, file_, field_offset, kind_, mode_, start_, low, high, first, only_default)                        \
	{ .file = #file_, .start = start_, .minimum = low, .maximum = high, .offset = (uint32_t)(field_offset), .mode = mode_,    \
	  .place = PLACE_##place_, .meaning = MEANING_##place_##_##file_, .kind = SYSCTL_##kind_, .first_only = first, .default_only = only_default },

/* A trigger has no field; its offset is never followed. */
#define SYSCTL_OFFSET(kind, field) SYSCTL_OFFSET_##kind(field)
#define OFFSET_OF(field) offsetof(struct sysctls, field)
#define SYSCTL_OFFSET_INT OFFSET_OF
#define SYSCTL_OFFSET_U8 OFFSET_OF
#define SYSCTL_OFFSET_UINT OFFSET_OF
#define SYSCTL_OFFSET_INT3 OFFSET_OF
#define SYSCTL_OFFSET_ULONG OFFSET_OF
#define SYSCTL_OFFSET_ULONG3 OFFSET_OF
#define SYSCTL_OFFSET_JIFFIES OFFSET_OF
#define SYSCTL_OFFSET_MS_JIFFIES OFFSET_OF
#define SYSCTL_OFFSET_PORT_RANGE OFFSET_OF
#define SYSCTL_OFFSET_UNPRIVILEGED OFFSET_OF
#define SYSCTL_OFFSET_PORT_BITMAP OFFSET_OF
#define SYSCTL_OFFSET_GID_RANGE OFFSET_OF
#define SYSCTL_OFFSET_FASTOPEN_KEY OFFSET_OF
#define SYSCTL_OFFSET_CONGESTION OFFSET_OF
#define SYSCTL_OFFSET_ALLOWED OFFSET_OF
#define SYSCTL_OFFSET_TEXT OFFSET_OF
#define SYSCTL_OFFSET_TRIGGER(field) 0

const struct sysctl_row sysctl_rows[] = {
#define SYSCTL(folder, file, field, kind, mode, start, low, high)                                                                \
	ROW(folder, file, SYSCTL_OFFSET(kind, field), kind, mode, start, low, high, false, false)
#define SYSCTL_FIRST(folder, file, field, kind, mode, start, low, high)                                                          \
	ROW(folder, file, SYSCTL_OFFSET(kind, field), kind, mode, start, low, high, true, false)
#define SYSCTL_FIRST_VIEW SYSCTL_FIRST
#define CONF(file, mode, start)                                                                                                  \
	ROW(CONF, file, offsetof(struct conf_sysctls, file), INT, mode, #start, INT_MIN, INT_MAX, false, false)
#define NEIGH_ROW(file, field, kind, start, only_default)                                                                        \
	ROW(NEIGH, file, offsetof(struct neigh_sysctls, field), kind, 0644, start, NEIGH_MINIMUM_##kind,   \
	    INT_MAX, false, only_default)
#define NEIGH_MINIMUM_INT 0
#define NEIGH_MINIMUM_JIFFIES INT_MIN
#define NEIGH_MINIMUM_MS_JIFFIES 0
#define NEIGH_MINIMUM_MS_JIFFIES_POSITIVE 1
#define NEIGH_MINIMUM_USERHZ INT_MIN
#define NEIGH_MINIMUM_UNRES_QLEN 0
#define NEIGH(file, field, kind, start) NEIGH_ROW(file, field, kind, start, false)
#define NEIGH_VIEW(file, field, kind, start) NEIGH_ROW(file, field, kind, start, false)
#define NEIGH_DEFAULT(file, field, kind, start) NEIGH_ROW(file, field, kind, start, true)
#include "sysctl_list.h"
};
const unsigned sysctl_row_count = sizeof(sysctl_rows) / sizeof(sysctl_rows[0]);

_Static_assert(sizeof(sysctl_rows) / sizeof(sysctl_rows[0]) == MEANINGS, "a line of meaning_list.h has no tunable");
