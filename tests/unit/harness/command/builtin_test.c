#include "commands.h"

#include <plumbline/link.h>
#include <plumbline/sysctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void set_up_links(void)
{
	const struct pl_link_config link = { .name = "tun0", .kind = PL_LINK_TUN };

	set_up();
	cr_assert_gt(pl_link_add(commands.stack, &link), 0);
	cr_assert_gt(pl_link_add(commands.stack, &(struct pl_link_config){ .name = "eth0", .kind = PL_LINK_ETHERNET }), 0);
}

TestSuite(builtin, .init = set_up_links, .fini = tear_down);

static const char *value(const char *name)
{
	static char text[256];
	ssize_t length = pl_sysctl_read(commands.stack, name, text, sizeof(text) - 1);

	cr_assert_geq(length, 0);
	text[length] = 0;
	text[strcspn(text, "\n")] = 0;
	return text;
}

Test(builtin, sysctl_sets_what_it_names)
{
	cr_assert_eq(run("sysctl -q net.ipv4.tcp_sack=0"), 0);
	cr_assert_str_eq(value("net/ipv4/tcp_sack"), "0");
	cr_assert_eq(run("sysctl -w net/ipv4/tcp_sack=1 net.ipv4.tcp_rmem=\"4096 540000 $((15*1024*1024))\" > /dev/null"), 0);
	cr_assert_str_eq(value("net/ipv4/tcp_sack"), "1");
	cr_assert_str_eq(value("net/ipv4/tcp_rmem"), "4096\t540000\t15728640");
}

Test(builtin, sysctl_tells_what_it_cannot_do)
{
	cr_assert_eq(run("sysctl -q net.ipv4.nonsense=1"), 1);
	cr_assert(strstr(error, "cannot stat"), "%s", error);
	cr_assert_eq(run("sysctl -e -q net.ipv4.nonsense=1"), 0);
	cr_assert_eq(run("sysctl -q net.ipv4.tcp_syn_retries=9999"), 1);
	cr_assert(strstr(error, "Invalid argument"), "%s", error);
	cr_assert_eq(run("sysctl -q net.ipv4.nonsense=1 2>/dev/null"), 1);
	cr_assert_str_eq(error, "");
}

Test(builtin, echo_writes_files_of_the_tree)
{
	cr_assert_eq(run("echo 0 > /proc/sys/net/ipv4/tcp_sack"), 0);
	cr_assert_str_eq(value("net/ipv4/tcp_sack"), "0");
	cr_assert_eq(run("echo -n 1 >/proc/sys/net/ipv4/tcp_sack; echo done"), 0);
	cr_assert_str_eq(value("net/ipv4/tcp_sack"), "1");
	cr_assert_eq(run("echo many > /proc/sys/net/ipv4/tcp_sack"), 1);
}

Test(builtin, joints_decide_what_runs)
{
	cr_assert_eq(run("false && sysctl -q net.ipv4.tcp_sack=0"), 1);
	cr_assert_str_eq(value("net/ipv4/tcp_sack"), "1");
	cr_assert_eq(run("false || sysctl -q net.ipv4.tcp_sack=0"), 0);
	cr_assert_str_eq(value("net/ipv4/tcp_sack"), "0");
	cr_assert_eq(run("false; true"), 0);
	cr_assert_eq(run("true\nfalse"), 1);
}

