-- The heartbeat: answers what changed, counts and names viewers, notices what was missed, heals what is overdue.
begin;
select plan(54);

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

select pg_temp.person('anna'), pg_temp.person('ben'), pg_temp.person('cleo', 'friends'), pg_temp.person('dan', 'private');
select pg_temp.post('walk', 'anna'), pg_temp.post('tea', 'anna'), pg_temp.post('diary', 'cleo'), pg_temp.post('song', 'anna');

-- One heartbeat of somebody's client; `known` has [name, version, viewers] of each content on its screen.
create function pg_temp.beat(who text, client text, known jsonb, connection text default 'live') returns jsonb language sql as $$
  select pg_temp.call(who, format('public.sync_viewing(%L, %L, %L)', pg_temp.id(client), (
    select coalesce(jsonb_agg(jsonb_build_object(
      'content_type', 'post', 'content_id', pg_temp.id(k ->> 0), 'version', k -> 1, 'viewers', k -> 2)), '[]')
    from jsonb_array_elements(known) k), connection))
$$;
create function pg_temp.item(answer jsonb, name text) returns jsonb language sql as
$$ select i from jsonb_array_elements(answer -> 'items') i where i ->> 'content_id' = pg_temp.id(name)::text $$;
create function pg_temp.version(name text) returns bigint language sql as
$$ select announced_version from likes.activity where content_id = pg_temp.id(name) $$;

-- What changed
select is(pg_temp.beat('ben', 'b1', '[["walk", 0, 0]]'), jsonb_build_object('heartbeat_ms', 12000, 'items', jsonb_build_array(jsonb_build_object(
    'content_type', 'post', 'content_id', pg_temp.id('walk'), 'liked', false, 'intent', 0, 'total_likes', 0, 'version', 0, 'viewers', 1,
    'viewer_names', jsonb_build_array(jsonb_build_object('id', pg_temp.id('ben'), 'username', 'ben', 'display_name', 'Ben'))))),
  'a first heartbeat counts and names its viewer');
