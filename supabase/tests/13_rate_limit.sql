-- The rate limit to the second, with what PostgREST makes a 429 of; and likes of a video that comes and goes.
begin;
select plan(16);

-- Time stands still but for pass(); the budget is ours alone until the end; people and contents go by names.
create or replace function likes.clock() returns timestamptz language plpgsql volatile set search_path = '' as
$$ begin return current_setting('test.now')::timestamptz; end $$;
select set_config('test.now', now()::text, true);
update likes.settings s set (
  window_ms, messages_per_second, max_connections, content_share, likes_per_second, grace_ms, rate_burst, rate_per_minute, presence_enabled)
  = (1000, 100, 200, 0.5, 100, 3000, 1000, 60000, false);
update likes.budget set tokens = 350, refilled_at = likes.clock(), likes_rate = 0, rated_at = '-infinity';

create function pg_temp.pass(duration interval) returns void language sql as
$$ select set_config('test.now', (likes.clock() + duration)::text, true) $$;
create function pg_temp.id(name text) returns uuid language sql immutable as $$ select md5('test ' || name)::uuid $$;
create function pg_temp.person(name text, privacy text default 'public') returns void language plpgsql as $$
begin
  -- Somebody else may have the name already.
  update public.users u set username = left(md5(u.id::text), 20) where u.username = name;
  insert into auth.users (id, email, raw_user_meta_data)
  values (pg_temp.id(name), name || '@test.example', jsonb_build_object('username', name, 'display_name', initcap(name)));
  update public.users set privacy_level = privacy, username = name where id = pg_temp.id(name);
end $$;
create function pg_temp.post(name text, author text) returns void language sql as
$$ insert into public.posts (id, user_id, content) values (pg_temp.id(name), pg_temp.id(author), name) $$;
-- One call as a user, as `visitor`, or as `service`; refused: its SQLSTATE and message.
create function pg_temp.call(who text, query text) returns jsonb language plpgsql as $$
declare
  v_role text := case who when 'service' then 'service_role' when 'visitor' then 'anon' else 'authenticated' end;
  v_result jsonb;
begin
  perform set_config('request.jwt.claims', (jsonb_build_object('role', v_role)
    || case when v_role = 'authenticated' then jsonb_build_object('sub', pg_temp.id(who)) else '{}' end)::text, true);
  perform set_config('role', v_role, true);
  execute 'select ' || query into v_result;
  perform set_config('role', 'none', true);
  return v_result;
end $$;
create function pg_temp.refused(who text, query text) returns text language plpgsql as $$
begin
  return 'not refused: ' || pg_temp.call(who, query)::text;
exception when others then
  return sqlstate || ' ' || sqlerrm;
end $$;
create function pg_temp.like(who text, what text, liked boolean default null, intent bigint default null) returns jsonb language sql as
$$ select pg_temp.call('service', format('public.toggle_like(%L, %L, %L, %L, %L)', pg_temp.id(who), 'post', pg_temp.id(what), liked, intent)) $$;
create function pg_temp.items(variadic names text[]) returns jsonb language sql as
$$ select jsonb_agg(jsonb_build_object('content_type', 'post', 'content_id', pg_temp.id(n))) from unnest(names) n $$;
create function pg_temp.settle(variadic names text[]) returns jsonb language sql as
$$ select pg_temp.call('service', format('public.settle_likes(%L)', pg_temp.items(variadic names))) $$;
create function pg_temp.topic(name text) returns text language sql as $$ select 'content:post:' || pg_temp.id(name) $$;
create function pg_temp.events(topic text) returns table (event text, payload jsonb) language sql as
$$ select m.event, m.payload from realtime.messages m where m.topic = events.topic order by m.ctid $$;
create function pg_temp.last_event(topic text) returns jsonb language sql as
$$ select m.payload || jsonb_build_object('event', m.event) from realtime.messages m where m.topic = last_event.topic order by m.ctid desc limit 1 $$;

select pg_temp.person('anna'), pg_temp.person('ben'), pg_temp.person('cleo');
select pg_temp.post('walk', 'anna');
create function pg_temp.try(who text) returns jsonb language plpgsql as $$
declare
  v_detail text;
begin
  perform pg_temp.like(who, 'walk');
  return '"liked"';
exception when sqlstate 'PGRST' then
  get stacked diagnostics v_detail = pg_exception_detail;
  return jsonb_build_object('message', sqlerrm::jsonb, 'detail', v_detail::jsonb);
