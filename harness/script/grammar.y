/*
 * The grammar of the script language: packetdrill's, and what Plumbline adds to it in the same look.
 *
 * Line ends mean nothing, so a packet ends where the next event's time begins. That is why arithmetic is only allowed inside
 * brackets and argument lists (after "= 0" a '+' begins the next event), and why the words after which a number follows in a
 * packet are words of the grammar (T_FIELD): "icmp unreachable CODE" may be followed by an event at time 1.
 *
 * Everything that a packet or a TCP option may say is read as names and numbers here and given its meaning in packet.c,
 * icmp.c, prefix.c and tcpopt.c, which know the tables and can say what was expected.
 */
%code requires {
#include "parse.h"
}
%code {
#include "lexer.h"

#define SCRIPT_YYMAXDEPTH 3000
#undef YYMAXDEPTH
#define YYMAXDEPTH SCRIPT_YYMAXDEPTH

/* What a word of a table or a loop stands for has the place of its own text: it may stand before what it is used in. */
#define YYLLOC_DEFAULT(current, rhs, n)                                                                                        \
	do {                                                                                                                   \
		if (n) {                                                                                                       \
			(current) = YYRHSLOC(rhs, 1);                                                                          \
			if (YYRHSLOC(rhs, n).in == (current).in && YYRHSLOC(rhs, n).end >= (current).end) {                    \
				(current).end_line = YYRHSLOC(rhs, n).end_line;                                                \
				(current).end_column = YYRHSLOC(rhs, n).end_column;                                            \
				(current).end = YYRHSLOC(rhs, n).end;                                                          \
			}                                                                                                      \
		} else {                                                                                                       \
			(current) = YYRHSLOC(rhs, 0);                                                                          \
			(current).line = (current).end_line;                                                                   \
			(current).column = (current).end_column;                                                               \
			(current).begin = (current).end;                                                                       \
		}                                                                                                              \
	} while (0)

static void script_yyerror(const struct place *place, yyscan_t scanner, struct parse *parse, const char *message);
}

%define api.pure full
%define api.prefix {script_yy}
%define api.token.prefix {T_}
%define api.location.type {struct place}
%define parse.error custom
%define parse.lac full
%locations
%param {void *scanner}
%parse-param {struct parse *parse}
%initial-action { @$ = (struct place){ 1, 1, 1, 1, 0, 0, NULL }; }

%union {
	struct {
		struct slice text;
		int64_t integer;
	};
	bool inbound;
	pl_time time;
	struct timing timing;
	struct event *event;
	struct expr *expr;
	struct expr_member member;
	struct members members;
	struct bytes bytes;
	struct condition *condition;
	int comparison;
	struct number number;
	struct item *item;
	struct items items;
	struct prefixes prefixes;
	struct body *body;
	struct flags flags;
	struct sequence sequence;
	struct atom *atom;
	struct atoms atoms;
	struct tcp_options tcp_options;
	struct icmp_text icmp;
	struct ip_slots ip_slots;
	struct ip_slot ip_slot;
	struct igmp_text igmp;
	struct igmp_sources igmp_sources;
	struct igmp_list *igmp_record;
}

%token END 0		"end of script"
%token OPTION		"an option"
%token VALUE		"an option's value"
%token INTEGER		"a number"
%token HEX		"a hexadecimal number"
%token FLOAT		"a decimal number"
%token WORD		"a word"
%token FIELD		"a header field"
%token STRING		"a string"
%token COMMAND		"a command in backticks"
%token CODE		"Python code"
%token IPV4_ADDRESS	"an IPv4 address"
%token IPV6_ADDRESS	"an IPv6 address"
%token HWADDR		"a hardware address"
%token ELLIPSIS		"..."
%token LEFT		"<<"
%token RIGHT		">>"
%token IPV4 "ipv4" IPV6 "ipv6" GRE "gre" MPLS "mpls" ENCAP "encap"
%token ICMP "icmp" IGMP "igmp" UDP "udp" UDPLITE "udplite" RAW "raw"
%token SYSCTL "sysctl" PATH "a tunable's name" LET "let" IF "if" ELSE "else" ANY "any" ORDER "order"
%token EQUAL "==" UNEQUAL "!=" AT_MOST "<=" AT_LEAST ">="
%token REPEAT "repeat" INCLUDE "include" TABLE "table" ROW "a row" TABLE_END "}"
%token ARP "arp" ETH "eth" FRAGMENT "fragment" OF "of"
%token FLAGS "flags" LABEL "label" EXPECT "expect" NOTHING "nothing" FOR "for"

