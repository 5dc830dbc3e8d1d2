// Small helpers that build DOM nodes. Text always goes in as text nodes, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** `h("p", {class: "x", onclick: f, "aria-label": "y"}, "text", node)`; null and false are left out. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.600 3-5.5 6.5-5.5s6.100 1.900 6.5 5.5M16 4.5a3.300 3.300 0 0 1 0 6.300M18 14.900c2 .7 3.300 2.400 3.5 5.100",
  leave: "M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4 4-4 4M19 12H9",
  send: "M12 19V6M6 11.5L12 5.5l6 6",
  reply: "M9 7L4 12l5 5M4 12h9a7 7 0 0 1 7 7",
  down: "M12 5v14M6 13l6 6 6-6",
  up: "M12 19V5M6 11l6-6 6 6",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M6 11h12v9H6z",
  hash: "M9 4L7 20M17 4l-2 16M4 9h16M4 15h16",
  thumb: "M7 11v9H4v-9zM7 11l4-8a2.200 2.200 0 0 1 2.200 2.500L12.500 10H19a1.500 1.500 0 0 1 1.500 1.800l-1.300 6.700A2 2 0 0 1 17.200 20H7",
  pencil: "M4 20l1-4.500L16.500 4l3.500 3.500L8.500 19zM14 6.500l3.500 3.500",
  bin: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13",
  chevron: "M9 6l6 6-6 6",
  bubble: "M5 5h14a1.500 1.500 0 0 1 1.500 1.500v9A1.500 1.500 0 0 1 19 17h-7l-4.500 3.500V17H5a1.500 1.500 0 0 1-1.500-1.500v-9A1.500 1.500 0 0 1 5 5z",
  again: "M19.500 12a7.500 7.500 0 1 1-2.200-5.300L20 9.300M20 4.500v4.800h-4.800",
  details: "M4 8h10M18 8h2M4 16h2M10 16h10M16 8a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM10 16a2 2 0 1 1-4 0 2 2 0 0 1 4 0z",
};

/** A decorative line icon of 24 units, drawn in the current colour. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/**
 * Makes `parent` hold exactly `items` in order, reusing nodes by key. An item is
 * `{key, make(), version}`; `make` gives `{node, update(item)}`, called when the version changed
 * (each time when it has none). `cache` is a Map that lives as long as the parent.
 */
export function reconcile(parent, items, cache) {
  let next = parent.firstChild;
  const kept = new Set();
  for (const item of items) {
    kept.add(item.key);
    let row = cache.get(item.key);
    if (!row) cache.set(item.key, (row = { part: item.make(item), version: null }));
    if (item.version === undefined || row.version !== item.version) row.part.update?.(item);
    row.version = item.version;
    if (row.part.node === next) next = next.nextSibling;
    else parent.insertBefore(row.part.node, next);
  }
  for (const [key, row] of cache) {
    if (kept.has(key)) continue;
    row.part.node.remove();
    cache.delete(key);
  }
}

/** A short message in the corner that leaves by itself; errors stay longer. */
export function toast(text, kind = "info") {
  const node = h("div", { class: `toast ${kind}` }, text);
  byId("toasts").append(node);
  setTimeout(() => node.remove(), kind === "error" ? 8000 : 4000);
}

/** A random UUID, also where the page is served over plain HTTP and `randomUUID` is missing. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
