-- Helpers of the files after this one, which stay in schema `tests` of the tested database (each of the others is rolled back).
begin;
select plan(1);

create schema if not exists tests;
grant usage on schema tests to public;

-- Time stands still but for pass(); the budget is ours alone until the end; people and contents go by names.
create or replace function tests.start() returns void language plpgsql as $start$
begin
  create or replace function likes.clock() returns timestamptz language plpgsql volatile set search_path = '' as
  $$ begin return current_setting('test.now')::timestamptz; end $$;
  perform set_config('test.now', now()::text, true);
  update likes.settings s set (
    window_ms, messages_per_second, max_connections, content_share, likes_per_second, grace_ms, rate_burst, rate_per_minute, presence_enabled)
    = (1000, 100, 200, 0.5, 100, 3000, 1000, 60000, false);
  update likes.budget set tokens = 350, refilled_at = likes.clock(), likes_rate = 0, rated_at = '-infinity';
end $start$;

create or replace function tests.pass(duration interval) returns void language sql as
$$ select set_config('test.now', (likes.clock() + duration)::text, true) $$;
create or replace function tests.id(name text) returns uuid language sql immutable as $$ select md5('test ' || name)::uuid $$;
create or replace function tests.person(name text, privacy text default 'public') returns void language plpgsql as $$
begin
  -- Somebody else may have the name already.
  update public.users u set username = left(md5(u.id::text), 20) where u.username = name;
  insert into auth.users (id, email, raw_user_meta_data)
  values (tests.id(name), name || '@test.example', jsonb_build_object('username', name, 'display_name', initcap(name)));
  update public.users set privacy_level = privacy, username = name where id = tests.id(name);
end $$;
create or replace function tests.post(name text, author text) returns void language sql as
$$ insert into public.posts (id, user_id, content) values (tests.id(name), tests.id(author), name) $$;
-- One call as a user, as `visitor`, or as `service`; refused: its SQLSTATE and message.
create or replace function tests.call(who text, query text) returns jsonb language plpgsql as $$
declare
  v_role text := case who when 'service' then 'service_role' when 'visitor' then 'anon' else 'authenticated' end;
  v_result jsonb;
begin
  perform set_config('request.jwt.claims', (jsonb_build_object('role', v_role)
    || case when v_role = 'authenticated' then jsonb_build_object('sub', tests.id(who)) else '{}' end)::text, true);
  perform set_config('role', v_role, true);
  execute 'select ' || query into v_result;
  perform set_config('role', 'none', true);
  return v_result;
end $$;
create or replace function tests.refused(who text, query text) returns text language plpgsql as $$
begin
  return 'not refused: ' || tests.call(who, query)::text;
exception when others then
  return sqlstate || ' ' || sqlerrm;
end $$;
create or replace function tests.like(who text, what text, liked boolean default null, intent bigint default null) returns jsonb language sql as
$$ select tests.call('service', format('public.toggle_like(%L, %L, %L, %L, %L)', tests.id(who), 'post', tests.id(what), liked, intent)) $$;
create or replace function tests.items(variadic names text[]) returns jsonb language sql as
$$ select jsonb_agg(jsonb_build_object('content_type', 'post', 'content_id', tests.id(n))) from unnest(names) n $$;
create or replace function tests.settle(variadic names text[]) returns jsonb language sql as
$$ select tests.call('service', format('public.settle_likes(%L)', tests.items(variadic names))) $$;
create or replace function tests.topic(name text) returns text language sql as $$ select 'content:post:' || tests.id(name) $$;
-- In the order of sending: realtime.send makes each in a subtransaction of its own. (Places in the table are used again.)
create or replace function tests.events(topic text) returns table (event text, payload jsonb) language sql as
$$ select m.event, m.payload from realtime.messages m where m.topic = events.topic order by m.xmin::text::bigint $$;
create or replace function tests.last_event(topic text) returns jsonb language sql as
$$ select m.payload || jsonb_build_object('event', m.event) from realtime.messages m where m.topic = last_event.topic order by m.xmin::text::bigint desc limit 1 $$;

select has_schema('tests', 'the helpers are there');
select * from finish();
commit;
