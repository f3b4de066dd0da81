#include "ast.h"
unsigned script_check(const struct script *script, struct diagnostics *diagnostics) { return 0; }
unsigned script_check_undefined(const struct script *script, struct diagnostics *diagnostics) { return 0; }
