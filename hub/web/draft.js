// A reply that is still being written: grows by deltas whose offsets count code points, never shrinks
// within one attempt.

const count = (text) => Array.from(text).length;

/** A new draft from the `drafts` of a subscribe reply: all of its text so far. */
export function openDraft({ run_id, message_id, thread_id, participant, attempt = 1, text = "" }) {
  return { run_id, message_id, thread_id, participant, attempt, text, length: count(text), rev: 0 };
}

/**
 * The draft after a delta, or the draft unchanged when it does not apply: a lower attempt and a gap
 * are left out, a higher attempt starts over, what is known already is trimmed.
 */
export function grow(draft, delta) {
  const attempt = delta.attempt ?? 1;
  if (draft && attempt < draft.attempt) return draft;
  const base = draft && attempt === draft.attempt ? draft : { ...openDraft({ ...delta, text: "" }), rev: (draft?.rev ?? 0) + 1 };
  if (delta.offset > base.length) return base;
  const points = Array.from(delta.text ?? "");
  const fresh = points.slice(base.length - delta.offset);
  if (!fresh.length) return base;
  return { ...base, text: base.text + fresh.join(""), length: base.length + fresh.length, rev: base.rev + 1 };
}
