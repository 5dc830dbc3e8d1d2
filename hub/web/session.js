// What a session says of itself in words: its name, who answers in it, and what has changed. No DOM.

import { isAi, nameOf } from "./people.js";

export const isSession = (id) => Boolean(id?.startsWith("sess_"));

/** Where the page shows a room or session. */
export const addressOf = (id) => `#${isSession(id) ? "session" : "room"}=${encodeURIComponent(id)}`;

export const titleOf = (session) => session.title || "New session";

/** The name of who answers unless a person does. */
export function modelIn(room) {
  return nameOf([...room.members.values()].find(isAi) || { id: room.session.model });
}

/** Whether somebody is neither the session's user nor its model: a person who helps. */
export const isHelper = (room, person) => Boolean(room.session) && person?.type === "user" && person.id !== room.session.owner;

/** Who answers, in one sentence. */
export function whoAnswers(room, me) {
  const { session } = room;
  const model = modelIn(room);
  if (room.gone || session.deleted_at) return "This session was deleted.";
  if (session.room_id) return "This session goes on as a room.";
  if (session.status === "closed") return "This session is closed.";
  if (session.handler === me) return `You answer here instead of ${model}.`;
  if (session.handler) return `${nameOf(room.person(session.handler))}, a person, answers here instead of ${model}.`;
  if (session.queue) return waiting(session, me, model);
  return `${model} answers here.`;
}

function waiting({ owner, queue }, me, model) {
  if (owner === me) return `A person was asked for. ${model} answers until somebody comes.`;
  return `Waits for a person${queue.message ? `: “${queue.message}”` : "."}`;
}

/** What a change means to those who read, or null. */
export function whatChanged(room, after) {
  const before = room.session;
  const model = modelIn(room);
  const name = (id) => nameOf(room.person(id));
  if (after.handler && after.handler !== before.handler) return `${name(after.handler)} took over: a person answers from here on`;
  if (before.handler && !after.handler) return `${name(before.handler)} handed back: ${model} answers again`;
  if (after.room_id && !before.room_id) return "This session goes on as a room";
  if (after.status !== before.status) return after.status === "closed" ? "This session was closed" : "This session was opened again";
  if (after.queue && !before.queue) return "A person was asked for";
  return null;
}
