/* On which processors the kernel's timers are on time. */
#ifndef HARNESS_TARGET_KERNEL_TICKS_H
#define HARNESS_TARGET_KERNEL_TICKS_H

/*
 * Keep ticks going and find the processors on which timers are on time; takes a sixth of a second. A descriptor that keeps
 * this up, or -1 when it is not allowed here: then nothing is known of processors.
 */
int kernel_ticks_begin(void);
void kernel_ticks_end(int fd);

/* A processor for a script's process to keep to; -1: any. */
int kernel_ticks_cpu(void);

#endif
