/*
 * The tunables as the stack's code reads them: stack->sysctl.tcp_sack. A field has its file's name; the three of tcp_rmem are
 * an array. Values are in the file's own units.
 */
#ifndef REFSTACK_SYSCTL_H
#define REFSTACK_SYSCTL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct conf_sysctls {
	int accept_local;
	int accept_redirects;
	int accept_source_route;
	int arp_accept;
	int arp_announce;
	int arp_evict_nocarrier;
	int arp_filter;
	int arp_ignore;
	int arp_notify;
	int bc_forwarding;
	int bootp_relay;
	int disable_policy;
	int disable_xfrm;
	int drop_gratuitous_arp;
	int drop_unicast_in_l2_multicast;
	int force_igmp_version;
	int forwarding;
	int igmpv2_unsolicited_report_interval;
	int igmpv3_unsolicited_report_interval;
	int ignore_routes_with_linkdown;
	int log_martians;
	int mc_forwarding;
	int medium_id;
	int promote_secondaries;
	int proxy_arp;
	int proxy_arp_pvlan;
	int route_localnet;
	int rp_filter;
	int secure_redirects;
	int send_redirects;
	int shared_media;
	int src_valid_mark;
	int tag;
};

struct neigh_sysctls {
	int anycast_delay;
	int app_solicit;
	int base_reachable_time;
	int base_reachable_time_ms;
	int delay_first_probe_time;
	int gc_interval;
	int gc_stale_time;
	int gc_thresh1;
	int gc_thresh2;
	int gc_thresh3;
	int interval_probe_time_ms;
	int locktime;
	int mcast_resolicit;
	int mcast_solicit;
	int proxy_delay;
	int proxy_qlen;
	int retrans_time;
	int retrans_time_ms;
	int ucast_solicit;
	int unres_qlen;
	int unres_qlen_bytes;
};

