"""The files of /proc/net: a stack's against the kernel's, brought to the same state by the same script."""
import re
import subprocess

import pytest

from tree import PLUMBLINE, needs_fuse, needs_root

pytestmark = [needs_root, needs_fuse]

STATES = """
`sysctl -qw net.ipv4.tcp_congestion_control=reno net.ipv4.ping_group_range='0 1000'`
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 5) = 0
+0 `LOG tcp`
+.01 < S 0:0(0) win 1000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.05 `LOG tcp`
+.01 < . 1:1(0) ack 1 win 10000
+0 `LOG tcp`
+0 accept(3, ..., ...) = 4
+0 < P. 1:101(100) ack 1 win 10000
+0 > . 1:1(0) ack 101
+0 `LOG tcp`
+0 write(4, ..., 2000) = 2000
+0 > P. 1:2001(2000) ack 101
+0 `LOG tcp`
+.02 < . 101:101(0) ack 2001 win 0
+0 write(4, ..., 500) = 500
+0 `LOG tcp`
+0 < . 101:101(0) ack 2001 win 10000
+0 > P. 2001:2501(500) ack 101
+.01 < . 101:101(0) ack 2501 win 10000
+0 read(4, ..., 1000) = 100
+0 setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = 0
+0 `LOG tcp`
+0 shutdown(4, SHUT_WR) = 0
+0 > F. 2501:2501(0) ack 101
+0 `LOG tcp`
+0 < . 101:101(0) ack 2502 win 10000
+0 `LOG tcp`
+0 < F. 101:101(0) ack 2502 win 10000
+0 > . 2502:2502(0) ack 102
+0 `LOG tcp`
+0 close(4) = 0
+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 5
+0 bind(5, ..., ...) = 0
+0 < udp (1000)
+0 < udp (10)
+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 6
+0 connect(6, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("192.0.2.1")}, ...) = 0
+0 socket(..., SOCK_DGRAM, IPPROTO_UDPLITE) = 7
+0 bind(7, ..., ...) = 0
+0 socket(..., SOCK_RAW, IPPROTO_ICMP) = 8
+0 socket(..., SOCK_RAW, 255) = 9
+0 connect(9, ..., ...) = 0
+0 socket(..., SOCK_DGRAM, IPPROTO_ICMP) = 10
+0 bind(10, ..., ...) = 0
+0 `LOG udp; LOG udplite; LOG raw; LOG icmp; LOG dev; LOG route; LOG snmp; LOG netstat; LOG fib_trie; LOG packet`
"""

ROUTES = """
--link=eth0,ethernet,local=10.1.2.3/24
0 `LOG fib_trie; LOG route`
+0 `ip route add 10.0.0.0/8 via 10.1.2.9; ip route add 172.16.0.0/12 dev tun0; ip route add blackhole 172.17.0.0/16; \
ip route add unreachable 10.9.9.9; for i in 1 2 3 4 5 6 7 8 9; do ip route add 10.200.$i.0/24 dev tun0 metric $i; done; \
ip route add default via 10.1.2.1 mtu 1400 advmss 1000 window 5; ip route add 10.1.0.0/16 tos 8 dev tun0; \
ip route add 10.1.0.0/16 dev tun0 table 5; ip addr add 10.1.2.4/24 dev eth0; ip route add 10.200.3.0/24 dev eth0 metric 1`
+0 `LOG fib_trie; LOG route`
+0 `ip rule add from 1.2.3.4 table 5`
+0 `LOG fib_trie; LOG route`
"""


def logs(tmp_path, text):
    """{target: what the script logged there}; each file begins with a line of its name."""
    found = {}
    for target in ("kernel", "refstack"):
        log, script, program = tmp_path / (target + ".log"), tmp_path / (target + ".pkt"), tmp_path / (target + ".sh")
        program.write_text("echo == $1; cat /proc/net/$1\n")
        log.write_text("")
        script.write_text(re.sub(r"LOG (\w+)", r"sh %s \1 >> %s" % (program, log), text.lstrip()))
        result = subprocess.run([PLUMBLINE, "run", "--target", target, str(script)], capture_output=True, text=True, timeout=60)
        if result.returncode == 4:
            pytest.skip(result.stdout)
        assert result.returncode == 0, result.stdout + result.stderr
        found[target] = log.read_text()
    return found


SOCKET = re.compile(r"^ *\d+: (?P<ends>\S+ \S+ \S\S) (?P<queues>\S+) (?P<timer>\S\S):(?P<when>\S+) (?P<retransmits>\S+ +\d+ +\d+) "
                    r"(?P<inode>\d+) (?P<references>\d+) [0-9a-f]{16}(?P<rest>.*)$")
TICKS = 25		# of 10 ms, by which the timers of the two may differ


