"""Canaries

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "canary_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.String(48), nullable=False),
        sa.Column("target", sa.String(48), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("operation_id", sa.BigInteger()),
        sa.Column("dwelt_s", sa.Float(), nullable=False),
        sa.Column("counted_at", MOMENT),
        sa.Column("looked_at", MOMENT),
        sa.Column("dark_since", MOMENT),
        sa.Column("step_since", MOMENT),
        sa.Column("read_green", sa.Integer()),
        sa.Column("read_at", MOMENT),
        sa.Column("probes_green", sa.Integer(), nullable=False),
        sa.Column("probes_total", sa.Integer(), nullable=False),
        sa.Column("approved_by", sa.String(160), nullable=False),
        sa.Column("approved_at", MOMENT),
        sa.Column("approved_text", sa.Text(), nullable=False),
        sa.Column("reported_by", sa.String(160), nullable=False),
        sa.Column("reported_at", MOMENT),
        sa.Column("reported_text", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(160), nullable=False),
        sa.Column("changed_key", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.String(160), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("state_since", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_canary_run"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_canary_run_deployment_id_deployment"),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name="fk_canary_run_operation_id_operation"),
    )
    still_open = sa.text("finished_at IS NULL")
    op.create_index("uq_canary_open", "canary_run", ["target"], unique=True, postgresql_where=still_open)
    op.create_index("ix_canary_run_phase", "canary_run", ["deployment_id", "phase", "id"])
    op.create_table(
        "canary_reading",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("metric", sa.String(48), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_canary_reading"),
        sa.ForeignKeyConstraint(["run_id"], ["canary_run.id"], name="fk_canary_reading_run_id_canary_run"),
    )
    op.create_index("ix_canary_reading_newest", "canary_reading", ["run_id", "at"])


def downgrade() -> None:
    for table in ("canary_reading", "canary_run"):
        op.drop_table(table)