end $$;
-- Seconds that a refused request is told to wait, the same in header, body and hint; null: it was not refused.
create function pg_temp.wait(who text) returns integer language sql as $$
  select case when t.t = '"liked"' then null
    when t.t #>> '{detail,headers,Retry-After}' = (t.t #>> '{message,details}')::jsonb ->> 'retry_after'
      and t.t #>> '{message,hint}' = format('Wait %s s before the next like.', t.t #>> '{detail,headers,Retry-After}')
    then (t.t #>> '{detail,headers,Retry-After}')::integer end
  from pg_temp.try(who) t
$$;

update likes.settings set (rate_burst, rate_per_minute) = (30, 60);
select is(array(select pg_temp.wait('ben') from generate_series(1, 30)), array_fill(null::integer, array[30]), '30 at once');
select is(pg_temp.try('ben'), jsonb_build_object(
    'message', jsonb_build_object('code', 'PT429', 'message', 'rate_limited', 'hint', 'Wait 1 s before the next like.', 'details', '{"retry_after" : 1}'),
    'detail', jsonb_build_object('status', 429, 'headers', jsonb_build_object('Retry-After', '1'))), 'the 31st is a 429 with its header');
select is(pg_temp.wait('cleo'), null, 'each user has a limit of their own');
select pg_temp.pass('999 ms');
select is(pg_temp.wait('ben'), 1, 'a millisecond early is early');
select pg_temp.pass('1 ms');
select is(array[pg_temp.wait('ben'), pg_temp.wait('ben')], array[null, 1], 'then one passes, and one only');
select pg_temp.pass('10 s');
select is(array(select pg_temp.wait('ben') from generate_series(1, 12)), array_fill(null::integer, array[10]) || array[1, 1], 'what was refused costs nothing: ten seconds, ten likes');
select pg_temp.pass('1 hour');
select is(array(select pg_temp.wait('ben') from generate_series(1, 31)), array_fill(null::integer, array[30]) || 1, 'what is not used is saved up to the burst');
update likes.settings set (rate_burst, rate_per_minute) = (2, 6);
select pg_temp.pass('1 hour');
select is(array(select pg_temp.wait('ben') from generate_series(1, 3)), array[null, null, 10], 'the limit is a setting, changed live');
select pg_temp.pass('3500 ms');
select is(pg_temp.wait('ben'), 7, 'seconds are rounded up');
select pg_temp.pass('6500 ms');
select is(array[pg_temp.wait('ben'), pg_temp.wait('ben')], array[null, 10], 'and waiting them is enough');
select matches(pg_temp.refused('service', format('public.toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'post', pg_temp.id('nothing'))), '^PGRST ', 'the limit comes before the content: guesses are limited, too');
select is(pg_temp.refused('service', format('public.toggle_like(%L, %L, %L, true, -1)', pg_temp.id('ben'), 'post', pg_temp.id('walk'))), 'PT400 invalid_request', 'but after the form of the request');
update likes.settings set (rate_burst, rate_per_minute) = (1000, 60000);
delete from likes.rate_limits where user_id = pg_temp.id('ben');

-- A video that is taken down and comes back
insert into public.videos (id, user_id, title, status) values (pg_temp.id('film'), pg_temp.id('anna'), 'film', 'ready');
create function pg_temp.film(call text) returns jsonb language sql as
$$ select pg_temp.call('service', format(call, pg_temp.id('film'))) $$;
create function pg_temp.status() returns jsonb language sql as $$
  select pg_temp.call('ben', format('public.get_like_status(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', pg_temp.id('film'))))) -> 0
$$;
create function pg_temp.settle_film() returns jsonb language sql as $$
  select pg_temp.call('service', format('public.settle_likes(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', pg_temp.id('film'))))) -> 0
$$;
select pg_temp.call('service', format('public.toggle_like(%L, %L, %L)', pg_temp.id(n), 'video', pg_temp.id('film'))) from unnest(array['ben', 'cleo']) n;
update public.videos set status = 'failed' where id = pg_temp.id('film');
select pg_temp.pass('1 s');
select is(pg_temp.settle_film() - 'content_id', '{"content_type": "video", "outcome": "settled", "wake_after_ms": null, "likes": 2, "events": 0, "notifications": 1, "error": null}',
  'what is not there is announced to nobody; its author is told');
select is((select likes_count from public.videos where id = pg_temp.id('film')), 2, 'its count is kept');
update public.videos set status = 'ready' where id = pg_temp.id('film');
select is(pg_temp.status() -> 'total_likes', '2', 'and right when it comes back');
select ok((pg_temp.status() ->> 'version')::bigint > (select max(m.payload ->> 'version')::bigint from realtime.messages m where m.topic = 'content:video:' || pg_temp.id('film')),
  'by a version above all that was sent');

select * from finish();
rollback;
