"""Whose word a canary's approval is

Revision: 0015, after 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "canary_run",
        sa.Column(
            "approved_person", sa.BigInteger(), sa.ForeignKey("person.id", name="fk_canary_run_approved_person_person")
        ),
    )


def downgrade() -> None:
    op.drop_column("canary_run", "approved_person")