select is(pg_temp.beat('ben', 'b1', '[["walk", 0, 1]]') -> 'items', '[]', 'what is known is not told again');
select is(pg_temp.beat('ben', 'b1', '[["walk", null, 1]]') #>> '{items,0,version}', '0', 'what is unknown is');
select pg_temp.like('ben', 'walk');
select is(pg_temp.beat('ben', 'b1', '[["walk", 0, 1]]') #>> '{items,0,total_likes}', '1', 'a count that moved is told');
select is(pg_temp.beat('ben', 'b1', '[["walk", 0, 1]]') #>> '{items,0,liked}', 'true', 'with the caller''s own state');
select is(pg_temp.beat('visitor', 'v1', '[["walk", 0, 1]]') #>> '{items,0,liked}', 'false', 'which a visitor has not');
select is(pg_temp.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', pg_temp.version('walk'), 1))) -> 'items', '[]', 'the version says what is known');
select is(jsonb_array_length(pg_temp.beat('ben', 'b1', '[["walk", 0, 0], ["tea", 0, 0], ["song", 0, 0]]') -> 'items'), 3, 'a screen is one call');
select is(pg_temp.beat('ben', 'b1', '[["diary", 0, 0]]') -> 'items', '[]', 'content that the caller may not see is left out');
select is(pg_temp.beat('cleo', 'c1', '[["diary", 0, 0]]') #>> '{items,0,viewers}', '1', 'and counts nobody who may not see it');
select is(pg_temp.beat('ben', 'b1', '[["nothing", 0, 0]]') -> 'items', '[]', 'so is what does not exist');
select is(pg_temp.call('ben', format('public.sync_viewing(%L, %L)', pg_temp.id('b1'), jsonb_build_array(
    jsonb_build_object('content_type', 'post', 'content_id', pg_temp.id('walk'), 'version', 1000000000, 'viewers', 1, 'liked', false)))) #>> '{items,0,liked}',
  'true', 'a client that says its own state learns of another tab''s like');

-- A total that was answered to a like, but never announced, since the window ended as it began
select pg_temp.pass('10 s');
select pg_temp.settle('tea');
select pg_temp.like('ben', 'tea', true);
create temporary table told as select (pg_temp.like('cleo', 'tea', true) ->> 'version')::bigint as version;
select pg_temp.like('cleo', 'tea', false);
select pg_temp.pass('1 s');
select is(pg_temp.settle('tea') #>> '{0,events}', '0', 'the window ends as announced: no event');
select is(pg_temp.item(pg_temp.beat('cleo', 'c1', jsonb_build_array(jsonb_build_array('tea', told.version, 1))), 'tea') ->> 'total_likes', '1',
  'but a client that was answered something else is corrected') from told;
select is((select missed from likes.rooms where content_id = pg_temp.id('tea')), 0::bigint, 'and no event was missed');

-- Viewers
select pg_temp.pass('1 minute');
select pg_temp.beat('visitor', 'v' || n, '[["song", 0, 0]]') from generate_series(1, 4) n;
select pg_temp.pass('4 s');
select is(pg_temp.beat('ben', 'b1', '[["song", 0, 0]]') #>> '{items,0,viewers}', '5', 'viewers are counted by client, visitors too');
select is(jsonb_array_length(pg_temp.beat('ben', 'b1', '[["song", null, 0]]') #> '{items,0,viewer_names}'), 1, 'and named if they are somebody');
select pg_temp.beat('ben', 'b2', '[["song", 0, 5]]'), pg_temp.beat('dan', 'd1', '[["song", 0, 5]]'), pg_temp.beat('anna', 'a1', '[["song", 0, 5]]');
select pg_temp.pass('4 s');
select is(pg_temp.beat('ben', 'b1', '[["song", 0, 5]]') #> '{items,0,viewer_names}', jsonb_build_array(
    jsonb_build_object('id', pg_temp.id('anna'), 'username', 'anna', 'display_name', 'Anna'),
    jsonb_build_object('id', pg_temp.id('ben'), 'username', 'ben', 'display_name', 'Ben')),
  'each once however many windows are open, by name, private people not at all');
update likes.settings set viewer_names = 7;
select is(pg_temp.beat('ben', 'b1', '[["song", null, 8]]') #> '{items,0,viewer_names}', 'null', 'a room over the limit names nobody');
update likes.settings set viewer_names = 50, max_connections = 6;
select is(pg_temp.beat('ben', 'b1', '[["song", null, 0]]') #>> '{items,0,viewers}', '6', 'nobody claims more viewers than the plan has connections');
select is(pg_temp.like('ben', 'song') ->> 'viewers', '6', 'a like is told so, too');
update likes.settings set max_connections = 200;
select pg_temp.beat('ben', 'b2', '[]');
select pg_temp.pass('4 s');
select is(pg_temp.beat('ben', 'b1', '[["song", null, 0]]') #>> '{items,0,viewers}', '7', 'who says goodbye is not counted');
select is((select count(*) from likes.viewers where viewer_id = pg_temp.id('b2')), 0::bigint, 'and forgotten');
select pg_temp.pass('31 s');
select is(pg_temp.beat('ben', 'b1', '[["song", null, 0]]') #>> '{items,0,viewers}', '1', 'who is silent for 30 s is not counted either');
update likes.settings set viewer_timeout_ms = 5000;
select pg_temp.beat('anna', 'a1', '[["song", 0, 1]]');
select pg_temp.pass('6 s');
select is(pg_temp.beat('ben', 'b1', '[["song", null, 0]]') #>> '{items,0,viewers}', '1', 'that time is a setting');
update likes.settings set viewer_timeout_ms = 30000;
select is(pg_temp.beat('ben', 'b1', '[["song", null, 0], ["walk", null, 0]]') is not null, true, 'a client moves on');
select pg_temp.beat('ben', 'b1', '[["walk", null, 0]]');
select pg_temp.pass('4 s');
select is(pg_temp.beat('anna', 'a1', '[["song", null, 0]]') #>> '{items,0,viewers}', '1', 'what it no longer shows it no longer watches');

-- Whose row it is
select pg_temp.beat('anna', 'a1', '[["song", null, 0]]', 'polling');
select results_eq($$select user_id, connection from likes.viewers where viewer_id = pg_temp.id('a1')$$, $$values (pg_temp.id('anna'), 'polling')$$, 'a client''s row has its user and connection');
select pg_temp.beat('ben', 'a1', '[["walk", null, 0]]');
select results_eq($$select user_id, content_hashes from likes.viewers where viewer_id = pg_temp.id('a1')$$,
  $$values (pg_temp.id('anna'), array[likes.content_hash('post', pg_temp.id('song'))])$$, 'nobody moves another user''s client');
select pg_temp.beat('ben', 'a1', '[]');
select is((select count(*) from likes.viewers where viewer_id = pg_temp.id('a1')), 1::bigint, 'nor says goodbye for it');
select pg_temp.beat('visitor', 'a1', '[["song", null, 0]]');
select is((select user_id from likes.viewers where viewer_id = pg_temp.id('a1')), null, 'a client may sign out');
select pg_temp.beat('ben', 'a1', '[["song", null, 0]]');
select is((select user_id from likes.viewers where viewer_id = pg_temp.id('a1')), pg_temp.id('ben'), 'and somebody else sign in');

-- Last seen
select pg_temp.pass('6 s'), pg_temp.beat('ben', 'b1', '[["song", null, 0]]');
select is(pg_temp.call('anna', format('public.get_last_seen(%L)', array[pg_temp.id('ben'), pg_temp.id('dan')])), jsonb_build_array(
    jsonb_build_object('user_id', pg_temp.id('ben'), 'last_seen_at', likes.to_wire(likes.clock()))), 'a heartbeat is a sign of life; private people give none');
select is(jsonb_array_length(pg_temp.call('dan', format('public.get_last_seen(%L)', array[pg_temp.id('dan')]))), 1, 'but to themselves');
select is(pg_temp.call('anna', 'public.get_last_seen(null)'), '[]', 'nobody asked for is nobody');
select is(pg_temp.refused('anna', format('public.get_last_seen(%L)', array_fill(pg_temp.id('ben'), array[101]))), 'PT400 too_many_items', '101 users are too many');
select is(pg_temp.refused('visitor', 'public.get_last_seen(null)'), '42501 permission denied for function get_last_seen', 'a visitor may not ask');

-- Missed events are a metric
select pg_temp.pass('1 minute');
select pg_temp.settle('walk');
create temporary table before as select pg_temp.version('walk') as version;
select pg_temp.pass('10 s');
select pg_temp.like('cleo', 'walk', true);
create function pg_temp.missed() returns bigint language sql as $$ select missed from likes.rooms where content_id = pg_temp.id('walk') $$;
select pg_temp.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', before.version, 1))) from before;
select is(pg_temp.missed(), 0::bigint, 'an event of this second may still be on its way');
select pg_temp.pass('3 s');
select pg_temp.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', before.version, 1)), 'polling') from before;
select is(pg_temp.missed(), 0::bigint, 'a client that polls misses nothing');
select pg_temp.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', 0, 1)));
select is(pg_temp.missed(), 0::bigint, 'nor does one that has just come');
select pg_temp.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', before.version, 1))) from before;
select is(pg_temp.missed(), 1::bigint, 'a live client that does not know it after 3 s has missed it');
select pg_temp.beat('ben', 'b1', jsonb_build_array(jsonb_build_array('walk', pg_temp.version('walk'), 1)));
select is(pg_temp.missed(), 1::bigint, 'one that knows it has not');

-- Healing without a drain
select pg_temp.like('dan', 'walk', true);
select is(pg_temp.item(pg_temp.beat('ben', 'b1', '[["walk", 1, 1]]'), 'walk') ->> 'total_likes', '2', 'a wake-up may be late for some seconds');
select pg_temp.pass('5 s');
select is(pg_temp.item(pg_temp.beat('ben', 'b1', '[["walk", 1, 1]]'), 'walk') ->> 'total_likes', '3', 'then its viewers settle a content themselves');
select is(pg_temp.last_event(pg_temp.topic('walk')) ->> 'event', 'post:likes_batched', 'with all that belongs to it');
select is((select likes_count from public.posts where id = pg_temp.id('walk')), 3, 'the host''s count');
select isnt(pg_temp.call('anna', 'public.get_notifications()') ->> 'unread_count', '0', 'and the author''s notification');

select is(pg_temp.refused('ben', format('public.sync_viewing(%L, %L)', pg_temp.id('b1'), items)), refusal, 'refused: ' || items) from (values
  ('[{"content_type": "post", "content_id": "x"}]', 'PT400 invalid_request'), ('{}', 'PT400 invalid_request'),
  (format('[{"content_type": "post", "content_id": "%s", "version": "x"}]', pg_temp.id('walk')), 'PT400 invalid_request'),
  (format('[{"content_type": "post", "content_id": "%s", "viewers": 1.5}]', pg_temp.id('walk')), 'PT400 invalid_request'),
  (format('[{"content_type": "post", "content_id": "%s", "liked": 1}]', pg_temp.id('walk')), 'PT400 invalid_request'),
  (format('[{"content_type": "post", "content_id": "%s", "version": 1e300}]', pg_temp.id('walk')), 'PT400 invalid_request')) bad (items, refusal);
select is(jsonb_array_length(pg_temp.beat('ben', 'b1', '[["walk", 0, 0], ["walk", 0, 0]]') -> 'items'), 1, 'what is named twice is answered once');

select * from finish();
rollback;
