/*
 * What the lexer, the grammar and the makers of the tree share while one script is parsed. Nothing outside this folder
 * includes it.
 */
#ifndef HARNESS_PARSE_H
#define HARNESS_PARSE_H

#include "../arena.h"
#include "ast.h"

/* A stretch of the source (or of a define's value); not NUL-terminated. */
struct slice {
	const char *at;
	size_t length;
};

/* Bison's idea of a location: a span, and where in the text it lies. */
struct place {
	int line, column, end_line, end_column;
	unsigned begin, end;	/* offsets; end is past the last character */
	const struct source_text *in;	/* NULL: the script itself */
};

/* An included file. */
struct source_text {
	const char *path, *text;
	size_t length;
};
struct token;
struct token_chain {
	struct token *first, *last;
};

/* A number where the grammar wants one. A word that nothing explains stands for a define to come: unresolved. */
struct number {
	int64_t value;
	bool unresolved;
	const struct expr *late;	/* it has variables in it: unresolved until the script runs */
	bool negative_sign;
	struct place place;
};

/* What a slot of an IP option holds: "10.0.0.1", "10.0.0.1=1000", "1000", "10.0.0.1=...". */
struct ip_slots {
	struct ip_slot {
		struct ip_slot *next;
		bool has_address, has_time, any_time;
		uint32_t address;
		struct number time;
		struct place place;
	} *first, *last;
	unsigned count, timed;
};

struct bytes {
	char *at;
	size_t length, room;
	bool given;
	struct place place;
};

/* One word of a TCP or IP option: "sack", "1:1001", "abcd1234"; of an IP option also "{10.0.0.1}", "\"bytes\"", "...". */
struct atom {
	struct atom *next;
	enum { ATOM_WORD, ATOM_NUMBER, ATOM_BLOCK, ATOM_SLOTS, ATOM_BYTES, ATOM_ANY } kind;
	struct slice text;
	struct number number, until;
	struct ip_slots slots;
	struct bytes bytes;
	struct place place;
};
struct atoms {
	struct atom *first, *last;
};
struct tcp_option_text {
	struct tcp_option_text *next;
	struct atom *atom;
	struct place place;
};
struct tcp_options {
	struct tcp_option_text *first, *last;
	bool given, any;
	struct place place;
};

/* "name", "name 5", "name 1.2.3.4", "name 02:00:00:00:00:01", "[name]": what packet heads are made of. */
struct item {
	struct item *next;
	struct slice name;
	struct place name_place;
	enum { ITEM_BARE, ITEM_NUMBER, ITEM_ADDRESS, ITEM_HARDWARE, ITEM_BRACKET, ITEM_OPTIONS } kind;
	struct number number;
	struct in_addr address;
	struct tcp_options options;	/* ITEM_OPTIONS: of an IP header */
};
struct items {
	struct item *first, *last;
};

/* Sources in braces, group records in brackets (a chain, the last one first). */
struct igmp_sources {
	struct igmp_source {
		struct igmp_source *next;
		uint32_t address;
	} *first, *last;
	unsigned count;
	bool given;
};
struct igmp_list {
	struct igmp_list *next;
	struct igmp_record record;
};
struct igmp_text {
	struct igmp_list *records;
	struct igmp_sources sources;
	struct place place;
};

struct members {
	struct member_node {
		struct member_node *next;
		struct expr_member member;
		struct place place;
	} *first, *last;
	unsigned count;
};

struct sequence {
	struct number start, end, length;
	struct place place;
};

/* A header in front of the packet proper: an outer IP header, GRE, one MPLS label; or the link's name. */
struct prefix {
	struct prefix *next;
	struct layer layer;
};
struct prefixes {
	struct prefix *first, *last;
	const char *link;
	struct place link_place;
	unsigned layers;
};

/* A packet from its IP header inwards while it is put together; layer[0] is the IP header. */
struct body {
	struct packet_spec *spec;	/* what the event will have; in a quotation only its packet counts */
	struct packet *packet;		/* &spec->packet */
	struct items ip;
	bool padding;			/* "raw (N)": in a quotation it counts the whole ICMP message */
	struct packet *quoted;
	struct place place;
};

