-- Settling: what the likes of a window add up to is announced, told to the author and copied to the host, exactly once,
-- however often and by however many settlers a content is settled.

create type likes.settlement as (
  content_type text, content_id uuid, outcome text, wake_after_ms integer, likes integer, events integer, notifications integer,
  messages integer, lag_ms integer, error text
);

create function likes.batch_event(
  content_type text, content_id uuid, author_id uuid, likers uuid[], liker_count integer, rose boolean,
  total bigint, version bigint, viewers integer, moment timestamptz
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'contentId', batch_event.content_id, 'contentType', batch_event.content_type, 'authorId', author_id, 'finalLikeState', rose,
    'totalLikes', total, 'likerIds', coalesce(to_jsonb(likers), '[]'), 'likerCount', liker_count, 'version', batch_event.version,
    'viewers', viewers, 'timestamp', likes.to_wire(moment));
end;
$$;

create function likes.announce_batch(
  activity likes.activity, author_id uuid, changed likes.content_likes[], total bigint, viewers integer, settings likes.settings, moment timestamptz
) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_version bigint := nextval('likes.versions');
  v_count integer;
  v_all uuid[];
  v_public uuid[];
  v_for_author boolean := cardinality(changed) = 0 or exists (select from unnest(changed) c where c.user_id <> announce_batch.author_id);
begin
  select count(*),
    array_agg(c.user_id order by c.place) filter (where c.is_named and c.place <= settings.batch_names),
    array_agg(c.user_id order by c.place) filter (where c.is_named and c.place <= settings.batch_names and not c.is_private)
  into v_count, v_all, v_public
  from (
    select c.user_id, n.is_named, coalesce(p.is_private, true) as is_private,
      row_number() over (partition by n.is_named order by c.changed_at desc, c.user_id desc) as place
    from unnest(changed) c left join likes.profiles p on p.user_id = c.user_id
    -- Whom the author has blocked since is counted, and named to nobody.
    cross join lateral (
      select not exists (select from likes.blocks b where b.author_id = announce_batch.author_id and b.user_id = c.user_id) as is_named) n
    where c.liked) c;
  if not likes.send_event(
      likes.batch_event(activity.content_type, activity.content_id, author_id, v_public, v_count,
        total >= activity.announced_total, total, v_version, viewers, moment),
      'post:likes_batched', format('content:%s:%s', activity.content_type, activity.content_id))
    or (v_for_author and not likes.send_event(
      likes.batch_event(activity.content_type, activity.content_id, author_id, v_all, v_count,
        total >= activity.announced_total, total, v_version, viewers, moment),
      'post:likes_batched', 'user:' || author_id))
  then
    raise exception using message = 'event_not_sent', hint = 'realtime.send wrote no message: see the warnings in the Postgres log.';
  end if;
  update likes.activity a set
    announced_total = total, announced_version = v_version, event_version = v_version, announced_at = moment, events = a.events + 1,
    coalesced = a.coalesced + greatest(0, cardinality(changed) - 1)
  where a.content_type = activity.content_type and a.content_id = activity.content_id;
  return 1 + viewers + case when v_for_author then 2 else 0 end;
end;
$$;
comment on function likes.announce_batch is 'Sends what a window added up to, to viewers and author; the messages it cost.';

create function likes.tell_author(author_id uuid, notices likes.notice[]) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_notice likes.notice;
begin
  foreach v_notice in array notices loop
    if not likes.send_event(v_notice.payload, v_notice.event, 'user:' || author_id) then
      raise exception using message = 'event_not_sent', hint = 'realtime.send wrote no message: see the warnings in the Postgres log.';
    end if;
  end loop;
end;
$$;

create function likes.forget_content(content_type text, content_id uuid, slots integer[], moment timestamptz) returns likes.settlement
language plpgsql volatile set search_path = '' as $$
declare
  v_gone record;
  v_count integer := 0;
  v_wake_after_ms integer;
