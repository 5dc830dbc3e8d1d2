// The WebSocket: authenticates, sends commands, keeps the beat, and comes back after a cut with full
// jitter, obeying the close codes.

import { ApiError } from "./api.js";

const PROTOCOL = "roomhub.v1.json";
const BASE_S = 0.5;
const CAP_S = 30;
const REPLY_S = 15;
const STEADY_S = 5;

/** The connection went away before the reply came; whether the command took effect is unknown. */
export class ConnectionLost extends Error {}

const STOP = {
  1000: "The hub closed the connection.",
  4401: "Your key was not accepted. Please sign in again.",
  4403: "This page may not connect to the hub: its address or your permissions do not allow it.",
  4410: "Your key was revoked, or you were removed from this hub.",
};

function retryAfter(reason) {
  const found = /retry_s\D{0,4}(\d+(?:\.\d+)?)/.exec(reason || "") || /^(\d+(?:\.\d+)?)$/.exec(reason || "");
  return found ? Number(found[1]) : null;
}

/** What a close code asks for: `{stop}`, or `{wait_s}` before the next attempt. */
export function afterClose(code, reason, tries, random = Math.random) {
  if (code in STOP) return { stop: STOP[code] };
  const jitter = random() * Math.min(CAP_S, BASE_S * 2 ** tries);
  const retry = retryAfter(reason);
  if (code === 1012 && retry !== null) return { wait_s: random() * retry, obey: true };
  if (code === 4429 && retry !== null) return { wait_s: retry + jitter, obey: true };
  return { wait_s: jitter };
}

export class Socket {
  /** `handlers`: onHello(hello), onEvent(event), onState(state, detail), onStop(code, sentence), onExpired(). */
  constructor(key, handlers) {
    this.key = key;
    this.handlers = handlers;
    this.waiting = new Map();
    this.tries = 0;
    this.nextId = 1;
    this.hello = null;
    this.stopped = false;
    this.wake = () => this.retryNow();
    addEventListener("online", this.wake);
  }

  get online() {
    return this.hello !== null;
  }

  open() {
    this.stopped = false;
    this.obey = false;
    clearTimeout(this.timer);
    this.handlers.onState(this.tries ? "reconnecting" : "connecting");
    const url = new URL("/v1/ws", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const ws = new WebSocket(url, PROTOCOL);
    this.ws = ws;
    this.timer = setTimeout(() => this.lost(ws, 0, ""), REPLY_S * 1000);
    ws.onopen = () => ws.send(JSON.stringify({ type: "auth", token: this.key }));
    ws.onmessage = (message) => ws === this.ws && this.read(message.data);
    ws.onclose = (event) => this.lost(ws, event.code, event.reason);
  }

  read(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame.type === "hello") this.greeted(frame);
    else if (frame.type === "reply") this.answered(frame);
    else this.handlers.onEvent(frame);
  }

  greeted(hello) {
    clearTimeout(this.timer);
    this.hello = hello;
    this.steady = setTimeout(() => (this.tries = 0), STEADY_S * 1000);
    this.beat = setInterval(() => this.command("ping").catch(() => {}), (hello.heartbeat_s || 25) * 1000);
    this.handlers.onState("online");
    this.handlers.onHello(hello);
  }

  answered(frame) {
    const pending = this.waiting.get(frame.id);
    if (!pending) return;
    this.waiting.delete(frame.id);
    clearTimeout(pending.timer);
    if (frame.ok) pending.resolve(frame.data || {});
    else pending.reject(new ApiError(0, frame.error));
  }

  /** Bytes of the frame a command would make, to compare with the hub's limit. */
  static size(type, fields) {
    return new TextEncoder().encode(JSON.stringify({ id: 1e9, type, ...fields })).length;
  }

  /** Sends a command; resolves with the reply's data, rejects with ApiError or ConnectionLost. */
  command(type, fields = {}) {
    const ws = this.ws;
    if (!this.online) return Promise.reject(new ConnectionLost("not connected"));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.lost(ws, 0, ""), REPLY_S * 1000);
      this.waiting.set(id, { resolve, reject, timer });
      ws.send(JSON.stringify({ id, type, ...fields }));
    });
  }

  /** Forgets the connection and everything that waited on it. */
  drop(code) {
    clearTimeout(this.timer);
    clearTimeout(this.steady);
    clearInterval(this.beat);
    const ws = this.ws;
    this.ws = null;
    this.hello = null;
    if (ws && ws.readyState < WebSocket.CLOSING) ws.close(1000);
    const error = Object.assign(new ConnectionLost("connection lost"), { closeCode: code });
    for (const pending of this.waiting.values()) {
      clearTimeout(pending.timer);
      pending.reject(error);
    }
    this.waiting.clear();
  }

  lost(ws, code, reason) {
    if (ws !== this.ws || ws === null) return;
    this.drop(code);
    if (this.stopped) return;
    const next = afterClose(code, reason, this.tries);
    if (next.stop) {
      this.stopped = true;
      this.handlers.onState("stopped", next.stop);
      this.handlers.onStop(code, next.stop);
      return;
    }
    if (code === 4402) this.handlers.onExpired();
    this.tries += 1;
    this.obey = Boolean(next.obey);
    this.handlers.onState("reconnecting");
    this.timer = setTimeout(() => this.open(), next.wait_s * 1000);
  }

  /** The network is back: no need to sit out the delay, unless the hub asked for it. */
  retryNow() {
    if (this.stopped || this.ws || this.obey) return;
    this.open();
  }

  close() {
    this.stopped = true;
    removeEventListener("online", this.wake);
    this.drop(1000);
  }
}