Test(builtin, what_has_an_unknown_part_is_not_begun)
{
	cr_assert_eq(run("sysctl -q net.ipv4.tcp_sack=0; nstat"), COMMAND_NOT_MINE);
	cr_assert_eq(run("sysctl -q net.ipv4.tcp_sack=0 | cat"), COMMAND_NOT_MINE);
	cr_assert_eq(run("sysctl -q kernel.hostname=x net.ipv4.tcp_sack=0"), COMMAND_NOT_MINE);
	cr_assert_eq(run("echo 0 > /proc/sys/net/ipv4/tcp_sack; echo 1 > /tmp/x"), COMMAND_NOT_MINE);
	cr_assert_eq(run("echo 0 > /proc/sys/net/ipv4/../../kernel/x"), COMMAND_NOT_MINE);
	cr_assert_eq(run("sysctl net.ipv4.tcp_sack"), COMMAND_NOT_MINE);
	cr_assert_eq(run("sysctl -p x"), COMMAND_NOT_MINE);
	cr_assert_eq(run(""), COMMAND_NOT_MINE);
	cr_assert_str_eq(value("net/ipv4/tcp_sack"), "1");
}

Test(builtin, queues)
{
	cr_assert_eq(run("tc qdisc add dev tun0 root pfifo"), 0);
	cr_assert_eq(run("tc qdisc add dev tun0 root pfifo"), 2);
	cr_assert_eq(run("tc qdisc replace dev tun0 root pfifo limit 0"), 0);
	cr_assert_eq(run("tc qdisc delete dev tun0 root 2>/dev/null ; tc qdisc add dev tun0 root pfifo limit 10"), 0);
	cr_assert_eq(run("tc qdisc del dev tun0 root"), 0);
	cr_assert_eq(run("tc qdisc del dev tun0 root"), 2);
	cr_assert_eq(run("tc qdisc change dev tun0 root pfifo"), 2);
	cr_assert_eq(run("tc qdisc add dev tun0 root fq"), COMMAND_NOT_MINE);
	cr_assert_eq(run("tc qdisc add dev tun9 root pfifo"), COMMAND_NOT_MINE);
}

Test(builtin, ip_and_ethtool)
{
	cr_assert_eq(run("ip tcp_metrics flush all > /dev/null 2>&1"), 0);
	cr_assert_eq(run("ethtool -K tun0 tso off gso off"), 0);
	cr_assert_eq(run("ethtool -K tun0 tso off"), 0);
	cr_assert_eq(run("ethtool -K tun0 gso off gro on tso on"), 0);
	cr_assert_eq(run("ethtool -K tun0 tso"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ethtool -K tun0 tso perhaps"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ethtool -K tun0 sg off"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ip link add tun9 type dummy"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ip route add 192.0.2.1 dev nowhere"), COMMAND_NOT_MINE);
}

Test(builtin, routes_are_added_and_changed)
{
	int tun0 = pl_link_find(commands.stack, "tun0");
	struct pl_address address = { .local.s_addr = htonl(0xc0a80001), .prefix_length = 16 };

	cr_assert_eq(pl_link_set_up(commands.stack, tun0, true), 0);
	cr_assert_eq(pl_address_add(commands.stack, tun0, &address), 0);
	cr_assert_eq(run("ip route change 192.0.2.1 via 192.168.0.2 dev tun0"), 2);
	cr_assert(strstr(error, "No such file"), "%s", error);
	cr_assert_eq(run("ip route add 192.0.2.1 via 192.168.0.2 dev tun0"), 0);
	cr_assert_eq(run("ip route add 192.0.2.1 via 192.168.0.2 dev tun0"), 2);
	cr_assert_eq(run("ip route change 192.0.2.1 via 192.168.0.2 dev tun0 advmss 1460 mtu lock 1500"), 0);
	cr_assert_eq(run("ip route replace 192.0.2.0/24 via 192.168.0.2 dev tun0 initcwnd 5"), 0);
	cr_assert_eq(run("ip route add 192.0.2.1 via 192.168.0.2 dev tun0 realms 5"), COMMAND_NOT_MINE);
}

