/* What the rest is written in: texts that stay where they were read, bytes that grow, the clock. */
#ifndef BASICS_H
#define BASICS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS 1000000LL
#define S (1000 * MS)

typedef struct {
  const char *at;
  size_t size;
} Text;

/* Nothing is given back before the end. */
typedef struct {
  char *at;
  size_t size, room;
} Bytes;

_Noreturn static void give_up(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}

static void *or_give_up(void *memory) {
  if (!memory) give_up("there is not enough memory");
  return memory;
}

static void make_room(Bytes *bytes, size_t more) {
  if (bytes->size + more <= bytes->room) return;
  bytes->room = 2 * bytes->room + more;
  bytes->at = or_give_up(realloc(bytes->at, bytes->room));
}

static void append(Bytes *bytes, const char *at, size_t size) {
  if (!size) return;
  make_room(bytes, size);
  memcpy(bytes->at + bytes->size, at, size);
  bytes->size += size;
}

static int64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * S + now.tv_nsec;
}

static int64_t now_ns(void) {
  return clock_ns(CLOCK_MONOTONIC);
}

#endif
