, staged as (
  insert into likes_backfill.likes (content_type, content_id, user_id, liked_at)
  select u.content_type, u.content_id, u.user_id, u.liked_at from usable u
  order by u.content_type, u.content_id, u.user_id
  on conflict on constraint likes_pkey do nothing returning n)
select
  (select count(*) from given) as given, (select count(*) from source) as distinct_likes, (select count(*) from usable) as usable,
  (select count(*) from staged) as new
