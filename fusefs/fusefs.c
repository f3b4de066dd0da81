/*
 * The mounted tree, over libfuse's low-level interface.
 *
 * Positions. procfs handlers keep their own idea of the file position: some do not move it, so that a second write through the
 * same descriptor starts anew. The kernel's FUSE client counts bytes. A handle therefore remembers where the client should be
 * next and what that means to the handler.
 *
 * Modes. A tunable's mode binds the superuser too, as in procfs: nobody writes a read-only one. That is why modes are looked at
 * here and not by the kernel, for which the superuser may do everything. Groups count for nothing: no file gives one more than
 * everybody has.
 */
#define FUSE_USE_VERSION 35
#include "fusefs.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_log.h>
#include <fuse_lowlevel.h>
#include <limits.h>
#include <linux/magic.h>
#include <plumbline/inspect.h>
#include <plumbline/sysctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guardian.h"
#include "nodes.h"

/* Seconds that the kernel may keep a name or an attribute: neither changes while it exists. */
#define FOREVER 1e9
#define PROCFS_BLOCK 1024

struct fusefs {
	struct fuse_session *session;
	struct pl_stack *stack;
	struct node_table nodes;
	void (*before)(void *context);
	void (*write)(void *context, const char *path, const char *text, size_t size, int64_t position);
	void *context;
	struct guardian guardian;
	uid_t uid;			/* who owns the files: who mounts */
	gid_t gid;
	struct handle *handles;		/* open files: some may still be when it is unmounted */
};

struct handle {
	struct handle *next, **from;
	off_t expected;			/* the client's offset after the last transfer */
	int64_t position;		/* the handler's */
	char *text;			/* net/: as it was when the reading began */
	size_t length;
};

/* Every request that looks at the stack stands between enter and leave. */
static struct fusefs *enter(fuse_req_t request)
{
	struct fusefs *fs = fuse_req_userdata(request);

	if (fs->stack) {
		pl_stack_lock(fs->stack);
		if (fs->before)
			fs->before(fs->context);
	}
	node_refresh(&fs->nodes, fs->stack);
	return fs;
}

static void leave(struct fusefs *fs)
{
	if (fs->stack)
		pl_stack_unlock(fs->stack);
}

static struct stat node_stat(const struct fusefs *fs, const struct node *node)
{
	return (struct stat){
		.st_ino = (ino_t)(node - fs->nodes.node) + 1,
		.st_mode = node->mode | (node->folder ? S_IFDIR : S_IFREG),
		.st_nlink = 1,
		.st_uid = fs->uid,
		.st_gid = fs->gid,
		.st_blksize = PROCFS_BLOCK,
	};
}

/* May whoever asks read or write (R_OK, W_OK) the file? */
static bool may(fuse_req_t request, const struct fusefs *fs, const struct node *node, int wanted)
{
	uid_t uid = fuse_req_ctx(request)->uid;
	unsigned allowed = uid == fs->uid || !uid ? node->mode >> 6 : node->mode;

	return !(wanted & (R_OK | W_OK | X_OK) & ~allowed);
}

static void op_init(void *userdata, struct fuse_conn_info *connection)
{
	/* A shell opens with O_TRUNC and then writes: one request, and no size to set. */
	connection->want |= connection->capable & FUSE_CAP_ATOMIC_O_TRUNC;
}

static void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct fusefs *fs = enter(request);
	struct fuse_entry_param entry = { .ino = node_child(&fs->nodes, parent, name) };
	struct node *node = entry.ino ? node_of(&fs->nodes, entry.ino) : NULL;

	if (node) {
		entry.attr = node_stat(fs, node);
		entry.attr_timeout = FOREVER;
		entry.entry_timeout = node_transient(node) ? 0 : FOREVER;
		fuse_reply_entry(request, &entry);
	} else {
		fuse_reply_err(request, ENOENT);
	}
	leave(fs);
}

static void op_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct fusefs *fs = enter(request);
	struct node *node = node_of(&fs->nodes, ino);

	if (node) {
		struct stat attributes = node_stat(fs, node);

		fuse_reply_attr(request, &attributes, FOREVER);
	} else {
		fuse_reply_err(request, ENOENT);
	}
	leave(fs);
}