%type <text> name IPV4 IPV6 GRE MPLS ENCAP ICMP IGMP UDP UDPLITE RAW FLAGS LABEL EXPECT NOTHING FOR
%type <text> SYSCTL PATH LET IF ELSE ANY ORDER REPEAT INCLUDE ARP ETH FRAGMENT OF HWADDR hwaddr
%type <text> OPTION VALUE INTEGER HEX FLOAT WORD FIELD STRING COMMAND CODE IPV4_ADDRESS IPV6_ADDRESS errno
%type <timing> time_rule
%type <time> time seconds
%type <event> action call invoked
%type <inbound> direction
%type <prefixes> prefixes
%type <body> body headed tcp udp icmp igmp raw arp quoted
%type <items> ip_head ip_items fields arp_words gre_items gre_words mpls_items encap
%type <item> ip_item gre_item gre_word mpls_item
%type <flags> flags
%type <sequence> sequence
%type <number> unsigned number quantity port
%type <tcp_options> tcp_options tcp_option_list
%type <atoms> tcp_option
%type <atom> atom
%type <condition> condition
%type <comparison> comparison
%type <bytes> payload strings
%type <icmp> icmp_type
%type <tcp_options> ip_options
%type <atoms> ip_option
%type <atom> ip_atom
%type <ip_slots> ip_slots
%type <ip_slot> ip_slot
%type <items> words
%type <igmp> igmp_list
%type <igmp_sources> addresses address_list
%type <igmp_record> igmp_records igmp_record
%type <members> arguments elements members structure
%type <member> element
%type <expr> expr primary invocation result result_part

%left '|'
%left '&'
%left LEFT RIGHT
%left '+' '-'
%left '*' '/'
%precedence NEGATIVE

%%

script: options init events cleanup ;

options:
	%empty
|	options option
;

option:
	OPTION				{ parse_add_option(parse, $1, NULL, &@$); }
|	OPTION '=' VALUE		{ parse_add_option(parse, $1, &$3, &@$); }
;

init:
	%empty
|	COMMAND				{ parse->script->init_command = parse_string(parse, $1);
					  parse->script->init_span = parse_span(&@1); }
;

cleanup:
	%empty
|	COMMAND				{ parse->script->cleanup_command = parse_string(parse, $1);
					  parse->script->cleanup_span = parse_span(&@1); }
;

events:
	item
|	events item
;

item:
	event
|	IF condition '{'		{ branch_enter(parse, $2, false); }
	events '}'			{ branch_leave(parse); }
	otherwise
|	ANY ORDER '{'			{ parse->group = ++parse->groups; }
	events '}'			{ parse->group = 0; }
;

otherwise:
	%empty
|	ELSE '{'			{ branch_enter(parse, parse->left_branch->condition, true); }
	events '}'			{ branch_leave(parse); }
;

condition:
	expr comparison expr		{ $$ = condition_new(parse, $1, $2, $3, &@$); }
;

comparison:
	EQUAL				{ $$ = CONDITION_EQUAL; }
|	UNEQUAL				{ $$ = CONDITION_UNEQUAL; }
|	'<'				{ $$ = CONDITION_LESS; }
|	'>'				{ $$ = CONDITION_GREATER; }
|	AT_MOST				{ $$ = CONDITION_AT_MOST; }
|	AT_LEAST			{ $$ = CONDITION_AT_LEAST; }
;

event:
	time_rule action		{ event_add(parse, $1, $2, &@$); }
;

/* Times. */

