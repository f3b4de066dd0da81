/*
 * epoll(7).
 *
 * A set holds items, one for each (open file, descriptor) pair. An item waits in its file's queue; a wake puts it at the end of the
 * set's ready list unless it is there already, and wakes one epoll_wait. epoll_wait takes items from the front, asks each file
 * what is true now and reports the events asked for. A level-triggered item that was reported goes back to the end of the list, an
 * edge-triggered one waits for the next wake, a one-shot one is disabled until EPOLL_CTL_MOD. Items that were not looked at, for
 * want of room, stay in front of those put back. This is the order in which Linux has them, and callers see it.
 */
#include "file.h"

#include <stdlib.h>

/* Bits that are not events: they say how to report. */
#define EPOLL_HOW (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EPOLL_EXCLUSIVE_MAY (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define EPOLL_MAX_EVENTS (INT_MAX / (int)sizeof(struct epoll_event))
/* Sets may be in sets, this deep. */
#define EPOLL_MAX_NESTS 4

struct epoll_item {
	struct epoll *epoll;
	struct pl_file *file;			/* not held: the file takes its items out when it goes */
	int fd;
	struct epoll_event event;
	struct pl_wait wait;			/* in the file's queue */
	struct epoll_item *next, **previous;	/* in the set */
	struct epoll_item *watcher_next, **watcher_previous;	/* of the file */
	struct epoll_item *ready_next;
	bool ready;
};

struct epoll {
	struct pl_file *file;
	struct epoll_item *items;
	struct epoll_item *ready_first, *ready_last;
	struct wait_queue callers;		/* epoll_wait */
	struct wait_queue pollers;		/* sets and polls that this set is in */
};

/* --- the ready list ------------------------------------------------------------------------------------------------ */

static void ready_append(struct epoll *epoll, struct epoll_item *item)
{
	if (item->ready)
		return;
	item->ready = true;
	item->ready_next = NULL;
	*(epoll->ready_last ? &epoll->ready_last->ready_next : &epoll->ready_first) = item;
	epoll->ready_last = item;
}

static struct epoll_item *ready_take(struct epoll *epoll)
{
	struct epoll_item *item = epoll->ready_first;

	epoll->ready_first = item->ready_next;
	if (!epoll->ready_first)
		epoll->ready_last = NULL;
	item->ready = false;
	return item;
}

static void ready_remove(struct epoll *epoll, struct epoll_item *item)
{
	struct epoll_item *before = NULL;

	if (!item->ready)
		return;
	for (struct epoll_item *other = epoll->ready_first; other != item; other = other->ready_next)
		before = other;
	*(before ? &before->ready_next : &epoll->ready_first) = item->ready_next;
	if (epoll->ready_last == item)
		epoll->ready_last = before;
	item->ready = false;
}

/* The events that an item asks for and that are true now. */
static uint32_t item_events(const struct epoll_item *item)
{
	return file_poll(item->file) & item->event.events;
}

/* An item is ready: the set tells one caller, and whoever watches the set. */
static void epoll_tell(struct epoll *epoll, struct epoll_item *item)
{
	ready_append(epoll, item);
	wait_queue_wake(&epoll->callers, EPOLLIN);
	wait_queue_wake(&epoll->pollers, EPOLLIN);
}

/*
 * The file was woken. As ep_poll_callback(): an exclusive item takes the wake when a caller waits in its set and the wake is
 * about a direction it asked for; any other item always does.
 */
static bool item_woken(struct pl_wait *wait, uint32_t events)
{
	struct epoll_item *item = wait->item;
	struct epoll *epoll = item->epoll;
	bool took = !(item->event.events & EPOLLEXCLUSIVE);

	if (!(item->event.events & ~EPOLL_HOW) || (events && !(events & item->event.events)))
		return took;
	if (epoll->callers.first && !took) {
		uint32_t direction = events & (EPOLLIN | EPOLLOUT);

		took = !direction || (direction != (EPOLLIN | EPOLLOUT) && item->event.events & direction);
	}
	epoll_tell(epoll, item);
	return took;
}

/* --- items and sets ------------------------------------------------------------------------------------------------------ */

static void item_free(struct epoll_item *item)
{
	ready_remove(item->epoll, item);
	wait_queue_remove(&item->wait);
	*item->previous = item->next;
	if (item->next)
		item->next->previous = item->previous;
	*item->watcher_previous = item->watcher_next;
	if (item->watcher_next)
		item->watcher_next->watcher_previous = item->watcher_previous;
	free(item);
}

