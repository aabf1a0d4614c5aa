"""The phases of the day, their steps, and the plan clock

Rows of phases are made with a deployment, and for one that is older when it is first looked for under its lock
(app/phases/commands_rows.py): only the plan document says which there are.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    empty = sa.text("'[]'::jsonb")
    op.add_column("deployment", sa.Column("clock", postgresql.JSONB(), server_default=empty, nullable=False))
    op.create_check_constraint(op.f("ck_deployment_live_clock"), "deployment", "mode <> 'live' OR clock = '[]'::jsonb")
    op.create_table(
        "phase_run",
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.String(48), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("planned_at", MOMENT),
        sa.Column("is_moved", sa.Boolean(), nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(160), nullable=False),
        sa.Column("changed_key", sa.String(64), nullable=False),
        sa.Column("state_since", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("skip_asked_at", MOMENT),
        sa.Column("skip_asked_by", sa.String(160), nullable=False),
        sa.Column("skip_asked_person", sa.BigInteger()),
        sa.Column("skip_asked_position", sa.String(48), nullable=False),
        sa.Column("skip_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "phase", name="pk_phase_run"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_phase_run_deployment_id_deployment"),
        sa.ForeignKeyConstraint(["skip_asked_person"], ["person.id"], name="fk_phase_run_skip_asked_person_person"),
    )
    op.create_table(
        "step_run",
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(48), nullable=False),
        sa.Column("step", sa.String(48), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("person_id", sa.BigInteger()),
        sa.Column("who", sa.String(160), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "attempt", "phase", "step", name="pk_step_run"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_step_run_deployment_id_deployment"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_step_run_person_id_person"),
    )


def downgrade() -> None:
    op.drop_table("step_run")
    op.drop_table("phase_run")
    op.drop_constraint(op.f("ck_deployment_live_clock"), "deployment")
    op.drop_column("deployment", "clock")