time_rule:
	'+' time			{ $$ = (struct timing){ TIME_RELATIVE, $2, 0, @$ }; }
|	time				{ $$ = (struct timing){ TIME_ABSOLUTE, $1, 0, @$ }; }
|	'*'				{ $$ = (struct timing){ TIME_ANY, 0, 0, @$ }; }
|	time '~' time			{ $$ = timing_check(parse, (struct timing){ TIME_ABSOLUTE_RANGE, $1, $3, @$ }, &@$); }
|	'+' time '~' '+' time		{ $$ = timing_check(parse, (struct timing){ TIME_RELATIVE_RANGE, $2, $5, @$ }, &@$); }
;

time:
	seconds
|	'-' seconds			{ $$ = 0; parse_error(parse, &@$, "a time of 0 or more", "a time cannot be negative"); }
;

seconds:
	INTEGER				{ $$ = parse_seconds(parse, $1, &@1); }
|	FLOAT				{ $$ = parse_seconds(parse, $1, &@1); }
;

action:
	direction prefixes headed	{ $$ = event_packet(parse, $1, $2, $3, &@$); }
|	direction prefixes FRAGMENT ip_head unsigned ':' unsigned OF headed
					{ $$ = event_packet(parse, $1, $2, $9, &@$); event_fragment(parse, $$, $4, $5, $7); }
|	direction prefixes INTEGER ':' {
		parse_error(parse, &@3, "flags such as S or P., or - for none",
			    "the TCP flags are missing before the sequence numbers");
		$$ = NULL;
		YYABORT;
	}
|	call
|	COMMAND				{ $$ = event_text(parse, EVENT_COMMAND, $1); }
|	CODE				{ $$ = event_text(parse, EVENT_CODE, $1); }
|	LET name '=' result		{ $$ = event_let(parse, $2, $4); parse_variable(parse, $2, &@2); }
|	SYSCTL PATH EQUAL result	{ $$ = event_tunable(parse, $2, false, $4); }
|	SYSCTL PATH '=' result errno note {
		$$ = event_tunable(parse, $2, true, $4);
		if ($5.length) {
			$$->tunable->errno_name = parse_string(parse, $5);
			$$->tunable->errno_span = parse_span(&@5);
		}
	}
|	EXPECT NOTHING FOR time		{ $$ = event_text(parse, EVENT_NOTHING, $1); $$->quiet = $4; }
;

/* Calls. */

call:
	invoked
|	ELLIPSIS time invoked		{ $$ = $3; $$->call->blocking = true; $$->call->end = $2; }
;

invoked:
	name arguments '=' result errno note {
		$$ = event_call(parse, $1, &@1, $2, $4);
		if ($5.length) {
			$$->call->errno_name = parse_string(parse, $5);
			$$->call->errno_span = parse_span(&@5);
		}
		if (@6.end > @6.begin)
			$$->call->note = parse_string(parse, (struct slice){ parse_place_text(parse, &@6) + 1,
									    @6.end - @6.begin - 2 });
	}
;

arguments:
	'(' ')'				{ $$ = (struct members){ 0 }; }
|	'(' elements ')'		{ $$ = $2; }
;

result:
	result_part
|	result '|' result_part		{ $$ = expr_binary(parse, '|', $1, $3, &@$); }
;

result_part:
	INTEGER				{ $$ = expr_integer(parse, $<integer>1, false, &@1); }
|	HEX				{ $$ = expr_integer(parse, $<integer>1, true, &@1); }
|	'-' result_part			{ $$ = expr_negative(parse, $2, &@$); }
|	WORD				{ $$ = expr_word(parse, $1, &@1); }
|	ELLIPSIS			{ $$ = expr_new(parse, EXPR_ELLIPSIS, &@1); }
|	LET name			{ $$ = expr_let(parse, $2, &@2); }
|	strings				{ $$ = expr_string(parse, $1, false, &@1); }
|	'(' expr ')'			{ $$ = $2; }
|	'[' ']'				{ $$ = expr_list(parse, EXPR_LIST, (struct members){ 0 }, &@$); }
|	'[' elements ']'		{ $$ = expr_list(parse, EXPR_LIST, $2, &@$); }
|	'{' structure '}'		{ $$ = expr_list(parse, EXPR_STRUCT, $2, &@$); }
;

