/* ioctl(2) requests and fcntl(2) commands: what their third argument is, and which way it goes. */
#include "types_tables.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

static const struct request_row rows[] = {
	{ PL_OP_ioctl, FIONREAD, &type_int, false, true },	/* SIOCINQ */
	{ PL_OP_ioctl, SIOCOUTQ, &type_int, false, true },
	{ PL_OP_ioctl, SIOCOUTQNSD, &type_int, false, true },
	{ PL_OP_ioctl, SIOCATMARK, &type_int, false, true },
	{ PL_OP_ioctl, FIONBIO, &type_int, true, false },
	{ PL_OP_ioctl, FIOASYNC, &type_int, true, false },
	{ PL_OP_ioctl, FIOSETOWN, &type_int, true, false },
	{ PL_OP_ioctl, SIOCSPGRP, &type_int, true, false },
	{ PL_OP_ioctl, FIOGETOWN, &type_int, false, true },
	{ PL_OP_ioctl, SIOCGPGRP, &type_int, false, true },
	{ PL_OP_ioctl, 0x8906 /* SIOCGSTAMP */, &type_timeval, false, true },
	{ PL_OP_ioctl, 0x8907 /* SIOCGSTAMPNS */, &type_timespec, false, true },
};

/* One that is not here takes an int by pointer when it is an ioctl, a number when it is an fcntl command. */
static const struct request_row unknown_ioctl = { PL_OP_ioctl, 0, &type_int, true, true };
static const struct request_row plain_fcntl = { PL_OP_fcntl, 0, NULL, true, false };

const struct request_row *request_row(enum pl_op op, unsigned long request)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].op == op && rows[i].request == request)
			return &rows[i];
	for (unsigned i = 0; op == PL_OP_ioctl && i < interface_request_count; i++)
		if (interface_requests[i].request == request)
			return &interface_requests[i];
	return op == PL_OP_fcntl ? &plain_fcntl : &unknown_ioctl;
}

bool requests_have_member(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (type_has_member(rows[i].type, name))
			return true;
	for (unsigned i = 0; i < interface_request_count; i++)
		if (type_has_member(interface_requests[i].type, name))
			return true;
	return ifconf_has_member(name);
}