begin
  perform set_config('likes.forgetting', 'on', true);
  -- Some at a time: each notification that is taken back is a send, and a content may have any number of likes.
  for v_gone in
    delete from likes.notifications n
    where n.id in (
      select o.id from likes.notifications o
      where o.content_type = forget_content.content_type and o.content_id = forget_content.content_id order by o.id limit 20)
    returning n.user_id, n.id
  loop
    perform likes.tell_author(v_gone.user_id, array[row('notification:removed', jsonb_build_object('id', v_gone.id))::likes.notice]);
    v_count := v_count + 1;
  end loop;
  -- Skip locked: a like comes before its slot in the lock order. What is skipped is forgotten in the next round.
  delete from likes.content_likes l
  where l.content_type = forget_content.content_type and l.content_id = forget_content.content_id and l.user_id in (
    select o.user_id from likes.content_likes o
    where o.content_type = forget_content.content_type and o.content_id = forget_content.content_id limit 10000 for update skip locked);
  if exists (
      select from likes.content_likes l
      where l.content_type = forget_content.content_type and l.content_id = forget_content.content_id)
    or exists (
      select from likes.notifications n
      where n.content_type = forget_content.content_type and n.content_id = forget_content.content_id)
    -- A slot made since: another settling may hold it, and wait for one of these.
    or exists (
      select from likes.counters c
      where c.content_type = forget_content.content_type and c.content_id = forget_content.content_id and c.slot <> all (slots))
  then
    v_wake_after_ms := 1000;
    update likes.activity a set settle_due_at = moment + interval '1 second', failures = 0, last_error = null, retry_at = '-infinity'
    where a.content_type = forget_content.content_type and a.content_id = forget_content.content_id;
  else
    delete from likes.changes c where c.content_type = forget_content.content_type and c.content_id = forget_content.content_id;
    delete from likes.departures d where d.content_type = forget_content.content_type and d.content_id = forget_content.content_id;
    delete from likes.mutes m
    where m.content_type = forget_content.content_type and m.content_id = forget_content.content_id and m.user_id in (
      select o.user_id from likes.mutes o
      where o.content_type = forget_content.content_type and o.content_id = forget_content.content_id for update skip locked);
    delete from likes.counters c
    where c.content_type = forget_content.content_type and c.content_id = forget_content.content_id and c.slot = any (slots);
    delete from likes.rooms r where r.content_type = forget_content.content_type and r.content_id = forget_content.content_id;
    delete from likes.activity a where a.content_type = forget_content.content_type and a.content_id = forget_content.content_id;
  end if;
  perform set_config('likes.forgetting', '', true);
  return row(
    forget_content.content_type, forget_content.content_id, 'settled', v_wake_after_ms, 0, 0, v_count, 2 * v_count, 0, null)::likes.settlement;
end;
$$;
comment on function likes.forget_content is 'Forgets the likes of a content that the host has deleted, and takes back the notifications of it.';

create function likes.take_departures(content_type text, content_id uuid, slot integer) returns likes.departures[]
language plpgsql volatile set search_path = '' as $$
declare
  v_departed likes.departures[];
  v_likes integer;
begin
  with departed as (
    delete from likes.departures d
    where d.content_type = take_departures.content_type and d.content_id = take_departures.content_id returning d.*)
  select array_agg(d), count(*) filter (where d.liked) into v_departed, v_likes from departed d;
  if v_likes > 0 then
    update likes.counters c set likes = c.likes - v_likes
    where c.content_type = take_departures.content_type and c.content_id = take_departures.content_id and c.slot = take_departures.slot;
  end if;
  return v_departed;
end;
$$;
comment on function likes.take_departures is 'The likes that went with their users, no longer counted in this slot (which the caller holds) and no longer listed.';

create function likes.take_changes(content_type text, content_id uuid, settings likes.settings) returns likes.content_likes[]
language plpgsql volatile set search_path = '' as $$
declare
  v_last bigint;
  v_users uuid[];
  v_changed likes.content_likes[];
begin
  select max(c.version), array_agg(distinct c.user_id) into v_last, v_users from (
    select c.version, c.user_id from likes.changes c
    where c.content_type = take_changes.content_type and c.content_id = take_changes.content_id
    order by c.version limit settings.settle_rows) c;
  -- Skip locked: a like comes before its slot in the lock order. One that is skipped keeps the content unsettled.
  select coalesce(array_agg(l), '{}') into v_changed from (
    select l.* from likes.content_likes l
    where l.content_type = take_changes.content_type and l.content_id = take_changes.content_id and l.user_id = any (v_users)
    for update skip locked) l;
  delete from likes.changes c
  where c.content_type = take_changes.content_type and c.content_id = take_changes.content_id and c.version <= v_last
    and (c.user_id in (select l.user_id from unnest(v_changed) l)
      -- Gone with its user.
      or not exists (
        select from likes.content_likes l
        where l.content_type = c.content_type and l.content_id = c.content_id and l.user_id = c.user_id));
  return v_changed;
