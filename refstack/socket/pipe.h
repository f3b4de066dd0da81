/* Pipes: a ring of page-sized slots, as Linux has them; what splice(2) moves goes through one. */
#ifndef REFSTACK_PIPE_H
#define REFSTACK_PIPE_H

#include "file.h"

#define PIPE_SLOTS 16
#define PIPE_PAGE 4096

struct pipe_slot {
	uint8_t *page;
	unsigned offset, length;
	bool merge;			/* a write may append: it was made by write(2) */
};

struct pipe {
	struct pipe_slot slot[PIPE_SLOTS];
	unsigned first, used;
	unsigned readers, writers;	/* ends that are open */
	bool had_writer;
	struct wait_queue readable, writable;
};

struct pipe *pipe_of(const struct pl_file *file);	/* NULL: not an end of a pipe */
static inline bool pipe_full(const struct pipe *pipe)
{
	return pipe->used == PIPE_SLOTS;
}
/* Add a slot with a copy of at most a page of the bytes: how many, 0 when there is no room or no memory. */
size_t pipe_push(struct pipe *pipe, const void *bytes, size_t length, bool merge);
/* The bytes of slot `i` from the front. */
static inline struct pipe_slot *pipe_slot(struct pipe *pipe, unsigned i)
{
	return &pipe->slot[(pipe->first + i) % PIPE_SLOTS];
}
/* Drop `length` bytes from the front. */
void pipe_consume(struct pipe *pipe, size_t length);
/* Plain files: read at a position, the length, and move into a pipe from *offset or the file's own position. Counts or -errno. */
int64_t host_file_read_at(struct pl_file *file, void *buffer, size_t size, int64_t position);
int64_t host_file_size(struct pl_file *file);
int64_t host_file_splice(struct pl_file *file, int64_t *offset, struct pipe *pipe, size_t length);
/* Wake the other end after a change. */
void pipe_wake_readers(struct pipe *pipe);
void pipe_wake_writers(struct pipe *pipe);

/* The kernel's own flag of sendmsg: the message's bytes are in pages that may be referred to (splice, sendfile). */
#define MSG_SPLICE_PAGES 0x8000000

#endif
