/* Which names members of structures have, for those who check scripts before they run. */
#ifndef HARNESS_ENGINE_MEMBERS_H
#define HARNESS_ENGINE_MEMBERS_H

#include <stdbool.h>

/* Whether any structure that a call, an option, a request or a control message takes has a member of this name. */
bool type_member_known(const char *name);

#endif
