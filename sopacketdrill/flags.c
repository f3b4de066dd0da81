#include "flags.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number_parse(const char *text, unsigned long most, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	*value = strtoull(text, &end, 0);
	return *end || *value > most ? -1 : 0;
}

static int address_parse(char *text, struct so_flags *flags)
{
	char *slash = strchr(text, '/');
	uint64_t length = 16;

	if (slash) {
		*slash = '\0';
		if (number_parse(slash + 1, 32, &length) < 0)
			return -1;
	}
	flags->prefix_length = (unsigned)length;
	return inet_pton(AF_INET, text, &flags->local) == 1 && flags->local.s_addr ? 0 : -1;
}

static int flag_set(struct so_flags *flags, const char *name, char *value)
{
	uint64_t number;

	if (strchr(name, '.')) {
		if (flags->sysctls == sizeof(flags->sysctl) / sizeof(flags->sysctl[0]))
			return -1;
		flags->sysctl[flags->sysctls].name = name;
		flags->sysctl[flags->sysctls++].value = value;
		return 0;
	}
	if (strcmp(name, "local") == 0)
		return address_parse(value, flags);
	if (strcmp(name, "seed") == 0)
		return number_parse(value, UINT64_MAX, &flags->seed);
	if (strcmp(name, "mtu") != 0 || number_parse(value, 65535, &number) < 0)
		return -1;
	flags->mtu = (unsigned)number;
	return 0;
}

int flags_parse(const char *text, struct so_flags *flags, char *message, size_t size)
{
	char *rest, *flag;

	*flags = (struct so_flags){ .prefix_length = 16, .mtu = 1500, .seed = 1, .text = strdup(text ? text : "") };
	if (!flags->text)
		return -1;
	for (flag = strtok_r(flags->text, ",", &rest); flag; flag = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(flag, '=');

		if (value)
			*value++ = '\0';
		if (value && flag_set(flags, flag, value) == 0)
			continue;
		snprintf(message, size, "\"%s%s%s\" is no flag: known are local=ADDRESS[/LENGTH], mtu=N, seed=N and net.NAME=VALUE",
			 flag, value ? "=" : "", value ? value : "");
		return -1;
	}
	return 0;
}
