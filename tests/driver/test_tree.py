"""The mounted tree against the kernel's, and that no mount outlives its program."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
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


# What people and programs do with sysctl(8). Everything it says goes to standard output, in its order.
SYSCTL = r"""
exec 2>&1
sysctl -a -r '^net\.(ipv4|core)\.'
sysctl -a -N -r tcp_sack
sysctl -w net.ipv4.tcp_sack=300 net.ipv4.tcp_rmem='4096 8192 16384' net.ipv4.nosuch=1 net.core.somaxconn=77 net.core.rmem_max=1
sysctl -q -w net.ipv4.ip_forward=1
sysctl -n net.ipv4.conf.tun0.forwarding
sysctl -e net.ipv4.nosuch
sysctl net.ipv4.conf.tun0.rp_filter net/ipv4/conf/tun0/rp_filter net.core.somaxconn
sysctl -b net.ipv4.tcp_rmem
for setting in conf.tun0.rp_filter=abc tcp_congestion_control=nosuch 'ip_local_port_range=5000 100' ip_local_reserved_ports=1-3,7 \
		'ping_group_range=1 0' tcp_fastopen_key=00000001-00000002-00000003-00000004 route.flush=1 tcp_fastopen=0x403 'tcp_wmem=1 2'; do
	sysctl -w "net.ipv4.$setting"
	sysctl "net.ipv4.${setting%%=*}"
