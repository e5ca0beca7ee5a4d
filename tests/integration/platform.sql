-- What an application may rely on in a Supabase project, proved of the local one. Run by test_sql.py.
begin;
select plan(13);

select ok(not rolsuper, 'postgres is no superuser') from pg_roles where rolname = 'postgres';
select ok(rolbypassrls, 'service_role bypasses row level security') from pg_roles where rolname = 'service_role';
select ok(not rolbypassrls, 'authenticated does not') from pg_roles where rolname = 'authenticated';
select ok(not rolinherit, 'authenticator has no rights of its own') from pg_roles where rolname = 'authenticator';
select ok(pg_has_role('authenticator', 'anon', 'set'), 'authenticator may become anon');
select ok(not pg_has_role('authenticator', 'supabase_admin', 'set'), 'authenticator may not become the superuser');

create table public.probe (id int);
select table_privs_are(
  'public', 'probe', 'anon',
  array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'],
  'a new table is open to anon until it is closed'
);
select schema_privs_are('auth', 'postgres', array['USAGE'], 'postgres makes nothing in schema auth');
select schema_privs_are('extensions', 'anon', array['USAGE'], 'anon makes nothing in schema extensions');
select has_extension('extensions', 'pgcrypto', 'pgcrypto is where hosted Supabase has it');

select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-000000000001", "role": "authenticated"}', true);
select is(auth.uid(), '00000000-0000-4000-8000-000000000001', 'auth.uid() reads the claims');
select is(auth.role(), 'authenticated', 'auth.role() reads the claims');
select set_config('request.jwt.claim.sub', '00000000-0000-4000-8000-000000000002', true);
select is(auth.uid(), '00000000-0000-4000-8000-000000000002', 'auth.uid() reads the older form of the claims');

select * from finish();
rollback;
