/*
 * Every symbol that scripts may use: SYMBOL(family, name, value). Values are Linux's own (the generic ones, which x86-64 and
 * arm64 have), also where the headers of the machine that builds are older; a unit test compares them with those headers.
 * Where several names of one family have the same value, the first is the one that is printed.
 */
#include "symbol_list_options.h"
#include "symbol_list_calls.h"
#include "symbol_list_packets.h"

SYMBOL("", NULL, 0)
