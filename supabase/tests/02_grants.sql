-- Who may do what: every function of ours with the roles that may call it, and nothing besides.
begin;
select plan(11);

create temporary table may (name text, anon boolean, authenticated boolean, service_role boolean);
insert into may values
  ('public.toggle_like(uuid,text,uuid,boolean,bigint)', false, false, true),
  ('public.settle_likes(jsonb)', false, false, true),
  ('public.unsettled_likes(integer)', false, false, true),
  ('public.reconcile_like_counts(integer)', false, false, true),
  ('public.prune_likes()', false, false, true),
  ('public.like_metrics()', false, false, true),
  ('public.get_like_status(jsonb)', true, true, true),
  ('public.get_content_likers(text,uuid,text,integer)', true, true, true),
  ('public.get_content_author(text,uuid)', true, true, true),
  ('public.get_content_authors(jsonb)', true, true, true),
  ('public.sync_viewing(uuid,jsonb,text)', true, true, false),
  ('public.get_user_liked_content(text,text,integer)', false, true, false),
  ('public.get_notifications(text,integer)', false, true, false),
  ('public.mark_notifications_read(uuid[])', false, true, false),
  ('public.mute_content(text,uuid,boolean)', false, true, false),
  ('public.set_like_notifications(boolean)', false, true, false),
  ('public.get_last_seen(uuid[])', false, true, false),
  ('public.create_profile()', false, false, false),
  ('public.touch_updated_at()', false, false, false),
  ('public.can_see_author(uuid,uuid)', false, false, false),
  ('public.can_see(uuid)', true, true, false),
  ('likes.can_receive(text)', true, true, false),
  ('likes.can_be_present(text)', true, true, false);

select results_eq(
  $$select name, has_function_privilege('anon', name, 'execute') from may order by name$$,
  $$select name, anon from may order by name$$, 'anon may call what is for anybody');
select results_eq(
  $$select name, has_function_privilege('authenticated', name, 'execute') from may order by name$$,
  $$select name, authenticated from may order by name$$, 'users may call what is for users');
select results_eq(
  $$select name, has_function_privilege('service_role', name, 'execute') from may order by name$$,
  $$select name, service_role from may order by name$$, 'the functions may call what is for the functions');
select is_empty(
  $$select p.oid::regprocedure, r.rolname
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    cross join pg_roles r
    where n.nspname in ('likes', 'public', 'monitoring') and r.rolname in ('anon', 'authenticated', 'service_role')
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
      and has_schema_privilege(r.rolname, n.oid, 'usage') and has_function_privilege(r.rolname, p.oid, 'execute')
      and not exists (select from may m where m.name::regprocedure = p.oid)$$,
  'no API role may call anything else');
select is_empty(
  $$select c.oid::regclass, r.rolname, p.privilege
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    cross join (values ('anon'), ('authenticated'), ('service_role')) r (rolname)
    cross join (values ('select'), ('insert'), ('update'), ('delete'), ('truncate')) p (privilege)
    where n.nspname in ('likes', 'monitoring') and c.relkind in ('r', 'v', 'p') and has_table_privilege(r.rolname, c.oid, p.privilege)$$,
  'no API role touches a table or view of the engine');
select is_empty(
  $$select r.rolname from (values ('anon'), ('authenticated'), ('service_role')) r (rolname)
    where has_schema_privilege(r.rolname, 'monitoring', 'usage')$$,
  'monitoring is closed to API roles');
select ok(not has_schema_privilege('anon', 'likes', 'create'), 'nobody adds to the engine');

-- The counts of the host follow the likes: nobody sets them by hand, nobody reads addresses.
select ok(not has_column_privilege('authenticated', 'public.posts', 'likes_count', 'update'), 'a user cannot set the count of a post');
select ok(not has_column_privilege('authenticated', 'public.videos', 'likes_count', 'insert'), 'nor make a video that starts with likes');
select ok(not has_column_privilege('authenticated', 'public.users', 'email', 'select'), 'a user cannot read the address of another');

set local role authenticated;
select throws_ok('select count(*) from likes.content_likes', '42501', null, 'tried for real: a user cannot read likes');
reset role;

select * from finish();
rollback;
