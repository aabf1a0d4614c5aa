"""What follows a target's balancer, and how far it is

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    for column in (
        sa.Column("follower_state", sa.String(16), server_default="", nullable=False),
        sa.Column("follower_blue", sa.Integer(), nullable=True),
        sa.Column("follower_found", sa.String(300), server_default="", nullable=False),
        sa.Column("follower_epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("follower_since", moment, nullable=True),
        sa.Column("follower_at", moment, nullable=True),
    ):
        op.add_column("target_state", column)


def downgrade() -> None:
    for name in ("at", "since", "epoch", "found", "blue", "state"):
        op.drop_column("target_state", f"follower_{name}")
