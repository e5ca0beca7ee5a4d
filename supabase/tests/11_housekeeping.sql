-- What keeps the engine clean: sweep, reconciler, pruning, deletions; what shows it: the monitoring views and the metrics.
begin;
select plan(59);
select tests.start();

select tests.person(n) from unnest(array['anna', 'ben', 'cleo', 'dan', 'emma']) n;
select tests.post('post' || n, 'anna') from generate_series(1, 9) n;
select tests.post('bens', 'ben');
create function tests.total(name text) returns bigint language sql as
$$ select coalesce(sum(likes), 0)::bigint from likes.counters where content_id = tests.id(name) $$;
create function tests.unsettled() returns text[] language sql as $$
  select coalesce(array_agg(n.name order by n.name), '{}')
  from jsonb_array_elements(tests.call('service', 'public.unsettled_likes()')) u
  join (select 'post' || g as name from generate_series(1, 9) g union select 'bens') n on tests.id(n.name)::text = u ->> 'content_id'
$$;
create function tests.at_rest(name text) returns void language plpgsql as $$
begin
  for n in 1..3 loop
    perform tests.pass('2 s'), tests.settle(name);
  end loop;
end $$;
-- What others have is none of this test's business.
update likes.activity set reconciled_at = 'infinity';

-- The sweep
select tests.like('ben', 'post1');
select is(tests.unsettled(), '{}', 'a like whose wake-up is on its way is not swept');
select tests.pass('3999 ms');
select is(tests.unsettled(), '{}', 'nor some seconds later');
select tests.pass('2 ms');
select is(tests.unsettled(), array['post1'], 'when it is long overdue it is');
select tests.like('cleo', 'post1');
select is(tests.unsettled(), array['post1'], 'although likes go on');
update likes.settings set grace_ms = 60000;
select is(tests.unsettled(), '{}', 'how long is a setting');
update likes.settings set grace_ms = 3000;
select tests.at_rest('post1');
select is(tests.unsettled(), '{}', 'what is settled is not swept');
select tests.like('dan', 'post1');
update likes.activity set settle_due_at = null where content_id = tests.id('post1');
select is(tests.unsettled(), array['post1'], 'what nobody is going to wake is swept at once');
delete from likes.activity where content_id = tests.id('post1');
select is(tests.unsettled(), array['post1'], 'so is what has no window');
select tests.at_rest('post1');
select is((select announced_total from likes.activity where content_id = tests.id('post1')), 3::bigint, 'and settling finds its way from there');
select tests.like('ben', 'post' || n) from generate_series(2, 4) n;
select tests.pass('5 s');
select is(jsonb_array_length(tests.call('service', 'public.unsettled_likes(2)')), 2, 'no more than were asked for');

-- The reconciler
select tests.at_rest('post' || n) from generate_series(1, 4) n;
update likes.counters set likes = likes + 5 where content_id = tests.id('post1');
update likes.counters set likes = likes - 1 where content_id = tests.id('post2');
select is((select array_agg(drift order by drift) from monitoring.drift where content_id in (tests.id('post1'), tests.id('post2'))), array[-5, 1]::bigint[], 'drift is seen');
select is(tests.call('service', 'public.reconcile_like_counts(100)') - 'checked', '{"repaired": 2, "drift": 6}', 'repaired and reported');
select is(array[tests.total('post1'), tests.total('post2')], array[3, 1]::bigint[], 'upwards and downwards');
select is((tests.call('service', 'public.like_metrics()') ->> 'drift')::integer >= 6, true, 'it is a metric');
select is(tests.unsettled(), array['post1', 'post2'], 'what it repaired is settled again');
update likes.activity set announced_total = 8 where content_id = tests.id('post1');
select tests.at_rest('post1'), tests.at_rest('post2');
select is(tests.last_event(tests.topic('post1')) ->> 'totalLikes', '3', 'so that a wrong count that was announced is corrected');
select is(tests.call('service', 'public.reconcile_like_counts(100)') - 'checked', '{"repaired": 0, "drift": 0}', 'a second time there is nothing to repair');
update likes.activity set reconciled_at = likes.clock() - interval '1 hour' where content_id = tests.id('post3');
update likes.activity set reconciled_at = likes.clock() - interval '2 hours' where content_id = tests.id('post4');
select is(tests.call('service', 'public.reconcile_like_counts(1)') -> 'checked', '1', 'as many at a time as were asked for');
select is((select reconciled_at from likes.activity where content_id = tests.id('post4')), likes.clock(), 'those unchecked longest first');

