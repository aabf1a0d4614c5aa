"""Decision points, incidents and customers' reports

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("snapshot", postgresql.JSONB(), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("rung_since", MOMENT, nullable=False),
        sa.Column("escalated_by", sa.String(160), nullable=False),
        sa.Column("closing", sa.String(16), nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.Column("answer", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.String(160), nullable=False),
        sa.Column("person_id", sa.BigInteger()),
        sa.Column("key", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
        sa.UniqueConstraint("deployment_id", "attempt", "minute", name="uq_decision_deployment_id_attempt_minute"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_decision_deployment_id_deployment"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_decision_person_id_person"),
    )
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "uq_decision_open", "decision", ["deployment_id", "attempt"], unique=True, postgresql_where=still_open
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("raised_by", sa.String(160), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("raised_at", MOMENT, nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("rung_since", MOMENT, nullable=False),
        sa.Column("escalated_by", sa.String(160), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(160), nullable=False),
        sa.Column("decided_key", sa.String(64), nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_incident_deployment_id_deployment"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_incident_person_id_person"),
    )
    op.create_index("ix_incident_open", "incident", ["deployment_id"], postgresql_where=still_open)
    op.create_table(
        "incident_finding",
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("who", sa.String(160), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "number", name="pk_incident_finding"),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name="fk_incident_finding_incident_id_incident"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_incident_finding_person_id_person"),
    )
    op.create_table(
        "customer_report",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("customers", sa.Integer(), nullable=False),
        sa.Column("link", sa.String(500), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("taken_by", sa.String(160), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.String(160), nullable=False),
        sa.Column("answered_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_customer_report"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployment.id"], name="fk_customer_report_deployment_id_deployment"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_customer_report_person_id_person"),
    )
    op.create_index("ix_customer_report_deployment", "customer_report", ["deployment_id", "id"])


def downgrade() -> None:
    for table in ("customer_report", "incident_finding", "incident", "decision"):
        op.drop_table(table)
