"""Carries out the Python blocks of scripts, one script after the other, for as long as its input lasts.

A request is a line "script NAME_LENGTH BLOCKS", the name, and for each block a line "block LINE VARIABLES LENGTH", that many lines
"name value", and the text. The answer is a line "ok OUTPUT_LENGTH" or "failed BLOCK MESSAGE_LENGTH OUTPUT_LENGTH" and what
they count, in bytes.

All blocks of a script share one set of names, as the parts of one program do.
"""
import ast
import io
import os
import sys
import traceback


class Failed(Exception):
    """A block went wrong: its index and what to say of it."""


def names_shown(text, line, names):
    """The values of the names that the failing statement speaks of: what an assertion saw."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert) or not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in names and inner.id not in found:
                if isinstance(names[inner.id], (int, float, str)):
                    found.append(inner.id)
    return ", ".join(f"{name} = {names[name]!r}" for name in found)


def explain(error, blocks, names):
    """An exception in a person's words: what, where, and with which values."""
    what = "".join(traceback.format_exception_only(type(error), error)).strip()
    places = {f"<block {index}>": block for index, block in enumerate(blocks)}
    place = None
    if isinstance(error, SyntaxError) and error.filename in places:
        what = f"SyntaxError: {error.msg}"
        place = error.filename, error.lineno or 1
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename in places:
            place = frame.f_code.co_filename, number
            names = {**names, **frame.f_locals}
    if place is None:
        return what
    first_line, _, text = places[place[0]]
    source = text.split("\n")
    if 0 < place[1] <= len(source):
        what += f"\nline {first_line + place[1] - 1}: {source[place[1] - 1].strip()}"
    shown = names_shown(text, place[1], names)
    return what + (f"\nwith {shown}" if shown else "")


def run(path, blocks):
    """Every block in its order; raises Failed."""
    names = {"__name__": "__main__", "sys": sys, "traceback": traceback}
    compiled = []
    for index, (_, _, text) in enumerate(blocks):
        try:
            # The lines behind a block end a continuation that its last line asks for.
            compiled.append(compile(text + "\n\n", f"<block {index}>", "exec"))
        except (SyntaxError, ValueError) as error:
            raise Failed(index, explain(error, blocks, names)) from None
    for index, (line, variables, _) in enumerate(blocks):
        names.update(variables)
        names.update(_file=path, _line=line)
        try:
            exec(compiled[index], names)
        except SystemExit as leaving:
            if leaving.code not in (None, 0):
                raise Failed(index, f"exit status {leaving.code}") from None
            return
        except BaseException as error:
            raise Failed(index, explain(error, blocks, names)) from None


def read_request(source):
    """Path and blocks, or None at the end of the input."""
    words = source.readline().split()
    if not words:
        return None
    path = source.read(int(words[1])).decode(errors="replace")
    blocks = []
    for _ in range(int(words[2])):
        _, line, count, length = source.readline().split()
        variables = {}
        for _ in range(int(count)):
            name, value = source.readline().split()
            variables[name.decode()] = int(value)
        blocks.append((int(line), variables, source.read(int(length)).decode(errors="replace")))
    return path, blocks


def main():
    source = os.fdopen(os.dup(0), "rb")
    answer = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)     # what the blocks start must not talk into the pipes
    os.dup2(2, 1)
    while True:
        request = read_request(source)
        if request is None:
            return
        output = sys.stdout = io.StringIO()
        try:
            run(*request)
            head, body = b"ok %d\n", b""
            numbers = ()
        except Failed as failed:
            body = failed.args[1].encode(errors="replace")
            head, numbers = b"failed %d %d %d\n", (failed.args[0], len(body))
        printed = output.getvalue().encode(errors="replace")
        answer.write(head % (*numbers, len(printed)) + body + printed)
        answer.flush()


main()
