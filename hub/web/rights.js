// Who may write where and why not; what one may do with a session. No DOM.

/** Why one may not write in a room or session; null when one may. */
export function whyNot(room, me) {
  const member = room.members.get(me);
  if (room.session) return whyNotInSession(room, member);
  if (room.gone) return "You are no longer in this room.";
  if (room.info.archived_at) return "This room is archived: it can be read, not written to.";
  if (!member) return "You are reading this room without being a member of it.";
  if (member.role === "observer") return "You are an observer here: you can read, not write.";
  return null;
}

function whyNotInSession(room, member) {
  const { session } = room;
  if (room.gone || session.deleted_at) return "This session was deleted.";
  if (session.room_id) return "This session goes on as a room.";
  if (session.status === "closed") return "This session is closed: it can be read, not written to.";
  if (!member) return "You are reading along. Who takes the session over can answer.";
  return null;
}

/** What a reader of a session may do: `{change, call, take, handBack, promote}`. */
export function rights({ session, gone }, { me, role }) {
  const admin = role === "tenant_admin";
  const there = !gone && !session.deleted_at && !session.room_id;
  const open = there && session.status === "active";
  const own = session.owner === me;
  return {
    change: there && (own || admin),
    call: open && own && !session.handler && !session.queue,
    take: open && admin && !own && !session.handler,
    handBack: open && session.handler === me,
    promote: there && (own || admin),
  };
}
