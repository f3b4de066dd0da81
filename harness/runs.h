/* What run and compare share besides the command line. */
#ifndef HARNESS_RUNS_H
#define HARNESS_RUNS_H

#include "options.h"
#include "outcome.h"

/* The script at path, parsed and checked; NULL: *outcome says what is wrong with it. */
struct script *read_script(const char *path, const struct command_line *line, struct arena *arena, struct outcome *outcome);

/* The script's lines from line to end_line, without the last line's end; NULL: not in this script. Arena memory. */
const char *script_lines(const struct script *script, const struct source_span *span, struct arena *arena);

/*
 * Write the capture of one run, if the command line asks for one: DIR/PATH.pcap, or DIR/PATH.NAME.pcap with a name; folders are
 * made. NULL, or what went wrong (arena memory).
 */
const char *write_capture(const struct command_line *line, unsigned job, const char *name, const struct trace *trace,
			  struct arena *arena);

/* Run all scripts with `run` and report. An exit status, or minus the number of the signal that ended the run early. */
int run_all(const struct command_line *line, void *context,
	    void (*run)(void *context, unsigned job, struct arena *arena, struct outcome *outcome));

/* Run the scripts of a command line that was parsed for it, and report: as run_all. cmd_run.c */
int run_scripts(struct command_line *line);

/* End the program as that signal would have, now that everything is tidied up. */
int end_by_signal(int number);

#endif
