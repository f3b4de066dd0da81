/* Multicast routing: the daemon's side, its options and what it has said. The packets are mroute_packet.c's. */
#include "mroute_table.h"

#include <linux/capability.h>
#include <stdlib.h>

#include "../proc/proc.h"
#include "../socket/options.h"
#include "host.h"

#define VERSION 0x0305

struct vif *mroute_vif_of(struct mroute *mroute, const struct link *link, int *number)
{
	for (int i = MAXVIFS - 1; i >= 0; i--)
		if (mroute->vif[i].ifindex == link->ifindex) {
			*number = i;
			return &mroute->vif[i];
		}
	return NULL;
}

static void vif_remove(struct pl_stack *stack, struct vif *vif)
{
	const struct link *link = link_by_index(stack, vif->ifindex);

	if (link && link->ipv4)
		link->ipv4->conf.mc_forwarding--;
	*vif = (struct vif){ 0 };
}

static void entry_remove(struct pl_stack *stack, struct mfc **place)
{
	struct mfc *entry = *place;

	*place = entry->next;
	timer_cancel(stack, &entry->expires);
	pktbuf_queue_purge(stack, &entry->waiting);
	free(entry);
}

struct mfc *mroute_find(struct mroute *mroute, struct in_addr origin, struct in_addr group, bool resolved)
{
	for (struct mfc *entry = mroute->entries; entry; entry = entry->next)
		if (entry->origin.s_addr == origin.s_addr && entry->group.s_addr == group.s_addr && entry->resolved == resolved)
			return entry;
	return NULL;
}

static void entries_flush(struct pl_stack *stack, struct mroute *mroute, bool fixed, bool others)
{
	for (struct mfc **place = &mroute->entries; *place;)
		if ((*place)->fixed ? fixed : others)
			entry_remove(stack, place);
		else
			place = &(*place)->next;
}

static void vifs_flush(struct pl_stack *stack, struct mroute *mroute, bool fixed, bool others)
{
	for (int i = 0; i < MAXVIFS; i++)
		if (mroute->vif[i].ifindex && (mroute->vif[i].fixed ? fixed : others))
			vif_remove(stack, &mroute->vif[i]);
}

static void give_up(struct pl_stack *stack, struct pl_timer *timer)
{
	struct mfc *entry = (struct mfc *)((char *)timer - offsetof(struct mfc, expires));
	struct mfc **place = &stack->ip->mroute->entries;

	while (*place != entry)
		place = &(*place)->next;
	entry_remove(stack, place);
}

struct mfc *mroute_entry_new(struct mroute *mroute, struct in_addr origin, struct in_addr group, bool resolved)
{
	struct mfc *entry = calloc(1, sizeof(*entry)), **place = &mroute->entries;

	if (!entry)
		return NULL;
	entry->origin = origin;
	entry->group = group;
	entry->resolved = resolved;
	timer_init(&entry->expires, give_up);
	while (resolved && *place)
		place = &(*place)->next;
	entry->next = *place;
	*place = entry;
	return entry;
}

/* --- the daemon comes and goes ------------------------------------------------------------------------------------------- */

static struct mroute *mroute_of(const struct pl_stack *stack)
{
	return stack->ip->mroute;
}

static int64_t begin(struct sock *sk, socklen_t length)
{
	struct pl_stack *stack = sk->stack;

	if (length != sizeof(int))
		return -EINVAL;
	if (mroute_of(stack) || sock_flag(sk, SF_RTALERT))
		return -EADDRINUSE;
	stack->ip->mroute = calloc(1, sizeof(*stack->ip->mroute));
	if (!stack->ip->mroute)
		return -ENOMEM;
	mroute_of(stack)->sk = sk;
	sock_flag_set(sk, SF_RTALERT, true);
	stack->sysctl.conf_all.mc_forwarding++;
	return 0;
}

void mroute_free(struct pl_stack *stack)
{
	struct mroute *mroute = mroute_of(stack);

	if (!mroute)
		return;
	entries_flush(stack, mroute, true, true);
	vifs_flush(stack, mroute, true, true);
	free(mroute);
	stack->ip->mroute = NULL;
	stack->sysctl.conf_all.mc_forwarding--;
}

void mroute_socket_gone(struct sock *sk)
{
	struct mroute *mroute = mroute_of(sk->stack);

	if (!mroute || mroute->sk != sk)
		return;
	sock_flag_set(sk, SF_RTALERT, false);
	mroute_free(sk->stack);
}

void mroute_link_gone(struct pl_stack *stack, const struct link *link)
{
	struct mroute *mroute = mroute_of(stack);

	for (int i = 0; mroute && i < MAXVIFS; i++)
		if (mroute->vif[i].ifindex == link->ifindex)
			vif_remove(stack, &mroute->vif[i]);
}

/* --- what it says -------------------------------------------------------------------------------------------------------- */

