"""Whatever is killed of a run with commands, and whenever: it ends, and no process, mount or namespace is left behind."""
import os
import random
import signal
import subprocess
import time

import pytest

from tree import PLUMBLINE, needs_fuse, needs_root

pytestmark = [needs_root, needs_fuse]

ROUNDS = 60
OPEN = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
# A command that keeps the tree busy, one that goes on doing so in the background, and one with the time to be killed in.
SCRIPT = "`cat /proc/sys/net/ipv4/tcp_* | wc -l; (while :; do cat /proc/net/tcp; done) & sleep .02`\n" + OPEN + \
    "+.1 `sysctl -a -r ip_forward | cat`\n"


class Family:
    """The processes of one run, known by a variable of their environment."""

    def __init__(self, arguments):
        self.tag = "PLUMBLINE_TEST_FAMILY=%d.%d" % (os.getpid(), time.monotonic_ns())
        name, value = self.tag.split("=")
        self.main = subprocess.Popen([PLUMBLINE, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     env=dict(os.environ, **{name: value}), start_new_session=True)

    def members(self):
        """(pid, parent, mount namespace) of each; those of zombies are unknown, and they are none."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % name, "rb") as environ:
                    if self.tag.encode() not in environ.read().split(b"\0"):
                        continue
                with open("/proc/%s/stat" % name) as stat:
                    parent = int(stat.read().rsplit(")", 1)[1].split()[1])
                found.append((int(name), parent, os.readlink("/proc/%s/ns/mnt" % name)))
            except OSError:
                pass
        return found

    def wait_for_another_namespace(self):
        own = os.readlink("/proc/self/ns/mnt")
        while self.main.poll() is None and all(namespace == own for _, _, namespace in self.members()):
            pass

    def ends(self, seconds=10):
        end = time.monotonic() + seconds
        while self.main.poll() is None or self.members():
            if time.monotonic() > end:
                return False
            time.sleep(.005)
        return True

    def sweep(self):
        for pid, _, _ in self.members():
            os.kill(pid, signal.SIGKILL)
        self.main.wait(10)


def kill_one(family, how, generator):
    members = family.members()
    workers = [pid for pid, parent, _ in members if parent == family.main.pid]
    firsts = [pid for pid, parent, _ in members if parent in workers]
    pids = {"worker": workers, "first": firsts, "any": [pid for pid, _, _ in members]}.get(how, [family.main.pid])
    if pids:
        try:
            os.kill(generator.choice(pids), {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM}.get(how, signal.SIGKILL))
        except ProcessLookupError:
            pass


@pytest.mark.parametrize("how", ["kill", "interrupt", "terminate", "worker", "first", "any"])
def test_killed_at_random_moments(tmp_path, how):
    generator = random.Random(how)
    script = tmp_path / "script.pkt"
    script.write_text(SCRIPT)
    for _ in range(ROUNDS // 6):
        family = Family(["run", str(script)])
        family.wait_for_another_namespace()
        time.sleep(generator.choice([.003, .05, .3]) * generator.random())
        kill_one(family, how, generator)
        try:
            assert family.ends(), "left behind: %s" % family.members()
        finally:
            family.sweep()


@pytest.mark.parametrize("command", [
    # Its first close of a file of the tree comes when it is killed, after the last command that was waited for.
    "python3 -c 'import time; f = open(\"/proc/sys/net/ipv4/tcp_sack\"); time.sleep(100)' & sleep .3 | cat",
    "(while :; do cat /proc/net/tcp /proc/sys/net/ipv4/tcp_sack; done) > /dev/null & sleep .05 | cat",
    "cat < /proc/sys/net/ipv4/tcp_sack | sleep 100 & true | cat",
])
def test_what_a_command_leaves_running_ends_with_the_script(tmp_path, command):
    script = tmp_path / "script.pkt"
    script.write_text("`%s`\n%s" % (command, OPEN))
    family = Family(["run", str(script)])
    try:
        assert family.ends(), "left behind: %s" % family.members()
        assert family.main.returncode == 0
    finally:
        family.sweep()


def test_a_command_too_long_for_a_shell_is_an_error(tmp_path):
    script = tmp_path / "script.pkt"
    script.write_text("`true | cat # %s`\n%s" % ("y" * 1000000, OPEN))
    result = subprocess.run([PLUMBLINE, "run", str(script)], capture_output=True, text=True, timeout=30)
    assert result.returncode == 1 and "Argument list too long" in result.stdout
