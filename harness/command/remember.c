/*
 * Init commands remembered.
 *
 * Scripts of one folder mostly begin with the same command, on a stack that is the same each time. What such a command did is kept
 * for the next script of this process: every write to a tunable, in its order and at its file position (those that failed too:
 * a failed write may leave something behind), what was carried over from the links, and the files in /tmp that have the number of
 * the shell in their names.
 *
 * It is kept under everything that it can depend on: the text, the folder, the configuration of the target, and each file that
 * the text names, with its content. A command is not remembered when its text does not tell what it depends on (patterns, folders,
 * processes in the background), when it touches devices or /sys, and when it was seen to leave anything else behind: a changed
 * file among those it names, an entry in the script's folder, another file in /tmp that it or a file that it names speaks of. Files
 * there that differ from one of its own in the number alone are those of a worker that runs the same at the same time.
 */
#include "remember.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <plumbline/filter.h>
#include <plumbline/sysctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../arena.h"
#include "../target/shell.h"
#include "../target/target.h"
#include "../text.h"
#include "netstate.h"

#define MOST_EFFECTS 256
#define MOST_FILE (64 * 1024)		/* longer ones are known by their inode and times, and are not made again */
#define FOLDER "/tmp/"

struct init_write {
	struct init_write *next;
	const char *path, *text;
	size_t length;
	int64_t position;
};

struct init_file {
	struct init_file *next;
	const char *name, *text;
	size_t length;
	unsigned mode;
};

struct init_filter {
	struct init_filter *next;
	struct pl_filter_table *table;	/* of malloc: freed when the recording is thrown away, else as long as the process */
};

struct init_effect {
	struct init_effect *next;
	struct arena *arena;		/* that it lies in */
	const char *key;
	size_t key_length;
	struct init_write *write, **write_tail;
	struct init_file *file;
	const struct netstate *before, *after;
	struct init_filter *filter;	/* tables of the packet filter, the last first */
};

struct init_recording {
	struct arena *arena;		/* the effect's */
	struct init_effect *effect;
	const struct target_config *config;
	const char *command;
	struct timespec begun, folder;	/* when, and the last change of the script's folder then */
};

/* Of this process, newest first. They last as long as it does. */
static struct {
	struct init_effect *effect;
	unsigned count;
} memory;

/* --- the key ------------------------------------------------------------------------------------------------------------------- */

static void key_text(struct text *key, const char *text)
{
	text_put(key, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void key_number(struct text *key, uint64_t number)
{
	text_put(key, (const char *)&number, sizeof(number));
}

static void key_config(struct text *key, const struct target_config *config)
{
	const struct pl_machine *machine = config->machine ? config->machine : &pl_machine_default;

	for (unsigned i = 0; i < config->links; i++) {
		const struct target_link *link = &config->link[i];

		key_text(key, link->name);
		key_number(key, link->kind);
		key_number(key, link->mtu);
		key_number(key, link->local.s_addr);
		key_number(key, link->prefix_length);
		key_number(key, link->speed);
	}
	key_number(key, config->gateway.s_addr);
	key_number(key, config->remote.s_addr);
	key_number(key, config->remote_prefix_length);
	key_number(key, config->is_anyip);
	key_number(key, config->first_namespace);
	key_number(key, config->seed);
	key_number(key, machine->ram_pages);
	key_number(key, machine->hz);
	key_text(key, machine->congestion_control);
	key_text(key, machine->available_congestion_control);
	key_text(key, machine->allowed_congestion_control);
	for (const char *const *setting = config->sysctl; setting && *setting; setting++)
		key_text(key, *setting);
}

/* The content of an open file, or for a long one what changes with it. false: it is not a plain file. */
static bool key_content(struct text *key, int file)
{
	struct stat status;
	char *content;
	bool done;

	if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode))
		return false;
	key_number(key, status.st_mode);
	key_number(key, (uint64_t)status.st_size);
	if (status.st_size > MOST_FILE) {
		key_number(key, status.st_dev);
		key_number(key, status.st_ino);
		key_number(key, (uint64_t)status.st_ctim.tv_sec);
		key_number(key, (uint64_t)status.st_ctim.tv_nsec);
		return true;
	}
	content = arena_alloc(key->arena, (size_t)status.st_size + 1);
	done = read(file, content, (size_t)status.st_size) == status.st_size;
	text_put(key, content, (size_t)status.st_size);
	return done;
}

/* Whether a word is what it looks like, and not what a shell makes of it. */
static bool is_plain(const char *word)
{
	if (strchr(word, '\\') || (strchr(word, '$') && strchr(word, '/')))
		return false;
	if (!strpbrk(word, "*?[~{") || *word == '$' || (*word >= '0' && *word <= '9'))
		return true;
	return !strcmp(word, "{") || !strcmp(word, "[") || !strcmp(word, "[[");
}

