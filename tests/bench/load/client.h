/* One connection: how it opens, writes and reads, and what it adds to the counts. */
#ifndef CLIENT_H
#define CLIENT_H

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "plan.h"
#include "scan.h"

enum { WHY_BYTES = 300 };

typedef enum { CONNECTING, ASKED, OPEN, GONE } State;

typedef struct Client {
  int fd;
  State state;
  bool leads, ready, waits_to_write;
  char *tail; /* the end of what came before */
  uint64_t got, sent;
  int64_t in_flight;
  struct Client *fills; /* the publisher for which what comes here makes room */
  const Lines *lines;
  Bytes out, head, kept;
} Client;

static int epoll;
static bool measuring, publishing, stopped;
static size_t opening, opened, failed, lost, are_ready;
static uint64_t delivered, acks, refusals;
static char why[WHY_BYTES + 1];

/* The first reason is the one that is told. */
static void explain(const char *at, size_t size) {
  if (*why) return;
  size = size < WHY_BYTES ? size : WHY_BYTES;
  for (size_t i = 0; i < size; i++) why[i] = at[i] ? at[i] : ' ';
}

static void explain_text(const char *text) {
  explain(text, strlen(text));
}

/* Writing. */

static void listen_for(Client *client, int how, bool to_write) {
  uint32_t events = to_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  client->waits_to_write = to_write;
  epoll_ctl(epoll, how, client->fd, &(struct epoll_event){events, {.ptr = client}});
}

/* An error shows when the connection is read. */
static void flush(Client *client) {
  Bytes *out = &client->out;
  ssize_t sent = send(client->fd, out->at, out->size, MSG_NOSIGNAL);
  size_t gone = sent > 0 ? (size_t)sent : 0;
  out->size -= gone;
  if (out->size) memmove(out->at, out->at + gone, out->size);
  if (client->waits_to_write != (out->size > 0))
    listen_for(client, EPOLL_CTL_MOD, out->size > 0);
}

static void flush_if_free(Client *client) {
  if (client->out.size && !client->waits_to_write) flush(client);
}

static void put(Client *client, Text text) {
  append(&client->out, text.at, text.size);
  flush_if_free(client);
}

/* The mask is of zeros: the server does the same work, this side none. */
static void answer_ping(Client *client, const char *held) {
  char pong[6 + PING_BYTES] = {(char)0x8A, (char)(0x80 | PING_BYTES)};
  memcpy(pong + 6, held, PING_BYTES);
  put(client, (Text){pong, sizeof pong});
}

static void publish(Client *client, int64_t messages, int64_t stamp_ns) {
  const Lines *lines = client->lines;
  char digits[DIGITS + 1];
  snprintf(digits, sizeof digits, "%0*lld", DIGITS, (long long)stamp_ns);
  for (int64_t i = 0; i < messages; i++) {
    append(&client->out, lines->before.at, lines->before.size);
    append(&client->out, digits, DIGITS);
    append(&client->out, lines->after.at, lines->after.size);
  }
  client->in_flight += messages;
  client->sent += (uint64_t)messages;
  flush_if_free(client);
}

static void refill(Client *client) {
  int64_t free_places = plan.window - client->in_flight;
  if (free_places > 0) publish(client, free_places, now_ns());
}

/* Reading. */

static void is_ready(Client *client) {
  client->ready = true;
  are_ready++;
}

static void look_for_refusals(size_t size) {
  uint64_t found = count(plan.refused, size);
  if (!found) return;
  refusals += found;
  stopped = true;
  const char *at = find(plan.refused, start_for(plan.refused.size), size);
  explain(at, (size_t)(space + size - at));
}

static void look_whether_ready(Client *client, size_t size) {
  if (count(plan.ready, size))
    is_ready(client);
  else
    look_for_refusals(size);
}

static void score(Client *client, uint64_t found, size_t size) {
  client->got += found;
  delivered += found;
  if (client->leads) {
    acks += count(plan.acked, size);
    look_for_refusals(size);
  }
  if (!client->fills) return;
  client->fills->in_flight -= (int64_t)found;
  if (publishing && !plan.step_ns && !stopped) refill(client->fills);
}

/* `size` bytes of a connection are in `space`. */
static void take(Client *client, size_t size) {
  memcpy(buffer, client->tail, carry);
  uint64_t found = count_marks(plan.mark, size, measuring);
  const char *ping = last_ping(size);
  if (ping) answer_ping(client, ping);
  memcpy(client->tail, buffer + size, carry);
  if (client->lines->keep.size) append(&client->kept, space, size);
  if (!client->ready) look_whether_ready(client, size);
  if (measuring) score(client, found, size);
}

static void close_client(Client *client) {
  if (client->state == OPEN) {
    char text[WHY_BYTES];
    snprintf(text, sizeof text, "the server closed; last it sent %.*s", (int)carry, client->tail);
    explain_text(text);
    lost++;
  } else {
    explain_text("the server closed before it was asked");
    failed++;
    opening--;
  }
  client->state = GONE;
  close(client->fd);
}

static void read_open(Client *client) {
  ssize_t size = recv(client->fd, space, READ_BYTES, 0);
  if (size > 0)
    take(client, (size_t)size);
  else if (!size || errno != EAGAIN)
    close_client(client);
}

/* Connecting. */

static void has_opened(Client *client) {
  client->state = OPEN;
  opening--;
  opened++;
  if (!plan.ready.size) is_ready(client);
  put(client, client->lines->greeting);
}

/* Some of the answer to the handshake; the first words may have come with it. */
static void read_answer(Client *client) {
  Bytes *head = &client->head;
  ssize_t size = recv(client->fd, space, READ_BYTES, 0);
  if (size < 0 && errno == EAGAIN) return;
  append(head, space, size > 0 ? (size_t)size : 0);
  const char *end = head->size ? memmem(head->at, head->size, "\r\n\r\n", 4) : NULL;
  if (size <= 0 || (end && memcmp(head->at, "HTTP/1.1 101", 12))) {
    explain(head->at, end ? (size_t)(end - head->at) : head->size);
    close_client(client);
  } else if (end) {
    size_t rest = (size_t)(head->at + head->size - end) - 4;
    memcpy(space, end + 4, rest);
    has_opened(client);
    if (rest) take(client, rest);
  }
}

static void has_connected(Client *client) {
  int error = 0;
  getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
  if (error) {
    explain_text(strerror(error));
    close_client(client);
    return;
  }
  client->state = ASKED;
  listen_for(client, EPOLL_CTL_MOD, false);
  if (plan.raw)
    has_opened(client);
  else
    put(client, client->lines->request);
}

static void open_client(Client *client) {
  const struct sockaddr_in *to = client->leads ? &plan.leaders_address : &plan.address;
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (client->fd < 0) give_up(strerror(errno));
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  opening++;
  if (connect(client->fd, (const struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS)
    give_up(strerror(errno));
  listen_for(client, EPOLL_CTL_ADD, true);
}

#endif