static int64_t vif_add(struct sock *sk, struct mroute *mroute, const struct vifctl *wanted)
{
	struct vif *vif = &mroute->vif[wanted->vifc_vifi];
	struct link *link;

	if (vif->ifindex)
		return -EADDRINUSE;
	if (wanted->vifc_flags & (VIFF_TUNNEL | VIFF_REGISTER) && !(wanted->vifc_flags & ~(VIFF_TUNNEL | VIFF_REGISTER)))
		return -ENOBUFS;	/* there are no tunnels to make */
	if (wanted->vifc_flags && wanted->vifc_flags != VIFF_USE_IFINDEX)
		return -EINVAL;
	if (wanted->vifc_flags)
		link = link_by_index(sk->stack, wanted->vifc_lcl_ifindex);
	else
		link = local_address_link(sk->stack, wanted->vifc_lcl_addr);
	if (!link || !link->ipv4)
		return -EADDRNOTAVAIL;
	*vif = (struct vif){
		.ifindex = link->ifindex, .flags = wanted->vifc_flags, .threshold = wanted->vifc_threshold,
		.fixed = sk != mroute->sk, .remote = wanted->vifc_rmt_addr,
		.local.s_addr = wanted->vifc_flags ? (uint32_t)link->ifindex : wanted->vifc_lcl_addr.s_addr,
	};
	link->ipv4->conf.mc_forwarding++;
	return 0;
}

static int64_t set_vif(struct sock *sk, struct mroute *mroute, int name, const void *value, socklen_t length)
{
	struct vifctl wanted;

	if (length != sizeof(wanted))
		return -EINVAL;
	memcpy(&wanted, value, sizeof(wanted));
	if (wanted.vifc_vifi >= MAXVIFS)
		return -ENFILE;
	if (name == MRT_ADD_VIF)
		return vif_add(sk, mroute, &wanted);
	if (!mroute->vif[wanted.vifc_vifi].ifindex)
		return -EADDRNOTAVAIL;
	vif_remove(sk->stack, &mroute->vif[wanted.vifc_vifi]);
	return 0;
}

/* The place of the entry that an option speaks of: PROXY's count the parent among what names one. */
static struct mfc **entry_named(struct mroute *mroute, const struct mfcctl *wanted, bool with_parent)
{
	struct mfc **place = &mroute->entries;

	for (; *place; place = &(*place)->next)
		if ((*place)->resolved && (*place)->origin.s_addr == wanted->mfcc_origin.s_addr &&
		    (*place)->group.s_addr == wanted->mfcc_mcastgrp.s_addr &&
		    (!with_parent || (*place)->parent == wanted->mfcc_parent))
			break;
	return place;
}

static int64_t entry_add(struct sock *sk, struct mroute *mroute, const struct mfcctl *wanted, bool with_parent)
{
	struct mfc *entry = *entry_named(mroute, wanted, with_parent), *unresolved;

	if (wanted->mfcc_parent >= MAXVIFS)
		return -ENFILE;
	if (!entry) {
		if (wanted->mfcc_mcastgrp.s_addr && !ip_is_multicast(wanted->mfcc_mcastgrp))
			return -EINVAL;
		entry = mroute_entry_new(mroute, wanted->mfcc_origin, wanted->mfcc_mcastgrp, true);
		if (!entry)
			return -ENOMEM;
	}
	entry->parent = wanted->mfcc_parent;
	entry->fixed |= sk != mroute->sk;
	for (int i = 0; i < MAXVIFS; i++)
		entry->ttl[i] = mroute->vif[i].ifindex && wanted->mfcc_ttls[i] ? wanted->mfcc_ttls[i] : 255;
	unresolved = mroute_find(mroute, wanted->mfcc_origin, wanted->mfcc_mcastgrp, false);
	if (unresolved) {
		struct mfc **place = &mroute->entries;

		while (*place != unresolved)
			place = &(*place)->next;
		mroute_resolve(sk->stack, entry, &unresolved->waiting);
		entry_remove(sk->stack, place);
	}
	return 0;
}

static int64_t set_entry(struct sock *sk, struct mroute *mroute, int name, const void *value, socklen_t length)
{
	bool with_parent = name == MRT_ADD_MFC_PROXY || name == MRT_DEL_MFC_PROXY;
	struct mfcctl wanted;
	struct mfc **place;

	if (length != sizeof(wanted))
		return -EINVAL;
	memcpy(&wanted, value, sizeof(wanted));
	if (name == MRT_ADD_MFC || name == MRT_ADD_MFC_PROXY)
		return entry_add(sk, mroute, &wanted, with_parent);
	place = entry_named(mroute, &wanted, with_parent);
	if (!*place)
		return -ENOENT;
	entry_remove(sk->stack, place);
	return 0;
}

