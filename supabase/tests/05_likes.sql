-- A like: wish and intent, what the answer says, what is announced at once, and who may.
begin;
select plan(50);

-- Time stands still until the test moves it.
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
select ('00000000-0000-4000-8000-00000000000' || n)::uuid, n || '@test.example', jsonb_build_object('username', name)
from (values ('a', 'anna_test'), ('b', 'ben_test'), ('c', 'cleo_test'), ('d', 'dan_test')) as people (n, name);
insert into public.posts (id, user_id, content)
select ('00000000-0000-4000-8000-0000000000a' || n)::uuid, '00000000-0000-4000-8000-00000000000a', 'post ' || n from generate_series(1, 9) n;
insert into public.videos (id, user_id, title, status)
values ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-00000000000a', 'a video', 'ready');
update likes.budget set tokens = 'infinity', refilled_at = '-infinity', likes_rate = 0;

create function pg_temp.person(who text) returns uuid language sql as $$ select ('00000000-0000-4000-8000-00000000000' || who)::uuid $$;
create function pg_temp.post(n integer) returns uuid language sql as $$ select ('00000000-0000-4000-8000-0000000000a' || n)::uuid $$;
create function pg_temp.tap(who text, n integer, liked boolean default null, intent bigint default null) returns jsonb language sql as $$
  select public.toggle_like(pg_temp.person(who), 'post', pg_temp.post(n), liked, intent)
$$;
create function pg_temp.events(topic text) returns table (event text, payload jsonb) language sql as $$
  select m.event, m.payload from realtime.messages m where m.topic = events.topic order by (m.payload ->> 'version')::bigint
$$;
create function pg_temp.now_ms() returns bigint language sql as $$ select likes.to_ms(now) from pg_temp.clock $$;

-- What the answer says
create temporary table answer as select pg_temp.tap('b', 1) as a;
select is(a ->> 'liked', 'true', 'a tap likes') from answer;
select is(a ->> 'changed', 'true', 'and says that it changed something') from answer;
select is(a ->> 'total_likes', '1', 'and the count') from answer;
select is((a ->> 'intent')::bigint, pg_temp.now_ms(), 'without intent the server''s clock stands in') from answer;
select is(a -> 'author', '{"id": "00000000-0000-4000-8000-00000000000a", "username": "anna_test", "display_name": "anna_test"}', 'and the author')
from answer;
select is((a ->> 'wake_after_ms')::integer, 1000, 'and asks for a wake-up at the end of the window') from answer;
select ok((a ->> 'version')::bigint > 0, 'and a version') from answer;

-- What is announced at once
select is(count(*), 1::bigint, 'the first like after quiet is announced to viewers') from pg_temp.events('content:post:' || pg_temp.post(1));
select is(event, 'post:liked', 'as a like') from pg_temp.events('content:post:' || pg_temp.post(1));
select is(payload - 'id', jsonb_build_object(
  'eventId', format('like_%s_%s_%s', pg_temp.post(1), pg_temp.person('b'), pg_temp.now_ms()), 'postId', pg_temp.post(1), 'contentType', 'post',
  'userId', pg_temp.person('b'), 'username', 'ben_test', 'isLiked', true, 'totalLikes', 1, 'version', (select (a ->> 'version')::bigint from answer),
  'viewers', 0, 'occurredAt', '2026-05-01T12:00:00.000Z'), 'with all that a viewer has to know')
from pg_temp.events('content:post:' || pg_temp.post(1));
select is(count(*), 1::bigint, 'and to the author') from pg_temp.events('user:' || pg_temp.person('a'));
select is(count(*), 0::bigint, 'and not to the liker') from pg_temp.events('user:' || pg_temp.person('b'));
select pg_temp.tap('c', 1);
select is(count(*), 1::bigint, 'the second within the window is gathered') from pg_temp.events('content:post:' || pg_temp.post(1));
select is(pg_temp.tap('d', 1) ->> 'wake_after_ms', null, 'and needs no wake-up of its own');
select is(public.toggle_like(pg_temp.person('b'), 'video', '00000000-0000-4000-8000-0000000000b1') ->> 'total_likes', '1', 'a video is liked like a post');
select pg_temp.tap('a', 2);
select is(count(*), 1::bigint, 'an author''s own like is announced to viewers') from pg_temp.events('content:post:' || pg_temp.post(2));
select is(count(*), 2::bigint, 'and not to the author') from pg_temp.events('user:' || pg_temp.person('a'));

