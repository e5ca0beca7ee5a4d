-- What keeps the engine clean: sweep, reconciler, pruning, deletions; what shows it: the monitoring views and the metrics.
begin;
select plan(59);

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

select pg_temp.person(n) from unnest(array['anna', 'ben', 'cleo', 'dan', 'emma']) n;
select pg_temp.post('post' || n, 'anna') from generate_series(1, 9) n;
select pg_temp.post('bens', 'ben');
create function pg_temp.total(name text) returns bigint language sql as
$$ select coalesce(sum(likes), 0)::bigint from likes.counters where content_id = pg_temp.id(name) $$;
create function pg_temp.unsettled() returns text[] language sql as $$
  select coalesce(array_agg(n.name order by n.name), '{}')
  from jsonb_array_elements(pg_temp.call('service', 'public.unsettled_likes()')) u
  join (select 'post' || g as name from generate_series(1, 9) g union select 'bens') n on pg_temp.id(n.name)::text = u ->> 'content_id'
$$;
create function pg_temp.at_rest(name text) returns void language plpgsql as $$
begin
  for n in 1..3 loop
    perform pg_temp.pass('2 s'), pg_temp.settle(name);
  end loop;
end $$;
-- What others have is none of this test's business.
update likes.activity set reconciled_at = 'infinity';

-- The sweep
select pg_temp.like('ben', 'post1');
select is(pg_temp.unsettled(), '{}', 'a like whose wake-up is on its way is not swept');
select pg_temp.pass('3999 ms');
select is(pg_temp.unsettled(), '{}', 'nor some seconds later');
select pg_temp.pass('2 ms');
select is(pg_temp.unsettled(), array['post1'], 'when it is long overdue it is');
select pg_temp.like('cleo', 'post1');
select is(pg_temp.unsettled(), array['post1'], 'although likes go on');
update likes.settings set grace_ms = 60000;
select is(pg_temp.unsettled(), '{}', 'how long is a setting');
update likes.settings set grace_ms = 3000;
select pg_temp.at_rest('post1');
select is(pg_temp.unsettled(), '{}', 'what is settled is not swept');
select pg_temp.like('dan', 'post1');
update likes.activity set settle_due_at = null where content_id = pg_temp.id('post1');
select is(pg_temp.unsettled(), array['post1'], 'what nobody is going to wake is swept at once');
delete from likes.activity where content_id = pg_temp.id('post1');
select is(pg_temp.unsettled(), array['post1'], 'so is what has no window');
select pg_temp.at_rest('post1');
select is((select announced_total from likes.activity where content_id = pg_temp.id('post1')), 3::bigint, 'and settling finds its way from there');
select pg_temp.like('ben', 'post' || n) from generate_series(2, 4) n;
select pg_temp.pass('5 s');
select is(jsonb_array_length(pg_temp.call('service', 'public.unsettled_likes(2)')), 2, 'no more than were asked for');

-- The reconciler
select pg_temp.at_rest('post' || n) from generate_series(1, 4) n;
update likes.counters set likes = likes + 5 where content_id = pg_temp.id('post1');
update likes.counters set likes = likes - 1 where content_id = pg_temp.id('post2');
select is((select array_agg(drift order by drift) from monitoring.drift where content_id in (pg_temp.id('post1'), pg_temp.id('post2'))), array[-5, 1]::bigint[], 'drift is seen');
select is(pg_temp.call('service', 'public.reconcile_like_counts(100)') - 'checked', '{"repaired": 2, "drift": 6}', 'repaired and reported');
select is(array[pg_temp.total('post1'), pg_temp.total('post2')], array[3, 1]::bigint[], 'upwards and downwards');
select is((pg_temp.call('service', 'public.like_metrics()') ->> 'drift')::integer >= 6, true, 'it is a metric');
select is(pg_temp.unsettled(), array['post1', 'post2'], 'what it repaired is settled again');
update likes.activity set announced_total = 8 where content_id = pg_temp.id('post1');
select pg_temp.at_rest('post1'), pg_temp.at_rest('post2');
select is(pg_temp.last_event(pg_temp.topic('post1')) ->> 'totalLikes', '3', 'so that a wrong count that was announced is corrected');
select is(pg_temp.call('service', 'public.reconcile_like_counts(100)') - 'checked', '{"repaired": 0, "drift": 0}', 'a second time there is nothing to repair');
update likes.activity set reconciled_at = likes.clock() - interval '1 hour' where content_id = pg_temp.id('post3');
update likes.activity set reconciled_at = likes.clock() - interval '2 hours' where content_id = pg_temp.id('post4');
select is(pg_temp.call('service', 'public.reconcile_like_counts(1)') -> 'checked', '1', 'as many at a time as were asked for');
select is((select reconciled_at from likes.activity where content_id = pg_temp.id('post4')), likes.clock(), 'those unchecked longest first');

