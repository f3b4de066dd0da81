#include "one_socket.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/time.h>

TestSuite(ioctl, .init = set_up_bound, .fini = tear_down);

Test(ioctl, queue_lengths)
{
	int value = -1;

	CALL_IS(&f, 0, ioctl, fd, SIOCINQ, PL_PTR(&value));
	cr_assert_eq(value, 0);
	inject_udp(&f, 1, 5000, "abc", 3);
	inject_udp(&f, 1, 5000, "abcdef", 6);
	CALL_IS(&f, 0, ioctl, fd, SIOCINQ, PL_PTR(&value));
	cr_assert_eq(value, 3);		/* the next datagram's, not the sum */
	CALL_IS(&f, 0, ioctl, fd, SIOCOUTQ, PL_PTR(&value));
	cr_assert_eq(value, 0);
	CALL_IS(&f, -EFAULT, ioctl, fd, SIOCINQ, 0);
	CALL_IS(&f, -ENOTTY, ioctl, fd, 0x1234, PL_PTR(&value));
	CALL_IS(&f, -EBADF, ioctl, 99, SIOCINQ, PL_PTR(&value));
}

Test(ioctl, nonblocking)
{
	int on = 1;

	CALL_IS(&f, 0, ioctl, fd, FIONBIO, PL_PTR(&on));
	CALL_IS(&f, O_RDWR | O_NONBLOCK, fcntl, fd, F_GETFL);
	on = 0;
	CALL_IS(&f, 0, ioctl, fd, FIONBIO, PL_PTR(&on));
	CALL_IS(&f, O_RDWR, fcntl, fd, F_GETFL);
	CALL_IS(&f, -EFAULT, ioctl, fd, FIONBIO, 0);
}

Test(ioctl, stamp_of_the_last_packet)
{
	struct timeval tv;
	char byte;

	CALL_IS(&f, -ENOENT, ioctl, fd, 0x8906 /* SIOCGSTAMP */, PL_PTR(&tv));
	pl_stack_run_until(f.stack, 2 * PL_NSEC_PER_SEC);
	inject_udp(&f, 1, 5000, "x", 1);
	pl_stack_run_until(f.stack, 9 * PL_NSEC_PER_SEC);
	CALL_IS(&f, 1, read, fd, PL_PTR(&byte), 1);
	CALL_IS(&f, 0, ioctl, fd, 0x8906, PL_PTR(&tv));
	cr_assert_eq(tv.tv_sec, 2);
}

Test(ioctl, links)
{
	struct ifreq request = { .ifr_name = "tun0" };
	struct sockaddr_in address;
	struct ifreq list[4];
	struct ifconf conf = { .ifc_len = sizeof(list), .ifc_req = list };

	CALL_IS(&f, 0, ioctl, fd, SIOCGIFINDEX, PL_PTR(&request));
	cr_assert_eq(request.ifr_ifindex, f.tun);
	CALL_IS(&f, 0, ioctl, fd, SIOCGIFMTU, PL_PTR(&request));
	cr_assert_eq(request.ifr_mtu, 1500);
	CALL_IS(&f, 0, ioctl, fd, SIOCGIFFLAGS, PL_PTR(&request));
	cr_assert_eq((unsigned short)request.ifr_flags, IFF_UP | IFF_RUNNING | IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST);
	CALL_IS(&f, 0, ioctl, fd, SIOCGIFADDR, PL_PTR(&request));
	memcpy(&address, &request.ifr_addr, sizeof(address));
	cr_assert_eq(address.sin_addr.s_addr, addr(LOCAL).s_addr);
	CALL_IS(&f, 0, ioctl, fd, SIOCGIFNETMASK, PL_PTR(&request));
	memcpy(&address, &request.ifr_addr, sizeof(address));
	cr_assert_eq(address.sin_addr.s_addr, addr("255.255.0.0").s_addr);
	request.ifr_mtu = 1400;
	pl_stack_set_credentials(f.stack, 0, 1, 1);
	CALL_IS(&f, -EPERM, ioctl, fd, SIOCSIFMTU, PL_PTR(&request));
	pl_stack_set_credentials(f.stack, UINT64_MAX, 0, 0);
	CALL_IS(&f, 0, ioctl, fd, SIOCSIFMTU, PL_PTR(&request));
	CALL_IS(&f, 0, ioctl, fd, SIOCGIFMTU, PL_PTR(&request));
	cr_assert_eq(request.ifr_mtu, 1400);
	request = (struct ifreq){ .ifr_name = "nope" };
	CALL_IS(&f, -ENODEV, ioctl, fd, SIOCGIFMTU, PL_PTR(&request));
	request = (struct ifreq){ .ifr_ifindex = f.tun };
	CALL_IS(&f, 0, ioctl, fd, SIOCGIFNAME, PL_PTR(&request));
	cr_assert_str_eq(request.ifr_name, "tun0");
	CALL_IS(&f, 0, ioctl, fd, SIOCGIFCONF, PL_PTR(&conf));
	cr_assert_eq(conf.ifc_len, 2 * (int)sizeof(struct ifreq));
	cr_assert_str_eq(list[1].ifr_name, "tun0");
}
