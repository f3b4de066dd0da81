"""docs/manual-pages.md: where the manual pages and the kernel part, with a case that shows each."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))
TEXT = (ROOT / 'docs' / 'manual-pages.md').read_text()
# A row of a table that is neither its head nor the line below it.
ROWS = [line for line in TEXT.splitlines() if re.match(r'\| (?!the page says|tunable)[^-]', line)]
CASES = sorted(set(re.findall(r'`(cases/[^`]+\.pkt)`', TEXT)))


def verdicts(*arguments):
    result = subprocess.run([PLUMBLINE, *arguments, '--format', 'json', *CASES], cwd=ROOT, capture_output=True, text=True,
                            timeout=300, check=False)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_row_names_a_case_that_exists():
    assert len(ROWS) > 50
    for row in ROWS:
        named = re.findall(r'`(cases/[^`]+\.pkt)`', row)
        assert named, row
        for case in named:
            assert (ROOT / case).is_file(), case


def test_every_case_written_for_the_list_is_in_it():
    for case in (ROOT / 'cases' / 'manual').glob('*.pkt'):
        assert str(case.relative_to(ROOT)) in CASES


def test_every_case_passes_on_the_reference_stack():
    found = verdicts('run')
    assert len(found) >= len(CASES)
    assert not [line for line in found if line['verdict'] != 'pass']


def test_every_case_is_the_same_on_the_kernel():
    found = verdicts('compare')
    if all(line['verdict'] == 'skip' for line in found):
        pytest.skip('the kernel target cannot be had here')
    assert not [line for line in found if line['verdict'] not in ('same', 'noisy')]


def test_every_case_passes_on_the_kernel():
    found = verdicts('run', '--target', 'kernel')
    if all(line['verdict'] == 'skip' for line in found):
        pytest.skip('the kernel target cannot be had here')
    assert not [line for line in found if line['verdict'] != 'pass']
