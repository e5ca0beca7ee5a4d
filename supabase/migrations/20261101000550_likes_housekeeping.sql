-- What keeps the engine in order: deleted content is forgotten, the sweep finds what no wake-up announced, reconciling compares
-- counters with likes, pruning deletes what is old.

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
    perform likes.must_send(
      array[row('user:' || v_gone.user_id, 'notification:removed', jsonb_build_object('id', v_gone.id))::likes.event]);
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
    select (
        select count(*) from likes.content_likes l
        where l.content_type = drift_of.content_type and l.content_id = drift_of.content_id and l.liked)
      - coalesce((
        select sum(c.likes) from likes.counters c where c.content_type = drift_of.content_type and c.content_id = drift_of.content_id), 0));
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

revoke execute on function public.unsettled_likes(integer) from public, anon, authenticated, service_role;
revoke execute on function public.reconcile_like_counts(integer) from public, anon, authenticated, service_role;
revoke execute on function public.prune_likes() from public, anon, authenticated, service_role;
grant execute on function public.unsettled_likes(integer) to service_role;
grant execute on function public.reconcile_like_counts(integer) to service_role;
grant execute on function public.prune_likes() to service_role;

revoke execute on all functions in schema likes from public;
