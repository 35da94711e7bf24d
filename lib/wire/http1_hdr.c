/* SPDX-License-Identifier: BSD-3-Clause */
/* http1_hdr: see wire/http1_hdr.h for the contract. */
#include "wire/http1_hdr.h"

#include "wire/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* --- characters --- */

enum {
	IS_TOKEN = 1,  /* RFC 9110 5.6.2 */
	IS_TARGET = 2, /* RFC 3986: of a path or a query */
	IS_HOST = 4,   /* RFC 3986: of host and port, brackets of IPv6 included */
	IS_OWS = 8,
};

#define HOST (IS_TARGET | IS_HOST)
#define ALL  (IS_TOKEN | IS_TARGET | IS_HOST)

static const uint8_t class_of[256] = {
	[' '] = IS_OWS,
	['\t'] = IS_OWS,
	['0' ... '9'] = ALL,
	['A' ... 'Z'] = ALL,
	['a' ... 'z'] = ALL,
	['-'] = ALL,
	['.'] = ALL,
	['_'] = ALL,
	['~'] = ALL,
	['!'] = ALL,
	['$'] = ALL,
	['&'] = ALL,
	['\''] = ALL,
	['*'] = ALL,
	['+'] = ALL,
	['%'] = ALL,
	['('] = HOST,
	[')'] = HOST,
	[','] = HOST,
	[';'] = HOST,
	['='] = HOST,
	[':'] = HOST,
	['@'] = IS_TARGET,
	['/'] = IS_TARGET,
	['?'] = IS_TARGET,
	/* not of RFC 3986's queries, but of those that browsers send, and harmless */
	['['] = HOST,
	[']'] = HOST,
	['#'] = IS_TOKEN,
	['^'] = IS_TOKEN,
	['`'] = IS_TOKEN,
	['|'] = IS_TOKEN,
};

/* From `at` on, the first character that is not of the class; at most `end`. */
static inline uint32_t skip(const char *p, uint32_t at, uint32_t end, uint8_t class)
{
	while (at < end && (class_of[(uint8_t)p[at]] & class))
		at++;
	return at;
}

/* --- the end of a head --- */

/* Bits of the first n bytes, at most 16, that are controls: below a space, or DEL. */
#ifdef __SSE2__
static inline uint32_t controls_16(const char *p)
{
	const __m128i v = _mm_loadu_si128((const __m128i *)p);
	const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);

	return (uint32_t)_mm_movemask_epi8(
		_mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}
#else
static inline uint32_t controls_16(const char *p)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < 16; i++)
		bits |= (uint32_t)((uint8_t)p[i] < 0x20 || p[i] == 0x7f) << i;
	return bits;
}
#endif

static uint32_t controls_few(const char *p, uint32_t n)
{
	char copy[16];

	memset(copy, ' ', sizeof(copy));
	memcpy(copy, p, n);
	return controls_16(copy);
}

/* The first control from `at` on, tabs passed over; `end` if there is none. */
static inline uint32_t next_control(const char *p, uint32_t at, uint32_t end)
{
	while (at < end) {
		uint32_t n = end - at;
		uint32_t bits = n >= 16 ? controls_16(p + at) : controls_few(p + at, n);

		for (; bits != 0; bits &= bits - 1)
			if (p[at + (uint32_t)__builtin_ctz(bits)] != '\t')
				return at + (uint32_t)__builtin_ctz(bits);
		at += 16;
	}
	return end;
}

/*
 * Looks for the empty line from *seen on, which is the first byte not looked at, or a CR whose LF
 * was not there. Controls are all that can end a line or spoil it.
 */
static enum http1_verdict find_end(const char *p, uint32_t len, uint32_t *seen, uint32_t *end)
{
	uint32_t at = *seen;

	while ((at = next_control(p, at, len)) < len) {
		if (p[at] == '\r' && at + 1 == len)
			break;
		if (p[at] != '\r' || p[at + 1] != '\n')
			return HTTP1_BAD;
		if (at >= 2 && p[at - 1] == '\n') { /* the line began here: it is empty */
			*end = at + 2;
			return HTTP1_OK;
		}
		at += 2;
	}
	*seen = at;
	return HTTP1_MORE;
}

/* --- the request line --- */

