"""Commands of scripts on the reference stack that need a real shell: the stack's tree stands in place of the kernel's."""
import os
import subprocess

import pytest

from tree import PLUMBLINE, needs_fuse, needs_root

pytestmark = [needs_root, needs_fuse]

OPEN = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
CONNECT = "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n"


def run(tmp_path, text):
    script = tmp_path / "script.pkt"
    script.write_text(text)
    return subprocess.run([PLUMBLINE, "run", str(script)], capture_output=True, text=True, timeout=60)


def passes(tmp_path, text):
    result = run(tmp_path, text)
    assert result.returncode == 0, result.stdout + result.stderr


def test_reads_and_writes_reach_the_stack(tmp_path):
    """Not the built-in forms: a pipe, a program, a shell's own redirection."""
    passes(tmp_path, "`echo 0 | tee /proc/sys/net/ipv4/tcp_sack > out; cat /proc/sys/net/ipv4/tcp_sack >> out`\n" + OPEN + CONNECT +
           "+0 > S 0:0(0) <mss 1460,nop,nop,TS val 0 ecr 0,nop,wscale 10>\n")
    assert (tmp_path / "out").read_text() == "0\n0\n"


def test_python_writes_tunables(tmp_path):
    passes(tmp_path, "`/usr/bin/python3 -c 'open(\"/proc/sys/net/ipv4/tcp_timestamps\", \"w\").write(\"0\")'`\n" + OPEN + CONNECT +
           "+0 > S 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale 10>\n")


def test_the_machines_own_tunables_stay_as_they_are(tmp_path):
    with open("/proc/sys/net/ipv4/tcp_retries2") as file:
        before = file.read()
    passes(tmp_path, "`sysctl net.ipv4.tcp_retries2 > out; sysctl -w net.ipv4.tcp_retries2=9 >> out; sysctl net.ipv4.tcp_retries2 >> out`\n" + OPEN)
    assert (tmp_path / "out").read_text().splitlines()[-1] == "net.ipv4.tcp_retries2 = 9"
    with open("/proc/sys/net/ipv4/tcp_retries2") as file:
        assert file.read() == before


def test_routes_set_by_ip_are_the_stacks(tmp_path):
    passes(tmp_path, "`ip route replace 192.0.2.1 via 192.168.0.2 dev tun0 advmss 900 | cat`\n" + OPEN + CONNECT + "+0 > S 0:0(0) <mss 900,...>\n".replace(",...", ",sackOK,TS val 0 ecr 0,nop,wscale 10"))


def test_proc_net_is_the_stacks(tmp_path):
    passes(tmp_path, OPEN + "+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n+0 `grep -q ':1F90 .* 0A ' /proc/net/tcp && ! grep -q ':1F91 ' /proc/net/tcp`\n")


def test_a_failing_command_fails_the_script_with_what_it_said(tmp_path):
    result = run(tmp_path, OPEN + "+0 `echo so it is >&2; exit 3`\n")
    assert result.returncode == 1
    assert "exit status 3" in result.stdout and "so it is" in result.stdout


def test_commands_leave_no_process_and_no_mount(tmp_path):
    passes(tmp_path, "`sleep 1234 & true | true`\n" + OPEN)
    assert subprocess.run(["pgrep", "-f", "sleep 1234"], capture_output=True).returncode == 1
    with open("/proc/self/mounts") as mounts:
        assert not any("plumbline" in line and "pytest" not in line for line in mounts if line.split()[1].startswith("/proc"))
