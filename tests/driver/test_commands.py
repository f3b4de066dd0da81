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


# --- init commands remembered --------------------------------------------------------------------------------------------------

NO_SACK = "+0 > S 0:0(0) <mss 1460,nop,nop,TS val 0 ecr 0,nop,wscale 10>\n"
SACK = "+0 > S 0:0(0) <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 10>\n"
# Each real run leaves a line where the program cannot know of it.
LOGGED = "echo ran >> $PLUMBLINE_TEST_LOG; "


def run_many(tmp_path, texts, *options):
    """Scripts in one process, one after the other; how often a shell was run that tells of it."""
    log = tmp_path / "log" / "log"
    log.parent.mkdir()
    log.write_text("")
    folder = tmp_path / "scripts"
    paths = []
    for name, content in texts.items():
        path = folder / name
        folder.mkdir(exist_ok=True)
        path.write_text(content)
        if name.endswith(".pkt"):
            paths.append(str(path))
        else:
            path.chmod(0o755)
    result = subprocess.run([PLUMBLINE, "run", "-j", "1", *options, *paths], capture_output=True, text=True, timeout=60,
                            env=dict(os.environ, PLUMBLINE_TEST_LOG=str(log)))
    assert result.returncode == 0, result.stdout + result.stderr
    return len(log.read_text().splitlines())


def test_an_init_command_is_remembered(tmp_path):
    script = "`" + LOGGED + "echo 0 | tee /proc/sys/net/ipv4/tcp_sack; ip route replace 192.0.2.1 dev tun0 advmss 900 | cat`\n" + \
        OPEN + CONNECT + NO_SACK.replace("1460", "900")
    assert run_many(tmp_path, {f"{i}.pkt": script for i in range(4)}) == 1


def test_another_text_is_another_command(tmp_path):
    def script(value, syn):
        return "`" + LOGGED + f"echo {value} | tee /proc/sys/net/ipv4/tcp_sack`\n" + OPEN + CONNECT + syn
    assert run_many(tmp_path, {"0.pkt": script(0, NO_SACK), "1.pkt": script(1, SACK), "2.pkt": script(0, NO_SACK)}) == 2


def test_a_file_that_it_names_counts_with_its_content(tmp_path):
    script = "`" + LOGGED + "cat value | tee /proc/sys/net/ipv4/tcp_sack`\n" + OPEN + CONNECT
    assert run_many(tmp_path, {"value": "0\n", "0.pkt": script + NO_SACK, "1.pkt": script + NO_SACK + "+0 `echo 1 | tee value`\n",
                               "2.pkt": script + SACK}) == 3       # once for each content, and once because 1 needs a shell


@pytest.mark.parametrize("init", ["sleep 0.01 &", "echo x > made", "ls .. | cat", "cat value* | cat"])
def test_what_does_more_or_cannot_be_told_is_run_each_time(tmp_path, init):
    script = "`" + LOGGED + init + "`\n" + OPEN
    assert run_many(tmp_path, {"value": "", "0.pkt": script, "1.pkt": script.replace("made", "other")}) == 2


def test_files_with_the_shells_number_are_there_for_later_commands(tmp_path):
    """As set_sysctls.py of packetdrill's scripts does: a file that puts back what was there."""
    program = """#!/usr/bin/python3
import os
name = '/tmp/plumbline_test_%s.sh' % os.environ['PACKETDRILL_PID']
open(name, 'w').write('#!/bin/bash\\necho "1" > /proc/sys/net/ipv4/tcp_sack\\n')
os.chmod(name, 0o744)
open('/proc/sys/net/ipv4/tcp_sack', 'w').write('0')
open(os.environ['PLUMBLINE_TEST_LOG'], 'a').write('ran\\n')
"""
    restore = "+0 `/tmp/plumbline_test_${PPID}.sh`\n"
    plain = "`./set.py`\n" + OPEN + CONNECT + NO_SACK + restore + "+0 close(3) = 0\n+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n" + \
        CONNECT + SACK
    shell = "`./set.py`\n" + OPEN + restore + \
        "+0 `grep 1 /proc/sys/net/ipv4/tcp_sack | cat && test -x /tmp/plumbline_test_${PPID}.sh && grep -q tcp_sack /tmp/plumbline_test_${PPID}.sh`\n"
    assert run_many(tmp_path, {"set.py": program, "0.pkt": plain, "1.pkt": plain, "2.pkt": plain, "3.pkt": shell}) == 2
    assert not [name for name in os.listdir("/tmp") if name.startswith("plumbline_test_")]


# --- without namespaces ------------------------------------------------------------------------------------------------------------

# A user namespace in which there are to be no others, and in it a user without privileges.
BARE = """echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all --inh-caps -all "$@" """


def test_without_namespaces_the_built_in_forms_work_and_others_say_why(tmp_path):
    (tmp_path / "plain.pkt").write_text("`sysctl -q net.ipv4.tcp_sack=0; ip route replace 192.0.2.1 dev tun0 advmss 900`\n" + OPEN + CONNECT +
                                        NO_SACK.replace("1460", "900"))
    (tmp_path / "shell.pkt").write_text("`echo 0 | tee /proc/sys/net/ipv4/tcp_sack`\n" + OPEN)

    def bare(*arguments):
        result = subprocess.run(["unshare", "-Ur", "sh", "-c", BARE, "sh", PLUMBLINE, *arguments], capture_output=True, text=True, timeout=30)
        if "unshare" in result.stderr:
            pytest.skip("needs a user namespace to forbid them in")
        return result
    plain = bare("run", str(tmp_path / "plain.pkt"))
    assert plain.returncode == 0, plain.stdout + plain.stderr
    shell = bare("run", str(tmp_path / "shell.pkt"))
    assert shell.returncode == 1
    for said in ("needs a shell in namespaces", "plain forms", "max_user_namespaces"):
        assert said in shell.stdout
    kernel = bare("run", "--target", "kernel", str(tmp_path / "plain.pkt"))
    assert kernel.returncode == 4 and "max_user_namespaces" in kernel.stdout
