-- Windows and the budget: what is sent at once, what waits, what it costs; batches with their names; failures alone.
begin;
select plan(66);

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

select pg_temp.person('anna'), pg_temp.person('dan', 'private'), pg_temp.person('zoe');
select pg_temp.person('fan' || n) from generate_series(1, 20) n;
select pg_temp.post('post' || n, 'anna') from generate_series(1, 20) n;
create function pg_temp.tokens() returns numeric language sql as
$$ select round(likes.budget_tokens(b, s, likes.clock())::numeric, 3) from likes.budget b, likes.settings s $$;
create function pg_temp.watch(name text, viewers integer) returns void language sql as $$
  insert into likes.rooms (content_type, content_id, viewers, counted_at) values ('post', pg_temp.id(name), viewers, likes.clock())
  on conflict on constraint rooms_pkey do update set viewers = excluded.viewers, counted_at = excluded.counted_at
$$;
create function pg_temp.spent() returns bigint language sql as
$$ select coalesce(sum(messages), 0) from likes.usage where used_at > likes.clock() - interval '60 s' $$;
delete from likes.usage;

-- What a send costs
select is(pg_temp.tokens(), 350.0, 'a full bucket of the Free plan: 6 s of it, less the dearest send');
select pg_temp.like('fan1', 'post1');
select is(pg_temp.tokens(), 347.0, 'a like without viewers: one message to the channel, one and its receiver to the author');
select pg_temp.like('anna', 'post2');
select is(pg_temp.tokens(), 346.0, 'the author''s own: none to the author');
select pg_temp.watch('post3', 40);
select is(pg_temp.like('fan1', 'post3') ->> 'viewers', '40', 'a content with 40 viewers');
select is(pg_temp.tokens(), 303.0, 'costs one message for each');
select is(pg_temp.spent(), 47::bigint, 'and all that is in the books');
select pg_temp.pass('2 s'), pg_temp.settle('post1', 'post2', 'post3');
select is(pg_temp.spent(), 51::bigint, 'so are two notifications with their receiver');
select is(pg_temp.tokens(), 346.0, 'while the bucket fills, up to its brim, before they are taken');
select pg_temp.pass('1 hour');
select is(pg_temp.tokens(), 350.0, 'but never beyond');

-- Empty
update likes.budget set tokens = 1, refilled_at = likes.clock();
select pg_temp.watch('post4', 200);
select pg_temp.like('fan1', 'post4');
select is((select count(*) from pg_temp.events(pg_temp.topic('post4'))), 1::bigint, 'with a token left the dearest send goes out');
select is(pg_temp.tokens(), -202.0, 'which is the most that can be overdrawn');
select is(pg_temp.like('fan1', 'post5') ->> 'wake_after_ms', '1000', 'without one a like waits for its settling');
select is_empty(format('select * from pg_temp.events(%L)', pg_temp.topic('post5')), 'and is not announced');
select pg_temp.pass('1 s');
select is((s -> 0) - 'content_id', '{"content_type": "post", "outcome": "waiting", "wake_after_ms": 1256, "likes": 0, "events": 0, "notifications": 0, "error": null}',
  'settling waits for the first token, and says how long') from pg_temp.settle('post5') s;
