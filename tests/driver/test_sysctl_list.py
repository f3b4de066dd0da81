"""The marks of the tunables against the code, and the list that `plumbline sysctl list` prints."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUMBLINE = os.environ.get("PLUMBLINE", str(ROOT / "build" / "plumbline"))

# A file whose value is another row's, or that is acted on where it is written.
READ_AS = {"net.ipv4.ip_forward": "conf.forwarding", "net.ipv4.route.flush": None,
           "net.ipv4.conf.IF.disable_policy": None, "net.ipv4.conf.IF.disable_xfrm": None}


def listed(*arguments):
    output = subprocess.run([PLUMBLINE, "sysctl", "list", "--format", "json", *arguments], cwd=ROOT, capture_output=True, text=True,
                            check=True, timeout=20).stdout
    return [json.loads(line) for line in output.splitlines()]


def definitions():
    """name: field, from the definition list itself."""
    folders = {"CORE": "net.core", "IPV4": "net.ipv4", "ROUTE": "net.ipv4.route", "IPV6": "net.ipv6", "NETFILTER": "net.netfilter"}
    text = (ROOT / "refstack/sysctl/sysctl_list.h").read_text()
    fields = {}
    for macro, arguments in re.findall(r"^(SYSCTL|SYSCTL_FIRST|SYSCTL_FIRST_VIEW|CONF|NEIGH|NEIGH_DEFAULT|NEIGH_VIEW)\((.*)\)$", text, re.M):
        word = [argument.strip() for argument in arguments.split(",")]
        if macro.startswith("SYSCTL"):
            fields["%s.%s" % (folders[word[0]], word[1])] = word[2]
        elif macro == "CONF":
            fields["net.ipv4.conf.IF.%s" % word[0]] = word[0]
        else:
            fields["net.ipv4.neigh.%s.%s" % ("default" if macro == "NEIGH_DEFAULT" else "IF", word[0])] = word[1]
    return fields


def code():
    """The stack's code outside refstack/sysctl, without comments and strings."""
    text = ""
    for path in sorted((ROOT / "refstack").rglob("*.[ch]")):
        if path.parent.name != "sysctl":
            text += re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', " ", path.read_text(), flags=re.S) + "\n"
    return text


ROWS = listed()
FIELDS = definitions()
CODE = code()


def read(name):
    field = READ_AS.get(name, FIELDS[name])
    if field is None:
        return True
    # What a rule of the filter was configured with has names of its own.
    member = r"(?<!config)(?:\.|->|,\s*)" + re.escape(field.split(".")[-1]) + r"\b"
    return re.search(member, CODE) is not None


def test_every_definition_is_listed_once():
    assert sorted(row["name"] for row in ROWS) == sorted(FIELDS)


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_mark_is_what_the_code_does(row):
    if row["mark"] == "acts":
        assert read(row["name"]), "marked as acting, but nothing reads it"
        assert row["note"] is None
    else:
        assert not read(row["name"]), "marked %s, but the code reads it" % row["mark"]
        assert row["note"]
    assert row["meaning"]


def test_pending_ones_are_counted(record_property, capsys):
    pending = [row["name"] for row in ROWS if row["mark"] == "pending"]
    unshown = [row["name"] for row in ROWS if row["mark"] == "acts" and not row["cases"]]
    record_property("pending", len(pending))
    with capsys.disabled():
        print("\n%d tunables pending; %d act without a case" % (len(pending), len(unshown)))


def test_cases_are_found_and_wrong_names_are_told(tmp_path):
    (tmp_path / "a.pkt").write_text("// Shows it.\n// tunables: net.ipv4.tcp_sack net.ipv4.conf.IF.rp_filter\n0 `true`\n")
    rows = {row["name"]: row["cases"] for row in listed("--cases", str(tmp_path))}
    assert rows["net.ipv4.tcp_sack"] == [str(tmp_path / "a.pkt")] == rows["net.ipv4.conf.IF.rp_filter"]
    assert sum(map(len, rows.values())) == 2
    (tmp_path / "b.pkt").write_text("// tunables: net.ipv4.nosuch\n0 `true`\n")
    result = subprocess.run([PLUMBLINE, "sysctl", "list", "--cases", str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 1 and "there is no tunable net.ipv4.nosuch" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["nosuch"], ["list", "--format", "nosuch"], ["list", "--nosuch"], ["list", "--cases", "/nosuch"],
                                       ["list", "--format"]])
def test_wrong_use(arguments):
    result = subprocess.run([PLUMBLINE, "sysctl", *arguments], capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.startswith("plumbline sysctl: ")


def test_defaults_and_bounds():
    rows = {row["name"]: row for row in ROWS}
    ttl = rows["net.ipv4.ip_default_ttl"]
    assert (ttl["default"], ttl["minimum"], ttl["maximum"], ttl["mode"]) == ("64", 1, 255, "0644")
    assert rows["net.ipv4.tcp_congestion_control"]["default"] is None
    assert rows["net.ipv4.neigh.default.gc_thresh1"]["first_namespace"] is False
    assert "minimum" not in rows["net.ipv4.icmp_ratemask"]


@pytest.mark.skipif(not shutil.which("groff"), reason="needs groff")
def test_manual_page_is_formatted_without_a_warning():
    page = subprocess.run([PLUMBLINE, "sysctl", "list", "--format", "man"], cwd=ROOT, capture_output=True, check=True).stdout
    result = subprocess.run(["groff", "-mdoc", "-Tascii", "-P-c", "-ww"], input=page, capture_output=True, check=True)
    text = re.sub(".\b", "", result.stdout.decode())
    assert result.stderr == b""
    for row in ROWS:
        assert row["name"] in text, row["name"]
