"""Sixteen processes on one mounted tree while scripts run: no write is lost, no read is torn, nothing crashes."""
import multiprocessing
import os
import subprocess
import time
from pathlib import Path

from tree import PLUMBLINE, needs_fuse, needs_root, tree

pytestmark = [needs_root, needs_fuse]

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 16
SECONDS = 3

# Each process has one of these to itself: what it wrote last must be what it reads.
OWN = ["tcp_retries1", "tcp_retries2", "tcp_syn_retries", "tcp_synack_retries", "tcp_keepalive_time", "tcp_keepalive_intvl",
       "tcp_fin_timeout", "tcp_max_syn_backlog", "tcp_max_tw_buckets", "tcp_base_mss", "tcp_challenge_ack_limit", "igmp_max_memberships",
       "tcp_reordering", "icmp_msgs_per_sec", "ip_default_ttl", "tcp_notsent_lowat"]


def work(base, number, results):
    """Write and read for SECONDS; put (rounds, what went wrong) into the queue."""
    wrong = []
    rounds = 0
    own, shared = os.path.join(base, OWN[number]), os.path.join(base, "tcp_rmem")
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
                wrong.append("lost: %s has %r, not %d" % (OWN[number], found, value))
            rounds += 1
    except (OSError, ValueError) as error:
        wrong.append(repr(error))
    results.put((rounds, wrong))


def test_sixteen_processes_read_and_write_while_scripts_run(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    assert len(OWN) == PROCESSES == len(set(OWN))
    with tree(tmp_path, "--set", "net.ipv4.tcp_rmem=4096 8192 12288") as process:
        base = str(tmp_path / "sys/net/ipv4")
        workers = [context.Process(target=work, args=(base, number, results)) for number in range(PROCESSES)]
        for worker in workers:
            worker.start()
        scripts = subprocess.run([PLUMBLINE, "run", "-j", "2", str(ROOT / "cases/sysctl")], capture_output=True, text=True)
        found = [results.get(timeout=SECONDS + 60) for _ in workers]
        for worker in workers:
            worker.join(10)
        assert process.poll() is None, "the mount ended"
    assert [wrong for _, wrong in found if wrong] == []
    assert all(rounds > 0 for rounds, _ in found)
    assert scripts.returncode == 0, scripts.stdout + scripts.stderr
