-- What Supabase Auth keeps in a project's database beside its tables, which auth.mjs has made by now. Run as the superuser
-- supabase_admin at every start.
set client_min_messages = warning;

-- Columns of hosted auth.users that lite leaves out, so that one seed fits both: hosted sign-in looks for the all-zero instance.
alter table auth.users add column if not exists instance_id uuid;
alter table auth.users add column if not exists is_super_admin boolean;
grant all on all tables in schema auth to postgres;

-- PostgREST sets request.jwt.claims; request.jwt.claim.<name> is its older form, which tests and tools still set.
create or replace function auth.jwt() returns jsonb
language sql stable
set search_path = ''
return coalesce(
  nullif(current_setting('request.jwt.claim', true), ''),
  nullif(current_setting('request.jwt.claims', true), '')
)::jsonb;

create or replace function auth.uid() returns uuid
language sql stable
set search_path = ''
return coalesce(
  nullif(current_setting('request.jwt.claim.sub', true), ''),
  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
)::uuid;

create or replace function auth.role() returns text
language sql stable
set search_path = ''
return coalesce(
  nullif(current_setting('request.jwt.claim.role', true), ''),
  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
);

create or replace function auth.email() returns text
language sql stable
set search_path = ''
return coalesce(
  nullif(current_setting('request.jwt.claim.email', true), ''),
  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
);

comment on function auth.jwt is 'The claims of the request''s token, null outside of a request.';
comment on function auth.uid is 'The user of the request''s token, null for anonymous ones.';
comment on function auth.role is 'The role of the request''s token.';
comment on function auth.email is 'Deprecated by Supabase in favour of auth.jwt().';