errno:
	%empty				{ $$ = (struct slice){ "", 0 }; }
|	WORD {
		$$ = $1;
		if (!slice_could_be_define($1)) {
			parse_error(parse, &@1, "an error such as EINVAL, or the time of the next event", "unexpected '%.*s'",
				    (int)$1.length, $1.at);
			YYABORT;
		}
	}
;

note:
	%empty
|	'(' note_words ')'
;

note_words:
	note_word
|	note_words note_word
;

note_word:
	name | INTEGER | HEX | FLOAT | '-' | ',' | '.' | '/' | ':' | '|' | ';'
;

/* Expressions. */

expr:
	primary
|	expr '|' expr			{ $$ = expr_binary(parse, '|', $1, $3, &@$); }
|	expr '&' expr			{ $$ = expr_binary(parse, '&', $1, $3, &@$); }
|	expr LEFT expr			{ $$ = expr_binary(parse, '<', $1, $3, &@$); }
|	expr RIGHT expr			{ $$ = expr_binary(parse, '>', $1, $3, &@$); }
|	expr '+' expr			{ $$ = expr_binary(parse, '+', $1, $3, &@$); }
|	expr '-' expr			{ $$ = expr_binary(parse, '-', $1, $3, &@$); }
|	expr '*' expr			{ $$ = expr_binary(parse, '*', $1, $3, &@$); }
|	expr '/' expr			{ $$ = expr_binary(parse, '/', $1, $3, &@$); }
|	'-' expr %prec NEGATIVE		{ $$ = expr_negative(parse, $2, &@$); }
;

primary:
	ELLIPSIS			{ $$ = expr_new(parse, EXPR_ELLIPSIS, &@1); }
|	LET name			{ $$ = expr_let(parse, $2, &@2); }
|	INTEGER				{ $$ = expr_integer(parse, $<integer>1, false, &@1); }
|	HEX				{ $$ = expr_integer(parse, $<integer>1, true, &@1); }
|	FLOAT				{ $$ = expr_new(parse, EXPR_FLOAT, &@1); $$->real = strtod($1.at, NULL); $$->word = parse_string(parse, $1); }
|	strings				{ $$ = expr_string(parse, $1, false, &@1); }
|	strings ELLIPSIS		{ $$ = expr_string(parse, $1, true, &@$); }
|	name				{ $$ = expr_word(parse, $1, &@1); }
|	invocation
|	'(' expr ')'			{ $$ = $2; }
|	'[' ']'				{ $$ = expr_list(parse, EXPR_LIST, (struct members){ 0 }, &@$); }
|	'[' elements ']'		{ $$ = expr_list(parse, EXPR_LIST, $2, &@$); }
|	'{' structure '}'		{ $$ = expr_list(parse, EXPR_STRUCT, $2, &@$); }
;

invocation:
	name arguments			{ $$ = expr_call(parse, $1, $2, &@$); }
;

elements:
	element				{ $$ = members_add(parse, (struct members){ 0 }, $1, &@1); }
|	elements ',' element		{ $$ = members_add(parse, $1, $3, &@3); }
;

element:
	expr				{ $$ = (struct expr_member){ .value = $1 }; }
|	name '=' expr			{ $$ = member_named(parse, $1, &@1, $3); }
|	invocation '=' expr		{ $$ = member_called(parse, $1, $3); }
;

structure:
	%empty				{ $$ = (struct members){ 0 }; }
|	elements
|	members
|	gre_items			{ $$ = (struct members){ 0 };
					  $$ = members_add(parse, $$, (struct expr_member){ .name = "gre",
							   .value = expr_items(parse, $1, &@1) }, &@1); }
;

/* A stack of MPLS labels as a value. */
members:
	'(' mpls_items ')'		{ $$ = mpls_member(parse, (struct members){ 0 }, $2, &@$); }
