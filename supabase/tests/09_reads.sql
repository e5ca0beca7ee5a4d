-- Reads: the state of a page, who likes, what one likes, whose it is; page by page, and nothing that the reader may not see.
begin;
select plan(65);
select tests.start();

select tests.person('anna'), tests.person('ben'), tests.person('cleo', 'friends'), tests.person('dan', 'private'), tests.person('emma');
select tests.post('walk', 'anna'), tests.post('tea', 'anna'), tests.post('diary', 'cleo'), tests.post('secret', 'dan'), tests.post('cake', 'ben');
insert into public.videos (id, user_id, title, status) values
  (tests.id('film'), tests.id('anna'), 'film', 'ready'), (tests.id('draft'), tests.id('anna'), 'draft', 'processing');
insert into public.friendships (user_id, friend_id) values (tests.id('cleo'), tests.id('ben'));

-- The state of a page
create function tests.status(who text, variadic names text[]) returns jsonb language sql as
$$ select tests.call(who, format('public.get_like_status(%L)', tests.items(variadic names))) $$;
create temporary table answer as select tests.like('ben', 'walk') as a;
select is(tests.status('ben', 'walk'), jsonb_build_array(jsonb_build_object(
    'content_type', 'post', 'content_id', tests.id('walk'), 'liked', true, 'intent', a -> 'intent', 'total_likes', 1, 'version', a -> 'version', 'viewers', 0)),
  'one''s own state, and the announced count with its version') from answer;
