// Message text to DOM nodes: paragraphs, lists, fenced and inline code, bold, http(s) links, mentions.
// Never markup.

import { h } from "./dom.js";

const INLINE = /`([^`\n]+)`|\*\*(?=\S)((?:[^*\n]|\*(?!\*))+)\*\*|(https?:\/\/[^\s<>"`]+)|@([\p{L}\p{N}_][\p{L}\p{N}_.-]*)/gu;
const FENCE = /^ {0,3}(`{3,})[ \t]*([\w+#.-]*)[^`\n]*$/;

const ITEM = /^ {0,3}([-*•]|\d{1,9}[.)]) +(\S.*)$/;

/** Cuts a text into `{code, lang, text}` blocks; an open fence runs to the end (a draft). */
export function blocks(text) {
  const found = [];
  let lines = [];
  let fence = null;
  const flush = (code) => {
    const body = lines.join("\n");
    if (code || body.trim()) found.push({ code, lang: fence?.lang || "", text: code ? body : body.replace(/^\n+|\s+$/g, "") });
    lines = [];
  };
  for (const line of text.split("\n")) {
    const mark = FENCE.exec(line);
    if (!fence && mark) {
      flush(false);
      fence = { ticks: mark[1], lang: mark[2] };
    } else if (fence && line.trim() === fence.ticks) {
      flush(true);
      fence = null;
    } else lines.push(line);
  }
  if (fence || lines.length) flush(Boolean(fence));
  return found;
}

/** Punctuation after an address belongs to the sentence, and so does an unopened bracket. */
function linkEnd(url) {
  let end = url.length;
  let unopened = url.split(")").length - url.split("(").length;
  while (end > 0) {
    const last = url[end - 1];
    if (last === ")" && unopened > 0) unopened -= 1;
    else if (!/[.,;:!?'*\]}]/.test(last)) break;
    end -= 1;
  }
  return end;
}

function link(raw) {
  let url;
  try {
    url = new URL(raw);
  } catch {
    return raw;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return raw;
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, raw);
}

/** The mention of a handle, or null; a full stop after it belongs to the sentence. */
function mention(text, handle, at, people) {
  if (at > 0 && /[\p{L}\p{N}_@/.]/u.test(text[at - 1])) return null;
  const name = [handle, handle.replace(/[.-]+$/, "")].find((candidate) => people.byHandle(candidate));
  if (!name) return null;
  const mine = people.byHandle(name).id === people.me ? " me" : "";
  return { length: name.length + 1, node: h("span", { class: `mention${mine}` }, `@${name}`) };
}

function piece(match, people) {
  const [raw, code, bold, url, handle] = match;
  if (code !== undefined) return { length: raw.length, node: h("code", {}, code) };
  if (bold !== undefined) return { length: raw.length, node: h("strong", {}, ...inline(bold, people)) };
  if (url !== undefined) {
    const end = linkEnd(url);
    return { length: end, node: link(url.slice(0, end)) };
  }
  return mention(match.input, handle, match.index, people);
}

function inline(text, people) {
  const nodes = [];
  const pattern = new RegExp(INLINE);
  let done = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const made = piece(match, people);
    if (!made || made.length === 0) continue;
    if (match.index > done) nodes.push(text.slice(done, match.index));
    nodes.push(made.node);
    done = match.index + made.length;
    pattern.lastIndex = done;
  }
  if (done < text.length) nodes.push(text.slice(done));
  return nodes;
}

/** Runs of lines of one kind: `"ul"`, `"ol"` or `"p"`; an empty line ends a paragraph. */
function passages(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const [, mark, item] = ITEM.exec(line) || [];
    const kind = mark ? (/\d/.test(mark) ? "ol" : "ul") : line.trim() ? "p" : null;
    if (kind && found.at(-1)?.kind === kind) found.at(-1).lines.push(item ?? line);
    else if (kind || found.at(-1)?.kind === "p") found.push({ kind, start: parseInt(mark, 10), lines: [item ?? line] });
  }
  return found.filter((passage) => passage.kind);
}

function prose({ kind, start, lines }, people) {
  if (kind === "p") return h("p", {}, ...inline(lines.join("\n"), people));
  const first = kind === "ol" && start !== 1 ? start : null;
  return h(kind, { start: first }, ...lines.map((line) => h("li", {}, ...inline(line, people))));
}

/** The nodes of a message; `people` is `{byHandle(handle), me}`. */
export function format(text, people) {
  return blocks(text).flatMap((block) =>
    block.code
      ? [h("pre", { tabindex: "0", "data-lang": block.lang || null }, h("code", {}, block.text))]
      : passages(block.text).map((passage) => prose(passage, people)),
  );
}

/** The `mention` array of a text: every `@handle` of a member, outside code. */
export function mentionsIn(text, byHandle) {
  const found = new Map();
  for (const block of blocks(text)) {
    if (block.code) continue;
    const prose = block.text.replace(/`[^`\n]+`/g, " ");
    for (const [, , handle] of prose.matchAll(/(^|[^\p{L}\p{N}_@/.])@([\p{L}\p{N}_][\p{L}\p{N}_.-]*)/gu)) {
      const person = byHandle(handle) || byHandle(handle.replace(/[.-]+$/, ""));
      if (person) found.set(person.id, { type: person.type, id: person.id });
    }
  }
  return [...found.values()];
}
