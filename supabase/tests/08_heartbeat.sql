-- The heartbeat: answers what changed, counts and names viewers, notices what was missed, heals what is overdue.
begin;
select plan(56);
select tests.start();

select tests.person('anna'), tests.person('ben'), tests.person('cleo', 'friends'), tests.person('dan', 'private');
select tests.post('walk', 'anna'), tests.post('tea', 'anna'), tests.post('diary', 'cleo'), tests.post('song', 'anna');

-- One heartbeat of somebody's client; `known` has [name, version, viewers] of each content on its screen.
create function tests.beat(who text, client text, known jsonb, connection text default 'live') returns jsonb language sql as $$
  select tests.call(who, format('public.sync_viewing(%L, %L, %L)', tests.id(client), (
    select coalesce(jsonb_agg(jsonb_build_object(
      'content_type', 'post', 'content_id', tests.id(k ->> 0), 'version', k -> 1, 'viewers', k -> 2)), '[]')
    from jsonb_array_elements(known) k), connection))
$$;
create function tests.item(answer jsonb, name text) returns jsonb language sql as
$$ select i from jsonb_array_elements(answer -> 'items') i where i ->> 'content_id' = tests.id(name)::text $$;
create function tests.version(name text) returns bigint language sql as
$$ select announced_version from likes.activity where content_id = tests.id(name) $$;

-- What changed
select is(tests.beat('ben', 'b1', '[["walk", 0, 0]]'), jsonb_build_object('heartbeat_ms', 12000, 'items', jsonb_build_array(jsonb_build_object(
    'content_type', 'post', 'content_id', tests.id('walk'), 'liked', false, 'intent', 0, 'total_likes', 0, 'version', 0, 'viewers', 1,
    'viewer_names', jsonb_build_array(jsonb_build_object('id', tests.id('ben'), 'username', 'ben', 'display_name', 'Ben'))))),
  'a first heartbeat counts and names its viewer');
