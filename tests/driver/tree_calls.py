"""Every kind of system call on the files of a tree of tunables; prints what each gives as JSON. Arguments: the tree, a folder to write to."""
import errno
import fcntl
import json
import mmap
import os
import select
import sys

TREE, FOLDER = sys.argv[1:]
FILE, FOLDER_THERE, READ_ONLY, WRITE_ONLY, THREE = (os.path.join(TREE, name) for name in (
    "tcp_sack", "conf", "tcp_available_congestion_control", "route/flush", "tcp_rmem"))
NEW = TREE + "/new"


def opened(path, flags, act):
    descriptor = os.open(path, flags)
    try:
        return act(descriptor)
    finally:
        os.close(descriptor)


def reading(path, act):
    return opened(path, os.O_RDONLY, act)


def writing(text):
    return opened(FILE, os.O_WRONLY, lambda file: os.write(file, text)), reading(FILE, lambda file: os.read(file, 100))


def polled(file):
    poll = select.poll()
    poll.register(file, select.POLLIN | select.POLLPRI | select.POLLOUT | select.POLLERR)
    return poll.poll(0)[0][1]


def spliced(text):
    end, begin = os.pipe()
    os.write(begin, text)
    return opened(FILE, os.O_WRONLY, lambda file: os.splice(end, file, len(text)))


def looks(path):
    status = os.stat(path)
    return oct(status.st_mode), status.st_uid, status.st_size, status.st_blocks, status.st_blksize