done
sysctl -p SETTINGS/named.conf
sysctl -p SETTINGS/absent.conf
sysctl -p - < SETTINGS/named.conf
mount --bind SETTINGS/etc /etc/sysctl.d && mount --bind SETTINGS/empty /usr/lib/sysctl.d && mount --bind SETTINGS/named.conf /etc/sysctl.conf
sysctl --system
sysctl -a -r '^net\.(ipv4|core)\.'
"""


def settings_make(folder):
    for name in ("etc", "empty"):
        (folder / name).mkdir()
    (folder / "named.conf").write_text("# a comment\n; another\n\nnet.ipv4.tcp_sack = 0\nnet.ipv4.tcp_rmem=4096 8192 16384\n"
                                       "-net.ipv4.nosuch=1\nnet.ipv4.conf.*.accept_redirects = 0\nnet/ipv4/ip_default_ttl=65\n"
                                       "net.ipv4.tcp_ecn = 99\nno setting\n")
    (folder / "etc/10-first.conf").write_text("net.ipv4.tcp_fin_timeout = 31\nnet.ipv4.neigh.default.gc_stale_time=61\n")
    (folder / "etc/20-second.conf").write_text("net.ipv4.tcp_fin_timeout = 32\n-net.ipv4.conf.tun0.nosuch = 1\nnet.core.somaxconn = 78\n")


def test_sysctl_program_cannot_tell_the_trees_apart(tmp_path):
    settings_make(tmp_path)
    script = "mount --make-rprivate /\n" + SYSCTL.replace("SETTINGS", str(tmp_path))
    kernel = subprocess.run(["unshare", "-nm", "sh", "-c", KERNEL_TREE, "sh", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    directory = tmp_path / "tree"
    directory.mkdir()
    with tree(directory, "--machine-from", "/proc/sys/net/ipv4"):
        over = "mount --bind %s/sys/net/ipv4 /proc/sys/net/ipv4\n" \
            "for file in %s/sys/net/core/*; do mount --bind $file /proc/sys/net/core/${file##*/}; done\n" % (directory, directory)
        stack = subprocess.run(["unshare", "-nm", "sh", "-c", KERNEL_TREE, "sh", "sh", "-c", over + script], capture_output=True, text=True,
                               timeout=60)
    assert len(kernel.stdout.splitlines()) > 600 and "* Applying" in kernel.stdout
    assert stack.stdout == kernel.stdout
    assert stack.stderr == kernel.stderr


def names(folder):
    return [entry.name for entry in os.scandir(folder)]


def test_folders_list_their_files_in_the_order_of_procfs(tmp_path):
    with tree(tmp_path):
        for folder in ("sys/net/ipv4", "sys/net/ipv4/conf", "sys/net/ipv4/conf/tun0", "sys/net/ipv4/neigh/tun0", "sys/net/core"):
            there = names(tmp_path / folder)
            kernel = in_namespace("ls", "-U", os.path.join("/proc", folder)).stdout.split()
            assert there == [name for name in kernel if name in there]
        there = names(tmp_path / "net")
        assert there == [name for name in names("/proc/self/net") if name in there]


def test_modes_and_owners_are_the_kernels(tmp_path):
    def modes(top):
        return subprocess.run(["find", str(top), "-printf", "%P %m %U %G %s\\n"], capture_output=True, text=True, check=True).stdout.splitlines()
    for arguments, folder, namespace in (([], "sys/net/ipv4", in_namespace), ([], "sys/net/core", in_namespace), ([], "net", None),
                                         (["--first-namespace"], "sys/net/core", None)):
        with tree(tmp_path, *arguments):
            stack = modes(tmp_path / folder)
        find = ["find", os.path.join("/proc/self" if folder == "net" else "/proc", folder), "-printf", "%P %m %U %G %s\\n"]
        kernel = (namespace(*find) if namespace else subprocess.run(find, capture_output=True, text=True)).stdout.splitlines()
        assert len(stack) > 5 and set(stack) <= set(kernel), set(stack) - set(kernel)


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


def test_busy_mounts_go_too(tmp_path):
    (tmp_path / "tree").mkdir()
    with tree(tmp_path / "tree") as process:
        held = open(tmp_path / "tree/net/tcp")
        sitting = subprocess.Popen(["sleep", "100"], cwd=tmp_path / "tree/sys")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not mounted(tmp_path / "tree")
        with pytest.raises(OSError):
            held.read()
        sitting.kill()
        sitting.wait()
    os.rmdir(tmp_path / "tree")


def test_a_place_that_is_taken_is_left_alone(tmp_path):
    with tree(tmp_path, "--set", "net.ipv4.tcp_sack=0"):
        result = subprocess.run([PLUMBLINE, "mount", str(tmp_path)], capture_output=True, text=True, timeout=10)
        assert result.returncode == 1 and "mounted there already" in result.stderr
        assert read(tmp_path / "sys/net/ipv4/tcp_sack") == "0\n"


def test_what_is_in_the_folder_is_hidden_and_comes_back(tmp_path):
    (tmp_path / "file").write_text("here")
    with tree(tmp_path):
        assert not (tmp_path / "file").exists()
    assert read(tmp_path / "file") == "here"


def test_a_full_disk_does_not_matter(tmp_path):
    script = "mount -t tmpfs -o size=64k none {0}; mkdir {0}/tree; dd if=/dev/zero of={0}/fill bs=4k 2> /dev/null\n" \
        "{1} mount {0}/tree & until grep -q {0}/tree /proc/self/mounts; do sleep .01; done\n" \
        "cat {0}/tree/sys/net/ipv4/tcp_sack; kill $!; wait $! && ! grep {0}/tree /proc/self/mounts".format(tmp_path, PLUMBLINE)
    result = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=20)
    assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr


def test_outside_unmount_ends_the_program(tmp_path):
    with tree(tmp_path) as process:
        subprocess.run(["umount", str(tmp_path)], check=True)
        assert process.wait(10) == 0


# Where /dev/fuse may be opened by everybody, as most systems have it.
AS_NOBODY = """
mknod -m 666 {0}/fuse c 10 229; mount --bind {0}/fuse /dev/fuse; mkdir {0}/tree; chown nobody {0}/tree; chmod 755 {0}
cp {1} {0}/plumbline
exec setpriv --reuid nobody --regid nogroup --clear-groups sh -c '
	{0}/plumbline mount {0}/tree & until grep -q {0}/tree /proc/self/mounts; do sleep .01; done
	echo 0 > {0}/tree/sys/net/ipv4/tcp_sack; cat {0}/tree/sys/net/ipv4/tcp_sack; kill -{2} $!; wait $!
	n=0; while grep {0}/tree /proc/self/mounts; do sleep .05; n=$((n + 1)); [ $n -lt 100 ] || exit 1; done > /dev/null
	{0}/plumbline mount /usr; [ $? -eq 1 ]'
"""


@pytest.mark.skipif(not shutil.which("fusermount3"), reason="needs fusermount3")
@pytest.mark.parametrize("number", ["TERM", "KILL"])
def test_users_other_than_root_mount_and_leave_nothing(number):
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(["unshare", "-m", "sh", "-c", AS_NOBODY.format(folder, PLUMBLINE, number)], capture_output=True, text=True,
                                timeout=30)
        assert (result.returncode, result.stdout) == (0, "0\n"), result.stderr
        assert "plumbline mount: /usr: " in result.stderr


def test_wrong_use(tmp_path):
    assert subprocess.run([PLUMBLINE, "mount"], capture_output=True).returncode == 2
    assert subprocess.run([PLUMBLINE, "mount", "--nosuch", str(tmp_path)], capture_output=True).returncode == 2
    (tmp_path / "file").write_text("")
    for name, said in (("absent", "No such file"), ("file", "Not a directory")):
        result = subprocess.run([PLUMBLINE, "mount", str(tmp_path / name)], capture_output=True, text=True)
        assert result.returncode == 1 and said in result.stderr
    for machine in (tmp_path, tmp_path / "absent"):
        result = subprocess.run([PLUMBLINE, "mount", "--machine-from", str(machine), str(tmp_path)], capture_output=True, text=True)
        assert result.returncode == 1 and "no tunables there" in result.stderr
