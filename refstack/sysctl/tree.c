/*
 * The tree of tunables: paths, reads and writes at a position, walks, and what a write sets in motion.
 *
 * Nothing here names a file but the hooks at the end, for the tunables whose change acts at once on something else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../ip/ip.h"
#include "../link/neighbour.h"

static const char *const place_folder[PLACE_COUNT] = {
	[PLACE_CORE] = "net/core",
	[PLACE_IPV4] = "net/ipv4",
	[PLACE_ROUTE] = "net/ipv4/route",
	[PLACE_IPV6] = "net/ipv6",
	[PLACE_NETFILTER] = "net/netfilter",
	[PLACE_CONF] = "net/ipv4/conf",
	[PLACE_NEIGH] = "net/ipv4/neigh",
};

/* A file found by its path. */
struct found {
	const struct sysctl_row *row;
	struct in_device *device;	/* conf/IF and neigh/IF */
	bool all;			/* conf/all */
	void *value;
};

/*
 * The path in its slashed form. sysctl(8) takes whichever of '.' and '/' comes first as the separator; with dots, a slash in a
 * name stands for a dot in it (an interface called tun0.5).
 */
static bool path_slashed(const char *path, char *slashed, size_t size)
{
	size_t length = strlen(path);
	const char *separator = strpbrk(path, "./");

	if (!strncmp(path, "/proc/sys/", 10))
		return path_slashed(path + 10, slashed, size);
	if (length >= size)
		return false;
	memcpy(slashed, path, length + 1);
	if (separator && *separator == '.')
		for (char *c = slashed; *c; c++)
			*c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
	return true;
}

static struct in_device *device_named(struct pl_stack *stack, const char *name, size_t length)
{
	for (struct link *link = stack->links; link; link = link->next)
		if (link->ipv4 && strlen(link->name) == length && !memcmp(link->name, name, length))
			return link->ipv4;
	return NULL;
}

/* Below conf/ or neigh/: the folder's container, or NULL. */
static char *find_container(struct pl_stack *stack, enum sysctl_place place, const char *name, size_t length, struct found *found)
{
	bool is_default = length == 7 && !memcmp(name, "default", 7);

	found->all = place == PLACE_CONF && length == 3 && !memcmp(name, "all", 3);
	if (found->all)
		return (char *)&stack->sysctl.conf_all;
	if (is_default && place == PLACE_NEIGH && !stack->first_namespace)
		return NULL;
	if (is_default)
		return place == PLACE_CONF ? (char *)&stack->sysctl.conf_default : (char *)&stack->sysctl.neigh_default;
	found->device = device_named(stack, name, length);
	if (!found->device)
		return NULL;
	return place == PLACE_CONF ? (char *)&found->device->conf : (char *)&found->device->neigh;
}

static bool row_visible(const struct pl_stack *stack, const struct sysctl_row *row)
{
	return !row->first_only || stack->first_namespace;
}

static unsigned row_mode(const struct pl_stack *stack, const struct sysctl_row *row)
{
	return row->mode == SYSCTL_SHARED && !stack->first_namespace ? 0444 : row->mode & 0777;
}

static bool find_row(struct pl_stack *stack, enum sysctl_place place, const char *file, struct found *found)
{
	for (unsigned i = 0; i < sysctl_row_count; i++) {
		const struct sysctl_row *row = &sysctl_rows[i];

		if (row->place == place && row_visible(stack, row) && !strcmp(row->file, file)) {
			found->row = row;
			return true;
		}
	}
	return false;
}