CALLS = {
    "chmod": lambda: os.chmod(FILE, 0o600),
    "chmod to what it is": lambda: os.chmod(FILE, 0o644),
    "chmod of a folder": lambda: os.chmod(FOLDER_THERE, 0o700),
    "chown": lambda: os.chown(FILE, 1, 1),
    "utime": lambda: os.utime(FILE),
    "utime with a time": lambda: os.utime(FILE, (1, 1)),
    "unlink": lambda: os.unlink(FILE),
    "unlink of nothing": lambda: os.unlink(NEW),
    "rename": lambda: os.rename(FILE, NEW),
    "rename to what is there": lambda: os.rename(FILE, READ_ONLY),
    "mkdir": lambda: os.mkdir(NEW),
    "mkdir of what is there": lambda: os.mkdir(FOLDER_THERE),
    "rmdir": lambda: os.rmdir(FOLDER_THERE),
    "symlink": lambda: os.symlink("somewhere", NEW),
    "link": lambda: os.link(FILE, NEW),
    "link elsewhere": lambda: os.link(FILE, FOLDER + "/new"),
    "mknod": lambda: os.mknod(NEW),
    "mkfifo": lambda: os.mkfifo(NEW),
    "create": lambda: os.open(NEW, os.O_CREAT | os.O_WRONLY),
    "create in a folder": lambda: os.open(FOLDER_THERE + "/new", os.O_CREAT | os.O_WRONLY),
    "create what is there": lambda: os.open(FILE, os.O_CREAT | os.O_EXCL | os.O_WRONLY),
    "open as a folder": lambda: os.open(FILE, os.O_DIRECTORY),
    "open a folder to write": lambda: os.open(FOLDER_THERE, os.O_WRONLY),
    "below a file": lambda: os.open(FILE + "/new", os.O_RDONLY),
    "absent": lambda: os.open(NEW, os.O_RDONLY),
    "a name of 255": lambda: os.stat(TREE + "/" + "a" * 255),
    "a name of 256": lambda: os.stat(TREE + "/" + "a" * 256),
    "truncate": lambda: os.truncate(FILE, 5),
    "ftruncate": lambda: opened(FILE, os.O_WRONLY, lambda file: os.ftruncate(file, 3)),
    "open and truncate": lambda: opened(FILE, os.O_WRONLY | os.O_TRUNC, lambda file: os.write(file, b"1\n")),
    "append twice": lambda: opened(FILE, os.O_WRONLY | os.O_APPEND, lambda file: (os.write(file, b"1\n"), os.write(file, b"1\n"))),
    "a read-only one, to write": lambda: os.open(READ_ONLY, os.O_WRONLY),
    "a read-only one, for both": lambda: os.open(READ_ONLY, os.O_RDWR),
    "write through a reader": lambda: reading(FILE, lambda file: os.write(file, b"1")),
    "a write-only one, to read": lambda: os.open(WRITE_ONLY, os.O_RDONLY),
    "direct": lambda: os.open(FILE, os.O_RDONLY | os.O_DIRECT),
    "synchronous": lambda: opened(FILE, os.O_WRONLY | os.O_SYNC, lambda file: os.write(file, b"1")),
    "not blocking": lambda: opened(FILE, os.O_RDONLY | os.O_NONBLOCK, lambda file: os.read(file, 10)),
    "only the path": lambda: opened(FILE, os.O_PATH, lambda file: os.read(file, 10)),
    "map": lambda: reading(FILE, lambda file: mmap.mmap(file, 4096, prot=mmap.PROT_READ)),
    "seek to the end": lambda: reading(FILE, lambda file: os.lseek(file, 0, os.SEEK_END)),
    "seek back": lambda: reading(FILE, lambda file: os.lseek(file, -1, os.SEEK_SET)),
    "seek to data": lambda: reading(FILE, lambda file: os.lseek(file, 0, os.SEEK_DATA)),
    "read from the middle": lambda: reading(THREE, lambda file: (os.lseek(file, 3, os.SEEK_SET), os.read(file, 100))),
    "read far away": lambda: reading(THREE, lambda file: (os.lseek(file, 1 << 40, os.SEEK_SET), os.read(file, 100))),
    "read nothing": lambda: reading(FILE, lambda file: os.read(file, 0)),
    "pread": lambda: reading(THREE, lambda file: os.pread(file, 4, 2)),
    "preadv": lambda: reading(THREE, lambda file: os.preadv(file, [bytearray(3), bytearray(100)], 0)),
    "read through a duplicate": lambda: reading(THREE, lambda file: (os.read(file, 3), os.read(os.dup(file), 3))),
    "pwrite": lambda: opened(FILE, os.O_WRONLY, lambda file: os.pwrite(file, b"0", 1)),
    "writev": lambda: opened(THREE, os.O_WRONLY, lambda file: os.writev(file, [b"4096 ", b"5000 ", b"6000"])),
    "what that left": lambda: reading(THREE, lambda file: os.read(file, 100)),
    "write nothing": lambda: writing(b""),
    "write blanks behind": lambda: writing(b"0" + b" " * 5000),
    "write very many": lambda: writing(b"1" + b" " * 200000),
    "write a page of digits": lambda: writing(b"0" * 4096),
    "write a page less one": lambda: writing(b"0" * 4094 + b"1"),
    "write a NUL": lambda: writing(b"1\0"),
    "write twice": lambda: opened(FILE, os.O_WRONLY, lambda file: (os.write(file, b"1"), os.write(file, b"0"))),
    "poll": lambda: reading(FILE, polled),
    "epoll": lambda: reading(FILE, lambda file: select.epoll().register(file, select.EPOLLIN)),
    "fsync": lambda: opened(FILE, os.O_WRONLY, os.fsync),
    "fdatasync": lambda: opened(FILE, os.O_WRONLY, os.fdatasync),
    "flock": lambda: reading(FILE, lambda file: fcntl.flock(file, fcntl.LOCK_EX)),
    "fallocate": lambda: opened(FILE, os.O_WRONLY, lambda file: os.posix_fallocate(file, 0, 10)),
    "extended attributes": lambda: os.listxattr(FILE),
    "an extended attribute": lambda: os.getxattr(FILE, "user.name"),
    "readlink": lambda: os.readlink(FILE),
    "list a file": lambda: os.listdir(FILE),
    "access": lambda: [os.access(path, mode) for path in (FILE, READ_ONLY, WRITE_ONLY, FOLDER_THERE) for mode in (os.R_OK, os.W_OK, os.X_OK)],
    "looks of a file": lambda: looks(FILE),
    "looks of a folder": lambda: looks(FOLDER_THERE),
    "longest name": lambda: os.statvfs(FILE).f_namemax,
    "splice into it": lambda: spliced(b"1\n"),
    "splice nonsense into it": lambda: spliced(b"x\n"),
    "execute": lambda: os.execv(FILE, ["x"]),
    "enter": lambda: os.chdir(FILE),
}


def outcome(call):
    try:
        return repr(call())
    except (OSError, ValueError) as error:
        return errno.errorcode.get(getattr(error, "errno", None), repr(error))


print(json.dumps({name: outcome(call) for name, call in CALLS.items()}))
