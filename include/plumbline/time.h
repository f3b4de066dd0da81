/* Time, as every part of Plumbline counts it. */
#ifndef PLUMBLINE_TIME_H
#define PLUMBLINE_TIME_H

#include <stdint.h>

/* Nanoseconds: since the stack was made (an instant) or between two instants (a span). */
typedef int64_t pl_time;

#define PL_NSEC_PER_USEC INT64_C(1000)
#define PL_NSEC_PER_MSEC INT64_C(1000000)
#define PL_NSEC_PER_SEC INT64_C(1000000000)

/* Later than any instant: "no timer is armed", "wait without limit". */
#define PL_TIME_NEVER INT64_MAX

#endif