static enum http1_method method_of(const char *p, uint32_t len)
{
	static const char methods[][8] = {
		[HTTP1_GET] = "GET",
		[HTTP1_HEAD] = "HEAD",
		[HTTP1_POST] = "POST",
		[HTTP1_PUT] = "PUT",
		[HTTP1_DELETE] = "DELETE",
		[HTTP1_CONNECT] = "CONNECT",
		[HTTP1_OPTIONS] = "OPTIONS",
		[HTTP1_TRACE] = "TRACE",
		[HTTP1_PATCH] = "PATCH",
	};

	for (uint32_t i = 0; i < HTTP1_OTHER_METHOD && len < sizeof(methods[0]); i++)
		if (memcmp(p, methods[i], len) == 0 && methods[i][len] == '\0')
			return (enum http1_method)i;
	return HTTP1_OTHER_METHOD;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* How many digits from *at on are *v, which more than 18 may be too many for. */
static uint32_t digits(const char *p, uint32_t *at, uint32_t len, uint64_t *v)
{
	uint32_t from = *at;

	for (*v = 0; *at < len && is_digit(p[*at]); (*at)++)
		*v = *v * 10 + (uint64_t)(p[*at] - '0');
	return *at - from;
}

/* host [":" port], which is not empty before the colon; a port has at most five digits. */
static bool is_authority(const char *p, uint32_t at, uint32_t end, bool port_needed)
{
	uint32_t colon = end;

	if (at == end)
		return false;
	if (p[at] == '[') { /* an IPv6 literal, whose address is for whom it concerns */
		const char *close = memchr(p + at, ']', end - at);

		if (close == NULL || close == p + at + 1)
			return false;
		colon = (uint32_t)(close + 1 - p);
		for (uint32_t i = at + 1; p + i < close; i++)
			if (!(class_of[(uint8_t)p[i]] & IS_HOST) || p[i] == '[')
				return false;
	} else {
		for (colon = at; colon < end && p[colon] != ':'; colon++)
			if (!(class_of[(uint8_t)p[colon]] & IS_HOST) || p[colon] == '[' ||
				p[colon] == ']')
				return false;
		if (colon == at)
			return false;
	}
	if (colon == end)
		return !port_needed;
	if (p[colon] != ':' || end - colon > 6 || (port_needed && end - colon == 1))
		return false;
	for (uint32_t i = colon + 1; i < end; i++)
		if (!is_digit(p[i]))
			return false;
	return true;
}

/* http or https, its authority, and the path behind it. */
static bool absolute(const char *p, uint32_t at, uint32_t end, struct http1_request *r)
{
	uint32_t host, path;

	if (end - at > 7 && strncasecmp(p + at, "http://", 7) == 0)
		host = at + 7;
	else if (end - at > 8 && strncasecmp(p + at, "https://", 8) == 0)
		host = at + 8;
	else
		return false;
	for (path = host; path < end && p[path] != '/' && p[path] != '?'; path++)
		;
	r->form = HTTP1_ABSOLUTE;
	r->path = (struct http1_span){(uint16_t)path, (uint16_t)(end - path)};
	return is_authority(p, host, path, false) && skip(p, path, end, IS_TARGET) == end;
}

static bool target(const char *p, uint32_t at, uint32_t end, struct http1_request *r)
{
	r->target = (struct http1_span){(uint16_t)at, (uint16_t)(end - at)};
	r->path = r->target;
	if (r->method == HTTP1_CONNECT) {
		r->form = HTTP1_AUTHORITY;
		return is_authority(p, at, end, true);
	}
	if (p[at] == '/') {
		r->form = HTTP1_ORIGIN;
		return true; /* its characters were seen when its end was looked for */
	}
	if (end - at == 1 && p[at] == '*') {
		r->form = HTTP1_ASTERISK;
		return r->method == HTTP1_OPTIONS;
	}
	return absolute(p, at, end, r);
}

/* "HTTP/1.1" */
static enum http1_verdict version(const char *p, uint32_t len, struct http1_request *r)
{
	if (len != 8 || memcmp(p, "HTTP/", 5) != 0 || !is_digit(p[5]) || p[6] != '.' ||
		!is_digit(p[7]))
		return HTTP1_BAD;
	r->minor = (uint8_t)(p[7] - '0');
	return p[5] == '1' ? HTTP1_OK : HTTP1_OTHER_VERSION;
}

/* Single spaces between the three (RFC 9112 3). *at: of the line's end, of the next line. */
static enum http1_verdict request_line(const char *p, uint32_t *at, struct http1_request *r)
{
	uint32_t from = *at, method, end;
	enum http1_verdict v;

