"""Rollback triggers, their checks, and alerts from outside

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "trigger_state",
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(48), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("told_at", MOMENT),
        sa.Column("hold_asked_at", MOMENT),
        sa.Column("hold_asked_by", sa.String(160), nullable=False),
        sa.Column("hold_asked_person", sa.BigInteger()),
        sa.Column("hold_asked_position", sa.String(48), nullable=False),
        sa.Column("held_until", MOMENT),
        sa.Column("held_by", sa.String(330), nullable=False),
        sa.Column("complete_at", MOMENT),
        sa.Column("fired_at", MOMENT),
        sa.Column("operation_id", sa.BigInteger()),
        sa.Column("found", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "attempt", "trigger", name="pk_trigger_state"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_trigger_state_deployment_id_deployment"),
        sa.ForeignKeyConstraint(["hold_asked_person"], ["person.id"], name="fk_trigger_state_hold_asked_person_person"),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name="fk_trigger_state_operation_id_operation"),
    )
    op.create_table(
        "trigger_check",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("test", sa.String(48), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("is_bad", sa.Boolean()),
        sa.Column("ms", sa.Float(), nullable=False),
        sa.Column("found", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trigger_check"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_trigger_check_deployment_id_deployment"),
    )
    op.create_index("ix_trigger_check_newest", "trigger_check", ["deployment_id", "test", "at"])
    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("category", sa.String(48), nullable=False),
        sa.Column("trigger", sa.String(48), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raised_by", sa.String(160), nullable=False),
        sa.Column("person_id", sa.BigInteger()),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_alert_deployment_id_deployment"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_alert_person_id_person"),
    )
    op.create_index("ix_alert_received", "alert", ["deployment_id", "received_at"])
    op.create_table(
        "alert_delivery",
        sa.Column("hook", sa.String(48), nullable=False),
        sa.Column("delivery", sa.String(100), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("hook", "delivery", name="pk_alert_delivery"),
    )
    op.create_index("ix_alert_delivery_received_at", "alert_delivery", ["received_at"])


def downgrade() -> None:
    for table in ("alert_delivery", "alert", "trigger_check", "trigger_state"):
        op.drop_table(table)
