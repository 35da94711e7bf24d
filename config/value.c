/* SPDX-License-Identifier: BSD-3-Clause */
/* value: one option's value from text, to text, and what is allowed; the contract is in option.h.
 */
#include "option.h"

#include "wire/eth_hdr.h"
#include "wire/ip4_addr.h"

#include <inttypes.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* The largest first; a size may do without, a time may not. */
static const struct unit sizes[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}, {0}};
static const struct unit times[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {0}};
static const struct unit numbers[] = {{"", 1}, {0}};

static const struct unit *units_of(const struct option *o)
{
	return o->type == SIZE ? sizes : o->type == TIME ? times : numbers;
}

static const struct word *word_find(const struct word *words, const char *text)
{
	for (const struct word *w = words; w && w->name; w++)
		if (strcmp(w->name, text) == 0)
			return w;
	return NULL;
}

/* Little-endian, so that any width of member is the low bytes of v. */
static void store(const struct option *o, void *base, uint64_t v)
{
	memcpy((char *)base + o->offset, &v, o->size);
}

static uint64_t load(const struct option *o, const void *base)
{
	uint64_t v = 0;

	memcpy(&v, (const char *)base + o->offset, o->size);
	return v;
}

/* Decimal digits without leading zeros, then one of the units. */
static enum value_verdict parse_number(const struct option *o, const char *text, void *base)
{
	const struct unit *u = units_of(o);
	const char *at = text;
	uint64_t v = 0;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *at - '0', &v))
			return VALUE_RANGE;
	if (o->max == 0 || at == text || (*text == '0' && at != text + 1))
		return VALUE_FORM;
	while (u->name && strcmp(u->name, at) != 0)
		u++;
	if (u->name == NULL)
		return VALUE_FORM;
	if (__builtin_mul_overflow(v, u->factor, &v) || v < o->min || v > o->max)
		return VALUE_RANGE;
	store(o, base, v);
	return VALUE_OK;
}

static enum value_verdict parse_text(const struct option *o, const char *text, void *base)
{
	size_t length = strlen(text), most = o->type == NAME ? o->max : o->size - 1;

	for (const char *at = text; *at; at++) {
		bool letter = (*at | 0x20) >= 'a' && (*at | 0x20) <= 'z';
		bool digit = *at >= '0' && *at <= '9';

		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return VALUE_FORM;
		if (o->type == NAME && !letter && !digit && *at != '-' && *at != '_')
			return VALUE_FORM;
	}
	if (length == 0 && (o->type == NAME || o->def == NULL))
		return VALUE_FORM;
	if (length > most)
		return VALUE_LONG;
	memset((char *)base + o->offset, 0, o->size);
	memcpy((char *)base + o->offset, text, length);
	return VALUE_OK;
}

static enum value_verdict parse_prefix(const struct option *o, const char *text, void *base)
{
	struct ip4_prefix p;
	enum ip4_prefix_verdict v = ip4_prefix_parse(text, &p);

	if (v == IP4_PREFIX_HOST_BITS && o->type == PREFIX)
		return VALUE_HOST_BITS;
	if (v != IP4_PREFIX_OK && v != IP4_PREFIX_HOST_BITS)
		return VALUE_FORM;
	store(o, base, p.addr);
	((uint8_t *)base)[o->offset + sizeof(p.addr)] = p.len;
	return VALUE_OK;
}

/* "198.18.0.254:7" */
static enum value_verdict parse_endpoint(const struct option *o, const char *text, void *base)
{
	const struct option number = {.type = NUMBER, .size = sizeof(uint16_t), .max = UINT16_MAX};
	const char *colon = strchr(text, ':');
	char host[IP4_ADDR_TEXT];
	uint32_t addr;
	uint16_t port = 0;
	enum value_verdict v;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return VALUE_FORM;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	if (!ip4_addr_parse(host, &addr))
		return VALUE_FORM;
	v = parse_number(&number, colon + 1, &port);
	if (v != VALUE_OK || port == 0)
		return v == VALUE_OK ? VALUE_RANGE : v;
	store(o, base, addr);
	memcpy((char *)base + o->offset + sizeof(addr), &port, sizeof(port));
	return VALUE_OK;
}

