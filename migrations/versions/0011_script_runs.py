"""Scripts that workers run, and what they print

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "script_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(48), nullable=False),
        sa.Column("step", sa.String(48), nullable=False),
        sa.Column("command", postgresql.JSONB(), nullable=False),
        sa.Column("within_s", sa.Float(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("requested_by", sa.String(160), nullable=False),
        sa.Column("person_id", sa.BigInteger()),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("worker", sa.String(80), nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("abort_at", MOMENT),
        sa.Column("abort_by", sa.String(160), nullable=False),
        sa.Column("seen", postgresql.JSONB(), nullable=False),
        sa.Column("pending", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("kept", sa.BigInteger(), nullable=False),
        sa.Column("left_out", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_script_run"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_script_run_deployment_id_deployment"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_script_run_person_id_person"),
    )
    op.create_index("ix_script_run_step", "script_run", ["deployment_id", "attempt", "phase", "step"])
    op.create_index(
        "uq_script_run_open",
        "script_run",
        ["deployment_id", "phase", "step"],
        unique=True,
        postgresql_where=sa.text("state in ('waiting', 'running')"),
    )
    op.create_table(
        "script_output",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_script_output"),
        sa.ForeignKeyConstraint(["run_id"], ["script_run.id"], name="fk_script_output_run_id_script_run"),
    )


def downgrade() -> None:
    op.drop_table("script_output")
    op.drop_table("script_run")
