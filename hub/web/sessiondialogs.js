// The dialogs of sessions: begin one, name it, call a person, hand it back, make it a room, delete it.

import { ask, picker } from "./dialogs.js";
import { h } from "./dom.js";

const text = (id, rows, limit, props = {}) => h("textarea", { id, rows, maxlength: limit, ...props });

const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value));

function prompt(value = "") {
  const field = text("session-field-prompt", "3", "32000", { placeholder: "You are… (optional)", value });
  return { field, label: h("label", { for: field.id }, "Instructions for the model") };
}

/** `create(body)` begins a session with one of the `models`. */
export function askNewSession({ models, create }) {
  const options = models.map(({ id, owned_by }) => h("option", { value: id }, owned_by === "persona" ? `${id} (persona)` : id));
  const model = h("select", { id: "session-field-model", required: true, autofocus: true }, ...options);
  const { field, label } = prompt();
  const submit = () => create(given({ model: model.value, system_prompt: field.value.trim() }));
  const fields = [h("label", { for: model.id }, "Model"), model, label, field];
  ask({ title: "New session", fields, action: "Begin", submit });
}

/** `save(fields)` gets what is changed: title and system_prompt, null for none. */
export function askSettings({ session, save }) {
  const title = h("input", { id: "session-field-title", maxlength: "200", autocomplete: "off", autofocus: true, placeholder: "Named by itself after the first answer", value: session.title || "" });
  const { field, label } = prompt(session.system_prompt || "");
  const submit = () => save({ title: title.value.trim() || null, system_prompt: field.value.trim() || null });
  const fields = [h("label", { for: title.id }, "Title"), title, label, field];
  ask({ title: "Title and instructions", fields, action: "Save", submit });
}

/** `call(message)` asks for a person. */
export function askCall({ call }) {
  const about = text("session-field-about", "3", "2000", { autofocus: true, placeholder: "What is it about? (optional)" });
  const fields = [h("p", {}, "A person reads along and answers instead of the model. Until then the model goes on."), h("label", { for: about.id }, "Message"), about];
  ask({ title: "Talk to a person", fields, action: "Ask for a person", submit: () => call(about.value.trim() || null) });
}

/** `give(note)` lets the model answer again; the model is told the note. */
export function askHandBack({ model, give }) {
  const note = text("session-field-note", "3", "2000", { autofocus: true, placeholder: "What it should know (optional)" });
  const fields = [h("p", {}, `${model} answers again, and reads what was said meanwhile.`), h("label", { for: note.id }, "Note for the model"), note];
  ask({ title: "Hand back", fields, action: "Hand back", submit: () => give(note.value.trim() || null) });
}

/** `promote({name, initial_members})` makes it a room; `participants` may be unknown. */
export function askPromote({ name, participants, promote }) {
  const field = h("input", { id: "session-field-name", required: true, maxlength: "200", autocomplete: "off", autofocus: true, value: name });
  const people = participants && picker(participants);
  const submit = () => promote(given({ name: field.value.trim(), initial_members: people?.chosen() }));
  const fields = [
    h("p", {}, "The same history, with more people. The session ends, and goes on in the room."),
    h("label", { for: field.id }, "Name"), field,
    ...(people ? [h("p", { class: "label" }, "Members"), people.node] : []),
  ];
  ask({ title: "Make it a room", fields, action: "Make room", submit });
}

export function askDeleteSession({ title, remove }) {
  ask({ title: `Delete “${title}”?`, fields: [h("p", {}, "It is gone from the list for everybody. Administrators can still trace that it was there.")], action: "Delete", submit: remove });
}
