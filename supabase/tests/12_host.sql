-- The example host schema: profiles made at sign-up; who reads and writes which rows.
begin;
select plan(44);

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

-- Sign-up never fails because of a name
insert into auth.users (id, email, raw_user_meta_data)
select pg_temp.id(n::text), email, meta from (values
  (1, 'test.greta@test.example', '{"username": "test_Greta", "display_name": "Greta G."}'::jsonb),
  (2, 'other@test.example', '{"username": "test_greta"}'), (3, 'test_ab@test.example', null), (4, null, null),
  (5, 'x@test.example', '{"username": "a"}'), (6, 'y@test.example', '{"username": "a name that is much too long for anybody"}'),
  (7, 'z@test.example', '{"username": "日本語", "display_name": "<b>日本語</b>"}')) people (n, email, meta);
create function pg_temp.name(n integer) returns text language sql as $$ select username from public.users where id = pg_temp.id(n::text) $$;
select is(pg_temp.name(1), 'test_greta', 'a name is taken in lower case');
select is(pg_temp.name(2), 'test_greta_' || left(replace(pg_temp.id('2')::text, '-', ''), 8), 'one that is taken gets a suffix');
select is(pg_temp.name(3), 'test_ab', 'without one the address begins it');
select is(pg_temp.name(n), stem || '_' || left(replace(pg_temp.id(n::text)::text, '-', ''), 8), 'unfit: ' || why) from (values
  (4, 'user', 'neither name nor address'), (5, 'a', 'too short'), (6, 'anamethatis', 'too long'), (7, 'user', 'no letter that fits')) u (n, stem, why);
select is((select display_name from public.users where id = pg_temp.id('1')), 'Greta G.', 'a display name is taken as it is');
select is((select display_name from public.users where id = pg_temp.id('7')), '<b>日本語</b>', 'even one that looks like markup: it is text');

-- Rows
select pg_temp.person('anna'), pg_temp.person('ben'), pg_temp.person('cleo', 'friends'), pg_temp.person('dan', 'private');
select pg_temp.post('of ' || n, n) from unnest(array['anna', 'ben', 'cleo', 'dan']) n;
insert into public.videos (id, user_id, title, status) values (pg_temp.id('film'), pg_temp.id('anna'), 'film', 'ready'), (pg_temp.id('draft'), pg_temp.id('anna'), 'draft', 'processing');
insert into public.friendships (user_id, friend_id) values (pg_temp.id('cleo'), pg_temp.id('ben'));
insert into public.user_blocks (blocker_id, blocked_id) values (pg_temp.id('anna'), pg_temp.id('dan'));
create function pg_temp.seen(who text) returns text language sql as $$
  select pg_temp.call(who, $q$to_jsonb((select string_agg(content, ', ' order by content) from public.posts where content like 'of %'))$q$) #>> '{}'
$$;
select is(pg_temp.seen(who), posts, who || ' sees the posts ' || posts) from (values
  ('visitor', 'of anna, of ben'), ('anna', 'of anna, of ben'), ('ben', 'of anna, of ben, of cleo'), ('cleo', 'of anna, of ben, of cleo'),
  ('dan', 'of ben, of dan')) s (who, posts);
