-- A like: set, unset, toggle and intent; who may; what is answered and announced; bad input leaves nothing behind.
begin;
select plan(70);

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

select pg_temp.person('anna'), pg_temp.person('ben'), pg_temp.person('cleo', 'friends'), pg_temp.person('dan', 'private');
select pg_temp.post('walk', 'anna'), pg_temp.post('tea', 'anna'), pg_temp.post('diary', 'cleo'), pg_temp.post('secret', 'dan');
insert into public.videos (id, user_id, title, status) values
  (pg_temp.id('film'), pg_temp.id('anna'), 'film', 'ready'), (pg_temp.id('draft'), pg_temp.id('anna'), 'draft', 'processing');
create function pg_temp.now_ms() returns bigint language sql as $$ select likes.to_ms(likes.clock()) $$;
create function pg_temp.wrote_nothing() returns boolean language sql as $$
  select not exists (select from likes.content_likes where user_id = pg_temp.id('ben'))
    and not exists (select from likes.rate_limits where user_id = pg_temp.id('ben'))
$$;

-- Bad input
create temporary table bad (what text, query text, refusal text);
insert into bad values
  ('no user', format('toggle_like(null, %L, %L)', 'post', pg_temp.id('walk')), 'PT400 invalid_request'),
  ('no type', format('toggle_like(%L, null, %L)', pg_temp.id('ben'), pg_temp.id('walk')), 'PT400 invalid_request'),
  ('an unknown type', format('toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'story', pg_temp.id('walk')), 'PT400 invalid_request'),
  ('an injected type', format('toggle_like(%L, %L, %L)', pg_temp.id('ben'), $$post'; drop table likes.counters; --$$, pg_temp.id('walk')), 'PT400 invalid_request'),
  ('no content', format('toggle_like(%L, %L, null)', pg_temp.id('ben'), 'post'), 'PT400 invalid_request'),
  ('intent zero', format('toggle_like(%L, %L, %L, true, 0)', pg_temp.id('ben'), 'post', pg_temp.id('walk')), 'PT400 invalid_request'),
  ('a negative intent', format('toggle_like(%L, %L, %L, true, -5)', pg_temp.id('ben'), 'post', pg_temp.id('walk')), 'PT400 invalid_request'),
  ('an intent 5001 ms ahead', format('toggle_like(%L, %L, %L, true, %s)', pg_temp.id('ben'), 'post', pg_temp.id('walk'), pg_temp.now_ms() + 5001), 'PT400 intent_in_future'),
  ('unknown content', format('toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'post', pg_temp.id('nothing')), 'PT404 content_not_found'),
  ('a post asked for as a video', format('toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'video', pg_temp.id('walk')), 'PT404 content_not_found'),
  ('a video that is not ready', format('toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'video', pg_temp.id('draft')), 'PT404 content_not_found'),
  ('content for friends of another', format('toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'post', pg_temp.id('diary')), 'PT404 content_not_found'),
  ('content of a private author', format('toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'post', pg_temp.id('secret')), 'PT404 content_not_found'),
  ('a user who does not exist', format('toggle_like(%L, %L, %L)', pg_temp.id('nobody'), 'post', pg_temp.id('walk')), 'PT404 user_not_found');
select is(pg_temp.refused('service', 'public.' || query), refusal, 'refused: ' || what) from bad;
select ok(pg_temp.wrote_nothing(), 'nothing of these was written');
select is_empty($$select from likes.counters where content_id = any (array[pg_temp.id('walk'), pg_temp.id('draft'), pg_temp.id('diary')])$$, 'and nothing counted');
select throws_matching(
  format('select public.toggle_like(%L, %L, %L, true, %s)', pg_temp.id('ben'), 'post', pg_temp.id('walk'), pg_temp.now_ms() + 60000),
  'intent_in_future', 'the refusal of a wish from the future');

-- Set, unset, toggle
select is(pg_temp.like('ben', 'walk') - 'version' - 'author' - 'intent', jsonb_build_object(
  'liked', true, 'total_likes', 1, 'changed', true, 'viewers', 0, 'wake_after_ms', 1000), 'a first like');
select is(pg_temp.like('ben', 'walk') ->> 'liked', 'false', 'a toggle takes it back');
select is(pg_temp.like('ben', 'walk') ->> 'total_likes', '1', 'and gives it again');
select is(pg_temp.like('ben', 'walk', true) ->> 'changed', 'false', 'liking what is liked changes nothing');
select is(pg_temp.like('ben', 'tea', false) - 'version' - 'author' - 'intent', jsonb_build_object(
  'liked', false, 'total_likes', 0, 'changed', false, 'viewers', 0, 'wake_after_ms', null), 'nor does taking back what is not liked');
select is(pg_temp.like('ben', 'walk') -> 'author', jsonb_build_object(
  'id', pg_temp.id('anna'), 'username', 'anna', 'display_name', 'Anna'), 'the answer names the author');
select ok((pg_temp.like('ben', 'walk') ->> 'version')::bigint < (pg_temp.like('ben', 'walk') ->> 'version')::bigint, 'versions grow');
select is(pg_temp.call('service', format('public.toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'video', pg_temp.id('film'))) ->> 'liked', 'true', 'a video is liked like a post');
select is(pg_temp.like('anna', 'tea') ->> 'liked', 'true', 'authors may like what is theirs');

-- Intent
select is(pg_temp.like('ben', 'tea', true, 1000) ->> 'changed', 'false', 'a wish older than the last is late, and changes nothing');
select pg_temp.pass('1 s');
create temporary table wish as select pg_temp.now_ms() as ms;
select is(pg_temp.like('ben', 'tea', true, ms) -> 'intent', to_jsonb(ms), 'a newer wish is taken and told') from wish;
select is(pg_temp.like('ben', 'tea', false, ms) - 'version' - 'author', jsonb_build_object(
  'liked', true, 'total_likes', 1, 'changed', false, 'viewers', 0, 'wake_after_ms', null, 'intent', ms), 'a repeat of it changes nothing, whatever it says') from wish;
select is(pg_temp.like('ben', 'tea', false, ms + 5000) ->> 'liked', 'false', 'a wish up to 5 s ahead is taken') from wish;
select is(pg_temp.like('ben', 'tea', null) -> 'intent', to_jsonb(ms + 5001), 'a request without intent comes after every wish before it') from wish;
select is(pg_temp.like('ben', 'tea', true, ms + 5002) ->> 'changed', 'false', 'the same state by a newer wish is no change') from wish
where pg_temp.pass('2 s') is not null;
select is((select intent from likes.content_likes where user_id = pg_temp.id('ben') and content_id = pg_temp.id('tea')), ms + 5002, 'but is remembered') from wish;

-- What is announced
select is(count(*), 2::bigint, 'each content announced its first like, and gathers the others') from realtime.messages
where topic in (pg_temp.topic('walk'), 'content:video:' || pg_temp.id('film'));
select is(pg_temp.last_event(pg_temp.topic('walk')) - 'id' - 'version', jsonb_build_object(
    'event', 'post:liked', 'eventId', format('like_%s_%s_%s', pg_temp.id('walk'), pg_temp.id('ben'), floor(extract(epoch from now()) * 1000)),
    'postId', pg_temp.id('walk'), 'contentType', 'post', 'userId', pg_temp.id('ben'), 'username', 'ben', 'isLiked', true,
    'totalLikes', 1, 'viewers', 0, 'occurredAt', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
  'viewers get the payload of the contract');
select is((select payload - 'id' from pg_temp.events(pg_temp.topic('walk'))), (
    select payload - 'id' from pg_temp.events('user:' || pg_temp.id('anna')) where payload ->> 'postId' = pg_temp.id('walk')::text),
  'and the author the same');
select isnt((select payload ->> 'id' from pg_temp.events(pg_temp.topic('walk'))), null, 'realtime''s own id is there');
select is_empty(format('select * from pg_temp.events(%L)', 'user:' || pg_temp.id('ben')), 'the liker is answered, and gets no event');
select is((select count(*) from pg_temp.events('user:' || pg_temp.id('anna')) where payload ->> 'postId' = pg_temp.id('tea')::text), 0::bigint,
  'an author who likes the own content gets no event of it');
select ok(bool_and(private and extension = 'broadcast'), 'all of it is private') from realtime.messages where topic = pg_temp.topic('walk');

-- A private liker is named to the author alone
select pg_temp.post('song', 'anna');
select is(pg_temp.like('dan', 'song') ->> 'liked', 'true', 'a private user likes');
select is(pg_temp.last_event(pg_temp.topic('song')) - 'id' - 'version' - 'occurredAt', jsonb_build_object(
    'event', 'post:liked', 'eventId', format('like_%s_anonymous_%s', pg_temp.id('song'), pg_temp.now_ms()), 'postId', pg_temp.id('song'),
    'contentType', 'post', 'userId', null, 'username', null, 'isLiked', true, 'totalLikes', 1, 'viewers', 0),
  'viewers are not told who');
select is(e ->> 'username', 'dan', 'the author is') from pg_temp.last_event('user:' || pg_temp.id('anna')) e;
select unalike(e::text, '%' || pg_temp.id('dan') || '%', 'the private id is nowhere in the viewers'' event') from pg_temp.last_event(pg_temp.topic('song')) e;

-- Blocks
select is(pg_temp.like('ben', 'song') ->> 'liked', 'true', 'one who is not blocked likes');
insert into public.user_blocks (blocker_id, blocked_id) values (pg_temp.id('anna'), pg_temp.id('ben'));
select is(pg_temp.refused('service', format('public.toggle_like(%L, %L, %L, true)', pg_temp.id('ben'), 'post', pg_temp.id('song'))), 'PT403 blocked', 'a repeat by a blocked user tells nothing');
select is(pg_temp.like('ben', 'song') ->> 'liked', 'false', 'a blocked user may take a like back');
select is(pg_temp.refused('service', format('public.toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'post', pg_temp.id('song'))), 'PT403 blocked', 'but not give it again');
select is((select liked from likes.content_likes where user_id = pg_temp.id('ben') and content_id = pg_temp.id('song')), false, 'nothing of that was written');
select is(pg_temp.refused('service', format('public.toggle_like(%L, %L, %L, true)', pg_temp.id('anna'), 'post', pg_temp.id('diary'))), 'PT404 content_not_found', 'content for friends is hidden from others');
insert into public.friendships (user_id, friend_id) values (pg_temp.id('cleo'), pg_temp.id('anna'));
select is(pg_temp.like('anna', 'diary') ->> 'liked', 'true', 'a friend may like it');
select is(pg_temp.like('dan', 'secret') ->> 'liked', 'true', 'a private author may like the own content');

-- Who may call it
select is(pg_temp.refused(who, format('public.toggle_like(%L, %L, %L)', pg_temp.id('dan'), 'post', pg_temp.id('walk'))),
  '42501 permission denied for function toggle_like', who || ' may not like by RPC, for whomever') from unnest(array['dan', 'visitor']) who;

-- Exact to the end
select is((select sum(likes) from likes.counters where content_id = pg_temp.id(name))::bigint,
  (select count(*) from likes.content_likes where content_id = pg_temp.id(name) and liked), 'the counter of ' || name || ' is the number of likes')
from unnest(array['walk', 'tea', 'song', 'diary', 'film']) name;

select * from finish();
rollback;