/* "80", "8000-8010" */
static enum value_verdict parse_ports(const struct option *o, const char *text, void *base)
{
	const struct option number = {.type = NUMBER,
		.size = sizeof(uint16_t),
		.min = o->max ? o->min : 1,
		.max = o->max ? o->max : UINT16_MAX};
	char first[8];
	const char *dash = strchr(text, '-');
	uint16_t ports[2];
	enum value_verdict v;

	if (dash != NULL && (size_t)(dash - text) >= sizeof(first))
		return VALUE_FORM;
	snprintf(first, sizeof(first), "%.*s",
		dash == NULL ? (int)sizeof(first) - 1 : (int)(dash - text), text);
	v = parse_number(&number, dash == NULL ? text : first, &ports[0]);
	ports[1] = ports[0];
	if (v == VALUE_OK && dash != NULL)
		v = parse_number(&number, dash + 1, &ports[1]);
	if (v == VALUE_OK && ports[1] < ports[0])
		v = VALUE_RANGE;
	if (v == VALUE_OK)
		memcpy((char *)base + o->offset, ports, sizeof(ports));
	return v;
}

enum value_verdict value_parse(const struct option *o, const char *text, void *base)
{
	static const struct word booleans[] = {{"false", 0}, {"true", 1}, {NULL, 0}};
	const struct word *w = word_find(o->type == BOOLEAN ? booleans : o->words, text);
	uint8_t mac[ETH_MAC_LEN];
	uint32_t addr;

	if (w) {
		store(o, base, w->value);
		return VALUE_OK;
	}
	switch (o->type) {
	case NUMBER:
	case SIZE:
	case TIME:
		return parse_number(o, text, base);
	case TEXT:
	case NAME:
		return parse_text(o, text, base);
	case MAC:
		if (!eth_mac_parse(text, mac) || !eth_is_unicast(mac))
			return VALUE_FORM;
		memcpy((char *)base + o->offset, mac, sizeof(mac));
		return VALUE_OK;
	case ADDRESS:
		if (!ip4_addr_parse(text, &addr))
			return VALUE_FORM;
		store(o, base, addr);
		return VALUE_OK;
	case PREFIX:
	case NETWORK:
		return parse_prefix(o, text, base);
	case ENDPOINT:
		return parse_endpoint(o, text, base);
	case PORTS:
		return parse_ports(o, text, base);
	default:
		return VALUE_FORM;
	}
}

static char *number_text(const struct option *o, uint64_t v, char text[VALUE_TEXT])
{
	const struct unit *u = units_of(o);

	while (v % u->factor || (v == 0 && u->factor > 1000))
		u++;
	snprintf(text, VALUE_TEXT, "%" PRIu64 "%s", v / u->factor, u->name);
	return text;
}

char *value_text(const struct option *o, const void *base, char text[VALUE_TEXT])
{
	const char *field = (const char *)base + o->offset;
	uint64_t v = o->size <= sizeof(v) ? load(o, base) : 0;
	char host[IP4_PREFIX_TEXT];
	uint16_t port;

	if (o->words && (o->type != MAC || eth_is_zero((const uint8_t *)field)))
		for (const struct word *w = o->words; w->name; w++)
			if (w->value == v || o->size == 0) {
				snprintf(text, VALUE_TEXT, "%s", w->name);
				return text;
			}
	switch (o->type) {
	case BOOLEAN:
		snprintf(text, VALUE_TEXT, "%s", v ? "true" : "false");
		break;
	case TEXT:
	case NAME:
		snprintf(text, VALUE_TEXT, "%s", field);
		break;
	case MAC:
		eth_mac_text((const uint8_t *)field, text);
		break;
	case ADDRESS:
		ip4_addr_text((uint32_t)v, text);
		break;
	case PREFIX:
	case NETWORK:
		ip4_prefix_text((struct ip4_prefix){(uint32_t)v, (uint8_t)field[4]}, text);
		break;
	case PORTS:
		memcpy(&port, field + sizeof(port), sizeof(port));
		if (v == port)
			snprintf(text, VALUE_TEXT, "%u", port);
		else
			snprintf(text, VALUE_TEXT, "%u-%u", (unsigned int)v, port);
		break;
	case ENDPOINT:
		memcpy(&port, field + sizeof(uint32_t), sizeof(port));
		snprintf(text, VALUE_TEXT, "%s:%u", ip4_addr_text((uint32_t)v, host), port);
		break;
	default:
		number_text(o, v, text);
	}
	return text;
}