end;
$$;
comment on function likes.take_changes is 'The likes of a content that changed since it was settled, locked, and no longer listed as changes.';

-- The caller holds `slots` of the counter and the row of the activity.
create function likes.settle_content(
  activity likes.activity, slots integer[], tokens double precision, settings likes.settings, likes_rate double precision, moment timestamptz
) returns likes.settlement
language plpgsql volatile set search_path = '' as $$
declare
  v_result likes.settlement := row(activity.content_type, activity.content_id, 'settled', null, 0, 0, 0, 0, 0, null);
  v_author_id uuid;
  v_is_available boolean;
  v_total bigint;
  v_viewers integer := likes.viewers_of(activity.content_type, activity.content_id, settings);
  v_window interval := likes.window_of(v_viewers, settings, likes_rate);
  v_changed likes.content_likes[];
  v_departed likes.departures[];
  v_notices likes.notice[];
  v_is_left boolean;
  v_is_busy boolean;
begin
  if tokens <= 0 then
    v_result.outcome := 'waiting';
    v_result.wake_after_ms := ceil((1 - tokens) / likes.budget_refill(settings) * 1000);
    update likes.activity a set settle_due_at = moment + make_interval(secs => v_result.wake_after_ms / 1000.0)
    where a.content_type = activity.content_type and a.content_id = activity.content_id;
    return v_result;
  end if;
  select c.author_id, c.is_available into v_author_id, v_is_available from likes.likeable c
  where c.content_type = activity.content_type and c.content_id = activity.content_id;
  if not found then
    return likes.forget_content(activity.content_type, activity.content_id, slots, moment);
  end if;
  v_departed := likes.take_departures(activity.content_type, activity.content_id, slots[1]);
  -- The slots are locked, and this snapshot is younger: what they add up to is complete, but for slots made since, which stay dirty.
  select greatest(0, coalesce(sum(c.likes), 0)) into v_total from likes.counters c
  where c.content_type = activity.content_type and c.content_id = activity.content_id;
  if not v_is_available or v_total = activity.announced_total then
    -- No event, but the answers to likes in between told other totals: by a version above theirs, heartbeats correct them.
    update likes.activity a set announced_total = v_total, announced_version = nextval('likes.versions')
    where a.content_type = activity.content_type and a.content_id = activity.content_id and (v_total <> a.announced_total or exists (
      select from likes.changes c
      where c.content_type = a.content_type and c.content_id = a.content_id and c.version > a.announced_version));
  end if;
  v_changed := likes.take_changes(activity.content_type, activity.content_id, settings);
  if v_total <> activity.announced_total and v_is_available then
    v_result.messages := likes.announce_batch(activity, v_author_id, v_changed, v_total, v_viewers, settings, moment);
    v_result.events := 1;
  end if;
  v_notices := likes.notify_author(v_author_id, activity.content_type, activity.content_id, v_changed, v_departed, v_total, settings, moment);
  perform likes.tell_author(v_author_id, v_notices);
  v_result.likes := cardinality(v_changed);
  v_result.lag_ms := coalesce(likes.ms_until(moment, (select min(c.changed_at) from unnest(v_changed) c)), 0);
  v_result.notifications := cardinality(v_notices);
  v_result.messages := v_result.messages + 2 * v_result.notifications;
  v_is_left := not likes.copy_count(activity.content_type, activity.content_id, v_total) or exists (
    select from likes.changes c where c.content_type = activity.content_type and c.content_id = activity.content_id);
  v_is_busy := v_is_left or v_result.events > 0;
  if not v_is_left then
    perform likes.clean_slots(activity.content_type, activity.content_id, slots, fold => not v_is_busy);
  end if;
  -- A busy window is followed by another, so that the next likes are gathered too.
  v_result.wake_after_ms := case when v_is_busy then likes.ms_until(moment + v_window, moment) end;
  update likes.activity a set
    window_ends_at = case when v_result.events > 0 then moment + v_window else a.window_ends_at end,
    settle_due_at = case when v_is_busy then moment + v_window end,
    unsettled_since = case when v_is_left then coalesce(a.unsettled_since, moment) end,
    failures = 0, last_error = null, retry_at = '-infinity'
  where a.content_type = activity.content_type and a.content_id = activity.content_id;
  return v_result;
