/* A load generator: one thread, one epoll loop. It does what `hub/bench/generator.py` does, by the
 * same rules, several times as fast: it sends what it was told to send and counts marks in the
 * bytes that come, whatever the framing. A plan comes in on standard input, a line of JSON goes
 * out: the fields of `Counted`. */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "client.h"
#include "use.h"

enum { OPENING = 200, EVENTS = 1024, FEW = 64 };
static const int64_t CONNECT_NS = 60 * S, READY_NS = 120 * S, DRAIN_NS = 30 * S;
static const int64_t TURN_NS = 50 * MS, REST_NS = MS / 20;

static Client *clients;
static uint64_t in_time;
static double elapsed_s = 1, connect_s, ready_s, busy, cpu_s, opening_cpu_s;
static int64_t grown_bytes;

static Use use_of_servers(void) {
  return use_of_all(plan.pid, plan.pids);
}

/* The loop. */

static void happen(Client *client, uint32_t events) {
  if (client->state == CONNECTING) {
    has_connected(client);
    return;
  }
  if (events & EPOLLOUT) flush(client);
  if (!(events & ~(uint32_t)EPOLLOUT)) return;
  if (client->state == OPEN)
    read_open(client);
  else if (client->state == ASKED)
    read_answer(client);
}

/* To look up for every single message takes from the servers the cores that they share. */
static void rest(void) {
  nanosleep(&(struct timespec){0, REST_NS}, NULL);
}

static void pump(int64_t wait_ns) {
  static struct epoll_event events[EVENTS];
  struct timespec wait = {0, wait_ns < 0 ? 0 : wait_ns < TURN_NS ? wait_ns : TURN_NS};
  int happened = epoll_pwait2(epoll, events, EVENTS, &wait, NULL);
  if (happened < 0 && errno != EINTR) give_up(strerror(errno));
  for (int i = 0; i < happened; i++) happen(events[i].data.ptr, events[i].events);
  if (measuring && happened > 0 && happened < FEW) rest();
}

static void pump_until(int64_t until) {
  for (int64_t left; !stopped && (left = until - now_ns()) > 0;) pump(left);
}

static void connect_all(int64_t until) {
  for (size_t i = 0; i < plan.conns; i++) {
    open_client(&clients[i]);
    while (opening >= OPENING && now_ns() < until) pump(TURN_NS);
  }
  while (opening && now_ns() < until) pump(TURN_NS);
}

static void get_ready(int64_t until) {
  while (are_ready < opened && !lost && !stopped && now_ns() < until) pump(TURN_NS);
}

/* Rooms take turns; a stamp says when a message was due, so that being late shows. */
static void publish_at_rate(int64_t due, int64_t until) {
  size_t turn = 0;
  for (int64_t now; !stopped && (now = now_ns()) < until; pump(due - now_ns()))
    for (; due <= now; due += plan.step_ns)
      publish(&clients[turn++ % plan.rooms * plan.members], 1, due);
}

static void publish_all(int64_t start) {
  publishing = true;
  if (plan.step_ns) {
    publish_at_rate(start, start + plan.secs_ns);
  } else {
    for (size_t i = 0; i < plan.conns; i += plan.members) refill(&clients[i]);
    pump_until(start + plan.secs_ns);
  }
  publishing = false;
}

/* Until all that was sent has come, or nothing comes any more. */
static void drain(void) {
  uint64_t sent = 0, seen = UINT64_MAX;
  for (size_t i = 0; i < plan.conns; i += plan.members) sent += clients[i].sent;
  int64_t until = now_ns() + DRAIN_NS, quiet_at = 0;
  while (!stopped && (delivered < sent * plan.members || (plan.acked.size && acks < sent))) {
    int64_t now = now_ns();
    if (delivered + acks != seen) quiet_at = now + plan.quiet_ns;
    if (now > quiet_at || now > until) return;
    seen = delivered + acks;
    pump(TURN_NS);
  }
}

static void measure(void) {
  int64_t own = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = now_ns();
  double cpu = use_of_servers().cpu_s;
  measuring = true;
  publish_all(start);
  elapsed_s = (double)(now_ns() - start) / 1e9;
  in_time = delivered;
  busy = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own) / 1e9 / elapsed_s;
  cpu_s = use_of_servers().cpu_s - cpu;
  drain();
}