|	members '(' mpls_items ')'	{ $$ = mpls_member(parse, $1, $3, &@$); }
;

strings:
	STRING				{ $$ = parse_unescape(parse, $1, &@1); }
|	strings STRING			{ $$ = parse_join(parse, $1, parse_unescape(parse, $2, &@2)); $$.place = @$; }
;

name:
	WORD | FIELD | IPV4 | IPV6 | GRE | MPLS | ENCAP | ICMP | IGMP | UDP | UDPLITE | RAW | FLAGS | LABEL
|	EXPECT | NOTHING | FOR | ARP | ETH | FRAGMENT | OF | REPEAT | INCLUDE | LET | IF | ELSE | ANY | ORDER
;

/* Packets. */

direction:
	'<'				{ $$ = true; }
|	'>'				{ $$ = false; }
;

prefixes:
	%empty				{ $$ = (struct prefixes){ 0 }; }
|	prefixes WORD ':'		{ $$ = prefix_link(parse, $1, $2, &@2); }
|	prefixes IPV4 ip_head IPV4_ADDRESS '>' IPV4_ADDRESS ':'
					{ $$ = prefix_ip(parse, $1, LAYER_IPV4, $3, $4, $6, &@4, &@6); }
|	prefixes IPV6 ip_head IPV6_ADDRESS '>' IPV6_ADDRESS ':'
					{ $$ = prefix_ip(parse, $1, LAYER_IPV6, $3, $4, $6, &@4, &@6); }
|	prefixes ETH hwaddr '>' hwaddr ':'
					{ $$ = prefix_ethernet(parse, $1, $3, $5, NULL, &@2); }
|	prefixes ETH hwaddr '>' hwaddr FIELD number ':' {
		$$ = prefix_ethernet(parse, $1, $3, $5, &$7, &@2);
		if (!slice_is($6, "type"))
			parse_error(parse, &@6, "type", "an Ethernet header has no field '%.*s'", (int)$6.length, $6.at);
	}
|	prefixes GRE ':'		{ $$ = prefix_gre(parse, $1, (struct items){ 0 }, &@2); }
|	prefixes GRE comma gre_items ':'
					{ $$ = prefix_gre(parse, $1, $4, &@4); }
|	prefixes MPLS labels ':'	{ $$ = $<prefixes>3; }
;

hwaddr:
	HWADDR
|	ELLIPSIS			{ $$ = (struct slice){ "", 0 }; }
;

labels:
	%empty				{ $<prefixes>$ = $<prefixes>-1; }
|	labels '(' mpls_items ')'	{ $<prefixes>$ = prefix_mpls(parse, $<prefixes>1, $3, &@$); }
;

mpls_items:
	LABEL unsigned			{ $$ = items_add((struct items){ 0 }, item_number(parse, $1, &@1, $2)); }
|	mpls_items ',' mpls_item	{ $$ = items_add($1, $3); }
;

mpls_item:
	name number			{ $$ = item_number(parse, $1, &@1, $2); }
|	'[' name ']'			{ $$ = item_bracket(parse, $2, &@$); }
;

comma:
	%empty | ','
;

gre_items:
	FLAGS '[' gre_words ']'		{ $$ = $3; }
|	FLAGS unsigned			{ $$ = items_add((struct items){ 0 }, item_number(parse, $1, &@1, $2)); }
|	gre_items comma gre_item	{ $$ = items_add($1, $3); }
;

gre_item:
	name number			{ $$ = item_number(parse, $1, &@1, $2); }
|	name '=' number			{ $$ = item_number(parse, $1, &@1, $3); }
;

gre_words:
	gre_word			{ $$ = items_add((struct items){ 0 }, $1); }
|	gre_words ',' gre_word		{ $$ = items_add($1, $3); }
;

gre_word:
	name				{ $$ = item_bracket(parse, $1, &@1); }
|	name name			{ $$ = item_bracket(parse, $1, &@1);
					  if (!slice_is($2, "present"))
						parse_error(parse, &@2, "present", "unknown GRE flag"); }
;

headed:
	body