-- A user goes
select tests.like('ben', 'post5'), tests.like('cleo', 'post5'), tests.like('dan', 'post5'), tests.like('cleo', 'bens');
select tests.at_rest('post5'), tests.at_rest('bens');
select tests.like('emma', 'post5', true), tests.like('cleo', 'post5', false), tests.like('cleo', 'post5', true), tests.at_rest('post5');
select tests.call('cleo', format('public.sync_viewing(%L, %L)', tests.id('screen'), tests.items('post5')));
delete from auth.users where id = tests.id('cleo');
select is(tests.unsettled(), array['bens', 'post1', 'post5'], 'what a user liked, who is gone, is swept');
select is((select count(*) from likes.content_likes where user_id = tests.id('cleo')), 0::bigint, 'the likes are gone');
select is(tests.like('emma', 'post5', false) ->> 'total_likes', '2', 'and in no total');
select tests.at_rest(n) from unnest(array['post1', 'post5', 'bens']) n;
select is(tests.last_event(tests.topic('post5')) ->> 'totalLikes', '2', 'viewers are told');
select is(tests.call('anna', 'public.get_notifications()') #> '{notifications,0,data,likerCount}', '2', 'the author, too');
select is(tests.last_event('user:' || tests.id('ben')) ->> 'event', 'notification:removed', 'a notification of nobody else goes');
select is(tests.call('service', 'public.reconcile_like_counts(100)') - 'checked', '{"repaired": 0, "drift": 0}', 'none of that is drift');
select is((select count(*) from likes.last_seen where user_id = tests.id('cleo')), 1::bigint, 'when they were last seen is known');
select tests.call('service', 'public.prune_likes()');
select is((select count(*) from likes.last_seen where user_id = tests.id('cleo')), 0::bigint, 'until it is pruned');

-- An author goes
select tests.like('dan', 'bens'), tests.at_rest('bens');
select tests.call('ben', 'public.set_like_notifications(false)'), tests.call('ben', format('public.mute_content(%L, %L)', 'post', tests.id('bens')));
delete from auth.users where id = tests.id('ben');
select is(tests.unsettled() @> array['bens'], true, 'what an author took along is swept');
select tests.pass('1 s'), tests.settle('bens');
select is((select count(*) from likes.content_likes where content_id = tests.id('bens')) + (select count(*) from likes.counters where content_id = tests.id('bens'))
  + (select count(*) from likes.activity where content_id = tests.id('bens')) + (select count(*) from likes.notifications where user_id = tests.id('ben'))
  + (select count(*) from likes.mutes where user_id = tests.id('ben')) + (select count(*) from likes.preferences where user_id = tests.id('ben')), 0::bigint,
  'and nothing is left of it');

-- A content goes
select tests.like('dan', 'post6'), tests.at_rest('post6');
delete from public.posts where id in (tests.id('post6'), tests.id('post9'));
select is((select count(*) from likes.departures where content_id = tests.id('post9')), 0::bigint, 'a content that nobody liked leaves nothing to do');
select is(tests.unsettled() @> array['post6'], true, 'one that was liked is swept');
select is(tests.refused('service', format('public.toggle_like(%L, %L, %L)', tests.id('dan'), 'post', tests.id('post6'))), 'PT404 content_not_found', 'it cannot be liked any more');
select is((tests.settle('post6') -> 0) - 'content_id', '{"content_type": "post", "outcome": "settled", "wake_after_ms": null, "likes": 0, "events": 0, "notifications": 1, "error": null}', 'it is forgotten');
select is(tests.last_event('user:' || tests.id('anna')) ->> 'event', 'notification:removed', 'and its notification taken back');
select is((select count(*) from likes.content_likes where content_id = tests.id('post6')), 0::bigint, 'with its likes');

-- Pruning
update likes.settings set (keep_unliked, keep_notifications) = ('1 day', '90 days');
select tests.like('dan', 'post7'), tests.at_rest('post7'), tests.like('dan', 'post7', false), tests.like('emma', 'post7', true), tests.at_rest('post7');
insert into likes.viewers (viewer_id, content_hashes, connection, seen_at) values (tests.id('silent'), '{}', 'live', likes.clock() - interval '1 minute');
create function tests.has(name text) returns boolean language sql as
$$ select exists (select from likes.content_likes where content_id = tests.id('post7') and user_id = tests.id(name)) $$;
select tests.call('service', 'public.prune_likes()');
select ok(tests.has('dan'), 'a like taken back is remembered for a day, to know a late repeat');
select is((select count(*) from likes.viewers where viewer_id = tests.id('silent')), 1::bigint, 'a silent viewer for a minute');
select tests.pass('25 hours');
select tests.call('service', 'public.prune_likes()');
select ok(not tests.has('dan') and tests.has('emma'), 'then what was taken back is forgotten, what is liked is not');
select is((select count(*) from likes.viewers where viewer_id = tests.id('silent')), 0::bigint, 'so is the viewer');
select is((select count(*) from likes.rate_limits where user_id in (tests.id('dan'), tests.id('emma'))), 0::bigint, 'and when requests were made');
select is((select count(*) from likes.usage where used_at < likes.clock() - interval '1 day'), 0::bigint, 'and figures of yesterday');
select is(tests.total('post7'), 1::bigint, 'the counter does not mind');
select isnt((select count(*) from likes.notifications where user_id = tests.id('anna') and read_at is null), 0::bigint, 'notifications that nobody has read stay');

-- Monitoring
delete from likes.usage;
select set_config('test.now', now()::text, true);
select tests.like('dan', 'post8'), tests.like('emma', 'post8');
select results_eq($$select messages, events from monitoring.likes_per_minute$$, $$values (3::bigint, 1::bigint)$$, 'messages are on the books as they are sent');
select is((select share from monitoring.budget_use), round(3 / 60.0 / 100, 3), 'as a share of the plan');
update likes.activity set announced_total = 1000000000 where content_id = tests.id('post1');
select results_eq('select content_id, likes from monitoring.top_content limit 1', $$values (tests.id('post1'), 1000000000::bigint)$$, 'the most liked content comes first');
select is((select array_agg(failures) from monitoring.notification_lag where content_id = tests.id('post8')), array[0], 'what waits to be told is listed');
select cmp_ok((tests.call('service', 'public.like_metrics()') ->> 'unsettled')::integer, '>=', 1, 'and counted');
select tests.call('visitor', format('public.sync_viewing(%L, %L)', tests.id('screen'), tests.items('post8')));
select is((select viewers from monitoring.active_rooms where content_id = tests.id('post8')), 1, 'rooms tell their viewers');
select is((tests.call('service', 'public.like_metrics()') ->> 'viewers_live')::bigint, (select count(*) from likes.viewers where connection = 'live' and seen_at > now() - interval '30 seconds'), 'so do the metrics');
select is(array(select jsonb_object_keys(tests.call('service', 'public.like_metrics()')) order by 1), array[
  'budget_share', 'drift', 'events_per_minute', 'failing', 'likes_per_minute', 'longest_lag_ms', 'missed_events', 'notifications_per_minute', 'oldest_unsettled_ms',
  'unsettled', 'viewers_live', 'viewers_polling'], 'the metrics are these');
select is_empty($$select from jsonb_each(tests.call('service', 'public.like_metrics()')) where jsonb_typeof(value) <> 'number'$$, 'each a number');
select tests.at_rest('post8');
select is((select count(*) from monitoring.notification_lag where content_id = tests.id('post8')), 0::bigint, 'what is told is off the list');
select is(tests.refused('emma', 'public.' || call), '42501 permission denied for function ' || split_part(call, '(', 1), 'a user may not call ' || call) from unnest(array[
  'settle_likes(''[]'')', 'unsettled_likes()', 'reconcile_like_counts()', 'prune_likes()', 'like_metrics()']) call;

select * from finish();
rollback;
