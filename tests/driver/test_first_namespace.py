"""The tunables of the machine's first network namespace alone, on the kernel: the scripts `cases/sysctl/first-*.pkt`, which run on the
reference stack only, are carried out here with the values written to the machine itself, and put back afterwards.

What is written acts on every network namespace of the machine for that moment, so this runs only where PLUMBLINE_FIRST_NAMESPACE=1
says that nothing else on the machine minds.
"""
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get("PLUMBLINE", str(ROOT / "build" / "plumbline"))
CASES = sorted((ROOT / "cases/sysctl").glob("first-*.pkt"))

pytestmark = pytest.mark.skipif(os.environ.get("PLUMBLINE_FIRST_NAMESPACE") != "1" or os.geteuid() != 0,
                                reason="it writes tunables of the whole machine: PLUMBLINE_FIRST_NAMESPACE=1 and root")


def path_of(name):
    return Path("/proc/sys") / name.replace(".", "/")


def first_only(name):
    """Not there in another namespace, or only to be read. The machine's links have nothing to do with the script's."""
    if re.match(r"net\.ipv4\.(conf|neigh)\.(?!all\.|default\.)", name):
        return False
    return path_of(name).exists() and subprocess.run(["unshare", "-n", "test", "-w", path_of(name)]).returncode != 0


class Machine:
    """Writes settings when a script asks for it through one pipe, and answers through another; puts back what it found."""

    def __init__(self, folder):
        self.ask, self.answer = folder / "ask", folder / "answer"
        os.mkfifo(self.ask)
        os.mkfifo(self.answer)
        self.before = {}
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            settings = self.ask.read_text().strip()
            if settings == "end":
                return
            for name, value in re.findall(r'([\w.]+)=("[^"]*"|\S+)', settings):
                try:
                    self.before.setdefault(name, path_of(name).read_text())
                    path_of(name).write_text(value.strip('"'))
                except OSError as error:	# told by the case, which fails
                    print(name, error)
            self.answer.write_text("done\n")

    def restore(self):
        for name, value in self.before.items():
            path_of(name).write_text(value)
        self.ask.write_text("end\n")
        self.thread.join()


def rewritten(text, machine):
    """The script with what writes the machine's own tunables handed to the test."""
    def setting(match):
        mine, theirs = [], []
        for name, value in re.findall(r'([\w.]+)=("[^"]*"|[^\s`]+)', match.group(1)):
            (mine if first_only(name) else theirs).append("%s=%s" % (name, value))
        lines = ["sysctl -q " + " ".join(theirs)] if theirs else []
        if mine:
            lines.append("echo '%s' > %s; cat %s > /dev/null" % (" ".join(mine), machine.ask, machine.answer))
        return "\n ".join(lines)

    text = text.replace("--first_namespace\n", "")
    text = re.sub(r"`test [^`]*`", "`true`", text)	# the files are not there to be read
    return re.sub(r"sysctl -q ([^\n`]+)", setting, text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_on_the_machine(case, tmp_path):
    machine = Machine(tmp_path)
    script = tmp_path / case.name
    script.write_text(rewritten(case.read_text(), machine))
    try:
        done = subprocess.run([PLUMBLINE, "run", "--target", "kernel", script], capture_output=True, text=True, timeout=90)
    finally:
        machine.restore()
    assert done.returncode == 0, done.stdout[:3000] + done.stderr[:1000]