select is(tests.status('emma', 'walk') #> '{0,liked}', 'false', 'another''s own state') ;
select is(tests.status('emma', 'walk') #> '{0,intent}', '0', 'without a wish');
select is(tests.status('visitor', 'walk') #> '{0,total_likes}', '1', 'a visitor reads what is public');
select tests.like('emma', 'walk');
select is(tests.status('ben', 'walk') #> '{0,total_likes}', '1', 'what is gathered is not told before its event');
select is(tests.status('ben', 'tea') #> '{0,total_likes}', '0', 'what nobody liked has no likes');
select is(jsonb_array_length(tests.status(who, 'walk', 'diary', 'secret')), seen, who || ' sees ' || seen || ' of three posts')
from (values ('visitor', 1), ('emma', 1), ('ben', 2), ('cleo', 2), ('dan', 2)) s (who, seen);
select is(tests.status('ben', 'nothing'), '[]', 'what does not exist is left out');
select is(jsonb_array_length(tests.status('ben', 'walk', 'walk')), 1, 'what is named twice is told once');
select is(tests.call('ben', 'public.get_like_status(''[]'')'), '[]', 'nothing asked, nothing told');
select is(tests.call('anna', format('public.get_like_status(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', tests.id('draft'))))),
  '[]', 'a video that is not ready has no state, not even for its author');
insert into public.user_blocks (blocker_id, blocked_id) values (tests.id('anna'), tests.id('emma'));
select is(tests.status('emma', 'walk'), '[]', 'the blocked read nothing, although they liked it');
delete from public.user_blocks;

-- Whose it is
create function tests.author_of(who text, name text) returns text language sql as
$$ select tests.call(who, format('public.get_content_author(%L, %L)', 'post', tests.id(name)))::text $$;
select is(tests.author_of('visitor', 'walk')::jsonb, jsonb_build_object('id', tests.id('anna'), 'username', 'anna', 'display_name', 'Anna'), 'the author of a post');
select is(tests.author_of('ben', 'diary')::jsonb ->> 'username', 'cleo', 'a friend is told');
select is(tests.refused(who, format('public.get_content_author(%L, %L)', 'post', tests.id('diary'))), 'PT404 content_not_found', who || ' is not')
from unnest(array['visitor', 'anna', 'emma']) who;
select is(tests.refused('ben', format('public.get_content_author(%L, %L)', type, content)), refusal, format('refused: %s %s', type, content))
from (values ('post', tests.id('nothing'), 'PT404 content_not_found'), ('video', tests.id('draft'), 'PT404 content_not_found'),
  ('story', tests.id('walk'), 'PT400 invalid_request'), (null, tests.id('walk'), 'PT400 invalid_request'), ('post', null, 'PT400 invalid_request')) bad (type, content, refusal);
create temporary table authors as select tests.call('ben', format('public.get_content_authors(%L)', tests.items('walk', 'diary', 'secret', 'nothing'))) as a;
select is(jsonb_array_length(a), 2, 'the authors of many are one call, without those of hidden content') from authors;
select ok(a @> jsonb_build_array(jsonb_build_object('content_type', 'post', 'content_id', tests.id(name),
  'author', jsonb_build_object('id', tests.id(who), 'username', who, 'display_name', initcap(who)))), 'that of ' || name || ' is ' || who)
from authors, (values ('walk', 'anna'), ('diary', 'cleo')) c (name, who);
select is(tests.refused('ben', format('public.get_content_authors(%L)', jsonb_agg(jsonb_build_object('content_type', 'post', 'content_id', gen_random_uuid())))),
  'PT400 too_many_items', '101 are too many') from generate_series(1, 101);

-- Who likes it
create function tests.likers(who text, name text) returns text language sql as $$
  select string_agg(l ->> 'username', ' ' order by n)
  from jsonb_array_elements(tests.call(who, format('public.get_content_likers(%L, %L)', 'post', tests.id(name))) -> 'likers') with ordinality as likers (l, n)
$$;
select tests.pass('1 s'), tests.like('dan', 'walk');
select tests.pass('1 s'), tests.like('cleo', 'walk');
select is(tests.likers(who, 'walk'), seen, who || ' is told of the likers: ' || seen) from (values
  ('anna', case when tests.id('ben') > tests.id('emma') then 'cleo dan ben emma' else 'cleo dan emma ben' end),
  ('dan', case when tests.id('ben') > tests.id('emma') then 'cleo dan ben emma' else 'cleo dan emma ben' end),
  ('visitor', case when tests.id('ben') > tests.id('emma') then 'cleo ben emma' else 'cleo emma ben' end)) s (who, seen);
select is(tests.call('ben', format('public.get_content_likers(%L, %L, null, 1)', 'post', tests.id('walk'))) - 'next_cursor', jsonb_build_object(
    'total_likes', 1, 'likers', jsonb_build_array(jsonb_build_object(
      'id', tests.id('cleo'), 'username', 'cleo', 'display_name', 'Cleo', 'liked_at', likes.clock()))), 'each with name and time, newest first');
insert into public.user_blocks (blocker_id, blocked_id) values (tests.id('anna'), tests.id('cleo')), (tests.id('ben'), tests.id('emma'));
select is(tests.likers('emma', 'walk'), case when tests.id('ben') > tests.id('emma') then 'ben emma' else 'emma ben' end, 'whom the author has blocked is shown to nobody');
select is(tests.likers('ben', 'walk'), 'ben', 'whom the reader has blocked not to the reader');
select is(tests.refused('cleo', format('public.get_content_likers(%L, %L)', 'post', tests.id('walk'))), 'PT404 content_not_found', 'the blocked are told nothing');
delete from public.user_blocks;
select tests.like('cleo', 'walk', false);
select unalike(tests.likers('anna', 'walk'), '%cleo%', 'who took it back is no liker');
select is(tests.refused('visitor', format('public.get_content_likers(%L, %L)', 'post', tests.id('diary'))), 'PT404 content_not_found', 'a visitor is not told who likes what is for friends');

-- What one likes
select tests.like('ben', 'diary'), tests.like('ben', 'cake'),
  tests.call('service', format('public.toggle_like(%L, %L, %L)', tests.id('ben'), 'video', tests.id('film')));
create function tests.liked(who text, type text default null) returns bigint language sql as
$$ select jsonb_array_length(tests.call(who, format('public.get_user_liked_content(%L)', type)) -> 'items')::bigint $$;
select is(tests.liked('ben'), 4::bigint, 'posts and videos');
select is(tests.liked('ben', 'video'), 1::bigint, 'or one type');
select is((tests.call('ben', 'public.get_user_liked_content(max => 1, content_type => ''video'')') #> '{items,0}') - 'liked_at', jsonb_build_object(
    'content_type', 'video', 'content_id', tests.id('film'), 'total_likes', 1,
    'author', jsonb_build_object('id', tests.id('anna'), 'username', 'anna', 'display_name', 'Anna')), 'with count and author');
update public.videos set status = 'failed' where id = tests.id('film');
select is(tests.liked('ben'), 3::bigint, 'but not what is not available');
delete from public.friendships;
select is(tests.liked('ben'), 2::bigint, 'nor what the reader may not see any more');
delete from public.posts where id = tests.id('cake');
select is(tests.liked('ben'), 1::bigint, 'nor what is gone');
select tests.like('ben', 'walk', false);
select is(tests.liked('ben'), 0::bigint, 'nor what was taken back');
select is(tests.refused('ben', 'public.get_user_liked_content(''story'')'), 'PT400 invalid_request', 'an unknown type is refused');
select is(tests.refused('visitor', 'public.get_user_liked_content()'), '42501 permission denied for function get_user_liked_content', 'a visitor likes nothing');
select is(tests.refused('service', 'public.get_user_liked_content()'), '42501 permission denied for function get_user_liked_content', 'nor do the functions');

-- Page by page, with many of the same moment
select tests.person('fan' || n) from generate_series(1, 12) n;
select tests.post('hit' || n, 'anna') from generate_series(1, 12) n;
insert into likes.content_likes (content_type, content_id, user_id, liked, intent, changed_at)
select 'post', tests.id('tea'), tests.id('fan' || n), true, 1, now() - (n / 5) * interval '1 microsecond' from generate_series(1, 12) n
union all
select 'post', tests.id('hit' || n), tests.id('emma'), true, 1, now() - (n / 5) * interval '1 microsecond' from generate_series(1, 12) n;
delete from likes.content_likes where content_id = tests.id('walk');
create function tests.pages(who text, call text, list text, key text, size integer) returns uuid[] language plpgsql as $$
declare
  v_page jsonb;
  v_ids uuid[] := '{}';
begin
  loop
    v_page := tests.call(who, format('public.%s, cursor => %L, max => %s)', call, v_page ->> 'next_cursor', size));
    v_ids := v_ids || array(select (i ->> key)::uuid from jsonb_array_elements(v_page -> list) i);
    exit when v_page -> 'next_cursor' = 'null';
  end loop;
  return v_ids;
end $$;
select is(tests.pages('visitor', format('get_content_likers(%L, %L', 'post', tests.id('tea')), 'likers', 'id', size),
  array(select user_id from likes.content_likes where content_id = tests.id('tea') order by changed_at desc, user_id desc),
  'likers in pages of ' || size || ': each once, newest first') from unnest(array[1, 2, 5, 12, 100]) size;
select is(tests.pages('emma', 'get_user_liked_content(null', 'items', 'content_id', size),
  array(select content_id from likes.content_likes where user_id = tests.id('emma') order by changed_at desc, content_id desc),
  'liked contents in pages of ' || size || ': each once, newest first') from unnest(array[1, 2, 5, 12, 100]) size;
select is(tests.refused('emma', call), refusal, 'refused: ' || call) from (values
  ('public.get_user_liked_content(max => 0)', 'PT400 invalid_request'), ('public.get_user_liked_content(max => 101)', 'PT400 invalid_request'),
  ('public.get_user_liked_content(max => null)', 'PT400 invalid_request'), ('public.get_user_liked_content(cursor => ''x'')', 'PT400 invalid_cursor'),
  (format('public.get_content_likers(%L, %L, %L)', 'post', tests.id('tea'), $$' or 1=1 --$$), 'PT400 invalid_cursor'),
  (format('public.get_content_likers(%L, %L, max => -1)', 'post', tests.id('tea')), 'PT400 invalid_request')) bad (call, refusal);

select * from finish();
rollback;
