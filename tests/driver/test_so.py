"""Shared objects with packetdrill's interface, both ways.

librefstack-packetdrill.so is the reference stack behind that interface. Plumbline drives it as it would drive any other
(--target so:FILE), and so does packetdrill itself (--so_filename), where PACKETDRILL names the program of that name.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))
STACK = Path(PLUMBLINE).parent / 'sopacketdrill' / 'librefstack-packetdrill.so'
SCRIPTS = sorted((Path(__file__).parent / 'so').glob('*.pkt'))
PACKETDRILL = os.environ.get('PACKETDRILL')

needs_packetdrill = pytest.mark.skipif(not PACKETDRILL, reason='PACKETDRILL does not name a packetdrill program')


def execute(*arguments):
    return subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, timeout=60, check=False)


def packetdrill(*arguments):
    return execute(PACKETDRILL, f'--so_filename={STACK}', *arguments)


@pytest.fixture(scope='session')
def libc_only(tmp_path_factory):
    """A shared object without the interface."""
    folder = tmp_path_factory.mktemp('so')
    source = folder / 'empty.c'
    source.write_text('int nothing_of_interest;\n')
    assert execute('cc', '-shared', '-fPIC', '-o', folder / 'empty.so', source).returncode == 0
    return folder / 'empty.so'


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.stem)
def test_plumbline_drives_it(script):
    result = execute(PLUMBLINE, 'run', f'--target=so:{STACK}', script)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.stem)
def test_the_stack_itself_passes(script):
    result = execute(PLUMBLINE, 'run', script)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_wrong_expectation_fails(tmp_path):
    script = tmp_path / 'wrong.pkt'
    script.write_text(SCRIPTS[1].read_text().replace('read(4, ..., 1000) = 100', 'read(4, ..., 1000) = 99'))
    result = execute(PLUMBLINE, 'run', f'--target=so:{STACK}', script)
    assert result.returncode == 1, result.stdout + result.stderr
    assert 'read' in result.stdout


def test_a_packet_that_never_comes(tmp_path):
    script = tmp_path / 'never.pkt'
    script.write_text('0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n+0 connect(3, ..., ...) = 0\n'
                      '+.1 > udp (100)\n')
    result = execute(PLUMBLINE, 'run', f'--target=so:{STACK}', script)
    assert result.returncode == 1, result.stdout + result.stderr


def test_there_is_no_such_file():
    result = execute(PLUMBLINE, 'run', '--target=so:/no/such/file.so', SCRIPTS[0])
    assert result.returncode in (1, 2)
    assert '/no/such/file.so' in result.stdout + result.stderr


def test_it_has_not_the_interface(libc_only):
    result = execute(PLUMBLINE, 'run', f'--target=so:{libc_only}', SCRIPTS[0])
    assert result.returncode in (1, 2)
    assert 'packetdrill_interface_init' in result.stdout + result.stderr


def test_it_exports_nothing_else():
    names = [line.split()[-1] for line in execute('nm', '-D', '--defined-only', STACK).stdout.splitlines()]
    assert [name for name in names if not name.startswith('__')] == ['packetdrill_interface_init']


@needs_packetdrill
@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.stem)
def test_packetdrill_drives_it(script):
    result = packetdrill(script)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_packetdrill
def test_packetdrill_on_a_script_of_its_own():
    scripts = sorted((Path(PACKETDRILL).resolve().parent / 'tests' / 'linux' / 'fast_retransmit').glob('*.pkt'))
    if not scripts:
        pytest.skip('packetdrill is not where its source is')
    for script in scripts:
        result = packetdrill(script)
        assert result.returncode == 0, result.stdout + result.stderr


@needs_packetdrill
def test_packetdrill_sees_a_wrong_expectation(tmp_path):
    script = tmp_path / 'wrong.pkt'
    script.write_text(SCRIPTS[1].read_text().replace('ack 101\n+0\tread', 'ack 100\n+0\tread'))
    result = packetdrill(script)
    assert result.returncode == 1
    assert 'tcp_ack_seq' in result.stderr


@needs_packetdrill
@pytest.mark.parametrize('flags, status', [
    ('local=10.0.0.1/8', 0),
    ('seed=77,mtu=1400,net.ipv4.tcp_sack=0', 0),
    ('net.ipv4.no_such=1', 1),
    ('mtu=many', 1),
    ('nonsense', 1),
])
def test_flags(flags, status):
    script = next(path for path in SCRIPTS if path.stem == 'handshake_and_data')
    address = ['--local_ip=10.0.0.1', '--netmask_ip=255.0.0.0', '--gateway_ip=10.0.0.1', '--remote_ip=192.0.2.1']
    result = packetdrill(f'--so_flags={flags}', '--ip_version=ipv4', *address, script)
    assert result.returncode == status, result.stderr
    assert status == 0 or 'librefstack-packetdrill:' in result.stderr
