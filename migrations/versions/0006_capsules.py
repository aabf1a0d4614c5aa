"""Capsules, break-glass, and what the way back is proven by

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    empty = sa.text("'[]'::jsonb")
    op.add_column("target_state", sa.Column("preflight", postgresql.JSONB(), server_default=empty, nullable=False))
    op.add_column("target_state", sa.Column("preflight_at", moment))
    op.add_column("target_state", sa.Column("by_hand", postgresql.JSONB(), server_default=empty, nullable=False))
    op.create_table(
        "worker_capsule",
        sa.Column("worker", sa.String(120), nullable=False),
        sa.Column("target", sa.String(48), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.String(120), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("written_at", moment),
        sa.Column("reported_at", moment, nullable=False),
        sa.Column("problem", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("worker", "target", name="pk_worker_capsule"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployment.id"], name="fk_worker_capsule_deployment_id_deployment"
        ),
    )
    op.create_table(
        "break_glass",
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.String(48), nullable=False),
        sa.Column("who", sa.String(120), nullable=False),
        sa.Column("host", sa.String(120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("taken_in_at", moment, nullable=False),
        sa.Column("acknowledged_at", moment),
        sa.Column("acknowledged_by", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("run", name="pk_break_glass"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_break_glass_deployment_id_deployment"),
    )
    op.create_index("ix_break_glass_deployment_id", "break_glass", ["deployment_id"])
    op.create_table(
        "break_glass_line",
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("run", "seq", name="pk_break_glass_line"),
        sa.ForeignKeyConstraint(["run"], ["break_glass.run"], name="fk_break_glass_line_run_break_glass"),
    )


def downgrade() -> None:
    op.drop_table("break_glass_line")
    op.drop_table("break_glass")
    op.drop_table("worker_capsule")
    for name in ("by_hand", "preflight_at", "preflight"):
        op.drop_column("target_state", name)