struct flags {
	unsigned bits;
	int ace;		/* -1: none given */
	struct place place;
};

struct timing {
	enum event_time_kind kind;
	pl_time at, until;
	struct place place;
};

#define BRACKETS_KEPT 16	/* deeper ones are not named in messages */

struct parse {
	struct arena *arena;
	struct script *script;
	struct diagnostics *diagnostics;
	const struct define *define;	/* the command line's */
	unsigned defines;
	struct own_define {		/* --define in the script, the latest first */
		struct own_define *next;
		struct define define;
	} *own;
	unsigned offset;
	int line, column;
	const struct source_text *in;
	struct token_frame *frame;	/* tokens that come before those of the text; tokens.c */
	struct binding *bindings;	/* what words stand for in this row of a table, in this turn of a loop */
	unsigned replayed, included;
	unsigned brackets;		/* ( and [ that are open */
	int previous;			/* the token before, and its place */
	struct place read_place, last_place;	/* of the word read last, and of the one that the grammar got last */
	const struct branch *branch, *left_branch;	/* where events are; the one left last */
	unsigned group, groups;
	const char *wanted_case;	/* "row" or "row,row"; NULL: the first of each table */
	bool failed;
	bool ipv6;
	struct slice option;		/* name of the option whose value comes next */
	struct place open[BRACKETS_KEPT];	/* brackets not closed yet, outermost first */
	unsigned depth;
	struct place condition;		/* the #ifdef that is open; line 0: none */
	struct place string_place;	/* the last string that ran over a line end; line 0: none */
	struct event **tail;
	struct script_option_node {
		struct script_option_node *next;
		struct script_option option;
	} *option_first, *option_last;
	struct undefined_node {
		struct undefined_node *next;
		struct script_undefined undefined;
	} *undefined_first, *undefined_last;
};

/* grammar.y; 0: the text follows the grammar */
int script_grammar(void *scanner, struct parse *parse);

/* expected.c */
const char *expected_list(struct parse *parse, const char **names, unsigned count);

