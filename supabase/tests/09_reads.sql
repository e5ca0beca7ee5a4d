-- Reads: the state of a page, who likes, what one likes, whose it is; page by page, and nothing that the reader may not see.
begin;
select plan(65);

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

select pg_temp.person('anna'), pg_temp.person('ben'), pg_temp.person('cleo', 'friends'), pg_temp.person('dan', 'private'), pg_temp.person('emma');
select pg_temp.post('walk', 'anna'), pg_temp.post('tea', 'anna'), pg_temp.post('diary', 'cleo'), pg_temp.post('secret', 'dan'), pg_temp.post('cake', 'ben');
insert into public.videos (id, user_id, title, status) values
  (pg_temp.id('film'), pg_temp.id('anna'), 'film', 'ready'), (pg_temp.id('draft'), pg_temp.id('anna'), 'draft', 'processing');
insert into public.friendships (user_id, friend_id) values (pg_temp.id('cleo'), pg_temp.id('ben'));

-- The state of a page
create function pg_temp.status(who text, variadic names text[]) returns jsonb language sql as
$$ select pg_temp.call(who, format('public.get_like_status(%L)', pg_temp.items(variadic names))) $$;
create temporary table answer as select pg_temp.like('ben', 'walk') as a;
select is(pg_temp.status('ben', 'walk'), jsonb_build_array(jsonb_build_object(
    'content_type', 'post', 'content_id', pg_temp.id('walk'), 'liked', true, 'intent', a -> 'intent', 'total_likes', 1, 'version', a -> 'version', 'viewers', 0)),
  'one''s own state, and the announced count with its version') from answer;
