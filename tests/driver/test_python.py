"""Python blocks in scripts: what they see, what they say when they fail, and that one interpreter serves all scripts."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))

CONNECTION = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
"""


def run(tmp_path, text, *arguments, name='script.pkt'):
    """The outcome of one script, as its JSON line."""
    path = tmp_path / name
    path.write_text(text)
    done = subprocess.run([PLUMBLINE, 'run', '--format', 'json', *arguments, str(path)], capture_output=True, text=True,
                          timeout=120, check=False)
    return json.loads(done.stdout.splitlines()[0])


def test_variables_are_those_of_the_socket_under_test(tmp_path):
    outcome = run(tmp_path, CONNECTION + '+0 %{ assert tcpi_state == TCP_ESTABLISHED and tcpi_snd_cwnd == 10 }%\n'
                  '+0 %{ assert tcpi_options & TCPI_OPT_WSCALE and tcpi_snd_wscale == 7; assert SK_MEMINFO_RCVBUF > 0 }%\n')
    assert outcome['verdict'] == 'pass', outcome


def test_they_are_read_when_the_blocks_time_comes(tmp_path):
    outcome = run(tmp_path, CONNECTION + '+0 %{ before = tcpi_bytes_received }%\n+0 < P. 1:101(100) ack 1 win 257\n'
                  '+.001 %{ assert tcpi_bytes_received == before + 100 }%\n')
    assert outcome['verdict'] == 'pass', outcome


def test_a_failure_names_line_statement_and_values(tmp_path):
    outcome = run(tmp_path, CONNECTION + '+0 %{\nassert tcpi_snd_cwnd == 11, "too small"\n}%\n')
    assert outcome['verdict'] == 'fail'
    assert outcome['line'] == 8
    assert 'AssertionError: too small' in outcome['reason']


def test_a_person_sees_the_statement_and_what_it_saw(tmp_path):
    path = tmp_path / 'script.pkt'
    path.write_text(CONNECTION + '+0 %{\nassert tcpi_snd_cwnd == 11\n}%\n')
    done = subprocess.run([PLUMBLINE, 'run', str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert 'line 9: assert tcpi_snd_cwnd == 11' in done.stdout
    assert 'tcpi_snd_cwnd = 10' in done.stdout


@pytest.mark.parametrize('block, said', [
    ('%{ assert (1 }%', 'SyntaxError'),
    ('%{ undefined_name }%', 'NameError'),
    ('%{ 1 / 0 }%', 'ZeroDivisionError'),
    ('%{ import sys; sys.exit(3) }%', 'exit status 3'),
    ('%{ raise KeyboardInterrupt }%', 'KeyboardInterrupt'),
])
def test_every_way_to_fail(tmp_path, block, said):
    outcome = run(tmp_path, CONNECTION + '+0 ' + block + '\n')
    assert outcome['verdict'] == 'fail' and said in outcome['reason'], outcome


def test_an_exit_without_a_status_is_no_failure(tmp_path):
    assert run(tmp_path, CONNECTION + '+0 %{ sys.exit() }%\n+0 %{ assert False }%\n')['verdict'] == 'pass'


def test_the_blocks_of_a_script_are_one_program(tmp_path):
    text = CONNECTION + '+0 %{\ndef check(x):\n  assert x == 10, x\n}%\n+0 %{ check(tcpi_snd_cwnd) }%\n'
    assert run(tmp_path, text)['verdict'] == 'pass'


def test_scripts_do_not_share_names(tmp_path):
    first, second = tmp_path / 'a.pkt', tmp_path / 'b.pkt'
    first.write_text(CONNECTION + '+0 %{ mine = 1 }%\n')
    second.write_text(CONNECTION + '+0 %{ assert "mine" not in globals() }%\n')
    done = subprocess.run([PLUMBLINE, 'run', '-j', '1', str(first), str(second)], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stdout


def test_a_line_continued_beyond_the_block_is_whole(tmp_path):
    assert run(tmp_path, CONNECTION + '+0 %{\nassert tcpi_snd_cwnd == 10, tcpi_snd_cwnd; \\\n}%\n')['verdict'] == 'pass'


def test_what_is_printed_does_not_disturb(tmp_path):
    text = CONNECTION + '+0 %{ print("ok 5\\n" * 1000); sys.stdout.write("failed"); import os; os.system("echo ok 3") }%\n'
    assert run(tmp_path, text)['verdict'] == 'pass'


def test_an_interpreter_that_dies_fails_its_script_alone(tmp_path):
    first, second = tmp_path / 'a.pkt', tmp_path / 'b.pkt'
    first.write_text(CONNECTION + '+0 %{ import os; os._exit(1) }%\n')
    second.write_text(CONNECTION + '+0 %{ pass }%\n')
    done = subprocess.run([PLUMBLINE, 'run', '-j', '1', '--format', 'json', str(first), str(second)], capture_output=True,
                          text=True, timeout=120, check=False)
    verdicts = [json.loads(line)['verdict'] for line in done.stdout.splitlines()]
    assert verdicts == ['error', 'pass']


def test_without_a_socket_there_is_nothing_to_ask(tmp_path):
    outcome = run(tmp_path, '0 %{ pass }%\n')
    assert outcome['verdict'] == 'fail' and 'no socket' in outcome['reason']


def test_another_program_may_run_the_code(tmp_path):
    text = CONNECTION + '+0 %{ assert tcpi_snd_cwnd == 10 }%\n'
    assert run(tmp_path, text, '--code_command=/usr/bin/python3 -O')['verdict'] == 'pass'
    assert run(tmp_path, text, '--code_command=grep -q nonsense')['verdict'] == 'fail'


def test_refused(tmp_path):
    outcome = run(tmp_path, CONNECTION + '+0 %{ pass }%\n', '--no-python')
    assert outcome['verdict'] == 'skip' and '--no-python' in outcome['reason']


def test_no_interpreter_is_left_behind(tmp_path):
    text = CONNECTION + '+0 %{ import os; open("' + str(tmp_path / 'pid') + '", "w").write(str(os.getpid())) }%\n'
    assert run(tmp_path, text)['verdict'] == 'pass'
    pid = int((tmp_path / 'pid').read_text())
    for _ in range(100):
        status = Path(f'/proc/{pid}/status')
        if not status.exists() or 'State:\tZ' in status.read_text():
            return      # gone, or waiting for whoever it was left to
        time.sleep(0.05)
    pytest.fail('the interpreter is still there')
