/*
 * A stack's tree, mounted: DIR/sys/net/... as /proc/sys/net, DIR/net/... as /proc/net.
 *
 * It names no tunable: it walks the stack's rows. It starts no thread: whoever serves it polls fusefs_fd and calls fusefs_serve,
 * so a stack and its tree can live in one thread. Calls into the stack happen under pl_stack_lock.
 */
#ifndef FUSEFS_H
#define FUSEFS_H

#include <plumbline/stack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fusefs;

/* A file in the mount that is not the stack's. Both functions are called under the stack's lock. */
struct fusefs_file {
	const char *path;		/* from the root of the mount; its folders are made */
	unsigned mode;
	ssize_t (*read)(void *context, char **text);	/* the length of all of it, malloced; or -errno, or -1 for no memory */
	ssize_t (*write)(void *context, const char *text, size_t size);	/* what was taken, or -errno */
};

struct fusefs_config {
	struct pl_stack *stack;		/* may be changed later with fusefs_show; NULL: an empty tree */
	const char *directory;		/* where to mount; or "/dev/fd/N", an open /dev/fuse that is mounted already */
	bool guarded;			/* unmounted even when this process is killed (guardian.h) */
	void (*before)(void *context);	/* told before a request touches the stack: a live run moves the clock here; may be NULL */
	/* Told of every write to a tunable before it is carried out, whatever becomes of it; may be NULL. */
	void (*write)(void *context, const char *path, const char *text, size_t size, int64_t position);
	const struct fusefs_file *files;	/* up to one without a path; NULL: none */
	void *context;
};

/* Mounted, or NULL with a message in *error (static). */
struct fusefs *fusefs_mount(const struct fusefs_config *config, const char **error);
/* Show another stack from now on (NULL: an empty tree). */
void fusefs_show(struct fusefs *fs, struct pl_stack *stack);
/* Readable when a request waits. */
int fusefs_fd(const struct fusefs *fs);
/* Answer the waiting requests. false: the file system was unmounted from outside. */
bool fusefs_serve(struct fusefs *fs);
/* Unmount and free; also after an outside unmount. NULL is ignored. */
void fusefs_unmount(struct fusefs *fs);

#endif
