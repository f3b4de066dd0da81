/* Every match and target there is, by name and revision. */
#include "extensions.h"

static const struct match_type *const match_groups[] = { matches_of_ports, matches_of_packets, matches_of_rates,
							 matches_of_connections, matches_of_routes, matches_of_lists,
							 matches_of_hashes, matches_of_counts, matches_of_bytes };
static const struct target_type *const target_groups[] = { targets_of_marks, targets_of_headers, targets_of_tcpmss,
							   targets_of_nat, targets_of_reject, targets_of_tproxy, targets_of_copies };

const struct match_type *match_type_find(const char *name, uint8_t revision)
{
	for (size_t i = 0; i < sizeof(match_groups) / sizeof(match_groups[0]); i++)
		for (const struct match_type *row = match_groups[i]; row->name; row++)
			if (row->revision == revision && !strcmp(row->name, name))
				return row;
	return NULL;
}

const struct target_type *target_type_find(const char *name, uint8_t revision)
{
	for (size_t i = 0; i < sizeof(target_groups) / sizeof(target_groups[0]); i++)
		for (const struct target_type *row = target_groups[i]; row->name; row++)
			if (row->revision == revision && !strcmp(row->name, name))
				return row;
	return NULL;
}
