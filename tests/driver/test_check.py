"""plumbline check: what it says of malformed scripts, and what it accepts."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get('PLUMBLINE', str(ROOT / 'build' / 'plumbline'))
VECTORS = ROOT / 'tests' / 'vectors' / 'script'
MALFORMED = sorted(path.stem for path in VECTORS.glob('*.pkt'))

GOOD = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 close(3) = 0
"""


def check(*arguments, cwd=None):
    return subprocess.run([PLUMBLINE, 'check', *arguments], cwd=cwd, capture_output=True, timeout=20, check=False,
                          encoding='utf-8', errors='replace')


def script(tmp_path, text, name='script.pkt'):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize('name', MALFORMED)
def test_malformed(name):
    """Each vector is rejected, with exactly the messages and places that its .expected file holds."""
    expected = (VECTORS / f'{name}.expected').read_text().splitlines()
    result = check('-q', f'{name}.pkt', cwd=VECTORS)
    said = [line for line in result.stderr.splitlines() if line.startswith(f'{name}.pkt:')]
    assert expected, 'a vector without an expectation'
    assert said == expected
    assert result.returncode == 2
    assert result.stdout == ''


def test_vectors_are_many():
    assert len(MALFORMED) >= 100


def test_underline(tmp_path):
    """The text in question is underlined, also behind tabs."""
    path = script(tmp_path, '0\tsocket(..., SOCK_STREEM, 0) = 3\n')
    lines = check(path).stderr.splitlines()
    assert lines[0].endswith("script.pkt:1:15: error: unknown symbol 'SOCK_STREEM'; did you mean SOCK_STREAM?")
    assert lines[1] == '  0\tsocket(..., SOCK_STREEM, 0) = 3'
    assert lines[2] == '   \t            ^~~~~~~~~~~'


def test_several_faults_are_all_told(tmp_path):
    path = script(tmp_path, GOOD + '+0 listen(3) = 0\n+0 < S 0:0(0) win 1 <mss 1460>\n+0 frob(3) = 0\n')
    result = check('-q', path)
    assert [re.sub(r'.*pkt:', '', line) for line in result.stderr.splitlines() if '.pkt:' in line] == [
        '4:4: error: listen takes 2 arguments, not 1', "6:4: error: unknown call 'frob'"]


def test_good_script(tmp_path):
    result = check(script(tmp_path, GOOD))
    assert (result.returncode, result.stderr) == (0, '')
    assert result.stdout == '1 script, 1 accepted, 0 rejected\n'


def test_word_that_a_define_may_explain(tmp_path):
    path = script(tmp_path, GOOD + '+0 < S 0:0(0) win 1000 <mss MSS>\n')
    result = check(path)
    assert result.returncode == 0
    assert "4:29: note: 'MSS' is taken for a define" in result.stderr
    assert check('--strict', path).returncode == 2
    for arguments in (['-D', 'MSS=1460'], ['-DMSS=1460'], ['--define=MSS=1460']):
        result = check('--strict', *arguments, path)
        assert (result.returncode, result.stderr) == (0, '')
    result = check('--strict', '-D', 'MSS=70000', path)
    assert result.returncode == 2
    assert 'error: the mss 70000 is out of range' in result.stderr


def test_script_of_defines(tmp_path):
    path = script(tmp_path, '--define=CC="reno"\n--define=N=5\n' + GOOD +
                  '+0 setsockopt(3, SOL_TCP, TCP_CONGESTION, CC, N) = 0\n')
    result = check('--strict', path)
    assert (result.returncode, result.stderr) == (0, '')


def test_folder(tmp_path):
    (tmp_path / 'deep').mkdir()
    script(tmp_path, GOOD, 'a.pkt')
    script(tmp_path / 'deep', GOOD + 'x', 'b.pkt')
    script(tmp_path, 'not a script', 'notes.txt')
    result = check(str(tmp_path))
    assert result.returncode == 2
    assert result.stdout == '2 scripts, 1 accepted, 1 rejected\n'


@pytest.mark.parametrize('arguments', [[], ['--frob', 'x.pkt'], ['-D'], ['-D', 'X'], ['--mtu=99999', 'x.pkt'], ['no-such-file.pkt'],
                                       ['--ip_version=ipv5', 'x.pkt'], ['-z']])
def test_usage(arguments, tmp_path):
    result = check(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith('plumbline check: ')


def test_cases_of_a_table(tmp_path):
    """Each row is a script of its own; one can be named; what an included file does wrong is shown in it."""
    (tmp_path / 'more').mkdir()
    (tmp_path / 'more' / 'end.inc').write_text('+0 close(3) = 0\n+0 frob(3) = 0\n')
    path = script(tmp_path, 'table {\ncase | V\none | 1\ntwo | 2\n}\n0 socket(..., SOCK_DGRAM, 0) = 3\n+0 listen(3, V) = 0\n')
    result = check(path)
    assert (result.returncode, result.stdout) == (0, '2 scripts, 2 accepted, 0 rejected\n')
    assert check(path + '[two]').stdout == '1 script, 1 accepted, 0 rejected\n'
    assert "the table has no row 'three'" in check(path + '[three]').stderr
    path = script(tmp_path, GOOD + 'include "more/end.inc"\n')
    result = check(path)
    assert result.returncode == 2
    assert result.stderr.splitlines()[:3] == [f"{tmp_path}/more/end.inc:2:4: error: unknown call 'frob'", '  +0 frob(3) = 0',
                                              '     ^~~~']


def test_no_colour_in_a_pipe(tmp_path):
    assert '\033' not in check(script(tmp_path, 'x')).stderr


def blocks():
    """The scripts in docs/language.md, each with the line that it begins at."""
    found, begin, text = [], None, []
    for number, line in enumerate((ROOT / 'docs' / 'language.md').read_text().splitlines(), 1):
        if begin is None and line.strip() == '```pkt':
            begin, text = number + 1, []
        elif begin is not None and line.strip() == '```':
            found.append((begin, '\n'.join(text) + '\n'))
            begin = None
        elif begin is not None:
            text.append(line)
    return found


@pytest.mark.parametrize('line,text', [pytest.param(line, text, id=f'line-{line}') for line, text in blocks()])
def test_examples_of_the_language(line, text, tmp_path):
    """Every example in the language's description is a script that is accepted, every word explained, and that passes."""
    result = check('--strict', script(tmp_path, text))
    assert (result.returncode, result.stderr) == (0, ''), f'docs/language.md:{line}'
    result = subprocess.run([PLUMBLINE, 'run', script(tmp_path, text)], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == (4 if 'psp_udp_port' in text else 0), f'docs/language.md:{line}\n{result.stdout}'


@pytest.mark.skipif('PACKETDRILL' not in os.environ, reason='PACKETDRILL does not name a checkout of google/packetdrill')
def test_packetdrills_own_scripts():
    """All of packetdrill's scripts are accepted, without any define."""
    scripts = list(Path(os.environ['PACKETDRILL']).rglob('*.pkt'))
    result = check('-q', *map(str, scripts))
    assert len(scripts) >= 177
    assert (result.returncode, result.stderr) == (0, '')