/* Truncation is part of how shells write and changes nothing; modes and owners are the kernel's own and stay. */
static void op_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *wanted, int which, struct fuse_file_info *info)
{
	struct fusefs *fs = enter(request);
	const struct node *node = node_of(&fs->nodes, ino);
	bool owner = fuse_req_ctx(request)->uid == fs->uid || !fuse_req_ctx(request)->uid;
	bool given_time = (which & FUSE_SET_ATTR_ATIME && !(which & FUSE_SET_ATTR_ATIME_NOW)) ||
			  (which & FUSE_SET_ATTR_MTIME && !(which & FUSE_SET_ATTR_MTIME_NOW));
	int error = 0;

	if (which & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) || (given_time && !owner))
		error = EPERM;
	else if (node && !owner && !may(request, fs, node, W_OK))
		error = EACCES;
	leave(fs);
	if (error)
		fuse_reply_err(request, error);
	else
		op_getattr(request, ino, info);
}

/* access(2), which test -w asks. What is in net/ has no rules of its own: the superuser may do everything but execute it. */
static void op_access(fuse_req_t request, fuse_ino_t ino, int wanted)
{
	struct fusefs *fs = enter(request);
	const struct node *node = node_of(&fs->nodes, ino);

	if (!node)
		fuse_reply_err(request, ENOENT);
	else if (!strncmp(node->path, "net/", 4) && !fuse_req_ctx(request)->uid && !(wanted & X_OK))
		fuse_reply_err(request, 0);
	else
		fuse_reply_err(request, may(request, fs, node, wanted) ? 0 : EACCES);
	leave(fs);
}

/* --- what procfs does not do, with its errors ------------------------------------------------------------------------------ */

/* Nothing is made there. */
static void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
	fuse_reply_err(request, ENOENT);
}

static void op_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	fuse_reply_err(request, ENOENT);
}

static void op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(request, ENOENT);
}

static void op_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(request, ENOENT);
}

static void op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *info)
{
	fuse_reply_err(request, ENOENT);
}

/* Nor does anything go. */
static int removal_error(fuse_req_t request, fuse_ino_t parent)
{
	struct fusefs *fs = enter(request);
	const struct node *folder = node_of(&fs->nodes, parent);
	int error = folder && !strncmp(folder->path, "sys", 3) ? EACCES : EPERM;

	leave(fs);
	return error;
}

static void op_remove(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(request, removal_error(request, parent));
}

static void op_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *new_name, unsigned flags)
{
	struct fusefs *fs = enter(request);
	bool there = node_child(&fs->nodes, to, new_name) != 0;

	leave(fs);
	fuse_reply_err(request, there ? removal_error(request, parent) : ENOENT);
}

static void op_fsync(fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
	fuse_reply_err(request, EINVAL);
}

static void op_listxattr(fuse_req_t request, fuse_ino_t ino, size_t size)
{
	if (size)
		fuse_reply_buf(request, NULL, 0);
	else
		fuse_reply_xattr(request, 0);
}

/* Offsets 1 and 2 follow "." and ".."; behind an entry the offset is its inode plus 2. */
static void op_readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct fusefs *fs = enter(request);
	char *buffer = malloc(size);
	size_t used = 0;

	for (off_t at = offset, next; buffer && at >= 0 && at <= (off_t)fs->nodes.count + 2; at = next) {
		struct stat attributes = { .st_ino = ino, .st_mode = S_IFDIR };
		const char *name = at == 0 ? "." : "..";
		size_t entry;

		next = at + 1;
		if (at >= 2) {
			uint64_t found = node_next(&fs->nodes, ino, (uint64_t)at - 2);
			struct node *node = node_of(&fs->nodes, found);

			if (!node)
				break;
			attributes = node_stat(fs, node);
			name = node->path + node->name;
			next = (off_t)found + 2;
		}
		entry = fuse_add_direntry(request, buffer + used, size - used, name, &attributes, next);
		if (entry > size - used)
			break;
		used += entry;
	}
	if (buffer)
		fuse_reply_buf(request, buffer, used);
	else
		fuse_reply_err(request, ENOMEM);
	free(buffer);
	leave(fs);
}

static int open_error(fuse_req_t request, const struct fusefs *fs, const struct node *node, int flags)
{
	int access = flags & O_ACCMODE;

	if (!node)
		return ENOENT;
	if (node->folder)
		return EISDIR;
	if (!may(request, fs, node, (access != O_WRONLY ? R_OK : 0) | (access != O_RDONLY ? W_OK : 0)))
		return EACCES;
	return flags & O_DIRECT ? EINVAL : 0;
}

static void handle_free(struct handle *handle)
{
	*handle->from = handle->next;
	if (handle->next)
		handle->next->from = handle->from;
	free(handle->text);
	free(handle);
}

