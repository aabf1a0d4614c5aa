"""Which target an alert is about

Revision: 0013, after 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Empty: it names a deployment only, as all did so far, and counts for each of its targets.
    op.add_column("alert", sa.Column("target", sa.String(48), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("alert", "target")