/* "off, loose or strict"; or what comes after something else: ", off or auto" */
static void words_allowed(const struct word *words, bool first, FILE *out)
{
	for (const struct word *w = words; w && w->name; w++, first = false)
		fprintf(out, "%s%s", first ? "" : w[1].name ? ", " : " or ", w->name);
}

static void numbers_allowed(const struct option *o, FILE *out)
{
	char low[VALUE_TEXT], high[VALUE_TEXT];

	if (o->max)
		fprintf(out, "%s to %s%s%s", number_text(o, o->min, low),
			number_text(o, o->max, high), o->unit ? " " : "", o->unit ? o->unit : "");
	if (o->type != NUMBER)
		fputs(o->type == SIZE ? " (in K, M or G)" : " (in ms, s, m or h)", out);
	words_allowed(o->words, o->max == 0, out);
}

static void list_allowed(const struct option *o, FILE *out)
{
	if (o->alone)
		value_allowed(o->alone, out);
	if (o->alone == o->of->options) {
		fputs(", or a list of them", out);
		return;
	}
	fputs(o->alone ? ", or a list, each " : "a list, each ", out);
	if (o->of->scalar)
		value_allowed(o->of->options, out);
	else
		fputs("a map", out);
}

void value_allowed(const struct option *o, FILE *out)
{
	switch (o->type) {
	case BOOLEAN:
		fputs("true or false", out);
		break;
	case TEXT:
		fprintf(out, "a text of at most %u characters", o->size - 1);
		break;
	case NAME:
		fprintf(out, "at most %u letters, digits, - and _", (unsigned int)o->max);
		break;
	case MAC:
		fputs("a station's address as 02:00:00:00:00:01", out);
		words_allowed(o->words, false, out);
		break;
	case ADDRESS:
		fputs("an address as 198.18.0.1", out);
		break;
	case PREFIX:
		fputs("a prefix as 198.18.0.0/24", out);
		break;
	case NETWORK:
		fputs("an address with its network's length as 198.18.0.254/24", out);
		break;
	case ENDPOINT:
		fputs("address:port as 0.0.0.0:7", out);
		break;
	case PORTS:
		if (o->max)
			fprintf(out, "%lu to %lu, or a range of these as %lu-%lu",
				(unsigned long)o->min, (unsigned long)o->max, (unsigned long)o->min,
				(unsigned long)o->max);
		else
			fputs("a port as 80, a range as 8000-8010", out);
		break;
	case LIST:
		list_allowed(o, out);
		break;
	case MAP:
	case NAMED:
		fputs("a map", out);
		break;
	default:
		numbers_allowed(o, out);
	}
}

void section_defaults(const struct section *s, void *base)
{
	for (const struct option *o = s->options; o < s->options + s->n; o++) {
		if (o->array && o->of->options->def)
			for (uint32_t i = 0; i < o->max; i++)
				section_defaults(o->of, list_item(o, base, i));
		if (o->type == MAP)
			section_defaults(o->of, base);
		else if (o->def)
			value_parse(o->alone ? o->alone : o, o->def, base);
	}
}

uint32_t list_count(const struct option *o, const void *base)
{
	uint32_t n;

	memcpy(&n, (const char *)base + o->count, sizeof(n));
	return n;
}

void *list_item(const struct option *o, const void *base, uint32_t i)
{
	const char *at = (const char *)base + o->offset;
	char *list;

	if (o->array)
		return (char *)at + (size_t)i * o->of->size;
	memcpy(&list, at, sizeof(list));
	return list + (size_t)i * o->of->size;
}
