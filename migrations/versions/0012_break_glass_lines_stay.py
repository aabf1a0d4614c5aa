"""What a break-glass rollback wrote down can be added to, and neither changed nor taken away, by the application

Revision: 0012, after 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

RIGHTS = """
do $$
begin
  if exists (select from pg_roles where rolname = 'app') then
    {words};
  end if;
end $$;
"""


def upgrade() -> None:
    op.execute(RIGHTS.format(words="revoke update, delete, truncate on break_glass_line from app"))


def downgrade() -> None:
    op.execute(RIGHTS.format(words="grant update, delete on break_glass_line to app"))
