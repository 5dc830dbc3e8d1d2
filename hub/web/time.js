// Times for people: the clock for messages, relative for what is about age, exact in the title.

import { h } from "./dom.js";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const long = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** Whole calendar days between two moments, 0 for the same day. */
const daysApart = (then, now) => Math.round((midnight(now) - midnight(then)) / 86400000);

export function relative(stamp, now = new Date()) {
  const then = new Date(stamp);
  const seconds = (now - then) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  const days = daysApart(then, now);
  if (days === 0 || seconds < 6 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  if (days === 1) return `yesterday, ${clock.format(then)}`;
  if (days < 7) return `${days} days ago`;
  return (then.getFullYear() === now.getFullYear() ? short : long).format(then);
}

/** "Today", "Yesterday", or the date: the line between two days of a room. */
export function dayName(stamp, now = new Date()) {
  const then = new Date(stamp);
  const days = daysApart(then, now);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return then.getFullYear() === now.getFullYear() ? day.format(then) : long.format(then);
}

export const dayKey = (stamp) => new Date(stamp).toDateString();

export const timeOfDay = (stamp) => clock.format(new Date(stamp));

/** The time of day of a message: the line above says which day. */
export function clockNode(stamp) {
  return h("time", { datetime: stamp, title: exact.format(new Date(stamp)) }, timeOfDay(stamp));
}

/** A `<time>` that `keepFresh` updates. */
export function timeNode(stamp, prefix = "") {
  if (!stamp || Number.isNaN(Date.parse(stamp))) return h("time");
  const attributes = { datetime: stamp, title: exact.format(new Date(stamp)), "data-prefix": prefix };
  return h("time", attributes, prefix + relative(stamp));
}

export function keepFresh() {
  setInterval(() => {
    for (const node of document.querySelectorAll("time[data-prefix]")) {
      const text = node.dataset.prefix + relative(node.dateTime);
      if (node.textContent !== text) node.textContent = text;
    }
  }, 20000);
}
