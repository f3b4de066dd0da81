/*
 * Runs a fuzz target over files, without a fuzzer: every file named, or every file in the folders named. That is how the kept
 * inputs are tests in every build.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static void replay(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t size = 0, room = 1 << 20;
	uint8_t *data = malloc(room);

	if (!file || !data) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, room, file);
	fclose(file);
	/* As long as the input is, so that a sanitizer sees what lies behind it. */
	data = realloc(data, size ? size : 1);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	replayed++;
}

static void replay_folder(const char *path)
{
	struct dirent **entry;
	int count = scandir(path, &entry, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.')
			replay(file);
		free(entry[i]);
	}
	if (count >= 0)
		free(entry);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat status;

		if (stat(argv[i], &status)) {
			perror(argv[i]);
			return 1;
		}
		if (S_ISDIR(status.st_mode))
			replay_folder(argv[i]);
		else
			replay(argv[i]);
	}
	printf("%u inputs\n", replayed);
	return replayed ? 0 : 1;
}