static int find_file(struct pl_stack *stack, const char *path, struct found *found)
{
	char slashed[160], *container = (char *)&stack->sysctl;

	*found = (struct found){ 0 };
	if (!path_slashed(path, slashed, sizeof(slashed)))
		return -ENOENT;
	for (enum sysctl_place place = 0; place < PLACE_COUNT; place++) {
		size_t prefix = strlen(place_folder[place]);
		const char *rest = slashed + prefix + 1;

		if (strncmp(slashed, place_folder[place], prefix) || slashed[prefix] != '/')
			continue;
		if (place == PLACE_CONF || place == PLACE_NEIGH) {
			const char *slash = strchr(rest, '/');

			if (!slash)
				continue;
			container = find_container(stack, place, rest, (size_t)(slash - rest), found);
			if (!container)
				return -ENOENT;
			rest = slash + 1;
		}
		if (!find_row(stack, place, rest, found))
			continue;
		if (found->row->default_only && found->device)
			return -ENOENT;
		found->value = container + found->row->offset;
		return 0;
	}
	return -ENOENT;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------- */

/* Long enough for a port bitmap of single ports. */
#define TEXT_ROOM 262144

ssize_t pl_sysctl_pread(struct pl_stack *stack, const char *path, char *buffer, size_t size, int64_t *position)
{
	const struct sysctl_kind_ops *ops;
	struct sysctl_access access;
	struct found found;
	size_t length, room = 512;
	char small[512], *text = small;

	if (find_file(stack, path, &found))
		return -ENOENT;
	if (!(row_mode(stack, found.row) & 0444))
		return -EACCES;
	ops = &sysctl_kind_table[found.row->kind];
	access = (struct sysctl_access){ stack, found.row, found.value };
	if (found.row->kind == SYSCTL_PORT_BITMAP) {
		room = TEXT_ROOM;
		text = malloc(room);
		if (!text)
			return -ENOMEM;
	}
	length = ops->print(&access, text, room);
	/* Numbers come in one piece: what does not fit is lost, and a reader that comes again is at the end. */
	if (*position && !ops->seekable)
		length = 0;
	else if (ops->seekable)
		length = *position < (int64_t)length ? length - (size_t)*position : 0;
	if (length > size)
		length = size;
	memcpy(buffer, text + (ops->seekable ? *position : 0), length);
	*position += (int64_t)length;
	if (text != small)
		free(text);
	return (ssize_t)length;
}

ssize_t pl_sysctl_read(struct pl_stack *stack, const char *path, char *buffer, size_t size)
{
	int64_t position = 0;

	return pl_sysctl_pread(stack, path, buffer, size, &position);
}

/* --- writing ----------------------------------------------------------------------------------------------------------------- */

static void hook_after_write(struct pl_stack *stack, const struct found *found, int64_t before, int64_t after);

static int64_t hook_value(const struct found *found)
{
	return found->row->kind == SYSCTL_INT || found->row->place == PLACE_NEIGH ? *(const int *)found->value : 0;
}

ssize_t pl_sysctl_pwrite(struct pl_stack *stack, const char *path, const char *text, size_t length, int64_t *position)
{
	struct sysctl_access access;
	struct found found;
	int64_t before, moved = *position;
	ssize_t taken;

	if (find_file(stack, path, &found))
		return -ENOENT;
	if (!(row_mode(stack, found.row) & 0222))
		return -EACCES;
	if (!length)
		return 0;
	access = (struct sysctl_access){ stack, found.row, found.value };
	before = hook_value(&found);
	taken = sysctl_kind_table[found.row->kind].write(&access, text, length, &moved);
	if (taken < 0)
		return taken;
	*position = moved;
	hook_after_write(stack, &found, before, hook_value(&found));
	return taken;
}

ssize_t pl_sysctl_write(struct pl_stack *stack, const char *path, const char *text, size_t length)
{
	int64_t position = 0;

	return pl_sysctl_pwrite(stack, path, text, length, &position);
}

const char *const pl_sysctl_machine[] = {
	"net/core/rmem_default", "net/core/rmem_max", "net/core/wmem_default", "net/core/wmem_max", "net/core/optmem_max",
	"net/ipv4/inet_peer_threshold", "net/ipv4/tcp_available_congestion_control", "net/ipv4/tcp_allowed_congestion_control",
	"net/ipv4/tcp_congestion_control", "net/ipv4/tcp_ehash_entries", "net/ipv4/tcp_max_orphans",
	"net/ipv4/tcp_max_syn_backlog", "net/ipv4/tcp_max_tw_buckets", "net/ipv4/tcp_mem", "net/ipv4/tcp_rmem",
	"net/ipv4/tcp_wmem", "net/ipv4/udp_hash_entries", "net/ipv4/udp_mem", NULL
};

int pl_sysctl_start(struct pl_stack *stack, const char *path, const char *text)
{
	struct sysctl_row unbounded;
	struct found found;
	int64_t position = 0;
	bool first = stack->first_namespace;
	int missing;

	stack->first_namespace = true;
	missing = find_file(stack, path, &found);
	stack->first_namespace = first;
	if (missing)
		return -ENOENT;
	unbounded = *found.row;
	unbounded.minimum = INT64_MIN;
	unbounded.maximum = UINT64_MAX;
	if (unbounded.kind == SYSCTL_TEXT || unbounded.kind == SYSCTL_ALLOWED)
		*(char *)found.value = 0;
	return sysctl_kind_table[unbounded.kind].write(&(struct sysctl_access){ stack, &unbounded, found.value }, text,
						       strlen(text), &position) < 0 ? -EINVAL : 0;
}

/* --- walking ----------------------------------------------------------------------------------------------------------------- */

struct walk {
	struct pl_stack *stack;
	int (*visit)(void *context, const struct pl_sysctl_file *file);
	void *context;
};

static int visit_folder(const struct walk *walk, const char *path)
{
	return walk->visit(walk->context, &(struct pl_sysctl_file){ .path = path, .mode = 0555, .folder = true });
}

/* Every row of a place, below `folder`. */
static int walk_rows(const struct walk *walk, enum sysctl_place place, const char *folder, bool is_link)
{
	int stop = visit_folder(walk, folder);

	for (unsigned i = 0; i < sysctl_row_count && !stop; i++) {
		const struct sysctl_row *row = &sysctl_rows[i];
		char path[128];

		if (row->place != place || !row_visible(walk->stack, row) || (row->default_only && is_link))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, row->file);
		stop = walk->visit(walk->context, &(struct pl_sysctl_file){ .path = path, .mode = row_mode(walk->stack, row) });
	}
	return stop;
}

