"""plumbline run --mount, --real-time, --pause-at: a script's stack, looked at and changed while the script runs."""
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

from tree import PLUMBLINE, mounted, needs_fuse, needs_root, wait_until

pytestmark = [needs_root, needs_fuse]

# The first SYN's window scale follows from tcp_rmem; the second connection is made after whoever looks may have changed it.
OPEN = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
CONNECT = "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n"
SACK, NO_SACK = ("+0 > S 0:0(0) <mss 1460,%sTS val 0 ecr 0,nop,wscale 10>\n" % start for start in ("sackOK,", "nop,nop,"))


@contextlib.contextmanager
def running(tmp_path, text, *arguments, **more):
    """(the process, the mount) of a run of the script; afterwards it has ended and nothing is mounted."""
    script, directory = tmp_path / "script.pkt", tmp_path / "tree"
    script.write_text(text)
    directory.mkdir(exist_ok=True)
    more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    process = subprocess.Popen([PLUMBLINE, "run", "--mount", str(directory), *arguments, str(script)], **more)
    try:
        yield process, directory
        assert process.wait(20) is not None
        assert not mounted(directory)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        wait_until(lambda: not mounted(directory))


def control(directory):
    try:
        return (directory / "control").read_text()
    except OSError:
        return ""


def paused(directory, line=None):
    wait_until(lambda: control(directory).startswith("paused"))
    found = re.search(r"script\.pkt:(\d+)", control(directory))
    assert line is None or int(found[1]) == line, control(directory)


def test_values_changed_at_a_pause_act(tmp_path):
    with running(tmp_path, OPEN + CONNECT + NO_SACK, "--pause-at", "3") as (process, directory):
        paused(directory, 3)
        assert "0100A8C0" not in (directory / "net/tcp").read_text()
        (directory / "sys/net/ipv4/tcp_sack").write_text("0\n")
        (directory / "control").write_text("go\n")
        assert process.wait(20) == 0, process.stdout.read()


def test_each_pause_is_at_its_line_or_the_next_event(tmp_path):
    text = OPEN + "\n\n" + CONNECT + SACK
    with running(tmp_path, text, "--pause-at", "4", "--pause-at", "6", "--pause-at", "99") as (process, directory):
        paused(directory, 5)
        (directory / "control").write_text("\n")
        wait_until(lambda: "script.pkt:6" in control(directory))
        assert re.search(" 02 ", (directory / "net/tcp").read_text())         # SYN_SENT
        (directory / "control").write_text("\n")
        wait_until(lambda: "the end of" in control(directory))
        (directory / "control").write_text("\n")
        assert process.wait(20) == 0


