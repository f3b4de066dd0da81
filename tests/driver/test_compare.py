"""plumbline compare: two targets, what it says of them, and its exit statuses."""

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))

SAME = """0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 bind(3, ..., ...) = 0
+.1 < udp (5)
+0 recv(3, ..., 100, 0) = 5
+0 sendto(3, ..., 7, 0, ..., ...) = 7
+0 close(3) = 0
"""
# What the script expects does not matter to a comparison.
WRONG = SAME.replace('= 5\n', '= 6\n')
# The reference stack has no netlink, and the kernel always does.
DIFFERS = SAME + '+0 socket(AF_NETLINK, SOCK_RAW, 0) = 4\n'
SKIPS = '--wire_client\n' + SAME


def compare(*arguments, cwd=None, timeout=120):
    return subprocess.run([PLUMBLINE, 'compare', *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                          timeout=timeout, check=False)


def live_kernel():
    """Whether the kernel target can be had here."""
    if not hasattr(live_kernel, 'answer'):
        path = Path('/tmp') / f'plumbline-probe-{os.getpid()}.pkt'
        path.write_text(SAME)
        result = subprocess.run([PLUMBLINE, 'run', '--target', 'kernel', '--format', 'json', str(path)], capture_output=True,
                                text=True, timeout=60, check=False)
        live_kernel.answer = '"skip"' not in result.stdout
        path.unlink()
    return live_kernel.answer


needs_kernel = pytest.mark.skipif("not live_kernel()", reason='the kernel target cannot be had here')


@pytest.fixture
def script(tmp_path):
    def write(text, name='x.pkt'):
        (tmp_path / name).write_text(text)
        return tmp_path / name
    return write


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_stack_is_the_same_as_itself(script):
    path = script(WRONG)
    result = compare('--targets', 'refstack,refstack', '--format', 'json', path)
    assert result.returncode == 0
    (line,) = objects(result)
    assert line['verdict'] == 'same' and line['divergence'] is None and line['line'] is None


@needs_kernel
def test_the_reference_stack_is_the_same_as_the_kernel(script):
    result = compare('--format', 'json', script(SAME))
    (line,) = objects(result)
    assert (line['verdict'], result.returncode) == ('same', 0), line
    assert {'path', 'verdict', 'refstack', 'kernel', 'divergence'} <= set(line)


@needs_kernel
def test_where_the_two_part(script):
    script(DIFFERS)
    result = compare('--format', 'json', 'x.pkt', cwd=script(SAME, 'y.pkt').parent)
    assert result.returncode == 1
    (line,) = objects(result)
    assert line['verdict'] == 'differ'
    assert line['line'] == 7
    assert 'EAFNOSUPPORT' in line['refstack'] and 'EAFNOSUPPORT' not in line['kernel']
    assert line['divergence']
    pretty = compare('x.pkt', cwd=script(SAME, 'y.pkt').parent)
    assert 'x.pkt:7: ' in pretty.stdout and '     7 | +0 socket(AF_NETLINK' in pretty.stdout
    assert pretty.stdout.splitlines()[-1].startswith('0 same, 1 differ (refstack and kernel')


@needs_kernel
def test_every_format_tells_the_verdicts(script):
    folder = script(DIFFERS, '1.pkt').parent
    script(SAME, '2.pkt')
    script(SKIPS, '3.pkt')
    tap = compare('--format', 'tap', '.', cwd=folder)
    points = [line for line in tap.stdout.splitlines() if line.startswith(('ok', 'not ok'))]
    assert points[:2] == ['not ok 1 ./1.pkt # differ', 'ok 2 ./2.pkt']
    assert points[2].startswith('ok 3 ./3.pkt # SKIP refstack: ')
    suite = ElementTree.fromstring(compare('--format', 'junit', folder).stdout)[0]
    assert [suite.get(name) for name in ('tests', 'failures', 'errors', 'skipped')] == ['3', '1', '0', '1']
    assert suite.find('.//failure').get('type') == 'differ'
    assert [o['verdict'] for o in objects(compare('--format', 'json', folder))] == ['differ', 'same', 'skip']


def test_exit_statuses(script):
    assert compare('--targets', 'refstack,refstack', script(SKIPS)).returncode == 4
    assert compare('--targets', 'refstack,refstack', script('0 frob() = 1\n')).returncode == 2
    assert compare('--targets', 'refstack,refstack', script(SAME)).returncode == 0


@pytest.mark.parametrize('arguments, message', [
    (['--targets', 'refstack'], 'does not name two targets'),
    (['--targets', 'refstack,moon'], 'does not name two targets'),
    (['--targets', ','], 'does not name two targets'),
    (['--target', 'refstack'], 'no option --target'),
    (['--keep-going'], 'no option --keep-going'),
])
def test_wrong_usage(script, arguments, message):
    result = compare(*arguments, script(SAME))
    assert result.returncode == 2 and message in result.stderr and result.stdout == ''


def test_captures_of_both_sides(script):
    folder = script(SAME).parent
    compare('--targets', 'refstack,refstack', '--pcap', folder / 'p', 'x.pkt', cwd=folder)
    first, second = ((folder / 'p' / f'x.{i}.pcap').read_bytes() for i in (1, 2))
    assert first == second and len(first) > 24


@needs_kernel
def test_captures_are_named_for_their_targets(script):
    folder = script(SAME).parent
    compare('--pcap', folder / 'p', 'x.pkt', cwd=folder)
    assert sorted(path.name for path in (folder / 'p').iterdir()) == ['x.kernel.pcap', 'x.refstack.pcap']
