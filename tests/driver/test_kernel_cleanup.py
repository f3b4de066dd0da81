"""plumbline run --target kernel leaves nothing behind, however it ends.

Namespaces are not looked for: they have no name and no mount, so they last as long as a process in them.
"""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))
ALLOWED = Path('/proc/sys/net/ipv4/tcp_allowed_congestion_control')
STATE = Path('/run/plumbline-congestion-control')

# Everything that could stay: a daemon in a session of its own, files, a waiting call, a namespace with its link.
SCRIPT = """`setsid sleep {mark} >/dev/null 2>&1 &
(setsid sh -c 'sleep {mark} & sleep {mark}' &) >/dev/null 2>&1
echo : > /tmp/{mark}_${{PPID}}.sh
mkdir -p /tmp/{mark}-${{PACKETDRILL_PID}}/in`

0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 `test -e /tmp/{mark}_${{PPID}}.sh && ip link show dev tun0 >/dev/null`
+0...{end} accept(3, ..., ...) = 4
+{end} < S 0:0(0) win 1000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 1000
"""


def run_arguments(*paths):
    return [PLUMBLINE, 'run', '--target', 'kernel', '-j', str(len(paths)), *map(str, paths)]


@pytest.fixture(scope='module', autouse=True)
def needs_the_kernel(tmp_path_factory):
    probe = tmp_path_factory.mktemp('probe') / 'probe.pkt'
    probe.write_text('0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n')
    answer = subprocess.run(run_arguments(probe), capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode == 4:
        pytest.skip(f'no kernel target here: {answer.stdout.strip()}')


def processes(word):
    """Every process that has the word among its arguments."""
    found = []
    for entry in Path('/proc').iterdir():
        try:
            if entry.name.isdigit() and word in (entry / 'cmdline').read_bytes().decode(errors='replace').split('\0'):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class Marked:
    """Scripts with a word of their own in everything they leave, and what was there before."""

    def __init__(self, folder, count, end):
        # A time to sleep that nobody else sleeps.
        self.mark = f'7{random.randrange(10**8):08d}'
        self.paths = []
        for index in range(count):
            path = folder / f'{index}.pkt'
            path.write_text(SCRIPT.format(mark=self.mark, end=end))
            self.paths.append(path)
        self.allowed = ALLOWED.read_text() if ALLOWED.exists() else None

    def leftovers(self):
        """What there is that should not be."""
        found = [f'process {pid}' for pid in processes(self.mark)]
        found += [f'process {pid}' for path in self.paths for pid in processes(str(path))]
        found += [f'/tmp/{name}' for name in os.listdir('/tmp') if self.mark in name]
        if 'tun0' in os.listdir('/sys/class/net'):
            found.append('link tun0')
        return found

    def nothing_left(self):
        """Also not after a moment: what is killed may take its time to go."""
        until = time.monotonic() + 20
        while self.leftovers() and time.monotonic() < until:
            time.sleep(0.05)
        assert self.leftovers() == []
        if self.allowed is not None and not STATE.exists():
            assert ALLOWED.read_text() == self.allowed


def test_a_run_that_passes(tmp_path):
    marked = Marked(tmp_path, 3, '.2')
    result = subprocess.run(run_arguments(*marked.paths), capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert marked.leftovers() == []
    marked.nothing_left()


def test_a_run_that_fails(tmp_path):
    marked = Marked(tmp_path, 2, '.2')
    for path in marked.paths:
        path.write_text(path.read_text().replace('ack 1 <mss 1460>', 'ack 2 <mss 1460>'))
    result = subprocess.run(run_arguments(*marked.paths), capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1, result.stdout + result.stderr
    marked.nothing_left()


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ended_by_a_signal_at_any_moment(tmp_path, number):
    marked = Marked(tmp_path, 4, '20')
    for moment in (0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0):
        with subprocess.Popen(run_arguments(*marked.paths), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            time.sleep(moment)
            run.send_signal(number)
            run.wait(30)
        marked.nothing_left()


def test_a_killed_worker(tmp_path):
    """The process of one script is killed: the run goes on, and what the script had started goes with it."""
    marked = Marked(tmp_path, 1, '20')
    with subprocess.Popen(run_arguments(*marked.paths), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        until = time.monotonic() + 20
        while not processes(marked.mark) and time.monotonic() < until:
            time.sleep(0.02)
        assert processes(marked.mark)
        children = Path(f'/proc/{run.pid}/task/{run.pid}/children').read_text().split()
        workers = [int(pid) for pid in children if 'guard' not in Path(f'/proc/{pid}/comm').read_text()]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        output, _ = run.communicate(timeout=60)
        assert run.returncode in (1, 2), output
    marked.nothing_left()
