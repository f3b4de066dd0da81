/* The command line that run and compare share. */
#ifndef HARNESS_OPTIONS_H
#define HARNESS_OPTIONS_H

#include "engine/engine.h"
#include "paths.h"
#include "report/report.h"
#include "subcommand.h"
#include "target/live.h"

struct command_line {
	struct arena *arena;
	struct paths paths;
	const char *target[2];			/* as named: "refstack", "kernel", "so:FILE" */
	const struct target_ops *ops[2];
	const char *so_file[2];
	unsigned targets;			/* 1, or 2 when comparing */
	unsigned workers;
	const struct report_ops *format;
	const char *output;			/* NULL: standard output */
	const char *pcap;			/* folder, or NULL */
	struct define *define;
	unsigned defines;
	struct script_option *option;		/* packetdrill's */
	unsigned options;
	bool keep_going, no_commands, no_python, verbose;
	uint64_t seed;
	pl_time limit;				/* for one script */
	bool limited;				/* by the command line */
	struct live live;			/* --mount, --real-time, --pause-at */
	void *report_context;			/* for `format` */
	bool help;				/* asked for, and nothing else matters */
};

/*
 * Parse the arguments after the subcommand's name. `comparing`: two targets. EXIT_PASSED, or EXIT_USAGE after a message on
 * standard error. Free with command_line_free in both cases.
 */
int command_line_parse(const struct subcommand *self, bool comparing, int argc, char **argv, struct command_line *line);
/* The same for one target, with these scripts, of which *line has copies, and options only in the arguments. */
int command_line_parse_paths(const struct subcommand *self, int argc, char **argv, const struct paths *paths,
			     struct command_line *line);
void command_line_free(struct command_line *line);

/* The options table as help text on standard output. */
void command_line_help(bool comparing);

/* What the engine is told, for target `which`. */
void command_line_run_options(const struct command_line *line, unsigned which, struct run_options *options);

#endif
