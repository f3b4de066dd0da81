"""The kernel target without privileges, and where something that it needs is missing."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))
NOBODY = 'setpriv --reuid 65534 --regid 65534 --clear-groups '
ANYBODYS_TUN = 'mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && '
NO_TUN = 'mount -t tmpfs none /dev/net && '

CONNECTION = (Path(__file__).parent / 'so' / 'handshake_and_data.pkt').read_text()
COMMANDS = """`ip link show dev tun0 && sysctl -w net.ipv4.tcp_sack=0 && test $PPID = $PACKETDRILL_PID && test -d /proc/$$`
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 `test $(cat /proc/sys/net/ipv4/tcp_sack) = 0`
"""
CAPABILITIES = """0 socket(..., SOCK_RAW, IPPROTO_UDP) = 3
+0 cap_set(CAP_EFFECTIVE, CAP_NET_RAW, CAP_CLEAR) = 0
+0 socket(..., SOCK_RAW, IPPROTO_UDP) = -1 EPERM (Operation not permitted)
+0 cap_set(CAP_EFFECTIVE, CAP_NET_RAW, CAP_SET) = 0
+0 socket(..., SOCK_RAW, IPPROTO_UDP) = 4
"""


@pytest.fixture(scope='module')
def folder():
    """Where anybody may read the program and the scripts."""
    if os.geteuid() != 0:
        pytest.skip('only root can take privileges away')
    if not Path('/dev/net/tun').exists():
        pytest.skip('there is no /dev/net/tun')
    with tempfile.TemporaryDirectory(prefix='plumbline-privileges-') as name:
        os.chmod(name, 0o755)
        path = Path(name)
        shutil.copy(PLUMBLINE, path / 'plumbline')
        for script, text in ('connection', CONNECTION), ('commands', COMMANDS), ('capabilities', CAPABILITIES):
            (path / f'{script}.pkt').write_text(text)
        yield path


def run(folder, before, who, *scripts):
    """In a mount namespace of its own, so that /dev can be changed."""
    command = f'{before} exec {who} ./plumbline run --target kernel ' + ' '.join(scripts)
    return subprocess.run(['unshare', '--mount', 'sh', '-c', command], cwd=folder, capture_output=True, text=True, timeout=120,
                          check=False)


def user_namespaces():
    probe = subprocess.run(['sh', '-c', NOBODY + 'unshare --user --net true'], capture_output=True, check=False)
    return probe.returncode == 0


@pytest.mark.parametrize('script', ['connection', 'commands', 'capabilities'])
def test_nobody_has_a_user_namespace(folder, script):
    if not user_namespaces():
        pytest.skip('no user namespaces here')
    result = run(folder, ANYBODYS_TUN, NOBODY, f'{script}.pkt')
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize('before, who', [(NO_TUN, ''), (NO_TUN, NOBODY)])
def test_without_tun_scripts_are_skipped(folder, before, who):
    result = run(folder, before, who, 'connection.pkt')
    assert result.returncode == 4, result.stdout + result.stderr
    assert '/dev/net/tun cannot be opened: No such file or directory' in result.stdout or not user_namespaces()


def test_without_namespaces_scripts_are_skipped(folder):
    """A user namespace that may have no network namespaces in it."""
    limited = 'unshare --user --map-root-user sh -c "echo 0 >/proc/sys/user/max_net_namespaces; exec'
    result = run(folder, '', limited, 'connection.pkt"')
    if 'unshare' in result.stderr:
        pytest.skip('no user namespaces here')
    assert result.returncode == 4, result.stdout + result.stderr
    assert 'no network namespace can be made here' in result.stdout
