/* The subcommands of plumbline. */
#ifndef HARNESS_SUBCOMMAND_H
#define HARNESS_SUBCOMMAND_H

/* Exit statuses; EXIT_SKIPPED is kselftest's. */
enum exit_status { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SKIPPED = 4 };

struct subcommand {
	const char *name;
	const char *arguments;		/* as usage shows them */
	const char *summary;		/* one line */
	const char *help;		/* what `plumbline NAME --help` says after the usage; NULL: nothing more */
	int (*main)(const struct subcommand *self, int argc, char **argv);	/* argv[0] is the subcommand's name; an exit status */
};

extern const struct subcommand subcommands[];	/* name NULL past the last */

/* The rows' functions. */
int cmd_coverage(const struct subcommand *self, int argc, char **argv);
int cmd_check(const struct subcommand *self, int argc, char **argv);
int cmd_run(const struct subcommand *self, int argc, char **argv);
int cmd_compare(const struct subcommand *self, int argc, char **argv);
int cmd_mount(const struct subcommand *self, int argc, char **argv);	/* only where there is libfuse3 */
int cmd_sweep(const struct subcommand *self, int argc, char **argv);
int cmd_sysctl(const struct subcommand *self, int argc, char **argv);

/* "plumbline run: MESSAGE" and a hint at --help, on standard error; EXIT_USAGE. */
int usage_error(const struct subcommand *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The full help on standard output; EXIT_PASSED. */
int usage_help(const struct subcommand *self);

#endif
