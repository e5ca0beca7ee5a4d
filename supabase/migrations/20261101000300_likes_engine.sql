-- A like: one call, one transaction. Rate limit, content, the user's wish, the counter, and its event or a wake-up.

create function likes.clock() returns timestamptz language plpgsql volatile set search_path = '' as $$
begin
  return clock_timestamp();
end;
$$;
comment on function likes.clock is 'The time that every rule of the engine reads (simulations replace it).';

create function likes.to_ms(moment timestamptz) returns bigint language plpgsql immutable set search_path = '' as $$
begin
  return floor(extract(epoch from to_ms.moment) * 1000)::bigint;
end;
$$;

create function likes.ms_until(moment timestamptz, since timestamptz) returns integer language plpgsql immutable set search_path = '' as $$
begin
  return greatest(0, ceil(extract(epoch from ms_until.moment - ms_until.since) * 1000))::integer;
end;
$$;

create function likes.to_wire(moment timestamptz) returns text language plpgsql stable set search_path = '' as $$
begin
  return to_char(to_wire.moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
end;
$$;
comment on function likes.to_wire is 'A time as the events carry it: ISO 8601, UTC, milliseconds.';

create function likes.refuse(status integer, code text, hint text, detail jsonb default null) returns void
language plpgsql set search_path = '' as $$
begin
  -- PTnnn becomes the HTTP status: https://docs.postgrest.org/en/v12/references/errors.html
  raise exception using errcode = 'PT' || refuse.status, message = refuse.code, hint = refuse.hint, detail = coalesce(refuse.detail::text, '');
end;
$$;

create function likes.check_content(content_type text, content_id uuid, settings likes.settings) returns void
language plpgsql stable set search_path = '' as $$
begin
  if check_content.content_type is null or check_content.content_type <> all (settings.content_types) then
    perform likes.refuse(400, 'invalid_request', format('content_type must be one of: %s.', array_to_string(settings.content_types, ', ')));
  elsif check_content.content_id is null then
    perform likes.refuse(400, 'invalid_request', 'content_id must be a UUID.');
  end if;
end;
$$;

create function likes.parse_items(items jsonb) returns table (content_type text, content_id uuid)
language plpgsql stable rows 10 set search_path = '' as $$ -- few rows, so that what joins them looks each up by key
declare
  v_known text[] := (select s.content_types from likes.settings s);
  v_types text[];
  v_ids uuid[];
  v_is_fit boolean;
begin
  if items is null or jsonb_typeof(items) <> 'array' then
    perform likes.refuse(400, 'invalid_request', 'items must be an array of {content_type, content_id}.');
  elsif jsonb_array_length(items) > 100 then
    perform likes.refuse(400, 'too_many_items', 'Name 100 items at most in one call.');
  end if;
  begin
    select array_agg(i.content_type), array_agg(i.content_id),
      coalesce(bool_and((i.content_type = any (v_known)) is true and i.content_id is not null), true)
    into v_types, v_ids, v_is_fit
    from jsonb_to_recordset(items) i (content_type text, content_id uuid);
  exception when data_exception then -- no object, no UUID
    v_is_fit := false;
  end;
  if not v_is_fit then
    perform likes.refuse(400, 'invalid_request',
      format('Each item needs a content_type (%s) and a content_id (UUID).', array_to_string(v_known, ', ')));
  end if;
  return query select distinct i.content_type, i.content_id from unnest(v_types, v_ids) i (content_type, content_id);
end;
$$;
comment on function likes.parse_items is 'The distinct contents that a request names, 100 at most, or a refusal.';

create function likes.visible_items(items jsonb, user_id uuid) returns setof likes.likeable
language plpgsql stable rows 10 set search_path = ''
set plan_cache_mode = 'force_generic_plan' set enable_seqscan = 'off' set jit = 'off' as $$
begin
  return query
    select c.* from likes.parse_items(visible_items.items) i
    -- Each by its key: without the limit, the planner would ask of every content there is whether it is visible.
    cross join lateral (
      select c.* from likes.likeable c where c.content_type = i.content_type and c.content_id = i.content_id limit 1) c
    where c.is_available and (
      (c.is_public and not exists (
        select from likes.blocks b where b.author_id = c.author_id and b.user_id = visible_items.user_id))
      or c.author_id = visible_items.user_id
      or likes.can_view(visible_items.user_id, c.content_type, c.content_id));
end;
$$;
comment on function likes.visible_items is 'The distinct contents that a request names and a user (null: a visitor) may see.';

-- The counter ----------------------------------------------------------------------------------------------------------------

create function likes.add_to_counter(content_type text, content_id uuid, delta integer, max_slots integer) returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_own integer := pg_backend_pid() % max_slots;
  v_slot tid;
  v_was_dirty boolean;
  v_free integer;
begin
  -- A slot that nobody holds; a held one belongs to another user's like or to a settling, and nobody waits for those.
  -- Each session begins at a number of its own: from the same end, every one would try all that the others hold.
  select c.ctid, c.dirty into v_slot, v_was_dirty from likes.counters c
  where c.content_type = add_to_counter.content_type and c.content_id = add_to_counter.content_id and c.slot <= v_own
  order by c.slot desc limit 1 for update skip locked;
  if not found then
    select c.ctid, c.dirty into v_slot, v_was_dirty from likes.counters c
    where c.content_type = add_to_counter.content_type and c.content_id = add_to_counter.content_id
      and c.slot > v_own and c.slot < add_to_counter.max_slots -- a departed like's is dirty, and its settling is not seen to
    order by c.slot limit 1 for update skip locked;
  end if;
  if found then
    update likes.counters c set likes = c.likes + delta, dirty = true where c.ctid = v_slot;
    return case when v_was_dirty then 'was_dirty' else 'was_clean' end;
  end if;
  -- A new one, of a number of its own, so that two first likes at once do not meet in one row; else any free number.
  -- None free: the limit; then, only then, wait.
  if exists (
    select from likes.counters c
    where c.content_type = add_to_counter.content_type and c.content_id = add_to_counter.content_id and c.slot = v_own)
  then
    select s into v_free from generate_series(0, max_slots - 1) s
    where not exists (
      select from likes.counters c
      where c.content_type = add_to_counter.content_type and c.content_id = add_to_counter.content_id and c.slot = s)
    order by random() limit 1;
    v_own := coalesce(v_free, floor(random() * max_slots)::integer);
  end if;
  insert into likes.counters as c (content_type, content_id, slot, likes)
  values (add_to_counter.content_type, add_to_counter.content_id, v_own, delta)
  on conflict on constraint counters_pkey do update set likes = c.likes + excluded.likes, dirty = true;
  return 'was_new';
end;
$$;
comment on function likes.add_to_counter is
  'Adds to a slot of the content''s counter, and tells what the slot was: was_dirty (its settling is seen to), was_clean, or was_new (a settling at work may not see it).';

create function likes.count_departed_like() returns trigger
language plpgsql security definer set search_path = '' as $$ -- definer: runs below the deletion of a user
begin
  if coalesce(current_setting('likes.forgetting', true), '') = 'on' then
    return old;
  end if;
  -- Only new rows: a deletion of many likes that took the locks of slots and notifications would take them out of order. So it has a slot
  -- of its own, far from those of the sessions, which settling folds as any other.
  if old.liked then
    insert into likes.counters (content_type, content_id, slot, likes)
    values (old.content_type, old.content_id, 1000000 + floor(random() * 2e9)::integer, -1);
  end if;
  if old.notification_id is not null then
    insert into likes.departures (content_type, content_id, notification_id, user_id)
    values (old.content_type, old.content_id, old.notification_id, old.user_id);
  end if;
  return old;
end;
$$;
create trigger content_likes_count_departed after delete on likes.content_likes
  for each row execute function likes.count_departed_like();

-- The like -------------------------------------------------------------------------------------------------------------------

create function likes.refuse_rate(user_id uuid, burst_tolerance interval, moment timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_seconds integer;
begin
  select greatest(1, ceil(extract(epoch from r.allowed_at - refuse_rate.burst_tolerance - moment)))
  into v_seconds from likes.rate_limits r where r.user_id = refuse_rate.user_id;
  -- PostgREST passes headers through this state alone; the Python client shows no headers, so the seconds are in the body too.
  raise sqlstate 'PGRST' using
    message = json_build_object(
      'code', 'PT429', 'message', 'rate_limited', 'hint', format('Wait %s s before the next like.', v_seconds),
      'details', json_build_object('retry_after', v_seconds)::text)::text,
    detail = json_build_object('status', 429, 'headers', json_build_object('Retry-After', v_seconds::text))::text;
end;
$$;

create function likes.author(user_id uuid, username text, display_name text) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return jsonb_build_object('id', author.user_id, 'username', author.username, 'display_name', author.display_name);
end;
$$;

create function likes.is_gathering(activity likes.activity, settings likes.settings, moment timestamptz) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return greatest((activity).window_ends_at, (activity).settle_due_at + (settings).grace) > moment;
end;
$$;
comment on function likes.is_gathering is 'Whether likes of a content are left to its next settling: its window is open, or the settling is expected any moment.';

create type likes.liking as (
  content_type text, content_id uuid, author_id uuid, user_id uuid, liked boolean, total bigint, version bigint, viewers integer, moment timestamptz
);
comment on type likes.liking is 'One effective change, as it is announced.';

create function likes.announce_like(liking likes.liking) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  return likes.send_events(array(
    select row(t.topic, case when liking.liked then 'post:liked' else 'post:unliked' end, jsonb_build_object(
      'eventId', format('like_%s_%s_%s', liking.content_id, coalesce(t.user_id::text, 'anonymous'), likes.to_ms(liking.moment)),
      'postId', liking.content_id, 'contentType', liking.content_type, 'userId', t.user_id, 'username', t.username,
      'isLiked', liking.liked, 'totalLikes', liking.total, 'version', liking.version, 'viewers', liking.viewers,
      'occurredAt', likes.to_wire(liking.moment)))::likes.event
    from likes.profiles p
    cross join lateral (
      select format('content:%s:%s', liking.content_type, liking.content_id) as topic,
        case when not p.is_private then p.user_id end as user_id, case when not p.is_private then p.username end as username
      union all
      select 'user:' || liking.author_id, p.user_id, p.username where liking.author_id <> liking.user_id) t
    where p.user_id = liking.user_id));
end;
$$;
comment on function likes.announce_like is 'Tells the viewers and the author of a like; the likes of private people are told to the author only.';

create function likes.open_window(liking likes.liking, settings likes.settings) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_activity likes.activity;
  v_now timestamptz := likes.clock();
  v_window interval;
  v_announced boolean := false;
begin
  v_window := likes.window_of(liking.viewers, settings, (select likes.current_rate(b, v_now) from likes.budget b));
  select a.* into v_activity from likes.activity a
  where a.content_type = liking.content_type and a.content_id = liking.content_id for update skip locked;
  -- Only where there is none: `on conflict do nothing` would wait for whoever has just updated it.
  if not found
    and not exists (select from likes.activity a where a.content_type = liking.content_type and a.content_id = liking.content_id)
    and pg_try_advisory_xact_lock(hashtextextended(format('likes:%s:%s', liking.content_type, liking.content_id), 0))
  then
    insert into likes.activity as a (content_type, content_id) values (liking.content_type, liking.content_id)
    on conflict on constraint activity_pkey do nothing returning a.* into v_activity;
  end if;
  -- No row: another like of this content is being announced this very moment. A window: it just was.
  if v_activity.content_id is not null and not likes.is_gathering(v_activity, settings, v_now) then
    -- Not what another session has overtaken since this total was summed up.
    v_announced := v_activity.retry_at <= v_now and v_activity.announced_version < liking.version
      and likes.try_budget(1 + liking.viewers + case when liking.author_id = liking.user_id then 0 else 2 end, settings)
      and likes.announce_like(liking);
    update likes.activity a set
      announced_total = case when v_announced then liking.total else a.announced_total end,
      announced_version = case when v_announced then liking.version else a.announced_version end,
      event_version = case when v_announced then liking.version else a.event_version end,
      announced_at = case when v_announced then v_now else a.announced_at end,
      events = a.events + v_announced::integer,
      window_ends_at = v_now + v_window,
      -- What is overdue stays so, however often it is announced meanwhile: that is how heartbeats and the sweep see it.
      settle_due_at = case when a.unsettled_since is null then v_now + v_window else coalesce(a.settle_due_at, v_now + v_window) end,
      unsettled_since = coalesce(a.unsettled_since, v_now),
      last_like_at = v_now
    where a.content_type = liking.content_type and a.content_id = liking.content_id;
  end if;
  return extract(epoch from v_window) * 1000;
end;
$$;
comment on function likes.open_window is 'Announces a like at once if the budget allows, and opens the window after it; milliseconds until that ends.';

create function public.toggle_like(
  user_id uuid, content_type text, content_id uuid, liked boolean default null, intent bigint default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' -- definer: API roles have no access to the engine's tables
-- Every lookup is by key: planning each anew costs more than all of them, and a plan made while a table was empty would scan it.
set plan_cache_mode = 'force_generic_plan' set enable_seqscan = 'off' set jit = 'off' as $$
declare
  v_settings record;
  v_now timestamptz := likes.clock();
  v_now_ms bigint := floor(extract(epoch from v_now) * 1000)::bigint; -- as likes.to_ms
  v_content record;
  v_liked boolean;
  v_was_liked boolean;
  v_intent bigint;
  v_total bigint;
  v_version bigint;
  v_is_gathering boolean;
  v_changed boolean := false;
  v_slot text;
  v_wake_after_ms integer;
begin
  select s.content_types, s.intent_ahead_ms, s.emission_interval, s.burst_tolerance, s.max_slots, s.grace into v_settings from likes.settings s;
  if (toggle_like.content_type = any (v_settings.content_types)) is not true or toggle_like.content_id is null then
    perform likes.check_content(toggle_like.content_type, toggle_like.content_id, (select s from likes.settings s));
  elsif toggle_like.user_id is null then
    perform likes.refuse(400, 'invalid_request', 'user_id must be a UUID.');
  elsif toggle_like.intent <= 0 then
    perform likes.refuse(400, 'invalid_request', 'intent must be milliseconds since the epoch.');
  elsif toggle_like.intent > v_now_ms + v_settings.intent_ahead_ms then
    perform likes.refuse(400, 'intent_in_future', 'Set intent from a clock that is not ahead of the server''s.',
      jsonb_build_object('server_time_ms', v_now_ms));
  end if;

  -- GCRA: one row per user, so requests at once cannot slip past it.
  insert into likes.rate_limits as r (user_id, allowed_at) values (toggle_like.user_id, v_now + v_settings.emission_interval)
  on conflict on constraint rate_limits_pkey do update set allowed_at = greatest(excluded.allowed_at, r.allowed_at + v_settings.emission_interval)
  where r.allowed_at <= v_now + v_settings.burst_tolerance;
  if not found then
    perform likes.refuse_rate(toggle_like.user_id, v_settings.burst_tolerance, v_now);
  end if;

  -- Subqueries rather than joins where one value is wanted: they cost half as much to set up.
  select c.author_id, c.author_username, c.author_display_name, c.is_public,
    exists (select from likes.profiles p where p.user_id = toggle_like.user_id) as has_profile,
    exists (select from likes.blocks b where b.author_id = c.author_id and b.user_id = toggle_like.user_id) as is_blocked,
    coalesce((
      select r.viewers from likes.rooms r
      where r.content_type = toggle_like.content_type and r.content_id = toggle_like.content_id and r.good_until > v_now), 0) as viewers
  into v_content
  from likes.likeable c
  where c.content_type = toggle_like.content_type and c.content_id = toggle_like.content_id and c.is_available;
  -- As likes.visible_items, but that the blocked are answered below.
  if not found or (v_content.is_public or v_content.is_blocked or v_content.author_id = toggle_like.user_id
    or likes.can_view(toggle_like.user_id, toggle_like.content_type, toggle_like.content_id)) is not true
  then
    perform likes.refuse(404, 'content_not_found', 'It does not exist, is not ready, or is not visible to this user.');
  elsif not v_content.has_profile then
    perform likes.refuse(404, 'user_not_found', 'The user has no profile: it was deleted, or never made.');
  end if;

  -- The one statement that decides: what it changed is liked minus was_liked. Later steps act on that alone.
  insert into likes.content_likes as l (content_type, content_id, user_id, liked, intent, changed_at)
  values (
    toggle_like.content_type, toggle_like.content_id, toggle_like.user_id, coalesce(toggle_like.liked, true),
    coalesce(toggle_like.intent, v_now_ms), v_now)
  on conflict on constraint content_likes_pkey do update set
    was_liked = l.liked,
    liked = coalesce(toggle_like.liked, not l.liked),
    intent = greatest(excluded.intent, l.intent + 1),
    changed_at = case when l.liked = coalesce(toggle_like.liked, not l.liked) then l.changed_at else excluded.changed_at end
  where toggle_like.intent is null or toggle_like.intent > l.intent
  returning l.liked, l.was_liked, l.intent into v_liked, v_was_liked, v_intent;
  if found then
    v_changed := v_liked <> v_was_liked;
  else
    select l.liked, l.intent into v_liked, v_intent from likes.content_likes l
    where l.content_type = toggle_like.content_type and l.content_id = toggle_like.content_id and l.user_id = toggle_like.user_id;
  end if;
  -- What is left to the blocked is to take a like back.
  if v_content.is_blocked and (v_liked or not v_changed) then
    perform likes.refuse(403, 'blocked', 'The author of this content has blocked the user.');
  end if;

  if v_changed then
    v_slot := likes.add_to_counter(
      toggle_like.content_type, toggle_like.content_id, case when v_liked then 1 else -1 end, v_settings.max_slots);
    -- A statement of its own: its snapshot sees what was committed while this one looked for a slot.
    insert into likes.changes as h (content_type, content_id, user_id, version)
    values (toggle_like.content_type, toggle_like.content_id, toggle_like.user_id, nextval('likes.versions'))
    returning h.version,
      (select greatest(0, sum(c.likes)) from likes.counters c
        where c.content_type = toggle_like.content_type and c.content_id = toggle_like.content_id),
      -- As likes.is_gathering.
      (select greatest(a.window_ends_at, a.settle_due_at + v_settings.grace) > v_now
        from likes.activity a where a.content_type = toggle_like.content_type and a.content_id = toggle_like.content_id)
    into v_version, v_total, v_is_gathering;
    if v_is_gathering is not true then
      v_wake_after_ms := likes.open_window(row(
        toggle_like.content_type, toggle_like.content_id, v_content.author_id, toggle_like.user_id,
        v_liked, v_total, v_version, v_content.viewers, v_now), (select s from likes.settings s));
    elsif v_slot <> 'was_dirty' then
      -- Whoever makes the content unsettled and sees no settling ahead that must see it wakes one.
      select likes.ms_until(greatest(a.settle_due_at, a.window_ends_at), v_now) into v_wake_after_ms from likes.activity a
      where a.content_type = toggle_like.content_type and a.content_id = toggle_like.content_id
        and (v_slot = 'was_new' or (a.settle_due_at > v_now) is not true);
    end if;
  else
    select a.announced_total, a.announced_version into v_total, v_version from likes.activity a
    where a.content_type = toggle_like.content_type and a.content_id = toggle_like.content_id;
  end if;
  return jsonb_build_object(
    'liked', v_liked, 'total_likes', coalesce(v_total, 0), 'changed', v_changed, 'version', coalesce(v_version, 0),
    'intent', v_intent, 'viewers', v_content.viewers, 'wake_after_ms', v_wake_after_ms,
    'author', jsonb_build_object( -- as likes.author
      'id', v_content.author_id, 'username', v_content.author_username, 'display_name', v_content.author_display_name));
end;
$$;
comment on function public.toggle_like is
  'Sets (liked given) or toggles (liked null) a user''s like in one transaction with its event. wake_after_ms: send a wake-up for the drain, to arrive then.';
revoke execute on function public.toggle_like(uuid, text, uuid, boolean, bigint) from public, anon, authenticated, service_role;
grant execute on function public.toggle_like(uuid, text, uuid, boolean, bigint) to service_role;

revoke execute on all functions in schema likes from public;
