-- A backlog as a drain finds it after an absence: likes of an hour ago that were counted, and neither announced nor notified.
create schema if not exists bench;

-- Every second person is an author.
update public.posts p set user_id = u.id
from (select id, row_number() over (order by id) as n from public.posts) q
join (select id, row_number() over (order by id) as n, count(*) over () as people from public.users) u on u.n = 1 + (2 * q.n) % u.people
where q.id = p.id;

-- New likes of the first `contents` posts, `likes_each` of each, by people who have not liked them.
create procedure bench.fill(contents integer, likes_each integer) language plpgsql as $$
begin
  create temporary table added on commit drop as
    select p.id as content_id, u.id as user_id
    from (select id, row_number() over (order by id) as n from public.posts order by id limit contents) p
    cross join lateral (
      select u.id from (select id, row_number() over (order by id) as n from public.users) u
      where not exists (
        select from likes.content_likes l where l.content_type = 'post' and l.content_id = p.id and l.user_id = u.id)
      order by (u.n * 7919 + p.n * 104729) % 10007 limit likes_each) u;
  insert into likes.content_likes (content_type, content_id, user_id, liked, intent, changed_at)
    select 'post', a.content_id, a.user_id, true, 1, now() - interval '1 hour' from added a;
  insert into likes.changes (content_type, content_id, user_id, version)
    select 'post', a.content_id, a.user_id, nextval('likes.versions') from added a;
  insert into likes.counters as c (content_type, content_id, slot, likes)
    select 'post', a.content_id, 0, count(*) from added a group by a.content_id
    on conflict on constraint counters_pkey do update set likes = c.likes + excluded.likes, dirty = true;
  insert into likes.activity as a (content_type, content_id, settle_due_at, unsettled_since)
    select distinct 'post', a.content_id, now() - interval '1 hour', now() - interval '1 hour' from added a
    on conflict on constraint activity_pkey do update set
      settle_due_at = excluded.settle_due_at, unsettled_since = excluded.unsettled_since, window_ends_at = '-infinity';
end;
$$;
