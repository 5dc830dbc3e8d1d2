"""What runs are marked with that bring a budget near its end."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("warning", sa.JSON(none_as_null=True), nullable=True))
