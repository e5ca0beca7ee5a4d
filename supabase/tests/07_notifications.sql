-- Notifications: they begin, grow, shrink, go, start anew, keep silent; their words; who sees and changes which.
begin;
select plan(68);

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

select pg_temp.person('anna'), pg_temp.person('ben'), pg_temp.person('cleo'), pg_temp.person('dan', 'private'), pg_temp.person('emma');
select pg_temp.post('walk', 'anna'), pg_temp.post('tea', 'anna'), pg_temp.post('song', 'anna'), pg_temp.post('cake', 'anna');

-- Likes and lets the window end; settling says what the author is sent.
create function pg_temp.settled(name text) returns text language sql as $$
  select pg_temp.pass('2 s');
  select s #>> '{0,notifications}' from pg_temp.settle(name) s;
$$;
create function pg_temp.told() returns jsonb language sql as $$ select pg_temp.last_event('user:' || pg_temp.id('anna')) $$;
create function pg_temp.list() returns jsonb language sql as $$ select pg_temp.call('anna', 'public.get_notifications()') $$;
create function pg_temp.first() returns jsonb language sql as $$ select pg_temp.list() #> '{notifications,0}' $$;
create function pg_temp.message() returns text language sql as $$ select pg_temp.first() ->> 'message' $$;

-- It begins
select pg_temp.like('ben', 'walk');
select is(pg_temp.list(), '{"notifications": [], "unread_count": 0, "next_cursor": null}', 'nothing is told before settling');
select is(pg_temp.settled('walk'), '1', 'a like is told');
select is(pg_temp.told() ->> 'event', 'notification:new', 'as something new');
select is(pg_temp.told() - 'event', pg_temp.first(), 'by event and by list alike');
select is(pg_temp.first() - 'id', jsonb_build_object(
    'type', 'like', 'title', 'New Like!', 'message', 'ben liked your post', 'isRead', false, 'createdAt', likes.to_wire(likes.clock()),
    'data', jsonb_build_object('contentType', 'post', 'contentId', pg_temp.id('walk'), 'likerId', pg_temp.id('ben'), 'likerUsername', 'ben',
      'likerIds', jsonb_build_array(pg_temp.id('ben')), 'likerCount', 1, 'totalLikes', 1)), 'with the payload of the contract');
select is(pg_temp.list() -> 'unread_count', '1', 'it is unread');
create temporary table first as select pg_temp.first() ->> 'id' as id;
select is(pg_temp.settled('walk'), '0', 'settling again tells nothing again');