Test(builtin, a_script_of_such_forms)
{
	char path[] = "/tmp/plumbline-builtin-XXXXXX";
	int file = mkstemp(path);
	const char *text = "#!/bin/bash\n# comment\nsysctl -q net.ipv4.tcp_sack=0\n\nsysctl -q net.ipv4.tcp_dsack=0 # more\n";

	cr_assert_geq(file, 0);
	cr_assert_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(run(path), COMMAND_NOT_MINE);	/* it is not executable */
	fchmod(file, 0755);
	cr_assert_eq(run(path), 0);
	cr_assert_str_eq(value("net/ipv4/tcp_sack"), "0");
	cr_assert_str_eq(value("net/ipv4/tcp_dsack"), "0");
	cr_assert_eq(write(file, "nstat\n", 6), 6);
	cr_assert_eq(run(path), COMMAND_NOT_MINE);
	close(file);
	unlink(path);
	cr_assert_eq(run(path), COMMAND_NOT_MINE);
}

static int run_for_error(const char *command, const char *expected)
{
	int status = run(command);

	cr_assert_not_null(strstr(error, expected), "%s: %s", command, error);
	return status;
}

Test(builtin, neighbours)
{
	struct pl_neighbour neighbour;

	cr_assert_eq(run("ip neigh add 10.0.0.5 lladdr 2:0:0:0:1:5 nud reachable dev eth0"), 0);
	cr_assert(pl_neighbour_get(commands.stack, 0, &neighbour));
	cr_assert_eq(neighbour.state, 2);
	cr_assert_arr_eq(neighbour.hwaddr, ((const uint8_t[6]){ 2, 0, 0, 0, 1, 5 }), 6);
	cr_assert_eq(run_for_error("ip neigh add 10.0.0.5 lladdr 2:0:0:0:1:5 dev eth0", "File exists"), 2);
	cr_assert_eq(run_for_error("ip neigh change 10.0.0.6 lladdr 2:0:0:0:1:5 dev eth0", "No such file or directory"), 2);
	cr_assert_eq(run_for_error("ip neigh add 10.0.0.6 dev eth0", "No link layer address given"), 2);
	cr_assert_eq(run("ip neighbour replace 10.0.0.5 lladdr 02:00:00:00:01:06 dev eth0"), 0);
	cr_assert(pl_neighbour_get(commands.stack, 0, &neighbour));
	cr_assert_eq(neighbour.state, 0x80);
	cr_assert_eq(neighbour.hwaddr[5], 6);
	cr_assert_eq(run("ip neigh add proxy 10.0.0.7 dev eth0"), 0);
	cr_assert_eq(run("ip neigh del proxy 10.0.0.7 dev eth0"), 0);
	cr_assert_eq(run_for_error("ip neigh del proxy 10.0.0.7 dev eth0", "No such file or directory"), 2);
	cr_assert_eq(run("ip neigh del 10.0.0.5 dev eth0"), 0);
	/* Of another form, or another link: for a shell to say what it thinks of it. */
	cr_assert_eq(run("ip neigh add 10.0.0.5 lladdr nonsense dev eth0"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ip neigh add 10.0.0.5 lladdr 2:0:0:0:1:5 dev eth9"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ip neigh add lladdr 2:0:0:0:1:5 dev eth0"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ip neigh show"), COMMAND_NOT_MINE);
}

Test(builtin, links)
{
	cr_assert_eq(run("ip link set dev eth0 address 02:00:00:00:07:07 mtu 1400 up"), 0);
	cr_assert_eq(run("ip link set eth0 carrier off"), 0);
	cr_assert_eq(run("ip link set eth0 arp off down"), 0);
	cr_assert_eq(run_for_error("ip link set eth0 address ff:ff:ff:ff:ff:ff", "Cannot assign requested address"), 2);
	cr_assert_eq(run_for_error("ip link set tun0 address 02:00:00:00:07:07", "Operation not supported"), 2);
	cr_assert_eq(run("ip link set eth9 up"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ip link set eth0"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ip link set eth0 carrier maybe"), COMMAND_NOT_MINE);
	cr_assert_eq(run("ip link show"), COMMAND_NOT_MINE);
}
