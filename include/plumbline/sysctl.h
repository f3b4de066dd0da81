/*
 * The tunables, by path: "net/ipv4/tcp_sack", "net/ipv4/conf/tun0/rp_filter", "net/core/somaxconn". A dotted name
 * ("net.ipv4.tcp_sack") is the same file, with sysctl(8)'s rule for swapping '.' and '/'.
 * Reads and writes are those of procfs files: the same text, the same errors, the same partial effects.
 */
#ifndef PLUMBLINE_SYSCTL_H
#define PLUMBLINE_SYSCTL_H

#include <plumbline/stack.h>
#include <sys/types.h>

/* Text of the whole file into buffer: its length (not more than size is written), or -ENOENT, -EACCES. */
ssize_t pl_sysctl_read(struct pl_stack *stack, const char *path, char *buffer, size_t size);

/* One write(2) at offset 0: bytes taken, or the kernel handler's -errno. */
ssize_t pl_sysctl_write(struct pl_stack *stack, const char *path, const char *text, size_t length);

/*
 * The same at a file position, which is moved where the kernel's handler moves it. Numbers are read in one piece from position
 * 0 and are at their end elsewhere; a write elsewhere is counted and ignored, but for the texts and lists that can go on.
 */
ssize_t pl_sysctl_pread(struct pl_stack *stack, const char *path, char *buffer, size_t size, int64_t *position);
ssize_t pl_sysctl_pwrite(struct pl_stack *stack, const char *path, const char *text, size_t length, int64_t *position);

/*
 * The files whose first value depends on the machine (sizes derived from memory, hash sizes, congestion controls): paths, NULL
 * past the last. pl_sysctl_start gives such a file the value that another machine has, past its mode and bounds: 0, or -EINVAL
 * when the text is not of the file's kind, -ENOENT.
 */
extern const char *const pl_sysctl_machine[];
int pl_sysctl_start(struct pl_stack *stack, const char *path, const char *text);

/* What a directory walk sees. A visitor returning non-zero stops the walk, which then returns that value. */
struct pl_sysctl_file {
	const char *path;	/* below /proc/sys, valid during the visit */
	unsigned mode;		/* permission bits */
	bool folder;
};
int pl_sysctl_walk(struct pl_stack *stack, int (*visit)(void *context, const struct pl_sysctl_file *file), void *context);

/* Count of link and namespace changes that alter the tree: a mounted view drops its caches when it moves. */
uint64_t pl_sysctl_generation(const struct pl_stack *stack);

#endif
