/*
 * Built-in forms of commands: those that scripts use most, carried out on the stack without a process and without privileges.
 *
 * A command is taken apart and looked at as a whole first. Only when every part of it is of a form that is known here, with
 * arguments that are known, is anything carried out; else it is left to a real shell. What is carried out has the exit status,
 * and where it fails the message, of the program that it stands for (procps, iproute2, ethtool, dash).
 */
#include "builtin.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <plumbline/link.h>
#include <plumbline/sysctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../target/target.h"
#include "remember.h"

#define MOST_SCRIPT (256 * 1024)
#define DEEPEST 4

static bool is_known(const struct commands *commands, const char *name)
{
	char buffer[8];

	return pl_sysctl_read(commands->stack, name, buffer, sizeof(buffer)) != -ENOENT;
}

static int complain(struct builtin *b, int status, const char *what)
{
	text_add(&b->errors, "%s%s", b->errors.length ? "\n" : "", what);
	return status;
}

static const char *error_name(int error)
{
	return strerrordesc_np(error) ? strerrordesc_np(error) : "Unknown error";
}

/* --- sysctl --------------------------------------------------------------------------------------------------------------- */
/* The part of the tree that is the stack's. */
static bool is_stack_name(const char *name)
{
	return !strncmp(name, "net.ipv4.", 9) || !strncmp(name, "net/ipv4/", 9);
}

static bool sysctl_mine(struct builtin *b, const struct shell_command *command)
{
	bool any = false;

	for (unsigned i = 1; i < command->words; i++) {
		const char *word = command->word[i], *equals = strchr(word, '=');

		if (*word == '-') {
			if (strspn(word + 1, "qwen") != strlen(word + 1) || !word[1])
				return false;
			continue;
		}
		any = true;
		if (!equals || equals == word)
			return false;
		if (!is_stack_name(word) && !is_known(b->commands, arena_memdup(b->arena, word, (size_t)(equals - word))))
			return false;
	}
	return any && (!command->output || !strcmp(command->output, "/dev/null"));
}

static int sysctl_run(struct builtin *b, const struct shell_command *command)
{
	bool ignore = false;
	int status = 0;

	for (unsigned i = 1; i < command->words; i++)
		ignore |= *command->word[i] == '-' && strchr(command->word[i], 'e');
	for (unsigned i = 1; i < command->words; i++) {
		const char *equals = strchr(command->word[i], '='), *name, *value;
		ssize_t done;

		if (*command->word[i] == '-')
			continue;
		name = arena_memdup(b->arena, command->word[i], (size_t)(equals - command->word[i]));
		value = arena_printf(b->arena, "%s\n", equals + 1);
		done = pl_sysctl_write(b->commands->stack, name, value, strlen(value));
		if (done >= 0 || (ignore && done == -ENOENT))
			continue;
		if (done == -ENOENT)
			status =
			    complain(b, 1, arena_printf(b->arena, "sysctl: cannot stat %s: No such file or directory", name));
		else
			status = complain(b, 1, arena_printf(b->arena, "sysctl: setting key \"%s\": %s", name,
							     error_name((int)-done)));
	}
	return status;
}

/* --- echo ----------------------------------------------------------------------------------------------------------------- */
#define TREE "/proc/sys/"

static bool echo_mine(struct builtin *b, const struct shell_command *command)
{
	for (unsigned i = 1; i < command->words; i++)
		if (strchr(command->word[i], '\\') || (*command->word[i] == '-' && strcmp(command->word[i], "-n") && i == 1))
			return false;
	if (!command->output || !strcmp(command->output, "/dev/null"))
		return true;
	return !strncmp(command->output, TREE, strlen(TREE)) && !strstr(command->output, "/../") &&
	       is_known(b->commands, command->output + strlen(TREE));
}