struct sysctls {
	/* net/core */
	int high_order_alloc_disable;
	int max_skb_frags;
	int message_burst;
	int message_cost;
	int netdev_budget;
	int netdev_max_backlog;
	int optmem_max;
	int rmem_default;
	int rmem_max;
	int somaxconn;
	int tstamp_allow_data;
	int txrehash;
	int wmem_default;
	int wmem_max;
	char default_qdisc[16];
	/* net/ipv4 */
	int cipso_cache_bucket_size;
	int cipso_cache_enable;
	int cipso_rbm_optfmt;
	int cipso_rbm_strictvalid;
	int fib_multipath_hash_fields;
	int fib_multipath_hash_policy;
	int fib_multipath_hash_seed;
	int fib_multipath_use_neigh;
	int fib_notify_on_flag_change;
	int fib_sync_mem;
	int fwmark_reflect;
	int icmp_echo_enable_probe;
	int icmp_echo_ignore_all;
	int icmp_echo_ignore_broadcasts;
	int icmp_errors_use_inbound_ifaddr;
	int icmp_ignore_bogus_error_responses;
	int icmp_msgs_burst;
	int icmp_msgs_per_sec;
	int icmp_ratelimit;
	int icmp_ratemask;
	int igmp_link_local_mcast_reports;
	int igmp_max_memberships;
	int igmp_max_msf;
	int igmp_qrv;
	int inet_peer_maxttl;
	int inet_peer_minttl;
	int inet_peer_threshold;
	int ip_autobind_reuse;
	int ip_default_ttl;
	int ip_dynaddr;
	int ip_early_demux;
	int ip_forward;
	int ip_forward_update_priority;
	int ip_forward_use_pmtu;
	int ip_local_port_range[2];
	int ip_no_pmtu_disc;
	int ip_nonlocal_bind;
	int ip_unprivileged_port_start;
	long ipfrag_high_thresh;
	long ipfrag_low_thresh;
	int ipfrag_max_dist;
	int ipfrag_secret_interval;
	int ipfrag_time;
	int nexthop_compat_mode;
	int raw_l3mdev_accept;
	int tcp_abort_on_overflow;
	int tcp_adv_win_scale;
	int tcp_app_win;
	int tcp_autocorking;
	int tcp_backlog_ack_defer;
	int tcp_base_mss;
	int tcp_challenge_ack_limit;
	int tcp_child_ehash_entries;
	int tcp_comp_sack_delay_ns;
	int tcp_comp_sack_nr;
	int tcp_comp_sack_slack_ns;
	int tcp_dsack;
	int tcp_early_demux;
	int tcp_early_retrans;
	int tcp_ecn;
	int tcp_ecn_fallback;
	int tcp_ecn_option;
	int tcp_ecn_option_beacon;
	int tcp_ehash_entries;
	int tcp_fack;
	int tcp_fastopen;
	int tcp_fastopen_blackhole_timeout_sec;
	int tcp_fin_timeout;
	int tcp_frto;
	int tcp_fwmark_accept;
	int tcp_invalid_ratelimit;
	int tcp_keepalive_intvl;
	int tcp_keepalive_probes;
	int tcp_keepalive_time;
	int tcp_l3mdev_accept;
	int tcp_limit_output_bytes;
	int tcp_low_latency;
	int tcp_max_orphans;
	int tcp_max_reordering;
	int tcp_max_syn_backlog;
	int tcp_max_tw_buckets;
	long tcp_mem[3];
	int tcp_migrate_req;
	int tcp_min_rtt_wlen;
	int tcp_min_snd_mss;
	int tcp_min_tso_segs;
	int tcp_moderate_rcvbuf;
	int tcp_mtu_probe_floor;
	int tcp_mtu_probing;
	int tcp_no_metrics_save;
	int tcp_no_ssthresh_metrics_save;
	unsigned tcp_notsent_lowat;
	int tcp_orphan_retries;
	int tcp_pacing_ca_ratio;
	int tcp_pacing_ss_ratio;
	int tcp_pingpong_thresh;
	int tcp_plb_cong_thresh;
	int tcp_plb_enabled;
	int tcp_plb_idle_rehash_rounds;
	int tcp_plb_rehash_rounds;
	int tcp_plb_suspend_rto_sec;
	int tcp_probe_interval;
	int tcp_probe_threshold;
	int tcp_recovery;
	int tcp_reflect_tos;
	int tcp_reordering;
	int tcp_retrans_collapse;
	int tcp_retries1;
	int tcp_retries2;
	int tcp_rfc1337;
	int tcp_rmem[3];
	int tcp_rto_max_ms;
	int tcp_rto_min_us;
	int tcp_sack;
	int tcp_shrink_window;
	int tcp_slow_start_after_idle;
	int tcp_stdurg;
	int tcp_syn_linear_timeouts;
	int tcp_syn_retries;
	int tcp_synack_retries;
	int tcp_syncookies;
	int tcp_thin_linear_timeouts;
	int tcp_timestamps;
	int tcp_tso_rtt_log;
	int tcp_tso_win_divisor;
	int tcp_tw_reuse;
	int tcp_tw_reuse_delay;
	int tcp_window_scaling;
	int tcp_wmem[3];
	int tcp_workaround_signed_windows;
	int udp_child_hash_entries;
	int udp_early_demux;
	int udp_hash_entries;
	int udp_l3mdev_accept;
	long udp_mem[3];
	int udp_rmem_min;
	int udp_wmem_min;
	int xfrm4_gc_thresh;
	int route_error_burst;
	int route_error_cost;
	int route_gc_elasticity;
	int route_gc_interval;
	int route_gc_min_interval;
	int route_gc_min_interval_ms;
	int route_gc_thresh;
	int route_gc_timeout;
	int route_max_size;
	int route_min_adv_mss;
	int route_min_pmtu;
	int route_mtu_expires;
	int route_redirect_load;
	int route_redirect_number;
	int route_redirect_silence;
	uint32_t ping_group_range[2];
	uint8_t ip_local_reserved_ports[65536 / 8];	/* bit per port */
	uint8_t tcp_fastopen_key[2][16];
	unsigned tcp_fastopen_keys;			/* 0: none made yet */
	char tcp_congestion_control[16];		/* of new sockets */
	char tcp_available_congestion_control[128], tcp_allowed_congestion_control[128];
	struct conf_sysctls conf_all, conf_default;	/* conf/IF is in_device.conf */
	struct neigh_sysctls neigh_default;
};

struct pl_machine;
void sysctl_defaults(struct sysctls *sysctls, const struct pl_machine *machine);

#endif
