-- One batch in one transaction: likes, counters and announced totals grow together, so that nothing drifts and nothing is left to
-- settle. No event, no notification: screens learn the new total by their next heartbeat.
-- Locks in the engine's one order: like, slots ascending, activity, host row.
create or replace function pg_temp.copy_likes(size integer, out seen integer, out copied integer)
language plpgsql set search_path = ''
-- Lookups by key, whatever the planner thinks of tables that were empty a minute ago.
-- A lock is given up before deadlock_timeout: it is we who give way, and no live like waits long or is ended.
set enable_hashjoin = off set enable_mergejoin = off set lock_timeout = '500ms' as $$
declare
  v_from bigint := (select p.copied_to from likes_backfill.progress p);
  v_to bigint;
  v_added jsonb;
begin
  -- A like that is there is a wish made since, even if it says that the like was taken back.
  with batch as materialized (
    select l.* from likes_backfill.likes l where l.n > v_from order by l.n limit size),
  inserted as (
    insert into likes.content_likes (content_type, content_id, user_id, liked, intent, changed_at)
    select b.content_type, b.content_id, b.user_id, true, likes.to_ms(b.liked_at), b.liked_at
    from batch b
    where exists (select from auth.users u where u.id = b.user_id)
      and exists (select from likes.likeable c where c.content_type = b.content_type and c.content_id = b.content_id)
    order by b.content_type, b.content_id, b.user_id
    on conflict on constraint content_likes_pkey do nothing
    returning content_type, content_id)
  select (select max(b.n) from batch b), (select count(*) from batch), (select count(*) from inserted), (
    select coalesce(jsonb_agg(to_jsonb(i)), '[]') from (
      select n.content_type, n.content_id, count(*) as likes from inserted n group by n.content_type, n.content_id) i)
  into v_to, seen, copied, v_added;

  insert into likes.counters (content_type, content_id, slot, likes, dirty)
  select i.content_type, i.content_id, 0, 0, false
  from jsonb_to_recordset(v_added) i (content_type text, content_id uuid)
  where not exists (select from likes.counters c where c.content_type = i.content_type and c.content_id = i.content_id)
  order by i.content_type, i.content_id
  on conflict on constraint counters_pkey do nothing;

  -- All slots, as settling does: whoever has counted with one of them is done, and its version is older than ours.
  select coalesce(jsonb_agg(to_jsonb(f)), '[]') into v_added from (
    select distinct on (s.content_type, s.content_id) s.content_type, s.content_id, s.slot, s.likes
    from (
      select c.content_type, c.content_id, c.slot, i.likes from likes.counters c
      join jsonb_to_recordset(v_added) i (content_type text, content_id uuid, likes bigint)
        on i.content_type = c.content_type and i.content_id = c.content_id
      order by c.content_type, c.content_id, c.slot for update of c) s
    order by s.content_type, s.content_id, s.slot) f;
  insert into likes.activity (content_type, content_id)
  select i.content_type, i.content_id from jsonb_to_recordset(v_added) i (content_type text, content_id uuid)
  order by i.content_type, i.content_id
  on conflict on constraint activity_pkey do nothing;
  perform from likes.activity a
  join jsonb_to_recordset(v_added) i (content_type text, content_id uuid)
    on i.content_type = a.content_type and i.content_id = a.content_id
  order by a.content_type, a.content_id for update of a;

  update likes.counters c set likes = c.likes + i.likes
  from jsonb_to_recordset(v_added) i (content_type text, content_id uuid, slot integer, likes bigint)
  where c.content_type = i.content_type and c.content_id = i.content_id and c.slot = i.slot;
  update likes.activity a set announced_total = a.announced_total + i.likes, announced_version = nextval('likes.versions')
  from jsonb_to_recordset(v_added) i (content_type text, content_id uuid, likes bigint)
  where a.content_type = i.content_type and a.content_id = i.content_id;
  perform pg_temp.copy_totals(v_added);
  update likes_backfill.progress set copied_to = coalesce(v_to, v_from);
end;
$$;

create or replace function pg_temp.copy_totals(contents jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_item record;
  v_total bigint;
begin
  for v_item in
    select i.* from jsonb_to_recordset(contents) i (content_type text, content_id uuid, slot integer)
    order by i.content_type, i.content_id
  loop
    v_total := greatest(0, (
      select sum(c.likes) from likes.counters c where c.content_type = v_item.content_type and c.content_id = v_item.content_id));
    if likes.copy_counts(v_item.content_type, array[v_item.content_id], array[v_total]) = '{}' then
      -- The host's row is busy, or gone: left to the sweep, which copies the total, or forgets the content.
      update likes.counters c set dirty = true
      where c.content_type = v_item.content_type and c.content_id = v_item.content_id and c.slot = v_item.slot;
      update likes.activity a set unsettled_since = coalesce(a.unsettled_since, likes.clock())
      where a.content_type = v_item.content_type and a.content_id = v_item.content_id;
    end if;
  end loop;
end;
$$;
