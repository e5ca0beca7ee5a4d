-- Settling: windows, batches, the budget, counts of the host, and what disturbs it.
begin;
select plan(49);

create temporary table clock (now timestamptz not null);
insert into clock values ('2026-05-01 12:00:00Z');
grant select on clock to public;
create or replace function likes.clock() returns timestamptz language plpgsql volatile set search_path = '' as $$
begin
  return (select c.now from pg_temp.clock c);
end;
$$;
create function pg_temp.later(seconds double precision) returns void language sql as $$
  update pg_temp.clock set now = now + make_interval(secs => seconds)
$$;

insert into auth.users (id, email, raw_user_meta_data)
select md5('person ' || n)::uuid, n || '@test.example', jsonb_build_object('username', 'person_test_' || n) from generate_series(1, 80) n;
insert into public.posts (id, user_id, content)
select md5('post ' || n)::uuid, md5('person 1')::uuid, 'post ' || n from generate_series(1, 9) n;
update likes.budget set tokens = 'infinity', refilled_at = '-infinity', likes_rate = 0;

create function pg_temp.tap(who integer, n integer, liked boolean default true) returns jsonb language sql as $$
  select public.toggle_like(md5('person ' || who)::uuid, 'post', md5('post ' || n)::uuid, liked)
$$;
create function pg_temp.settle(n integer) returns jsonb language sql as $$
  select public.settle_likes(jsonb_build_array(jsonb_build_object('content_type', 'post', 'content_id', md5('post ' || n)::uuid))) -> 0
$$;
create function pg_temp.events(n integer) returns table (event text, payload jsonb) language sql as $$
  select m.event, m.payload from realtime.messages m where m.topic = 'content:post:' || md5('post ' || n)::uuid
  order by (m.payload ->> 'version')::bigint
$$;
create function pg_temp.is_unsettled(n integer) returns boolean language sql as $$
  select exists (select from likes.counters c where c.content_id = md5('post ' || n)::uuid and c.dirty)
$$;

-- A window
select pg_temp.tap(2, 1), pg_temp.tap(3, 1), pg_temp.tap(4, 1);
select ok(pg_temp.is_unsettled(1), 'likes leave their content unsettled');
select is(pg_temp.settle(1) ->> 'outcome', 'waiting', 'a wake-up that comes early waits');
select is((pg_temp.settle(1) ->> 'wake_after_ms')::integer, 1000, 'for the rest of the window');
select pg_temp.later(1);
create temporary table settled as select pg_temp.settle(1) as s;
select is(s ->> 'outcome', 'settled', 'at its end it is settled') from settled;
select is((s ->> 'likes')::integer, 3, 'all its likes') from settled;
select is((s ->> 'events')::integer, 1, 'in one event') from settled;
select is((s ->> 'wake_after_ms')::integer, 1000, 'and a busy window is followed by another') from settled;
select is(count(*), 2::bigint, 'viewers got two events in all') from pg_temp.events(1);
select is(payload ->> 'totalLikes', '3', 'the batch has the final count') from pg_temp.events(1) where event = 'post:likes_batched';
select is(payload ->> 'likerCount', '3', 'how many liked') from pg_temp.events(1) where event = 'post:likes_batched';
select is(payload ->> 'finalLikeState', 'true', 'that it rose') from pg_temp.events(1) where event = 'post:likes_batched';
select is(jsonb_array_length(payload -> 'likerIds'), 3, 'and who') from pg_temp.events(1) where event = 'post:likes_batched';
select is((select likes_count from public.posts where id = md5('post 1')::uuid), 3, 'the host''s count follows');
select ok(not pg_temp.is_unsettled(1), 'and nothing is left');
select pg_temp.tap(5, 1);
select is(count(*), 2::bigint, 'a like in the next window is gathered') from pg_temp.events(1);
select pg_temp.later(1);
select is((pg_temp.settle(1) ->> 'events')::integer, 1, 'and announced at its end');
select pg_temp.later(1);
select is(pg_temp.settle(1) -> 'wake_after_ms', 'null', 'a quiet window ends it');
select pg_temp.later(1);
select pg_temp.tap(6, 1);
select is(count(*), 4::bigint, 'after quiet the next like is announced at once') from pg_temp.events(1);

-- What ends as it was announced
select pg_temp.tap(2, 2);
select pg_temp.tap(3, 2), pg_temp.tap(3, 2, false);
select pg_temp.later(1);
select is((pg_temp.settle(2) ->> 'events')::integer, 0, 'what ends as it was announced is no event');
select is(pg_temp.settle(2) -> 'wake_after_ms', 'null', 'and needs no further window');

-- Many likers
select count(pg_temp.tap(n, 3)) from generate_series(2, 71) n;
select pg_temp.later(1);
select pg_temp.settle(3);
select is(jsonb_array_length(payload -> 'likerIds'), 50, 'a batch names 50 at most') from pg_temp.events(3) where event = 'post:likes_batched';
select is(payload ->> 'likerCount', '70', 'and counts all') from pg_temp.events(3) where event = 'post:likes_batched';

