"""When a worker could have run a script

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("script_run", sa.Column("able_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("script_run", "able_at")
