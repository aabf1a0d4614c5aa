"""Ticks of single people, duties, evidence files, the hand on the rollback, arrivals; change freezes and patches

Revision: 0010, after 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


KEPT = """
do $$
begin
  if exists (select from pg_roles where rolname = 'app') then
    -- What was there when a vote was given stays: the application can add files, and neither change nor take any away.
    revoke update, delete, truncate on evidence_file from app;
  end if;
end $$;
"""


def _foreign(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=f"fk_{table}_{column}_{to}")


def upgrade() -> None:
    op.add_column("roster_seat", sa.Column("arrived_at", MOMENT))
    op.add_column("roster_seat", sa.Column("arrived_attempt", sa.Integer()))
    op.create_table(
        "personal_tick",
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("item", sa.String(100), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "attempt", "person_id", "item", name="pk_personal_tick"),
        _foreign("personal_tick", "deployment_id", "deployment"),
        _foreign("personal_tick", "person_id", "person"),
    )
    op.create_table(
        "duty_done",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.String(48), nullable=False),
        sa.Column("duty", sa.String(48), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(160), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_duty_done"),
        _foreign("duty_done", "deployment_id", "deployment"),
        _foreign("duty_done", "person_id", "person"),
    )
    op.create_index("ix_duty_done_deployment", "duty_done", ["deployment_id", "attempt"])
    op.create_table(
        "evidence_file",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("item", sa.String(100), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(160), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence_file"),
        _foreign("evidence_file", "deployment_id", "deployment"),
        _foreign("evidence_file", "person_id", "person"),
    )
    op.create_index("ix_evidence_file_deployment", "evidence_file", ["deployment_id", "attempt"])
    op.execute(KEPT)
    op.create_table(
        "custody",
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger()),
        sa.Column("since", MOMENT),
        sa.Column("offered_to", sa.BigInteger()),
        sa.Column("offered_by", sa.BigInteger()),
        sa.Column("offered_at", MOMENT),
        sa.PrimaryKeyConstraint("deployment_id", name="pk_custody"),
        _foreign("custody", "deployment_id", "deployment"),
        _foreign("custody", "person_id", "person"),
        _foreign("custody", "offered_to", "person"),
        _foreign("custody", "offered_by", "person"),
    )
    op.create_table(
        "channel_check",
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(48), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "channel", name="pk_channel_check"),
        _foreign("channel_check", "deployment_id", "deployment"),
    )
    op.create_table(
        "change_freeze",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("set_by", sa.String(160), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", MOMENT),
        sa.Column("lifted_by", sa.String(160), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_freeze"),
        _foreign("change_freeze", "deployment_id", "deployment"),
        _foreign("change_freeze", "person_id", "person"),
    )
    standing = sa.text("lifted_at IS NULL")
    op.create_index(
        "uq_change_freeze_standing", "change_freeze", ["deployment_id"], unique=True, postgresql_where=standing
    )
    op.create_table(
        "emergency_patch",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(160), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.String(160), nullable=False),
        sa.Column("answered_person", sa.BigInteger()),
        sa.Column("answered_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_emergency_patch"),
        _foreign("emergency_patch", "deployment_id", "deployment"),
        _foreign("emergency_patch", "person_id", "person"),
        _foreign("emergency_patch", "answered_person", "person"),
    )
    op.create_index("ix_emergency_patch_deployment", "emergency_patch", ["deployment_id", "id"])


def downgrade() -> None:
    for table in (
        *("emergency_patch", "change_freeze", "channel_check"),
        *("custody", "evidence_file", "duty_done", "personal_tick"),
    ):
        op.drop_table(table)
    op.drop_column("roster_seat", "arrived_attempt")
    op.drop_column("roster_seat", "arrived_at")