	/* the CR that ends the line is of no class: nothing runs beyond it */
	method = skip(p, from, UINT32_MAX, IS_TOKEN);
	if (method == from || p[method] != ' ')
		return HTTP1_BAD;
	r->method_name = (struct http1_span){(uint16_t)from, (uint16_t)(method - from)};
	r->method = method_of(p + from, method - from);
	end = skip(p, method + 1, UINT32_MAX, IS_TARGET);
	if (end == method + 1 || p[end] != ' ')
		return HTTP1_BAD;
	for (from = end + 1; p[from] != '\r'; from++)
		if (from - end > 8)
			return HTTP1_BAD;
	v = version(p + end + 1, from - end - 1, r);
	if (v == HTTP1_OK && !target(p, method + 1, end, r))
		v = HTTP1_BAD;
	*at = from + 2;
	return v;
}

/* --- fields --- */

/* By their lengths, which at most two of them share. */
static enum http1_name name_of(const char *p, uint32_t len)
{
	static const struct {
		const char *text;
		enum http1_name name;
	} by_len[18][2] = {
		[4] = {{"host", HTTP1_HOST}},
		[5] = {{"range", HTTP1_RANGE}},
		[6] = {{"expect", HTTP1_EXPECT}},
		[8] = {{"if-range", HTTP1_IF_RANGE}},
		[10] = {{"connection", HTTP1_CONNECTION}},
		[13] = {{"if-none-match", HTTP1_IF_NONE_MATCH}},
		[14] = {{"content-length", HTTP1_CONTENT_LENGTH}},
		[17] = {{"transfer-encoding", HTTP1_TRANSFER_ENCODING},
			{"if-modified-since", HTTP1_IF_MODIFIED_SINCE}},
	};

