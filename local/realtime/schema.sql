-- What Supabase Realtime keeps in a project's database, for the local stack: run as the superuser supabase_admin, again and again if
-- need be. The roles anon, authenticated, service_role and postgres are there already.
set client_min_messages = warning;

do $$
begin
  if to_regrole('supabase_realtime_admin') is null then
    create role supabase_realtime_admin noinherit nologin noreplication;
  end if;
end
$$;

-- postgres, no superuser, writes the policies of an application on realtime.messages: only a table's owner may.
grant supabase_realtime_admin to postgres;

create schema if not exists realtime;
grant usage on schema realtime to postgres, anon, authenticated, service_role;
grant all on schema realtime to supabase_realtime_admin with grant option;

create table if not exists realtime.messages (
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  updated_at timestamp not null default now(),
  inserted_at timestamp not null default now(),
  id uuid not null default gen_random_uuid(),
  binary_payload bytea,
  constraint messages_pkey primary key (id, inserted_at)
) partition by range (inserted_at);

comment on table realtime.messages is 'One row is one broadcast: committed rows go out to the channel of their topic. Policies here decide who may join private channels.';

do $$
begin
  if not exists (
    select from pg_constraint where conrelid = 'realtime.messages'::regclass and conname = 'messages_payload_exclusive'
  ) then
    alter table realtime.messages
      add constraint messages_payload_exclusive check (payload is null or binary_payload is null) not valid;
  end if;
end
$$;

-- For replay: the newest broadcasts of one private topic.
create index if not exists messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
  where extension = 'broadcast' and private is true;

alter table realtime.messages owner to supabase_realtime_admin;
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to postgres, anon, authenticated, service_role;

create or replace function realtime.topic() returns text
language sql stable
set search_path = ''
return nullif(current_setting('realtime.topic', true), '');

comment on function realtime.topic is 'The topic that a policy on realtime.messages is asked about.';

-- Both senders hide every failure behind a warning: an application's transaction must not fail because its news cannot be told.
create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid := gen_random_uuid();
begin
  if not coalesce(send.payload ? 'id', false) then
    send.payload := jsonb_set(send.payload, '{id}', to_jsonb(v_id));
  end if;
  perform set_config('realtime.topic', send.topic, true);
  insert into realtime.messages (id, payload, event, topic, private, extension)
  values (v_id, send.payload, send.event, send.topic, send.private, 'broadcast');
exception
  when others then
    raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;

comment on function realtime.send is 'Broadcasts a JSON object to a topic when the transaction commits. Never fails: a refusal is a warning.';

create or replace function realtime.send_binary(payload bytea, event text, topic text, private boolean default true) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('realtime.topic', send_binary.topic, true);
  insert into realtime.messages (id, binary_payload, event, topic, private, extension)
  values (gen_random_uuid(), send_binary.payload, send_binary.event, send_binary.topic, send_binary.private, 'broadcast');
exception
  when others then
    raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;

comment on function realtime.send_binary is 'Broadcasts bytes to a topic when the transaction commits. Never fails: a refusal is a warning.';

create or replace function realtime.broadcast_changes(
  topic_name text,
  event_name text,
  operation text,
  table_name text,
  table_schema text,
  new record,
  old record,
  level text default 'ROW'
) returns void
language plpgsql
set search_path = ''
as $$
begin
  if level = 'STATEMENT' then
    raise exception 'function can only be triggered for each row, not for each statement';
  end if;
  if operation not in ('INSERT', 'UPDATE', 'DELETE') then
    raise exception 'Unexpected operation type: %', operation;
  end if;
  perform realtime.send(
    jsonb_build_object(
      'schema', table_schema,
      'table', table_name,
      'operation', operation,
      'record', to_jsonb(new),
      'old_record', to_jsonb(old)
    ),
    event_name,
    topic_name
  );
exception
  when others then
    raise exception 'Failed to process the row: %', sqlerrm;
end
$$;

comment on function realtime.broadcast_changes is 'For a row trigger: broadcasts what changed, as {schema, table, operation, record, old_record}.';

-- One partition per UTC day, from yesterday to three days ahead; what is older than the replay of 72 hours goes.
create or replace function realtime.maintain_partitions() returns void
language plpgsql
set search_path = ''
as $$
declare
  v_today date := (now() at time zone 'utc')::date;
  v_day date;
  v_name text;
begin
  perform pg_advisory_xact_lock(hashtext('realtime.maintain_partitions'));
  for v_day in select v_today + ahead from generate_series(-1, 3) as ahead loop
    v_name := 'messages_' || to_char(v_day, 'YYYY_MM_DD');
    if to_regclass('realtime.' || v_name) is null then
      execute format('create table realtime.%I partition of realtime.messages for values from (%L) to (%L)', v_name, v_day, v_day + 1);
      execute format('alter table realtime.%I owner to supabase_realtime_admin', v_name);
    end if;
  end loop;
  for v_name in
    select child.relname
    from pg_inherits
    join pg_class child on child.oid = inhrelid
    where inhparent = 'realtime.messages'::regclass
      and child.relname ~ '^messages_\d{4}_\d\d_\d\d$'
      and to_date(right(child.relname, 10), 'YYYY_MM_DD') < ((now() at time zone 'utc') - interval '72 hours')::date
  loop
    execute format('drop table realtime.%I', v_name);
  end loop;
end
$$;

comment on function realtime.maintain_partitions is 'Makes the coming days'' partitions of realtime.messages and drops the expired ones. The local server''s janitor calls it.';
revoke execute on function realtime.maintain_partitions from public, anon, authenticated, service_role;

select realtime.maintain_partitions();

do $$
begin
  if not exists (select from pg_publication where pubname = 'supabase_realtime_messages_publication') then
    create publication supabase_realtime_messages_publication for table realtime.messages;
  end if;
end
$$;
