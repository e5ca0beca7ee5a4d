-- Settling: what the likes of a window add up to is announced, told to the author and copied to the host, exactly once,
-- however often and by however many settlers a content is settled. A batch of contents is settled by sets of rows, since what a
-- statement costs to start is more than what it costs for one row.

create type likes.settlement as (
  content_type text, content_id uuid, outcome text, wake_after_ms integer, likes integer, events integer, notifications integer,
  messages integer, lag_ms integer, error text
);

create function likes.must_send(events likes.event[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if not likes.send_events(events) then
    raise exception using message = 'event_not_sent', hint = 'realtime.send wrote no message: see the warnings in the Postgres log.';
  end if;
end;
$$;

create function likes.take_departures(settling likes.settling[]) returns likes.departures[]
language plpgsql volatile set search_path = '' as $$
declare
  v_departed likes.departures[];
begin
  with departed as (
    delete from likes.departures d
    where d.ctid = any (array(
      select e.ctid from unnest(settling) s cross join lateral (
        select e.ctid from likes.departures e where e.content_type = s.content_type and e.content_id = s.content_id offset 0) e))
    returning d.*)
  select array_agg(d) into v_departed from departed d;
  return v_departed;
end;
$$;
comment on function likes.take_departures is 'The told likes that went with their users, no longer listed. Their slots say that they no longer count.';

-- Skip locked: a like comes before its slot in the lock order. One that is skipped keeps the content unsettled.
create function likes.sum_up(
  settling likes.settling[], departed likes.departures[], settings likes.settings, moment timestamptz
) returns likes.settling[]
language plpgsql volatile set search_path = '' as $$
declare
  v_again_after timestamptz := moment - settings.notify_again_after;
  v_most integer := settings.batch_names;
begin
  return array(
    select row(
      s.place, s.content_type, s.content_id, s.activity, s.slots, s.author_id, s.is_available, s.viewers,
      t.total, c.last_change,
      -- No event, but the answers to likes in between told other totals: by a version above theirs, heartbeats correct them.
      case when t.total <> (s.activity).announced_total or c.last_change > (s.activity).announced_version then nextval('likes.versions') end,
      s.is_available and t.total <> (s.activity).announced_total, coalesce(l.taken, '{}'), l.since,
      l.liker_count, l.likers[1:v_most], l.public_likers[1:v_most], coalesce(l.is_foreign, true),
      l.news, l.again, l.gone_ids || d.ids, l.gone_users || d.users)::likes.settling
    from unnest(sum_up.settling) s
    -- The slots are locked, and this snapshot is younger: what they add up to is complete, but for slots made since, which stay dirty.
    cross join lateral (
      select greatest(0, coalesce(sum(c.likes), 0)) as total from likes.counters c
      where c.content_type = s.content_type and c.content_id = s.content_id) t
    cross join lateral (
      select max(c.version) as last_change, array_agg(distinct c.user_id) as users from (
        select c.version, c.user_id from likes.changes c
        where c.content_type = s.content_type and c.content_id = s.content_id order by c.version limit settings.settle_rows) c) c
    cross join lateral (
      select array_agg(d.notification_id) as ids, array_agg(d.user_id) as users from unnest(departed) d
      where d.content_type = s.content_type and d.content_id = s.content_id and d.notification_id is not null) d
    cross join lateral (
      select not exists (select from likes.preferences p where p.user_id = s.author_id and not p.like_notifications)
        and not exists (
          select from likes.mutes m where m.user_id = s.author_id and m.content_type = s.content_type and m.content_id = s.content_id)
        as is_told offset 0) w
    cross join lateral (
      select
        array_agg(l.user_id) as taken, min(l.changed_at) as since, bool_or(l.is_foreign) as is_foreign,
        count(*) filter (where l.liked)::integer as liker_count,
        -- Whom the author has blocked since is counted, and named to nobody.
        array_agg(l.user_id) filter (where l.is_named) as likers,
        array_agg(l.user_id) filter (where l.is_named and not l.is_private) as public_likers,
        array_agg(l.user_id) filter (where l.is_named and l.is_foreign and l.notification_id is null and w.is_told and l.is_fresh) as news,
        array_agg(l.user_id) filter (where l.is_named and l.is_foreign and l.notification_id is null and w.is_told and not l.is_fresh) as again,
        array_agg(l.notification_id) filter (where not l.liked and l.notification_id is not null) as gone_ids,
        array_agg(l.user_id) filter (where not l.liked and l.notification_id is not null) as gone_users
      from (
        select l.user_id, l.liked, l.changed_at, l.notification_id, l.user_id <> s.author_id as is_foreign,
          l.liked and b.user_id is null as is_named, coalesce(p.is_private, true) as is_private,
          coalesce(l.notified_at <= v_again_after, true) as is_fresh
        from (
          select l.* from likes.content_likes l
          where l.content_type = s.content_type and l.content_id = s.content_id and l.user_id = any (c.users) for update skip locked) l
        left join likes.profiles p on p.user_id = l.user_id
        left join likes.blocks b on b.author_id = s.author_id and b.user_id = l.user_id
        order by l.changed_at desc, l.user_id desc) l) l
    order by s.place);
end;
$$;
comment on function likes.sum_up is 'What the unsettled changes of contents add up to; their likes are locked.';

create function likes.delete_changes(settling likes.settling[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  -- By place, which stays: changes are never updated, and only who holds the slots deletes them. The planner knows nothing of a table
  -- that is as often empty as full.
  delete from likes.changes c
  where c.ctid = any (array(
    select c.ctid from unnest(settling) s cross join lateral (
      select c.ctid, c.user_id from likes.changes c
      where c.content_type = s.content_type and c.content_id = s.content_id and c.version <= s.last_change offset 0) c
    where (s.place, c.user_id) in (select t.place, u.user_id from unnest(settling) t cross join unnest(t.taken) u (user_id))
      -- Gone with its user.
      or not exists (
        select from likes.content_likes l
        where l.content_type = s.content_type and l.content_id = s.content_id and l.user_id = c.user_id)));
end;
$$;

create function likes.batch_events(settling likes.settling[], moment timestamptz) returns likes.event[]
language plpgsql volatile set search_path = '' as $$
declare
  v_timestamp text := likes.to_wire(moment);
begin
  return array(
    select row(e.topic, 'post:likes_batched', jsonb_build_object(
      'contentId', s.content_id, 'contentType', s.content_type, 'authorId', s.author_id,
      'finalLikeState', s.total >= (s.activity).announced_total, 'totalLikes', s.total,
      'likerIds', coalesce(to_jsonb(e.likers), '[]'), 'likerCount', s.liker_count, 'version', s.version, 'viewers', s.viewers,
      'timestamp', v_timestamp))::likes.event
    from unnest(settling) s
    cross join lateral (
      select format('content:%s:%s', s.content_type, s.content_id) as topic, s.public_likers as likers
      union all
      select 'user:' || s.author_id, s.likers where s.is_foreign) e
    where s.is_event);
end;
$$;
comment on function likes.batch_events is 'What windows added up to, for the viewers and for the author.';

create function likes.clean_slots(settling likes.settling[], is_left boolean[], max_slots integer) returns void
language plpgsql volatile set search_path = '' as $$
begin
  update likes.counters c set dirty = false from unnest(settling) s
  where not is_left[s.place] and c.content_type = s.content_type and c.content_id = s.content_id and c.slot = any (s.slots) and c.dirty;
  -- A content gone quiet gets by with one. So does one with more than its sessions have made: those of departed likes.
  if exists (
    select from unnest(settling) s
    where not is_left[s.place] and cardinality(s.slots) > case when s.is_event then max_slots else 1 end)
  then
    with folded as (
      delete from likes.counters c using unnest(settling) s
      where not is_left[s.place] and cardinality(s.slots) > case when s.is_event then max_slots else 1 end
        and c.content_type = s.content_type and c.content_id = s.content_id and c.slot = any (s.slots[2:])
      returning s.content_type, s.content_id, s.slots[1] as slot, c.likes)
    update likes.counters c set likes = c.likes + f.likes
    from (select f.content_type, f.content_id, f.slot, sum(f.likes) as likes from folded f group by 1, 2, 3) f
    where c.content_type = f.content_type and c.content_id = f.content_id and c.slot = f.slot;
  end if;
end;
$$;
comment on function likes.clean_slots is 'Marks the slots that a settling locked as settled, unless something is left to settle.';

-- The caller holds the slots and the activity of each content.
create function likes.settle_batch(
  contents likes.settling[], settings likes.settings, likes_rate double precision, moment timestamptz
) returns likes.settlement[]
language plpgsql volatile set search_path = '' as $$
declare
  v_settling likes.settling[] := likes.sum_up(contents, likes.take_departures(contents), settings, moment);
  v_news likes.author_event[];
  v_is_left boolean[];
  v_results likes.settlement[];
begin
  perform likes.delete_changes(v_settling);
  v_news := likes.notify_authors(v_settling, settings, moment);
  perform likes.must_send(likes.batch_events(v_settling, moment) || array(select n.event from unnest(v_news) n));
  v_is_left := array(
    select s.content_id <> all (c.copied) or exists (
      select from likes.changes c where c.content_type = s.content_type and c.content_id = s.content_id)
    from unnest(v_settling) s
    join (
      select s.content_type, likes.copy_counts(s.content_type, array_agg(s.content_id), array_agg(s.total)) as copied
      from unnest(v_settling) s group by s.content_type offset 0) c on c.content_type = s.content_type
    order by s.place);
  perform likes.clean_slots(v_settling, v_is_left, settings.max_slots);
  with settled as (
    update likes.activity a set
      announced_total = s.total, announced_version = coalesce(s.version, a.announced_version),
      event_version = case when s.is_event then s.version else a.event_version end,
      announced_at = case when s.is_event then moment else a.announced_at end,
      events = a.events + s.is_event::integer,
      coalesced = a.coalesced + case when s.is_event then greatest(0, cardinality(s.taken) - 1) else 0 end,
      window_ends_at = case when s.is_event then moment + w.length else a.window_ends_at end,
      -- A busy window is followed by another, so that the next likes are gathered too.
      settle_due_at = case when w.is_busy then moment + w.length end,
      unsettled_since = case when v_is_left[s.place] then coalesce(a.unsettled_since, moment) end,
      failures = 0, last_error = null, retry_at = '-infinity'
    from unnest(v_settling) s
    cross join lateral (
      select likes.window_of(s.viewers, settings, likes_rate) as length, s.is_event or v_is_left[s.place] as is_busy offset 0) w
    where a.content_type = s.content_type and a.content_id = s.content_id
    returning s.place, s.content_type, s.content_id, case when w.is_busy then likes.ms_until(moment + w.length, moment) end as wake_after_ms,
      cardinality(s.taken) as likes, s.is_event::integer as events,
      case when s.is_event then 1 + s.viewers + case when s.is_foreign then 2 else 0 end else 0 end as messages,
      coalesce(likes.ms_until(moment, s.since), 0) as lag_ms)
  select array_agg(row(
      s.content_type, s.content_id, 'settled', s.wake_after_ms, s.likes, s.events, coalesce(n.notifications, 0),
      s.messages + 2 * coalesce(n.notifications, 0), s.lag_ms, null)::likes.settlement order by s.place)
  into v_results
  from settled s left join (select n.place, count(*) as notifications from unnest(v_news) n group by n.place) n on n.place = s.place;
  return v_results;
end;
$$;
comment on function likes.settle_batch is 'Settles contents together; an error of one undoes all.';

create function likes.note_failure(activity likes.activity, error text, moment timestamptz) returns likes.settlement
language sql volatile set search_path = '' as $$
  update likes.activity a set
    failures = a.failures + 1, last_error = left(note_failure.error, 500),
    retry_at = moment + make_interval(secs => least(300, power(2, least(a.failures, 10)))),
    settle_due_at = null, unsettled_since = coalesce(a.unsettled_since, moment)
  where a.content_type = activity.content_type and a.content_id = activity.content_id;
  select row(activity.content_type, activity.content_id, 'failed', null, 0, 0, 0, 0, 0, note_failure.error)::likes.settlement
$$;
comment on function likes.note_failure is 'Backs off from a content that could not be settled: 1 s, 2 s, 4 s … 5 min.';

create function likes.lock_contents(items jsonb, settings likes.settings) returns likes.settling[]
language plpgsql volatile set search_path = '' as $$
declare
  v_slots likes.counters[];
  v_locked likes.settling[];
begin
  -- In order, so that two settlers never wait for each other crosswise.
  select array_agg(s) into v_slots from (
    select c.* from likes.counters c
    join jsonb_to_recordset(items) i (content_type text, content_id uuid) on i.content_type = c.content_type and i.content_id = c.content_id
    order by c.content_type, c.content_id, c.slot for update of c) s;
  insert into likes.activity (content_type, content_id)
  select distinct s.content_type, s.content_id from unnest(v_slots) s
  where not exists (select from likes.activity a where a.content_type = s.content_type and a.content_id = s.content_id) order by 1, 2
  on conflict on constraint activity_pkey do nothing;
  select array_agg(row(
      null, (b.activity).content_type, (b.activity).content_id, b.activity, b.slots, h.author_id, h.is_available,
      coalesce((
        select r.viewers from likes.rooms r
        where r.content_type = (b.activity).content_type and r.content_id = (b.activity).content_id and r.good_until > likes.clock()), 0),
      null, null, null, null, null, null, null, null, null, null, null, null, null, null)::likes.settling
    order by (b.activity).content_type, (b.activity).content_id)
  into v_locked
  from (
    select a as activity, s.slots from (
      select s.content_type, s.content_id, array_agg(s.slot order by s.slot) as slots from unnest(v_slots) s group by 1, 2) s
    join likes.activity a on a.content_type = s.content_type and a.content_id = s.content_id
    order by a.content_type, a.content_id for update of a) b
  left join lateral (
    select c.author_id, coalesce(c.is_available, false) as is_available from likes.likeable c
    where c.content_type = (b.activity).content_type and c.content_id = (b.activity).content_id limit 1) h on true;
  return coalesce(v_locked, '{}');
end;
$$;
comment on function likes.lock_contents is 'Locks the slots, then the activity, of several contents in the one lock order. is_available null: the host has it no more.';

create function likes.is_overdue(activity likes.activity, settings likes.settings, moment timestamptz) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(
    coalesce((activity).settle_due_at, (activity).unsettled_since) < moment - (settings).grace, false);
end;
$$;
comment on function likes.is_overdue is 'Whether a content should have been settled long ago: its wake-up was lost, or the drain is dead.';

create function likes.not_yet(activity likes.activity, settings likes.settings, moment timestamptz) returns likes.settlement
language plpgsql immutable set search_path = '' as $$
declare
  v_answer likes.settlement := row(activity.content_type, activity.content_id, null, null, 0, 0, 0, 0, 0, null);
begin
  if activity.retry_at > moment then
    v_answer.outcome := 'failed';
    v_answer.error := activity.last_error;
  elsif activity.settle_due_at > moment then
    v_answer.outcome := 'waiting';
    v_answer.wake_after_ms := likes.ms_until(activity.settle_due_at, moment);
  end if;
  return v_answer;
end;
$$;
comment on function likes.not_yet is 'The answer for a content that is not to be settled now: it comes early, or it failed and waits for its time. Outcome null: go on.';

create function likes.settle_alone(
  content likes.settling, tokens double precision, settings likes.settings, likes_rate double precision, moment timestamptz
) returns likes.settlement
language plpgsql volatile set search_path = '' as $$
declare
  v_wake_after_ms integer;
begin
  if tokens <= 0 then
    v_wake_after_ms := ceil((1 - tokens) / settings.budget_refill * 1000);
    update likes.activity a set settle_due_at = moment + make_interval(secs => v_wake_after_ms / 1000.0)
    where a.content_type = content.content_type and a.content_id = content.content_id;
    return row(content.content_type, content.content_id, 'waiting', v_wake_after_ms, 0, 0, 0, 0, 0, null)::likes.settlement;
  elsif content.is_available is null then
    return likes.forget_content(content.content_type, content.content_id, content.slots, moment);
  end if;
  return (likes.settle_batch(array[content], settings, likes_rate, moment))[1];
exception
  when lock_not_available then
    raise; -- A heartbeat has no time to wait: no failure of the content.
  when others then
    -- It fails alone: what it did is undone, the rest goes on.
    return likes.note_failure(content.activity, sqlstate || ' ' || sqlerrm, moment);
end;
$$;

create function likes.settle_locked(
  locked likes.settling[], tokens double precision, settings likes.settings, likes_rate double precision, moment timestamptz
) returns likes.settlement[]
language plpgsql volatile set search_path = '' as $$
declare
  v_results likes.settlement[] := '{}';
  v_result likes.settlement;
  v_one likes.settling;
  v_due likes.settling[] := '{}';
  v_settled likes.settlement[];
  v_is_gone boolean := false;
  v_expected double precision := 0;
  v_spent double precision := 0;
begin
  foreach v_one in array locked loop
    -- Asked again, now that it is locked: whoever had it before may have settled it just now.
    v_result := likes.not_yet(v_one.activity, settings, moment);
    if v_result.outcome is null then
      v_one.place := cardinality(v_due) + 1;
      v_due := v_due || v_one;
      v_is_gone := v_is_gone or v_one.is_available is null;
      -- An event to viewers and author, and a notification.
      v_expected := v_expected + 1 + v_one.viewers + 4;
    else
      v_results := v_results || v_result;
    end if;
  end loop;
  if cardinality(v_due) > 1 and not v_is_gone and v_expected < tokens then
    begin
      v_settled := likes.settle_batch(v_due, settings, likes_rate, moment);
      select sum(s.messages) into v_spent from unnest(v_settled) s;
      if v_spent > tokens then
        raise exception using message = 'over_budget'; -- so many notifications were not expected
      end if;
      return v_results || v_settled;
    exception
      when lock_not_available then
        raise; -- A heartbeat has no time to wait.
      when others then
        v_spent := 0; -- What it did is undone.
    end;
  end if;
  -- Each alone: one that fails does not hurt the others, and the tokens are looked at before each.
  foreach v_one in array v_due loop
    v_one.place := 1;
    v_result := likes.settle_alone(v_one, tokens - v_spent, settings, likes_rate, moment);
    v_spent := v_spent + v_result.messages;
    v_results := v_results || v_result;
  end loop;
  return v_results;
end;
$$;
comment on function likes.settle_locked is 'Settles what is due: together when the tokens are ample, each alone otherwise or when that fails.';

create function likes.settle(items jsonb) returns likes.settlement[]
language plpgsql volatile set search_path = ''
-- As in toggle_like: lookups by key, plans kept.
set plan_cache_mode = 'force_generic_plan' set enable_seqscan = 'off' set jit = 'off' as $$
declare
  v_settings likes.settings;
  v_now timestamptz := likes.clock();
  v_results likes.settlement[];
  v_due jsonb;
  v_locked likes.settling[];
  v_settled likes.settlement[];
  v_budget likes.budget;
  v_tokens double precision;
  v_rate double precision;
  v_sum record;
begin
  select s.* into v_settings from likes.settings s;
  select
    array_agg(i.not_yet) filter (where (i.not_yet).outcome is not null),
    jsonb_agg(jsonb_build_object('content_type', i.content_type, 'content_id', i.content_id)) filter (where (i.not_yet).outcome is null)
  into v_results, v_due
  from (
    select p.content_type, p.content_id, likes.not_yet(a, v_settings, v_now) as not_yet
    from likes.parse_items(items) p
    left join likes.activity a on a.content_type = p.content_type and a.content_id = p.content_id offset 0) i;
  v_results := coalesce(v_results, '{}');
  if v_due is null then
    return v_results;
  end if;

  v_locked := likes.lock_contents(v_due, v_settings);
  -- Nobody liked it, or another settling has forgotten it just now.
  v_results := v_results || array(
    select row(i.content_type, i.content_id, 'settled', null, 0, 0, 0, 0, 0, null)::likes.settlement
    from jsonb_to_recordset(v_due) i (content_type text, content_id uuid)
    where (i.content_type, i.content_id) not in (select l.content_type, l.content_id from unnest(v_locked) l));
  select b.* into v_budget from likes.budget b for update;
  v_now := likes.clock();
  v_tokens := likes.budget_tokens(v_budget, v_settings, v_now);
  v_rate := likes.current_rate(v_budget, v_now);
  v_settled := likes.settle_locked(v_locked, v_tokens, v_settings, v_rate, v_now);
  select coalesce(sum(s.messages), 0)::integer as messages, coalesce(sum(s.likes), 0)::integer as likes,
    coalesce(sum(s.events), 0)::integer as events, coalesce(sum(s.notifications), 0)::integer as notifications,
    coalesce(max(s.lag_ms), 0) as lag_ms
  into v_sum from unnest(v_settled) s;
  update likes.budget b set
    tokens = v_tokens - v_sum.messages, refilled_at = v_now, likes_rate = v_rate + v_sum.likes / 10.0, rated_at = v_now;
  if v_sum.likes + v_sum.messages > 0 then
    perform likes.note_usage(v_now, v_sum.messages, v_sum.likes, v_sum.events, v_sum.notifications, v_sum.lag_ms);
  end if;
  return v_results || v_settled;
end;
$$;
comment on function likes.settle is 'Settles contents that are due; see public.settle_likes.';

create function public.settle_likes(items jsonb) returns jsonb
language sql volatile security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
  select coalesce(jsonb_agg(jsonb_build_object(
    'content_type', r.content_type, 'content_id', r.content_id, 'outcome', r.outcome, 'wake_after_ms', r.wake_after_ms,
    'likes', r.likes, 'events', r.events, 'notifications', r.notifications, 'error', r.error)
    order by r.content_type, r.content_id), '[]')
  from unnest(likes.settle(items)) r
$$;
comment on function public.settle_likes is
  'Announces, notifies and copies what the likes of these contents (100 at most) add up to. outcome: settled, waiting (wake again after wake_after_ms) or failed.';

revoke execute on function public.settle_likes(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.settle_likes(jsonb) to service_role;

revoke execute on all functions in schema likes from public;