select is(tests.beat('ben', 'b1', '[["walk", 0, 1]]') -> 'items', '[]', 'what is known is not told again');
select is(tests.beat('ben', 'b1', '[["walk", null, 1]]') #>> '{items,0,version}', '0', 'what is unknown is');
select tests.like('ben', 'walk');
select is(tests.beat('ben', 'b1', '[["walk", 0, 1]]') #>> '{items,0,total_likes}', '1', 'a count that moved is told');
select is(tests.beat('ben', 'b1', '[["walk", 0, 1]]') #>> '{items,0,liked}', 'true', 'with the caller''s own state');
select is(tests.beat('visitor', 'v1', '[["walk", 0, 1]]') #>> '{items,0,liked}', 'false', 'which a visitor has not');
select is(tests.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', tests.version('walk'), 1))) -> 'items', '[]', 'the version says what is known');
select is(jsonb_array_length(tests.beat('ben', 'b1', '[["walk", 0, 0], ["tea", 0, 0], ["song", 0, 0]]') -> 'items'), 3, 'a screen is one call');
select is(tests.beat('ben', 'b1', '[["diary", 0, 0]]') -> 'items', '[]', 'content that the caller may not see is left out');
select is(tests.beat('cleo', 'c1', '[["diary", 0, 0]]') #>> '{items,0,viewers}', '1', 'and counts nobody who may not see it');
select is(tests.beat('ben', 'b1', '[["nothing", 0, 0]]') -> 'items', '[]', 'so is what does not exist');
select is(tests.call('ben', format('public.sync_viewing(%L, %L)', tests.id('b1'), jsonb_build_array(
    jsonb_build_object('content_type', 'post', 'content_id', tests.id('walk'), 'version', 1000000000, 'viewers', 1, 'liked', false)))) #>> '{items,0,liked}',
  'true', 'a client that says its own state learns of another tab''s like');

-- A total that was answered to a like, but never announced, since the window ended as it began
select tests.pass('10 s');
select tests.settle('tea');
select tests.like('ben', 'tea', true);
create temporary table told as select (tests.like('cleo', 'tea', true) ->> 'version')::bigint as version;
select tests.like('cleo', 'tea', false);
select tests.pass('1 s');
select is(tests.settle('tea') #>> '{0,events}', '0', 'the window ends as announced: no event');
select is(tests.item(tests.beat('cleo', 'c1', jsonb_build_array(jsonb_build_array('tea', told.version, 1))), 'tea') ->> 'total_likes', '1',
  'but a client that was answered something else is corrected') from told;
select is((select missed from likes.rooms where content_id = tests.id('tea')), 0::bigint, 'and no event was missed');

-- Viewers
select tests.pass('1 minute');
select tests.beat('visitor', 'v' || n, '[["song", 0, 0]]') from generate_series(1, 4) n;
select tests.pass('4 s');
select is(tests.beat('ben', 'b1', '[["song", 0, 0]]') #>> '{items,0,viewers}', '5', 'viewers are counted by client, visitors too');
select is(jsonb_array_length(tests.beat('ben', 'b1', '[["song", null, 0]]') #> '{items,0,viewer_names}'), 1, 'and named if they are somebody');
select tests.beat('ben', 'b2', '[["song", 0, 5]]'), tests.beat('dan', 'd1', '[["song", 0, 5]]'), tests.beat('anna', 'a1', '[["song", 0, 5]]');
select tests.pass('4 s');
select is(tests.beat('ben', 'b1', '[["song", 0, 5]]') #> '{items,0,viewer_names}', jsonb_build_array(
    jsonb_build_object('id', tests.id('anna'), 'username', 'anna', 'display_name', 'Anna'),
    jsonb_build_object('id', tests.id('ben'), 'username', 'ben', 'display_name', 'Ben')),
  'each once however many windows are open, by name, private people not at all');
update likes.settings set viewer_names = 7;
select is(tests.beat('ben', 'b1', '[["song", null, 8]]') #> '{items,0,viewer_names}', 'null', 'a room over the limit names nobody');
update likes.settings set viewer_names = 50, max_connections = 6;
select tests.pass('4 s');
select is(tests.beat('ben', 'b1', '[["song", null, 0]]') #>> '{items,0,viewers}', '6', 'nobody claims more viewers than the plan has connections');
select is(tests.like('ben', 'song') ->> 'viewers', '6', 'a like is told so, too');
update likes.settings set max_connections = 200;
select tests.beat('ben', 'b2', '[]');
select tests.pass('4 s');
select is(tests.beat('ben', 'b1', '[["song", null, 0]]') #>> '{items,0,viewers}', '7', 'who says goodbye is not counted');
select is((select count(*) from likes.viewers where viewer_id = tests.id('b2')), 0::bigint, 'and forgotten');
select tests.pass('31 s');
select is(tests.beat('ben', 'b1', '[["song", null, 0]]') #>> '{items,0,viewers}', '1', 'who is silent for 30 s is not counted either');
update likes.settings set viewer_timeout_ms = 5000;
select tests.beat('anna', 'a1', '[["song", 0, 1]]');
select tests.pass('6 s');
select is(tests.beat('ben', 'b1', '[["song", null, 0]]') #>> '{items,0,viewers}', '1', 'that time is a setting');
update likes.settings set viewer_timeout_ms = 30000;
select is(tests.beat('ben', 'b1', '[["song", null, 0], ["walk", null, 0]]') is not null, true, 'a client moves on');
select tests.beat('ben', 'b1', '[["walk", null, 0]]');
select tests.pass('4 s');
select is(tests.beat('anna', 'a1', '[["song", null, 0]]') #>> '{items,0,viewers}', '1', 'what it no longer shows it no longer watches');

-- Whose row it is
select tests.beat('anna', 'a1', '[["song", null, 0]]', 'polling');
select results_eq($$select user_id, connection from likes.viewers where viewer_id = tests.id('a1')$$, $$values (tests.id('anna'), 'polling')$$, 'a client''s row has its user and connection');
select tests.beat('ben', 'a1', '[["walk", null, 0]]');
select results_eq($$select user_id, content_hashes from likes.viewers where viewer_id = tests.id('a1')$$,
  $$values (tests.id('anna'), array[likes.content_hash('post', tests.id('song'))])$$, 'nobody moves another user''s client');
select tests.beat('ben', 'a1', '[]');
select is((select count(*) from likes.viewers where viewer_id = tests.id('a1')), 1::bigint, 'nor says goodbye for it');
select tests.beat('visitor', 'a1', '[["song", null, 0]]');
select is((select user_id from likes.viewers where viewer_id = tests.id('a1')), null, 'a client may sign out');
select tests.beat('ben', 'a1', '[["song", null, 0]]');
select is((select user_id from likes.viewers where viewer_id = tests.id('a1')), tests.id('ben'), 'and somebody else sign in');

-- Last seen
select tests.pass('6 s'), tests.beat('ben', 'b1', '[["song", null, 0]]');
select is(tests.call('anna', format('public.get_last_seen(%L)', array[tests.id('ben'), tests.id('dan')])), jsonb_build_array(
    jsonb_build_object('user_id', tests.id('ben'), 'last_seen_at', likes.to_wire(likes.clock()))), 'a heartbeat is a sign of life; private people give none');
select is(jsonb_array_length(tests.call('dan', format('public.get_last_seen(%L)', array[tests.id('dan')]))), 1, 'but to themselves');
select is(tests.call('anna', 'public.get_last_seen(null)'), '[]', 'nobody asked for is nobody');
select is(tests.refused('anna', format('public.get_last_seen(%L)', array_fill(tests.id('ben'), array[101]))), 'PT400 too_many_items', '101 users are too many');
select is(tests.refused('visitor', 'public.get_last_seen(null)'), '42501 permission denied for function get_last_seen', 'a visitor may not ask');

-- Missed events are a metric
select tests.pass('1 minute');
select tests.settle('walk');
create temporary table before as select tests.version('walk') as version;
select tests.pass('10 s');
select tests.like('cleo', 'walk', true);
create function tests.missed() returns bigint language sql as $$ select missed from likes.rooms where content_id = tests.id('walk') $$;
select tests.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', before.version, 1))) from before;
select is(tests.missed(), 0::bigint, 'an event of this second may still be on its way');
select tests.pass('3 s');
select tests.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', before.version, 1)), 'polling') from before;
select is(tests.missed(), 0::bigint, 'a client that polls misses nothing');
select tests.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', 0, 1)));
select is(tests.missed(), 0::bigint, 'nor does one that has just come');
select tests.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', before.version, 1))) from before;
select is(tests.missed(), 1::bigint, 'a live client that does not know it after 3 s has missed it');
select tests.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', tests.version('walk'), 1)));
select is(tests.missed(), 1::bigint, 'one that knows it has not');

-- Healing without a drain
select tests.like('dan', 'walk', true);
select is(tests.item(tests.beat('ben', 'b1', '[["walk", 1, 1]]'), 'walk') ->> 'total_likes', '2', 'a wake-up may be late for some seconds');
select tests.pass('5 s');
select is(tests.item(tests.beat('ben', 'b1', '[["walk", 1, 1]]'), 'walk') ->> 'total_likes', '3', 'then its viewers settle a content themselves');
select is(tests.last_event(tests.topic('walk')) ->> 'event', 'post:likes_batched', 'with all that belongs to it');
select is((select likes_count from public.posts where id = tests.id('walk')), 3, 'the host''s count');
select isnt(tests.call('anna', 'public.get_notifications()') ->> 'unread_count', '0', 'and the author''s notification');

select is(tests.refused('ben', format('public.sync_viewing(%L, %L)', tests.id('b1'), items)), refusal, 'refused: ' || items) from (values
  ('[{"content_type": "post", "content_id": "x"}]', 'PT400 invalid_request'), ('{}', 'PT400 invalid_request'),
  (format('[{"content_type": "post", "content_id": "%s", "version": "x"}]', tests.id('walk')), 'PT400 invalid_request'),
  (format('[{"content_type": "post", "content_id": "%s", "viewers": 1.5}]', tests.id('walk')), 'PT400 invalid_request'),
  (format('[{"content_type": "post", "content_id": "%s", "liked": 1}]', tests.id('walk')), 'PT400 invalid_request'),
  (format('[{"content_type": "post", "content_id": "%s", "version": 1e300}]', tests.id('walk')), 'PT400 invalid_request')) bad (items, refusal);
select is(jsonb_array_length(tests.beat('ben', 'b1', '[["walk", 0, 0], ["walk", 0, 0]]') -> 'items'), 1, 'what is named twice is answered once');

-- How long a count is good
select tests.pass('4 s'), tests.beat('ben', 'b1', '[["walk", 0, 0]]');
select tests.pass('59 s');
select is(tests.like('ben', 'walk') ->> 'viewers', '1', 'a count of viewers stands for twice their timeout');
select tests.pass('1 s');
select is(tests.like('ben', 'walk') ->> 'viewers', '0', 'and then for nobody');

select * from finish();
rollback;
