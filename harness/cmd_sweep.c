/* plumbline sweep: every combination of sockets, states, calls and arguments on two targets, and where they part. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "pool.h"
#include "runs.h"
#include "subcommand.h"
#include "sweep/batch.h"
#include "sweep/report.h"

#define BATCH_LIMIT (900 * PL_NSEC_PER_SEC)
#define WORKERS_MOST 256

struct sweeping {
	struct sweep sweep;
	struct arena *arena;
	const struct sweep_family *family[16];
	unsigned families;
	unsigned workers;
	bool json, list;
	const char *output;
	FILE *out;
	/* Of the family at hand: */
	struct combination *batch;
	unsigned batches, batches_done;
	struct findings *findings;
	bool terminal;
};

static pl_time now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * PL_NSEC_PER_SEC + time.tv_nsec;
}

/* --- one family ------------------------------------------------------------------------------------------------------------ */

static void batch_count(void *context, const struct combination *combination)
{
	*(uint64_t *)context += 1;
}

/* Put in the batch unless the filter leaves nothing of it. */
static void batch_add(struct sweeping *sweeping, const struct combination *batch, unsigned *room)
{
	uint64_t combinations = 0;

	combinations_visit(batch, &sweeping->sweep.filter, sweeping->arena, batch_count, &combinations);
	if (!combinations)
		return;
	if (sweeping->batches == *room) {
		struct combination *old = sweeping->batch;

		*room = *room ? 2 * *room : 256;
		sweeping->batch = arena_alloc(sweeping->arena, *room * sizeof(*old));
		if (old)
			memcpy(sweeping->batch, old, sweeping->batches * sizeof(*old));
	}
	sweeping->batch[sweeping->batches++] = *batch;
}

static void batches_make(struct sweeping *sweeping, const struct sweep_family *family)
{
	unsigned room = 0;

	sweeping->batches = sweeping->batches_done = 0;
	sweeping->batch = NULL;
	for (unsigned privileged = family->privileged_only; privileged < 2; privileged++)
		for (unsigned p = 0; family->probe[p]; p++) {
			struct combination batch = { .family = family, .probe = family->probe[p], .privileged = privileged };

			if (batch.probe->bare)
				batch_add(sweeping, &batch, &room);
			for (unsigned s = 0; !batch.probe->bare && family->socket[s]; s++) {
				batch.socket = family->socket[s];
				for (unsigned state = 0; state < STATES; state++) {
					batch.state = state;
					if (batch.socket->states & 1u << state)
						batch_add(sweeping, &batch, &room);
				}
			}
		}
}

static void run_one(void *context, unsigned job, struct arena *arena, struct outcome *outcome)
{
	const struct sweeping *sweeping = context;

	batch_run(&sweeping->sweep, job, &sweeping->batch[job], arena, outcome);
}

static void one_done(void *context, unsigned job, const struct outcome *outcome)
{
	struct sweeping *sweeping = context;
	struct text where = { .arena = sweeping->arena };

	sweeping->batches_done++;
	if (outcome->verdict == OUTCOME_SKIP) {
		findings_skip(sweeping->findings, outcome->reason ? outcome->reason : "");
	} else if (outcome->diagnostics) {
		findings_add(sweeping->findings, outcome->diagnostics);
	} else {
		const struct combination *at = &sweeping->sweep.progress[job];

		combination_print(at->probe ? at : &sweeping->batch[job], &where);
		findings_fail(sweeping->findings, text_get(&where), outcome->reason ? outcome->reason : "it came to nothing");
	}
	if (sweeping->terminal)
		fprintf(stderr, "\r\033[K%s: %u of %u batches", sweeping->batch[0].family->name, sweeping->batches_done,
			sweeping->batches);
	if (sweeping->terminal && sweeping->batches_done == sweeping->batches)
		fprintf(stderr, "\r\033[K");
}

/* 0, or as pool_run has it. */
static int family_run(struct sweeping *sweeping)
{
	unsigned *job = arena_alloc(sweeping->arena, (sweeping->batches + 1) * sizeof(*job));
	size_t size = (sweeping->batches + 1) * sizeof(struct combination);
	struct pool pool = { .job = job, .jobs = sweeping->batches, .fresh = true, .limit = BATCH_LIMIT, .run = run_one,
			     .done = one_done, .context = sweeping };
	int result;

	for (unsigned i = 0; i < sweeping->batches; i++)
		job[i] = i;
	pool.workers = sweeping->workers < pool.jobs ? sweeping->workers : pool.jobs;
	sweeping->sweep.progress = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sweeping->sweep.progress == MAP_FAILED)
		return -errno;
	result = pool.jobs ? pool_run(&pool) : 0;
	munmap(sweeping->sweep.progress, size);
	return result;
}