static int64_t set_number(struct sock *sk, struct mroute *mroute, int name, const void *value, socklen_t length)
{
	int number;

	if (length != sizeof(number))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	switch (name) {
	case MRT_ASSERT:
		mroute->asserts = number;
		break;
	case MRT_PIM:
		mroute->asserts = mroute->pim = number;
		break;
	case MRT_FLUSH:
		vifs_flush(sk->stack, mroute, number & MRT_FLUSH_VIFS_STATIC, number & MRT_FLUSH_VIFS);
		entries_flush(sk->stack, mroute, number & MRT_FLUSH_MFC_STATIC, number & MRT_FLUSH_MFC);
		break;
	}
	return 0;
}

static bool is_daemons(const struct sock *sk)
{
	return sk->type == SOCK_RAW && sk->protocol == IPPROTO_IGMP;
}

int64_t mroute_setsockopt(struct sock *sk, int name, const void *value, socklen_t length)
{
	struct mroute *mroute = mroute_of(sk->stack), none = { 0 };

	if (!is_daemons(sk))
		return -EOPNOTSUPP;
	if (name != MRT_INIT && !(mroute && mroute->sk == sk) && !capable(sk->stack, CAP_NET_ADMIN))
		return -EACCES;
	if (length && !value)
		return -EFAULT;
	switch (name) {
	case MRT_INIT:
		return begin(sk, length);
	case MRT_DONE:
		if (!mroute || mroute->sk != sk)
			return -EACCES;
		mroute_socket_gone(sk);
		return 0;
	case MRT_TABLE:		/* there is one, of the number that Linux's has */
		if (length != sizeof(uint32_t))
			return -EINVAL;
		return mroute && mroute->sk == sk ? -EBUSY : *(const uint32_t *)value == RT_TABLE_DEFAULT ? 0 : -EINVAL;
	case MRT_ADD_VIF:
	case MRT_DEL_VIF:
		return mroute ? set_vif(sk, mroute, name, value, length) : set_vif(sk, &none, MRT_DEL_VIF, value, length);
	case MRT_ADD_MFC:
	case MRT_ADD_MFC_PROXY:
	case MRT_DEL_MFC:
	case MRT_DEL_MFC_PROXY:
		return mroute ? set_entry(sk, mroute, name, value, length) : set_entry(sk, &none, MRT_DEL_MFC, value, length);
	case MRT_ASSERT:
	case MRT_PIM:
	case MRT_FLUSH:
		return set_number(sk, mroute ? mroute : &none, name, value, length);
	}
	return -ENOPROTOOPT;
}

int64_t mroute_getsockopt(struct sock *sk, int name, void *value, socklen_t *length)
{
	const struct mroute *mroute = mroute_of(sk->stack);
	int number;

	if (!is_daemons(sk))
		return -EOPNOTSUPP;
	switch (name) {
	case MRT_VERSION:
		number = VERSION;
		break;
	case MRT_ASSERT:
		number = mroute && mroute->asserts;
		break;
	case MRT_PIM:
		number = mroute && mroute->pim;
		break;
	default:
		return -ENOPROTOOPT;
	}
	return sockopt_copy_out(value, length, &number, sizeof(number));
}

/* --- /proc/net ----------------------------------------------------------------------------------------------------------- */

void proc_ip_mr_vif(struct pl_stack *stack, FILE *to)
{
	const struct mroute *mroute = mroute_of(stack);

	fputs("Interface      BytesIn  PktsIn  BytesOut PktsOut Flags Local    Remote\n", to);
	for (int i = 0; mroute && i < MAXVIFS; i++) {
		const struct vif *vif = &mroute->vif[i];
		const struct link *link = vif->ifindex ? link_by_index(stack, vif->ifindex) : NULL;

		if (link)
			fprintf(to, "%2d %-10s %8lu %7lu  %8lu %7lu %05X %08X %08X\n", i, link->name, (unsigned long)vif->bytes_in,
				(unsigned long)vif->packets_in, (unsigned long)vif->bytes_out, (unsigned long)vif->packets_out,
				vif->flags | (vif->fixed ? VIF_STATIC : 0u), vif->local.s_addr, vif->remote.s_addr);
	}
}

void proc_ip_mr_cache(struct pl_stack *stack, FILE *to)
{
	const struct mroute *mroute = mroute_of(stack);

	fputs("Group    Origin   Iif     Pkts    Bytes    Wrong Oifs\n", to);
	for (int resolved = 1; resolved >= 0; resolved--) {	/* those that wait for an answer come last */
		for (const struct mfc *entry = mroute ? mroute->entries : NULL; entry; entry = entry->next) {
			if (entry->resolved != resolved)
				continue;
			fprintf(to, "%08X %08X %-3d %8lu %8lu %8lu", entry->group.s_addr, entry->origin.s_addr,
				entry->resolved ? entry->parent : -1, (unsigned long)entry->packets, (unsigned long)entry->bytes,
				(unsigned long)entry->wrong);
			for (int i = 0; resolved && i < MAXVIFS; i++)
				if (mroute->vif[i].ifindex && entry->ttl[i] < 255)
					fprintf(to, " %2d:%-3d", i, entry->ttl[i]);
			fputc('\n', to);
		}
	}
}
