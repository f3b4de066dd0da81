"""plumbline run: the command line, exit statuses, reports that real parsers read, captures, signals."""

import collections
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))

PASSES = """0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 bind(3, ..., ...) = 0
+.1 < udp (5)
+0 recv(3, ..., 100, 0) = 5
+0 close(3) = 0
"""
FAILS = """0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 bind(3, ..., ...) = 0
+.1 < udp (5)
+0 recv(3, ..., 100, 0) = 6
"""
SKIPS = '--wire_client\n' + PASSES
UNREADABLE = '0 socket(..., SOCK_STREEM, 0) = 3\n'
# Takes a while in real time, and none in virtual time.
SLOW = PASSES + '+60 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n'


def plumbline(*arguments, cwd=None, env=None, timeout=60):
    return subprocess.run([PLUMBLINE, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=timeout,
                          check=False, env=env)


@pytest.fixture
def scripts(tmp_path):
    """A folder with a script of every kind, one of them in a folder inside."""
    (tmp_path / 'in').mkdir()
    (tmp_path / 'pass.pkt').write_text(PASSES)
    (tmp_path / 'fail.pkt').write_text(FAILS)
    (tmp_path / 'skip.pkt').write_text(SKIPS)
    (tmp_path / 'in' / 'a & <b> "c".pkt').write_text(PASSES)
    (tmp_path / 'notes.txt').write_text('not a script')
    return tmp_path


def live_kernel():
    """Whether the kernel target can be had here."""
    if not hasattr(live_kernel, 'answer'):
        path = Path('/tmp') / f'plumbline-probe-{os.getpid()}.pkt'
        path.write_text(PASSES)
        live_kernel.answer = plumbline('run', '--target', 'kernel', path).returncode == 0
        path.unlink()
    return live_kernel.answer


needs_kernel = pytest.mark.skipif("not live_kernel()", reason='the kernel target cannot be had here')


# --- exit statuses -----------------------------------------------------------------------------------------------------------

def test_exit_statuses(scripts):
    (scripts / 'bad.pkt').write_text(UNREADABLE)
    for names, status in ((['pass.pkt'], 0), (['fail.pkt'], 1), (['skip.pkt'], 4), (['pass.pkt', 'skip.pkt'], 0),
                          (['pass.pkt', 'fail.pkt', 'skip.pkt'], 1), (['bad.pkt'], 2), (['bad.pkt', 'fail.pkt'], 2)):
        assert plumbline('run', *(scripts / name for name in names)).returncode == status, names


def test_an_unreadable_script_is_diagnosed(scripts):
    (scripts / 'bad.pkt').write_text(UNREADABLE)
    result = plumbline('run', 'bad.pkt', cwd=scripts)
    assert "bad.pkt:1:15: error: unknown symbol 'SOCK_STREEM'" in result.stdout
    assert '^~~~' in result.stdout
    os.chmod(scripts / 'pass.pkt', 0)
    if os.geteuid() != 0:
        assert 'Permission denied' in plumbline('run', scripts / 'pass.pkt').stdout


@pytest.mark.parametrize('arguments, message', [
    ([], 'which scripts?'),
    (['--frob', 'x.pkt'], 'no option --frob'),
    (['-x', 'x.pkt'], 'no option -x'),
    (['--target'], '--target takes a value'),
    (['--target', 'moon', 'x.pkt'], "no target 'moon'"),
    (['--target', 'so:', 'x.pkt'], "no target 'so:'"),
    (['--format', 'html', 'x.pkt'], "no format 'html'"),
    (['-j', '0', 'x.pkt'], "-j takes a number from 1"),
    (['-j', 'two', 'x.pkt'], "-j takes a number from 1"),
    (['-j', '99999999999999999999', 'x.pkt'], "-j takes a number from 1"),
    (['-j'], '-j takes a value'),
    (['-D', 'x', 'x.pkt'], '-D takes NAME=VALUE'),
    (['-D', '1x=2', 'x.pkt'], '-D takes NAME=VALUE'),
    (['-D=x', 'x.pkt'], '-D takes NAME=VALUE'),
    (['--seed', '-1', 'x.pkt'], '--seed takes a number'),
    (['--keep-going=yes', 'x.pkt'], '--keep-going takes no value'),
    (['--is_anyip=1', 'x.pkt'], '--is_anyip takes no value'),
    (['--mtu'], '--mtu takes a value'),
    (['--targets', 'a,b', 'x.pkt'], 'no option --targets'),
    (['no-such-file.pkt'], 'No such file or directory'),
    (['.'], 'no scripts (*.pkt)'),
])
def test_wrong_usage(tmp_path, arguments, message):
    result = plumbline('run', *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == ''


def test_top_level(tmp_path):
    assert plumbline().returncode == 2
    assert plumbline('frobnicate').returncode == 2
    assert "no subcommand 'frobnicate'" in plumbline('frobnicate').stderr
    version = plumbline('--version')
    assert version.returncode == 0 and re.fullmatch(r'plumbline \d+\.\d+\.\d+\n', version.stdout)
    usage = plumbline('--help')
    assert usage.returncode == 0 and usage.stderr == ''
    names = re.findall(r'^  ([a-z]+) +\S', usage.stdout, re.MULTILINE)
    assert 'run' in names and 'check' in names
    for name in names:
        result = plumbline(name, '--help')
        assert result.returncode == 0, name
        assert result.stdout.startswith(f'Usage: plumbline {name}'), name
        assert plumbline('help', name).stdout == result.stdout


def test_a_wrong_value_of_a_packetdrill_option(scripts):
    result = plumbline('run', '--mtu=lots', scripts / 'pass.pkt')
    assert result.returncode in (1, 2)
    assert 'mtu' in result.stdout + result.stderr


# --- which scripts, and in which order ---------------------------------------------------------------------------------------

def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize('workers', [1, 2, 32])
def test_order(tmp_path, workers):
    """A folder's scripts come in the order of their paths, the arguments in the order given, however many run at a time."""
    names = ['b/2.pkt', 'b/10.pkt', 'a.pkt', 'a/z.pkt', 'a/b/c.pkt'] + [f'many/{i:03}.pkt' for i in range(60)]
    for name in names:
        (tmp_path / 'set' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'set' / name).write_text(PASSES)
    (tmp_path / 'first.pkt').write_text(PASSES)
    result = plumbline('run', '-j', workers, '--format', 'json', 'first.pkt', 'set', 'first.pkt', cwd=tmp_path)
    assert [o['path'] for o in objects(result)] == ['first.pkt', *sorted('set/' + name for name in names), 'first.pkt']
    assert result.returncode == 0


def test_links_that_lead_in_a_circle(scripts):
    (scripts / 'in' / 'again').symlink_to(scripts)
    result = plumbline('run', '--format', 'json', scripts)
    assert len(objects(result)) == 4


def test_a_define_reaches_the_script(tmp_path):
    (tmp_path / 'x.pkt').write_text(PASSES.replace('= 5', '= N'))
    assert plumbline('run', '-D', 'N=5', tmp_path).returncode == 0
    assert plumbline('run', '-DN=5', tmp_path).returncode == 0
    assert plumbline('run', '--define', 'N=6', tmp_path).returncode == 1
    assert plumbline('run', '--define=N=5', tmp_path).returncode == 0


# --- formats -----------------------------------------------------------------------------------------------------------------

def test_json(scripts):
    result = plumbline('run', '--format', 'json', '.', cwd=scripts)
    lines = {o['path']: o for o in objects(result)}
    assert list(lines) == ['./fail.pkt', './in/a & <b> "c".pkt', './pass.pkt', './skip.pkt']
    for line in lines.values():
        assert set(line) == {'path', 'target', 'verdict', 'line', 'reason', 'wall_ms'}
        assert line['target'] == 'refstack'
        assert isinstance(line['wall_ms'], float)
    assert [line['verdict'] for line in lines.values()] == ['fail', 'pass', 'pass', 'skip']
    assert lines['./fail.pkt']['line'] == 4
    assert 'expected' in lines['./fail.pkt']['reason']
    assert lines['./pass.pkt']['line'] is None and lines['./pass.pkt']['reason'] is None
    assert 'wire_client' in lines['./skip.pkt']['reason']


def test_tap(scripts):
    result = plumbline('run', '--format', 'tap', '.', cwd=scripts)
    lines = result.stdout.splitlines()
    assert lines[0] == 'TAP version 14'
    assert lines[1] == '1..4'
    points = [line for line in lines if re.match(r'(not )?ok', line)]
    assert points[0] == 'not ok 1 ./fail.pkt'
    assert points[1] == 'ok 2 ./in/a & <b> "c".pkt'
    assert points[3].startswith('ok 4 ./skip.pkt # SKIP ')
    assert lines[-1] == '# Totals: pass:2 fail:1 xfail:0 xpass:0 skip:1 error:0'
    assert all(line.startswith('#') or line in points for line in lines[2:])


@pytest.mark.skipif(not shutil.which('perl'), reason='needs perl')
def test_tap_as_its_own_parser_reads_it(scripts):
    """TAP::Parser of Debian 12 refuses to read version 14 by its number, though what we print of it is the same as in 13."""
    text = plumbline('run', '--format', 'tap', scripts).stdout.replace('TAP version 14', 'TAP version 13')
    program = ('use TAP::Parser; local $/; my $p = TAP::Parser->new({ tap => <STDIN> }); $p->run;'
               'printf "%d %d %d %d %d", $p->tests_run, scalar($p->passed), scalar($p->failed), scalar($p->skipped),'
               'scalar($p->parse_errors);')
    parsed = subprocess.run(['perl', '-e', program], input=text, capture_output=True, text=True, check=True)
    assert parsed.stdout == '4 3 1 1 0'


def test_junit(scripts):
    suites = ElementTree.fromstring(plumbline('run', '--format', 'junit', '.', cwd=scripts).stdout)
    assert suites.tag == 'testsuites'
    (suite,) = suites
    assert [suite.get(name) for name in ('tests', 'failures', 'errors', 'skipped')] == ['4', '1', '0', '1']
    # What the stricter schemas demand, in their order.
    assert all(suite.get(name) for name in ('name', 'package', 'id', 'hostname', 'time'))
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d', suite.get('timestamp'))
    assert [child.tag for child in suite] == ['properties'] + 4 * ['testcase'] + ['system-out', 'system-err']
    cases = suite.findall('testcase')
    assert all(case.get('name') and case.get('classname') and float(case.get('time')) >= 0 for case in cases)
    assert (cases[1].get('classname'), cases[1].get('name')) == ('in', 'a & <b> "c".pkt')
    assert [[child.tag for child in case] for case in cases] == [['failure'], [], [], ['skipped']]
    failure = cases[0][0]
    assert failure.get('type') == 'fail' and 'expected' in failure.get('message')
    assert 'fail.pkt:4: ' in failure.text


def test_control_characters_and_bytes_that_are_no_text(tmp_path):
    """Whatever a script's name holds, each format stays readable to its parser."""
    name = os.fsencode(tmp_path) + b'/x\x1b[31m\xff\xc0\x80\xed\xa0\x80 \xc3\xa9 # y\\.pkt'
    with open(name, 'w', encoding='ascii') as file:
        file.write(FAILS)
    for form in ('pretty', 'tap', 'junit', 'json'):
        result = subprocess.run([PLUMBLINE, 'run', '--format', form, tmp_path], capture_output=True, timeout=60, check=False)
        text = result.stdout.decode('utf-8')
        assert '\x1b' not in text, form
        if form == 'json':
            assert json.loads(text)['path'].endswith('/x\\x1b[31m\\xff\\xc0\\x80\\xed\\xa0\\x80 é # y\\.pkt')
        elif form == 'junit':
            assert ElementTree.fromstring(text).find('.//testcase').get('name').endswith('é # y\\.pkt')
        elif form == 'tap':
            assert re.search(r'^not ok 1 .* \\# y\\\\\.pkt$', text, re.MULTILINE)


def test_pretty(scripts):
    """A failure shows the script's line, what came, the events before and the line to paste."""
    result = plumbline('run', '.', cwd=scripts)
    assert './pass.pkt' not in result.stdout
    assert './fail.pkt:4: ' in result.stdout
    assert '     4 | +0 recv(3, ..., 100, 0) = 6' in result.stdout
    assert 'just before' in result.stdout
    assert re.search(r'recv\(3, .*\) = 5', result.stdout)
    assert '2 passed' in result.stdout.splitlines()[-1]
    assert '\x1b' not in result.stdout
    assert result.stderr == '', 'no progress line in a pipe'
    assert './pass.pkt' in plumbline('run', '-v', '.', cwd=scripts).stdout


def test_keep_going(tmp_path):
    (tmp_path / 'x.pkt').write_text(FAILS + '+0 close(3) = 1\n')
    assert len(re.findall(r'x\.pkt:\d+: ', plumbline('run', tmp_path).stdout)) == 1
    assert len(re.findall(r'x\.pkt:\d+: ', plumbline('run', '--keep-going', tmp_path).stdout)) == 2


def test_output_file(scripts):
    report = scripts / 'report'
    result = plumbline('run', '--format', 'json', '-o', report, scripts / 'pass.pkt')
    assert result.stdout == ''
    assert json.loads(report.read_text())['verdict'] == 'pass'
    result = plumbline('run', '-o', scripts / 'no' / 'report', scripts / 'pass.pkt')
    assert result.returncode == 2 and 'cannot write' in result.stderr


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_a_report_that_cannot_be_written(scripts):
    result = plumbline('run', '--format', 'json', '-o', '/dev/full', scripts / 'pass.pkt')
    assert result.returncode == 2
    assert 'No space left on device' in result.stderr


# --- terminals ---------------------------------------------------------------------------------------------------------------

def on_terminal(*arguments, env=None):
    """What plumbline writes when all it has is a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(PLUMBLINE, [PLUMBLINE, *map(str, arguments)], {**os.environ, **(env or {})})
    written = b''
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:
            break
        if not block:
            break
        written += block
    os.close(terminal)
    os.waitpid(pid, 0)
    return written.decode()


def test_colours_only_on_a_terminal_and_never_with_no_color(scripts):
    plain = {'NO_COLOR': ''}
    assert '\x1b[31' in on_terminal('run', scripts, env=plain)
    assert not re.search('\x1b\\[[0-9;]*m', on_terminal('run', scripts, env={'NO_COLOR': '1'}))
    report = scripts / 'report'
    on_terminal('run', '-o', report, scripts, env=plain)
    assert '\x1b' not in report.read_text()
    assert '\x1b' not in plumbline('run', scripts, env={**os.environ, **plain}).stdout


def test_a_progress_line_on_a_terminal(scripts):
    written = on_terminal('run', scripts, env={'NO_COLOR': '1'})
    assert '[4/4]' in written
    assert written.rstrip().splitlines()[-1].split('\x1b[K')[-1].startswith('2 passed'), 'it is gone in the end'


# --- captures ----------------------------------------------------------------------------------------------------------------

def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*.pcap')}


def test_captures(scripts):
    result = plumbline('run', '--pcap', 'captures', '.', cwd=scripts)
    assert result.returncode == 1
    names = sorted(str(name) for name in contents(scripts / 'captures'))
    assert names == ['fail.pcap', 'in/a & <b> "c".pcap', 'pass.pcap'], 'a script that was skipped has none'
    data = (scripts / 'captures' / 'pass.pcap').read_bytes()
    assert data[:4] in (b'\xa1\xb2\x3c\x4d', b'\x4d\x3c\xb2\xa1')
    assert len(data) == 24 + 16 + 20 + 8 + 5


def test_captures_do_not_depend_on_the_number_of_workers(tmp_path):
    for i in range(40):
        (tmp_path / f'{i}.pkt').write_text(PASSES.replace('(5)', f'({i + 5})').replace('= 5', f'= {i + 5}'))
    reports = []
    for workers in (1, 32):
        result = plumbline('run', '-j', workers, '--format', 'json', '--pcap', tmp_path / f'p{workers}', tmp_path)
        reports.append([(o['path'], o['verdict'], o['reason']) for o in objects(result)])
    assert reports[0] == reports[1]
    assert len(contents(tmp_path / 'p1')) == 40
    assert contents(tmp_path / 'p1') == contents(tmp_path / 'p32')


def test_captures_stay_below_their_folder(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'x.pkt').write_text(PASSES)
    plumbline('run', '--pcap', 'p', '../x.pkt', '../x.pkt', cwd=tmp_path / 'a')
    assert sorted(str(name) for name in contents(tmp_path / 'a' / 'p')) == ['_/x-2.pcap', '_/x.pcap']
    assert list(contents(tmp_path)) and not list(tmp_path.glob('*.pcap'))


def test_a_capture_that_cannot_be_written(scripts):
    (scripts / 'file').write_text('')
    result = plumbline('run', '--pcap', scripts / 'file', '--format', 'json', scripts / 'pass.pkt')
    assert result.returncode == 1
    (line,) = objects(result)
    assert line['verdict'] == 'error' and 'cannot write' in line['reason']


@pytest.mark.skipif(not shutil.which('tshark'), reason='needs tshark')
def test_tshark_reads_captures_without_a_warning(scripts):
    plumbline('run', '--pcap', scripts / 'p', scripts)
    for path in (scripts / 'p').rglob('*.pcap'):
        result = subprocess.run(['tshark', '-r', path, '-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE', '-T',
                                 'fields', '-e', 'ip.checksum.status', '-e', 'udp.checksum.status', '-e', '_ws.expert.severity'],
                                capture_output=True, text=True, check=True)
        assert result.stdout.splitlines() and set(result.stdout.splitlines()) == {'1\t1\t'}
        assert [line for line in result.stderr.splitlines() if 'Running as user' not in line] == []


# --- signals, and what is left behind ----------------------------------------------------------------------------------------

def children(pid):
    """Processes that have pid as their parent, or did before it died."""
    found = []
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / 'stat').read_text().rsplit(')', 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != 'Z':
                found.append(int(entry.name))
    return found


@needs_kernel
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_reports_what_there_is(tmp_path, number):
    (tmp_path / '1.pkt').write_text(PASSES)
    (tmp_path / '2.pkt').write_text(SLOW)
    process = subprocess.Popen([PLUMBLINE, 'run', '--target', 'kernel', '--format', 'tap', '1.pkt', '2.pkt'], cwd=tmp_path,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert select.select([process.stdout], [], [], 30)[0]
    text = ''
    while 'ok 1 1.pkt' not in text:
        text += process.stdout.readline()
    workers = children(process.pid)
    assert workers
    start = time.monotonic()
    process.send_signal(number)
    rest, _ = process.communicate(timeout=20)
    assert time.monotonic() - start < 5
    assert process.returncode == -number, 'as if the signal had killed it'
    assert 'Bail out!' in rest
    assert not any(os.path.exists(f'/proc/{pid}') for pid in workers)


@needs_kernel
def test_nothing_is_left_when_it_is_killed(tmp_path):
    (tmp_path / 'x.pkt').write_text(SLOW)
    process = subprocess.Popen([PLUMBLINE, 'run', '--target', 'kernel', 'x.pkt'], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not children(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = children(process.pid)
    assert workers
    process.kill()
    process.wait()
    while any(os.path.exists(f'/proc/{pid}') for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(os.path.exists(f'/proc/{pid}') for pid in workers)


@needs_kernel
def test_a_script_that_takes_too_long(tmp_path):
    (tmp_path / 'x.pkt').write_text(SLOW)
    start = time.monotonic()
    result = plumbline('run', '--target', 'kernel', '--time-limit', 1, '--format', 'json', tmp_path)
    assert time.monotonic() - start < 20
    (line,) = objects(result)
    assert line['verdict'] == 'error' and 'longer than 1 s' in line['reason']


def test_virtual_time_does_not_wait(tmp_path):
    (tmp_path / 'x.pkt').write_text(SLOW)
    start = time.monotonic()
    assert plumbline('run', tmp_path).returncode == 0
    assert time.monotonic() - start < 10


@needs_kernel
def test_both_targets_give_the_same_verdicts(scripts):
    verdicts = collections.defaultdict(list)
    for target in ('refstack', 'kernel'):
        for line in objects(plumbline('run', '--target', target, '--format', 'json', scripts)):
            verdicts[line['path']].append((line['verdict'], line['line']))
    assert len(verdicts) == 4
    assert all(first == second for first, second in verdicts.values())


def reasons(tmp_path, text):
    path = tmp_path / 'script.pkt'
    path.write_text(text)
    result = plumbline('run', '--format', 'json', path)
    return [(line['path'].removeprefix(str(path)), line['verdict'], line['line'], line['reason'])
            for line in map(json.loads, result.stdout.splitlines())]


def test_rows_of_a_table_are_reported_by_name(tmp_path):
    text = 'table {\ncase | R\nright | 0\nwrong | 1\n}\n0 socket(..., SOCK_DGRAM, 0) = 3\n+0 close(3) = R\n'
    assert reasons(tmp_path, text) == [('[right]', 'pass', None, None),
                                       ('[wrong]', 'fail', 7, 'close: expected result 1 but got 0')]
    path = tmp_path / 'script.pkt'
    assert 'script.pkt[wrong]' in plumbline('run', '--format', 'tap', path).stdout
    suite = ElementTree.fromstring(plumbline('run', '--format', 'junit', path).stdout)
    assert sum('[right]' in ElementTree.tostring(case, encoding='unicode') for case in suite.iter('testcase')) == 1
    assert plumbline('run', f'{path}[right]').returncode == 0


def test_packets_in_another_order_are_told_as_such(tmp_path):
    two = '0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 connect(3, ..., ...) = 0\n+0 write(3, "aa", 2) = 2\n+0 write(3, "bbb", 3) = 3\n'
    (_, verdict, at, said), = reasons(tmp_path, two + '+0 > udp (3)\n+0 > udp (2)\n')
    assert (verdict, at) == ('fail', 5)
    assert said == ('outbound packet: payload length: expected 3, actual 2; packets came in another order: the one expected here at '
                    '0.000003, this one is expected in line 6')
    # One that is not sent at all, and one that nobody expects.
    (_, _, at, said), = reasons(tmp_path, two + '+0 > udp (1)\n+0 > udp (2)\n+0 > udp (3)\n')
    assert (at, said) == (5, 'outbound packet: payload length: expected 1, actual 2; it is what line 6 expects')
    (_, _, at, said), = reasons(tmp_path, two + '+0 > udp (3)\n')
    assert (at, said) == (5, 'outbound packet: payload length: expected 3, actual 2; packets came in another order: the one expected '
                             'here came at 0.000003')
    assert [line[1] for line in reasons(tmp_path, two + 'any order {\n+0 > udp (3)\n+0 > udp (2)\n}\n')] == ['pass']


@pytest.mark.parametrize('text,line,reason', [
    ('0 sysctl net.ipv4.ip_default_ttl == 65\n', 1, 'sysctl net.ipv4.ip_default_ttl: expected "65", actual "64"'),
    ('0 sysctl net.ipv4.ip_default_ttl = 300\n', 1,
     'sysctl net.ipv4.ip_default_ttl = "300": expected success, but it failed with EINVAL (Invalid argument)'),
    ('0 sysctl net.ipv4.nothing == 1\n', 1, 'sysctl net.ipv4.nothing cannot be read: ENOENT (No such file or directory)'),
    ('0 let n = 70000\n+0 < udp n > 9 (1)\n', 2, "the packet cannot be made: 70000 does not fit the field 'sport'"),
    ('0 let n = 0\n+0 let m = (1 / n)\n', 2, 'let m: the arithmetic has no result (a division by zero?)'),
    ('if target == kernel { 0 let m = 1 }\n0 let n = m\n', 2, 'let n: unknown symbol m'),
    ('0 < udp 1 > 9 (1)\nany order {\n+0 > icmp echo_reply\n+0 > icmp unreachable port_unreachable [udp 1 > 9 (1)]\n}\n', 3,
     'outbound packet: timed out waiting for packet; none came until 2.000001; of the 2 packets that may come in any order 1 came, '
     'this one did not'),
    ('0 < fragment 0:16 of udp (2)\n', 1,
     'the fragment cannot be made: the datagram has 10 bytes behind its IP header, no fragment reaches to 16'),
    ('0 < arp who-has 10.0.0.1\n', 1, 'tun0 is no Ethernet link (--link=NAME,ethernet)'),
    ('0 socket(..., SOCK_STREAM, 9999) = let s\n', 1,
     'socket: expected result let s but got -1 EINVAL (Invalid argument)'),
])
def test_what_goes_wrong_with_the_language_s_own_events(tmp_path, text, line, reason):
    (_, verdict, at, said), = reasons(tmp_path, text)
    assert (at, said) == (line, reason)
    assert verdict in ('fail', 'error')