-- It grows
select pg_temp.like('cleo', 'walk');
select is(pg_temp.settled('walk'), '1', 'another like is told');
select is(pg_temp.told() ->> 'event', 'notification:updated', 'as a change');
select is(pg_temp.told() ->> 'id', id, 'of the same notification') from first;
select is(pg_temp.message(), 'cleo and 1 other liked your post', 'the newest liker is named');
select pg_temp.like('emma', 'walk');
select pg_temp.settled('walk');
select is(pg_temp.message(), 'emma and 2 others liked your post', 'the others are counted');
select is(pg_temp.first() #> '{data,likerIds}', jsonb_build_array(pg_temp.id('emma'), pg_temp.id('cleo'), pg_temp.id('ben')), 'and listed, newest first');
select pg_temp.like('dan', 'walk');
select pg_temp.settled('walk');
select is(pg_temp.message(), 'dan and 3 others liked your post', 'the author is told of private likers, too');
select is(pg_temp.list() -> 'unread_count', '1', 'all that is one notification');
update likes.settings set batch_names = 2;
select pg_temp.like('anna', 'walk');
select is(pg_temp.settled('walk'), '0', 'one''s own like is no news');

-- It shrinks and goes
update likes.settings set batch_names = 50;
select pg_temp.like('dan', 'walk', false);
select is(pg_temp.settled('walk'), '1', 'a like taken back is told');
select is((pg_temp.told() ->> 'event', pg_temp.told() ->> 'title')::text, '(notification:updated,"Like Removed")', 'as a change');
select is(pg_temp.message(), 'emma and 2 others liked your post', 'of who is named');
select is(pg_temp.told() #> '{data,totalLikes}', '4', 'and of the total, which counts the author''s own');
select pg_temp.like('emma', 'walk', false), pg_temp.like('dan', 'walk', true);
update likes.content_likes set notified_at = null where user_id = pg_temp.id('dan');
select pg_temp.settled('walk');
select is(pg_temp.told() ->> 'title', 'New Like!', 'one that comes and one that goes are no loss');
select pg_temp.like(n, 'walk', false) from unnest(array['ben', 'cleo', 'dan']) n;
select pg_temp.settled('walk');
select is(pg_temp.told() - 'id', '{"event": "notification:removed"}', 'the last one takes it away');
select is(pg_temp.told() ->> 'id', id, 'by its id') from first;
select is(pg_temp.list() -> 'notifications', '[]', 'and off the list');

-- A like taken back before its settling
select pg_temp.like('ben', 'tea'), pg_temp.like('ben', 'tea');
select is(pg_temp.settled('tea'), '0', 'is no notification');

-- Given again
select pg_temp.like('ben', 'walk', true);
select is(pg_temp.settled('walk'), '0', 'a like given again within a day tells nobody');
select is(pg_temp.list() -> 'unread_count', '0', 'it is unread by nobody');
select is(pg_temp.first() ->> 'isRead', 'true', 'but on the list, as read');
select pg_temp.like('ben', 'walk', false), pg_temp.settled('walk');
select pg_temp.pass('24 hours');
select pg_temp.like('ben', 'walk', true);
select is(pg_temp.settled('walk'), '1', 'a day later it is news again');

-- It starts anew
create temporary table second as select pg_temp.first() ->> 'id' as id;
select pg_temp.pass('11 hours 59 minutes');
select pg_temp.like('cleo', 'walk', true), pg_temp.settled('walk');
update likes.content_likes set notified_at = null where user_id = pg_temp.id('cleo');
select is(pg_temp.told() ->> 'id', id, 'before 12 hours it grows') from second;
select pg_temp.pass('1 minute');
select pg_temp.like('emma', 'walk', true), pg_temp.settled('walk');
select isnt(pg_temp.told() ->> 'id', id, 'after 12 hours a new one starts') from second;
select is(pg_temp.told() ->> 'event', 'notification:new', 'as something new');
select is(pg_temp.list() -> 'unread_count', '2', 'and the old one is still unread');
select is(pg_temp.call('anna', 'public.mark_notifications_read()'), '{"marked": 2, "unread_count": 0}', 'all are read at once');
select is(pg_temp.call('anna', 'public.mark_notifications_read()'), '{"marked": 0, "unread_count": 0}', 'once');
select pg_temp.pass('24 hours');
select pg_temp.like('dan', 'walk', true), pg_temp.settled('walk');
select is((pg_temp.told() ->> 'event', pg_temp.message())::text, '(notification:new,"dan liked your post")', 'what is read does not grow: a new one starts');
select pg_temp.like('emma', 'walk', false), pg_temp.settled('walk');
select is(pg_temp.told() ->> 'event', 'notification:removed', 'but what is read still shrinks and goes');

-- Read by id
select pg_temp.like('ben', 'song'), pg_temp.like('ben', 'cake'), pg_temp.pass('2 s'), pg_temp.settle('song', 'cake');
create temporary table mine as select n.id from likes.notifications n where n.user_id = pg_temp.id('anna') and n.read_at is null order by n.created_at, n.id;
select is(pg_temp.call('ben', format('public.mark_notifications_read(%L)', array(select id from mine))), '{"marked": 0, "unread_count": 0}', 'nobody reads another''s');
select is(pg_temp.call('anna', format('public.mark_notifications_read(%L)', array(select id from mine limit 1))), '{"marked": 1, "unread_count": 2}', 'one can be read by itself');
select is(pg_temp.call('anna', $$public.mark_notifications_read('{}')$$), '{"marked": 0, "unread_count": 2}', 'none is none, not all');
select is(pg_temp.refused('anna', format('public.mark_notifications_read(%L)', array_fill(gen_random_uuid(), array[1001]))), 'PT400 too_many_items', '1001 are too many');
select is(pg_temp.refused('visitor', 'public.mark_notifications_read()'), '42501 permission denied for function mark_notifications_read', 'a visitor has none');

-- Silence
select is(pg_temp.call('anna', format('public.mute_content(%L, %L)', 'post', pg_temp.id('tea'))), '{"muted": true}', 'an author mutes a content');
select is(pg_temp.call('anna', format('public.mute_content(%L, %L)', 'post', pg_temp.id('tea'))), '{"muted": true}', 'twice is once');
select pg_temp.pass('25 hours');
select pg_temp.like('cleo', 'tea', true);
select is(pg_temp.settled('tea'), '0', 'whose likes are not told then');
select is(pg_temp.last_event('user:' || pg_temp.id('anna')) ->> 'event', 'post:liked', 'but still seen live');
select is(pg_temp.call('anna', format('public.mute_content(%L, %L, false)', 'post', pg_temp.id('tea'))), '{"muted": false}', 'and unmutes it');
select is(pg_temp.settled('tea'), '0', 'what was silent is not told late');
select pg_temp.like('emma', 'tea', true);
select is(pg_temp.settled('tea'), '1', 'the next one is told');
select is(pg_temp.refused('ben', format('public.mute_content(%L, %L)', 'post', pg_temp.id('tea'))), 'PT404 content_not_found', 'nobody mutes another''s content');
select is(pg_temp.refused('anna', format('public.mute_content(%L, %L, null)', 'post', pg_temp.id('tea'))), 'PT400 invalid_request', 'neither muted nor not');
select is(pg_temp.call('anna', 'public.set_like_notifications(false)'), '{"enabled": false}', 'an author wants none at all');
select pg_temp.like('ben', 'tea', true);
select is(pg_temp.settled('tea'), '0', 'and gets none');
select is(pg_temp.call('anna', 'public.set_like_notifications(true)'), '{"enabled": true}', 'until changing that');
select pg_temp.like('dan', 'tea', true);
select is(pg_temp.settled('tea'), '1', 'again');

-- Blocked after liking
select pg_temp.post('moon', 'anna');
select pg_temp.like('ben', 'moon'), pg_temp.like('cleo', 'moon');
insert into public.user_blocks (blocker_id, blocked_id) values (pg_temp.id('anna'), pg_temp.id('ben'));
select is(pg_temp.settled('moon'), '1', 'of two likes');
select is(pg_temp.message(), 'cleo liked your post', 'that of the blocked is not told');
select unalike(e::text, '%' || pg_temp.id('ben') || '%', 'nor named in the batch of the window') from (
  select payload from pg_temp.events('user:' || pg_temp.id('anna')) where event = 'post:likes_batched' and payload ->> 'contentId' = pg_temp.id('moon')::text) e;
select is(payload -> 'likerCount', '2', 'though counted') from pg_temp.events('user:' || pg_temp.id('anna'))
where event = 'post:likes_batched' and payload ->> 'contentId' = pg_temp.id('moon')::text;

-- Words
update public.users set username = '{n}{contentType}' where id = pg_temp.id('emma');
select pg_temp.post('sun', 'anna'), pg_temp.like('emma', 'sun'), pg_temp.like('cleo', 'sun'), pg_temp.settled('sun');
update public.users set username = '{username} {n}' where id = pg_temp.id('cleo');
select is(pg_temp.message(), case n.liker when pg_temp.id('emma') then '{n}{contentType} and 1 other liked your post' else '{username} {n} and 1 other liked your post' end,
  'a name is taken to the letter, whatever it looks like')
from (select (pg_temp.first() #>> '{data,likerId}')::uuid as liker) n;
update likes.texts set text = '{username} und {n} anderen gefällt dein {contentType}' where key = 'message_many';
update likes.texts set text = 'Beitrag' where key = 'post';
update likes.texts set text = 'Neu!' where key = 'title_liked';
select pg_temp.like('dan', 'sun'), pg_temp.settled('sun');
select is((pg_temp.told() ->> 'title', pg_temp.told() ->> 'message')::text, '(Neu!,"dan und 2 anderen gefällt dein Beitrag")', 'the words are rows to translate');
insert into public.videos (id, user_id, title, status) values (pg_temp.id('film'), pg_temp.id('cleo'), 'film', 'ready');
select pg_temp.call('service', format('public.toggle_like(%L, %L, %L)', pg_temp.id('anna'), 'video', pg_temp.id('film'))), pg_temp.pass('2 s'),
  pg_temp.call('service', format('public.settle_likes(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', pg_temp.id('film')))));
select is(pg_temp.call('cleo', 'public.get_notifications()') #>> '{notifications,0,message}', 'anna liked your video', 'a video is called a video');

-- Pruned
update likes.notifications set read_at = likes.clock() - interval '91 days', is_open = false where content_id = pg_temp.id('film');
select is((pg_temp.call('service', 'public.prune_likes()') ->> 'notifications')::integer, 1, 'what was read 90 days ago goes');
select pg_temp.call('service', format('public.toggle_like(%L, %L, %L, false)', pg_temp.id('anna'), 'video', pg_temp.id('film'))), pg_temp.pass('2 s');
select is((pg_temp.call('service', format('public.settle_likes(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', pg_temp.id('film')))))
  -> 0) - 'content_id' - 'wake_after_ms', '{"content_type": "video", "outcome": "settled", "likes": 1, "events": 0, "notifications": 0, "error": null}',
  'a like of which it told can still be taken back, and tells nothing');

-- Pages, with notifications of the same moment
insert into likes.notifications (id, user_id, content_type, content_id, liker_count, is_open, created_at, updated_at)
select md5('page ' || n)::uuid, pg_temp.id('ben'), 'post', gen_random_uuid(), 1, false, now() - (n / 4) * interval '1 minute', now() from generate_series(1, 10) n;
create function pg_temp.pages(who text, size integer) returns text[] language plpgsql as $$
declare
  v_page jsonb;
  v_ids text[] := '{}';
begin
  loop
    v_page := pg_temp.call(who, format('public.get_notifications(%L, %s)', v_page ->> 'next_cursor', size));
    v_ids := v_ids || array(select n ->> 'id' from jsonb_array_elements(v_page -> 'notifications') n);
    exit when v_page -> 'next_cursor' = 'null';
  end loop;
  return v_ids;
end $$;
select is(pg_temp.pages('ben', size), array(select id::text from likes.notifications where user_id = pg_temp.id('ben') order by created_at desc, id desc),
  'pages of ' || size || ' list each once, newest first') from unnest(array[1, 3, 10, 100]) size;

select * from finish();
rollback;
