/*
 * The memory of all UDP sockets together, against udp_mem.
 *
 * Memory comes in pages, and what a page has left is kept for the socket's next packets (sk_forward_alloc, as SO_MEMINFO shows
 * it). Up to the first value of udp_mem there is always some; above it, up to the third, only for a socket that holds less than
 * udp_rmem_min; beyond, for none. Unlike TCP, UDP knows no state of pressure in between, so that the second value has no say.
 *
 * Linux counts for each processor by itself and tells the sum only when a megabyte has come together. Here it is one processor.
 */
#include "udp.h"

#define PAGE 4096
#define PAGES_TOLD 256		/* net.core.mem_pcpu_rsv */

static void count_pages(struct udp_host *host, int64_t pages)
{
	host->reserve += pages;
	if (host->reserve < PAGES_TOLD && host->reserve > -PAGES_TOLD)
		return;
	host->memory += host->reserve;
	host->reserve = 0;
}

static bool allowed(const struct sock *sk)
{
	const struct sysctls *sysctl = &sk->stack->sysctl;
	int64_t memory = sk->stack->udp->memory;

	if (memory <= (int64_t)sysctl->udp_mem[0])
		return true;
	return memory <= (int64_t)sysctl->udp_mem[2] && (int64_t)sk->receive_allocated < sysctl->udp_rmem_min;
}

bool udp_memory_take(struct udp_sock *up, uint32_t truesize)
{
	struct sock *sk = &up->sk;
	int32_t more = (int32_t)truesize - sk->forward_allocated, pages = more > 0 ? (more + PAGE - 1) / PAGE : 0;

	if (pages) {
		count_pages(sk->stack->udp, pages);
		if (!allowed(sk)) {
			count_pages(sk->stack->udp, -pages);
			return false;
		}
	}
	up->pages += pages;
	sk->forward_allocated += pages * PAGE - (int32_t)truesize;
	return true;
}

void udp_memory_give_back(struct udp_sock *up, uint32_t bytes)
{
	struct sock *sk = &up->sk;

	sk->forward_allocated += (int32_t)bytes;
	int32_t pages = (sk->forward_allocated - 1) / PAGE;
	sk->forward_allocated -= pages * PAGE;
	up->pages -= pages;
	count_pages(sk->stack->udp, -pages);
}

void udp_memory_release(struct udp_sock *up)
{
	count_pages(up->sk.stack->udp, -up->pages);
	up->pages = 0;
}

int64_t udp_memory(const struct pl_stack *stack)
{
	return stack->udp->memory > 0 ? stack->udp->memory : 0;
}
