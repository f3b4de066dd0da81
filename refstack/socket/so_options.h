/* SOL_SOCKET options: what the table in so_options.c takes from so_get.c. */
#ifndef REFSTACK_SO_OPTIONS_H
#define REFSTACK_SO_OPTIONS_H

#include "options.h"

/* Getters by name: so_get_reuse, .... */
#define SO_GETTERS(X) \
	X(reuse) X(reuseport) X(type) X(protocol) X(domain) X(error) X(send_buffer) X(receive_buffer) X(priority) \
	X(linger) X(zero) X(one) X(timestamp) X(timestamp_new) X(timestampns) X(timestampns_new) X(timestamping) \
	X(timestamping_new) X(receive_timeout) X(send_timeout) X(receive_low_water) X(peer_credentials) \
	X(peer_groups) X(peer_name) X(accepting) X(bind_to_device) X(bind_to_index) X(mark) X(peek_offset) \
	X(filter_extensions) X(busy_poll) X(max_pacing_rate) X(incoming_cpu) X(memory) X(cookie) \
	X(namespace_cookie) X(txtime) X(buffer_lock) X(txrehash) X(unsupported)
#define SO_GETTER(name) int64_t so_get_##name(struct sock *sk, struct option_out *out);
SO_GETTERS(SO_GETTER)
#undef SO_GETTER

#endif
