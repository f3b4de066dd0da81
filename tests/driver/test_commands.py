"""Commands in scripts on the reference stack that need no process and no privileges."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))

# The acknowledgement of a SYN says which options the tunables allow.
SYN = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
"""
WITH = SYN + '+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 8>\n'
WITHOUT = SYN + '+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 8>\n'
BUFFERS = 'sysctl -q net.ipv4.tcp_rmem="4096 540000 $((15*1024*1024))"'


def run(path, *arguments, **how):
    done = subprocess.run([PLUMBLINE, 'run', '--format', 'json', *arguments, str(path)], capture_output=True, text=True,
                          timeout=120, check=False, **how)
    return json.loads(done.stdout.splitlines()[0])


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / 'script.pkt'
        path.write_text(text)
        return path
    return write


@pytest.mark.parametrize('command', [
    'sysctl -q net.ipv4.tcp_sack=0',
    'sysctl -w net/ipv4/tcp_sack=0 > /dev/null 2>&1',
    'echo 0 > /proc/sys/net/ipv4/tcp_sack',
    'false || sysctl -q net.ipv4.tcp_sack=$((1 - 1))',
    '# a comment\ntrue && sysctl -q \\\n net.ipv4.tcp_sack=0',
])
def test_forms(script, command):
    assert run(script(f'`{BUFFERS}\n{command}`\n{WITHOUT}'))['verdict'] == 'pass'
    assert run(script(f'`{BUFFERS}`\n{WITH}'))['verdict'] == 'pass'


def test_a_shell_script_of_such_forms_beside_the_script(script, tmp_path):
    (tmp_path / 'set.sh').write_text(f'#!/bin/bash\n# no SACK\n{BUFFERS}\nsysctl -q net.ipv4.tcp_sack=0\n')
    (tmp_path / 'set.sh').chmod(0o755)
    assert run(script('`./set.sh`\n' + WITHOUT), cwd='/')['verdict'] == 'pass'


def test_a_command_in_the_middle(script):
    text = f'`{BUFFERS}`\n' + WITH + '+.1 `sysctl -q net.ipv4.tcp_sack=0`\n+0 close(3) = 0\n' + \
        SYN.replace('0 socket', '+0 socket') + '+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 8>\n'
    assert run(script(text))['verdict'] == 'pass'


def test_a_command_that_fails(script):
    outcome = run(script('0 socket(..., SOCK_DGRAM, 0) = 3\n+0 `sysctl -q net.ipv4.tcp_sack=many`\n'))
    assert outcome['verdict'] == 'fail' and outcome['line'] == 2
    assert 'Invalid argument' in outcome['reason']


def test_an_init_command_that_fails_is_no_verdict_about_the_stack(script):
    assert run(script('`sysctl -q net.ipv4.no_such_file=1`\n' + WITH))['verdict'] == 'error'


def test_refused(script):
    outcome = run(script('`true`\n' + WITH), '--no-commands')
    assert outcome['verdict'] == 'skip' and '--no-commands' in outcome['reason']


def test_no_process_is_started(script, tmp_path):
    """With a path that leads nowhere and no shell to be had, the built-in forms still do their work."""
    path = script(f'`{BUFFERS}; sysctl -q net.ipv4.tcp_sack=0`\n' + WITHOUT)
    log = tmp_path / 'trace'
    if subprocess.run(['which', 'strace'], capture_output=True, check=False).returncode:
        assert run(path, env={'PATH': '/nowhere'})['verdict'] == 'pass'
        return
    subprocess.run(['strace', '-f', '-e', 'trace=execve', '-o', str(log), PLUMBLINE, 'run', str(path)], check=True,
                   capture_output=True, timeout=120)
    assert log.read_text().count('execve(') == 1