/* --- the command line --------------------------------------------------------------------------------------------------------- */

static const struct sweep_family *family_find(const char *name)
{
	for (unsigned i = 0; sweep_families[i]; i++)
		if (!strcmp(sweep_families[i]->name, name))
			return sweep_families[i];
	return NULL;
}

static void list_axes(const struct sweep_family *family, FILE *out)
{
	fprintf(out, "%s: %s\n", family->name, family->summary);
	for (unsigned i = 0; family->socket[i]; i++) {
		fprintf(out, "  socket=%s state=", family->socket[i]->name);
		for (unsigned state = 0, first = 1; state < STATES; state++)
			if (family->socket[i]->states & 1u << state) {
				fprintf(out, "%s%s", first ? "" : ",", sweep_state_names[state]);
				first = 0;
			}
		fprintf(out, "\n");
	}
	for (unsigned p = 0; family->probe[p]; p++) {
		fprintf(out, "  call=%s", family->probe[p]->name);
		for (unsigned a = 0; a < SWEEP_AXES && family->probe[p]->axis[a]; a++)
			fprintf(out, " %s=", family->probe[p]->axis[a]->name);
		fprintf(out, "\n");
	}
}

static int families_take(const struct subcommand *self, struct sweeping *sweeping, int argc, char **argv)
{
	for (int i = optind; i < argc; i++) {
		const struct sweep_family *family = family_find(argv[i]);

		if (!family)
			return usage_error(self, "there is no family '%s'", argv[i]);
		if (sweeping->families == sizeof(sweeping->family) / sizeof(sweeping->family[0]))
			return usage_error(self, "too many families");
		sweeping->family[sweeping->families++] = family;
	}
	for (unsigned i = 0; !sweeping->families && sweeping->list && sweep_families[i]; i++)
		sweeping->family[i] = sweep_families[i];
	while (sweeping->list && sweeping->family[sweeping->families])
		sweeping->families++;
	if (!sweeping->families)
		return usage_error(self, "which family? (--list names them)");
	for (unsigned i = 0; i < sweeping->families; i++) {
		const char *term = filter_unknown(&sweeping->sweep.filter, sweeping->family[i]);

		if (term)
			return usage_error(self, "'%s' is no AXIS=PATTERN of %s (--list names them)", term, sweeping->family[i]->name);
	}
	return 0;
}

static bool number(const char *text, unsigned most, unsigned *value)
{
	char *end;
	unsigned long parsed = strtoul(text, &end, 10);

	*value = (unsigned)parsed;
	return *text >= '0' && *text <= '9' && !*end && parsed >= 1 && parsed <= most;
}

static int targets_take(const struct subcommand *self, struct sweeping *sweeping, const char *text)
{
	char *copy = arena_strdup(sweeping->arena, text), *comma = strchr(copy, ',');

	if (!comma)
		return usage_error(self, "--targets takes two, as in refstack,kernel");
	*comma = '\0';
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i ? comma + 1 : copy;

		sweeping->sweep.ops[i] = strncmp(name, "so:", 3) ? target_find(name) : NULL;
		if (!sweeping->sweep.ops[i])
			return usage_error(self, "'%s' is no target of sweeps: refstack or kernel", name);
	}
	return 0;
}

