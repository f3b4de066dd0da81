"""docs/language.md has an example for each call, structure and word of the language, and names all of its options."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'language.md').read_text()
# test_check.py runs them.
EXAMPLES = '\n'.join(re.findall(r'```pkt\n(.*?)```', PAGE, re.DOTALL))


def source(*path):
    return (ROOT.joinpath(*path)).read_text()


def words(pattern, *path):
    return sorted(set(re.findall(pattern, source(*path), re.MULTILINE)))


def stands_in(word, text):
    return re.search(rf'(?<![\w-]){re.escape(word)}(?![\w-])', text)


@pytest.mark.parametrize('call', words(r'^\s*X\((\w+),', 'include', 'plumbline', 'call.h'))
def test_every_call_has_an_example(call):
    assert re.search(rf'\b{call}\(', EXAMPLES)


def structures():
    text = ''.join(path.read_text() for path in sorted((ROOT / 'harness' / 'engine').glob('types*.c')))
    return {name: re.findall(r'\{ "(\w+)"', body)
            for name, body in re.findall(r'TYPE_(?:STRUCT|FLEXIBLE)_DEFINE\((\w+),[^\n]*\n((?:\t\{.*\n?)+)', text)}


@pytest.mark.parametrize('name,members', structures().items())
def test_every_structure_has_an_example(name, members):
    assert any(stands_in(member, EXAMPLES) for member in members)


# Words that packetdrill has as another spelling, and those of IPv6's packets, whose examples no target runs.
OTHER_SPELLINGS = {'Flags', 'GREv0', 'sequence#', 'ipv6'}


def lexer_words():
    return sorted({word for group in words(r'^((?:"[\w#-]+"\|?)+)\s', 'harness', 'script', 'lexer.l')
                   for word in re.findall(r'"([^"]+)"', group)} - OTHER_SPELLINGS)


@pytest.mark.parametrize('word', lexer_words())
def test_every_word_has_an_example(word):
    # `include` needs a second file.
    assert stands_in(word, PAGE if word == 'include' else EXAMPLES)


@pytest.mark.parametrize('option', words(r'\{ "(\w+)", OPTION_KIND', 'harness', 'script', 'options.c'))
def test_every_option_is_named(option):
    # Of packetdrill's options of tests over a real network the page gives the first.
    assert f'--{option}' in EXAMPLES or f'`{option}`' in PAGE or option.startswith('wire_')


@pytest.mark.parametrize('name', words(r'^\t\{ false, \d+, \w+, "(\w+)" \}', 'harness', 'wire', 'icmp.c'))
def test_every_name_of_icmp_is_named(name):
    assert stands_in(name, PAGE)
