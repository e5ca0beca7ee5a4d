-- What to look at in the Supabase dashboard (schema monitoring), and the same figures for the functions' metrics.

create schema monitoring;
comment on schema monitoring is 'Views on the like engine for the SQL editor and dashboards. Not exposed by the API.';
revoke all on schema monitoring from public;

create view monitoring.likes_per_minute with (security_invoker = true) as
  select date_trunc('minute', u.used_at) as minute, sum(u.likes) as likes, sum(u.events) as events, sum(u.notifications) as notifications,
    sum(u.messages) as messages, max(u.lag_ms) as longest_lag_ms
  from likes.usage u group by 1 order by 1 desc;
comment on view monitoring.likes_per_minute is 'Likes and unlikes settled in each minute of the last day, and what was sent for them.';

create view monitoring.top_content with (security_invoker = true) as
  select a.content_type, a.content_id, a.announced_total as likes, a.events, a.coalesced, a.last_like_at, coalesce(r.viewers, 0) as viewers
  from likes.activity a
  left join likes.rooms r on r.content_type = a.content_type and r.content_id = a.content_id and r.good_until > now()
  order by a.announced_total desc limit 100;
comment on view monitoring.top_content is 'The most liked contents.';

create view monitoring.active_rooms with (security_invoker = true) as
  select r.content_type, r.content_id, r.viewers, r.counted_at, r.missed, coalesce(a.events, 0) as events, a.last_like_at as last_activity_at
  from likes.rooms r left join likes.activity a on a.content_type = r.content_type and a.content_id = r.content_id
  where r.viewers > 0 and r.good_until > now() order by r.viewers desc;
comment on view monitoring.active_rooms is 'Contents that somebody is looking at.';

create view monitoring.notification_lag with (security_invoker = true) as
  -- In a busy window nothing is overdue before its end, hence settle_due_at.
  select a.content_type, a.content_id, greatest('0', now() - coalesce(a.unsettled_since, a.settle_due_at)) as waiting_for,
    a.failures, a.retry_at, a.last_error
  from likes.activity a
  where a.failures > 0 or exists (select from likes.changes c where c.content_type = a.content_type and c.content_id = a.content_id)
  order by 3 desc nulls last;
comment on view monitoring.notification_lag is 'Contents with likes whose author has not been told yet, longest waiting first, and why.';

create view monitoring.budget_use with (security_invoker = true) as
  select s.messages_per_second as budget_per_second, round(coalesce(sum(u.messages), 0) / 60.0, 1) as used_per_second,
    round(coalesce(sum(u.messages), 0) / 60.0 / s.messages_per_second, 3) as share
  from likes.settings s left join likes.usage u on u.used_at > now() - interval '60 seconds' group by s.messages_per_second;
comment on view monitoring.budget_use is 'Average of the last 60 s against the plan''s messages per second.';

create view monitoring.drift with (security_invoker = true) as
  select a.content_type, a.content_id, likes.drift_of(a.content_type, a.content_id) as drift, a.reconciled_at
  from likes.activity a where likes.drift_of(a.content_type, a.content_id) <> 0;
comment on view monitoring.drift is 'Contents whose counter differs from their likes: always empty. Counts every like, so not for a dashboard that refreshes by itself.';

create function public.like_metrics() returns jsonb
language sql stable security definer set search_path = '' as $$ -- definer: API roles have no access to the engine's tables
  select jsonb_build_object(
    'likes_per_minute', coalesce((select sum(u.likes) from likes.usage u where u.used_at > now() - interval '60 seconds'), 0),
    'events_per_minute', coalesce((select sum(u.events) from likes.usage u where u.used_at > now() - interval '60 seconds'), 0),
    'notifications_per_minute', coalesce((select sum(u.notifications) from likes.usage u where u.used_at > now() - interval '60 seconds'), 0),
    'longest_lag_ms', coalesce((select max(u.lag_ms) from likes.usage u where u.used_at > now() - interval '60 seconds'), 0),
    'drift', coalesce((select sum(u.drift) from likes.usage u where u.used_at > now() - interval '1 hour'), 0),
    'budget_share', (select b.share from monitoring.budget_use b),
    'unsettled', (select count(*) from (
      select c.content_type, c.content_id from likes.counters c where c.dirty union select e.content_type, e.content_id from likes.departures e) d),
    'failing', (select count(*) from likes.activity a where a.failures > 0),
    'oldest_unsettled_ms', coalesce((select max(extract(epoch from l.waiting_for) * 1000)::bigint from monitoring.notification_lag l), 0),
    'viewers_live', (select count(*) from likes.viewers v where v.connection = 'live' and v.seen_at > now() - interval '30 seconds'),
    'viewers_polling', (select count(*) from likes.viewers v where v.connection = 'polling' and v.seen_at > now() - interval '30 seconds'),
    'missed_events', (select coalesce(sum(r.missed), 0) from likes.rooms r))
$$;
comment on function public.like_metrics is 'The figures of schema monitoring in one flat object, for the functions'' metrics.';
revoke execute on function public.like_metrics() from public, anon, authenticated, service_role;
grant execute on function public.like_metrics() to service_role;

revoke execute on all functions in schema likes from public;