/* A word of the command: if it names a file, that with its content. false: what it names cannot be remembered. */
static bool key_word(struct text *key, int folder, const char *word)
{
	struct stat status;
	bool done;
	int file;

	if (!is_plain(word))
		return false;
	if (!strncmp(word, "/proc/", 6) || !strcmp(word, "/dev/null"))
		return true;
	if (!strncmp(word, "/sys/", 5) || !strncmp(word, "/dev/", 5))
		return false;
	if (fstatat(folder, word, &status, 0) < 0)
		return true;
	file = S_ISREG(status.st_mode) ? openat(folder, word, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (file < 0)
		return false;
	key_text(key, word);
	done = key_content(key, file);
	close(file);
	return done;
}

/* A single `&`: what it leaves running may do anything later. */
static bool has_background(const char *command)
{
	for (const char *at = command; (at = strchr(at, '&')); at++) {
		bool paired = at[1] == '&' || at[1] == '>' || (at > command && (at[-1] == '>' || at[-1] == '<'));

		if (!paired)
			return true;
		at += at[1] == '&';
	}
	return false;
}

static int folder_open(const struct target_config *config)
{
	const char *slash = config->script_path ? strrchr(config->script_path, '/') : NULL;
	char folder[PATH_MAX] = ".";

	if (slash && (size_t)(slash - config->script_path) < sizeof(folder) - 1) {
		memcpy(folder, config->script_path, (size_t)(slash - config->script_path) + 1);
		folder[slash - config->script_path + 1] = 0;
	}
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Everything that the command's effect depends on. `folder` receives the last change of the script's folder. */
static bool key_make(struct text *key, const struct target_config *config, const char *command, struct timespec *changed)
{
	static const char between[] = " \t\r\n;|&<>()`\"'=";
	int folder = folder_open(config);
	struct stat status;
	bool done = folder >= 0 && fstat(folder, &status) == 0 && !has_background(command);

	if (done) {
		*changed = status.st_mtim;
		key_number(key, status.st_dev);
		key_number(key, status.st_ino);
		key_text(key, command);
		key_config(key, config);
	}
	for (const char *at = command; done && *at;) {
		size_t length = strcspn(at, between);

		/* A continued line. */
		if (length && at[length] == '\n' && at[length - 1] == '\\')
			length--;
		if (length)
			done = key_word(key, folder, arena_memdup(key->arena, at, length));
		at += length;
		at += *at == '\\' ? 2 : *at != 0;
	}
	if (folder >= 0)
		close(folder);
	return done;
}

static bool same_time(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

/* --- recalling --------------------------------------------------------------------------------------------------------------- */

const struct init_effect *init_recall(const struct target_config *config, const char *command)
{
	struct arena *arena = memory.count ? arena_new() : NULL;
	struct text key = { .arena = arena };
	struct init_effect *effect = NULL;
	struct timespec changed;

	if (arena && key_make(&key, config, command, &changed))
		for (effect = memory.effect; effect; effect = effect->next)
			if (effect->key_length == key.length && !memcmp(effect->key, key.bytes, key.length))
				break;
	if (arena)
		arena_free(arena);
	return effect;
}

static void filter_repeat(const struct init_filter *filter, struct pl_stack *stack)
{
	if (!filter)
		return;
	filter_repeat(filter->next, stack);
	pl_filter_set(stack, filter->table);
}

void init_repeat(const struct init_effect *effect, struct pl_stack *stack)
{
	for (const struct init_write *write = effect->write; write; write = write->next) {
		int64_t position = write->position;

		pl_sysctl_pwrite(stack, write->path, write->text, write->length, &position);
	}
	if (effect->before)
		netstate_apply(stack, effect->before, effect->after);
	filter_repeat(effect->filter, stack);
}

const char *init_file(const struct init_effect *effect, const char *path, size_t *length, unsigned *mode)
{
	if (strncmp(path, FOLDER, strlen(FOLDER)))
		return NULL;
	for (const struct init_file *file = effect->file; file; file = file->next)
		if (!strcmp(file->name, path + strlen(FOLDER))) {
			*length = file->length;
			*mode = file->mode;
			return file->text;
		}
	return NULL;
}

/* --- recording --------------------------------------------------------------------------------------------------------------- */

struct init_recording *init_record(const struct target_config *config, const char *command)
{
	struct init_recording *recording;
	struct arena *arena;
	struct text key;

	if (memory.count == MOST_EFFECTS)
		return NULL;
	arena = arena_new();
	key = (struct text){ .arena = arena };
	recording = arena_alloc(arena, sizeof(*recording));
	if (!key_make(&key, config, command, &recording->folder)) {
		arena_free(arena);
		return NULL;
	}
	recording->arena = arena;
	recording->config = config;
	recording->command = command;
	recording->effect = arena_alloc(arena, sizeof(*recording->effect));
	recording->effect->arena = arena;
	recording->effect->key = key.bytes;
	recording->effect->key_length = key.length;
	recording->effect->write_tail = &recording->effect->write;
	/* As file systems tell the time, which may be a little behind. */
	clock_gettime(CLOCK_REALTIME_COARSE, &recording->begun);
	return recording;
}

void init_record_write(struct init_recording *recording, const char *path, const char *text, size_t length, int64_t position)
{
	struct init_write *write;

	if (!recording)
		return;
	write = arena_alloc(recording->arena, sizeof(*write));
	*write = (struct init_write){ .path = arena_strdup(recording->arena, path), .length = length, .position = position,
				      .text = arena_memdup(recording->arena, text, length) };
	*recording->effect->write_tail = write;
	recording->effect->write_tail = &write->next;
}

void init_record_network(struct init_recording *recording, const struct netstate *before, const struct netstate *after)
{
	if (!recording || !memcmp(before, after, sizeof(*before)))
		return;
	recording->effect->before = arena_memdup(recording->arena, before, sizeof(*before));
	recording->effect->after = arena_memdup(recording->arena, after, sizeof(*after));
}

/* Keep a file that the command made. false: it is nothing that can be kept. */
static bool file_keep(struct init_recording *recording, int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct init_file *file = arena_alloc(recording->arena, sizeof(*file));
	struct stat status;
	char *text = NULL;
	bool done = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= MOST_FILE;

	if (done) {
		text = arena_alloc(recording->arena, (size_t)status.st_size + 1);
		done = read(fd, text, (size_t)status.st_size) == status.st_size;
	}
	if (fd >= 0)
		close(fd);
	if (!done)
		return false;
	*file = (struct init_file){ .next = recording->effect->file, .name = arena_strdup(recording->arena, name),
				    .text = text, .length = (size_t)status.st_size, .mode = status.st_mode & 07777 };
	recording->effect->file = file;
	return true;
}

/* The same but for the numbers in them. */
static bool alike(const char *one, const char *other)
{
	static const char digits[] = "0123456789";

	for (; *one && *other; one++, other++) {
		size_t number = strspn(one, digits), other_number = strspn(other, digits);

		if (!number != !other_number || (!number && *one != *other))
			return false;
		one += number ? number - 1 : 0;
		other += number ? other_number - 1 : 0;
	}
	return *one == *other;
}

static bool is_sibling(const struct init_recording *recording, const char *name)
{
	for (const struct init_file *file = recording->effect->file; file; file = file->next)
		if (alike(file->name, name))
			return true;
	return false;
}

static bool made_since(int folder, const char *name, const struct timespec *begun)
{
	struct statx made;

	if (statx(folder, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_CTIME | STATX_UID, &made) < 0 || made.stx_uid != geteuid())
		return false;
	if (!(made.stx_mask & STATX_BTIME))
		made.stx_btime = made.stx_ctime;
	return made.stx_btime.tv_sec > begun->tv_sec ||
	       (made.stx_btime.tv_sec == begun->tv_sec && made.stx_btime.tv_nsec >= begun->tv_nsec);
}

/*
 * Whether the command, or a file that it names, speaks of such a file in /tmp: what is written out of the name, up to where a
 * variable or a format begins. (All of that is in the key.) Others make files there all the time.
 */
static bool is_spoken_of(const struct init_effect *effect, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const char *end = effect->key + effect->key_length;

	for (const char *at = effect->key; (at = memmem(at, (size_t)(end - at), FOLDER, strlen(FOLDER)));) {
		size_t length = 0;

		at += strlen(FOLDER);
		while (at + length < end && at[length] && strchr(plain, at[length]))
			length++;
		if (!strncmp(name, at, length))
			return true;
	}
	return false;
}

/* Those in /tmp that the command made: with the shell's number in their names they are kept, and there are to be no others. */
static bool files_keep(struct init_recording *recording)
{
	DIR *folder = opendir("/tmp");
	bool done = folder;

	for (int others = 0; folder && others < 2; others++, rewinddir(folder)) {
		struct dirent *entry;

		while (done && (entry = readdir(folder))) {
			bool own = shell_name_has_number(entry->d_name, getpid());

			if (own == others || entry->d_name[0] == '.' || !made_since(dirfd(folder), entry->d_name, &recording->begun))
				continue;
			if (own)
				done = file_keep(recording, dirfd(folder), entry->d_name);
			else
				done = !is_spoken_of(recording->effect, entry->d_name) || is_sibling(recording, entry->d_name);
		}
	}
	if (folder)
		closedir(folder);
	return done;
}

/* Nothing that the command depends on has changed by it. */
static bool key_holds(struct init_recording *recording)
{
	struct text key = { .arena = recording->arena };
	struct timespec changed;

	return key_make(&key, recording->config, recording->command, &changed) && same_time(&changed, &recording->folder) &&
	       key.length == recording->effect->key_length && !memcmp(key.bytes, recording->effect->key, key.length);
}

void init_record_filter(struct init_recording *recording, const struct pl_filter_table *table)
{
	struct init_filter *filter;

	if (!recording)
		return;
	filter = arena_alloc(recording->arena, sizeof(*filter));
	filter->table = pl_filter_copy(table);
	filter->next = recording->effect->filter;
	if (filter->table)
		recording->effect->filter = filter;
}

void init_record_end(struct init_recording *recording, bool done)
{
	if (!recording)
		return;
	if (!done || !files_keep(recording) || !key_holds(recording)) {
		for (struct init_filter *filter = recording->effect->filter; filter; filter = filter->next)
			pl_filter_free(filter->table);
		arena_free(recording->arena);
		return;
	}
	recording->effect->next = memory.effect;
	memory.effect = recording->effect;
	memory.count++;
}
