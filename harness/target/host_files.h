/* The machine's files, lent to a reference stack: open("/tmp/data") in a script means the same file as on the kernel. */
#ifndef HARNESS_TARGET_HOST_FILES_H
#define HARNESS_TARGET_HOST_FILES_H

#include <plumbline/stack.h>

/* Relative paths start from the folder of the script. The result's context points at script_path, which outlives the stack. */
struct pl_host_files host_files(const char *script_path);

#endif
