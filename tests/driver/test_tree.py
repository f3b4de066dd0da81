"""The mounted tree against the kernel's, and that no mount outlives its program."""
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tree import PLUMBLINE, PROBE, mounted, needs_fuse, needs_probe, needs_root, tree, wait_until

pytestmark = [needs_root, needs_fuse]

KERNEL_TREE = """
ip link set lo up
ip tuntap add dev tun0 mode tun
ip addr add 192.168.0.1/16 dev tun0
ip link set tun0 up
exec "$@"
"""


def in_namespace(*command):
    """Run where a fresh network namespace has lo and tun0 (192.168.0.1/16), as a mounted stack has."""
    return subprocess.run(["unshare", "-n", "sh", "-c", KERNEL_TREE, "sh", *command], check=True, capture_output=True, text=True)


def read(path):
    with open(path) as file:
        return file.read()


@needs_probe
def test_every_file_reads_and_writes_as_the_kernels(tmp_path):
    kernel, stack = tmp_path / "kernel.jsonl", tmp_path / "stack.jsonl"
    in_namespace(sys.executable, PROBE, "probe", "/proc/sys/net/ipv4", str(kernel))
    directory = tmp_path / "tree"
    directory.mkdir()
    with tree(directory, "--machine-from", "/proc/sys/net/ipv4"):
        subprocess.run([sys.executable, PROBE, "probe", str(directory / "sys/net/ipv4"), str(stack)], check=True)
    result = subprocess.run([sys.executable, PROBE, "diff", str(kernel), str(stack)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    with open(kernel) as rows:
        files = sum(json.loads(row)["kind"] == "file" for row in rows)
    assert "files %d/%d same" % (files, files) in result.stdout


def test_files_of_the_first_namespace_are_there_when_asked_for(tmp_path):
    with tree(tmp_path, "--first-namespace"):
        assert read(tmp_path / "sys/net/ipv4/tcp_mem").count("\t") == 2
        assert os.path.exists(tmp_path / "sys/net/ipv4/neigh/default/gc_thresh1")
    with tree(tmp_path):
        assert not os.path.exists(tmp_path / "sys/net/ipv4/tcp_mem")


def test_starting_values_and_their_errors(tmp_path):
    with tree(tmp_path, "--set", "net.ipv4.tcp_sack=0", "--set", "net/ipv4/tcp_rmem=4096 5000 6000"):
        assert read(tmp_path / "sys/net/ipv4/tcp_sack") == "0\n"
        assert read(tmp_path / "sys/net/ipv4/tcp_rmem") == "4096\t5000\t6000\n"
    for setting, said in (("net.ipv4.tcp_sack=256", "Invalid argument"), ("net.ipv4.nosuch=1", "No such file"), ("nonsense", "NAME=VALUE")):
        result = subprocess.run([PLUMBLINE, "mount", "--set", setting, str(tmp_path)], capture_output=True, text=True, timeout=10)
        assert result.returncode == 1 and said in result.stderr
        assert not mounted(tmp_path)


def test_forwarding_is_one_value_with_many_files(tmp_path):
    with tree(tmp_path):
        base = tmp_path / "sys/net/ipv4"
        (base / "ip_forward").write_text("1\n")
        for folder in ("all", "default", "lo", "tun0"):
            assert read(base / "conf" / folder / "forwarding") == "1\n"
        (base / "conf/tun0/forwarding").write_text("0\n")
        assert read(base / "ip_forward") == "1\n" and read(base / "conf/lo/forwarding") == "1\n"
        (base / "conf/all/forwarding").write_text("0\n")
        assert read(base / "ip_forward") == "0\n"


def test_sysctl_program_cannot_tell_the_trees_apart(tmp_path):
    settings = tmp_path / "settings.conf"
    settings.write_text("# a comment\nnet.ipv4.tcp_sack = 0\nnet.ipv4.tcp_rmem=4096 8192 16384\n-net.ipv4.nosuch=1\n")
    script = "sysctl -p %s; sysctl -w net.ipv4.tcp_sack=300; sysctl net.ipv4.tcp_sack net.ipv4.tcp_rmem; sysctl -a -r '^net.ipv4.(tcp|ip)_' 2>&1" % settings
    kernel = subprocess.run(["unshare", "-n", "sh", "-c", KERNEL_TREE, "sh", "sh", "-c", script], capture_output=True, text=True)
    directory = tmp_path / "tree"
    directory.mkdir()
    with tree(directory, "--machine-from", "/proc/sys/net/ipv4"):
        bind = "mount --bind %s/sys/net/ipv4 /proc/sys/net/ipv4 && %s" % (directory, script)
        stack = subprocess.run(["unshare", "-m", "sh", "-c", bind], capture_output=True, text=True)
    # A new namespace makes its Fast Open key when it is first asked for; everything else is the same to the letter.
    assert stack.stdout == kernel.stdout
    assert stack.stderr == kernel.stderr


def test_mount_ends_with_its_program(tmp_path):
    generator = random.Random(1)
    for _ in range(25):
        process = subprocess.Popen([PLUMBLINE, "mount", str(tmp_path)])
        time.sleep(generator.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_until(lambda: not mounted(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_unmount(tmp_path, number):
    with tree(tmp_path) as process:
        process.send_signal(number)
        assert process.wait(10) == 0
        wait_until(lambda: not mounted(tmp_path))


def test_wrong_use(tmp_path):
    assert subprocess.run([PLUMBLINE, "mount"], capture_output=True).returncode == 2
    assert subprocess.run([PLUMBLINE, "mount", "--nosuch", str(tmp_path)], capture_output=True).returncode == 2
    assert subprocess.run([PLUMBLINE, "mount", str(tmp_path / "absent")], capture_output=True).returncode == 1