static void op_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct fusefs *fs = enter(request);
	int error = open_error(request, fs, node_of(&fs->nodes, ino), info->flags);
	struct handle *handle = error ? NULL : calloc(1, sizeof(*handle));

	if (!error && !handle)
		error = ENOMEM;
	if (error) {
		fuse_reply_err(request, error);
	} else {
		info->fh = (uintptr_t)handle;
		info->direct_io = 1;
		handle->next = fs->handles;
		handle->from = &fs->handles;
		if (fs->handles)
			fs->handles->from = &handle->next;
		fs->handles = handle;
		if (fuse_reply_open(request, info) < 0)
			handle_free(handle);
	}
	leave(fs);
}

static void op_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info)
{
	handle_free((struct handle *)(uintptr_t)info->fh);
	fuse_reply_err(request, 0);
}

/* The handler's position for a transfer at the client's offset. */
static int64_t *handle_seek(struct handle *handle, off_t offset)
{
	if (offset != handle->expected)
		handle->position = offset;
	return &handle->position;
}

/* The row of a file that is not the stack's; NULL: it is. */
static const struct fusefs_file *own_file(const struct fusefs *fs, const char *path)
{
	const struct fusefs_file *file = fs->nodes.files;

	while (file && file->path && strcmp(file->path, path))
		file++;
	return file && file->path ? file : NULL;
}

/* A file that is made as a whole: one of net/, or one of `file`. */
static void read_text(struct fusefs *fs, fuse_req_t request, struct handle *handle, const char *path, const struct fusefs_file *file,
		      size_t size, off_t offset)
{
	if (!handle->text || offset == 0) {
		char *text = NULL;
		ssize_t length = file ? file->read(fs->context, &text) : pl_inspect_file(fs->stack, path + 4, &text);

		if (length < 0) {
			fuse_reply_err(request, (int)-length);
			return;
		}
		free(handle->text);
		handle->text = text;
		handle->length = (size_t)length;
	}
	if ((size_t)offset >= handle->length)
		fuse_reply_buf(request, NULL, 0);
	else
		fuse_reply_buf(request, handle->text + offset,
			       handle->length - (size_t)offset < size ? handle->length - (size_t)offset : size);
}

static void read_sysctl(struct fusefs *fs, fuse_req_t request, struct handle *handle, const char *path, size_t size, off_t offset)
{
	int64_t *position = handle_seek(handle, offset);
	char *buffer = malloc(size);
	ssize_t length = buffer ? pl_sysctl_pread(fs->stack, path, buffer, size, position) : -ENOMEM;

	if (length < 0) {
		fuse_reply_err(request, (int)-length);
	} else {
		handle->expected = offset + length;
		fuse_reply_buf(request, buffer, (size_t)length);
	}
	free(buffer);
}

static void op_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct fusefs *fs = enter(request);
	struct node *node = node_of(&fs->nodes, ino);
	struct handle *handle = (struct handle *)(uintptr_t)info->fh;
	const struct fusefs_file *file = node ? own_file(fs, node->path) : NULL;

	if (!node || !fs->stack)
		fuse_reply_err(request, ENOENT);
	else if (file || !strncmp(node->path, "net/", 4))
		read_text(fs, request, handle, node->path, file, size, offset);
	else
		read_sysctl(fs, request, handle, node->path + 4, size, offset);
	leave(fs);
}

static void op_write(fuse_req_t request, fuse_ino_t ino, const char *text, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct fusefs *fs = enter(request);
	struct node *node = node_of(&fs->nodes, ino);
	struct handle *handle = (struct handle *)(uintptr_t)info->fh;
	const struct fusefs_file *file = node ? own_file(fs, node->path) : NULL;
	ssize_t taken = -ENOENT;

	/* A tunable's size is 0: whoever appends writes at its start. The client thinks that it has grown. */
	if (info->flags & O_APPEND)
		handle->position = 0;
	else
		handle_seek(handle, offset);
	if (file)
		taken = file->write(fs->context, text, size);
	else if (node && fs->stack && fs->write)
		fs->write(fs->context, node->path + 4, text, size, handle->position);
	if (!file && node && fs->stack)
		taken = pl_sysctl_pwrite(fs->stack, node->path + 4, text, size, &handle->position);
	if (taken < 0) {
		fuse_reply_err(request, (int)-taken);
	} else {
		handle->expected = offset + taken;
		fuse_reply_write(request, (size_t)taken);
	}
	leave(fs);
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readdir = op_readdir,
	.open = op_open,
	.release = op_release,
	.read = op_read,
	.write = op_write,
	.access = op_access,
	.mkdir = op_mkdir,
	.mknod = op_mknod,
	.symlink = op_symlink,
	.link = op_link,
	.create = op_create,
	.unlink = op_remove,
	.rmdir = op_remove,
	.rename = op_rename,
	.fsync = op_fsync,
	.listxattr = op_listxattr,
};

