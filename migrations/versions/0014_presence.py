"""Going on without somebody who is missing: which seats that was decided on

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    empty = sa.text("'[]'::jsonb")
    op.add_column("checklist_state", sa.Column("without", postgresql.JSONB(), server_default=empty, nullable=False))


def downgrade() -> None:
    # What was decided by a person stays in the log; the version before knows no such row of a machine's item.
    op.execute("delete from checklist_state where without <> '[]'::jsonb")
    op.drop_column("checklist_state", "without")