|	'(' ip_items ')' body		{ $$ = body_ip($4, $2); }
|	'[' ip_items ']' body		{ $$ = body_ip($4, $2); }
;

ip_head:
	%empty				{ $$ = (struct items){ 0 }; }
|	'(' ip_items ')'		{ $$ = $2; }
|	'[' ip_items ']'		{ $$ = $2; }
;

ip_items:
	ip_item				{ $$ = items_add((struct items){ 0 }, $1); }
|	ip_items ',' ip_item		{ $$ = items_add($1, $3); }
;

ip_item:
	name				{ $$ = item_new(parse, $1, &@1); }
|	name number			{ $$ = item_number(parse, $1, &@1, $2); }
|	name IPV4_ADDRESS		{ $$ = item_address(parse, $1, &@1, $2, &@2); }
|	'<' ip_options '>'		{ $$ = item_options(parse, $2, &@$); }
|	'<' ELLIPSIS '>'		{ $$ = item_options(parse, (struct tcp_options){ .given = true, .any = true }, &@$); }
;

ip_options:
	ip_option			{ $$ = tcp_options_add(parse, (struct tcp_options){ 0 }, $1, &@1); }
|	ip_options ',' ip_option	{ $$ = tcp_options_add(parse, $1, $3, &@3); }
;

ip_option:
	name				{ $$ = atoms_add((struct atoms){ 0 }, atom_word(parse, $1, &@1)); }
|	ip_option ip_atom		{ $$ = atoms_add($1, $2); }
;

ip_atom:
	name				{ $$ = atom_word(parse, $1, &@1); }
|	INTEGER				{ $$ = atom_number(parse, (struct number){ $<integer>1, .place = @1 }, $1, &@1); }
|	HEX				{ $$ = atom_number(parse, (struct number){ $<integer>1, .place = @1 }, $1, &@1); }
|	quantity			{ $$ = atom_number(parse, $1, (struct slice){ "(", 1 }, &@1); }
|	STRING				{ $$ = atom_bytes(parse, parse_unescape(parse, $1, &@1), &@1); }
|	ELLIPSIS			{ $$ = atom_any(parse, &@1); }
|	'{' '}'				{ $$ = atom_slots(parse, (struct ip_slots){ 0 }, &@$); }
|	'{' ip_slots '}'		{ $$ = atom_slots(parse, $2, &@$); }
;

ip_slots:
	ip_slot				{ $$ = ip_slots_add(parse, (struct ip_slots){ 0 }, $1); }
|	ip_slots ',' ip_slot		{ $$ = ip_slots_add(parse, $1, $3); }
;

ip_slot:
	IPV4_ADDRESS			{ $$ = ip_slot_address(parse, $1, &@1); }
|	IPV4_ADDRESS '=' unsigned	{ $$ = ip_slot_time(ip_slot_address(parse, $1, &@1), &$3); }
|	IPV4_ADDRESS '=' ELLIPSIS	{ $$ = ip_slot_time(ip_slot_address(parse, $1, &@1), NULL); }
|	unsigned			{ $$ = ip_slot_time((struct ip_slot){ .place = @1 }, &$1); }
|	ELLIPSIS			{ $$ = ip_slot_time((struct ip_slot){ .place = @1 }, NULL); }
;

body:
	tcp
|	encap tcp			{ $$ = body_encap(parse, $2, $1, &@1); }
|	udp | icmp | igmp | raw | arp
;

encap:
	ENCAP name name number		{ $$ = items_add((struct items){ 0 }, item_new(parse, $2, &@2));
					  $$ = items_add($$, item_number(parse, $3, &@3, $4)); }
;

tcp:
	flags sequence fields tcp_options payload
					{ $$ = body_tcp(parse, $1, $2, $3, $4, $5, &@$); }
|	unsigned '>' port flags sequence fields tcp_options payload
					{ $$ = body_ports(parse, body_tcp(parse, $4, $5, $6, $7, $8, &@$), $1, $3); }
;

flags:
	WORD				{ $$ = flags_parse(parse, $1, (struct slice){ "", 0 }, &@$); }