static int walk_links(const struct walk *walk, enum sysctl_place place)
{
	char folder[64];
	int stop = visit_folder(walk, place_folder[place]);

	if (!stop && place == PLACE_CONF)
		stop = walk_rows(walk, place, "net/ipv4/conf/all", false);
	if (!stop && (place == PLACE_CONF || walk->stack->first_namespace)) {
		snprintf(folder, sizeof(folder), "%s/default", place_folder[place]);
		stop = walk_rows(walk, place, folder, false);
	}
	for (struct link *link = walk->stack->links; link && !stop; link = link->next) {
		if (!link->ipv4)
			continue;
		snprintf(folder, sizeof(folder), "%s/%s", place_folder[place], link->name);
		stop = walk_rows(walk, place, folder, true);
	}
	return stop;
}

int pl_sysctl_walk(struct pl_stack *stack, int (*visit)(void *context, const struct pl_sysctl_file *file), void *context)
{
	const struct walk walk = { stack, visit, context };
	int stop = visit_folder(&walk, "net");

	for (enum sysctl_place place = 0; place < PLACE_COUNT && !stop; place++)
		stop = place == PLACE_CONF || place == PLACE_NEIGH ? walk_links(&walk, place)
								    : walk_rows(&walk, place, place_folder[place], false);
	return stop;
}

uint64_t pl_sysctl_generation(const struct pl_stack *stack)
{
	return stack->tree_generation;
}

/* --- what a write sets in motion -------------------------------------------------------------------------------------------------- */

