/* The words of iptables: what the built-in form makes of them is, to the byte, what the program gives to the kernel. */
#include "harness/command/iptables.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <plumbline/link.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "harness/command/filter_mirror.h"

#define PROGRAM "/usr/sbin/iptables-legacy"

TestSuite(iptables, .init = set_up, .fini = tear_down);

/* A namespace of its own in which the program can be run. */
static bool own_namespace(void)
{
	return geteuid() == 0 && access(PROGRAM, X_OK) == 0 && unshare(CLONE_NEWNET) == 0;
}

static void describe(char *to, size_t size, const struct ipt_entry *entry)
{
	size_t used = 0;

	for (unsigned i = 0; i < entry->next_offset && used + 4 < size; i++)
		used += (size_t)snprintf(to + used, size - used, "%02x%s", ((const unsigned char *)entry)[i], i % 8 == 7 ? " " : "");
}

static void compare_tables(const char *table, const char *command)
{
	struct pl_filter_table *ours = pl_filter_get(commands.stack, table), *theirs;
	static char ours_text[16384], theirs_text[16384];

	theirs = filter_mirror_read(table, &error);
	cr_assert(theirs, "%s: %s", command, error);
	const struct pl_filter_chain *a = ours->chains, *b = theirs->chains;
	for (; a && b; a = a->next, b = b->next) {
		const struct pl_filter_rule *p = a->rules, *q = b->rules;

		cr_assert_str_eq(a->name, b->name);
		cr_expect_eq(a->drops, b->drops, "%s: policy of %s", command, a->name);
		for (; p && q; p = p->next, q = q->next) {
			describe(ours_text, sizeof(ours_text), p->entry);
			describe(theirs_text, sizeof(theirs_text), q->entry);
			cr_expect_str_eq(ours_text, theirs_text, "%s\nours   %s\ntheirs %s", command, ours_text, theirs_text);
		}
		cr_expect(!p && !q, "%s: %s has another number of rules", command, a->name);
	}
	cr_expect(!a && !b, "%s: another number of chains", command);
	pl_filter_free(ours);
	pl_filter_free(theirs);
}

/* Run here and there: the same status, the same tables. */
static void same_as_program(const char *const *lines, size_t count, bool each_alone)
{
	char command[512];

	for (size_t i = 0; i < count; i++) {
		const char *table = strstr(lines[i], "-t ") ? strstr(lines[i], "-t ") + 3 : "filter";
		char name[32];

		snprintf(command, sizeof(command), "iptables %s", lines[i]);
		int ours = run(command);
		cr_expect_neq(ours, COMMAND_NOT_MINE, "not understood: %s", command);
		snprintf(command, sizeof(command), PROGRAM " %s >/dev/null 2>&1", lines[i]);
		int theirs = system(command);
		cr_expect_eq(ours, WEXITSTATUS(theirs), "%s: status %d, the program's is %d", lines[i], ours, WEXITSTATUS(theirs));
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(table, " "), table);
		compare_tables(name, lines[i]);
		if (!each_alone)
			continue;
		cr_assert(!system(PROGRAM " -t mangle -F; " PROGRAM " -t nat -F; " PROGRAM " -t raw -F; " PROGRAM " -F"));
		run("iptables -F; iptables -t mangle -F; iptables -t nat -F; iptables -t raw -F");
	}
}