end;
$$;

create function likes.clean_slots(content_type text, content_id uuid, slots integer[], fold boolean) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if fold and cardinality(slots) > 1 then
    with folded as (
      delete from likes.counters c
      where c.content_type = clean_slots.content_type and c.content_id = clean_slots.content_id and c.slot = any (slots[2:])
      returning c.likes)
    update likes.counters c set likes = c.likes + (select sum(f.likes) from folded f), dirty = false
    where c.content_type = clean_slots.content_type and c.content_id = clean_slots.content_id and c.slot = slots[1];
  else
    update likes.counters c set dirty = false
    where c.content_type = clean_slots.content_type and c.content_id = clean_slots.content_id and c.slot = any (slots) and c.dirty;
  end if;
end;
$$;
comment on function likes.clean_slots is 'Marks the slots that a settling locked as settled; a content gone quiet gets by with one.';

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

create type likes.locked_content as (activity likes.activity, slots integer[]);

create function likes.lock_contents(items jsonb) returns likes.locked_content[]
language plpgsql volatile set search_path = '' as $$
declare
  v_slots likes.counters[];
  v_activities likes.activity[];
begin
  -- In order, so that two settlers never wait for each other crosswise.
  select array_agg(s) into v_slots from (
    select c.* from likes.counters c
    join jsonb_to_recordset(items) i (content_type text, content_id uuid) on i.content_type = c.content_type and i.content_id = c.content_id
    order by c.content_type, c.content_id, c.slot for update of c) s;
  insert into likes.activity (content_type, content_id)
  select distinct s.content_type, s.content_id from unnest(v_slots) s order by 1, 2
  on conflict on constraint activity_pkey do nothing;
  select array_agg(b) into v_activities from (
    select a.* from likes.activity a
    join (select distinct s.content_type, s.content_id from unnest(v_slots) s) s
      on s.content_type = a.content_type and s.content_id = a.content_id
    order by a.content_type, a.content_id for update of a) b;
  return (
    select array_agg(row(a, (
        select array_agg(s.slot order by s.slot) from unnest(v_slots) s
        where s.content_type = a.content_type and s.content_id = a.content_id))::likes.locked_content
      order by a.content_type, a.content_id)
    from unnest(v_activities) a);
end;
$$;
comment on function likes.lock_contents is 'Locks the slots, then the activity, of several contents in the one lock order.';

create function likes.is_overdue(activity likes.activity, settings likes.settings, moment timestamptz) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(
    coalesce((activity).settle_due_at, (activity).unsettled_since) < moment - make_interval(secs => (settings).grace_ms / 1000.0), false);
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

