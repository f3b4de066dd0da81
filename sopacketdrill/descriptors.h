/*
 * Descriptors as programs know them.
 *
 * packetdrill closes with close(2) what a script leaves open, and takes descriptors for numbers of its own process: two files
 * never have the same. So each descriptor of the stack is given a real one, of /dev/null, as its name.
 */
#ifndef SOPACKETDRILL_DESCRIPTORS_H
#define SOPACKETDRILL_DESCRIPTORS_H

#include <plumbline/call.h>

struct real_descriptors {
	int *of_stack;		/* by real number; -1: not one of the stack's */
	int room;
};

void real_descriptors_free(struct real_descriptors *descriptors);

/* The stack's number; -1, which no stack knows, for any that is not the stack's. */
int real_to_stack(const struct real_descriptors *descriptors, int real);

/* A real descriptor for the stack's, or -EMFILE, -ENFILE, -ENOMEM. */
int real_descriptor_add(struct real_descriptors *descriptors, int of_stack);

void real_descriptor_remove(struct real_descriptors *descriptors, int real);

#endif
