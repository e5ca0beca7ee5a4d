-- What the backfill remembers. No role of the API gets to see a schema that nobody grants to it.
create schema if not exists likes_backfill;
comment on schema likes_backfill is 'What bin/backfill has taken over; bin/backfill --forget removes it.';

create table if not exists likes_backfill.likes (
  n bigint generated always as identity,
  content_type text not null,
  content_id uuid not null,
  user_id uuid not null,
  liked_at timestamptz not null,
  constraint likes_pkey primary key (content_type, content_id, user_id),
  constraint likes_n_key unique (n)
);
comment on table likes_backfill.likes is 'Likes of the source, each noted once; copying follows n.';
alter table likes_backfill.likes enable row level security;

create table if not exists likes_backfill.progress (
  only_row boolean not null default true,
  copied_to bigint not null default 0,
  verified_to bigint not null default 0,
  constraint progress_pkey primary key (only_row)
);
alter table likes_backfill.progress enable row level security;
insert into likes_backfill.progress default values on conflict on constraint progress_pkey do nothing;
