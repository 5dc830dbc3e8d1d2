"""Runs that wait and are cancelled; chains, budgets and who was addressed; webhook secrets."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WAITING = sa.text("state = 'waiting'")
ACTIVE = sa.text("state IN ('running', 'waiting')")


def upgrade() -> None:
    op.add_column("participants", sa.Column("secrets", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("runs", sa.Column("caller_id", sa.String(), nullable=False, server_default=""))
    op.add_column("runs", sa.Column("awaits", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("memory", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("runs", sa.Column("answer_id", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("cancelled_by", sa.String(), nullable=True))
    op.drop_index("uq_runs_lane", "runs")
    op.create_index(
        "uq_runs_lane", "runs", ["lane"], unique=True, sqlite_where=ACTIVE, postgresql_where=ACTIVE
    )
    op.create_index(
        "ix_runs_waiting", "runs", ["thread_id"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index(
        "ix_runs_offered", "runs", ["tenant_id", "participant_id"],
        sqlite_where=WAITING, postgresql_where=WAITING,
    )  # fmt: skip
    op.create_index(op.f("ix_runs_tenant_id_finished_ms"), "runs", ["tenant_id", "finished_ms"])
    op.create_table(
        "chains",
        sa.Column("root_message_id", sa.String(), nullable=False),
        sa.Column("replies", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("root_message_id", name=op.f("pk_chains")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_chains_at_ms"), "chains", ["at_ms"])
    op.create_table(
        "addressed",
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("root_message_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id"], ["rooms.id"], name=op.f("fk_addressed_room_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("room_id", "participant_id", name=op.f("pk_addressed")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budgets",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "scope", "day", name=op.f("pk_budgets")),
        sqlite_with_rowid=False,
    )
