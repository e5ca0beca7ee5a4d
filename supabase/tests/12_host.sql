-- The example host schema: profiles made at sign-up; who reads and writes which rows.
begin;
select plan(44);
select tests.start();

-- Sign-up never fails because of a name
insert into auth.users (id, email, raw_user_meta_data)
select tests.id(n::text), email, meta from (values
  (1, 'test.greta@test.example', '{"username": "test_Greta", "display_name": "Greta G."}'::jsonb),
  (2, 'other@test.example', '{"username": "test_greta"}'), (3, 'test_ab@test.example', null), (4, null, null),
  (5, 'x@test.example', '{"username": "a"}'), (6, 'y@test.example', '{"username": "a name that is much too long for anybody"}'),
  (7, 'z@test.example', '{"username": "日本語", "display_name": "<b>日本語</b>"}')) people (n, email, meta);
create function tests.name(n integer) returns text language sql as $$ select username from public.users where id = tests.id(n::text) $$;
select is(tests.name(1), 'test_greta', 'a name is taken in lower case');
select is(tests.name(2), 'test_greta_' || left(replace(tests.id('2')::text, '-', ''), 8), 'one that is taken gets a suffix');
select is(tests.name(3), 'test_ab', 'without one the address begins it');
select is(tests.name(n), stem || '_' || left(replace(tests.id(n::text)::text, '-', ''), 8), 'unfit: ' || why) from (values
  (4, 'user', 'neither name nor address'), (5, 'a', 'too short'), (6, 'anamethatis', 'too long'), (7, 'user', 'no letter that fits')) u (n, stem, why);
select is((select display_name from public.users where id = tests.id('1')), 'Greta G.', 'a display name is taken as it is');
select is((select display_name from public.users where id = tests.id('7')), '<b>日本語</b>', 'even one that looks like markup: it is text');

-- Rows
select tests.person('anna'), tests.person('ben'), tests.person('cleo', 'friends'), tests.person('dan', 'private');
select tests.post('of ' || n, n) from unnest(array['anna', 'ben', 'cleo', 'dan']) n;
insert into public.videos (id, user_id, title, status) values (tests.id('film'), tests.id('anna'), 'film', 'ready'), (tests.id('draft'), tests.id('anna'), 'draft', 'processing');
insert into public.friendships (user_id, friend_id) values (tests.id('cleo'), tests.id('ben'));
insert into public.user_blocks (blocker_id, blocked_id) values (tests.id('anna'), tests.id('dan'));
create function tests.seen(who text) returns text language sql as $$
  select tests.call(who, $q$to_jsonb((select string_agg(content, ', ' order by content) from public.posts where content like 'of %'))$q$) #>> '{}'
$$;
select is(tests.seen(who), posts, who || ' sees the posts ' || posts) from (values
  ('visitor', 'of anna, of ben'), ('anna', 'of anna, of ben'), ('ben', 'of anna, of ben, of cleo'), ('cleo', 'of anna, of ben, of cleo'),
  ('dan', 'of ben, of dan')) s (who, posts);
create function tests.count(who text, rows text) returns bigint language sql as
$$ select (tests.call(who, format('to_jsonb((select count(*) from %s))', rows)) #>> '{}')::bigint $$;
select is(tests.count('anna', $$public.videos where title in ('film', 'draft')$$), 2::bigint, 'an author sees the own unfinished video');
select is(tests.count('ben', $$public.videos where title in ('film', 'draft')$$), 1::bigint, 'others only what is ready');
select is(tests.count('anna', 'public.user_blocks'), 1::bigint, 'one sees whom one has blocked');
select is(tests.count('dan', 'public.user_blocks'), 0::bigint, 'and not by whom one is');
select is(tests.count('cleo', 'public.friendships'), 1::bigint, 'friends see their friendship');
select is(tests.count('anna', 'public.friendships'), 0::bigint, 'nobody else does');
select is(tests.call(who, format('to_jsonb(public.can_see(%L))', tests.id('cleo'))), sees, format('%s may%s see what cleo publishes', who, case sees when 'true' then '' else ' not' end))
from (values ('cleo', 'true'::jsonb), ('ben', 'true'), ('anna', 'false'), ('visitor', 'false')) s (who, sees);
select is(tests.refused('dan', format('to_jsonb(public.can_see_author(%L, %L))', tests.id('dan'), tests.id('anna'))), '42501 permission denied for function can_see_author',
  'nobody asks what others may see');

-- Changes
create function tests.changes(who text, change text) returns text language plpgsql as $$
declare
  v_rows bigint;
  v_result text;
begin
  perform tests.call(who, '1::text::jsonb');
  perform set_config('role', case who when 'visitor' then 'anon' else 'authenticated' end, true);
  execute change;
  get diagnostics v_rows = row_count;
  perform set_config('role', 'none', true);
  return v_rows;
exception when others then
  return sqlstate;
end $$;
select is(tests.changes(who, change), outcome, format('%s: %s → %s', who, change, outcome)) from (values
  ('anna', format($$update public.posts set content = 'mine' where id = %L$$, tests.id('of anna')), '1'),
  ('anna', format($$update public.posts set content = 'yours' where id = %L$$, tests.id('of ben')), '0'),
  ('anna', format($$delete from public.posts where id = %L$$, tests.id('of ben')), '0'),
  ('anna', format($$insert into public.posts (user_id, content) values (%L, 'mine')$$, tests.id('anna')), '1'),
  ('anna', format($$insert into public.posts (user_id, content) values (%L, 'in your name')$$, tests.id('ben')), '42501'),
  ('anna', format($$update public.posts set likes_count = 1000000 where id = %L$$, tests.id('of anna')), '42501'),
  ('anna', format($$insert into public.videos (user_id, title, status) values (%L, 'ready at once', 'ready')$$, tests.id('anna')), '42501'),
  ('anna', format($$update public.videos set status = 'ready' where id = %L$$, tests.id('draft')), '42501'),
  ('anna', format($$update public.users set privacy_level = 'private' where id = %L$$, tests.id('anna')), '1'),
  ('anna', format($$update public.users set privacy_level = 'public' where id = %L$$, tests.id('dan')), '0'),
  ('anna', format($$update public.users set email = 'a@b.c' where id = %L$$, tests.id('anna')), '42501'),
  ('anna', format($$insert into public.friendships (user_id, friend_id) values (%L, %L)$$, tests.id('cleo'), tests.id('anna')), '42501'),
  ('dan', format($$delete from public.user_blocks where blocked_id = %L$$, tests.id('dan')), '0'),
  ('dan', format($$insert into public.user_blocks (blocker_id, blocked_id) values (%L, %L)$$, tests.id('ben'), tests.id('cleo')), '42501'),
  ('visitor', format($$insert into public.posts (user_id, content) values (%L, 'nobody''s')$$, tests.id('anna')), '42501'),
  ('visitor', $$delete from public.posts$$, '42501'),
  ('visitor', $$truncate public.posts$$, '42501')) c (who, change, outcome);

-- A count that follows the likes is no edit
update public.posts set updated_at = '2026-01-01' where id = tests.id('of ben');
select tests.like('cleo', 'of ben'), tests.pass('2 s'), tests.settle('of ben');
select results_eq(format('select likes_count, updated_at from public.posts where id = %L', tests.id('of ben')), $$values (1, '2026-01-01'::timestamptz)$$,
  'the count of a post follows, its time of change stays');
update public.posts set content = 'of ben, edited' where id = tests.id('of ben');
select is((select updated_at from public.posts where id = tests.id('of ben')), now(), 'an edit is one');

select * from finish();
rollback;