/* 0, -1 when help was asked for, or an exit status. */
static int options_take(const struct subcommand *self, struct sweeping *sweeping, int argc, char **argv)
{
	static const struct option options[] = {
		{ "only", required_argument, NULL, 'f' },   { "every", required_argument, NULL, 'e' },
		{ "jobs", required_argument, NULL, 'j' },   { "format", required_argument, NULL, 'F' },
		{ "output", required_argument, NULL, 'o' }, { "targets", required_argument, NULL, 't' },
		{ "all", no_argument, NULL, 'a' },	    { "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	struct sweep_filter *filter = &sweeping->sweep.filter;
	int letter;

	optind = 0;
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":j:o:h", options, NULL)) != -1)
		switch (letter) {
		case 'f':
			if (filter->terms == sizeof(filter->term) / sizeof(filter->term[0]))
				return usage_error(self, "too many --only");
			filter->term[filter->terms++] = optarg;
			break;
		case 'e':
			if (!number(optarg, 1000000, &filter->every))
				return usage_error(self, "--every takes a number from 1 to 1000000, not '%s'", optarg);
			break;
		case 'j':
			if (!number(optarg, WORKERS_MOST, &sweeping->workers))
				return usage_error(self, "-j takes a number from 1 to %d, not '%s'", WORKERS_MOST, optarg);
			break;
		case 'F':
			if (strcmp(optarg, "text") && strcmp(optarg, "json"))
				return usage_error(self, "--format is text or json, not '%s'", optarg);
			sweeping->json = !strcmp(optarg, "json");
			break;
		case 't':
			if (targets_take(self, sweeping, optarg))
				return EXIT_USAGE;
			break;
		case 'o':
			sweeping->output = optarg;
			break;
		case 'a':
			sweeping->sweep.all = true;
			break;
		case 'l':
			sweeping->list = true;
			break;
		case 'h':
			return -1;
		case ':':
			return usage_error(self, "%s needs a value", argv[optind - 1]);
		default:
			return usage_error(self, "there is no option '%s'", argv[optind - 1]);
		}
	return families_take(self, sweeping, argc, argv);
}

static int families_run(struct sweeping *sweeping)
{
	struct findings_style style = { .out = sweeping->out, .json = sweeping->json,
					.target = { sweeping->sweep.ops[0]->name, sweeping->sweep.ops[1]->name } };
	int status = EXIT_PASSED;
	bool all_skipped = true;

	for (unsigned i = 0; i < sweeping->families; i++) {
		pl_time start = now();
		enum findings_verdict verdict;
		int result;

		batches_make(sweeping, sweeping->family[i]);
		sweeping->findings = findings_new(sweeping->sweep.all, sweeping->arena);
		result = family_run(sweeping);
		if (result > 0)
			return -result;
		if (result < 0) {
			fprintf(stderr, "plumbline: no worker process can be started: %s\n", strerror(-result));
			return EXIT_FAILED;
		}
		findings_report(sweeping->findings, sweeping->family[i]->name, (double)(now() - start) / 1e9, &style);
		fflush(sweeping->out);
		verdict = findings_verdict(sweeping->findings);
		all_skipped &= verdict == FINDINGS_SKIPPED;
		if (verdict == FINDINGS_DIFFER || verdict == FINDINGS_FAILED)
			status = EXIT_FAILED;
	}
	return all_skipped ? EXIT_SKIPPED : status;
}

static int sweep_output(struct sweeping *sweeping)
{
	int status;

	sweeping->out = sweeping->output ? fopen(sweeping->output, "we") : stdout;
	if (!sweeping->out) {
		fprintf(stderr, "plumbline: cannot write %s: %s\n", sweeping->output, strerror(errno));
		return EXIT_USAGE;
	}
	sweeping->terminal = isatty(STDERR_FILENO);
	status = families_run(sweeping);
	if (fflush(sweeping->out) || ferror(sweeping->out)) {
		fprintf(stderr, "plumbline: the report could not be written: %s\n", strerror(errno));
		status = status < 0 ? status : EXIT_USAGE;
	}
	if (sweeping->out != stdout)
		fclose(sweeping->out);
	return status;
}

int cmd_sweep(const struct subcommand *self, int argc, char **argv)
{
	struct sweeping *sweeping = calloc(1, sizeof(*sweeping));
	struct target_session *session = NULL;
	struct pl_machine machine;
	const char *note = NULL;
	int status;

	if (!sweeping)
		return EXIT_FAILED;
	sweeping->arena = arena_new();
	sweeping->workers = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	sweeping->sweep.ops[0] = &refstack_target;
	sweeping->sweep.ops[1] = &kernel_target;
	status = options_take(self, sweeping, argc, argv);
	if (status == -1) {
		status = usage_help(self);
	} else if (!status && sweeping->list) {
		for (unsigned i = 0; i < sweeping->families; i++)
			list_axes(sweeping->family[i], stdout);
	} else if (!status) {
		if (kernel_machine_read(&machine, sweeping->arena))
			sweeping->sweep.machine = &machine;
		session = kernel_session_begin(sweeping->arena, &note);
		if (note)
			fprintf(stderr, "plumbline: %s\n", note);
		status = sweep_output(sweeping);
		kernel_session_end(session);
	}
	arena_free(sweeping->arena);
	free(sweeping);
	return status < 0 ? end_by_signal(-status) : status;
}
