"""What sessions are found by of their metadata, of those from before too."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_CHARS = 256
_TOGETHER = 1_000


def upgrade() -> None:
    found = op.create_table(
        "session_metadata",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], ondelete="CASCADE",
            name=op.f("fk_session_metadata_session_id"),
        ),
        sa.PrimaryKeyConstraint("session_id", "key", name=op.f("pk_session_metadata")),
        sqlite_with_rowid=False,
    )  # fmt: skip
    _fill(found)
    op.create_index(
        "ix_session_metadata_found",
        "session_metadata",
        ["tenant_id", "key", "value", "session_id"],
    )


def _fill(found: sa.Table) -> None:
    columns = [sa.column("id"), sa.column("tenant_id"), sa.column("metadata", sa.JSON())]
    sessions = sa.table("sessions", *columns)
    connection, after = op.get_bind(), ""
    while True:
        page = sa.select(sessions).where(sessions.c.id > after).order_by(sessions.c.id)
        some = connection.execute(page.limit(_TOGETHER)).all()
        rows = [
            {"session_id": each.id, "tenant_id": each.tenant_id, "key": key, "value": text}
            for each in some
            for key, value in each.metadata.items()
            if (text := _text_of(value)) is not None and key and len(key) <= _CHARS >= len(text)
        ]
        if rows:
            connection.execute(sa.insert(found), rows)
        if len(some) < _TOGETHER:
            return
        after = some[-1].id


def _text_of(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value).replace("e-0", "e-") if isinstance(value, int | float) else None