select is((select likes_count from public.posts where id = pg_temp.id('post5')), 0, 'with all that belongs to it');
select pg_temp.pass('1256 ms');
select is(pg_temp.settle('post5') #>> '{0,outcome}', 'settled', 'then it is settled');
select is(pg_temp.last_event(pg_temp.topic('post5')) ->> 'totalLikes', '1', 'with the final state');
select cmp_ok(pg_temp.spent(), '<=', 6000::bigint, 'what was spent in a minute is within the plan');

-- Windows
select pg_temp.pass('1 hour');
select is(likes.window_of(viewers, s, rate), expected, format('%s viewers and %s likes/s: %s', viewers, rate, expected))
from likes.settings s, (values (0, 0, '1 s'::interval), (39, 0, '1 s'), (40, 0, '1 s'), (41, 0, '2 s'), (200, 0, '5 s'), (0, 100, '1 s'), (0, 101, '2 s'), (0, 1000, '10 s'), (200, 200, '10 s')) w (viewers, rate, expected);
select pg_temp.watch('post6', 200);
select is(pg_temp.like('fan1', 'post6') ->> 'wake_after_ms', '5000', 'a watched content gathers for as long as its share of the budget asks');
select pg_temp.pass('4 s');
select is(pg_temp.like('fan2', 'post6') ->> 'wake_after_ms', null, 'before the end nobody wakes');
select is(pg_temp.settle('post6') #>> '{0,wake_after_ms}', '1000', 'and a wake-up that comes early is told the rest');
select pg_temp.pass('1 s');
select is(pg_temp.settle('post6') #>> '{0,wake_after_ms}', '5000', 'at the end it is announced and gathers on');
update likes.settings set messages_per_second = 500, max_connections = 500;
select pg_temp.pass('5 s'), pg_temp.settle('post6'), pg_temp.watch('post6', 200), pg_temp.like('fan3', 'post6');
select is(likes.to_ms(window_ends_at) - likes.to_ms(likes.clock()), 1000::bigint, 'the plan is a setting, changed live') from likes.activity where content_id = pg_temp.id('post6');
update likes.settings set messages_per_second = 100, max_connections = 200, window_ms = 3000;
select is(pg_temp.like('fan1', 'post7') ->> 'wake_after_ms', '3000', 'so is the shortest window');
update likes.settings set window_ms = 1000;
select throws_ok($$update likes.settings set window_ms = 999$$, '23514', null, 'which is a second at least');
select throws_ok($$insert into likes.settings (only_row) values (false)$$, '23514', null, 'settings are one row');
select is(likes.viewers_of('post', pg_temp.id('post6'), s), 200, 'a count of viewers is good for a minute') from likes.settings s;
select pg_temp.pass('61 s');
select is(likes.viewers_of('post', pg_temp.id('post6'), s), 0, 'and then stands for nobody') from likes.settings s;

-- Load
update likes.budget set likes_rate = 0, rated_at = likes.clock();
select pg_temp.like('fan' || n, 'post8') from generate_series(1, 20) n;
select pg_temp.pass('1 s'), pg_temp.settle('post8');
select is(round(likes.current_rate(b, likes.clock())::numeric, 2), 2.0, '20 likes settled are 2 a second over ten') from likes.budget b;
select is(round(likes.current_rate(b, likes.clock() + interval '10 s')::numeric, 2), 0.74, 'and fade') from likes.budget b;
update likes.budget set likes_rate = 250, rated_at = likes.clock();
select is(pg_temp.like('fan1', 'post9') ->> 'wake_after_ms', '3000', 'a busy system gathers longer everywhere');
update likes.budget set likes_rate = 0;

-- A batch
select pg_temp.pass('1 hour'), pg_temp.watch('post10', 3);
select pg_temp.like('fan1', 'post10'), pg_temp.pass('100 ms');
select pg_temp.like('dan', 'post10'), pg_temp.pass('100 ms');
select pg_temp.like('fan3', 'post10'), pg_temp.pass('100 ms');
select pg_temp.like('fan4', 'post10'), pg_temp.like('fan4', 'post10'), pg_temp.pass('700 ms');
select is((pg_temp.settle('post10') -> 0) - 'content_id',
  '{"content_type": "post", "outcome": "settled", "wake_after_ms": 1000, "likes": 4, "events": 1, "notifications": 1, "error": null}', 'a window ends');
select is(pg_temp.last_event(pg_temp.topic('post10')) - 'id' - 'version', jsonb_build_object(
    'event', 'post:likes_batched', 'contentId', pg_temp.id('post10'), 'contentType', 'post', 'authorId', pg_temp.id('anna'), 'finalLikeState', true,
    'totalLikes', 3, 'likerIds', jsonb_build_array(pg_temp.id('fan3'), pg_temp.id('fan1')), 'likerCount', 3, 'viewers', 3, 'timestamp', likes.to_wire(likes.clock())),
  'in one event, which names the newest first and nobody private');
select is(payload -> 'likerIds', jsonb_build_array(pg_temp.id('fan3'), pg_temp.id('dan'), pg_temp.id('fan1')), 'but to the author')
from pg_temp.events('user:' || pg_temp.id('anna')) where event = 'post:likes_batched' and payload ->> 'contentId' = pg_temp.id('post10')::text;
select is((select array_agg(v order by n) from (select row_number() over () as n, (payload ->> 'version')::bigint as v from pg_temp.events(pg_temp.topic('post10'))) e),
  (select array_agg((payload ->> 'version')::bigint order by (payload ->> 'version')::bigint) from pg_temp.events(pg_temp.topic('post10'))), 'its version is above those before');
select is((select coalesced from likes.activity where content_id = pg_temp.id('post10')), 3::bigint, 'what had no event of its own is counted');
select pg_temp.like('fan1', 'post10', false), pg_temp.pass('1 s'), pg_temp.settle('post10');
select is(e ->> 'finalLikeState', 'false', 'a window may end lower') from pg_temp.last_event(pg_temp.topic('post10')) e;
select is(e -> 'likerIds', '[]', 'and name nobody') from pg_temp.last_event(pg_temp.topic('post10')) e;
select pg_temp.pass('1 s'), pg_temp.settle('post10'), pg_temp.like('anna', 'post10'), pg_temp.like('anna', 'post10'), pg_temp.like('anna', 'post10', true), pg_temp.pass('1 s');
select pg_temp.settle('post10');
select is(count(*), 2::bigint, 'a window with nothing but the author''s own like tells the author nothing') from pg_temp.events('user:' || pg_temp.id('anna'))
where event = 'post:likes_batched' and payload ->> 'contentId' = pg_temp.id('post10')::text;

-- Failing alone
select pg_temp.like('fan1', 'post' || n) from generate_series(11, 13) n;
create function pg_temp.refuse() returns trigger language plpgsql as $$ begin raise exception 'the host is broken'; end $$;
create trigger test_refuse before update of likes_count on public.posts for each row when (old.content = 'post12') execute function pg_temp.refuse();
select pg_temp.pass('1 s');
create temporary table results as
select r ->> 'content_id' as content_id, r ->> 'outcome' as outcome, r ->> 'error' as error, r -> 'wake_after_ms' as wake from jsonb_array_elements(pg_temp.settle('post11', 'post12', 'post13')) r;
select is((select array_agg(outcome order by outcome) from results), array['failed', 'settled', 'settled'], 'one of three fails');
select is((select error from results where content_id = pg_temp.id('post12')::text), 'P0001 the host is broken', 'and says why');
select is((select count(*) from likes.notifications where content_id = any (array[pg_temp.id('post11'), pg_temp.id('post12'), pg_temp.id('post13')])), 2::bigint,
  'what it did is undone, the others'' stands');
select is((s -> 0) ->> 'outcome', 'failed', 'it is not tried again at once') from pg_temp.settle('post12') s;
select is((select failures from likes.activity where content_id = pg_temp.id('post12')), 1, 'nor counted again');
create function pg_temp.fail_again() returns interval language sql as $$
  select pg_temp.pass((select retry_at - likes.clock() from likes.activity where content_id = pg_temp.id('post12')));
  select pg_temp.settle('post12');
  select retry_at - likes.clock() from likes.activity where content_id = pg_temp.id('post12');
$$;
select is(array(select pg_temp.fail_again() from generate_series(1, 10)), array['2 s', '4 s', '8 s', '16 s', '32 s', '64 s', '128 s', '256 s', '300 s', '300 s']::interval[],
  'each time it is left alone for longer, 5 minutes at most');
select is(pg_temp.call('service', 'public.unsettled_likes()') @> pg_temp.items('post12'), false, 'the sweep leaves it alone, too');
select is((select failures from monitoring.notification_lag where content_id = pg_temp.id('post12')), 11, 'monitoring tells of it');
drop trigger test_refuse on public.posts;
select pg_temp.pass('300 s');
select is(pg_temp.call('service', 'public.unsettled_likes()') @> pg_temp.items('post12'), true, 'until its time comes');
select is((pg_temp.settle('post12') -> 0) - 'content_id',
  '{"content_type": "post", "outcome": "settled", "wake_after_ms": null, "likes": 1, "events": 0, "notifications": 1, "error": null}', 'then nothing was lost');
select results_eq(format($$select failures, last_error from likes.activity where content_id = %L$$, pg_temp.id('post12')), $$values (0, null::text)$$, 'and the failure is forgotten');
select is(pg_temp.call('service', 'public.settle_likes(''[]'')'), '[]', 'nothing to settle is nothing');
select is((pg_temp.settle('nothing') -> 0) - 'content_id', '{"content_type": "post", "outcome": "settled", "wake_after_ms": null, "likes": 0, "events": 0, "notifications": 0, "error": null}',
  'a wake-up for what nobody liked is done');
select is(pg_temp.refused('service', call), 'PT400 invalid_request', 'refused: ' || call) from unnest(array[
  'public.settle_likes(null)', 'public.settle_likes(''{}'')', 'public.unsettled_likes(0)', 'public.unsettled_likes(101)', 'public.reconcile_like_counts(0)']) call;

select * from finish();
rollback;