/* Connect, get ready, measure, wait for what is under way. */
static void run(void) {
  Use before = use_of_servers();
  int64_t began = now_ns();
  connect_all(began + CONNECT_NS);
  int64_t connected = now_ns();
  get_ready(connected + READY_NS);
  int64_t got_ready = now_ns();
  connect_s = (double)(connected - began) / 1e9;
  ready_s = (double)(got_ready - connected) / 1e9;
  opening_cpu_s = use_of_servers().cpu_s - before.cpu_s;
  pump_until(got_ready + plan.settle_ns);
  grown_bytes = use_of_servers().memory_bytes - before.memory_bytes;
  if (!failed && !lost && are_ready == plan.conns) {
    measure();
    return;
  }
  char text[WHY_BYTES];
  snprintf(text, sizeof text, "%zu of %zu connections got ready", are_ready, plan.conns);
  explain_text(text);
}

/* The beginning and the end. */

static void make_clients(void) {
  clients = or_give_up(calloc(plan.conns, sizeof *clients));
  char *tails = or_give_up(calloc(plan.conns, carry));
  for (size_t i = 0; i < plan.conns; i++) {
    size_t member = i % plan.members;
    Client *client = &clients[i], *leader = client - member;
    client->leads = member == 0;
    client->fills = member == plan.filled_by ? leader : NULL;
    client->tail = tails + i * carry;
    client->lines = &plan.lines[i];
  }
}

static void prepare(void) {
  need(plan.mark.size + DIGITS);
  need(plan.ready.size);
  need(plan.acked.size);
  need(plan.refused.size);
  make_buffer();
  make_clients();
  struct rlimit most;
  getrlimit(RLIMIT_NOFILE, &most);
  most.rlim_cur = most.rlim_max;
  setrlimit(RLIMIT_NOFILE, &most);
  epoll = epoll_create1(0);
}

static void save_kept(const Client *client) {
  Text keep = client->lines->keep;
  char path[4096];
  snprintf(path, sizeof path, "%.*s", (int)keep.size, keep.at);
  FILE *file = fopen(path, "wb");
  if (!file) give_up(strerror(errno));
  if (client->kept.size) fwrite(client->kept.at, 1, client->kept.size, file);
  if (fclose(file)) give_up(strerror(errno));
}

static size_t uneven(void) {
  size_t found = 0;
  for (size_t i = 0; i < plan.conns; i++)
    found += clients[i].got != clients[i - i % plan.members].sent;
  return found;
}

static void tell_text(const char *text) {
  putchar('"');
  for (; *text; text++) {
    if ((unsigned char)*text < ' ' || *text == '"' || *text == '\\')
      printf("\\u%04x", (unsigned)*text);
    else
      putchar(*text);
  }
  putchar('"');
}

static void tell(void) {
  printf("{\"conns\":%zu,\"failed\":%zu,\"lost\":%zu,\"why\":", opened, failed, lost);
  tell_text(why);
  printf(",\"sent_by_room\":[");
  for (size_t i = 0; i < plan.conns; i += plan.members)
    printf("%s%llu", i ? "," : "", (unsigned long long)clients[i].sent);
  printf("],\"delivered\":%llu,\"in_time\":%llu,\"uneven\":%zu,\"acked\":%llu,\"refused\":%llu",
         (unsigned long long)delivered, (unsigned long long)in_time, uneven(),
         (unsigned long long)acks, (unsigned long long)refusals);
  printf(",\"elapsed_s\":%.6f,\"connect_s\":%.6f,\"ready_s\":%.6f", elapsed_s, connect_s, ready_s);
  printf(",\"p50_ms\":%.4f,\"p95_ms\":%.4f,\"p99_ms\":%.4f", percentile_ms(0.5),
         percentile_ms(0.95), percentile_ms(0.99));
  printf(",\"busy\":%.4f,\"cpu_s\":%.4f,\"opening_cpu_s\":%.4f,\"grown_bytes\":%lld}\n", busy,
         cpu_s, opening_cpu_s, (long long)grown_bytes);
}

int main(void) {
  read_plan();
  prepare();
  run();
  for (size_t i = 0; i < plan.conns; i++)
    if (clients[i].lines->keep.size) save_kept(&clients[i]);
  tell();
}
