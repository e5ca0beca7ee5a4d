-- Notifications: they begin, grow, shrink, go, start anew, keep silent; their words; who sees and changes which.
begin;
select plan(68);
select tests.start();

select tests.person('anna'), tests.person('ben'), tests.person('cleo'), tests.person('dan', 'private'), tests.person('emma');
select tests.post('walk', 'anna'), tests.post('tea', 'anna'), tests.post('song', 'anna'), tests.post('cake', 'anna');

-- Likes and lets the window end; settling says what the author is sent.
create function tests.settled(name text) returns text language sql as $$
  select tests.pass('2 s');
  select s #>> '{0,notifications}' from tests.settle(name) s;
$$;
create function tests.told() returns jsonb language sql as $$ select tests.last_event('user:' || tests.id('anna')) $$;
create function tests.list() returns jsonb language sql as $$ select tests.call('anna', 'public.get_notifications()') $$;
create function tests.first() returns jsonb language sql as $$ select tests.list() #> '{notifications,0}' $$;
create function tests.message() returns text language sql as $$ select tests.first() ->> 'message' $$;

-- It begins
select tests.like('ben', 'walk');
select is(tests.list(), '{"notifications": [], "unread_count": 0, "next_cursor": null}', 'nothing is told before settling');
select is(tests.settled('walk'), '1', 'a like is told');
select is(tests.told() ->> 'event', 'notification:new', 'as something new');
select is(tests.told() - 'event', tests.first(), 'by event and by list alike');
select is(tests.first() - 'id', jsonb_build_object(
    'type', 'like', 'title', 'New Like!', 'message', 'ben liked your post', 'isRead', false, 'createdAt', likes.to_wire(likes.clock()),
    'data', jsonb_build_object('contentType', 'post', 'contentId', tests.id('walk'), 'likerId', tests.id('ben'), 'likerUsername', 'ben',
      'likerIds', jsonb_build_array(tests.id('ben')), 'likerCount', 1, 'totalLikes', 1)), 'with the payload of the contract');
select is(tests.list() -> 'unread_count', '1', 'it is unread');
create temporary table first as select tests.first() ->> 'id' as id;
select is(tests.settled('walk'), '0', 'settling again tells nothing again');

