"""System calls of every kind on a mounted tree give what they give on the kernel's, to the superuser and to others."""
import json
import os
import subprocess
import tempfile

import pytest

from test_tree import in_namespace
from tree import needs_fuse, needs_root, tree

pytestmark = [needs_root, needs_fuse]

CALLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tree_calls.py")
NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]


@pytest.mark.parametrize("user", [[], NOBODY], ids=["root", "nobody"])
def test_calls_give_what_the_kernels_tree_gives(user):
    with tempfile.TemporaryDirectory() as folder:	# others may look into this one
        os.chmod(folder, 0o755)
        calls = folder + "/calls.py"
        with open(CALLS) as program, open(calls, "w") as copy:
            copy.write(program.read())
        os.mkdir(folder + "/tree")
        command = [*user, "/usr/bin/python3", calls]
        kernel = json.loads(in_namespace(*command, "/proc/sys/net/ipv4", folder).stdout)
        with tree(folder + "/tree"):
            done = subprocess.run([*command, folder + "/tree/sys/net/ipv4", folder], capture_output=True, text=True, check=True, timeout=30)
    found = json.loads(done.stdout)
    assert len(kernel) > 70 and {"EACCES", "ENOENT", "EINVAL"} <= set(kernel.values())
    assert {name: result for name, result in found.items() if result != kernel[name]} == {}