def sockets(text):
    """Each line as far as it can be the same on both: no inode, no address in memory, no chance of hashing, no timer to the tick."""
    found = []
    for line in text.splitlines():
        match = SOCKET.match(line)
        if not match:
            found.append((line, 0))
            continue
        rest = match["rest"].split()
        # The retransmission timeout of a connection is measured.
        rest = rest[1:] if len(rest) > 2 else rest
        references = match["references"] if match["timer"] == "00" and match["ends"].endswith(("0A", "07")) else ""
        found.append(("%s|%s|%s|%s|%s|%s|%s|%d" % (re.sub(r":\S{4} 010200C0:1F90", ":* 010200C0:1F90", match["ends"]), match["queues"], match["timer"],
                                                  match["retransmits"], match["inode"] == "0", references, rest, len(line) if line.endswith(" ") else 0),
                      int(match["when"], 16)))
    return found


def test_sockets_and_counters(tmp_path):
    found = {target: re.split(r"^== ", text, flags=re.M)[1:] for target, text in logs(tmp_path, STATES).items()}
    assert len(found["kernel"]) == len(found["refstack"]) == 20
    states = set()
    for kernel, stack in zip(found["kernel"], found["refstack"]):
        name = kernel.split("\n")[0]
        if name in ("tcp", "udp", "udplite", "raw", "icmp"):
            kernel, stack = sorted(sockets(kernel)), sorted(sockets(stack))
            assert [line for line, _ in stack] == [line for line, _ in kernel], name
            assert all(abs(one - other) <= TICKS for (_, one), (_, other) in zip(kernel, stack)), (kernel, stack)
            states.update(line.split("|")[0][-2:] for line, _ in kernel if name == "tcp")
        elif name in ("snmp", "netstat"):
            assert names_of(stack) == names_of(kernel)
            assert len(values_of(stack)) == len(values_of(kernel)) > 50
            assert {name: values_of(stack)[name] for name in COUNTED if name in values_of(stack)} == \
                {name: values_of(kernel)[name] for name in COUNTED if name in values_of(kernel)}
        elif name == "packet":		# the kernel's lists the harness's own, which captures
            assert stack.splitlines()[:2] == kernel.splitlines()[:2]
        else:
            assert stack == kernel, name
    assert states >= {"0A", "03", "01", "04", "05", "06"}


COUNTED = ["Ip.InReceives", "Ip.InDelivers", "Ip.Forwarding", "Ip.DefaultTTL", "Tcp.PassiveOpens", "Tcp.CurrEstab", "Tcp.InSegs", "Tcp.OutSegs",
           "Tcp.RetransSegs", "Tcp.MaxConn", "Udp.InDatagrams", "Udp.NoPorts", "TcpExt.TW", "TcpExt.TCPWantZeroWindowAdv", "IpExt.InOctets"]


def names_of(text):
    return [line for line in text.splitlines() if re.search(r" [A-Z]", line)]


def values_of(text):
    lines = [line for line in text.splitlines() if ":" in line]
    return {names.split()[0][:-1] + "." + name: value for names, values in zip(lines[::2], lines[1::2])
            for name, value in zip(names.split()[1:], values.split()[1:])}


def test_routes(tmp_path):
    found = logs(tmp_path, ROUTES)
    assert "Id 5:" in found["kernel"] and "tos=8" in found["kernel"] and "BLACKHOLE" in found["kernel"]
    assert found["refstack"] == found["kernel"]


PROGRAMS = "netstat -tuan; netstat -rn; netstat -in; netstat -gn; ss -tan; ss -uanH; ss -wan; ss -ltn; ss -tn state established; grep -c : /proc/net/tcp"


def test_programs_read_them(tmp_path):
    text = STATES[STATES.index("0 socket"):STATES.index("+0 write(4")].replace("+0 `LOG tcp`\n", "")
    text = re.sub(r".*LOG.*\n", "", text) + "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 5\n+0 bind(5, ..., ...) = 0\n+0 < udp (1000)\n" + \
        "+0 `sh PROGRAMS > OUT 2>&1; netstat -s > OUT.s; nstat -az > OUT.n`\n"
    (tmp_path / "programs").write_text("\n".join(PROGRAMS.split("; ")))
    found = {}
    for target in ("kernel", "refstack"):
        script, out = tmp_path / (target + ".pkt"), tmp_path / (target + ".out")
        script.write_text(text.replace("PROGRAMS", str(tmp_path / "programs")).replace("OUT", str(out)))
        result = subprocess.run([PLUMBLINE, "run", "--target", target, str(script)], capture_output=True, text=True, timeout=60)
        if result.returncode == 4:
            pytest.skip(result.stdout)
        assert result.returncode == 0, result.stdout + result.stderr
        # ss has a listener's backlog from netlink; the file, which it reads here, does not have it.
        found[target] = re.sub(r"^(LISTEN +0 +)5 ", r"\g<1>0 ", out.read_text(), flags=re.M)
        counters = dict(re.findall(r"^(\w+) +(\d+)", (tmp_path / (target + ".out.n")).read_text(), flags=re.M))
        assert counters["TcpPassiveOpens"] == "1" and int(counters["IpExtInOctets"]) > 1000
        assert "1 passive connection openings" in (tmp_path / (target + ".out.s")).read_text()
    assert found["refstack"] == found["kernel"]
    assert found["kernel"].count("ESTAB") >= 2
