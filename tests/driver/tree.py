"""What the tests of the mounted tree share: mounting, and knowing when this machine cannot."""
import contextlib
import os
import signal
import subprocess
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLUMBLINE = os.environ.get("PLUMBLINE", os.path.join(TOP, "build", "plumbline"))
PROBE = os.path.join(TOP, "..", "shared", "tools", "sysctl_probe.py")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts and network namespaces")
needs_fuse = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="needs /dev/fuse")
needs_probe = pytest.mark.skipif(not os.path.exists(PROBE), reason="needs the probe beside the project")


def mounted(directory):
    with open("/proc/self/mounts") as mounts:
        return any(line.split()[1] == str(directory) for line in mounts)


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in %d s" % seconds
        time.sleep(0.01)


@contextlib.contextmanager
def tree(directory, *arguments):
    """A stack's tree on the directory while the context lasts; afterwards nothing is mounted there."""
    process = subprocess.Popen([PLUMBLINE, "mount", *arguments, str(directory)])
    try:
        wait_until(lambda: mounted(directory) or process.poll() is not None)
        assert process.poll() is None, "plumbline mount ended with %s" % process.returncode
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(10)
        wait_until(lambda: not mounted(directory))
