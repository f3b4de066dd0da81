/* The kinds of arguments that are messages: vectors of buffers, struct msghdr, struct mmsghdr. */
#ifndef HARNESS_ENGINE_MARSHAL_MESSAGE_H
#define HARNESS_ENGINE_MARSHAL_MESSAGE_H

#include "marshal.h"

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

/* From marshal.c. */
struct sockaddr_in;
bool marshal_address(struct marshalled *m, const struct expr *expr, struct sockaddr_in *address, const char **error);
bool marshal_bytes(struct marshalled *m, const struct expr *expr, size_t size, void *to, const char **error);
void marshal_print_bytes(const uint8_t *bytes, size_t length, struct text *text);	/* "..." when they are zeros */
void marshal_flags(const char *family, uint32_t value, struct text *text);	/* A|B|0x40 by the family's symbols */

#endif
