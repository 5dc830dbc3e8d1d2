/* What there is to do, as `tests/bench/quick.py` writes it: netstrings ("5:hello,") in the order in
 * which they are read here. */
#ifndef PLAN_H
#define PLAN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <unistd.h>

#include "basics.h"

/* What a connection sends: to ask for a WebSocket, at first, and around the stamp of a message.
 * What it is sent is kept in the file `keep`, if that is named. */
typedef struct {
  Text keep, request, greeting, before, after;
} Lines;

static struct {
  struct sockaddr_in address, leaders_address;
  size_t rooms, members, conns, filled_by, pids;
  int64_t window, step_ns, secs_ns, settle_ns, quiet_ns;
  bool raw;
  Text mark, ready, acked, refused;
  unsigned *pid;
  Lines *lines; /* of every connection */
} plan;

static Text rest_of_plan;

static void take_in_plan(void) {
  static Bytes whole;
  ssize_t size;
  do {
    make_room(&whole, 1 << 16);
    size = read(STDIN_FILENO, whole.at + whole.size, 1 << 16);
    if (size < 0) give_up("the plan cannot be read");
    whole.size += (size_t)size;
  } while (size);
  rest_of_plan = (Text){whole.at, whole.size};
}

static Text next_text(void) {
  const char *colon = memchr(rest_of_plan.at, ':', rest_of_plan.size);
  if (!colon) give_up("the plan is cut off");
  Text found = {colon + 1, strtoull(rest_of_plan.at, NULL, 10)};
  size_t left = rest_of_plan.size - (size_t)(found.at - rest_of_plan.at);
  if (left <= found.size || found.at[found.size] != ',') give_up("the plan is no netstrings");
  rest_of_plan = (Text){found.at + found.size + 1, left - found.size - 1};
  return found;
}

static uint64_t next_number(void) {
  return strtoull(next_text().at, NULL, 10);
}

static int64_t next_ns(void) {
  return (int64_t)next_number();
}

static struct sockaddr_in next_address(void) {
  struct sockaddr_in found = {.sin_family = AF_INET};
  char host[INET_ADDRSTRLEN] = "";
  Text text = next_text();
  memcpy(host, text.at, text.size < sizeof host ? text.size : sizeof host - 1);
  if (inet_pton(AF_INET, host, &found.sin_addr) != 1) give_up("that is no IPv4 address");
  found.sin_port = htons((uint16_t)next_number());
  return found;
}

static Lines next_lines(void) {
  Lines found;
  found.keep = next_text();
  found.request = next_text();
  found.greeting = next_text();
  found.before = next_text();
  found.after = next_text();
  return found;
}

static void read_plan(void) {
  take_in_plan();
  plan.address = next_address();
  plan.leaders_address = next_address();
  plan.rooms = next_number();
  plan.members = next_number();
  plan.filled_by = next_number();
  plan.window = (int64_t)next_number();
  plan.step_ns = next_ns();
  plan.secs_ns = next_ns();
  plan.settle_ns = next_ns();
  plan.quiet_ns = next_ns();
  plan.raw = next_number();
  plan.mark = next_text();
  plan.ready = next_text();
  plan.acked = next_text();
  plan.refused = next_text();
  plan.pids = next_number();
  plan.pid = or_give_up(calloc(plan.pids + 1, sizeof *plan.pid));
  for (size_t i = 0; i < plan.pids; i++) plan.pid[i] = (unsigned)next_number();
  plan.conns = plan.rooms * plan.members;
  plan.lines = or_give_up(calloc(plan.conns, sizeof *plan.lines));
  for (size_t i = 0; i < plan.conns; i++) plan.lines[i] = next_lines();
}

#endif