Test(iptables, rules_are_the_programs)
{
	static const char *const lines[] = {
		"-A INPUT -j ACCEPT", "-A INPUT", "-A INPUT -s 10.0.0.0/8 ! -d 192.168.0.1 -i tun+ -j DROP",
		"-I OUTPUT -o lo ! -p tcp -j RETURN", "-A INPUT -f -j DROP", "-A INPUT ! -f -j DROP", "-P FORWARD DROP",
		"-A INPUT -p tcp --dport 8080 -j REJECT", "-A INPUT -p tcp -m tcp ! --sport 1:1023 --dport 80: -j DROP",
		"-A INPUT -p tcp --syn", "-A INPUT -p tcp ! --syn", "-A INPUT -p tcp --tcp-flags SYN,ACK,FIN SYN -j DROP",
		"-A INPUT -p tcp --tcp-flags ALL NONE -j DROP", "-A INPUT -p tcp --tcp-option 8", "-A INPUT -p tcp ! --tcp-option 3",
		"-A INPUT -p udp --dport 53 -j ACCEPT", "-A INPUT -p udp --dport domain -j ACCEPT", "-A INPUT -p 89 -j DROP",
		"-A INPUT -p icmp -j DROP", "-A INPUT -p icmp --icmp-type echo-request -j DROP", "-A INPUT -p icmp --icmp-type 3/4",
		"-A INPUT -p icmp ! --icmp-type 8", "-A INPUT -p icmp -m icmp --icmp-type any -j DROP",
		"-A INPUT -p icmp --icmp-type ttl-exceeded", "-A INPUT -p tcp -m multiport --dports 80,443,8000:8010 -j DROP",
		"-A INPUT -p udp -m multiport ! --sports 1,2", "-A INPUT -p tcp -m multiport --ports 5", "-A INPUT -m ttl --ttl-lt 5",
		"-A INPUT -m ttl ! --ttl-eq 64", "-A INPUT -m ttl --ttl-gt 5", "-A INPUT -m mark --mark 0x10/0xf0",
		"-A INPUT -m mark ! --mark 7", "-A INPUT -m connmark --mark 7", "-A INPUT -m conntrack --ctstate NEW,ESTABLISHED",
		"-A INPUT -m conntrack ! --ctstate INVALID", "-A INPUT -m state --state RELATED", "-A INPUT -m state ! --state NEW",
		"-A INPUT -m conntrack --ctproto tcp --ctorigsrc 10.0.0.1 --ctorigdstport 80",
		"-A INPUT -m conntrack --ctstatus ASSURED --ctdir REPLY", "-A INPUT -m conntrack --ctstate SNAT,DNAT,UNTRACKED",
		"-A INPUT -m conntrack --ctexpire 1:100 --ctrepldst 1.0.0.0/8 --ctreplsrcport 1:2", "-A INPUT -m limit",
		"-A INPUT -m limit --limit 5/sec --limit-burst 3", "-A INPUT -m limit --limit 1/day", "-A INPUT -m limit --limit 7/min",
		"-A INPUT -m length --length 100", "-A INPUT -m length ! --length 100:200", "-A INPUT -m length --length 100:",
		"-A INPUT -m addrtype --dst-type LOCAL,BROADCAST", "-A INPUT -m addrtype ! --src-type UNICAST --limit-iface-in",
		"-A INPUT -m tos --tos 0x10", "-A INPUT -m tos --tos Minimize-Delay", "-A INPUT -m tos ! --tos 0x10/0xf0",
		"-A INPUT -m dscp --dscp 46", "-A INPUT -m dscp ! --dscp-class AF11", "-A INPUT -m comment --comment 'two words'",
		"-A OUTPUT -m owner --uid-owner 1000-2000", "-A OUTPUT -m owner ! --gid-owner 5", "-A OUTPUT -m owner --socket-exists",
		"-A INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 ! --dst-range 1.1.1.1", "-A INPUT -m pkttype --pkt-type broadcast",
		"-A INPUT -m quota --quota 1000", "-A INPUT -m statistic --mode nth --every 3 --packet 0", "-A INPUT -m statistic --mode nth --every 3 --packet 1",
		"-A INPUT -m statistic --mode random --probability 0.25", "-A INPUT -m string --string abc --algo bm",
		"-A INPUT -m string ! --string abc --algo kmp --from 20 --to 100 --icase", "-A INPUT -p tcp -m tcpmss --mss 500:1000",
		"-A INPUT -m ecn --ecn-ip-ect 2", "-A INPUT -p tcp -m ecn --ecn-tcp-ece ! --ecn-tcp-cwr",
		"-A INPUT -p tcp -j REJECT --reject-with tcp-reset", "-A INPUT -j REJECT --reject-with host-prohib",
		"-A INPUT -j REJECT --reject-with icmp-admin-prohibited", "-A INPUT -j LOG", "-A INPUT -j LOG --log-prefix x: --log-level info --log-uid",
		"-t mangle -A PREROUTING -j MARK --set-mark 1", "-t mangle -A PREROUTING -j MARK --set-xmark 1/3",
		"-t mangle -A PREROUTING -j MARK --or-mark 0x10", "-t mangle -A PREROUTING -j MARK --and-mark 0x10",
		"-t mangle -A PREROUTING -j MARK --xor-mark 0x10", "-t mangle -A PREROUTING -j CONNMARK --save-mark",
		"-t mangle -A PREROUTING -j CONNMARK --restore-mark --mask 0xff", "-t mangle -A PREROUTING -j CONNMARK --set-mark 5/7",
		"-t mangle -A PREROUTING -j CONNMARK --set-xmark 5/7", "-t mangle -A PREROUTING -j CONNMARK --save-mark --nfmask 1 --ctmask 2",
		"-t mangle -A PREROUTING -j TTL --ttl-set 64", "-t mangle -A PREROUTING -j TTL --ttl-inc 1", "-t mangle -A OUTPUT -j TTL --ttl-dec 1",
		"-t mangle -A PREROUTING -j TOS --set-tos 0x10", "-t mangle -A PREROUTING -j TOS --set-tos Minimize-Cost",
		"-t mangle -A PREROUTING -j TOS --or-tos 4", "-t mangle -A PREROUTING -j TOS --and-tos 4", "-t mangle -A PREROUTING -j TOS --xor-tos 4",
		"-t mangle -A PREROUTING -j DSCP --set-dscp 10", "-t mangle -A PREROUTING -j DSCP --set-dscp-class EF",
		"-t mangle -A PREROUTING -p tcp -j ECN --ecn-tcp-remove", "-t mangle -A FORWARD -p tcp --syn -j TCPMSS --set-mss 1000",
		"-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
		"-t mangle -A FORWARD -p tcp -j TCPOPTSTRIP --strip-options timestamp,sack-permitted,30", "-t mangle -A POSTROUTING -j CLASSIFY --set-class 1:10",
		"-t mangle -A PREROUTING -p tcp -j TPROXY --on-port 8080 --tproxy-mark 1/1", "-t mangle -A PREROUTING -p udp -j TPROXY --on-port 8080 --on-ip 127.0.0.1",
		"-t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080", "-t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 8000-8010 --random",
		"-t nat -A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1", "-t nat -A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1:80",
		"-t nat -A PREROUTING -p udp -j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90 --random",
		"-t nat -A PREROUTING -p tcp -j DNAT --to-destination :8080 --persistent", "-t nat -A PREROUTING -p tcp --dport 1000:1010 -j DNAT --to-destination 10.0.0.1:2000-2010/1000",
		"-t nat -A POSTROUTING -j SNAT --to-source 10.0.0.1", "-t nat -A POSTROUTING -p tcp -j SNAT --to-source 10.0.0.1-10.0.0.4:1000-2000 --random-fully",
		"-t nat -A POSTROUTING -o tun0 -j MASQUERADE", "-t nat -A POSTROUTING -p udp -j MASQUERADE --to-ports 1000-2000 --random",
		"-t nat -A PREROUTING -j NETMAP --to 10.0.0.0/24", "-t raw -A PREROUTING -j NOTRACK", "-t mangle -A PREROUTING -p tcp -m socket -j MARK --set-mark 1",
		"-t mangle -A PREROUTING -m socket --transparent --nowildcard --restore-skmark -j DROP", "-t raw -A PREROUTING -m rpfilter --invert -j DROP",
		"-t mangle -A PREROUTING -m rpfilter --loose --validmark --accept-local", "-t raw -A OUTPUT -j CT --notrack",
		"-A INPUT -p tcp -m connlimit --connlimit-above 3 -j DROP", "-A INPUT -p tcp -m connlimit ! --connlimit-above 3 --connlimit-mask 24",
		"-A INPUT -m connlimit --connlimit-upto 3 --connlimit-daddr", "-A INPUT -m connlimit --connlimit-upto 3 --connlimit-saddr --connlimit-mask 0",
		"-A INPUT -m recent --set", "-A INPUT -m recent --name x ! --rcheck --seconds 5 --hitcount 3 --rttl -j DROP",
		"-A INPUT -m recent --update --seconds 5 --reap --rdest", "-A INPUT -m recent --name y --mask 255.255.0.0 --remove --rsource",
		"-A INPUT -m connbytes --connbytes 10:20 --connbytes-dir both --connbytes-mode bytes", "-A INPUT -m mac --mac-source 02:00:00:00:01:02",
		"-A INPUT -m connbytes ! --connbytes 10: --connbytes-dir reply --connbytes-mode avgpkt", "-A INPUT -m mac ! --mac-source 2:a:B:0:1:2",
		"-A INPUT -m connbytes --connbytes 10 --connbytes-dir original --connbytes-mode packets",
	};

	if (!own_namespace())
		cr_skip("needs root and iptables-legacy");
	same_as_program(lines, sizeof(lines) / sizeof(lines[0]), true);
}

