-- The rate limit to the second, with what PostgREST makes a 429 of; and likes of a video that comes and goes.
begin;
select plan(17);
select tests.start();

select tests.person('anna'), tests.person('ben'), tests.person('cleo');
select tests.post('walk', 'anna');
create function tests.try(who text) returns jsonb language plpgsql as $$
declare
  v_detail text;
begin
  perform tests.like(who, 'walk');
  return '"liked"';
exception when sqlstate 'PGRST' then
  get stacked diagnostics v_detail = pg_exception_detail;
  return jsonb_build_object('message', sqlerrm::jsonb, 'detail', v_detail::jsonb);
end $$;
-- Seconds that a refused request is told to wait, the same in header, body and hint; null: it was not refused.
create function tests.wait(who text) returns integer language sql as $$
  select case when t.t = '"liked"' then null
    when t.t #>> '{detail,headers,Retry-After}' = (t.t #>> '{message,details}')::jsonb ->> 'retry_after'
      and t.t #>> '{message,hint}' = format('Wait %s s before the next like.', t.t #>> '{detail,headers,Retry-After}')
    then (t.t #>> '{detail,headers,Retry-After}')::integer end
  from tests.try(who) t
$$;

update likes.settings set (rate_burst, rate_per_minute) = (30, 60);
select throws_ok('update likes.settings set rate_per_minute = 0', '23514', null, 'a rate of none is refused');
select is(array(select tests.wait('ben') from generate_series(1, 30)), array_fill(null::integer, array[30]), '30 at once');
select is(tests.try('ben'), jsonb_build_object(
    'message', jsonb_build_object('code', 'PT429', 'message', 'rate_limited', 'hint', 'Wait 1 s before the next like.', 'details', '{"retry_after" : 1}'),
    'detail', jsonb_build_object('status', 429, 'headers', jsonb_build_object('Retry-After', '1'))), 'the 31st is a 429 with its header');
select is(tests.wait('cleo'), null, 'each user has a limit of their own');
select tests.pass('999 ms');
select is(tests.wait('ben'), 1, 'a millisecond early is early');
select tests.pass('1 ms');
select is(array[tests.wait('ben'), tests.wait('ben')], array[null, 1], 'then one passes, and one only');
select tests.pass('10 s');
select is(array(select tests.wait('ben') from generate_series(1, 12)), array_fill(null::integer, array[10]) || array[1, 1], 'what was refused costs nothing: ten seconds, ten likes');
select tests.pass('1 hour');
select is(array(select tests.wait('ben') from generate_series(1, 31)), array_fill(null::integer, array[30]) || 1, 'what is not used is saved up to the burst');
update likes.settings set (rate_burst, rate_per_minute) = (2, 6);
select tests.pass('1 hour');
select is(array(select tests.wait('ben') from generate_series(1, 3)), array[null, null, 10], 'the limit is a setting, changed live');
select tests.pass('3500 ms');
select is(tests.wait('ben'), 7, 'seconds are rounded up');
select tests.pass('6500 ms');
select is(array[tests.wait('ben'), tests.wait('ben')], array[null, 10], 'and waiting them is enough');
select matches(tests.refused('service', format('public.toggle_like(%L, %L, %L)', tests.id('ben'), 'post', tests.id('nothing'))), '^PGRST ', 'the limit comes before the content: guesses are limited, too');
select is(tests.refused('service', format('public.toggle_like(%L, %L, %L, true, -1)', tests.id('ben'), 'post', tests.id('walk'))), 'PT400 invalid_request', 'but after the form of the request');
update likes.settings set (rate_burst, rate_per_minute) = (1000, 60000);
delete from likes.rate_limits where user_id = tests.id('ben');

-- A video that is taken down and comes back
insert into public.videos (id, user_id, title, status) values (tests.id('film'), tests.id('anna'), 'film', 'ready');
create function tests.film(call text) returns jsonb language sql as
$$ select tests.call('service', format(call, tests.id('film'))) $$;
create function tests.status() returns jsonb language sql as $$
  select tests.call('ben', format('public.get_like_status(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', tests.id('film'))))) -> 0
$$;
create function tests.settle_film() returns jsonb language sql as $$
  select tests.call('service', format('public.settle_likes(%L)', jsonb_build_array(jsonb_build_object('content_type', 'video', 'content_id', tests.id('film'))))) -> 0
$$;
select tests.call('service', format('public.toggle_like(%L, %L, %L)', tests.id(n), 'video', tests.id('film'))) from unnest(array['ben', 'cleo']) n;
update public.videos set status = 'failed' where id = tests.id('film');
select tests.pass('1 s');
select is(tests.settle_film() - 'content_id', '{"content_type": "video", "outcome": "settled", "wake_after_ms": null, "likes": 2, "events": 0, "notifications": 1, "error": null}',
  'what is not there is announced to nobody; its author is told');
select is((select likes_count from public.videos where id = tests.id('film')), 2, 'its count is kept');
update public.videos set status = 'ready' where id = tests.id('film');
select is(tests.status() -> 'total_likes', '2', 'and right when it comes back');
select ok((tests.status() ->> 'version')::bigint > (select max(m.payload ->> 'version')::bigint from realtime.messages m where m.topic = 'content:video:' || tests.id('film')),
  'by a version above all that was sent');

select * from finish();
rollback;
