// The small pieces of the timeline: days, notes, the head of a room, and what makes rows belong together.

import { h, icon } from "./dom.js";
import { Row, runLink } from "./message.js";
import { modelIn, titleOf } from "./session.js";
import { dayName, dayKey, timeNode } from "./time.js";

const GROUP_MS = 5 * 60000;
const PROMPT_CHARS = 300;

/** What the next row is compared with. */
export const previousOf = (message) => message && { author: message.author?.id, at: Date.parse(message.created_at) };

/** Whether a message goes on where the one before it ended: same author, soon after, no run of an AI. */
export function follows(previous, message) {
  return Boolean(previous?.author) && !message.run_id && previous.author === message.author?.id && Date.parse(message.created_at) - previous.at < GROUP_MS;
}

export function rowPart(fill) {
  const row = new Row("");
  return { node: row.node, update: (item) => fill(row, item) };
}

export function mergeBySeq(messages, notes) {
  if (!notes.length) return messages;
  return [...messages, ...notes].sort((one, other) => one.seq - other.seq);
}

export function dayItem(at) {
  return { key: `day:${dayKey(at)}`, version: dayName(at), make: () => dayPart() };
}

function dayPart() {
  const words = h("span");
  return { node: h("div", { class: "day" }, words), update: (item) => (words.textContent = item.version) };
}

/** The line above what is new to the reader. */
export function newItem() {
  return { key: "new", version: 0, make: () => ({ node: h("div", { class: "new-line", role: "separator", "aria-label": "New messages" }, h("span", {}, "New")) }) };
}

/** A word about what happened; one about a run that came to nothing offers to try it again. */
export function noteItem(note, view) {
  const version = `${note.again}${view.canAsk()}`;
  return { key: note.key, note, version, make: () => notePart(note.kind, view) };
}

function notePart(kind, view) {
  const node = h("p", { class: `note ${kind}` });
  const again = ({ again }) => again && view.canAsk() && runLink("again", "Try again", "Try again", () => view.actions.again(again));
  const parts = (note) => [note.text, " ", note.at && timeNode(note.at), " ", again(note)];
  return { node, update: ({ note }) => node.replaceChildren(...parts(note).filter(Boolean)) };
}

/** Where a room or session begins. */
export function intro(room) {
  const { info, roots } = room;
  if (room.session) return sessionIntro(room);
  const hint = "Nothing here yet. Say hello, or type @ to call somebody, people and AI participants alike.";
  return beginning(info.private === false ? "hash" : "lock", info.name || "This room", info.description || "This is where the room begins.", roots.length ? null : hint);
}

function sessionIntro(room) {
  const { session, roots } = room;
  const told = session.system_prompt || "";
  const prompt = told ? `It was told: “${told.slice(0, PROMPT_CHARS)}${told.length > PROMPT_CHARS ? "…" : ""}”` : "This is where the session begins.";
  return beginning("bubble", titleOf(session), prompt, roots.length ? null : `Nothing here yet. ${modelIn(room)} answers whatever is written.`);
}

function beginning(mark, name, about, hint) {
  return h("div", { class: "intro" }, h("span", { class: "intro-mark" }, icon(mark)), h("h2", {}, name), h("p", {}, about), hint && h("p", { class: "intro-hint" }, hint));
}
