-- The roles and rights of a hosted Supabase project, as far as an application can notice them. Run as the superuser supabase_admin
-- before anything else, again at every start: every statement can be repeated.
--
-- Hosted default privileges matter to tests: without them a function that forgot its `revoke` would look safe here and be open there.
set client_min_messages = warning;

do $$
declare
  -- The login roles share one well-known password, like those of the official local stack: the server listens on 127.0.0.1 only.
  v_role record;
begin
  for v_role in
    select * from (values
      ('anon', 'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role', 'nologin noinherit bypassrls'),
      ('authenticator', 'login noinherit password ''postgres'''),
      ('postgres', 'login createrole createdb replication bypassrls password ''postgres'''),
      ('supabase_auth_admin', 'login noinherit createrole password ''postgres'''),
      ('supabase_realtime_admin', 'nologin noinherit')
    ) as role (name, options)
  loop
    if to_regrole(v_role.name) is null then
      execute format('create role %I %s', v_role.name, v_role.options);
    end if;
  end loop;
end
$$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

-- PostgREST takes these over for the role of each request.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role supabase_admin set search_path = public, extensions;
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';

-- The owner of the database owns schema public, too, by way of pg_database_owner.
alter database postgres owner to postgres;
alter database postgres set search_path = "$user", public, extensions;
alter database postgres set timezone = 'UTC';

create schema if not exists extensions authorization postgres;
create schema if not exists auth authorization supabase_admin;
create schema if not exists realtime authorization supabase_admin;
grant all on schema auth to supabase_auth_admin;
grant usage on schema public, extensions, auth, realtime to postgres, anon, authenticated, service_role;

create extension if not exists pgcrypto with schema extensions;
create extension if not exists "uuid-ossp" with schema extensions;
create extension if not exists pg_stat_statements with schema extensions;

-- What postgres (or the dashboard, as supabase_admin) makes in schema public is open to the API roles until it says otherwise.
alter default privileges for role postgres in schema public grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_auth_admin in schema auth grant all on tables to postgres;
alter default privileges for role supabase_auth_admin in schema auth grant all on sequences to postgres;

-- PostgREST reads the schema once and waits to be told of changes. Temporary objects are none of its business, and a function that
-- uses them would make it read everything again at each call.
create or replace function extensions.notify_pgrst_of_change() returns event_trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_event = 'sql_drop' then
    if exists (select from pg_event_trigger_dropped_objects() where not is_temporary) then
      notify pgrst, 'reload schema';
    end if;
  elsif exists (select from pg_event_trigger_ddl_commands() where schema_name is distinct from 'pg_temp') then
    notify pgrst, 'reload schema';
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_event_trigger where evtname = 'pgrst_after_ddl') then
    create event trigger pgrst_after_ddl on ddl_command_end execute function extensions.notify_pgrst_of_change();
  end if;
  if not exists (select from pg_event_trigger where evtname = 'pgrst_after_drop') then
    create event trigger pgrst_after_drop on sql_drop execute function extensions.notify_pgrst_of_change();
  end if;
end
$$;
