-- In one snapshot, hence exact while likes go on. Of the contents that this run is about: what the counters hold must be the
-- noted likes, less those taken back since, plus those that only the engine has. Lost is what this run copied and nobody wished away.
with run as materialized (
  select distinct l.content_type, l.content_id from likes_backfill.likes l, likes_backfill.progress p
  where l.n > p.verified_to and l.n <= p.copied_to),
noted as (
  select n.content_type, n.content_id, count(*) as noted, count(*) filter (where l.liked is true) as liked,
    count(*) filter (
      where l.user_id is null and n.n > p.verified_to
        and exists (select from auth.users u where u.id = n.user_id)
        and exists (
          select from likes.likeable c where c.content_type = n.content_type and c.content_id = n.content_id)) as lost
  from likes_backfill.progress p
  join likes_backfill.likes n on n.n <= p.copied_to
  join run r on r.content_type = n.content_type and r.content_id = n.content_id
  left join likes.content_likes l
    on l.content_type = n.content_type and l.content_id = n.content_id and l.user_id = n.user_id
  group by n.content_type, n.content_id),
meanwhile as (
  select l.content_type, l.content_id, count(*) as likes
  from likes.content_likes l
  join run r on r.content_type = l.content_type and r.content_id = l.content_id
  where l.liked and not exists (
    select from likes_backfill.likes n, likes_backfill.progress p
    where n.content_type = l.content_type and n.content_id = l.content_id and n.user_id = l.user_id and n.n <= p.copied_to)
  group by l.content_type, l.content_id),
compared as (
  select n.content_type || ':' || n.content_id as content, n.noted, n.noted - n.liked as taken_back, coalesce(m.likes, 0) as given, n.lost,
    coalesce((
      select sum(c.likes) from likes.counters c where c.content_type = n.content_type and c.content_id = n.content_id), 0) as counted
  from noted n left join meanwhile m on m.content_type = n.content_type and m.content_id = n.content_id),
judged as (
  select c.*, abs(c.counted - (c.noted - c.taken_back + c.given)) as drift from compared c)
select
  count(*) as contents, coalesce(sum(noted), 0)::bigint as noted, coalesce(sum(taken_back), 0)::bigint as taken_back,
  coalesce(sum(given), 0)::bigint as given, coalesce(sum(counted), 0)::bigint as counted, coalesce(sum(lost), 0)::bigint as lost,
  coalesce(sum(drift), 0)::bigint as drift,
  coalesce((array_agg(content order by content) filter (where lost > 0 or drift > 0))[1:10], '{}') as wrong
from judged
