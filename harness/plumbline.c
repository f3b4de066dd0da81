/* The program: one table of subcommands, from which usage, help and dispatch are made. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "subcommand.h"

const struct subcommand subcommands[] = {
	{ "run", "[OPTION]... PATH...", "run scripts against the reference stack, the live kernel, or a shared object",
	  "A folder means every *.pkt file under it. Exit status: 0 all passed, 1 some failed, 2 wrong usage or an unreadable script,\n"
	  "4 all skipped.",
	  cmd_run },
	{ "compare", "[OPTION]... PATH...", "carry out scripts on two targets and tell where what they do parts",
	  "Only what the scripts put in is carried out; what comes back is compared, packet by packet and call by call. Exit status as\n"
	  "that of run.",
	  cmd_compare },
	{ "check", "[-D NAME=VALUE]... [--strict] [-q] PATH...", "parse scripts and check them without running them",
	  "A folder means every *.pkt file under it. A word in capitals that nothing explains is taken for a define that `run -D` will\n"
	  "supply, and noted; with --strict it is an error, as it is for `run`. -q: no notes and no summary. packetdrill's options are\n"
	  "taken, and checked. Exit status: 0 all accepted, 2 some rejected or unreadable, or wrong usage.",
	  cmd_check },
#ifdef PLUMBLINE_FUSE
	{ "mount", "[--set NAME=VALUE]... [--machine-from TREE] [--first-namespace] DIR",
	  "mount the tree of a stack of its own until interrupted",
	  "DIR/sys/net is the stack's /proc/sys/net, DIR/net its /proc/net. The stack has the links lo and tun0 (192.168.0.1/16).\n"
	  "  --set NAME=VALUE     write a tunable first, as sysctl(8) would\n"
	  "  --machine-from TREE  take what depends on the machine from a live tree (/proc/sys/net/ipv4)\n"
	  "  --first-namespace    with the tunables that only the first network namespace has\n",
	  cmd_mount },
#endif
	{ "sweep", "[OPTION]... FAMILY...", "try every combination of socket, state, call and arguments on two targets",
	  "Families: ip, udp, udplite, raw, icmp, stream; --list says what each consists of. Each combination gets a socket of its own,\n"
	  "brought into its state; what the call gives, what can be read back and what leaves on the link is compared. Those that\n"
	  "differ are told in groups; those that are known to differ, are not carried out, or are compared with something left out\n"
	  "are told with the reason.\n"
	  "  --only AXIS=PATTERN[,PATTERN]...  only combinations whose value there matches (shell patterns), as in\n"
	  "                         --only option=SO_PRIORITY --only state=bound,fresh --only call='*sockopt' --only privilege=user\n"
	  "  --every N              only each N-th combination of a batch\n"
	  "  --all                  tell of each combination that differs, not of one a group\n"
	  "  --targets A,B          what to compare (refstack,kernel)\n"
	  "  -j, --jobs N           so many batches at a time (the number of processors)\n"
	  "  --format text|json     text for people (the default), or one object a line\n"
	  "  -o, --output FILE      write the report to FILE\n"
	  "  --list                 the sockets, states, calls and axes of the families\n"
	  "Exit status: 0 all agree or are known not to, 1 some differ, 2 wrong usage, 4 a target cannot be had here.",
	  cmd_sweep },
	{ "coverage", "[OPTION]... [PATH]...", "the checklist, and for each row of it the cases that show it and their verdicts",
	  "Runs the cases (default: those under cases) and says for each id of the checklist how they do; a case names the ids that it\n"
	  "shows in a comment, `// shows: ID ID`. Ids without a case are told too. A row of a script's table is a case.\n"
	  "  --targets A,B        refstack, kernel, or both (the default)\n"
	  "  --checklist FILE     cases/checklist.tsv\n"
	  "  --list               run nothing, only tell which cases show what\n"
	  "  --format text|json   a table (the default), or one object a line: id, requirement, oracle, cases, and for each target\n"
	  "                       pass, fail, skip, error or none\n"
	  "  -j, --jobs N         so many cases at a time\n"
	  "  -o, --output FILE    write the report to FILE\n"
	  "Exit status: 0, 1 when a case fails or names an unknown id, 2 wrong usage.",
	  cmd_coverage },
	{ "sysctl", "list [--format text|json|man] [--cases DIR]", "the tunables: what each means, and whether it acts",
	  "Marks: acts, the stack's code reads it; inert, it can have no effect here, and why; pending, Linux acts on it and the stack\n"
	  "does not yet, and what is missing. With the cases under DIR (default: cases) that show it, by their comments\n"
	  "`// tunables: net.ipv4.NAME ...`.\n"
	  "  --format text        a table; the default\n"
	  "  --format json        one object a line\n"
	  "  --format man         the manual page plumbline-sysctl(7)\n"
	  "Exit status: 0, 1 when a case names a tunable that does not exist, 2 wrong usage.",
	  cmd_sysctl },
	{ 0 },
};

static const struct subcommand *find(const char *name)
{
	for (const struct subcommand *row = subcommands; row->name; row++)
		if (!strcmp(row->name, name))
			return row;
	return NULL;
}

int usage_error(const struct subcommand *self, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "plumbline %s: ", self->name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nTry 'plumbline %s --help'.\n", self->name);
	return EXIT_USAGE;
}

int usage_help(const struct subcommand *self)
{
	printf("Usage: plumbline %s %s\n%c%s.\n", self->name, self->arguments, self->summary[0] & ~0x20, self->summary + 1);
	if (self->help)
		printf("%s\n", self->help);
	return EXIT_PASSED;
}

static void usage(FILE *out)
{
	fprintf(out, "Usage: plumbline SUBCOMMAND ...\n"
		     "A reference IPv4 stack, and scripts that hold it and the live Linux kernel to what they should do.\n\n");
	for (const struct subcommand *row = subcommands; row->name; row++)
		fprintf(out, "  %-10s %s\n", row->name, row->summary);
	fprintf(out, "\n  --help, --version; plumbline SUBCOMMAND --help says more.\n");
}

/* plumbline help [SUBCOMMAND] */
static int help(int argc, char **argv)
{
	static char option[] = "--help";
	char *arguments[] = { argv[0], option, NULL };
	const struct subcommand *row = argc > 1 ? find(argv[1]) : NULL;

	if (row)
		return row->main(row, 2, arguments);
	if (argc > 1) {
		fprintf(stderr, "plumbline: there is no subcommand '%s'\n", argv[1]);
		return EXIT_USAGE;
	}
	usage(stdout);
	return EXIT_PASSED;
}

int main(int argc, char **argv)
{
	const struct subcommand *row;

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		printf("plumbline %s\n", PLUMBLINE_VERSION);
		return EXIT_PASSED;
	}
	row = find(argv[1]);
	if (!row) {
		fprintf(stderr, "plumbline: there is no subcommand '%s'\nTry 'plumbline --help'.\n", argv[1]);
		return EXIT_USAGE;
	}
	return row->main(row, argc - 1, argv + 1);
}