select is(pg_temp.status('emma', 'walk') #> '{0,liked}', 'false', 'another''s own state') ;
select is(pg_temp.status('emma', 'walk') #> '{0,intent}', '0', 'without a wish');
select is(pg_temp.status('visitor', 'walk') #> '{0,total_likes}', '1', 'a visitor reads what is public');
select pg_temp.like('emma', 'walk');
select is(pg_temp.status('ben', 'walk') #> '{0,total_likes}', '1', 'what is gathered is not told before its event');
select is(pg_temp.status('ben', 'tea') #> '{0,total_likes}', '0', 'what nobody liked has no likes');
select is(jsonb_array_length(pg_temp.status(who, 'walk', 'diary', 'secret')), seen, who || ' sees ' || seen || ' of three posts')
from (values ('visitor', 1), ('emma', 1), ('ben', 2), ('cleo', 2), ('dan', 2)) s (who, seen);
select is(pg_temp.status('ben', 'nothing'), '[]', 'what does not exist is left out');
select is(jsonb_array_length(pg_temp.status('ben', 'walk', 'walk')), 1, 'what is named twice is told once');
select is(pg_temp.call('ben', 'public.get_like_status(''[]'')'), '[]', 'nothing asked, nothing told');
select is(pg_temp.call('anna', format('public.get_like_status(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', pg_temp.id('draft'))))),
  '[]', 'a video that is not ready has no state, not even for its author');
insert into public.user_blocks (blocker_id, blocked_id) values (pg_temp.id('anna'), pg_temp.id('emma'));
select is(pg_temp.status('emma', 'walk'), '[]', 'the blocked read nothing, although they liked it');
delete from public.user_blocks;

-- Whose it is
create function pg_temp.author_of(who text, name text) returns text language sql as
$$ select pg_temp.call(who, format('public.get_content_author(%L, %L)', 'post', pg_temp.id(name)))::text $$;
select is(pg_temp.author_of('visitor', 'walk')::jsonb, jsonb_build_object('id', pg_temp.id('anna'), 'username', 'anna', 'display_name', 'Anna'), 'the author of a post');
select is(pg_temp.author_of('ben', 'diary')::jsonb ->> 'username', 'cleo', 'a friend is told');
select is(pg_temp.refused(who, format('public.get_content_author(%L, %L)', 'post', pg_temp.id('diary'))), 'PT404 content_not_found', who || ' is not')
from unnest(array['visitor', 'anna', 'emma']) who;
select is(pg_temp.refused('ben', format('public.get_content_author(%L, %L)', type, content)), refusal, format('refused: %s %s', type, content))
from (values ('post', pg_temp.id('nothing'), 'PT404 content_not_found'), ('video', pg_temp.id('draft'), 'PT404 content_not_found'),
  ('story', pg_temp.id('walk'), 'PT400 invalid_request'), (null, pg_temp.id('walk'), 'PT400 invalid_request'), ('post', null, 'PT400 invalid_request')) bad (type, content, refusal);
create temporary table authors as select pg_temp.call('ben', format('public.get_content_authors(%L)', pg_temp.items('walk', 'diary', 'secret', 'nothing'))) as a;
select is(jsonb_array_length(a), 2, 'the authors of many are one call, without those of hidden content') from authors;
select ok(a @> jsonb_build_array(jsonb_build_object('content_type', 'post', 'content_id', pg_temp.id(name),
  'author', jsonb_build_object('id', pg_temp.id(who), 'username', who, 'display_name', initcap(who)))), 'that of ' || name || ' is ' || who)
from authors, (values ('walk', 'anna'), ('diary', 'cleo')) c (name, who);
select is(pg_temp.refused('ben', format('public.get_content_authors(%L)', jsonb_agg(jsonb_build_object('content_type', 'post', 'content_id', gen_random_uuid())))),
  'PT400 too_many_items', '101 are too many') from generate_series(1, 101);

-- Who likes it
create function pg_temp.likers(who text, name text) returns text language sql as $$
  select string_agg(l ->> 'username', ' ' order by n)
  from jsonb_array_elements(pg_temp.call(who, format('public.get_content_likers(%L, %L)', 'post', pg_temp.id(name))) -> 'likers') with ordinality as likers (l, n)
$$;
select pg_temp.pass('1 s'), pg_temp.like('dan', 'walk');
select pg_temp.pass('1 s'), pg_temp.like('cleo', 'walk');
select is(pg_temp.likers(who, 'walk'), seen, who || ' is told of the likers: ' || seen) from (values
  ('anna', case when pg_temp.id('ben') > pg_temp.id('emma') then 'cleo dan ben emma' else 'cleo dan emma ben' end),
  ('dan', case when pg_temp.id('ben') > pg_temp.id('emma') then 'cleo dan ben emma' else 'cleo dan emma ben' end),
  ('visitor', case when pg_temp.id('ben') > pg_temp.id('emma') then 'cleo ben emma' else 'cleo emma ben' end)) s (who, seen);
select is(pg_temp.call('ben', format('public.get_content_likers(%L, %L, null, 1)', 'post', pg_temp.id('walk'))) - 'next_cursor', jsonb_build_object(
    'total_likes', 1, 'likers', jsonb_build_array(jsonb_build_object(
      'id', pg_temp.id('cleo'), 'username', 'cleo', 'display_name', 'Cleo', 'liked_at', likes.clock()))), 'each with name and time, newest first');
insert into public.user_blocks (blocker_id, blocked_id) values (pg_temp.id('anna'), pg_temp.id('cleo')), (pg_temp.id('ben'), pg_temp.id('emma'));
select is(pg_temp.likers('emma', 'walk'), case when pg_temp.id('ben') > pg_temp.id('emma') then 'ben emma' else 'emma ben' end, 'whom the author has blocked is shown to nobody');
select is(pg_temp.likers('ben', 'walk'), 'ben', 'whom the reader has blocked not to the reader');
select is(pg_temp.refused('cleo', format('public.get_content_likers(%L, %L)', 'post', pg_temp.id('walk'))), 'PT404 content_not_found', 'the blocked are told nothing');
delete from public.user_blocks;
select pg_temp.like('cleo', 'walk', false);
select unalike(pg_temp.likers('anna', 'walk'), '%cleo%', 'who took it back is no liker');
select is(pg_temp.refused('visitor', format('public.get_content_likers(%L, %L)', 'post', pg_temp.id('diary'))), 'PT404 content_not_found', 'a visitor is not told who likes what is for friends');

-- What one likes
select pg_temp.like('ben', 'diary'), pg_temp.like('ben', 'cake'),
  pg_temp.call('service', format('public.toggle_like(%L, %L, %L)', pg_temp.id('ben'), 'video', pg_temp.id('film')));
create function pg_temp.liked(who text, type text default null) returns bigint language sql as
$$ select jsonb_array_length(pg_temp.call(who, format('public.get_user_liked_content(%L)', type)) -> 'items')::bigint $$;
select is(pg_temp.liked('ben'), 4::bigint, 'posts and videos');
select is(pg_temp.liked('ben', 'video'), 1::bigint, 'or one type');
select is((pg_temp.call('ben', 'public.get_user_liked_content(max => 1, content_type => ''video'')') #> '{items,0}') - 'liked_at', jsonb_build_object(
    'content_type', 'video', 'content_id', pg_temp.id('film'), 'total_likes', 1,
    'author', jsonb_build_object('id', pg_temp.id('anna'), 'username', 'anna', 'display_name', 'Anna')), 'with count and author');
update public.videos set status = 'failed' where id = pg_temp.id('film');
select is(pg_temp.liked('ben'), 3::bigint, 'but not what is not available');
delete from public.friendships;
select is(pg_temp.liked('ben'), 2::bigint, 'nor what the reader may not see any more');
delete from public.posts where id = pg_temp.id('cake');
select is(pg_temp.liked('ben'), 1::bigint, 'nor what is gone');
select pg_temp.like('ben', 'walk', false);
select is(pg_temp.liked('ben'), 0::bigint, 'nor what was taken back');
select is(pg_temp.refused('ben', 'public.get_user_liked_content(''story'')'), 'PT400 invalid_request', 'an unknown type is refused');
select is(pg_temp.refused('visitor', 'public.get_user_liked_content()'), '42501 permission denied for function get_user_liked_content', 'a visitor likes nothing');
select is(pg_temp.refused('service', 'public.get_user_liked_content()'), '42501 permission denied for function get_user_liked_content', 'nor do the functions');

-- Page by page, with many of the same moment
select pg_temp.person('fan' || n) from generate_series(1, 12) n;
select pg_temp.post('hit' || n, 'anna') from generate_series(1, 12) n;
insert into likes.content_likes (content_type, content_id, user_id, liked, intent, changed_at)
select 'post', pg_temp.id('tea'), pg_temp.id('fan' || n), true, 1, now() - (n / 5) * interval '1 microsecond' from generate_series(1, 12) n
union all
select 'post', pg_temp.id('hit' || n), pg_temp.id('emma'), true, 1, now() - (n / 5) * interval '1 microsecond' from generate_series(1, 12) n;
delete from likes.content_likes where content_id = pg_temp.id('walk');
create function pg_temp.pages(who text, call text, list text, key text, size integer) returns uuid[] language plpgsql as $$
declare
  v_page jsonb;
  v_ids uuid[] := '{}';
begin
  loop
    v_page := pg_temp.call(who, format('public.%s, cursor => %L, max => %s)', call, v_page ->> 'next_cursor', size));
    v_ids := v_ids || array(select (i ->> key)::uuid from jsonb_array_elements(v_page -> list) i);
    exit when v_page -> 'next_cursor' = 'null';
  end loop;
  return v_ids;
end $$;
select is(pg_temp.pages('visitor', format('get_content_likers(%L, %L', 'post', pg_temp.id('tea')), 'likers', 'id', size),
  array(select user_id from likes.content_likes where content_id = pg_temp.id('tea') order by changed_at desc, user_id desc),
  'likers in pages of ' || size || ': each once, newest first') from unnest(array[1, 2, 5, 12, 100]) size;
select is(pg_temp.pages('emma', 'get_user_liked_content(null', 'items', 'content_id', size),
  array(select content_id from likes.content_likes where user_id = pg_temp.id('emma') order by changed_at desc, content_id desc),
  'liked contents in pages of ' || size || ': each once, newest first') from unnest(array[1, 2, 5, 12, 100]) size;
select is(pg_temp.refused('emma', call), refusal, 'refused: ' || call) from (values
  ('public.get_user_liked_content(max => 0)', 'PT400 invalid_request'), ('public.get_user_liked_content(max => 101)', 'PT400 invalid_request'),
  ('public.get_user_liked_content(max => null)', 'PT400 invalid_request'), ('public.get_user_liked_content(cursor => ''x'')', 'PT400 invalid_cursor'),
  (format('public.get_content_likers(%L, %L, %L)', 'post', pg_temp.id('tea'), $$' or 1=1 --$$), 'PT400 invalid_cursor'),
  (format('public.get_content_likers(%L, %L, max => -1)', 'post', pg_temp.id('tea')), 'PT400 invalid_request')) bad (call, refusal);

select * from finish();
rollback;
