/* Which scripts the arguments of a command line mean. */
#ifndef HARNESS_PATHS_H
#define HARNESS_PATHS_H

struct arena;

struct paths {
	char **path;
	unsigned count, room;
};

/*
 * Add a script, or every *.pkt file under a folder in the order of their names. NULL, or why it cannot be (arena memory). What is
 * named itself need not end in .pkt.
 */
const char *paths_add(struct paths *paths, const char *argument, struct arena *arena);
void paths_free(struct paths *paths);

#endif
