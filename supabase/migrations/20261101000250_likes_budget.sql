-- The message budget: what may be sent and when, how long likes are gathered for one event, and the one sender.

create function likes.budget_tokens(budget likes.budget, settings likes.settings, moment timestamptz) returns double precision
language plpgsql immutable set search_path = '' as $$
begin
  return least(
    settings.budget_capacity,
    (budget).tokens + greatest(0, extract(epoch from moment - (budget).refilled_at)) * settings.budget_refill);
end;
$$;

create function likes.note_usage(
  moment timestamptz, messages integer default 0, likes integer default 0, events integer default 0, notifications integer default 0,
  lag_ms integer default 0, drift bigint default 0
) returns void language plpgsql volatile set search_path = '' as $$
begin
  insert into likes.usage as u (used_at, messages, likes, events, notifications, lag_ms, drift)
  values (
    date_trunc('second', moment), note_usage.messages, note_usage.likes, note_usage.events, note_usage.notifications, note_usage.lag_ms,
    note_usage.drift)
  on conflict on constraint usage_pkey do update set
    messages = u.messages + excluded.messages, likes = u.likes + excluded.likes, events = u.events + excluded.events,
    notifications = u.notifications + excluded.notifications, lag_ms = greatest(u.lag_ms, excluded.lag_ms), drift = u.drift + excluded.drift;
end;
$$;

-- A settling is at it for some milliseconds, and a first like is worth these. Where likes come fast, nobody stands in line for it.
create function likes.await_budget(settings likes.settings) returns likes.budget
language plpgsql volatile set search_path = '' set lock_timeout = '40ms' as $$
declare
  v_budget likes.budget;
begin
  select b.* into v_budget from likes.budget b;
  if likes.current_rate(v_budget, likes.clock()) > settings.likes_per_second then
    return null;
  end if;
  select b.* into v_budget from likes.budget b for update;
  return v_budget;
exception when lock_not_available then
  return null;
end;
$$;

create function likes.try_budget(cost integer, settings likes.settings) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_budget likes.budget;
  v_now timestamptz;
  v_tokens double precision;
begin
  select b.* into v_budget from likes.budget b for update skip locked;
  if not found then
    v_budget := likes.await_budget(settings);
    if v_budget.only_row is null then
      return false;
    end if;
  end if;
  v_now := likes.clock();
  v_tokens := likes.budget_tokens(v_budget, settings, v_now);
  if v_tokens <= 0 then
    return false;
  end if;
  update likes.budget b set tokens = v_tokens - cost, refilled_at = v_now;
  perform likes.note_usage(v_now, messages => cost, events => 1);
  return true;
end;
$$;
comment on function likes.try_budget is 'Takes the messages of one send from the budget, unless it is empty or others are at it. Never waits for tokens.';

create function likes.current_rate(budget likes.budget, moment timestamptz) returns double precision
language plpgsql immutable set search_path = '' as $$
begin
  return case when isfinite((budget).rated_at)
    then (budget).likes_rate * exp(-greatest(0, extract(epoch from moment - (budget).rated_at)) / 10.0) else 0 end;
end;
$$;
comment on function likes.current_rate is 'Likes per second over the whole system, averaged over about 10 s.';

-- One event on hot content costs its viewers, and the author the event and a notification on a channel of one.
-- Whole seconds, since a wake-up is delayed by whole seconds: a window that ends between two would be settled late.
create function likes.window_of(viewers integer, settings likes.settings, likes_rate double precision) returns interval
language plpgsql immutable set search_path = '' as $$
begin
  return make_interval(secs => ceil(
    greatest(settings.window_ms / 1000.0, (1 + window_of.viewers + 4) / (settings.content_share * settings.budget_refill))
    * greatest(1.0, window_of.likes_rate / settings.likes_per_second)));
end;
$$;
comment on function likes.window_of is 'How long likes are gathered for one event: no content outspends its share of the budget.';

create type likes.event as (topic text, name text, payload jsonb);

create function likes.send_events(events likes.event[]) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_events likes.event[] := array(
    select row(e.topic, e.name, case when e.payload ? 'id' then e.payload
      else e.payload || jsonb_build_object('id', gen_random_uuid()) end)::likes.event
    from unnest(events) e);
begin
  perform realtime.send(e.payload, e.name, e.topic, true) from unnest(v_events) e;
  -- realtime.send swallows its errors (a missing partition, say), so see that the rows are there.
  return not exists (
    select from unnest(v_events) e where (e.topic, e.name, e.payload ->> 'id') not in (
      select m.topic, m.event, coalesce(m.payload ->> 'id', '') from realtime.messages m
      where m.inserted_at = localtimestamp and m.extension = 'broadcast' and m.private is true));
end;
$$;
comment on function likes.send_events is 'The one caller of realtime.send: sends with this transaction; false when a message could not be written.';

revoke execute on all functions in schema likes from public;
