/* The read buffer that all connections share, and what is looked for in it. The last `carry` bytes
 * that a connection brought before are laid in front of what it brings now; a needle is searched
 * from where it would not have fitted into the read before. So none is missed where two reads meet,
 * and none counts twice. */
#ifndef SCAN_H
#define SCAN_H

#include "ages.h"
#include "basics.h"

enum { READ_BYTES = 262144, DIGITS = 19, PING_BYTES = 4 };
static const char PING = (char)0x89; /* with PING_BYTES, as Python's `websockets` sends them */

static char *buffer, *space; /* `space` is where a read goes, behind the carry */
static size_t carry;

static void need(size_t needle_size) {
  carry = needle_size > carry ? needle_size : carry;
}

static void make_buffer(void) {
  buffer = or_give_up(malloc(carry + READ_BYTES));
  space = buffer + carry;
}

static const char *start_for(size_t needle_size) {
  return space + 1 - needle_size;
}

/* Where a needle is, from `from` to the end of `size` bytes that were read; NULL if nowhere. */
static const char *find(Text needle, const char *from, size_t size) {
  return needle.size ? memmem(from, (size_t)(space + size - from), needle.at, needle.size) : NULL;
}

static uint64_t count(Text needle, size_t size) {
  uint64_t found = 0;
  const char *at = start_for(needle.size);
  for (; (at = find(needle, at, size)); at += needle.size) found++;
  return found;
}

/* The time in a mark; 0 when those are no digits. */
static int64_t stamp_at(const char *digits) {
  int64_t stamp = 0;
  for (int i = 0; i < DIGITS; i++) {
    unsigned digit = (unsigned char)digits[i] - (unsigned)'0';
    if (digit > 9) return 0;
    stamp = 10 * stamp + digit;
  }
  return stamp;
}

/* Marks that are here whole; their ages are added where `aging`. To search for their first byte is
 * several times as quick as for all of it. */
static uint64_t count_marks(Text mark, size_t size, bool aging) {
  size_t whole = mark.size + DIGITS;
  const char *at = start_for(whole), *end = space + size;
  int64_t now = now_ns(), stamp;
  uint64_t found = 0;
  while ((at = memchr(at, mark.at[0], (size_t)(end - at))) && (size_t)(end - at) >= whole) {
    if (memcmp(at, mark.at, mark.size)) {
      at++;
      continue;
    }
    if (aging && (stamp = stamp_at(at + mark.size))) add_age(now - stamp);
    at += whole;
    found++;
  }
  return found;
}

/* What the last whole ping holds; NULL without one. It answers for those before it (RFC 6455,
 * 5.5.3), and one that is seen twice may be answered twice. */
static const char *last_ping(size_t size) {
  const char *end = space + size, *at = end;
  while ((at = memrchr(buffer, PING, (size_t)(at - buffer))))
    if (end - at >= 2 + PING_BYTES && at[1] == PING_BYTES) return at + 2;
  return NULL;
}

#endif