/* parse.c */
void parse_advance(struct parse *parse, struct place *place, const char *text, unsigned length);
void parse_unread(struct parse *parse, const struct place *place);
struct source_span parse_span(const struct place *place);
const char *parse_place_text(const struct parse *parse, const struct place *place);	/* the source from there on */
char *parse_string(struct parse *parse, struct slice text);	/* NUL-terminated copy in the arena */
bool slice_is(struct slice text, const char *word);
bool slice_could_be_define(struct slice word);
bool slice_ends_table(struct slice line);	/* "}" and blanks */
void parse_error(struct parse *parse, const struct place *place, const char *expected, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void parse_syntax_error(struct parse *parse, const struct place *place, bool at_end, const char *expected);
void parse_add_option(struct parse *parse, struct slice name, const struct slice *value, const struct place *place);
struct number parse_word_number(struct parse *parse, struct slice word, const struct place *place);
void parse_undefined(struct parse *parse, struct slice word, const struct place *place);

void parse_variable(struct parse *parse, struct slice name, const struct place *place);
bool parse_is_variable(const struct parse *parse, struct slice name);

/* lexical.c: values of the lexer's words */
int parse_unclosed(struct parse *parse, struct place *place, const char *what, const char *closing);
bool parse_condition_begin(struct parse *parse, struct place *place);	/* #ifdef; false: an error */
bool parse_condition_holds(struct parse *parse, struct slice text);
bool parse_condition_end(struct parse *parse, struct place *place);
bool parse_condition_open(struct parse *parse);
int parse_character(struct parse *parse, struct place *place, unsigned char character);
void parse_option_named(struct parse *parse, struct slice name);
void parse_option_valued(struct parse *parse, struct slice value);
int64_t parse_integer(struct slice digits, int base);
pl_time parse_seconds(struct parse *parse, struct slice digits, const struct place *place);
const char *parse_define(struct parse *parse, const char *word, size_t length);
bool parse_number_define(const char *text, int64_t *value);
bool parse_float_define(const char *text);
void parse_string_seen(struct parse *parse, const struct place *place);
struct bytes parse_unescape(struct parse *parse, struct slice text, const struct place *place);
struct bytes parse_join(struct parse *parse, struct bytes first, struct bytes second);

/* expr.c */
struct expr *expr_new(struct parse *parse, enum expr_kind kind, const struct place *place);
struct expr *expr_integer(struct parse *parse, int64_t value, bool hexadecimal, const struct place *place);
struct expr *expr_word(struct parse *parse, struct slice word, const struct place *place);
struct expr *expr_string(struct parse *parse, struct bytes bytes, bool open_ended, const struct place *place);
struct expr *expr_binary(struct parse *parse, char operator, struct expr *left, struct expr *right, const struct place *place);
struct expr *expr_negative(struct parse *parse, struct expr *operand, const struct place *place);
struct expr *expr_call(struct parse *parse, struct slice name, struct members arguments, const struct place *place);
struct expr *expr_list(struct parse *parse, enum expr_kind kind, struct members members, const struct place *place);
struct members members_add(struct parse *parse, struct members members, struct expr_member member, const struct place *place);
struct expr_member member_named(struct parse *parse, struct slice name, const struct place *place, struct expr *value);
struct expr_member member_called(struct parse *parse, struct expr *call, struct expr *value);
struct expr **expr_arguments(struct parse *parse, struct members arguments);
struct number expr_number(struct parse *parse, const struct expr *expr, const struct place *place);
struct expr *expr_items(struct parse *parse, struct items items, const struct place *place);
struct members mpls_member(struct parse *parse, struct members members, struct items items, const struct place *place);

/* event.c */
void event_add(struct parse *parse, struct timing timing, struct event *event, const struct place *place);
struct event *event_packet(struct parse *parse, bool inbound, struct prefixes prefixes, struct body *body,
			   const struct place *place);
void event_fragment(struct parse *parse, struct event *event, struct items ip, struct number from, struct number until);
struct event *event_call(struct parse *parse, struct slice name, const struct place *name_place, struct members arguments,
			 struct expr *result);
struct event *event_let(struct parse *parse, struct slice name, const struct expr *value);
struct event *event_tunable(struct parse *parse, struct slice name, bool write, const struct expr *value);
struct condition *condition_new(struct parse *parse, struct expr *left, int operator, struct expr *right,
				const struct place *place);
void branch_enter(struct parse *parse, const struct condition *condition, bool otherwise);
void branch_leave(struct parse *parse);
struct expr *expr_let(struct parse *parse, struct slice name, const struct place *place);
void field_late(struct parse *parse, struct layer *layer, enum wire_field field, const struct expr *value);
struct event *event_text(struct parse *parse, enum event_kind kind, struct slice text);
struct timing timing_check(struct parse *parse, struct timing timing, const struct place *place);

/* packet.c */
struct items items_add(struct items items, struct item *item);
struct item *item_new(struct parse *parse, struct slice name, const struct place *place);
struct item *item_number(struct parse *parse, struct slice name, const struct place *place, struct number number);
struct item *item_address(struct parse *parse, struct slice name, const struct place *place, struct slice address,
			  const struct place *address_place);
struct item *item_hardware(struct parse *parse, struct slice name, const struct place *place, struct slice address,
			   const struct place *address_place);
struct item *item_bracket(struct parse *parse, struct slice name, const struct place *place);
void ip_fields(struct parse *parse, struct layer *layer, struct items items);
struct body *body_ip(struct body *body, struct items items);
struct flags flags_parse(struct parse *parse, struct slice word, struct slice dotted, const struct place *place);
struct body *body_tcp(struct parse *parse, struct flags flags, struct sequence sequence, struct items fields,
		      struct tcp_options options, struct bytes payload, const struct place *place);
struct body *body_udp(struct parse *parse, enum layer_kind kind, struct items fields, struct number length,
		      struct bytes payload, const struct place *place);
struct body *body_raw(struct parse *parse, struct items fields, struct number length, struct bytes payload,
		      const struct place *place);
struct body *body_quoted_tcp(struct parse *parse, struct sequence sequence, const struct place *place);
struct body *body_ports(struct parse *parse, struct body *body, struct number source, struct number destination);
struct body *body_encap(struct parse *parse, struct body *body, struct items items, const struct place *place);
struct body *body_new(struct parse *parse, enum layer_kind kind, const struct place *place);
const char *field_names(struct parse *parse, enum layer_kind kind);
void body_payload(struct parse *parse, struct body *body, struct bytes payload);
bool number_fits(struct parse *parse, struct number number, unsigned bits, const char *what);
void field_set(struct parse *parse, struct layer *layer, enum wire_field field, struct number number);
void fields_set(struct parse *parse, struct layer *layer, struct items fields);

/* icmp.c */
struct icmp_text {
	struct slice type, code;
	struct place type_place, code_place;
	bool has_code;
};
struct body *body_icmp(struct parse *parse, struct icmp_text text, struct items fields, struct body *quoted,
		       struct bytes payload, const struct place *place);

/* ipopt.c */
struct ip_slots ip_slots_add(struct parse *parse, struct ip_slots slots, struct ip_slot slot);
struct ip_slot ip_slot_address(struct parse *parse, struct slice address, const struct place *place);
struct ip_slot ip_slot_time(struct ip_slot slot, const struct number *time);
struct atom *atom_slots(struct parse *parse, struct ip_slots slots, const struct place *place);
struct atom *atom_bytes(struct parse *parse, struct bytes bytes, const struct place *place);
struct atom *atom_any(struct parse *parse, const struct place *place);
struct item *item_options(struct parse *parse, struct tcp_options options, const struct place *place);
void ip_options_set(struct parse *parse, struct layer *layer, const struct item *item);

/* igmp.c */
struct igmp_sources igmp_sources_add(struct parse *parse, struct igmp_sources sources, struct slice address,
				     const struct place *place);
struct igmp_list *igmp_record(struct parse *parse, struct slice type, const struct place *place, struct slice group,
			      const struct place *group_place, struct items fields, struct igmp_sources sources,
			      struct bytes aux);
struct body *body_igmp(struct parse *parse, struct items words, struct items fields, struct igmp_text text,
		       struct bytes payload, const struct place *place);

/* prefix.c */
struct prefixes prefix_link(struct parse *parse, struct prefixes prefixes, struct slice name, const struct place *place);
struct prefixes prefix_ip(struct parse *parse, struct prefixes prefixes, enum layer_kind kind, struct items items,
			  struct slice source, struct slice destination, const struct place *source_place,
			  const struct place *destination_place);
struct prefixes prefix_gre(struct parse *parse, struct prefixes prefixes, struct items items, const struct place *place);
struct prefixes prefix_mpls(struct parse *parse, struct prefixes prefixes, struct items items, const struct place *place);

/* link.c: Ethernet headers and ARP */
struct prefixes prefix_ethernet(struct parse *parse, struct prefixes prefixes, struct slice source, struct slice destination,
				const struct number *type, const struct place *place);
struct body *body_arp(struct parse *parse, struct items words, struct items fields, const struct place *place);
void body_frame(struct prefixes prefixes, struct body *body);
int64_t hardware_address(struct slice text);

/* tcpopt.c */
struct atoms atoms_add(struct atoms atoms, struct atom *atom);
struct atom *atom_word(struct parse *parse, struct slice text, const struct place *place);
struct atom *atom_number(struct parse *parse, struct number number, struct slice text, const struct place *place);
struct atom *atom_block(struct parse *parse, struct number from, struct number until, const struct place *place);
struct tcp_options tcp_options_add(struct parse *parse, struct tcp_options options, struct atoms atoms,
				   const struct place *place);
void tcp_options_set(struct parse *parse, struct layer *layer, struct tcp_options options);

#endif