def test_enter_goes_on_at_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    with running(tmp_path, OPEN + CONNECT + SACK, "--pause-at", "3", stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                 preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as (process, directory):
        os.close(theirs)
        paused(directory)
        time.sleep(.1)
        assert control(directory).startswith("paused")
        os.write(ours, b"\n")
        said = b""
        with contextlib.suppress(OSError):
            while select.select([ours], [], [], 20)[0]:
                said += os.read(ours, 4096)
        assert process.wait(20) == 0
    os.close(ours)
    assert b"paused before" in said and b"1 passed" in said


def test_lines_of_a_pipe_go_on(tmp_path):
    with running(tmp_path, OPEN + CONNECT + SACK, "--pause-at", "1", "--pause-at", "4", stdin=subprocess.PIPE) as (process, _):
        assert process.communicate(b"\n\n", timeout=20)[1].count(b"paused before") == 2
        assert process.returncode == 0


def test_writing_to_the_control_of_a_running_script_is_an_error(tmp_path):
    with running(tmp_path, OPEN + "+1 close(3) = 0\n", "--real-time") as (process, directory):
        wait_until(lambda: control(directory).startswith("running"))
        with pytest.raises(BlockingIOError):
            (directory / "control").write_text("\n")
        assert process.wait(20) == 0


def test_real_time_keeps_pace_and_timers_are_seen_to_run_down(tmp_path):
    syn = OPEN + CONNECT + SACK + "+1 > S 0:0(0) <...>\n"
    begun = time.monotonic()
    with running(tmp_path, syn, "--real-time") as (process, directory):
        left = []
        while process.poll() is None:
            with contextlib.suppress(OSError, AttributeError):
                left.append(int(re.search(r" 01:([0-9A-F]{8}) ", (directory / "net/tcp").read_text())[1], 16))
            time.sleep(.05)
        assert process.returncode == 0, process.stdout.read()
    assert time.monotonic() - begun > .99
    left = left[:left.index(min(left)) + 1]
    assert len(set(left)) > 4 and left == sorted(left, reverse=True) and left[0] <= 101
    begun = time.monotonic()
    assert subprocess.run([PLUMBLINE, "run", str(tmp_path / "script.pkt")], stdout=subprocess.DEVNULL, timeout=20).returncode == 0
    assert time.monotonic() - begun < .9


def test_the_trace_is_the_same_live_or_not(tmp_path):
    script = OPEN + CONNECT + SACK + "+.25 < S. 0:0(0) ack 1 win 10000 <mss 1000>\n+0 > . 1:1(0) ack 1\n+0 write(3, ..., 3000) = 3000\n" \
        "+0 > P. 1:3001(3000) ack 1\n+.7~+.8 > . 1:1001(1000) ack 1\n"
    with running(tmp_path, script, "--real-time", "--pcap", str(tmp_path / "live")) as (process, _):
        assert process.wait(20) == 0, process.stdout.read()
    subprocess.run([PLUMBLINE, "run", "--pcap", str(tmp_path / "plain"), str(tmp_path / "script.pkt")], check=True, timeout=20,
                   stdout=subprocess.DEVNULL)
    captures = [next((tmp_path / name).rglob("*.pcap")).read_bytes() for name in ("live", "plain")]
    assert captures[0] == captures[1]


def test_commands_of_the_script_and_the_tree_see_one_stack(tmp_path):
    text = "`echo 0 | tee /proc/sys/net/ipv4/tcp_sack`\n" + OPEN + "+0 `grep 0 %s/tree/sys/net/ipv4/tcp_sack | cat; " \
        "echo 5 | tee %s/tree/sys/net/ipv4/tcp_syn_retries; grep -x 5 /proc/sys/net/ipv4/tcp_syn_retries`\n" % (tmp_path, tmp_path)
    with running(tmp_path, text) as (process, _):
        assert process.wait(20) == 0, process.stdout.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_signals_at_a_pause_leave_no_mount(tmp_path, number):
    with running(tmp_path, OPEN, "--pause-at", "1") as (process, directory):
        paused(directory)
        process.send_signal(number)
        process.wait(20)
        if number in (signal.SIGKILL, signal.SIGHUP):
            wait_until(lambda: not mounted(directory))


def test_a_killed_worker_leaves_no_mount(tmp_path):
    with running(tmp_path, OPEN, "--pause-at", "1") as (process, directory):
        paused(directory)
        worker = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout.split()
        os.kill(int(worker[0]), signal.SIGKILL)
        assert process.wait(20) == 1


def test_wrong_use(tmp_path):
    for name in ("a.pkt", "b.pkt"):
        (tmp_path / name).write_text(OPEN)
    (tmp_path / "tree").mkdir()
    mount, script = ["--mount", str(tmp_path / "tree")], str(tmp_path / "a.pkt")
    for arguments, said in (([*mount, str(tmp_path)], "one script"), ([*mount, "--target", "kernel", script], "reference stack"),
                            (["--real-time", "--target", "kernel", script], "reference stack"), (["--pause-at", "1", script], "needs --mount"),
                            ([*mount, "--pause-at", "0", script], "line number"), ([*mount, "--pause-at", "x", script], "line number")):
        result = subprocess.run([PLUMBLINE, "run", *arguments], capture_output=True, text=True, timeout=20)
        assert result.returncode == 2 and said in result.stderr, arguments
    for directory, said in (("absent", "No such file"), ("a.pkt", "Not a directory")):
        result = subprocess.run([PLUMBLINE, "run", "--mount", str(tmp_path / directory), script], capture_output=True, text=True, timeout=20)
        assert result.returncode == 1 and said in result.stdout
    assert subprocess.run([PLUMBLINE, "compare", *mount, script], capture_output=True, timeout=20).returncode == 2