	if (len >= sizeof(by_len) / sizeof(by_len[0]))
		return HTTP1_OTHER_NAME;
	for (uint32_t i = 0; i < 2 && by_len[len][i].text != NULL; i++)
		if (strncasecmp(p, by_len[len][i].text, len) == 0)
			return by_len[len][i].name;
	return HTTP1_OTHER_NAME;
}

/* The next element of a list (RFC 9110 5.6.1) from *at on, empty ones passed over; 0: no more. */
static uint32_t element(const char *p, uint32_t *at, uint32_t end)
{
	uint32_t from, len;

	while (*at < end && (p[*at] == ',' || (class_of[(uint8_t)p[*at]] & IS_OWS)))
		(*at)++;
	for (from = *at; *at < end && p[*at] != ','; (*at)++)
		;
	for (len = *at - from; len > 0 && (class_of[(uint8_t)p[from + len - 1]] & IS_OWS); len--)
		;
	*at = from;
	return len;
}

static bool is_word(const char *p, uint32_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

static void connection(const char *p, const struct http1_span *v, struct http1_request *r)
{
	uint32_t end = v->at + v->len, len;

	for (uint32_t at = v->at; (len = element(p, &at, end)) != 0; at += len) {
		r->close |= is_word(p + at, len, "close");
		r->keep_alive |= is_word(p + at, len, "keep-alive");
	}
}

/* Digits alone, of a number that 63 bits hold; and no second line of it. */
static enum http1_verdict content_length(
	const char *p, const struct http1_span *v, struct http1_request *r)
{
	uint32_t at = v->at, count;
	uint64_t n;

	count = digits(p, &at, v->at + v->len, &n);
	if (count != v->len || count == 0 || count > 18 || r->has_length)
		return HTTP1_BAD;
	r->content_length = n;
	r->has_length = true;
	return HTTP1_OK;
}

/* chunked, once and last; what may stand before it is nothing that we know. */
static enum http1_verdict transfer_encoding(
	const char *p, const struct http1_span *v, struct http1_request *r)
{
	uint32_t end = v->at + v->len, len, codings = 0;
	bool chunked = false;

	if (r->known[HTTP1_TRANSFER_ENCODING] != 0)
		return HTTP1_BAD;
	for (uint32_t at = v->at; (len = element(p, &at, end)) != 0; at += len) {
		if (chunked)
			return HTTP1_BAD;
		chunked = is_word(p + at, len, "chunked");
		codings++;
	}
	r->chunked = chunked;
	if (is_word(p + v->at, v->len, "chunked")) /* and no comma, which somebody may misread */
		return HTTP1_OK;
	return chunked && codings > 1 ? HTTP1_UNKNOWN_CODING : HTTP1_BAD;
}

static enum http1_verdict known(
	const char *p, enum http1_name name, const struct http1_span *v, struct http1_request *r)
{
	switch (name) {
	case HTTP1_HOST: /* empty where the target has no authority (RFC 9110 7.2) */
		return r->known[HTTP1_HOST] != 0 || (v->len != 0 && !is_authority(p, v->at,
									    v->at + v->len, false))
			       ? HTTP1_BAD
			       : HTTP1_OK;
	case HTTP1_CONNECTION:
		connection(p, v, r);
		return HTTP1_OK;
	case HTTP1_CONTENT_LENGTH:
		return content_length(p, v, r);
	case HTTP1_TRANSFER_ENCODING:
		return transfer_encoding(p, v, r);
	case HTTP1_EXPECT:
		if (is_word(p + v->at, v->len, "100-continue"))
			r->expects_continue = true;
		else
			r->expects_other = true;
		return HTTP1_OK;
	default:
		return HTTP1_OK;
	}
}

/* One line; *at goes on to the next. */
static enum http1_verdict field_line(
	const char *p, uint32_t *at, uint32_t end, struct http1_request *r, struct http1_field *f)
{
	uint32_t colon = skip(p, *at, UINT32_MAX, IS_TOKEN), from, line, last;
	enum http1_verdict v;
	enum http1_name name;

	if (colon == *at || p[colon] != ':')
		return HTTP1_BAD;
	from = skip(p, colon + 1, UINT32_MAX, IS_OWS);
	line = last = next_control(p, from, end);
	while (last > from && (class_of[(uint8_t)p[last - 1]] & IS_OWS))
		last--;
	f->name = (struct http1_span){(uint16_t)*at, (uint16_t)(colon - *at)};
	f->value = (struct http1_span){(uint16_t)from, (uint16_t)(last - from)};
	name = name_of(p + *at, colon - *at);
	v = name == HTTP1_OTHER_NAME ? HTTP1_OK : known(p, name, &f->value, r);
	r->n_fields++;
	if (r->known[name] == 0)
		r->known[name] = r->n_fields;
	*at = line + 2;
	return v;
}

/* What fields mean together. */
static enum http1_verdict agree(const struct http1_request *r)
{
	bool coded = r->known[HTTP1_TRANSFER_ENCODING] != 0;

	if ((r->minor != 0 && r->known[HTTP1_HOST] == 0) ||
		(coded && (r->minor == 0 || r->has_length)))
		return HTTP1_BAD;
	return HTTP1_OK;
}

/* The head is [at, end), and holds no control but tabs, and CRLF at the end of each line. */
static enum http1_verdict read_head(const char *p, uint32_t at, uint32_t end, uint32_t fields,
	struct http1_request *r, struct http1_field *field)
{
	enum http1_verdict v, coding = HTTP1_OK;

	memset(r, 0, sizeof(*r));
	r->len = end;
	v = request_line(p, &at, r);
	while (v == HTTP1_OK && p[at] != '\r') {
		if (r->n_fields == fields)
			return HTTP1_LARGE;
		v = field_line(p, &at, end, r, &field[r->n_fields]);
		if (v == HTTP1_UNKNOWN_CODING) { /* what follows may be worse */
			coding = v;
			v = HTTP1_OK;
		}
	}
	if (v == HTTP1_OK)
		v = agree(r);
	return v == HTTP1_OK ? coding : v;
}

enum http1_verdict http1_hdr_request(const void *bytes, uint32_t len,
	const struct http1_limits *limits, uint32_t *seen, struct http1_request *r,
	struct http1_field *field)
{
	uint32_t most = len < limits->bytes ? len : limits->bytes, end = 0, from;
	const char *p = bytes;
	enum http1_verdict v;

	v = find_end(p, most, seen, &end);
	if (v == HTTP1_MORE && len >= limits->bytes)
		return memchr(p + 2, '\n', most > 2 ? most - 2 : 0) == NULL ? HTTP1_LONG_TARGET
									    : HTTP1_LARGE;
	if (v != HTTP1_OK)
		return v;
	from = p[0] == '\r' ? 2 : 0;
	if (from == 2 && end == 4)
		return HTTP1_BAD; /* two empty lines and no request */
	return read_head(p, from, end, limits->fields, r, field);
}

/* --- values --- */

bool http1_hdr_lists_tag(const char *list, uint32_t len, const char *tag, uint32_t tag_len)
{
	uint32_t n;

	for (uint32_t at = 0; (n = element(list, &at, len)) != 0; at += n) {
		uint32_t weak = n > 2 && list[at] == 'W' && list[at + 1] == '/' ? 2 : 0;

		if (n == 1 && list[at] == '*')
			return true;
		if (n - weak == tag_len && memcmp(list + at + weak, tag, tag_len) == 0)
			return true;
	}
	return false;
}

enum http1_range http1_hdr_range(
	const char *text, uint32_t len, uint64_t size, uint64_t *first, uint64_t *n)
{
	uint64_t from, to, end = size;
	uint32_t at = 6, n_from, n_to;

	if (size == 0 || len < at || strncasecmp(text, "bytes=", at) != 0)
		return HTTP1_RANGE_WHOLE;
	n_from = digits(text, &at, len, &from);
	if (at == len || text[at++] != '-')
		return HTTP1_RANGE_WHOLE;
	n_to = digits(text, &at, len, &to);
	if (at != len || n_from + n_to == 0 || n_from > 18 || n_to > 18 ||
		(n_from != 0 && n_to != 0 && from > to))
		return HTTP1_RANGE_WHOLE;
	if (n_from == 0) /* the last so many */
		from = to < size ? size - to : 0;
	else if (n_to != 0 && to < size)
		end = to + 1;
	if (from >= size)
		return HTTP1_RANGE_OUTSIDE;
	*first = from;
	*n = end - from;
	return HTTP1_RANGE_PART;
}

static const char days[] = "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static void put_digits(char *to, uint32_t n, uint32_t v)
{
	for (; n > 0; v /= 10)
		to[--n] = (char)('0' + v % 10);
}

/* Days from 1970 to the first of March of a year, which begins the count of its months. */
static int64_t days_to_march(int64_t year)
{
	return 365 * year + year / 4 - year / 100 + year / 400 - 719468;
}

/* From March on, so that the odd day is the last of a year; of months counted from there. */
static uint32_t days_to_month(uint32_t month)
{
	return (153 * month + 2) / 5;
}

void http1_hdr_put_date(char to[HTTP1_DATE_LEN], int64_t unix_s)
{
	int64_t day = unix_s / 86400, year = 1970 + day / 365 + 1;
	uint32_t of_day = (uint32_t)(unix_s % 86400), of_year, month = 0;

	while (days_to_march(year) > day)
		year--;
	of_year = (uint32_t)(day - days_to_march(year));
	while (month < 11 && days_to_month(month + 1) <= of_year)
		month++;
	memcpy(to, "Thu, 00 Jan 0000 00:00:00 GMT", HTTP1_DATE_LEN);
	memcpy(to, days + 3 * (day % 7), 3);
	put_digits(to + 5, 2, of_year - days_to_month(month) + 1);
	memcpy(to + 8, months + 3 * ((month + 2) % 12), 3);
	put_digits(to + 12, 4, (uint32_t)(year + (month >= 10)));
	put_digits(to + 17, 2, of_day / 3600);
	put_digits(to + 20, 2, of_day / 60 % 60);
	put_digits(to + 23, 2, of_day % 60);
}

static uint32_t number(const char *p, uint32_t n)
{
	uint64_t v;

	digits(p, &(uint32_t){0}, n, &v);
	return (uint32_t)v;
}

bool http1_hdr_date(const char *text, uint32_t len, int64_t *unix_s)
{
	static const char form[] = "???, 00 ??? 0000 00:00:00 GMT";
	char again[HTTP1_DATE_LEN];
	uint32_t month = 0, year;
	int64_t day;

	if (len != HTTP1_DATE_LEN)
		return false;
	for (uint32_t i = 0; i < len; i++)
		if (form[i] == '0' ? !is_digit(text[i]) : form[i] != '?' && form[i] != text[i])
			return false;
	while (month < 12 && memcmp(months + 3 * month, text + 8, 3) != 0)
		month++;
	year = number(text + 12, 4);
	if (month == 12 || year < 1970)
		return false;
	month = (month + 10) % 12;
	day = days_to_march(year - (month >= 10)) + days_to_month(month) + number(text + 5, 2) - 1;
	*unix_s = day * 86400 + number(text + 17, 2) * 3600 + number(text + 20, 2) * 60 +
		  number(text + 23, 2);
	if (day < 0)
		return false;
	http1_hdr_put_date(again, *unix_s); /* a date that there is comes back as it was */
	return memcmp(again, text, HTTP1_DATE_LEN) == 0;
}
