/*
 * The interpreter is a child that reads requests and writes answers (worker.py tells the form). It dies with this process, and
 * when a script does not come back from it. A process that was forked from one that had it starts its own.
 */
#include "python.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../arena.h"
#include "../text.h"

#define PATIENCE_MS 60000
#define MOST_ANSWER (16u << 20)

extern const unsigned char python_worker[];
extern const unsigned int python_worker_length;

static struct {
	pid_t owner, pid;
	int to, from;
} worker = { .to = -1, .from = -1 };

/* --- the child ------------------------------------------------------------------------------------------------------------ */
static void worker_stop(void)
{
	if (worker.to >= 0)
		close(worker.to);
	if (worker.from >= 0)
		close(worker.from);
	if (worker.pid > 0 && worker.owner == getpid()) {
		kill(worker.pid, SIGKILL);
		waitpid(worker.pid, NULL, 0);
	}
	worker.pid = 0;
	worker.to = worker.from = -1;
}

static void worker_child(int in, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, 0);
	dup2(out, 1);
	signal(SIGPIPE, SIG_DFL);
	execlp("/usr/bin/python3", "python3", "-I", "-B", "-c", (const char *)python_worker, (char *)NULL);
	execlp("python3", "python3", "-I", "-B", "-c", (const char *)python_worker, (char *)NULL);
	_exit(127);
}

static bool worker_start(struct arena *arena, const char **error)
{
	int in[2], out[2];

	if (worker.pid > 0 && worker.owner == getpid())
		return true;
	worker_stop();
	if (pipe2(in, O_CLOEXEC) < 0) {
		*error = arena_printf(arena, "no pipe to Python: %s", strerror(errno));
		return false;
	}
	if (pipe2(out, O_CLOEXEC) < 0) {
		*error = arena_printf(arena, "no pipe to Python: %s", strerror(errno));
		close(in[0]);
		close(in[1]);
		return false;
	}
	worker.owner = getpid();
	worker.pid = fork();
	if (!worker.pid)
		worker_child(in[0], out[1]);
	close(in[0]);
	close(out[1]);
	worker.to = in[1];
	worker.from = out[0];
	if (worker.pid > 0)
		return true;
	*error = arena_printf(arena, "Python does not start: %s", strerror(errno));
	worker_stop();
	return false;
}

/* --- request and answer --------------------------------------------------------------------------------------------------- */
/* SIGPIPE is held back: a Python that is gone shows as EPIPE. */
static bool send_all(const char *bytes, size_t length)
{
	sigset_t pipe_signal, before;
	bool done = true;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	while (length && done) {
		ssize_t sent = write(worker.to, bytes, length);

		if (sent < 0 && errno == EINTR)
			continue;
		done = sent > 0;
		bytes += done ? sent : 0;
		length -= done ? (size_t)sent : 0;
	}
	if (!done)
		sigtimedwait(&pipe_signal, NULL, &(struct timespec){ 0 });
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return done;
}

/* Exactly `length` bytes, or false when it does not come to that. */
static bool receive(char *bytes, size_t length)
{
	while (length) {
		struct pollfd poll_from = { .fd = worker.from, .events = POLLIN };
		int ready = poll(&poll_from, 1, PATIENCE_MS);
		ssize_t got;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		got = read(worker.from, bytes, length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		bytes += got;
		length -= (size_t)got;
	}
	return true;
}

static bool receive_line(char *line, size_t room)
{
	for (size_t i = 0; i + 1 < room; i++) {
		if (!receive(line + i, 1))
			return false;
		if (line[i] == '\n') {
			line[i] = 0;
			return true;
		}
	}
	return false;
}

static const char *receive_text(unsigned length, struct arena *arena)
{
	char *text;

	if (length > MOST_ANSWER)
		return NULL;
	text = arena_alloc(arena, length + 1);
	return receive(text, length) ? text : NULL;
}

static void request_build(struct text *request, const char *path, const struct python_block *block, unsigned blocks)
{
	text_add(request, "script %zu %u\n%s", strlen(path), blocks, path);
	for (unsigned i = 0; i < blocks; i++) {
		text_add(request, "block %d %u %zu\n", block[i].line, block[i].variables, strlen(block[i].text));
		for (unsigned j = 0; j < block[i].variables; j++)
			text_add(request, "%s %llu\n", block[i].variable[j].name,
				 (unsigned long long)block[i].variable[j].value);
		text_put(request, block[i].text, strlen(block[i].text));
	}
}

static bool answer_read(struct arena *arena, struct python_result *result)
{
	unsigned message = 0, output = 0;
	char line[80];

	result->failed = -1;
	result->message = "";
	if (!receive_line(line, sizeof(line)))
		return false;
	if (sscanf(line, "ok %u", &output) != 1) {
		if (sscanf(line, "failed %d %u %u", &result->failed, &message, &output) != 3)
			return false;
		result->message = receive_text(message, arena);
	}
	result->output = receive_text(output, arena);
	return result->message && result->output;
}

/* --- --code_command ------------------------------------------------------------------------------------------------------- */
/* The whole program as packetdrill's own interpreters see it. */
static void program_build(struct text *program, const char *path, const struct python_block *block, unsigned blocks)
{
	text_add(program, "import sys\nimport traceback\n");
	for (unsigned i = 0; i < blocks; i++) {
		for (unsigned j = 0; j < block[i].variables; j++)
			text_add(program, "%s = %llu\n", block[i].variable[j].name,
				 (unsigned long long)block[i].variable[j].value);
		text_add(program, "_file = '%s'\n_line = %d\n%s\n\n", path, block[i].line, block[i].text);
	}
}

/* The program stands in a file without a name, which the command reaches through /proc. */
static bool command_run_program(const struct text *program, const char *command, struct arena *arena,
				struct python_result *result, const char **error)
{
	int file = memfd_create("code", 0), status;
	char *line;

	if (file < 0 || write(file, program->bytes, program->length) != (ssize_t)program->length) {
		*error = arena_printf(arena, "no file for the code: %s", strerror(errno));
		if (file >= 0)
			close(file);
		return false;
	}
	line = arena_printf(arena, "%s /proc/self/fd/%d", command, file);
	fflush(NULL);
	status = system(line);
	close(file);
	*result = (struct python_result){ .failed = status ? 0 : -1, .message = "", .output = "" };
	if (status)
		result->message = WIFSIGNALED(status)
				      ? arena_printf(arena, "'%s' got signal %d", command, WTERMSIG(status))
				      : arena_printf(arena, "'%s' returned status %d", command, WEXITSTATUS(status));
	return true;
}

bool python_run(const char *path, const struct python_block *block, unsigned blocks, const char *command, struct arena *arena,
		struct python_result *result, const char **error)
{
	struct text request = { .arena = arena };

	if (command) {
		program_build(&request, path, block, blocks);
		return command_run_program(&request, command, arena, result, error);
	}
	if (!worker_start(arena, error))
		return false;
	request_build(&request, path, block, blocks);
	if (send_all(request.bytes, request.length) && answer_read(arena, result))
		return true;
	worker_stop();
	*error = "Python gave no answer (it ended, or took longer than a minute)";
	return false;
}