void epoll_forget_file(struct pl_file *file)
{
	while (file->watchers)
		item_free(file->watchers);
}

static void epoll_free(struct pl_file *file)
{
	while (file->epoll->items)
		item_free(file->epoll->items);
	free(file->epoll);
}

static int64_t epoll_release(struct pl_file *file, struct pl_call *call)
{
	epoll_free(file);
	return 0;
}

/* A set is readable when one of its items is; items that turn out not to be leave the ready list. */
static uint32_t epoll_poll(struct pl_file *file)
{
	struct epoll *epoll = file->epoll;

	while (epoll->ready_first) {
		if (item_events(epoll->ready_first))
			return EPOLLIN | EPOLLRDNORM;
		ready_take(epoll);
	}
	return 0;
}

static struct wait_queue *epoll_wait_queue(struct pl_file *file)
{
	return &file->epoll->pollers;
}

/* A set has requests of its own (busy polling), and refuses all others so. */
static int64_t epoll_ioctl(struct pl_file *file, unsigned long request, void *argument)
{
	return -EINVAL;
}

const struct file_ops epoll_file_ops = {
	.ioctl = epoll_ioctl,
	.poll = epoll_poll,
	.wait = epoll_wait_queue,
	.release = epoll_release,
	.destroy = epoll_free,
};

static int64_t epoll_make(struct pl_stack *stack, bool close_on_exec)
{
	struct epoll *epoll = calloc(1, sizeof(*epoll));
	int fd;

	if (!epoll)
		return -ENOMEM;
	epoll->file = file_new(stack, &epoll_file_ops, O_RDWR, epoll);
	if (!epoll->file) {
		free(epoll);
		return -ENOMEM;
	}
	fd = descriptor_install(stack, epoll->file, 0, close_on_exec);
	if (fd < 0)
		file_put(epoll->file, NULL);
	return fd;
}

int64_t call_epoll_create(struct pl_stack *stack, struct pl_call *call)
{
	return (int)call->arg[0] > 0 ? epoll_make(stack, false) : -EINVAL;
}

int64_t call_epoll_create1(struct pl_stack *stack, struct pl_call *call)
{
	int flags = (int)call->arg[0];

	return flags & ~EPOLL_CLOEXEC ? -EINVAL : epoll_make(stack, flags & EPOLL_CLOEXEC);
}

/* --- epoll_ctl --------------------------------------------------------------------------------------------------------------- */

/* Would adding `file` to `epoll` close a ring of sets? Also how deep sets are nested below file. */
static bool epoll_loops(const struct epoll *epoll, const struct pl_file *file, int depth)
{
	if (file->ops != &epoll_file_ops)
		return false;
	if (file->epoll == epoll || depth > EPOLL_MAX_NESTS)
		return true;
	for (const struct epoll_item *item = file->epoll->items; item; item = item->next)
		if (epoll_loops(epoll, item->file, depth + 1))
			return true;
	return false;
}

/* How many sets, at most, are nested above this file. */
static int epoll_height(const struct pl_file *file)
{
	int height = 0;

	for (const struct epoll_item *item = file->watchers; item; item = item->watcher_next) {
		int above = 1 + epoll_height(item->epoll->file);

		if (above > height)
			height = above;
	}
	return height;
}

static int64_t epoll_add(struct epoll *epoll, struct pl_file *file, int fd, const struct epoll_event *event)
{
	struct epoll_item *item = calloc(1, sizeof(*item));

	if (!item)
		return -ENOMEM;
	item->epoll = epoll;
	item->file = file;
	item->fd = fd;
	item->event = *event;
	item->event.events |= EPOLLERR | EPOLLHUP;
	item->next = epoll->items;
	item->previous = &epoll->items;
	if (epoll->items)
		epoll->items->previous = &item->next;
	epoll->items = item;
	item->watcher_next = file->watchers;
	item->watcher_previous = &file->watchers;
	if (file->watchers)
		file->watchers->watcher_previous = &item->watcher_next;
	file->watchers = item;
	item->wait = (struct pl_wait){
		.events = UINT32_MAX,
		.exclusive = event->events & EPOLLEXCLUSIVE,
		.wake = item_woken,
		.item = item,
	};
	wait_queue_add(file->ops->wait(file), &item->wait);
	if (item_events(item))
		epoll_tell(epoll, item);
	return 0;
}

