/* The kinds with rules of their own; special.c. Shapes as in struct sysctl_kind_ops. */
#ifndef REFSTACK_SYSCTL_SPECIAL_H
#define REFSTACK_SYSCTL_SPECIAL_H

#include "sysctl.h"

#define SYSCTL_SPECIAL(name)                                                                                              \
	ssize_t write_##name(const struct sysctl_access *access, const char *text, size_t length, int64_t *position);     \
	size_t print_##name(const struct sysctl_access *access, char *buffer, size_t size)
SYSCTL_SPECIAL(port_range);
SYSCTL_SPECIAL(port_bitmap);
SYSCTL_SPECIAL(gid_range);
SYSCTL_SPECIAL(fastopen_key);
SYSCTL_SPECIAL(text);
ssize_t write_unprivileged(const struct sysctl_access *access, const char *text, size_t length, int64_t *position);
ssize_t write_congestion(const struct sysctl_access *access, const char *text, size_t length, int64_t *position);
ssize_t write_allowed(const struct sysctl_access *access, const char *text, size_t length, int64_t *position);
#undef SYSCTL_SPECIAL

#endif