-- It grows
select tests.like('cleo', 'walk');
select is(tests.settled('walk'), '1', 'another like is told');
select is(tests.told() ->> 'event', 'notification:updated', 'as a change');
select is(tests.told() ->> 'id', id, 'of the same notification') from first;
select is(tests.message(), 'cleo and 1 other liked your post', 'the newest liker is named');
select tests.like('emma', 'walk');
select tests.settled('walk');
select is(tests.message(), 'emma and 2 others liked your post', 'the others are counted');
select is(tests.first() #> '{data,likerIds}', jsonb_build_array(tests.id('emma'), tests.id('cleo'), tests.id('ben')), 'and listed, newest first');
select tests.like('dan', 'walk');
select tests.settled('walk');
select is(tests.message(), 'dan and 3 others liked your post', 'the author is told of private likers, too');
select is(tests.list() -> 'unread_count', '1', 'all that is one notification');
update likes.settings set batch_names = 2;
select tests.like('anna', 'walk');
select is(tests.settled('walk'), '0', 'one''s own like is no news');

-- It shrinks and goes
update likes.settings set batch_names = 50;
select tests.like('dan', 'walk', false);
select is(tests.settled('walk'), '1', 'a like taken back is told');
select is((tests.told() ->> 'event', tests.told() ->> 'title')::text, '(notification:updated,"Like Removed")', 'as a change');
select is(tests.message(), 'emma and 2 others liked your post', 'of who is named');
select is(tests.told() #> '{data,totalLikes}', '4', 'and of the total, which counts the author''s own');
select tests.like('emma', 'walk', false), tests.like('dan', 'walk', true);
update likes.content_likes set notified_at = null where user_id = tests.id('dan');
select tests.settled('walk');
select is(tests.told() ->> 'title', 'New Like!', 'one that comes and one that goes are no loss');
select tests.like(n, 'walk', false) from unnest(array['ben', 'cleo', 'dan']) n;
select tests.settled('walk');
select is(tests.told() - 'id', '{"event": "notification:removed"}', 'the last one takes it away');
select is(tests.told() ->> 'id', id, 'by its id') from first;
select is(tests.list() -> 'notifications', '[]', 'and off the list');

-- A like taken back before its settling
select tests.like('ben', 'tea'), tests.like('ben', 'tea');
select is(tests.settled('tea'), '0', 'is no notification');

-- Given again
select tests.like('ben', 'walk', true);
select is(tests.settled('walk'), '0', 'a like given again within a day tells nobody');
select is(tests.list() -> 'unread_count', '0', 'it is unread by nobody');
select is(tests.first() ->> 'isRead', 'true', 'but on the list, as read');
select tests.like('ben', 'walk', false), tests.settled('walk');
select tests.pass('24 hours');
select tests.like('ben', 'walk', true);
select is(tests.settled('walk'), '1', 'a day later it is news again');

-- It starts anew
create temporary table second as select tests.first() ->> 'id' as id;
select tests.pass('11 hours 59 minutes');
select tests.like('cleo', 'walk', true), tests.settled('walk');
update likes.content_likes set notified_at = null where user_id = tests.id('cleo');
select is(tests.told() ->> 'id', id, 'before 12 hours it grows') from second;
select tests.pass('1 minute');
select tests.like('emma', 'walk', true), tests.settled('walk');
select isnt(tests.told() ->> 'id', id, 'after 12 hours a new one starts') from second;
select is(tests.told() ->> 'event', 'notification:new', 'as something new');
select is(tests.list() -> 'unread_count', '2', 'and the old one is still unread');
select is(tests.call('anna', 'public.mark_notifications_read()'), '{"marked": 2, "unread_count": 0}', 'all are read at once');
select is(tests.call('anna', 'public.mark_notifications_read()'), '{"marked": 0, "unread_count": 0}', 'once');
select tests.pass('24 hours');
select tests.like('dan', 'walk', true), tests.settled('walk');
select is((tests.told() ->> 'event', tests.message())::text, '(notification:new,"dan liked your post")', 'what is read does not grow: a new one starts');
select tests.like('emma', 'walk', false), tests.settled('walk');
select is(tests.told() ->> 'event', 'notification:removed', 'but what is read still shrinks and goes');

-- Read by id
select tests.like('ben', 'song'), tests.like('ben', 'cake'), tests.pass('2 s'), tests.settle('song', 'cake');
create temporary table mine as select n.id from likes.notifications n where n.user_id = tests.id('anna') and n.read_at is null order by n.created_at, n.id;
select is(tests.call('ben', format('public.mark_notifications_read(%L)', array(select id from mine))), '{"marked": 0, "unread_count": 0}', 'nobody reads another''s');
select is(tests.call('anna', format('public.mark_notifications_read(%L)', array(select id from mine limit 1))), '{"marked": 1, "unread_count": 2}', 'one can be read by itself');
select is(tests.call('anna', $$public.mark_notifications_read('{}')$$), '{"marked": 0, "unread_count": 2}', 'none is none, not all');
select is(tests.refused('anna', format('public.mark_notifications_read(%L)', array_fill(gen_random_uuid(), array[1001]))), 'PT400 too_many_items', '1001 are too many');
select is(tests.refused('visitor', 'public.mark_notifications_read()'), '42501 permission denied for function mark_notifications_read', 'a visitor has none');

-- Silence
select is(tests.call('anna', format('public.mute_content(%L, %L)', 'post', tests.id('tea'))), '{"muted": true}', 'an author mutes a content');
select is(tests.call('anna', format('public.mute_content(%L, %L)', 'post', tests.id('tea'))), '{"muted": true}', 'twice is once');
select tests.pass('25 hours');
select tests.like('cleo', 'tea', true);
select is(tests.settled('tea'), '0', 'whose likes are not told then');
select is(tests.last_event('user:' || tests.id('anna')) ->> 'event', 'post:liked', 'but still seen live');
select is(tests.call('anna', format('public.mute_content(%L, %L, false)', 'post', tests.id('tea'))), '{"muted": false}', 'and unmutes it');
select is(tests.settled('tea'), '0', 'what was silent is not told late');
select tests.like('emma', 'tea', true);
select is(tests.settled('tea'), '1', 'the next one is told');
select is(tests.refused('ben', format('public.mute_content(%L, %L)', 'post', tests.id('tea'))), 'PT404 content_not_found', 'nobody mutes another''s content');
select is(tests.refused('anna', format('public.mute_content(%L, %L, null)', 'post', tests.id('tea'))), 'PT400 invalid_request', 'neither muted nor not');
select is(tests.call('anna', 'public.set_like_notifications(false)'), '{"enabled": false}', 'an author wants none at all');
select tests.like('ben', 'tea', true);
select is(tests.settled('tea'), '0', 'and gets none');
select is(tests.call('anna', 'public.set_like_notifications(true)'), '{"enabled": true}', 'until changing that');
select tests.like('dan', 'tea', true);
select is(tests.settled('tea'), '1', 'again');

-- Blocked after liking
select tests.post('moon', 'anna');
select tests.like('ben', 'moon'), tests.like('cleo', 'moon');
insert into public.user_blocks (blocker_id, blocked_id) values (tests.id('anna'), tests.id('ben'));
select is(tests.settled('moon'), '1', 'of two likes');
select is(tests.message(), 'cleo liked your post', 'that of the blocked is not told');
select unalike(e::text, '%' || tests.id('ben') || '%', 'nor named in the batch of the window') from (
  select payload from tests.events('user:' || tests.id('anna')) where event = 'post:likes_batched' and payload ->> 'contentId' = tests.id('moon')::text) e;
select is(payload -> 'likerCount', '2', 'though counted') from tests.events('user:' || tests.id('anna'))
where event = 'post:likes_batched' and payload ->> 'contentId' = tests.id('moon')::text;

-- Words
update public.users set username = '{n}{contentType}' where id = tests.id('emma');
select tests.post('sun', 'anna'), tests.like('emma', 'sun'), tests.like('cleo', 'sun'), tests.settled('sun');
update public.users set username = '{username} {n}' where id = tests.id('cleo');
select is(tests.message(), case n.liker when tests.id('emma') then '{n}{contentType} and 1 other liked your post' else '{username} {n} and 1 other liked your post' end,
  'a name is taken to the letter, whatever it looks like')
from (select (tests.first() #>> '{data,likerId}')::uuid as liker) n;
update likes.texts set text = '{username} und {n} anderen gefällt dein {contentType}' where key = 'message_many';
update likes.texts set text = 'Beitrag' where key = 'post';
update likes.texts set text = 'Neu!' where key = 'title_liked';
select tests.like('dan', 'sun'), tests.settled('sun');
select is((tests.told() ->> 'title', tests.told() ->> 'message')::text, '(Neu!,"dan und 2 anderen gefällt dein Beitrag")', 'the words are rows to translate');
insert into public.videos (id, user_id, title, status) values (tests.id('film'), tests.id('cleo'), 'film', 'ready');
select tests.call('service', format('public.toggle_like(%L, %L, %L)', tests.id('anna'), 'video', tests.id('film'))), tests.pass('2 s'),
  tests.call('service', format('public.settle_likes(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', tests.id('film')))));
select is(tests.call('cleo', 'public.get_notifications()') #>> '{notifications,0,message}', 'anna liked your video', 'a video is called a video');

-- Pruned
update likes.notifications set read_at = likes.clock() - interval '91 days', is_open = false where content_id = tests.id('film');
select is((tests.call('service', 'public.prune_likes()') ->> 'notifications')::integer, 1, 'what was read 90 days ago goes');
select tests.call('service', format('public.toggle_like(%L, %L, %L, false)', tests.id('anna'), 'video', tests.id('film'))), tests.pass('2 s');
select is((tests.call('service', format('public.settle_likes(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', tests.id('film')))))
  -> 0) - 'content_id' - 'wake_after_ms', '{"content_type": "video", "outcome": "settled", "likes": 1, "events": 0, "notifications": 0, "error": null}',
  'a like of which it told can still be taken back, and tells nothing');

-- Pages, with notifications of the same moment
insert into likes.notifications (id, user_id, content_type, content_id, liker_count, is_open, created_at, updated_at)
select md5('page ' || n)::uuid, tests.id('ben'), 'post', gen_random_uuid(), 1, false, now() - (n / 4) * interval '1 minute', now() from generate_series(1, 10) n;
create function tests.pages(who text, size integer) returns text[] language plpgsql as $$
declare
  v_page jsonb;
  v_ids text[] := '{}';
begin
  loop
    v_page := tests.call(who, format('public.get_notifications(%L, %s)', v_page ->> 'next_cursor', size));
    v_ids := v_ids || array(select n ->> 'id' from jsonb_array_elements(v_page -> 'notifications') n);
    exit when v_page -> 'next_cursor' = 'null';
  end loop;
  return v_ids;
end $$;
select is(tests.pages('ben', size), array(select id::text from likes.notifications where user_id = tests.id('ben') order by created_at desc, id desc),
  'pages of ' || size || ' list each once, newest first') from unnest(array[1, 3, 10, 100]) size;

select * from finish();
rollback;
