// The REST side: one request function, the error it throws, and the calls the app makes.

/** An answer that was not a success; `status` is 0 when the hub could not be reached. */
export class ApiError extends Error {
  constructor(status, error = {}) {
    super(error.message || `The hub answered with status ${status}.`);
    this.status = status;
    this.code = error.code || "INTERNAL";
    this.details = Array.isArray(error.details) ? error.details : [];
    this.retryAfter = error.retry_after;
  }
}

/** One sentence for people: the message, and the fields at fault unless it names them already. */
export function explain(error) {
  const said = error?.message || "Something went wrong.";
  const message = said[0].toUpperCase() + said.slice(1);
  const rest = (error?.details || [])
    .map((detail) => `${detail.field}: ${detail.message}`)
    .filter((line) => !said.includes(line));
  const wait = error?.retryAfter ? ` Try again in ${Math.ceil(error.retryAfter)} s.` : "";
  return message + (rest.length ? ` (${rest.join("; ")})` : "") + wait;
}

const part = encodeURIComponent;
const sessionPath = (id, rest = "") => `/v1/sessions/${part(id)}${rest && `/${rest}`}`;
const messagePath = (room, message) => `/v1/rooms/${part(room)}/messages/${part(message)}`;

export class Api {
  /** `onRefused(sentence)` is called when the key is no longer accepted (401). */
  constructor(onRefused) {
    this.key = null;
    this.onRefused = onRefused;
  }

  async request(method, path, options) {
    const response = await this.fetch(method, path, options);
    return response.json().catch(() => ({}));
  }

  /** The response when it is a success; else an ApiError. */
  async fetch(method, path, { body, auth = true, headers = {} } = {}) {
    const init = { method, headers: { Accept: "application/json", ...headers }, cache: "no-store", credentials: "omit" };
    const key = this.key;
    if (auth) init.headers.Authorization = `Bearer ${key}`;
    if (body !== undefined) {
      init.headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(body);
    }
    let response;
    try {
      response = await fetch(path, init);
    } catch {
      throw new ApiError(0, { code: "UNREACHABLE", message: "The hub cannot be reached." });
    }
    if (response.ok) return response;
    const answer = await response.json().catch(() => ({}));
    if (response.status === 401 && auth && key === this.key) {
      this.onRefused("Your key is no longer accepted. Please sign in again.");
    }
    throw new ApiError(response.status, answer.error);
  }

  async data(method, path, options) {
    return (await this.request(method, path, options)).data;
  }

  /** Every item of a paged list, at most `pages` pages of 200. */
  async all(path, pages = 25) {
    const items = [];
    let cursor = null;
    for (let page = 0; page < pages; page += 1) {
      const query = `limit=200${cursor ? `&cursor=${part(cursor)}` : ""}`;
      const answer = await this.request("GET", `${path}?${query}`);
      items.push(...(answer.data?.items || []));
      cursor = answer.pagination?.has_more ? answer.pagination.next_cursor : null;
      if (!cursor) break;
    }
    return items;
  }

  login(ticket) {
    return this.data("POST", "/v1/login", { body: { ticket }, auth: false });
  }

  me() {
    return this.data("GET", "/v1/me");
  }

  rooms() {
    return this.all("/v1/rooms");
  }

  participants() {
    return this.all("/v1/participants", 5);
  }

  /** A room with its members and newest messages; of a session, what makes it one as well: read
   * after the room, so that no change of it is older than the room's head. */
  async room(id) {
    const room = await this.data("GET", `/v1/rooms/${part(id)}`);
    if (room.kind !== "session") return room;
    const { messages, ...session } = await this.data("GET", `${sessionPath(id)}?limit=1`);
    return { ...room, session };
  }

  runs(id) {
    return this.data("GET", `/v1/rooms/${part(id)}/runs`);
  }

  /** `act` is cancel or retry. */
  actOnRun(id, act) {
    return this.data("POST", `/v1/runs/${part(id)}/${act}`);
  }

  edit({ room_id, id }, content) {
    return this.data("PATCH", messagePath(room_id, id), { body: { content } });
  }

  remove({ room_id, id }) {
    return this.data("DELETE", messagePath(room_id, id));
  }

  react({ room_id, id }, emoji, present) {
    return this.data(present ? "PUT" : "DELETE", `${messagePath(room_id, id)}/reactions/${part(emoji)}`);
  }

  createRoom(body, key) {
    return this.data("POST", "/v1/rooms", { body, headers: { "Idempotency-Key": key } });
  }

  addMember(room, { type, id }) {
    return this.data("POST", `/v1/rooms/${part(room)}/members`, { body: { type, id } });
  }

  async models() {
    return (await this.request("GET", "/v1/models")).data;
  }

  /** A page of sessions, the newest first, or of those who wait: `{items, next}`. */
  async sessions({ cursor, limit = 50, ...query }) {
    const asked = new URLSearchParams({ limit, ...query, ...(cursor && { cursor }) });
    const answer = await this.request("GET", `/v1/sessions?${asked}`);
    return { items: answer.data.items, next: answer.pagination.has_more ? answer.pagination.next_cursor : null };
  }

  createSession(body, key) {
    return this.data("POST", "/v1/sessions", { body, headers: { "Idempotency-Key": key } });
  }

  changeSession(id, body) {
    return this.data("PATCH", sessionPath(id), { body });
  }

  deleteSession(id) {
    return this.data("DELETE", sessionPath(id));
  }

  escalate(id, message) {
    return this.data("POST", sessionPath(id, "escalate"), { body: { message } });
  }

  takeOver(id) {
    return this.data("POST", sessionPath(id, "takeover"), { body: {} });
  }

  handBack(id, note) {
    return this.data("POST", sessionPath(id, "handback"), { body: { note } });
  }

  promote(id, body) {
    return this.data("POST", sessionPath(id, "promote"), { body });
  }

  /** Has something answered: returns once that is stored. The reply comes as events, so what is
   * streamed here is read and dropped. */
  async ask(method, id, rest, body = {}) {
    const response = await this.fetch(method, sessionPath(id, rest), { body: { ...body, stream: true } });
    response.text().catch(() => {});
  }

  /** The session as a file. */
  async exported(id, format) {
    return (await this.fetch("GET", `${sessionPath(id, "export")}?format=${format}`, { headers: { Accept: "*/*" } })).blob();
  }

  /** Roots and replies before a position: `{items, more}`. */
  async before(room, seq, limit = 50) {
    const answer = await this.request("GET", `/v1/rooms/${part(room)}/messages?before=${seq}&limit=${limit}`);
    const items = answer.data?.items || [];
    return { items, more: answer.pagination?.has_more ?? items.length >= limit };
  }

  /** A whole thread, the root included. */
  thread(room, message) {
    return this.all(`/v1/rooms/${part(room)}/messages/${part(message)}/thread`);
  }

  /** For a message whose frame would be over the socket's limit. */
  post(room, { content, mention, thread_id, client_id }) {
    const path = `/v1/rooms/${part(room)}/messages${thread_id ? `/${part(thread_id)}/reply` : ""}`;
    return this.data("POST", path, { body: { content, mention, client_id } });
  }
}