static int echo_run(struct builtin *b, const struct shell_command *command)
{
	bool newline = command->words < 2 || strcmp(command->word[1], "-n") != 0;
	struct text line = { .arena = b->arena };
	ssize_t done;

	for (unsigned i = newline ? 1 : 2; i < command->words; i++)
		text_add(&line, "%s%s", line.length ? " " : "", command->word[i]);
	if (newline)
		text_put(&line, "\n", 1);
	if (!command->output || strncmp(command->output, TREE, strlen(TREE)))
		return 0;
	done = pl_sysctl_write(b->commands->stack, command->output + strlen(TREE), text_get(&line), line.length);
	if (done >= 0)
		return 0;
	return complain(b, done == -EACCES ? 2 : 1,
			arena_printf(b->arena, "echo: %s: %s", command->output, error_name((int)-done)));
}

/* --- true, false ---------------------------------------------------------------------------------------------------------- */
static bool plain_mine(struct builtin *b, const struct shell_command *command)
{
	(void)b;
	return !command->output || !strcmp(command->output, "/dev/null");
}

static int true_run(struct builtin *b, const struct shell_command *command)
{
	(void)b;
	(void)command;
	return 0;
}

static int false_run(struct builtin *b, const struct shell_command *command)
{
	(void)b;
	(void)command;
	return 1;
}

/* --- a shell script of such forms ----------------------------------------------------------------------------------------- */
/* A program's text, NULL when it is not a plain file that may be run, or too long. */
static char *program_read(struct builtin *b, const char *path, size_t *length)
{
	const char *slash = b->commands->config->script_path ? strrchr(b->commands->config->script_path, '/') : NULL;
	char *text = NULL;
	struct stat status;
	int file;

	if (*path != '/' && slash)
		path = arena_printf(b->arena, "%.*s/%s", (int)(slash - b->commands->config->script_path),
				    b->commands->config->script_path, path);
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return NULL;
	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_mode & 0111 && status.st_size < MOST_SCRIPT) {
		*length = (size_t)status.st_size;
		text = arena_alloc(b->arena, *length + 1);
		if (read(file, text, *length) != status.st_size)
			text = NULL;
	}
	close(file);
	return text;
}

/* The same of a file that the init command would have made, had it been run. */
static char *program_recalled(struct builtin *b, const char *path, size_t *length)
{
#ifdef PLUMBLINE_FUSE
	unsigned mode;
	const char *text = b->commands->recalled ? init_file(b->commands->recalled, path, length, &mode) : NULL;
	char *copy;

	if (!text || !(mode & 0111))
		return NULL;
	copy = arena_alloc(b->arena, *length + 1);
	return memcpy(copy, text, *length);
#else
	(void)b, (void)path, (void)length;
	return NULL;
#endif
}

/* The text behind the script's first line, or NULL when it is none that sh or bash would run, or too long. */
static const char *script_text(struct builtin *b, const char *path, size_t *length, bool *bash)
{
	char *text = program_recalled(b, path, length), *line_end;

	if (!text)
		text = program_read(b, path, length);
	line_end = text ? strchr(text, '\n') : NULL;
	if (!line_end)
		return NULL;
	*line_end = 0;
	*bash = !strcmp(text, "#!/bin/bash") || !strcmp(text, "#! /bin/bash") || !strcmp(text, "#!/usr/bin/env bash");
	if (!*bash && strcmp(text, "#!/bin/sh") && strcmp(text, "#! /bin/sh"))
		return NULL;
	*length -= (size_t)(line_end + 1 - text);
	return line_end + 1;
}

static bool list_mine(struct builtin *b, const struct shell_command *list);

static bool file_mine(struct builtin *b, const struct shell_command *command)
{
	struct builtin_file *file;
	const char *text;
	size_t length;
	bool bash, mine;

	if (command->words != 1 || !strchr(command->word[0], '/') || b->depth == DEEPEST || !plain_mine(b, command))
		return false;
	text = script_text(b, command->word[0], &length, &bash);
	if (!text)
		return false;
	file = arena_alloc(b->arena, sizeof(*file));
	if (!shell_parse(text, length, bash, b->arena, &file->list))
		return false;
	b->depth++;
	mine = list_mine(b, file->list);
	b->depth--;
	file->command = command;
	file->next = b->files;
	b->files = file;
	return mine;
}

