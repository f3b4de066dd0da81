#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void real_descriptors_free(struct real_descriptors *descriptors)
{
	/* The real ones are the program's to close: it may have done so without our knowing. */
	free(descriptors->of_stack);
}

int real_to_stack(const struct real_descriptors *descriptors, int real)
{
	return real >= 0 && real < descriptors->room ? descriptors->of_stack[real] : -1;
}

int real_descriptor_add(struct real_descriptors *descriptors, int of_stack)
{
	int real = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (real < 0)
		return -errno;
	if (real >= descriptors->room) {
		int room = 2 * real + 64;
		int *grown = realloc(descriptors->of_stack, (size_t)room * sizeof(*grown));

		if (!grown) {
			close(real);
			return -ENOMEM;
		}
		for (int i = descriptors->room; i < room; i++)
			grown[i] = -1;
		descriptors->of_stack = grown;
		descriptors->room = room;
	}
	descriptors->of_stack[real] = of_stack;
	return real;
}

void real_descriptor_remove(struct real_descriptors *descriptors, int real)
{
	if (real_to_stack(descriptors, real) < 0)
		return;
	descriptors->of_stack[real] = -1;
	close(real);
}
