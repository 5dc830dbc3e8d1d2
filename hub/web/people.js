// How a participant looks: initials on a colour of their own, and a badge that says what they are.

import { h } from "./dom.js";

const HUES = 10;
const WHAT = { bot: "a bot: somebody's program", agent: "an agent: works on its own and may ask", persona: "a persona: a model with a character" };

export const isAi = (person) => person.type in WHAT;

export const nameOf = (person) => person?.name || person?.handle || person?.id || "Someone";

function initials(name) {
  const words = name.replace(/[_-]+/g, " ").trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)].map((word) => Array.from(word)[0]) : Array.from(words[0] || "?").slice(0, 2);
  return letters.join("").toUpperCase();
}

function hue(id = "") {
  let hash = 2166136261;
  for (const letter of id) hash = Math.imul(hash ^ letter.codePointAt(0), 16777619) >>> 0;
  return (hash >>> 8) % HUES;
}

export function avatar(person, size = "") {
  const shape = isAi(person) ? "ai" : "human";
  const letters = initials(nameOf(person));
  return h("span", { class: `avatar ${shape} hue-${hue(person.id)} ${size}`, "aria-hidden": "true" }, size === "tiny" ? Array.from(letters)[0] : letters);
}

/** Says of somebody in a session that it is a person who answers, not the model. */
export function helperBadge(person, me) {
  return h("span", { class: "badge helper", title: me ? "You answer here instead of the model" : `${nameOf(person)} is a person and answers instead of the model` }, "person");
}

/** Nothing for people, a small label for the three kinds of AI participant, and for a bare model. */
export function badge(person) {
  if (!isAi(person)) return null;
  if (person.id?.startsWith("persona_model-")) return h("span", { class: "badge persona", title: `${nameOf(person)} is a model` }, "model");
  return h("span", { class: `badge ${person.type}`, title: `${nameOf(person)} is ${WHAT[person.type]}` }, person.type);
}
