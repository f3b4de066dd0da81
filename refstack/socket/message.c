/*
 * Messages: the copies between a caller's memory and the stack, and control messages.
 *
 * The stack trusts a pointer that is not NULL: it runs in its caller's process. NULL stands for a bad address and gives -EFAULT
 * where Linux would find out.
 */
#include "message.h"

#include <stdlib.h>

size_t msg_length(const struct msghdr *msg)
{
	size_t length = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		length += msg->msg_iov[i].iov_len;
	return length;
}

/* Copy `length` bytes at `offset` of the message's buffers, into or out of `memory`. Bytes copied. */
static size_t msg_copy(const struct msghdr *msg, size_t offset, void *memory, size_t length, bool out)
{
	size_t done = 0;

	for (size_t i = 0; i < msg->msg_iovlen && done < length; i++) {
		const struct iovec *iov = &msg->msg_iov[i];
		size_t part = length - done;

		if (offset >= iov->iov_len) {
			offset -= iov->iov_len;
			continue;
		}
		if (!iov->iov_base)
			break;
		if (part > iov->iov_len - offset)
			part = iov->iov_len - offset;
		if (out)
			memcpy((char *)iov->iov_base + offset, (char *)memory + done, part);
		else
			memcpy((char *)memory + done, (char *)iov->iov_base + offset, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t msg_copy_in(const struct msghdr *msg, size_t offset, void *to, size_t length)
{
	return msg_copy(msg, offset, to, length, false);
}

size_t msg_copy_out(struct msghdr *msg, size_t offset, const void *from, size_t length)
{
	return msg_copy(msg, offset, (void *)from, length, true);
}

/*
 * As put_cmsg(): a header that does not fit sets MSG_CTRUNC and writes nothing; data that does not fit is cut, and the header
 * says how much is there.
 */
void msg_put_control(struct msghdr *msg, int level, int type, const void *data, size_t length)
{
	struct cmsghdr header = { .cmsg_len = CMSG_LEN(length), .cmsg_level = level, .cmsg_type = type };
	size_t space;

	if (!msg->msg_control || msg->msg_controllen < sizeof(header)) {
		msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (msg->msg_controllen < header.cmsg_len) {
		msg->msg_flags |= MSG_CTRUNC;
		header.cmsg_len = msg->msg_controllen;
	}
	memcpy(msg->msg_control, &header, sizeof(header));
	memcpy((char *)msg->msg_control + sizeof(header), data, header.cmsg_len - sizeof(header));
	space = CMSG_SPACE(length);
	if (space > msg->msg_controllen)
		space = msg->msg_controllen;
	msg->msg_control = (char *)msg->msg_control + space;
	msg->msg_controllen -= space;
}

int64_t message_iov(const struct iovec *iov, int64_t count, int64_t too_many, size_t *total)
{
	size_t sum = 0;

	*total = 0;
	if (count < 0 || count > UIO_MAXIOV)
		return too_many;
	if (count && !iov)
		return -EFAULT;
	for (int64_t i = 0; i < count; i++) {
		size_t length = iov[i].iov_len;

		if ((ssize_t)length < 0)
			return -EINVAL;
		sum += length > MAX_RW_COUNT - sum ? MAX_RW_COUNT - sum : length;
	}
	*total = sum;
	return 0;
}

int64_t address_in(const void *user, int64_t length, struct sockaddr_storage *address)
{
	int size = (int)length;

	if (size < 0 || (size_t)size > sizeof(*address))
		return -EINVAL;
	if (size && !user)
		return -EFAULT;
	memset(address, 0, sizeof(*address));
	memcpy(address, user ? user : address, (size_t)size);
	return 0;
}

int64_t address_out(void *user, void *user_length, const void *address, socklen_t length)
{
	int room;

	if (!user_length)
		return -EFAULT;
	memcpy(&room, user_length, sizeof(room));
	if (room > (int)length)
		room = (int)length;
	if (room < 0)
		return -EINVAL;
	if (room && !user)
		return -EFAULT;
	if (room)
		memcpy(user, address, (size_t)room);
	memcpy(user_length, &length, sizeof(length));
	return 0;
}
