"""The job queue's tables, and what the application's role may do

Revision: 0002, after 0001
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RIGHTS = """
do $$
begin
  if not exists (select from pg_roles where rolname = 'app') then
    return;
  end if;
  grant usage on schema public to app;
  grant select, insert, update, delete on all tables in schema public to app;
  grant usage, select on all sequences in schema public to app;
  grant execute on all functions in schema public to app;
  alter default privileges in schema public grant select, insert, update, delete on tables to app;
  alter default privileges in schema public grant usage, select on sequences to app;
  -- The log is insert-only for the application: no line of it can be changed or taken out by a bug or an intruder.
  revoke update, delete, truncate on event from app;
  revoke delete, truncate on event_chain from app;
  revoke all on alembic_version from app;
  grant select on alembic_version to app;
end $$;
"""

DROP_QUEUE = """
do $$
declare thing record;
begin
  for thing in select tablename from pg_tables where schemaname = 'public' and tablename like 'procrastinate%' loop
    execute format('drop table if exists public.%I cascade', thing.tablename);
  end loop;
  for thing in
    select p.oid::regprocedure as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname like 'procrastinate%'
  loop
    execute format('drop function if exists %s cascade', thing.signature);
  end loop;
  for thing in
    select t.typname from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where n.nspname = 'public' and t.typname like 'procrastinate%' and t.typtype in ('e', 'c')
      and not exists (select from pg_class c where c.oid = t.typrelid and c.relkind <> 'c')
  loop
    execute format('drop type if exists public.%I cascade', thing.typname);
  end loop;
end $$;
"""

DROP_RIGHTS = """
do $$
begin
  if exists (select from pg_roles where rolname = 'app') then
    alter default privileges in schema public revoke all on tables from app;
    alter default privileges in schema public revoke all on sequences from app;
    revoke all on all tables in schema public from app;
    revoke all on all sequences in schema public from app;
    revoke all on all functions in schema public from app;
    revoke usage on schema public from app;
  end if;
end $$;
"""


def _execute(script: str) -> None:
    # The driver's cursor, because SQLAlchemy's text() takes the queue's `%` and `:` for its own.
    cursor = op.get_bind().connection.dbapi_connection.cursor()
    cursor.execute(script)
    cursor.close()


def upgrade() -> None:
    _execute(SchemaManager.get_schema())
    _execute(RIGHTS)


def downgrade() -> None:
    _execute(DROP_RIGHTS)
    _execute(DROP_QUEUE)