-- A user goes
select pg_temp.like('ben', 'post5'), pg_temp.like('cleo', 'post5'), pg_temp.like('dan', 'post5'), pg_temp.like('cleo', 'bens');
select pg_temp.at_rest('post5'), pg_temp.at_rest('bens');
select pg_temp.like('emma', 'post5', true), pg_temp.like('cleo', 'post5', false), pg_temp.like('cleo', 'post5', true), pg_temp.at_rest('post5');
select pg_temp.call('cleo', format('public.sync_viewing(%L, %L)', pg_temp.id('screen'), pg_temp.items('post5')));
delete from auth.users where id = pg_temp.id('cleo');
select is(pg_temp.unsettled(), array['bens', 'post1', 'post5'], 'what a user liked, who is gone, is swept');
select is((select count(*) from likes.content_likes where user_id = pg_temp.id('cleo')), 0::bigint, 'the likes are gone');
select is(pg_temp.like('emma', 'post5', false) ->> 'total_likes', '2', 'and in no total');
select pg_temp.at_rest(n) from unnest(array['post1', 'post5', 'bens']) n;
select is(pg_temp.last_event(pg_temp.topic('post5')) ->> 'totalLikes', '2', 'viewers are told');
select is(pg_temp.call('anna', 'public.get_notifications()') #> '{notifications,0,data,likerCount}', '2', 'the author, too');
select is(pg_temp.last_event('user:' || pg_temp.id('ben')) ->> 'event', 'notification:removed', 'a notification of nobody else goes');
select is(pg_temp.call('service', 'public.reconcile_like_counts(100)') - 'checked', '{"repaired": 0, "drift": 0}', 'none of that is drift');
select is((select count(*) from likes.last_seen where user_id = pg_temp.id('cleo')), 1::bigint, 'when they were last seen is known');
select pg_temp.call('service', 'public.prune_likes()');
select is((select count(*) from likes.last_seen where user_id = pg_temp.id('cleo')), 0::bigint, 'until it is pruned');

-- An author goes
select pg_temp.like('dan', 'bens'), pg_temp.at_rest('bens');
select pg_temp.call('ben', 'public.set_like_notifications(false)'), pg_temp.call('ben', format('public.mute_content(%L, %L)', 'post', pg_temp.id('bens')));
delete from auth.users where id = pg_temp.id('ben');
select is(pg_temp.unsettled() @> array['bens'], true, 'what an author took along is swept');
select pg_temp.pass('1 s'), pg_temp.settle('bens');
select is((select count(*) from likes.content_likes where content_id = pg_temp.id('bens')) + (select count(*) from likes.counters where content_id = pg_temp.id('bens'))
  + (select count(*) from likes.activity where content_id = pg_temp.id('bens')) + (select count(*) from likes.notifications where user_id = pg_temp.id('ben'))
  + (select count(*) from likes.mutes where user_id = pg_temp.id('ben')) + (select count(*) from likes.preferences where user_id = pg_temp.id('ben')), 0::bigint,
  'and nothing is left of it');

-- A content goes
select pg_temp.like('dan', 'post6'), pg_temp.at_rest('post6');
delete from public.posts where id in (pg_temp.id('post6'), pg_temp.id('post9'));
select is((select count(*) from likes.departures where content_id = pg_temp.id('post9')), 0::bigint, 'a content that nobody liked leaves nothing to do');
select is(pg_temp.unsettled() @> array['post6'], true, 'one that was liked is swept');
select is(pg_temp.refused('service', format('public.toggle_like(%L, %L, %L)', pg_temp.id('dan'), 'post', pg_temp.id('post6'))), 'PT404 content_not_found', 'it cannot be liked any more');
select is((pg_temp.settle('post6') -> 0) - 'content_id', '{"content_type": "post", "outcome": "settled", "wake_after_ms": null, "likes": 0, "events": 0, "notifications": 1, "error": null}', 'it is forgotten');
select is(pg_temp.last_event('user:' || pg_temp.id('anna')) ->> 'event', 'notification:removed', 'and its notification taken back');
select is((select count(*) from likes.content_likes where content_id = pg_temp.id('post6')), 0::bigint, 'with its likes');

-- Pruning
update likes.settings set (keep_unliked, keep_notifications) = ('1 day', '90 days');
select pg_temp.like('dan', 'post7'), pg_temp.at_rest('post7'), pg_temp.like('dan', 'post7', false), pg_temp.like('emma', 'post7', true), pg_temp.at_rest('post7');
insert into likes.viewers (viewer_id, content_hashes, connection, seen_at) values (pg_temp.id('silent'), '{}', 'live', likes.clock() - interval '1 minute');
create function pg_temp.has(name text) returns boolean language sql as
$$ select exists (select from likes.content_likes where content_id = pg_temp.id('post7') and user_id = pg_temp.id(name)) $$;
select pg_temp.call('service', 'public.prune_likes()');
select ok(pg_temp.has('dan'), 'a like taken back is remembered for a day, to know a late repeat');
select is((select count(*) from likes.viewers where viewer_id = pg_temp.id('silent')), 1::bigint, 'a silent viewer for a minute');
select pg_temp.pass('25 hours');
select pg_temp.call('service', 'public.prune_likes()');
select ok(not pg_temp.has('dan') and pg_temp.has('emma'), 'then what was taken back is forgotten, what is liked is not');
select is((select count(*) from likes.viewers where viewer_id = pg_temp.id('silent')), 0::bigint, 'so is the viewer');
select is((select count(*) from likes.rate_limits where user_id in (pg_temp.id('dan'), pg_temp.id('emma'))), 0::bigint, 'and when requests were made');
select is((select count(*) from likes.usage where used_at < likes.clock() - interval '1 day'), 0::bigint, 'and figures of yesterday');
select is(pg_temp.total('post7'), 1::bigint, 'the counter does not mind');
select isnt((select count(*) from likes.notifications where user_id = pg_temp.id('anna') and read_at is null), 0::bigint, 'notifications that nobody has read stay');

-- Monitoring
delete from likes.usage;
select set_config('test.now', now()::text, true);
select pg_temp.like('dan', 'post8'), pg_temp.like('emma', 'post8');
select results_eq($$select messages, events from monitoring.likes_per_minute$$, $$values (3::bigint, 1::bigint)$$, 'messages are on the books as they are sent');
select is((select share from monitoring.budget_use), round(3 / 60.0 / 100, 3), 'as a share of the plan');
update likes.activity set announced_total = 1000000000 where content_id = pg_temp.id('post1');
select results_eq('select content_id, likes from monitoring.top_content limit 1', $$values (pg_temp.id('post1'), 1000000000::bigint)$$, 'the most liked content comes first');
select is((select array_agg(failures) from monitoring.notification_lag where content_id = pg_temp.id('post8')), array[0], 'what waits to be told is listed');
select cmp_ok((pg_temp.call('service', 'public.like_metrics()') ->> 'unsettled')::integer, '>=', 1, 'and counted');
select pg_temp.call('visitor', format('public.sync_viewing(%L, %L)', pg_temp.id('screen'), pg_temp.items('post8')));
select is((select viewers from monitoring.active_rooms where content_id = pg_temp.id('post8')), 1, 'rooms tell their viewers');
select is((pg_temp.call('service', 'public.like_metrics()') ->> 'viewers_live')::bigint, (select count(*) from likes.viewers where connection = 'live' and seen_at > now() - interval '30 seconds'), 'so do the metrics');
select is(array(select jsonb_object_keys(pg_temp.call('service', 'public.like_metrics()')) order by 1), array[
  'budget_share', 'drift', 'events_per_minute', 'failing', 'likes_per_minute', 'longest_lag_ms', 'missed_events', 'notifications_per_minute', 'oldest_unsettled_ms',
  'unsettled', 'viewers_live', 'viewers_polling'], 'the metrics are these');
select is_empty($$select from jsonb_each(pg_temp.call('service', 'public.like_metrics()')) where jsonb_typeof(value) <> 'number'$$, 'each a number');
select pg_temp.at_rest('post8');
select is((select count(*) from monitoring.notification_lag where content_id = pg_temp.id('post8')), 0::bigint, 'what is told is off the list');
select is(pg_temp.refused('emma', 'public.' || call), '42501 permission denied for function ' || split_part(call, '(', 1), 'a user may not call ' || call) from unnest(array[
  'settle_likes(''[]'')', 'unsettled_likes()', 'reconcile_like_counts()', 'prune_likes()', 'like_metrics()']) call;

select * from finish();
rollback;
