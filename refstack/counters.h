/*
 * Counters with the kernel's names, in the kernel's order (/proc/net/snmp, /proc/net/netstat). Every drop has one.
 * counter_list.h holds the rows: COUNTER(group, Name).  CNT_<group>_<Name> is the number.
 */
#ifndef REFSTACK_COUNTERS_H
#define REFSTACK_COUNTERS_H

#include <stdint.h>

enum counter {
#define COUNTER(group, name) CNT_##group##_##name,
#include "counter_list.h"
#undef COUNTER
	CNT_COUNT
};

#define COUNT(stack, group, name) ((stack)->counter[CNT_##group##_##name]++)
#define COUNT_ADD(stack, group, name, n) ((stack)->counter[CNT_##group##_##name] += (uint64_t)(n))

#endif