create function likes.settle(items jsonb) returns likes.settlement[]
language plpgsql volatile set search_path = ''
-- As in toggle_like: lookups by key, plans kept.
set plan_cache_mode = 'force_generic_plan' set enable_seqscan = 'off' set jit = 'off' as $$
declare
  v_settings likes.settings;
  v_now timestamptz := likes.clock();
  v_results likes.settlement[];
  v_result likes.settlement;
  v_due jsonb;
  v_locked likes.locked_content;
  v_budget likes.budget;
  v_tokens double precision;
  v_rate double precision;
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

  declare
    v_contents likes.locked_content[] := likes.lock_contents(v_due);
    v_sum likes.settlement := row(null, null, null, null, 0, 0, 0, 0, 0, null);
  begin
    -- Nobody liked it, or another settling has forgotten it just now.
    v_results := v_results || array(
      select row(i.content_type, i.content_id, 'settled', null, 0, 0, 0, 0, 0, null)::likes.settlement
      from jsonb_to_recordset(v_due) i (content_type text, content_id uuid)
      where (i.content_type, i.content_id) not in (select (c.activity).content_type, (c.activity).content_id from unnest(v_contents) c));
    select b.* into v_budget from likes.budget b for update;
    v_now := likes.clock();
    v_tokens := likes.budget_tokens(v_budget, v_settings, v_now);
    v_rate := likes.current_rate(v_budget, v_now);
    foreach v_locked in array coalesce(v_contents, '{}') loop
      begin
        -- Asked again, now that it is locked: whoever had it before may have settled it just now.
        v_result := likes.not_yet(v_locked.activity, v_settings, v_now);
        if v_result.outcome is null then
          v_result := likes.settle_content(v_locked.activity, v_locked.slots, v_tokens - v_sum.messages, v_settings, v_rate, v_now);
        end if;
      exception
        when lock_not_available then
          raise; -- A heartbeat has no time to wait: no failure of the content.
        when others then
        -- It fails alone: what it did is undone, the rest goes on.
        v_result := likes.note_failure(v_locked.activity, sqlstate || ' ' || sqlerrm, v_now);
      end;
      v_results := v_results || v_result;
      v_sum.likes := v_sum.likes + v_result.likes;
      v_sum.events := v_sum.events + v_result.events;
      v_sum.notifications := v_sum.notifications + v_result.notifications;
      v_sum.messages := v_sum.messages + v_result.messages;
      v_sum.lag_ms := greatest(v_sum.lag_ms, v_result.lag_ms);
    end loop;
    update likes.budget b set
      tokens = v_tokens - v_sum.messages, refilled_at = v_now, likes_rate = v_rate + v_sum.likes / 10.0, rated_at = v_now;
    if v_sum.likes + v_sum.messages > 0 then
      perform likes.note_usage(v_now, v_sum.messages, v_sum.likes, v_sum.events, v_sum.notifications, v_sum.lag_ms);
    end if;
  end;
  return v_results;
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

create function public.unsettled_likes(max integer default 100) returns jsonb
language plpgsql stable security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_settings likes.settings;
  v_now timestamptz := likes.clock();
  v_max integer := likes.check_page(unsettled_likes.max, most => 1000);
begin
  select s.* into v_settings from likes.settings s;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('content_type', u.content_type, 'content_id', u.content_id)
      order by u.content_type, u.content_id), '[]')
    from (
      select d.content_type, d.content_id
      from (
        select c.content_type, c.content_id from likes.counters c where c.dirty
        union select e.content_type, e.content_id from likes.departures e) d
      left join likes.activity a on a.content_type = d.content_type and a.content_id = d.content_id
      where a.content_id is null
        or (a.retry_at <= v_now and (a.settle_due_at is null or likes.is_overdue(a, v_settings, v_now)))
      order by coalesce(a.unsettled_since, '-infinity') limit v_max) u);
end;
$$;
comment on function public.unsettled_likes is 'What no wake-up announced, or whose wake-up is long overdue: the sweep settles it.';

create function public.reconcile_like_counts(max integer default 100) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_checked jsonb;
  v_item record;
  v_drift bigint;
  v_repaired integer := 0;
  v_sum bigint := 0;
begin
  select coalesce(jsonb_agg(jsonb_build_object('content_type', a.content_type, 'content_id', a.content_id)), '[]') into v_checked
  from (select a.* from likes.activity a order by a.reconciled_at limit likes.check_page(reconcile_like_counts.max)) a;
  -- Compared without a lock. What differs is locked in the one order and compared again.
  for v_item in
    select i.content_type, i.content_id from jsonb_to_recordset(v_checked) i (content_type text, content_id uuid)
    where likes.drift_of(i.content_type, i.content_id) <> 0 order by i.content_type, i.content_id
  loop
    perform from likes.counters c where c.content_type = v_item.content_type and c.content_id = v_item.content_id
    order by c.slot for update;
    v_drift := likes.drift_of(v_item.content_type, v_item.content_id);
    if v_drift <> 0 then
      perform likes.add_to_counter(v_item.content_type, v_item.content_id, v_drift::integer, (select s.max_slots from likes.settings s));
      v_repaired := v_repaired + 1;
      v_sum := v_sum + abs(v_drift);
    end if;
  end loop;
  -- Skip locked: a busy one is checked again, sooner than the rest.
  update likes.activity a set reconciled_at = likes.clock()
  where (a.content_type, a.content_id) in (
    select b.content_type, b.content_id from likes.activity b
    join jsonb_to_recordset(v_checked) i (content_type text, content_id uuid) on i.content_type = b.content_type and i.content_id = b.content_id
    for update of b skip locked);
  if v_sum > 0 then
    perform likes.note_usage(likes.clock(), drift => v_sum);
  end if;
  return jsonb_build_object('checked', jsonb_array_length(v_checked), 'repaired', v_repaired, 'drift', v_sum);