Test(iptables, chains_are_edited_as_by_the_program)
{
	static const char *const lines[] = {
		"-N web", "-N web", "-A INPUT -p tcp -j web", "-A web -s 10.0.0.1 -j DROP", "-A web -j RETURN", "-I web -s 10.0.0.2 -j DROP",
		"-I web 2 -s 10.0.0.3 -j DROP", "-I web 9 -j DROP", "-R web 1 -s 10.0.0.9 -j ACCEPT", "-R web 9 -j ACCEPT", "-D web 2",
		"-D web 9", "-D web -s 10.0.0.1 -j DROP", "-D web -s 10.0.0.1 -j DROP", "-C web -j RETURN", "-C web -j DROP", "-L web -n",
		"-L nothing", "-S", "-S web", "-S nothing", "-A nothing -j DROP", "-A INPUT -j nothing", "-X web", "-X INPUT", "-F web",
		"-X web", "-E web site", "-A site -g other", "-N other", "-A site -g other", "-A other -j site", "-E site other", "-E nothing x",
		"-D INPUT 1", "-F", "-X", "-N z", "-N a", "-A z -j a", "-A a -j z", "-A INPUT -j z", "-I z -j DROP", "-A INPUT -j z", "-A INPUT -p tcp -j a", "-D INPUT -j z", "-D z -j DROP", "-P INPUT DROP", "-P z DROP", "-P nothing DROP", "-Z", "-Z INPUT",
		"-A INPUT -c 5 500 -j ACCEPT", "-P OUTPUT ACCEPT -c 3 300", "-Z INPUT 1", "-Z INPUT 7", "-F nothing", "-X nothing", "-nvL", "-w 5 -A z -j LOG",
		"-A z -p tcp --syn -j TCPMSS --set-mss 5", "-A z -p tcp -j TCPMSS --set-mss 5", "-A z -j MASQUERADE", "-A z -j TTL --ttl-set 5", "-A INPUT -m owner --uid-owner 0",
		"-A z -j REJECT --reject-with tcp-reset", "-A z -p tcp -m multiport --ports 5", "-A z -p all -m limit --limit 1/s --limit-burst 0",
		"-D z -j LOG", "-F z", "-X",
	};

	if (!own_namespace())
		cr_skip("needs root and iptables-legacy");
	same_as_program(lines, sizeof(lines) / sizeof(lines[0]), false);
}