create function pg_temp.count(who text, rows text) returns bigint language sql as
$$ select (pg_temp.call(who, format('to_jsonb((select count(*) from %s))', rows)) #>> '{}')::bigint $$;
select is(pg_temp.count('anna', $$public.videos where title in ('film', 'draft')$$), 2::bigint, 'an author sees the own unfinished video');
select is(pg_temp.count('ben', $$public.videos where title in ('film', 'draft')$$), 1::bigint, 'others only what is ready');
select is(pg_temp.count('anna', 'public.user_blocks'), 1::bigint, 'one sees whom one has blocked');
select is(pg_temp.count('dan', 'public.user_blocks'), 0::bigint, 'and not by whom one is');
select is(pg_temp.count('cleo', 'public.friendships'), 1::bigint, 'friends see their friendship');
select is(pg_temp.count('anna', 'public.friendships'), 0::bigint, 'nobody else does');
select is(pg_temp.call(who, format('to_jsonb(public.can_see(%L))', pg_temp.id('cleo'))), sees, format('%s may%s see what cleo publishes', who, case sees when 'true' then '' else ' not' end))
from (values ('cleo', 'true'::jsonb), ('ben', 'true'), ('anna', 'false'), ('visitor', 'false')) s (who, sees);
select is(pg_temp.refused('dan', format('to_jsonb(public.can_see_author(%L, %L))', pg_temp.id('dan'), pg_temp.id('anna'))), '42501 permission denied for function can_see_author',
  'nobody asks what others may see');

-- Changes
create function pg_temp.changes(who text, change text) returns text language plpgsql as $$
declare
  v_rows bigint;
  v_result text;
begin
  perform pg_temp.call(who, '1::text::jsonb');
  perform set_config('role', case who when 'visitor' then 'anon' else 'authenticated' end, true);
  execute change;
  get diagnostics v_rows = row_count;
  perform set_config('role', 'none', true);
  return v_rows;
exception when others then
  return sqlstate;
end $$;
select is(pg_temp.changes(who, change), outcome, format('%s: %s → %s', who, change, outcome)) from (values
  ('anna', format($$update public.posts set content = 'mine' where id = %L$$, pg_temp.id('of anna')), '1'),
  ('anna', format($$update public.posts set content = 'yours' where id = %L$$, pg_temp.id('of ben')), '0'),
  ('anna', format($$delete from public.posts where id = %L$$, pg_temp.id('of ben')), '0'),
  ('anna', format($$insert into public.posts (user_id, content) values (%L, 'mine')$$, pg_temp.id('anna')), '1'),
  ('anna', format($$insert into public.posts (user_id, content) values (%L, 'in your name')$$, pg_temp.id('ben')), '42501'),
  ('anna', format($$update public.posts set likes_count = 1000000 where id = %L$$, pg_temp.id('of anna')), '42501'),
  ('anna', format($$insert into public.videos (user_id, title, status) values (%L, 'ready at once', 'ready')$$, pg_temp.id('anna')), '42501'),
  ('anna', format($$update public.videos set status = 'ready' where id = %L$$, pg_temp.id('draft')), '42501'),
  ('anna', format($$update public.users set privacy_level = 'private' where id = %L$$, pg_temp.id('anna')), '1'),
  ('anna', format($$update public.users set privacy_level = 'public' where id = %L$$, pg_temp.id('dan')), '0'),
  ('anna', format($$update public.users set email = 'a@b.c' where id = %L$$, pg_temp.id('anna')), '42501'),
  ('anna', format($$insert into public.friendships (user_id, friend_id) values (%L, %L)$$, pg_temp.id('cleo'), pg_temp.id('anna')), '42501'),
  ('dan', format($$delete from public.user_blocks where blocked_id = %L$$, pg_temp.id('dan')), '0'),
  ('dan', format($$insert into public.user_blocks (blocker_id, blocked_id) values (%L, %L)$$, pg_temp.id('ben'), pg_temp.id('cleo')), '42501'),
  ('visitor', format($$insert into public.posts (user_id, content) values (%L, 'nobody''s')$$, pg_temp.id('anna')), '42501'),
  ('visitor', $$delete from public.posts$$, '42501'),
  ('visitor', $$truncate public.posts$$, '42501')) c (who, change, outcome);

-- A count that follows the likes is no edit
update public.posts set updated_at = '2026-01-01' where id = pg_temp.id('of ben');
select pg_temp.like('cleo', 'of ben'), pg_temp.pass('2 s'), pg_temp.settle('of ben');
select results_eq(format('select likes_count, updated_at from public.posts where id = %L', pg_temp.id('of ben')), $$values (1, '2026-01-01'::timestamptz)$$,
  'the count of a post follows, its time of change stays');
update public.posts set content = 'of ben, edited' where id = pg_temp.id('of ben');
select is((select updated_at from public.posts where id = pg_temp.id('of ben')), now(), 'an edit is one');

select * from finish();
rollback;
