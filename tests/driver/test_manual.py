"""The manual page says what the program says of itself."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))
MANUAL = (ROOT / 'docs' / 'plumbline.1').read_text()


def said(*arguments):
    return subprocess.run([PLUMBLINE, *arguments], capture_output=True, text=True, timeout=20, check=True).stdout


def subcommands():
    return re.findall(r'^  ([a-z]+) +\S', said('--help'), re.MULTILINE)


@pytest.mark.parametrize('name', subcommands())
def test_every_subcommand_is_described(name):
    assert f'.Cm {name}\n' in MANUAL
    assert f'.Ss plumbline {name}\n' in MANUAL


@pytest.mark.parametrize('name', [name for name in subcommands() if name in ('run', 'compare')])
def test_every_option_is_described(name):
    options = re.findall(r'^  (?:-\w, |    )--([a-z-]+)', said(name, '--help'), re.MULTILINE)
    assert 'format' in options and 'help' in options
    for option in options:
        assert re.search(rf'^\.It .*Fl -{option}\b', MANUAL, re.MULTILINE), option


@pytest.mark.skipif(not shutil.which('groff'), reason='needs groff')
def test_it_is_formatted_without_a_warning():
    result = subprocess.run(['groff', '-mdoc', '-Tutf8', '-ww', str(ROOT / 'docs' / 'plumbline.1')], capture_output=True,
                            text=True, check=True)
    assert result.stderr == ''
    assert 'EXIT STATUS' in re.sub('.\b|\x1b\\[[0-9;]*m', '', result.stdout)
