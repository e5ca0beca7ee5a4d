-- Windows and the budget: what is sent at once, what waits, what it costs; batches with their names; failures alone.
begin;
select plan(64);
select tests.start();

select tests.person('anna'), tests.person('dan', 'private'), tests.person('zoe');
select tests.person('fan' || n) from generate_series(1, 20) n;
select tests.post('post' || n, 'anna') from generate_series(1, 20) n;
create function tests.tokens() returns numeric language sql as
$$ select round(likes.budget_tokens(b, s, likes.clock())::numeric, 3) from likes.budget b, likes.settings s $$;
create function tests.watch(name text, viewers integer) returns void language sql as $$
  insert into likes.rooms (content_type, content_id, viewers, good_until)
  values ('post', tests.id(name), viewers, likes.clock() + interval '60 s')
  on conflict on constraint rooms_pkey do update set viewers = excluded.viewers, good_until = excluded.good_until
$$;
create function tests.spent() returns bigint language sql as
$$ select coalesce(sum(messages), 0) from likes.usage where used_at > likes.clock() - interval '60 s' $$;
delete from likes.usage;

-- What a send costs
select is(tests.tokens(), 350.0, 'a full bucket of the Free plan: 6 s of it, less the dearest send');
select tests.like('fan1', 'post1');
select is(tests.tokens(), 347.0, 'a like without viewers: one message to the channel, one and its receiver to the author');
select tests.like('anna', 'post2');
select is(tests.tokens(), 346.0, 'the author''s own: none to the author');
select tests.watch('post3', 40);
select is(tests.like('fan1', 'post3') ->> 'viewers', '40', 'a content with 40 viewers');
select is(tests.tokens(), 303.0, 'costs one message for each');
select is(tests.spent(), 47::bigint, 'and all that is in the books');
select tests.pass('2 s'), tests.settle('post1', 'post2', 'post3');
select is(tests.spent(), 51::bigint, 'so are two notifications with their receiver');
select is(tests.tokens(), 346.0, 'while the bucket fills, up to its brim, before they are taken');
select tests.pass('1 hour');
select is(tests.tokens(), 350.0, 'but never beyond');

-- Empty
update likes.budget set tokens = 1, refilled_at = likes.clock();
select tests.watch('post4', 200);
select tests.like('fan1', 'post4');
select is((select count(*) from tests.events(tests.topic('post4'))), 1::bigint, 'with a token left the dearest send goes out');
select is(tests.tokens(), -202.0, 'which is the most that can be overdrawn');
select is(tests.like('fan1', 'post5') ->> 'wake_after_ms', '1000', 'without one a like waits for its settling');
select is_empty(format('select * from tests.events(%L)', tests.topic('post5')), 'and is not announced');
select tests.pass('1 s');
select is((s -> 0) - 'content_id', '{"content_type": "post", "outcome": "waiting", "wake_after_ms": 1256, "likes": 0, "events": 0, "notifications": 0, "error": null}',
  'settling waits for the first token, and says how long') from tests.settle('post5') s;
