"""plumbline coverage: which cases show what of the checklist, and how they do."""
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))

CHECKLIST = """# id\twhere\twhat\toracle
first\there\tone thing\tkernel
second\tthere\tanother "thing"\tkernel
third\tnowhere\ta third\tnone
"""


def coverage(folder, *arguments):
    (folder / 'list.tsv').write_text(CHECKLIST)
    return subprocess.run([PLUMBLINE, 'coverage', '--checklist', 'list.tsv', '--targets', 'refstack', *arguments], cwd=folder,
                          capture_output=True, text=True, timeout=60, check=False)


def make(folder):
    (folder / 'a.pkt').write_text('// shows: first second\n0 socket(..., SOCK_DGRAM, 0) = 3\n')
    (folder / 'b.pkt').write_text('// A table.\n// shows: first\ntable {\ncase | R\nright | 0\nwrong | 1\n}\n'
                                  '0 socket(..., SOCK_DGRAM, 0) = 3\n+0 close(3) = R\n')


def test_verdicts_of_each_row(tmp_path):
    make(tmp_path)
    result = coverage(tmp_path, '--format', 'json', '.')
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 1
    assert [(row['id'], row['cases'], row['refstack']) for row in rows] == [
        ('first', ['./a.pkt', './b.pkt[right]', './b.pkt[wrong]'], 'fail'), ('second', ['./a.pkt'], 'pass'), ('third', [], 'none')]
    assert rows[1]['requirement'] == 'another "thing"'
    assert all('kernel' not in row for row in rows)


def test_table(tmp_path):
    make(tmp_path)
    lines = coverage(tmp_path, '.').stdout.splitlines()
    assert lines[-1] == '3 ids: 2 with cases, 1 without; 1 pass on refstack; 3 cases'
    assert './b.pkt[wrong]  refstack fail' in lines[2]
    assert coverage(tmp_path, '--list', 'a.pkt').returncode == 0


def test_ids_that_do_not_exist(tmp_path):
    (tmp_path / 'c.pkt').write_text('// shows: fourth\n0 socket(..., SOCK_DGRAM, 0) = 3\n')
    result = coverage(tmp_path, 'c.pkt')
    assert result.returncode == 1
    assert 'the checklist has no fourth' in result.stderr
    assert coverage(tmp_path, '--format', 'html').returncode == 2
    assert coverage(tmp_path, 'nowhere.pkt').returncode == 2


def test_the_project_s_own_cases():
    result = subprocess.run([PLUMBLINE, 'coverage', '--list', '--format', 'json'], cwd=ROOT, capture_output=True, text=True,
                            timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, '')
    assert len(result.stdout.splitlines()) == 95
