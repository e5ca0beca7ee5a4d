-- The likes of the source, each once and as old as its oldest row, but never younger than now: a later wish has to win.
with given as (
  select s.content_type::text as content_type, s.content_id::uuid as content_id, s.user_id::uuid as user_id,
    s.created_at::timestamptz as created_at
  from ({source}) s),
source as (
  select g.content_type, g.content_id, g.user_id, least(coalesce(min(g.created_at), 'epoch'), now()) as liked_at
  from given g group by g.content_type, g.content_id, g.user_id),
usable as (
  select s.* from source s
  where exists (select from auth.users u where u.id = s.user_id)
    and exists (select from likes.likeable c where c.content_type = s.content_type and c.content_id = s.content_id))
