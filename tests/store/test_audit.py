"""`hub.store.audit`: what was written is read, newest first, in its own tenant."""

from __future__ import annotations

from functools import partial

from hub.ports import AuditEntry, AuditRecord, Page
from hub.store.common import write_audit
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, RIVAL, actor


async def test_entries_are_read_newest_first_page_by_page(store: SqlStore) -> None:
    for n in range(5):
        entry = AuditEntry(f"audit_{n}", ADMIN, "key.created", f"key_{n}", AT_MS + n, {"n": n})
        await store.database.write(partial(write_audit, entry=entry))
    rival = actor("user_admin", RIVAL)
    foreign = AuditEntry("audit_9", rival, "key.created", "key_9", AT_MS, {})
    await store.database.write(partial(write_audit, entry=foreign))
    first = await store.audit.page(ACME, Page(3))
    assert ["audit_4", "audit_3", "audit_2"] == [record.id for record in first]
    rest = await store.audit.page(ACME, Page(3, first[-1].id))
    assert ["audit_1", "audit_0"] == [record.id for record in rest]
    expected = AuditRecord(
        "audit_4", AT_MS + 4, "user_admin", ADMIN.key_id, "key.created", "key_4", {"n": 4}
    )
    assert expected == first[0]
