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

/* What a tunable is, for people: one for each row of the definition list, in its order. All text is constant. */
enum pl_sysctl_mark {
	PL_SYSCTL_ACTS,		/* the stack's code reads it */
	PL_SYSCTL_INERT,	/* it can have no effect here */
	PL_SYSCTL_PENDING,	/* Linux acts on it, the stack does not yet */
};
struct pl_sysctl_description {
	const char *folder;	/* "net/ipv4", "net/ipv4/conf/IF", ... where IF is default, all or a link */
	const char *file;
	const char *kind;	/* what the file takes, in words */
	const char *start;	/* its text in a fresh namespace; "" when it is empty, not readable, or depends on the machine */
	int64_t minimum;	/* bounds: only when bounded */
	uint64_t maximum;
	const char *meaning, *note;	/* note: why it is inert, what is missing; NULL when it acts */
	enum pl_sysctl_mark mark;
	unsigned mode;		/* permission bits */
	bool bounded, machine, first_namespace;	/* machine: the first value depends on it; first_namespace: only it has the file */
};
/* The description of that row: false past the last. */
bool pl_sysctl_describe(unsigned index, struct pl_sysctl_description *description);

/* Count of link and namespace changes that alter the tree: a mounted view drops its caches when it moves. */
uint64_t pl_sysctl_generation(const struct pl_stack *stack);

#endif
