/* Python blocks. */
#include "run.h"

void run_code_event(struct run *run)
{
	if (run_wait_event(run))
		run_error(run, run->event, "Python blocks are not carried out yet");
}

void code_run(struct run *run)
{
	(void)run;
}
