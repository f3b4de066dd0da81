"""Many processes on one mounted tree while scripts run: no write is lost, no read is torn, nothing crashes."""
import multiprocessing
import os
import subprocess
import time
from pathlib import Path

from tree import PLUMBLINE, needs_fuse, needs_root, tree

pytestmark = [needs_root, needs_fuse]

ROOT = Path(__file__).resolve().parents[2]
# PLUMBLINE_LOAD=64x30: so many processes for so many seconds.
PROCESSES, SECONDS = map(int, os.environ.get("PLUMBLINE_LOAD", "16x3").split("x"))


def own_files(base):
    """As many files as processes, in each of which a number stays as it is written whatever is written to the others."""
    there = []
    for folder in (base, os.path.join(base, "neigh/tun0"), os.path.join(base, "conf/tun0")):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            try:
                for value in ("1\n", "100\n"):
                    Path(path).write_text(value)
                    if Path(path).read_text() != value:
                        raise OSError
                there.append(path)
            except OSError:
                pass
    for number, path in enumerate(there):
        Path(path).write_text("%d\n" % (number % 100 + 1))
    alone = [path for number, path in enumerate(there) if Path(path).read_text() == "%d\n" % (number % 100 + 1)]
    assert len(alone) >= PROCESSES
    return alone[:PROCESSES]


def work(base, own, number, results):
    """Write and read for SECONDS; put (rounds, what went wrong) into the queue."""
    wrong = []
    rounds = 0
    shared = os.path.join(base, "tcp_rmem")
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            value = 1 + (rounds * 7 + number) % 100
            with open(own, "w") as file:
                file.write("%d\n" % value)
            least = 4096 + 16 * (rounds % 60) + number
            with open(shared, "w") as file:
                file.write("%d %d %d\n" % (least, 2 * least, 3 * least))
            with open(shared) as file:
                low, middle, high = map(int, file.read().split())
            if (middle, high) != (2 * low, 3 * low):
                wrong.append("torn: %d %d %d" % (low, middle, high))
            with open(own) as file:
                found = file.read()
            if found != "%d\n" % value:
                wrong.append("lost: %s has %r, not %d" % (own, found, value))
            rounds += 1
    except (OSError, ValueError) as error:
        wrong.append(repr(error))
    results.put((rounds, wrong))


def test_many_processes_read_and_write_while_scripts_run(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with tree(tmp_path, "--set", "net.ipv4.tcp_rmem=4096 8192 12288") as process:
        base = str(tmp_path / "sys/net/ipv4")
        workers = [context.Process(target=work, args=(base, own, number, results)) for number, own in enumerate(own_files(base))]
        for worker in workers:
            worker.start()
        end = time.monotonic() + SECONDS / 2
        while True:
            scripts = subprocess.run([PLUMBLINE, "run", "-j", "2", str(ROOT / "cases/sysctl")], capture_output=True, text=True)
            if scripts.returncode or time.monotonic() > end:
                break
        found = [results.get(timeout=SECONDS + 60) for _ in workers]
        for worker in workers:
            worker.join(10)
        assert process.poll() is None, "the mount ended"
    assert [wrong for _, wrong in found if wrong] == []
    assert all(rounds > 0 for rounds, _ in found)
    print("%d processes, %d s: %d rounds of two writes and two reads" % (PROCESSES, SECONDS, sum(rounds for rounds, _ in found)))
    assert scripts.returncode == 0, scripts.stdout + scripts.stderr
