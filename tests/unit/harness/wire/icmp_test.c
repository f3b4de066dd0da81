#include <criterion/criterion.h>

#include "harness/wire/icmp.h"

Test(icmp, names_of_types_and_codes)
{
	unsigned value = 999;

	cr_assert(wire_icmp_type(false, "unreachable", &value));
	cr_assert_eq(value, 3);
	cr_assert(wire_icmp_type(true, "unreachable", &value));
	cr_assert_eq(value, 1);
	cr_assert(wire_icmp_code(false, 3, "frag_needed", &value));
	cr_assert_eq(value, 4);
	cr_assert_not(wire_icmp_code(false, 11, "frag_needed", &value), "a code belongs to its type");
	cr_assert_not(wire_icmp_type(false, "frag_needed", &value), "a code is no type");
	cr_assert_str_eq(wire_icmp_type_name(false, 8), "echo_request");
	cr_assert_null(wire_icmp_type_name(false, 200));
	cr_assert_str_eq(wire_icmp_code_name(true, 3, 1), "exceeded_frag_time");
	cr_assert_null(wire_icmp_code_name(false, 8, 0));
}

Test(icmp, numbers)
{
	unsigned value = 999;

	cr_assert(wire_icmp_type(false, "type_0", &value));
	cr_assert_eq(value, 0);
	cr_assert(wire_icmp_code(false, 8, "code_255", &value));
	cr_assert_eq(value, 255);
	cr_assert_not(wire_icmp_type(false, "type_256", &value));
	cr_assert_not(wire_icmp_type(false, "type_", &value));
	cr_assert_not(wire_icmp_type(false, "type_-1", &value));
	cr_assert_not(wire_icmp_type(false, "type_1x", &value));
	cr_assert_not(wire_icmp_code(false, 8, "code_99999999999999999999", &value));
}

/* Every name stands for the value that it is printed for. */
Test(icmp, names_and_values_agree)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (unsigned type = 0; type < 256; type++) {
			const char *name = wire_icmp_type_name(ipv6, type);
			unsigned value;

			if (name)
				cr_assert(wire_icmp_type(ipv6, name, &value) && value == type, "%s", name);
			for (unsigned code = 0; code < 256; code++) {
				name = wire_icmp_code_name(ipv6, type, code);
				if (name)
					cr_assert(wire_icmp_code(ipv6, type, name, &value) && value == code, "%s", name);
			}
		}
	}
}