-- Wish and intent
select is(pg_temp.tap('b', 3, true) ->> 'changed', 'true', 'a wish is granted');
select is(pg_temp.tap('b', 3, true) ->> 'changed', 'false', 'once');
select is(pg_temp.tap('b', 3, true) ->> 'liked', 'true', 'and the state told however often it is repeated');
select is(pg_temp.tap('b', 3, false) ->> 'changed', 'true', 'it can be taken back');
select is(pg_temp.tap('b', 3, false) ->> 'liked', 'false', 'and stays so');
select is(pg_temp.tap('c', 3, false) ->> 'changed', 'false', 'taking back what was never given changes nothing');
select is(pg_temp.tap('b', 4, true, pg_temp.now_ms()) ->> 'changed', 'true', 'a wish of now');
select is(pg_temp.tap('b', 4, false, pg_temp.now_ms() - 1) ->> 'changed', 'false', 'a wish of before comes late and changes nothing');
select is(pg_temp.tap('b', 4, false, pg_temp.now_ms()) ->> 'changed', 'false', 'nor does another of the same moment');
select is(pg_temp.tap('b', 4, false, pg_temp.now_ms() - 1) ->> 'liked', 'true', 'it is told the state');
select is((pg_temp.tap('b', 4, false, pg_temp.now_ms() - 1) ->> 'intent')::bigint, pg_temp.now_ms(), 'and the intent that stands');
select is(pg_temp.tap('b', 4, false, pg_temp.now_ms() + 1) ->> 'changed', 'true', 'a later wish wins');
select is((pg_temp.tap('b', 4) ->> 'intent')::bigint, pg_temp.now_ms() + 2, 'without intent a tap is always later than the last');
select is(pg_temp.tap('b', 4, true, pg_temp.now_ms() + 3) ->> 'intent', (pg_temp.now_ms() + 3)::text, 'a wish that is granted already still stands');
select is((select sum(c.likes) from likes.counters c where c.content_id = pg_temp.post(4)), 1::numeric, 'all that was one like');

-- Who may
insert into public.user_blocks (blocker_id, blocked_id) values (pg_temp.person('a'), pg_temp.person('d'));
select throws_ok($$select pg_temp.tap('d', 5)$$, 'PT403', 'blocked', 'the blocked cannot like');
select throws_ok($$select pg_temp.tap('d', 1, true)$$, 'PT403', 'blocked', 'nor hear the count by repeating a like');
select is(pg_temp.tap('d', 1, false) ->> 'liked', 'false', 'but take back what they gave');
update public.users set privacy_level = 'private' where id = pg_temp.person('a');
select throws_ok($$select pg_temp.tap('b', 5)$$, 'PT404', 'content_not_found', 'what a private author publishes is as good as unknown');
select lives_ok($$select pg_temp.tap('a', 5)$$, 'but to the author');
update public.users set privacy_level = 'friends' where id = pg_temp.person('a');
select throws_ok($$select pg_temp.tap('b', 5)$$, 'PT404', 'content_not_found', 'friends only');
insert into public.friendships (user_id, friend_id) values (pg_temp.person('b'), pg_temp.person('a'));
select throws_ok($$select pg_temp.tap('b', 5)$$, 'PT404', 'content_not_found', 'nobody makes oneself a friend');
insert into public.friendships (user_id, friend_id) values (pg_temp.person('a'), pg_temp.person('b'));
select lives_ok($$select pg_temp.tap('b', 5)$$, 'a friend likes');
update public.users set privacy_level = 'public' where id = pg_temp.person('a');

-- Private likers are named to the author only
update public.users set privacy_level = 'private' where id = pg_temp.person('c');
select pg_temp.tap('c', 6);
select is(payload -> 'userId', 'null', 'viewers are not told who') from pg_temp.events('content:post:' || pg_temp.post(6));
select is(payload -> 'username', 'null', 'not by name either') from pg_temp.events('content:post:' || pg_temp.post(6));
select is(payload ->> 'eventId', format('like_%s_anonymous_%s', pg_temp.post(6), pg_temp.now_ms()), 'nor by the id of the event')
from pg_temp.events('content:post:' || pg_temp.post(6));
select is(payload ->> 'username', 'cleo_test', 'the author is') from pg_temp.events('user:' || pg_temp.person('a')) where payload ->> 'postId' = pg_temp.post(6)::text;

-- The rate limit: 30 at once, then one a second
delete from likes.rate_limits;
select is((select count(pg_temp.tap('b', 7)) from generate_series(1, 30)), 30::bigint, 'a burst of 30 passes');
select throws_ok($$select pg_temp.tap('b', 7)$$, 'PGRST',
  '{"code" : "PT429", "message" : "rate_limited", "hint" : "Wait 1 s before the next like.", "details" : "{\"retry_after\" : 1}"}',
  'the next is told how long to wait');
select lives_ok($$select pg_temp.tap('c', 7)$$, 'another user is not held up');
select pg_temp.later(1);
select lives_ok($$select pg_temp.tap('b', 7)$$, 'a second later one more passes');
select throws_ok($$select pg_temp.tap('b', 7)$$, 'PGRST', null, 'and no second one');
update likes.settings set rate_burst = 100;
select lives_ok($$select pg_temp.tap('b', 7)$$, 'the setting takes effect at once');

select * from finish();
rollback;
