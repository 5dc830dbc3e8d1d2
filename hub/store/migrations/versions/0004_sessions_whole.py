"""Sessions with a policy while busy, a person who answers, a queue for one, a room they became."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEPT = sa.text("deleted_ms IS NULL")
WAITING = sa.text("waiting_ms IS NOT NULL")
LISTS = {
    "ix_sessions_tenant": ["tenant_id", "id"],
    "ix_sessions_status": ["tenant_id", "status", "id"],
    "ix_sessions_owner": ["tenant_id", "owner", "id"],
    "ix_sessions_owner_status": ["tenant_id", "owner", "status", "id"],
}


def upgrade() -> None:
    busy = sa.Column("busy", sa.String(), nullable=False, server_default="queue")
    op.add_column("sessions", busy)
    op.add_column("sessions", sa.Column("handler", sa.String(), nullable=True))
    op.add_column("sessions", sa.Column("waiting_ms", sa.BigInteger(), nullable=True))
    op.add_column("sessions", sa.Column("waiting_for", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("handover", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("sessions", sa.Column("promoted", sa.JSON(none_as_null=True), nullable=True))
    op.drop_index("ix_sessions_tenant_id_id", "sessions")
    op.drop_index("ix_sessions_tenant_id_owner_id", "sessions")
    for name, columns in LISTS.items():
        op.create_index(name, "sessions", columns, sqlite_where=KEPT, postgresql_where=KEPT)
    op.create_index(
        "ix_sessions_waiting", "sessions", ["tenant_id", "waiting_ms", "id"],
        sqlite_where=WAITING, postgresql_where=WAITING,
    )  # fmt: skip


def downgrade() -> None:
    for name in ("ix_sessions_waiting", *LISTS):
        op.drop_index(name, "sessions")
    op.create_index("ix_sessions_tenant_id_owner_id", "sessions", ["tenant_id", "owner", "id"])
    op.create_index("ix_sessions_tenant_id_id", "sessions", ["tenant_id", "id"])
    for name in ("promoted", "handover", "waiting_for", "waiting_ms", "handler", "busy"):
        op.drop_column("sessions", name)
