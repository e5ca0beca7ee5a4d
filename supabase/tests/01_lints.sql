-- What Supabase's own advisors (splinter) look for, in what is ours.
begin;
select plan(14);

create temporary view ours as
  select p.oid, n.nspname, p.proname, p.prosecdef, p.proconfig, p.prosrc, p.prokind
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('likes', 'monitoring')
    or (n.nspname = 'public' and p.proname in (
      'toggle_like', 'settle_likes', 'unsettled_likes', 'reconcile_like_counts', 'prune_likes', 'like_metrics', 'get_like_status',
      'get_user_liked_content', 'get_content_likers', 'get_content_author', 'get_content_authors', 'sync_viewing', 'get_notifications',
      'mark_notifications_read', 'mute_content', 'set_like_notifications', 'get_last_seen', 'create_profile', 'touch_updated_at',
      'can_see_author', 'can_see'));

select cmp_ok((select count(*) from ours), '>', 60::bigint, 'the functions are found');
select is_empty(
  $$select nspname || '.' || proname from ours where not coalesce(proconfig @> array['search_path=""'], false)$$,
  'every function pins search_path to nothing');
select is_empty(
  $$select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('likes', 'public') and c.relkind in ('r', 'p') and not c.relrowsecurity$$,
  'every table has row level security');
select is_empty(
  $$select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('likes', 'monitoring') and c.relkind = 'v' and not coalesce(c.reloptions @> array['security_invoker=true'], false)$$,
  'every view asks with the rights of its reader');
select is_empty(
  $$select conrelid::regclass, conname from pg_constraint k
    where k.contype = 'f' and k.connamespace in ('likes'::regnamespace, 'public'::regnamespace)
      and not exists (
        select from pg_index i
        where i.indrelid = k.conrelid and i.indkey::int2[] @> k.conkey and i.indkey[0] = any (k.conkey) and i.indpred is null)$$,
  'every foreign key has an index of all rows: who deletes what it refers to finds them');
select is_empty(
  $$select indrelid::regclass, array_agg(indexrelid::regclass) from pg_index i join pg_class c on c.oid = i.indrelid
    where c.relnamespace in ('likes'::regnamespace, 'public'::regnamespace)
    group by indrelid, indkey::text, indclass::text, coalesce(indpred::text, ''), indoption::text having count(*) > 1$$,
  'no two indexes are the same');
select is_empty(
  $$select nspname || '.' || proname from ours
    where nspname = 'public' and obj_description(oid, 'pg_proc') is null and proname not in ('create_profile', 'touch_updated_at')$$,
  'every function of the API says what it does');

select is_empty(
  $$select tablename, policyname from pg_policies
    where schemaname in ('public', 'likes', 'realtime')
      and regexp_replace(coalesce(qual, '') || coalesce(with_check, ''), '\(\s*select\s+(auth|realtime)\.\w+\(\)', '', 'gi') ~ '(auth\.(uid|jwt|role)|realtime\.topic)\(\)'
      and policyname not like 'test_%' and policyname !~ '^messages_(select_likes|insert_likes_presence)$'$$,
  'policies ask who calls once per statement, not once per row');
select is_empty(
  $$select tablename, policyname from pg_policies
    where tablename = 'messages' and policyname like '%likes%' and coalesce(qual, '') || coalesce(with_check, '') !~* 'select likes\.can_(receive|be_present)\(realtime\.topic\(\)\)'$$,
  'those on messages ask the engine once per statement');
select is_empty(
  $$select tablename, r, cmd from pg_policies p cross join unnest(p.roles) r
    where schemaname in ('public', 'likes') group by 1, 2, 3 having count(*) > 1$$,
  'no two policies allow one role the same');
select is_empty(
  $$select policyname from pg_policies where schemaname in ('public', 'likes') and roles = '{public}'$$,
  'every policy names its roles');
select is_empty(
  $$select tablename, policyname from pg_policies
    where schemaname in ('public', 'likes', 'realtime') and coalesce(qual, '') || coalesce(with_check, '') ~ 'user_metadata'$$,
  'no policy trusts what users write about themselves');
select is_empty(
  $$select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('likes', 'monitoring', 'public') and (
      c.relkind in ('m', 'f') or (c.relkind in ('r', 'p') and not exists (
        select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p') and c.relname not in ('changes', 'departures')))$$,
  'no materialized view, no foreign table, and a primary key where rows are looked up one by one');
select is(
  (select array_agg(proname::text order by proname) from ours where prosecdef and nspname = 'likes'),
  array['can_be_present', 'can_receive', 'can_view', 'count_departed_like', 'note_deletion'],
  'no helper has more rights than its caller, but those with a reason');

select * from finish();
rollback;
