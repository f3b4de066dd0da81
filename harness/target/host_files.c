#include "host_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct host_file {
	int fd;
};

/* A path from the script's folder. false: it is too long. */
static bool path_from(const char *script_path, const char *path, char *joined, size_t size)
{
	const char *slash = *path == '/' || !script_path ? NULL : strrchr(script_path, '/');
	int length = slash ? snprintf(joined, size, "%.*s/%s", (int)(slash - script_path), script_path, path)
			   : snprintf(joined, size, "%s", path);

	return length >= 0 && (size_t)length < size;
}

static int64_t file_open(void *context, const char *path, int flags, int mode, void **file)
{
	char joined[PATH_MAX];
	struct host_file *opened;

	if (!path_from(context, path, joined, sizeof(joined)))
		return -ENAMETOOLONG;
	opened = malloc(sizeof(*opened));
	if (!opened)
		return -ENOMEM;
	opened->fd = open(joined, flags | O_CLOEXEC | O_NOCTTY, mode);
	if (opened->fd < 0) {
		free(opened);
		return -errno;
	}
	*file = opened;
	return 0;
}

static int64_t file_read(void *file, void *buffer, size_t size, int64_t offset)
{
	ssize_t length = pread(((struct host_file *)file)->fd, buffer, size, offset);

	return length < 0 ? -errno : length;
}

static int64_t file_write(void *file, const void *buffer, size_t size, int64_t offset)
{
	ssize_t length = pwrite(((struct host_file *)file)->fd, buffer, size, offset);

	return length < 0 ? -errno : length;
}

static int64_t file_size(void *file)
{
	struct stat status;

	return fstat(((struct host_file *)file)->fd, &status) < 0 ? -errno : status.st_size;
}

static void file_close(void *file)
{
	close(((struct host_file *)file)->fd);
	free(file);
}

struct pl_host_files host_files(const char *script_path)
{
	return (struct pl_host_files){ file_open, file_read, file_write, file_size, file_close, (void *)(uintptr_t)script_path };
}