|	WORD '.'			{ $$ = flags_parse(parse, $1, (struct slice){ ".", 1 }, &@$); }
|	WORD FLOAT			{ $$ = flags_parse(parse, $1, $2, &@$); }
|	FLOAT				{ $$ = flags_parse(parse, (struct slice){ "", 0 }, $1, &@$); }
|	'.'				{ $$ = flags_parse(parse, (struct slice){ "", 0 }, (struct slice){ ".", 1 }, &@$); }
|	'-'				{ $$ = flags_parse(parse, (struct slice){ "", 0 }, (struct slice){ "", 0 }, &@$); }
;

sequence:
	unsigned ':' unsigned quantity	{ $$ = (struct sequence){ $1, $3, $4, @$ }; }
;

fields:
	%empty				{ $$ = (struct items){ 0 }; }
|	fields FIELD number		{ $$ = items_add($1, item_number(parse, $2, &@2, $3)); }
|	fields FIELD IPV4_ADDRESS	{ $$ = items_add($1, item_address(parse, $2, &@2, $3, &@3)); }
|	fields FIELD HWADDR		{ $$ = items_add($1, item_hardware(parse, $2, &@2, $3, &@3)); }
;

tcp_options:
	%empty				{ $$ = (struct tcp_options){ 0 }; }
|	'<' tcp_option_list '>'		{ $$ = $2; $$.place = @$; }
|	'<' ELLIPSIS '>'		{ $$ = (struct tcp_options){ .given = true, .any = true, .place = @$ }; }
;

tcp_option_list:
	tcp_option			{ $$ = tcp_options_add(parse, (struct tcp_options){ 0 }, $1, &@1); }
|	tcp_option_list ',' tcp_option	{ $$ = tcp_options_add(parse, $1, $3, &@3); }
;

tcp_option:
	name				{ $$ = atoms_add((struct atoms){ 0 }, atom_word(parse, $1, &@1)); }
|	tcp_option atom			{ $$ = atoms_add($1, $2); }
;

atom:
	name				{ $$ = atom_word(parse, $1, &@1); }
|	INTEGER				{ $$ = atom_number(parse, (struct number){ $<integer>1, .place = @1 }, $1, &@1); }
|	HEX				{ $$ = atom_number(parse, (struct number){ $<integer>1, .place = @1 }, $1, &@1); }
|	'-' INTEGER			{ $$ = atom_number(parse, (struct number){ -$<integer>2, .place = @$ }, $2, &@$); }
|	unsigned ':' unsigned		{ $$ = atom_block(parse, $1, $3, &@$); }
;

payload:
	%empty				{ $$ = (struct bytes){ 0 }; }
|	strings
;

udp:
	UDP quantity fields payload	{ $$ = body_udp(parse, LAYER_UDP, $3, $2, $4, &@$); }
|	UDP port '>' port quantity fields payload
					{ $$ = body_ports(parse, body_udp(parse, LAYER_UDP, $6, $5, $7, &@$), $2, $4); }
|	UDPLITE quantity fields payload	{ $$ = body_udp(parse, LAYER_UDPLITE, $3, $2, $4, &@$); }
|	UDPLITE port '>' port quantity fields payload
					{ $$ = body_ports(parse, body_udp(parse, LAYER_UDPLITE, $6, $5, $7, &@$), $2, $4); }
;

raw:
	RAW fields quantity payload	{ $$ = body_raw(parse, $2, $3, $4, &@$); }
;

igmp:
	IGMP words fields igmp_list payload
					{ $$ = body_igmp(parse, $2, $3, $4, $5, &@$); }
;

words:
	%empty				{ $$ = (struct items){ 0 }; }
|	WORD				{ $$ = items_add((struct items){ 0 }, item_new(parse, $1, &@1)); }
|	WORD WORD			{ $$ = items_add((struct items){ 0 }, item_new(parse, $1, &@1));
					  $$ = items_add($$, item_new(parse, $2, &@2)); }
;

igmp_list:
	%empty				{ $$ = (struct igmp_text){ 0 }; }
