/* The kinds of arguments, for the table in marshal.c; each has its functions in a file with its like. */
#ifndef HARNESS_ENGINE_MARSHAL_KINDS_H
#define HARNESS_ENGINE_MARSHAL_KINDS_H

#include "marshal.h"

/* marshal_message.c */
bool marshal_iov_in(struct marshalled *m, unsigned i, const struct expr *expr);
bool marshal_iov_out(struct marshalled *m, unsigned i, const struct expr *expr);
void marshal_iov_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
void marshal_iov_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
bool marshal_msg_in(struct marshalled *m, unsigned i, const struct expr *expr);
bool marshal_msg_out(struct marshalled *m, unsigned i, const struct expr *expr);
void marshal_msg_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
void marshal_msg_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
bool marshal_mmsg_in(struct marshalled *m, unsigned i, const struct expr *expr);
bool marshal_mmsg_out(struct marshalled *m, unsigned i, const struct expr *expr);
void marshal_mmsg_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
void marshal_mmsg_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);

/* marshal_value.c, marshal_poll.c */
bool marshal_pollfds_build(struct marshalled *m, unsigned i, const struct expr *expr);
void marshal_pollfds_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
void marshal_pollfds_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
bool marshal_event_in_build(struct marshalled *m, unsigned i, const struct expr *expr);
bool marshal_events_out_build(struct marshalled *m, unsigned i, const struct expr *expr);
void marshal_events_out_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
void marshal_events_out_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
bool marshal_optval_in_build(struct marshalled *m, unsigned i, const struct expr *expr);
bool marshal_optval_out_build(struct marshalled *m, unsigned i, const struct expr *expr);
void marshal_optval_out_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
void marshal_optval_out_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
bool marshal_request_arg_build(struct marshalled *m, unsigned i, const struct expr *expr);
void marshal_request_arg_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
void marshal_request_arg_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);

/* What they share. */
bool marshal_fail(struct marshalled *m, unsigned i, const char *what);		/* says why; false */
bool marshal_number(struct marshalled *m, unsigned i, const struct expr *expr, int64_t *value);
void *marshal_memory(struct marshalled *m, unsigned i, size_t size);		/* zeroed, and what the argument points to */
const struct expr *marshal_argument(const struct marshalled *m, unsigned i);	/* NULL: not given */
bool marshal_is_null(const struct marshalled *m, const struct expr *expr);
bool marshal_size_after(struct marshalled *m, unsigned i, size_t *size);	/* that the argument behind a buffer gives it */
struct sockaddr_in;
/* An address as the script gives it; there is room for a struct sockaddr_storage. */
bool marshal_address(struct marshalled *m, const struct expr *expr, struct sockaddr_in *address, const char **error);
bool marshal_bytes(struct marshalled *m, const struct expr *expr, size_t size, void *to, const char **error);
void marshal_print_bytes(const uint8_t *bytes, size_t length, struct text *text);	/* "..." when they are zeros */
void marshal_flags(const char *family, uint32_t value, struct text *text);	/* A|B|0x40 by the family's symbols */

#endif