end;
$$;
comment on function public.reconcile_like_counts is 'Compares counters with the likes themselves, longest unchecked first, and repairs and reports what differs.';

create function likes.drift_of(content_type text, content_id uuid) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  -- One snapshot: a like commits its row and its slot together, so this is exact while likes go on.
  return (
    select (select count(*) from likes.content_likes l
        where l.content_type = drift_of.content_type and l.content_id = drift_of.content_id and l.liked)
      + (select count(*) from likes.departures d
        where d.content_type = drift_of.content_type and d.content_id = drift_of.content_id and d.liked)
      - coalesce((select sum(c.likes) from likes.counters c
        where c.content_type = drift_of.content_type and c.content_id = drift_of.content_id), 0));
end;
$$;

create function public.prune_likes() returns jsonb
language plpgsql volatile security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
declare
  v_settings likes.settings;
  v_now timestamptz := likes.clock();
  v_likes integer;
  v_viewers integer;
  v_rate_limits integer;
  v_usage integer;
  v_notifications integer;
  v_orphans integer;
begin
  select s.* into v_settings from likes.settings s;
  -- Skip locked throughout: what is in use is no rubbish, and housekeeping that waits would hold what others wait for.
  delete from likes.content_likes l
  where (l.content_type, l.content_id, l.user_id) in (
    select u.content_type, u.content_id, u.user_id from likes.content_likes u
    where not u.liked and u.notification_id is null and u.changed_at < v_now - v_settings.keep_unliked
    order by u.changed_at limit 10000 for update skip locked);
  get diagnostics v_likes = row_count;
  delete from likes.viewers v
  where v.viewer_id in (
    select o.viewer_id from likes.viewers o
    where o.seen_at < v_now - 2 * make_interval(secs => v_settings.viewer_timeout_ms / 1000.0) for update skip locked);
  get diagnostics v_viewers = row_count;
  delete from likes.rate_limits r
  where r.user_id in (
    select o.user_id from likes.rate_limits o where o.allowed_at < v_now - interval '1 hour' for update skip locked);
  get diagnostics v_rate_limits = row_count;
  delete from likes.usage u where u.used_at < v_now - interval '1 day';
  get diagnostics v_usage = row_count;
  delete from likes.notifications n
  where n.id in (
    select o.id from likes.notifications o
    where o.read_at < v_now - v_settings.keep_notifications order by o.content_type, o.content_id, o.id limit 10000 for update skip locked);
  get diagnostics v_notifications = row_count;
  delete from likes.notifications n
  where n.id in (
    select o.id from likes.notifications o
    where not exists (select from auth.users u where u.id = o.user_id) limit 10000 for update skip locked);
  get diagnostics v_orphans = row_count;
  delete from likes.last_seen s
  where s.user_id in (
    select o.user_id from likes.last_seen o where not exists (select from auth.users u where u.id = o.user_id) for update skip locked);
  return jsonb_build_object(
    'likes', v_likes, 'viewers', v_viewers, 'rate_limits', v_rate_limits, 'usage', v_usage, 'notifications', v_notifications + v_orphans);
end;
$$;
comment on function public.prune_likes is 'Deletes what nothing needs any more: likes long taken back, silent viewers, old notifications.';

revoke execute on function public.settle_likes(jsonb) from public, anon, authenticated, service_role;
revoke execute on function public.unsettled_likes(integer) from public, anon, authenticated, service_role;
revoke execute on function public.reconcile_like_counts(integer) from public, anon, authenticated, service_role;
revoke execute on function public.prune_likes() from public, anon, authenticated, service_role;
grant execute on function public.settle_likes(jsonb) to service_role;
grant execute on function public.unsettled_likes(integer) to service_role;
grant execute on function public.reconcile_like_counts(integer) to service_role;
grant execute on function public.prune_likes() to service_role;

revoke execute on all functions in schema likes from public;