/* What is wrong with the folder, as far as looking tells; NULL: nothing. */
static const char *folder_problem(const char *directory)
{
	char above[PATH_MAX + 4];
	struct stat status, parent;
	struct statfs system;

	if (stat(directory, &status) < 0 || statfs(directory, &system) < 0)
		return errno == ENOTCONN ? "a mount that nobody serves any more is there (umount it)" : strerror(errno);
	if (!S_ISDIR(status.st_mode))
		return strerror(ENOTDIR);
	snprintf(above, sizeof(above), "%s/..", directory);
	/* Two on one place would each take away the other's at its end. */
	if (system.f_type == FUSE_SUPER_MAGIC && stat(above, &parent) == 0 && parent.st_dev != status.st_dev)
		return "something is mounted there already";
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return errno == ENOENT ? "there is no /dev/fuse" : "/dev/fuse may not be opened";
	return NULL;
}

/* What libfuse and its helper say, which is the reason; without the name that they put first. */
static char last_words[256];

static void note_words(enum fuse_log_level level, const char *format, va_list arguments)
{
	char line[sizeof(last_words)];
	const char *from = line;

	vsnprintf(line, sizeof(line), format, arguments);
	if (!strncmp(from, "fuse: ", 6))
		from += 6;
	snprintf(last_words, sizeof(last_words), "%.*s", (int)strcspn(from, "\n"), from);
}

/* 0, or -1 with *error. */
static int mount_at(struct fusefs *fs, const struct fusefs_config *config, const char **error)
{
	bool mounted;

	if (strncmp(config->directory, "/dev/fd/", 8)) {
		*error = folder_problem(config->directory);
		if (*error)
			return -1;
	}
	*error = "no process to guard the mount";
	if (config->guarded && guardian_start(&fs->guardian, config->directory) < 0)
		return -1;
	snprintf(last_words, sizeof(last_words), "it cannot be mounted");
	fuse_set_log_func(note_words);
	mounted = fuse_session_mount(fs->session, config->directory) == 0;
	fuse_set_log_func(NULL);
	*error = last_words;
	return mounted ? 0 : -1;
}

struct fusefs *fusefs_mount(const struct fusefs_config *config, const char **error)
{
	/* Other users are let in by root alone: fusermount3 refuses it to others, unless its configuration says so. */
	const char *const words[] = { "plumbline", "-ofsname=plumbline,subtype=plumbline", "-oallow_other" };
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
	struct fusefs *fs = calloc(1, sizeof(*fs));

	*error = "no memory";
	if (!fs)
		return NULL;
	*fs = (struct fusefs){ .stack = config->stack, .before = config->before, .write = config->write,
			      .context = config->context, .uid = getuid(), .gid = getgid(), .guardian.life = -1, .nodes.files = config->files };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) - !!geteuid(); i++)
		fuse_opt_add_arg(&arguments, words[i]);
	fs->session = fuse_session_new(&arguments, &operations, sizeof(operations), fs);
	fuse_opt_free_args(&arguments);
	*error = "libfuse refuses a session";
	if (!fs->session)
		goto failed;
	if (mount_at(fs, config, error) < 0)
		goto failed;
	fcntl(fuse_session_fd(fs->session), F_SETFL, O_NONBLOCK);
	fcntl(fuse_session_fd(fs->session), F_SETFD, FD_CLOEXEC);
	*error = NULL;
	return fs;
failed:
	fusefs_unmount(fs);
	return NULL;
}

void fusefs_show(struct fusefs *fs, struct pl_stack *stack)
{
	fs->stack = stack;
	fs->nodes.generation = UINT64_MAX;	/* a new stack may stand where a freed one stood */
}

int fusefs_fd(const struct fusefs *fs)
{
	return fuse_session_fd(fs->session);
}

bool fusefs_serve(struct fusefs *fs)
{
	struct fuse_buf buffer = { 0 };

	while (!fuse_session_exited(fs->session)) {
		int received = fuse_session_receive_buf(fs->session, &buffer);

		if (received == -EINTR)
			continue;
		if (received <= 0)
			break;
		fuse_session_process_buf(fs->session, &buffer);
	}
	free(buffer.mem);
	return !fuse_session_exited(fs->session);
}

void fusefs_unmount(struct fusefs *fs)
{
	if (!fs)
		return;
	if (fs->session) {
		fuse_session_unmount(fs->session);
		fuse_session_destroy(fs->session);
	}
	/* Of files that were open to the last, the kernel's word that they were closed may never have come. */
	while (fs->handles)
		handle_free(fs->handles);
	guardian_stop(&fs->guardian);
	node_free_all(&fs->nodes);
	free(fs);
}
