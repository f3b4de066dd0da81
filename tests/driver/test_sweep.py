"""plumbline sweep: choosing combinations, what it says of them, and its exit statuses."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))


def sweep(*arguments, timeout=120):
    return subprocess.run([PLUMBLINE, 'sweep', *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False)


def live_kernel():
    """Whether the kernel target can be had here."""
    if not hasattr(live_kernel, 'answer'):
        result = sweep('udp', '--only', 'option=SO_TYPE', '--only', 'state=fresh', '--only', 'call=getsockopt')
        live_kernel.answer = result.returncode != 4
    return live_kernel.answer


needs_kernel = pytest.mark.skipif("not live_kernel()", reason='the kernel target cannot be had here')
OWN = ('--targets', 'refstack,refstack')


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def total(result):
    totals = [item for item in objects(result) if item['kind'] == 'total']
    assert len(totals) == 1
    return totals[0]


@pytest.mark.parametrize('family', ['udp', 'udplite', 'raw', 'icmp', 'stream', 'ip'])
def test_a_stack_agrees_with_itself(family):
    result = sweep(family, *OWN, '--every', 97, '--format', 'json')
    assert result.returncode == 0, result.stdout[-2000:]
    counts = total(result)
    assert counts['tried'] > 1000
    assert counts['agree'] == counts['tried']
    assert counts['differ'] == 0


def test_the_space_is_what_the_axes_span():
    """Eleven values for each length above 0; for 0 and -1, whose bytes nobody looks at, one value and a NULL pointer."""
    result = sweep('udp', *OWN, '--only', 'call=setsockopt', '--only', 'state=fresh', '--only', 'level=SOL_SOCKET', '--only',
                   'option=12', '--only', 'privilege=root', '--format', 'json')
    assert total(result)['tried'] == 7 * 11 + 2 * 2


def test_options_go_by_name_and_by_number():
    common = (*OWN, '--only', 'call=getsockopt', '--only', 'level=SOL_SOCKET', '--format', 'json')
    by_name = sweep('udp', *common, '--only', 'option=SO_PRIORITY,SO_MARK')
    by_number = sweep('udp', *common, '--only', 'option=12,36')
    by_pattern = sweep('udp', *common, '--only', 'option=SO_PRIORIT?,SO_MAR*')
    assert total(by_name)['tried'] == total(by_number)['tried'] > 0
    # SO_MARK's neighbour SO_MARK_... does not exist; the pattern finds the same two.
    assert total(by_pattern)['tried'] == total(by_name)['tried']


def test_every_takes_a_part():
    common = (*OWN, '--only', 'call=bind', '--only', 'state=fresh', '--format', 'json')
    whole = total(sweep('udp', *common))['tried']
    part = total(sweep('udp', *common, '--every', 10))['tried']
    assert abs(part - whole / 10) <= 2


def test_what_is_left_out_is_told_with_its_reason():
    result = sweep('udp', *OWN, '--only', 'call=ioctl', '--only', 'state=fresh', '--only', 'request=SIOCSIFFLAGS', '--format', 'json')
    skipped = [item for item in objects(result) if item['kind'] == 'skipped']
    assert skipped and all(item['reason'] for item in skipped)
    assert total(result)['skipped'] == sum(item['count'] for item in skipped) > 0


def test_what_is_mapped_is_told_with_its_reason():
    result = sweep('udp', *OWN, '--only', 'call=getsockopt', '--only', 'option=57', '--only', 'level=SOL_SOCKET', '--format', 'json')
    mapped = [item for item in objects(result) if item['kind'] == 'mapped']
    assert mapped and all('SO_COOKIE' in item['reason'] for item in mapped)


@pytest.mark.parametrize('arguments', [
    [], ['nosuch'], ['udp', '--only', 'colour=red'], ['udp', '--only', 'state'], ['udp', '--every', '0'], ['udp', '-j', 'x'],
    ['udp', '--format', 'xml'], ['udp', '--targets', 'refstack'], ['udp', '--targets', 'refstack,so:x'], ['udp', '--nosuch'],
    ['udp', '--only'],
])
def test_wrong_usage(arguments):
    result = sweep(*arguments)
    assert result.returncode == 2
    assert 'plumbline sweep:' in result.stderr
    assert result.stdout == ''


def test_list_and_help():
    listed = sweep('--list')
    assert listed.returncode == 0
    for word in ('ip:', 'udp:', 'udplite:', 'raw:', 'icmp:', 'stream:', 'state=', 'call=setsockopt level= option= length= value='):
        assert word in listed.stdout
    shown = sweep('--help')
    assert shown.returncode == 0 and '--only' in shown.stdout


def test_the_report_goes_to_a_file(tmp_path):
    result = sweep('udp', *OWN, '--only', 'call=shutdown', '-o', tmp_path / 'report')
    assert result.returncode == 0 and result.stdout == ''
    assert 'udp: ' in (tmp_path / 'report').read_text()


@needs_kernel
@pytest.mark.parametrize('family', ['udp', 'icmp', 'raw', 'stream', 'ip'])
def test_a_part_against_the_live_kernel(family):
    result = sweep(family, '--every', 211, '--format', 'json', timeout=300)
    counts = total(result)
    assert counts['tried'] > 1000
    assert counts['agree'] + counts['known'] + counts['differ'] == counts['tried']
    assert counts['agree'] >= 0.98 * counts['tried'], result.stdout[-3000:]


@needs_kernel
def test_nothing_leaks_into_the_next_combination():
    """Bound to the same port each time: a socket that stayed would make the next one EADDRINUSE, and differ from its neighbour."""
    result = sweep('stream', '--only', 'state=bound,listening', '--only', 'call=getsockname', '--format', 'json')
    counts = total(result)
    assert counts['agree'] == counts['tried'] > 0