/* ip_forward and conf/all/forwarding are one value: it goes to every link, to the default, and turns redirects about. */
static void forwarding_changed(struct pl_stack *stack, int on)
{
	struct sysctls *sysctls = &stack->sysctl;

	sysctls->ip_forward = on;
	sysctls->conf_all.forwarding = on;
	sysctls->conf_all.accept_redirects = !on;
	sysctls->conf_default.forwarding = on;
	for (struct link *link = stack->links; link; link = link->next)
		if (link->ipv4)
			link->ipv4->conf.forwarding = on;
}

/* A default goes to the links that nobody has set it on, as long as they have no address (sysctl_link_pin). */
static void default_changed(struct pl_stack *stack, const struct found *found, int value)
{
	bool conf = found->row->place == PLACE_CONF;
	uint64_t bit = UINT64_C(1) << found->row->offset / sizeof(int);

	for (struct link *link = stack->links; link; link = link->next) {
		struct in_device *device = link->ipv4;

		if (!device || (conf ? device->conf_set : device->neigh_set) & bit)
			continue;
		*(int *)((conf ? (char *)&device->conf : (char *)&device->neigh) + found->row->offset) = value;
	}
}

/*
 * Does Linux have all routes looked up afresh when this file of conf/ changes? Not whenever a route could come out differently:
 * after a change of rp_filter connections go on as they are.
 */
static bool change_flushes_routes(const struct found *found, int64_t after)
{
	static const size_t always[] = {
		offsetof(struct conf_sysctls, bc_forwarding), offsetof(struct conf_sysctls, disable_policy),
		offsetof(struct conf_sysctls, disable_xfrm), offsetof(struct conf_sysctls, drop_unicast_in_l2_multicast),
		offsetof(struct conf_sysctls, promote_secondaries), offsetof(struct conf_sysctls, route_localnet),
	};

	if (found->row->offset == offsetof(struct conf_sysctls, accept_local))
		return !after;
	if (found->row->offset == offsetof(struct conf_sysctls, forwarding))
		return found->device || found->all;
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (found->row->offset == always[i])
			return true;
	return false;
}

static void hook_after_write(struct pl_stack *stack, const struct found *found, int64_t before, int64_t after)
{
	enum sysctl_place place = found->row->place;

	if (place == PLACE_IPV4 && found->value == &stack->sysctl.ip_forward && before != after) {
		forwarding_changed(stack, (int)after);
		route_cache_flush(stack);
	}
	if (place == PLACE_ROUTE && found->row->kind == SYSCTL_TRIGGER)
		route_exceptions_flush(stack);
	if (place != PLACE_CONF && place != PLACE_NEIGH)
		return;
	if (found->device) {
		uint64_t bit = UINT64_C(1) << found->row->offset / sizeof(int);

		if (place == PLACE_CONF)
			found->device->conf_set |= bit;
		else
			found->device->neigh_set |= bit;
	} else if (place == PLACE_CONF && found->value == &stack->sysctl.conf_all.forwarding) {
		if (before != after)
			forwarding_changed(stack, (int)after);
	} else if (!found->all) {
		default_changed(stack, found, (int)after);
	}
	if (place == PLACE_CONF && before != after && change_flushes_routes(found, after))
		route_cache_flush(stack);
	/* The link's own file draws its reachable time at once, however little it changes; the default's waits for the next time. */
	if (found->device && found->device->link->kind == PL_LINK_ETHERNET &&
	    found->value == &found->device->neigh.base_reachable_time)
		neighbour_reachable_time(stack, found->device);
}

void sysctl_link_init(struct pl_stack *stack, struct in_device *device)
{
	device->conf = stack->sysctl.conf_default;
	device->neigh = stack->sysctl.neigh_default;
	if (device->link->kind == PL_LINK_LOOPBACK)
		device->conf.disable_policy = device->conf.disable_xfrm = 1;
}

void sysctl_link_pin(struct in_device *device)
{
	device->conf_set = UINT64_MAX;
}
