#include "pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../arena.h"
#include "../engine/trace.h"
#include "layer.h"
#include "packet.h"

#define PCAP_MAGIC_NANOSECONDS 0xa1b23c4d
#define LINKTYPE_ETHERNET 1
#define LINKTYPE_RAW 101

struct pcap_file {
	FILE *stream;
	bool ethernet;
	int error;	/* errno of the first failure, 0 while there is none */
};

struct pcap_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_length, link_type;
};

struct pcap_record {
	uint32_t seconds, nanoseconds, captured, length;
};

static void put(struct pcap_file *file, const void *bytes, size_t length)
{
	if (!file->error && length && fwrite(bytes, 1, length, file->stream) != length)
		file->error = errno ? errno : EIO;
}

struct pcap_file *pcap_file_create(const char *path, bool ethernet)
{
	const struct pcap_header header = {
		.magic = PCAP_MAGIC_NANOSECONDS,
		.major = 2,
		.minor = 4,
		.snap_length = PCAP_SNAP_LENGTH,
		.link_type = ethernet ? LINKTYPE_ETHERNET : LINKTYPE_RAW,
	};
	struct pcap_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->ethernet = ethernet;
	file->stream = fopen(path, "we");
	if (!file->stream) {
		free(file);
		return NULL;
	}
	put(file, &header, sizeof(header));
	return file;
}

/* The same packet with the checksums filled in that were left to the device; *bytes itself when there were none. */
static const uint8_t *complete(const uint8_t *bytes, size_t length, bool ethernet, struct arena *arena)
{
	struct packet packet;
	const uint8_t *whole;
	const char *error;
	size_t whole_length;
	bool partial = false;

	packet_decode(bytes, length, ethernet, arena, &packet);
	for (unsigned i = 0; i < packet.layers; i++) {
		struct layer *layer = &packet.layer[i];

		if (layer->checksum != CHECKSUM_PARTIAL)
			continue;
		partial = true;
		for (unsigned field = wire_first_field(layer->kind); field < wire_past_field(layer->kind); field++)
			if (!strcmp(wire_field_table[field].name, "checksum"))
				wire_set_any(layer, field);
	}
	if (!partial)
		return bytes;
	whole = packet_encode(&packet, arena, &whole_length, &error);
	/* Padding behind the packet is not part of it. */
	return whole && whole_length == length ? whole : bytes;
}

void pcap_file_add(struct pcap_file *file, int64_t time, bool ethernet, const uint8_t *bytes, size_t length, struct arena *arena)
{
	uint8_t made[ETHERNET_HEADER] = { 0 };
	size_t extra = file->ethernet && !ethernet ? sizeof(made) : 0;
	struct pcap_record record;

	bytes = complete(bytes, length, ethernet, arena);
	if (ethernet && !file->ethernet) {
		size_t skip = length < ETHERNET_HEADER ? length : ETHERNET_HEADER;

		bytes += skip;
		length -= skip;
	}
	if (length + extra > PCAP_SNAP_LENGTH)
		length = PCAP_SNAP_LENGTH - extra;
	if (time < 0)
		time = 0;
	record = (struct pcap_record){
		.seconds = (uint32_t)(time / PL_NSEC_PER_SEC),
		.nanoseconds = (uint32_t)(time % PL_NSEC_PER_SEC),
		.captured = (uint32_t)(length + extra),
		.length = (uint32_t)(length + extra),
	};
	put(file, &record, sizeof(record));
	if (extra) {
		bool ipv6 = length && bytes[0] >> 4 == 6;

		made[12] = ipv6 ? 0x86 : 0x08;
		made[13] = ipv6 ? 0xdd : 0x00;
		put(file, made, extra);
	}
	put(file, bytes, length);
}

int pcap_file_close(struct pcap_file *file)
{
	int error;

	if (fclose(file->stream) && !file->error)
		file->error = errno;
	error = file->error;
	free(file);
	return -error;
}

int pcap_write_trace(const char *path, const struct trace *trace)
{
	struct pcap_file *file = pcap_file_create(path, trace->ethernet_links != 0);
	struct arena *arena;

	if (!file)
		return -errno;
	arena = arena_new();
	for (unsigned i = 0; i < trace->count; i++) {
		const struct trace_entry *entry = &trace->entry[i];
		bool ethernet = entry->link < 32 && trace->ethernet_links >> entry->link & 1;

		if (entry->kind != TRACE_PACKET_IN && entry->kind != TRACE_PACKET_OUT)
			continue;
		pcap_file_add(file, trace->wall_clock + entry->time, ethernet, entry->bytes, entry->length, arena);
		arena_reset(arena);
	}
	arena_free(arena);
	return pcap_file_close(file);
}