static int64_t epoll_modify(struct epoll *epoll, struct epoll_item *item, const struct epoll_event *event)
{
	if (item->event.events & EPOLLEXCLUSIVE)
		return -EINVAL;
	item->event = *event;
	item->event.events |= EPOLLERR | EPOLLHUP;
	if (item_events(item) && !item->ready)
		epoll_tell(epoll, item);
	return 0;
}

/* The checks of EPOLLEXCLUSIVE: only when adding, never a set, only some events. */
static bool exclusive_wrong(int operation, const struct pl_file *file, uint32_t events)
{
	if (!(events & EPOLLEXCLUSIVE))
		return false;
	return operation == EPOLL_CTL_MOD || file->ops == &epoll_file_ops || events & ~(uint32_t)EPOLL_EXCLUSIVE_MAY;
}

int64_t call_epoll_ctl(struct pl_stack *stack, struct pl_call *call)
{
	int operation = (int)call->arg[1], fd = (int)call->arg[2];
	const struct epoll_event *event = call_pointer(call, 3);
	struct pl_file *set = descriptor_file(stack, call->arg[0]), *file = descriptor_file(stack, fd);
	struct epoll_item *item;

	if (operation != EPOLL_CTL_DEL && !event)
		return -EFAULT;
	if (!set || !file)
		return -EBADF;
	if (!file->ops->poll)
		return -EPERM;
	if (set == file || set->ops != &epoll_file_ops)
		return -EINVAL;
	if (operation != EPOLL_CTL_DEL && exclusive_wrong(operation, file, event->events))
		return -EINVAL;
	if (operation == EPOLL_CTL_ADD && file->ops == &epoll_file_ops &&
	    epoll_loops(set->epoll, file, 1 + epoll_height(set)))
		return -ELOOP;
	for (item = set->epoll->items; item; item = item->next)
		if (item->file == file && item->fd == fd)
			break;
	switch (operation) {
	case EPOLL_CTL_ADD:
		return item ? -EEXIST : epoll_add(set->epoll, file, fd, event);
	case EPOLL_CTL_MOD:
		return item ? epoll_modify(set->epoll, item, event) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (!item)
			return -ENOENT;
		item_free(item);
		return 0;
	}
	return -EINVAL;
}

/* --- epoll_wait ---------------------------------------------------------------------------------------------------------------- */

/* Report up to `room` ready items: their number, or -EFAULT when the first has nowhere to go. */
static int epoll_report(struct epoll *epoll, struct epoll_event *events, int room)
{
	struct epoll_item *again_first = NULL, **again_last = &again_first;
	int count = 0;

	while (epoll->ready_first && count < room) {
		struct epoll_item *item = epoll->ready_first;
		uint32_t now = item_events(item);

		if (now && !events) {
			count = -EFAULT;
			break;
		}
		ready_take(epoll);
		if (!now)
			continue;
		events[count++] = (struct epoll_event){ .events = now, .data = item->event.data };
		if (item->event.events & EPOLLONESHOT) {
			item->event.events &= EPOLL_HOW;
		} else if (!(item->event.events & EPOLLET)) {
			item->ready_next = NULL;
			*again_last = item;
			again_last = &item->ready_next;
		}
	}
	while (again_first) {
		struct epoll_item *item = again_first;

		again_first = item->ready_next;
		ready_append(epoll, item);
	}
	if (epoll->ready_first)
		wait_queue_wake(&epoll->callers, EPOLLIN);
	return count;
}

int64_t call_epoll_wait(struct pl_stack *stack, struct pl_call *call)
{
	struct epoll_event *events = call_pointer(call, 1);
	int room = (int)call->arg[2], timeout = (int)call->arg[3], count;
	struct pl_file *file = call_file(call, 0, 0);
	pl_time limit = timeout < 0 ? PL_TIME_NEVER : timeout * PL_NSEC_PER_MSEC;
	int64_t result;

	if (!file)
		return -EBADF;
	if (room <= 0 || room > EPOLL_MAX_EVENTS)
		return -EINVAL;
	if (file->ops != &epoll_file_ops)
		return -EINVAL;
	count = epoll_report(file->epoll, events, room);
	if (count)
		return count;
	result = call_wait(call, &file->epoll->callers, EPOLLIN, true, limit);
	return result == -EAGAIN ? 0 : result;
}