-- The budget
select is(likes.window_of(0, s, 0), interval '1 second', 'without viewers a window is a second') from likes.settings s;
select is(likes.window_of(200, s, 0), interval '5 seconds', 'with 200 viewers on the Free plan it is five') from likes.settings s;
select is(likes.window_of(0, s, 250), interval '3 seconds', 'and load widens it') from likes.settings s;
update likes.budget set tokens = -100, refilled_at = likes.clock();
select pg_temp.tap(2, 4);
select is(count(*), 0::bigint, 'with no tokens a first like waits') from pg_temp.events(4);
select pg_temp.later(1);
select is(pg_temp.settle(4) ->> 'outcome', 'waiting', 'and so does its settling');
select cmp_ok((pg_temp.settle(4) ->> 'wake_after_ms')::integer, '<=', 1000, 'no longer than the bucket takes to fill');
select pg_temp.later(1);
select is(pg_temp.settle(4) ->> 'outcome', 'settled', 'then it goes out');
select is(payload ->> 'totalLikes', '1', 'with the final state') from pg_temp.events(4);
select is((select budget_capacity from likes.settings), 350::double precision, 'the bucket of the Free plan holds 350');
update likes.settings set messages_per_second = 500, max_connections = 500;
select is((select budget_refill from likes.settings), 450::double precision, 'the plan is a setting');
select throws_ok('update likes.settings set max_connections = 10000', '23514', null, 'a budget that could not carry its connections is refused');

-- Trouble
select pg_temp.tap(2, 5);
create or replace function realtime_test_failure() returns trigger language plpgsql as $$ begin raise exception 'busy'; end $$;
create trigger test_failure before update of likes_count on public.posts for each row when (old.id = md5('post 5')::uuid) execute function realtime_test_failure();
select pg_temp.later(1);
select is(pg_temp.settle(5) ->> 'outcome', 'failed', 'a content that cannot be settled fails alone');
select is(pg_temp.settle(5) ->> 'error', 'P0001 busy', 'says why, and is left alone for a while');
select ok(pg_temp.is_unsettled(5), 'it stays unsettled');
drop trigger test_failure on public.posts;
select pg_temp.later(2);
select is(pg_temp.settle(5) ->> 'outcome', 'settled', 'and is settled when the trouble is over');

-- A batch
create function pg_temp.settle_all(variadic numbers integer[]) returns text[] language sql as $$
  select array_agg(s ->> 'outcome' order by n)
  from jsonb_array_elements(public.settle_likes((
    select jsonb_agg(jsonb_build_object('content_type', 'post', 'content_id', md5('post ' || n)::uuid)) from unnest(numbers) n))) s
  join unnest(numbers) n on md5('post ' || n) = replace(s ->> 'content_id', '-', '')
$$;
create function pg_temp.told(n integer) returns bigint language sql as $$
  select count(*) from realtime.messages m
  where m.topic = 'user:' || md5('person 1')::uuid and m.payload #>> '{data,contentId}' = md5('post ' || n)::uuid::text
$$;
select pg_temp.later(60);
select pg_temp.tap(who, n) from unnest(array[7, 8, 9]) n cross join unnest(array[2, 3]) who;
delete from public.posts where id = md5('post 9')::uuid;
create trigger test_failure before update of likes_count on public.posts for each row when (old.id = md5('post 8')::uuid) execute function realtime_test_failure();
select pg_temp.later(2);
select is(pg_temp.settle_all(7, 8, 9), '{settled,failed,settled}', 'one of a batch that fails does not hurt the others');
select is(array(select pg_temp.told(n) from unnest(array[7, 8, 9]) n), '{1,0,0}', 'nor are these told twice, and of what is deleted nothing is told');
select is((select count(*) from likes.content_likes l where l.content_id = md5('post 9')::uuid), 0::bigint, 'it is forgotten');
drop trigger test_failure on public.posts;
select pg_temp.later(5);
select is(pg_temp.settle_all(7, 8), '{settled,settled}', 'in the end all are settled');
select is(array(select pg_temp.told(n) from unnest(array[7, 8]) n), '{1,1}', 'and told once');
-- Three read notifications of each of three posts, and every like of these is taken back.
do $$
begin
  for v_who in 10..12 loop
    perform pg_temp.tap(v_who, n) from unnest(array[4, 5, 6]) n;
    perform pg_temp.later(2);
    perform pg_temp.settle_all(4, 5, 6);
    update likes.notifications set is_open = false, read_at = likes.clock() where is_open;
  end loop;
  perform pg_temp.later(60);
  perform pg_temp.settle_all(4, 5, 6);
  perform pg_temp.tap(v_who, n, false) from unnest(array[4, 5, 6]) n cross join generate_series(10, 12) v_who;
  perform pg_temp.later(2);
end $$;
update likes.budget set tokens = 16, refilled_at = likes.clock();
select is(pg_temp.settle_all(4, 5, 6), '{settled,settled,waiting}', 'a batch that costs more than it seemed is settled one by one, while there are tokens');
select is((select b.tokens from likes.budget b), -2::double precision, 'for what it costs');
select pg_temp.later(5);
select is(pg_temp.settle_all(4, 5, 6), '{settled,settled,settled}', 'and the rest when there are more');

-- Drift
update likes.counters c set likes = c.likes + 7 where c.content_id = md5('post 1')::uuid;
update likes.activity a set reconciled_at = 'infinity' where a.content_id <> md5('post 1')::uuid;
select is(public.reconcile_like_counts(1), '{"checked": 1, "repaired": 1, "drift": 7}', 'drift is found, repaired and reported');
select is((select sum(c.likes) from likes.counters c where c.content_id = md5('post 1')::uuid), 5::numeric, 'the counter is right again');

-- The sweep
select pg_temp.tap(2, 6);
select is(public.unsettled_likes() @> jsonb_build_array(jsonb_build_object('content_type', 'post', 'content_id', md5('post 6')::uuid)), false,
  'a wake-up under way is nobody else''s business');
select pg_temp.later(10);
select is(public.unsettled_likes() @> jsonb_build_array(jsonb_build_object('content_type', 'post', 'content_id', md5('post 6')::uuid)), true,
  'one that never came is');

select * from finish();
rollback;
