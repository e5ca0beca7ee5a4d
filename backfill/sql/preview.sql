select
  (select count(*) from given) as given, (select count(*) from source) as distinct_likes, (select count(*) from usable) as usable,
  (select count(*) from usable u where not exists (
    select from likes.content_likes l
    where l.content_type = u.content_type and l.content_id = u.content_id and l.user_id = u.user_id)) as new
