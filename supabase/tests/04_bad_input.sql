-- Bad input: a clear SQLSTATE that PostgREST maps to the status, and nothing written.
begin;
select plan(47);

insert into auth.users (id, email, raw_user_meta_data) values
  ('00000000-0000-4000-8000-00000000000a', 'anna@test.example', '{"username": "anna_test"}'),
  ('00000000-0000-4000-8000-00000000000b', 'ben@test.example', '{"username": "ben_test"}');
insert into public.posts (id, user_id, content)
values ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-00000000000a', 'a post');
insert into public.videos (id, user_id, title, status)
values ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-00000000000a', 'a video', 'processing');

create function pg_temp.like_of(
  who text default 'b', type text default 'post', content text default 'a1', liked boolean default null, intent bigint default null
) returns jsonb language sql as $$
  select public.toggle_like(
    ('00000000-0000-4000-8000-00000000000' || who)::uuid, type, ('00000000-0000-4000-8000-0000000000' || content)::uuid, liked, intent)
$$;
create function pg_temp.items(count integer) returns jsonb language sql as $$
  select jsonb_agg(jsonb_build_object('content_type', 'post', 'content_id', gen_random_uuid())) from generate_series(1, items.count)
$$;

-- toggle_like
select throws_ok($$select public.toggle_like(null, 'post', '00000000-0000-4000-8000-0000000000a1')$$, 'PT400', 'invalid_request', 'no user');
select throws_ok($$select pg_temp.like_of(type => null)$$, 'PT400', 'invalid_request', 'no type');
select throws_ok($$select pg_temp.like_of(type => 'story')$$, 'PT400', 'invalid_request', 'an unknown type');
select throws_ok($$select pg_temp.like_of(type => 'POST')$$, 'PT400', 'invalid_request', 'a type in capitals');
select throws_ok($$select pg_temp.like_of(content => null)$$, 'PT400', 'invalid_request', 'no content');
select throws_ok($$select pg_temp.like_of(content => 'ff')$$, 'PT404', 'content_not_found', 'unknown content');
select throws_ok($$select pg_temp.like_of(type => 'video')$$, 'PT404', 'content_not_found', 'a post is no video');
select throws_ok($$select pg_temp.like_of(type => 'video', content => 'a2')$$, 'PT404', 'content_not_found', 'a video that is not ready');
select throws_ok($$select pg_temp.like_of(who => 'f')$$, 'PT404', 'user_not_found', 'an unknown user');
select throws_ok($$select pg_temp.like_of(intent => 0)$$, 'PT400', 'invalid_request', 'an intent of nothing');
select throws_ok($$select pg_temp.like_of(intent => -5)$$, 'PT400', 'invalid_request', 'a negative intent');
select throws_ok(
  $$select pg_temp.like_of(intent => (extract(epoch from clock_timestamp()) * 1000)::bigint + 60000)$$,
  'PT400', 'intent_in_future', 'an intent a minute ahead');
select lives_ok(
  $$select pg_temp.like_of(intent => (extract(epoch from clock_timestamp()) * 1000)::bigint + 3000)$$, 'an intent three seconds ahead is taken');
select is((select count(*) from likes.content_likes where user_id = '00000000-0000-4000-8000-00000000000b'), 1::bigint, 'nothing else was written');
delete from public.posts where id = '00000000-0000-4000-8000-0000000000a1';
select throws_ok($$select pg_temp.like_of()$$, 'PT404', 'content_not_found', 'deleted content');
insert into public.posts (id, user_id, content)
values ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-00000000000a', 'a post');

-- Lists of contents
select throws_ok(format('select %s', call), 'PT400', 'too_many_items', '101 items: ' || call)
from unnest(array[
  'public.get_like_status(pg_temp.items(101))', 'public.get_content_authors(pg_temp.items(101))', 'public.settle_likes(pg_temp.items(101))',
  'public.sync_viewing(gen_random_uuid(), pg_temp.items(101))']) call;
select lives_ok($$select public.get_like_status(pg_temp.items(100))$$, '100 items are fine');
select is(public.get_like_status('[]')::text, '[]', 'none is fine');
select throws_ok(format('select public.get_like_status(%L)', items), 'PT400', 'invalid_request', 'items that are none: ' || coalesce(items, 'null'))
from unnest(array[
  null, '{}', '"x"', 'null', '[1]', '[null]', '[{}]', '[{"content_type": "post"}]', '[{"content_type": "post", "content_id": "x"}]',
  '[{"content_type": "story", "content_id": "00000000-0000-4000-8000-0000000000a1"}]',
  '[{"content_type": "post", "content_id": null}]']) items;

-- Pages
select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000000a", "role": "authenticated"}', true);
select throws_ok(format('select public.get_notifications(max => %s)', max), 'PT400', 'invalid_request', 'a page of ' || max)
from unnest(array['0', '-1', '101', 'null']) max;
select throws_ok(format('select public.get_notifications(%L)', cursor), 'PT400', 'invalid_cursor', 'a cursor that is none: ' || cursor)
from unnest(array['', 'garbage', '!!!', 'AAAA', encode('1.x', 'base64'), encode('999999999999999999.00000000-0000-4000-8000-0000000000a1', 'base64')]) cursor;

-- The rest
select throws_ok($$select public.sync_viewing(null, '[]')$$, 'PT400', 'invalid_request', 'a heartbeat of nobody');
select throws_ok($$select public.sync_viewing(gen_random_uuid(), '[]', 'asleep')$$, 'PT400', 'invalid_request', 'a connection that is none');
select throws_ok($$select public.set_like_notifications(null)$$, 'PT400', 'invalid_request', 'neither on nor off');
select throws_ok(
  $$select public.mute_content('post', '00000000-0000-4000-8000-0000000000ff')$$, 'PT404', 'content_not_found', 'muting what is not one''s own');
select set_config('request.jwt.claims', '', true);
select throws_ok($$select public.get_notifications()$$, 'PT401', 'token_missing', 'notifications of nobody');

select * from finish();
rollback;