static int list_run(struct builtin *b, const struct shell_command *list);

static int file_run(struct builtin *b, const struct shell_command *command)
{
	for (const struct builtin_file *file = b->files; file; file = file->next)
		if (file->command == command)
			return list_run(b, file->list);
	return 127;
}

/* --- the forms ------------------------------------------------------------------------------------------------------------ */
static const struct form {
	const char *name;
	bool (*mine)(struct builtin *b, const struct shell_command *command);
	int (*run)(struct builtin *b, const struct shell_command *command);
} forms[] = {
	{ "sysctl", sysctl_mine, sysctl_run },
	{ "echo", echo_mine, echo_run },
	{ "true", plain_mine, true_run },
	{ ":", plain_mine, true_run },
	{ "false", plain_mine, false_run },
	{ "ip", builtin_ip_mine, builtin_ip_run },
	{ "tc", builtin_tc_mine, builtin_tc_run },
	{ "ethtool", builtin_ethtool_mine, builtin_ethtool_run },
	{ "iptables", builtin_iptables_mine, builtin_iptables_run },
	{ "iptables-legacy", builtin_iptables_mine, builtin_iptables_run },
};

static const struct form file_form = { NULL, file_mine, file_run };

static const struct form *form_find(const struct shell_command *command)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (!strcmp(forms[i].name, command->word[0]))
			return &forms[i];
	return &file_form;
}

static bool list_mine(struct builtin *b, const struct shell_command *list)
{
	for (; list; list = list->next)
		if (!form_find(list)->mine(b, list))
			return false;
	return true;
}

static int list_run(struct builtin *b, const struct shell_command *list)
{
	int status = 0;

	for (; list; list = list->next) {
		size_t said = b->errors.length;

		if ((list->joint == SHELL_AND && status) || (list->joint == SHELL_OR && !status))
			continue;
		status = form_find(list)->run(b, list);
		if (list->quiet && b->errors.bytes)
			b->errors.bytes[b->errors.length = said] = 0;
	}
	return status;
}

/*
 * With the number that shells tell their commands (PPID, PACKETDRILL_PID) put in: by it scripts find the files that their init
 * commands made. Only after an init command that had, or would have had, such a shell; what may be quoted is left as it is.
 */
static const char *number_put(const struct commands *commands, const char *command, struct arena *arena)
{
	static const char *const names[] = { "${PPID}", "$PPID", "${PACKETDRILL_PID}", "$PACKETDRILL_PID" };
	struct text text = { .arena = arena };

	if ((!commands->jail && !commands->recalled) || !strchr(command, '$') || strpbrk(command, "'\\"))
		return command;
	while (*command) {
		size_t length = 0;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !length; i++) {
			size_t name = strlen(names[i]);

			if (!strncmp(command, names[i], name) &&
			    (names[i][1] == '{' || (!isalnum((unsigned char)command[name]) && command[name] != '_')))
				length = name;
		}
		if (length)
			text_add(&text, "%d", (int)getpid());
		else
			text_put(&text, command, 1);
		command += length ? length : 1;
	}
	return text_get(&text);
}

int command_builtin(struct commands *commands, const char *command, struct arena *arena, const char **error)
{
	struct builtin b = { .commands = commands, .arena = arena, .errors.arena = arena };
	struct shell_command *list;
	int status;

	command = number_put(commands, command, arena);
	if (!shell_parse(command, strlen(command), false, arena, &list) || !list || !list_mine(&b, list))
		return COMMAND_NOT_MINE;
	status = list_run(&b, list);
	if (status && b.errors.length)
		*error = text_get(&b.errors);
	return status;
}