select is((select likes_count from public.posts where id = tests.id('post5')), 0, 'with all that belongs to it');
select tests.pass('1256 ms');
select is(tests.settle('post5') #>> '{0,outcome}', 'settled', 'then it is settled');
select is(tests.last_event(tests.topic('post5')) ->> 'totalLikes', '1', 'with the final state');
select cmp_ok(tests.spent(), '<=', 6000::bigint, 'what was spent in a minute is within the plan');

-- Windows
select tests.pass('1 hour');
select is(likes.window_of(viewers, s, rate), expected, format('%s viewers and %s likes/s: %s', viewers, rate, expected))
from likes.settings s, (values (0, 0, '1 s'::interval), (39, 0, '1 s'), (40, 0, '1 s'), (41, 0, '2 s'), (200, 0, '5 s'), (0, 100, '1 s'), (0, 101, '2 s'), (0, 1000, '10 s'), (200, 200, '10 s')) w (viewers, rate, expected);
select tests.watch('post6', 200);
select is(tests.like('fan1', 'post6') ->> 'wake_after_ms', '5000', 'a watched content gathers for as long as its share of the budget asks');
select tests.pass('4 s');
select is(tests.like('fan2', 'post6') ->> 'wake_after_ms', null, 'before the end nobody wakes');
select is(tests.settle('post6') #>> '{0,wake_after_ms}', '1000', 'and a wake-up that comes early is told the rest');
select tests.pass('1 s');
select is(tests.settle('post6') #>> '{0,wake_after_ms}', '5000', 'at the end it is announced and gathers on');
update likes.settings set messages_per_second = 500, max_connections = 500;
select tests.pass('5 s'), tests.settle('post6'), tests.watch('post6', 200), tests.like('fan3', 'post6');
select is(likes.to_ms(window_ends_at) - likes.to_ms(likes.clock()), 1000::bigint, 'the plan is a setting, changed live') from likes.activity where content_id = tests.id('post6');
update likes.settings set messages_per_second = 100, max_connections = 200, window_ms = 3000;
select is(tests.like('fan1', 'post7') ->> 'wake_after_ms', '3000', 'so is the shortest window');
update likes.settings set window_ms = 1000;
select throws_ok($$update likes.settings set window_ms = 999$$, '23514', null, 'which is a second at least');
select throws_ok($$insert into likes.settings (only_row) values (false)$$, '23514', null, 'settings are one row');

-- Load
update likes.budget set likes_rate = 0, rated_at = likes.clock();
select tests.like('fan' || n, 'post8') from generate_series(1, 20) n;
select tests.pass('1 s'), tests.settle('post8');
select is(round(likes.current_rate(b, likes.clock())::numeric, 2), 2.0, '20 likes settled are 2 a second over ten') from likes.budget b;
select is(round(likes.current_rate(b, likes.clock() + interval '10 s')::numeric, 2), 0.74, 'and fade') from likes.budget b;
update likes.budget set likes_rate = 250, rated_at = likes.clock();
select is(tests.like('fan1', 'post9') ->> 'wake_after_ms', '3000', 'a busy system gathers longer everywhere');
update likes.budget set likes_rate = 0;

-- A batch
select tests.pass('1 hour'), tests.watch('post10', 3);
select tests.like('fan1', 'post10'), tests.pass('100 ms');
select tests.like('dan', 'post10'), tests.pass('100 ms');
select tests.like('fan3', 'post10'), tests.pass('100 ms');
select tests.like('fan4', 'post10'), tests.like('fan4', 'post10'), tests.pass('700 ms');
select is((tests.settle('post10') -> 0) - 'content_id',
  '{"content_type": "post", "outcome": "settled", "wake_after_ms": 1000, "likes": 4, "events": 1, "notifications": 1, "error": null}', 'a window ends');
select is(tests.last_event(tests.topic('post10')) - 'id' - 'version', jsonb_build_object(
    'event', 'post:likes_batched', 'contentId', tests.id('post10'), 'contentType', 'post', 'authorId', tests.id('anna'), 'finalLikeState', true,
    'totalLikes', 3, 'likerIds', jsonb_build_array(tests.id('fan3'), tests.id('fan1')), 'likerCount', 3, 'viewers', 3, 'timestamp', likes.to_wire(likes.clock())),
  'in one event, which names the newest first and nobody private');
select is(payload -> 'likerIds', jsonb_build_array(tests.id('fan3'), tests.id('dan'), tests.id('fan1')), 'but to the author')
from tests.events('user:' || tests.id('anna')) where event = 'post:likes_batched' and payload ->> 'contentId' = tests.id('post10')::text;
select is((select array_agg(v order by n) from (select row_number() over () as n, (payload ->> 'version')::bigint as v from tests.events(tests.topic('post10'))) e),
  (select array_agg((payload ->> 'version')::bigint order by (payload ->> 'version')::bigint) from tests.events(tests.topic('post10'))), 'its version is above those before');
select is((select coalesced from likes.activity where content_id = tests.id('post10')), 3::bigint, 'what had no event of its own is counted');
select tests.like('fan1', 'post10', false), tests.pass('1 s'), tests.settle('post10');
select is(e ->> 'finalLikeState', 'false', 'a window may end lower') from tests.last_event(tests.topic('post10')) e;
select is(e -> 'likerIds', '[]', 'and name nobody') from tests.last_event(tests.topic('post10')) e;
select tests.pass('1 s'), tests.settle('post10'), tests.like('anna', 'post10'), tests.like('anna', 'post10'), tests.like('anna', 'post10', true), tests.pass('1 s');
select tests.settle('post10');
select is(count(*), 2::bigint, 'a window with nothing but the author''s own like tells the author nothing') from tests.events('user:' || tests.id('anna'))
where event = 'post:likes_batched' and payload ->> 'contentId' = tests.id('post10')::text;

-- Failing alone
select tests.like('fan1', 'post' || n) from generate_series(11, 13) n;
create function tests.refuse() returns trigger language plpgsql as $$ begin raise exception 'the host is broken'; end $$;
create trigger test_refuse before update of likes_count on public.posts for each row when (old.content = 'post12') execute function tests.refuse();
select tests.pass('1 s');
create temporary table results as
select r ->> 'content_id' as content_id, r ->> 'outcome' as outcome, r ->> 'error' as error, r -> 'wake_after_ms' as wake from jsonb_array_elements(tests.settle('post11', 'post12', 'post13')) r;
select is((select array_agg(outcome order by outcome) from results), array['failed', 'settled', 'settled'], 'one of three fails');
select is((select error from results where content_id = tests.id('post12')::text), 'P0001 the host is broken', 'and says why');
select is((select count(*) from likes.notifications where content_id = any (array[tests.id('post11'), tests.id('post12'), tests.id('post13')])), 2::bigint,
  'what it did is undone, the others'' stands');
select is((s -> 0) ->> 'outcome', 'failed', 'it is not tried again at once') from tests.settle('post12') s;
select is((select failures from likes.activity where content_id = tests.id('post12')), 1, 'nor counted again');
create function tests.fail_again() returns interval language sql as $$
  select tests.pass((select retry_at - likes.clock() from likes.activity where content_id = tests.id('post12')));
  select tests.settle('post12');
  select retry_at - likes.clock() from likes.activity where content_id = tests.id('post12');
$$;
select is(array(select tests.fail_again() from generate_series(1, 10)), array['2 s', '4 s', '8 s', '16 s', '32 s', '64 s', '128 s', '256 s', '300 s', '300 s']::interval[],
  'each time it is left alone for longer, 5 minutes at most');
select is(tests.call('service', 'public.unsettled_likes()') @> tests.items('post12'), false, 'the sweep leaves it alone, too');
select is((select failures from monitoring.notification_lag where content_id = tests.id('post12')), 11, 'monitoring tells of it');
drop trigger test_refuse on public.posts;
select tests.pass('300 s');
select is(tests.call('service', 'public.unsettled_likes()') @> tests.items('post12'), true, 'until its time comes');
select is((tests.settle('post12') -> 0) - 'content_id',
  '{"content_type": "post", "outcome": "settled", "wake_after_ms": null, "likes": 1, "events": 0, "notifications": 1, "error": null}', 'then nothing was lost');
select results_eq(format($$select failures, last_error from likes.activity where content_id = %L$$, tests.id('post12')), $$values (0, null::text)$$, 'and the failure is forgotten');
select is(tests.call('service', 'public.settle_likes(''[]'')'), '[]', 'nothing to settle is nothing');
select is((tests.settle('nothing') -> 0) - 'content_id', '{"content_type": "post", "outcome": "settled", "wake_after_ms": null, "likes": 0, "events": 0, "notifications": 0, "error": null}',
  'a wake-up for what nobody liked is done');
select is(tests.refused('service', call), 'PT400 invalid_request', 'refused: ' || call) from unnest(array[
  'public.settle_likes(null)', 'public.settle_likes(''{}'')', 'public.unsettled_likes(0)', 'public.unsettled_likes(1001)', 'public.reconcile_like_counts(0)']) call;

select * from finish();
rollback;