|	'[' ']'				{ $$ = (struct igmp_text){ .place = @$ }; }
|	'[' igmp_records ']'		{ $$ = (struct igmp_text){ .records = $2, .place = @$ }; }
|	'{' addresses '}'		{ $$ = (struct igmp_text){ .sources = $2, .place = @$ }; }
;

igmp_records:
	igmp_record
|	igmp_records ',' igmp_record	{ $$ = $3; $$->next = $1; }
;

igmp_record:
	WORD IPV4_ADDRESS fields payload
					{ $$ = igmp_record(parse, $1, &@1, $2, &@2, $3, (struct igmp_sources){ 0 }, $4); }
|	WORD IPV4_ADDRESS fields '{' addresses '}' payload
					{ $$ = igmp_record(parse, $1, &@1, $2, &@2, $3, $5, $7); }
;

addresses:
	%empty				{ $$ = (struct igmp_sources){ .given = true }; }
|	address_list
;

address_list:
	IPV4_ADDRESS			{ $$ = igmp_sources_add(parse, (struct igmp_sources){ 0 }, $1, &@1); }
|	address_list ',' IPV4_ADDRESS	{ $$ = igmp_sources_add(parse, $1, $3, &@3); }
;

arp:
	ARP arp_words fields		{ $$ = body_arp(parse, $2, $3, &@$); }
;

arp_words:
	%empty				{ $$ = (struct items){ 0 }; }
|	arp_words WORD			{ $$ = items_add($1, item_new(parse, $2, &@2)); }
|	arp_words WORD IPV4_ADDRESS	{ $$ = items_add($1, item_address(parse, $2, &@2, $3, &@3)); }
|	arp_words WORD HWADDR		{ $$ = items_add($1, item_hardware(parse, $2, &@2, $3, &@3)); }
;

icmp:
	ICMP icmp_type fields		{ $$ = body_icmp(parse, $2, $3, NULL, (struct bytes){ 0 }, &@$); }
|	ICMP icmp_type fields '[' quoted ']' payload
					{ $$ = body_icmp(parse, $2, $3, $5, $7, &@$); }
;

icmp_type:
	WORD				{ $$ = (struct icmp_text){ .type = $1, .type_place = @1 }; }
|	WORD WORD			{ $$ = (struct icmp_text){ $1, $2, @1, @2, true }; }
;

quoted:
	sequence			{ $$ = body_quoted_tcp(parse, $1, &@1); }
|	headed
;

/* Numbers in packets. Without a sign where a '-' could be a TCP flag. */

unsigned:
	INTEGER				{ $$ = (struct number){ $<integer>1, .place = @1 }; }
|	HEX				{ $$ = (struct number){ $<integer>1, .place = @1 }; }
|	WORD				{ $$ = parse_word_number(parse, $1, &@1); }
;

number:
	unsigned
|	'-' unsigned			{ $$ = $2; $$.value = -$2.value; $$.place = @$; }
|	quantity
;

port:
	unsigned
|	quantity
;

quantity:
	'(' expr ')'			{ $$ = expr_number(parse, $2, &@2); }
;

%%

static void script_yyerror(const struct place *place, yyscan_t scanner, struct parse *parse, const char *message)
{
	(void)scanner;
	parse_error(parse, place, NULL, "%s", message);
}

static int yyreport_syntax_error(const yypcontext_t *context, void *scanner, struct parse *parse)
{
	yysymbol_kind_t could[YYNTOKENS];
	const char *names[YYNTOKENS];
	int count = yypcontext_expected_tokens(context, could, YYNTOKENS);

	(void)scanner;
	for (int i = 0; i < count; i++)
		names[i] = yysymbol_name(could[i]);
	parse_syntax_error(parse, yypcontext_location(context), yypcontext_token(context) == YYSYMBOL_YYEOF,
			   expected_list(parse, names, count > 0 ? (unsigned)count : 0));
	return 0;
}

int script_grammar(void *scanner, struct parse *parse)
{
	return script_yyparse(scanner, parse);
}
