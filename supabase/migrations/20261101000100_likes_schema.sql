-- The like engine's own tables, in schema `likes`. No API role reads or writes them: the functions in `public` do.
-- One lock order everywhere: rate limit, like, slots ascending, activity, budget, notification, host row.
-- Keys begin with the id of the content: it tells more apart than its type, so each step down an index compares once.

create schema likes;
comment on schema likes is 'Live likes: exact counts, windows under a message budget, notifications. Not exposed by the API.';
revoke all on schema likes from public;

create table likes.settings (
  only_row boolean not null default true,
  content_types text[] not null default '{post,video}',
  window_ms integer not null default 1000,
  messages_per_second integer not null default 100,
  max_connections integer not null default 200,
  content_share numeric not null default 0.5,
  likes_per_second integer not null default 100,
  grace_ms integer not null default 3000,
  max_slots integer not null default 32,
  rate_burst integer not null default 30,
  rate_per_minute integer not null default 60,
  intent_ahead_ms integer not null default 5000,
  heartbeat_ms integer not null default 12000,
  viewer_timeout_ms integer not null default 30000,
  viewer_names integer not null default 50,
  batch_names integer not null default 50,
  settle_rows integer not null default 2000,
  notification_open interval not null default '12 hours',
  notify_again_after interval not null default '24 hours',
  keep_unliked interval not null default '1 day',
  keep_notifications interval not null default '90 days',
  presence_enabled boolean not null default false,
  -- What follows from the above, worked out once instead of with each call; nought is for the constraints to refuse.
  grace interval not null generated always as (make_interval(secs => grace_ms / 1000.0)) stored,
  emission_interval interval not null generated always as (make_interval(secs => 60.0 / greatest(1, rate_per_minute))) stored,
  burst_tolerance interval not null generated always as ((rate_burst - 1) * make_interval(secs => 60.0 / greatest(1, rate_per_minute))) stored,
  -- In any 60 s at most capacity + 60 × refill + one overdraft is spent. With 0.9 of the plan as refill, 6 s of it as capacity,
  -- less what one send may overdraw (every viewer, the author and their notifications), that is the plan's limit.
  budget_refill double precision not null generated always as (0.9 * messages_per_second) stored,
  budget_capacity double precision not null generated always as (6.0 * messages_per_second - max_connections - 50) stored,
  constraint settings_pkey primary key (only_row),
  constraint settings_only_row check (only_row),
  constraint settings_window_at_least_a_second check (window_ms >= 1000),
  constraint settings_positive check (
    least(likes_per_second, grace_ms, max_slots, rate_burst, rate_per_minute, heartbeat_ms, viewer_timeout_ms, settle_rows) > 0
    and least(viewer_names, batch_names, intent_ahead_ms, max_connections) >= 0),
  constraint settings_share check (content_share > 0 and content_share <= 1),
  -- The bucket must hold more than the dearest single send.
  constraint settings_budget_carries_the_connections check (budget_capacity > 0)
);
comment on table likes.settings is 'One row; changes take effect with the next call, without a deployment.';
comment on column likes.settings.content_types is 'The content types that likes.likeable knows.';
comment on column likes.settings.window_ms is 'Milliseconds in which further likes of a content become one batch event, at least.';
comment on column likes.settings.messages_per_second is 'Realtime messages of your Supabase plan: 100 Free, 500 Pro, 2500 above.';
comment on column likes.settings.max_connections is 'Realtime connections of your plan: 200 Free, 500 Pro, 10000 above. Caps the viewers that heartbeats claim.';
comment on column likes.settings.content_share is 'Part of the message budget that one content may use up.';
comment on column likes.settings.likes_per_second is 'Likes per second over the whole system beyond which every window widens.';
comment on column likes.settings.grace_ms is 'Milliseconds after which an unsettled content counts as forgotten by the drain: the sweep and the heartbeats take over.';
comment on column likes.settings.max_slots is 'Counter rows of one content, at most.';
comment on column likes.settings.rate_burst is 'Like requests that a user may make at once.';
comment on column likes.settings.rate_per_minute is 'Like requests that a user may make per minute, sustained.';
comment on column likes.settings.intent_ahead_ms is 'Milliseconds that a client''s intent may be ahead of this clock.';
comment on column likes.settings.heartbeat_ms is 'Milliseconds between two heartbeats of a client.';
comment on column likes.settings.viewer_timeout_ms is 'Milliseconds of silence after which a viewer is no longer counted.';
comment on column likes.settings.viewer_names is 'Rooms with no more viewers than this name them.';
comment on column likes.settings.batch_names is 'Likers named in a batch event or a notification, at most.';
comment on column likes.settings.settle_rows is 'Changes of one content that one settling handles, at most; the rest is left to the next.';
comment on column likes.settings.notification_open is 'How long an unread notification grows before a new one is started.';
comment on column likes.settings.notify_again_after is 'How long a like taken back and given again tells nobody.';
comment on column likes.settings.keep_unliked is 'How long a like taken back is remembered; longer than any client keeps its outbox.';
comment on column likes.settings.keep_notifications is 'How long read notifications are kept.';
comment on column likes.settings.presence_enabled is 'Whether clients may use Supabase Presence on content channels (its messages eat the budget).';
comment on column likes.settings.grace is 'Derived from grace_ms.';
comment on column likes.settings.emission_interval is 'Derived from rate_per_minute (GCRA): the time that one like request takes up.';
comment on column likes.settings.burst_tolerance is 'Derived from rate_burst (GCRA): how far a user may be ahead of that.';
comment on column likes.settings.budget_refill is 'Derived from messages_per_second: messages that the budget gains per second.';
comment on column likes.settings.budget_capacity is 'Derived from messages_per_second and max_connections: messages that the budget holds at most.';
insert into likes.settings default values;

create table likes.content_likes (
  content_type text not null,
  content_id uuid not null,
  user_id uuid not null,
  liked boolean not null,
  was_liked boolean not null default false,
  intent bigint not null,
  notification_id uuid,
  notified_at timestamptz,
  changed_at timestamptz not null,
  constraint content_likes_pkey primary key (content_id, content_type, user_id),
  constraint content_likes_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
) with (fillfactor = 45); -- settling writes each like once more, beside itself and larger: no index has a column that it changes
comment on table likes.content_likes is 'The wish of each user about each content: the truth that counters follow.';
comment on column likes.content_likes.was_liked is 'State before the last write: what that write changed is liked minus was_liked.';
comment on column likes.content_likes.intent is 'Milliseconds since the epoch of the wish; an older wish changes nothing.';
comment on column likes.content_likes.notification_id is 'The notification that tells of this like.';
comment on column likes.content_likes.notified_at is 'When the author was last told that this user likes it.';
create index content_likes_likers_idx on likes.content_likes (content_id, content_type, changed_at desc, user_id desc) where liked;
create index content_likes_user_idx on likes.content_likes (user_id, changed_at desc, content_id desc); -- of all rows: they go with the user
create index content_likes_unliked_idx on likes.content_likes (changed_at) where not liked;

create table likes.changes (
  content_type text not null,
  content_id uuid not null,
  user_id uuid not null,
  version bigint not null
);
comment on table likes.changes is 'Likes and unlikes that are not settled yet. Only added to and deleted from, so that a like never waits for a settling.';
comment on column likes.changes.version is 'What the answer to the like carried beside its total.';
create index changes_content_idx on likes.changes (content_id, content_type);

create table likes.counters (
  content_type text not null,
  content_id uuid not null,
  slot integer not null,
  likes bigint not null default 0,
  dirty boolean not null default true,
  constraint counters_pkey primary key (content_id, content_type, slot)
) with (fillfactor = 50);
comment on table likes.counters is 'The count of a content is the sum of its slots. A quiet content has one; a hot one as many as writers at once.';
comment on column likes.counters.dirty is 'Something of this slot is not yet announced, notified or copied to the host.';
create index counters_dirty_idx on likes.counters (content_type, content_id) where dirty;

create table likes.activity (
  content_type text not null,
  content_id uuid not null,
  announced_total bigint not null default 0,
  announced_version bigint not null default 0,
  event_version bigint not null default 0,
  announced_at timestamptz,
  window_ends_at timestamptz not null default '-infinity',
  settle_due_at timestamptz,
  unsettled_since timestamptz,
  retry_at timestamptz not null default '-infinity',
  failures integer not null default 0,
  last_error text,
  events bigint not null default 0,
  coalesced bigint not null default 0,
  last_like_at timestamptz,
  reconciled_at timestamptz not null default '-infinity',
  constraint activity_pkey primary key (content_id, content_type)
) with (fillfactor = 70);
comment on table likes.activity is 'What was announced of a content, its window, and when it is settled.';
comment on column likes.activity.announced_version is 'Version of announced_total: reads and heartbeats answer with this pair.';
comment on column likes.activity.event_version is 'Version of the last event, which a live client must have got.';
comment on column likes.activity.window_ends_at is 'Until then likes are gathered for one batch event.';
comment on column likes.activity.settle_due_at is 'When its wake-up arrives; null when nothing is due.';
comment on column likes.activity.unsettled_since is 'Since when something waits to be settled.';
comment on column likes.activity.retry_at is 'Not settled before, since it failed `failures` times in a row.';
comment on column likes.activity.coalesced is 'Likes and unlikes that had no event of their own.';

create index activity_reconciled_at_idx on likes.activity (reconciled_at);

-- Order of announcements. Taken by writers alone; cache 1, so that it follows the order of calls.
create sequence likes.versions as bigint cache 1;

create table likes.budget (
  only_row boolean not null default true,
  tokens double precision not null default 0,
  refilled_at timestamptz not null default '-infinity',
  likes_rate double precision not null default 0,
  rated_at timestamptz not null default '-infinity',
  constraint budget_pkey primary key (only_row),
  constraint budget_only_row check (only_row)
) with (fillfactor = 20);
comment on table likes.budget is 'The one token bucket that every send draws on, and the load that widens windows.';
insert into likes.budget default values;

create table likes.usage (
  used_at timestamptz not null,
  messages integer not null default 0,
  likes integer not null default 0,
  events integer not null default 0,
  notifications integer not null default 0,
  lag_ms integer not null default 0,
  drift bigint not null default 0,
  constraint usage_pkey primary key (used_at)
) with (fillfactor = 50);
comment on table likes.usage is 'What was done in each second of the last day: the source of the 60 s average that Supabase looks at, and of schema monitoring.';
comment on column likes.usage.messages is 'Realtime messages: one per send and one per viewer.';
comment on column likes.usage.likes is 'Likes and unlikes settled.';
comment on column likes.usage.lag_ms is 'Longest time from a like to its settling.';
comment on column likes.usage.drift is 'Likes by which reconciling found counters wrong.';

create unlogged table likes.rate_limits (
  user_id uuid not null,
  allowed_at timestamptz not null,
  constraint rate_limits_pkey primary key (user_id)
) with (fillfactor = 50);
comment on table likes.rate_limits is 'GCRA: the theoretical arrival time of each user''s next request.';

create unlogged table likes.viewers (
  viewer_id uuid not null,
  user_id uuid,
  content_hashes bigint[] not null,
  connection text not null,
  seen_at timestamptz not null,
  constraint viewers_pkey primary key (viewer_id),
  constraint viewers_connection_known check (connection in ('live', 'polling'))
) with (fillfactor = 50);
comment on table likes.viewers is 'One row per open client: what is on its screen, as of its last heartbeat.';
create index viewers_content_hashes_idx on likes.viewers using gin (content_hashes) with (fastupdate = off);

create unlogged table likes.rooms (
  content_type text not null,
  content_id uuid not null,
  viewers integer not null default 0,
  counted_at timestamptz not null default '-infinity',
  good_until timestamptz not null default '-infinity',
  missed bigint not null default 0,
  constraint rooms_pkey primary key (content_id, content_type)
) with (fillfactor = 50);
comment on table likes.rooms is 'Viewers of each content, counted by the heartbeats.';
comment on column likes.rooms.viewers is 'No more than the plan has connections.';
comment on column likes.rooms.good_until is 'An older count stands for nobody.';
comment on column likes.rooms.missed is 'Events that a live client had not got by its next heartbeat.';

create unlogged table likes.last_seen (
  user_id uuid not null,
  seen_at timestamptz not null,
  constraint last_seen_pkey primary key (user_id)
) with (fillfactor = 50);

create table likes.notifications (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  content_type text not null,
  content_id uuid not null,
  liker_ids uuid[] not null default '{}',
  liker_count bigint not null default 0,
  total_likes bigint not null default 0,
  title_key text not null default 'title_liked',
  is_open boolean not null default true,
  read_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint notifications_pkey primary key (id),
  constraint notifications_open_is_unread check (not (is_open and read_at is not null))
);
-- No foreign key to the user: a cascade would take its locks out of order. They go with their content, or with prune_likes.
comment on table likes.notifications is 'What an author is told. One open notification per author and content grows.';
comment on column likes.notifications.liker_ids is 'The newest of the likers it tells of, newest first; liker_count counts all.';
create unique index notifications_open_key on likes.notifications (user_id, content_type, content_id) where is_open;
create index notifications_user_id_idx on likes.notifications (user_id, created_at desc, id desc);
create index notifications_unread_idx on likes.notifications (user_id) where read_at is null;
create index notifications_content_idx on likes.notifications (content_id, content_type);

create table likes.departures (
  content_type text not null,
  content_id uuid not null,
  notification_id uuid,
  user_id uuid
);
comment on table likes.departures is
  'What went without a call of the engine: a like with its user, which a notification tells of, or (user_id null) a whole content. Only added to, so that deleting waits for nobody; settling does the rest.';
create index departures_content_idx on likes.departures (content_id, content_type);

create table likes.texts (
  key text not null,
  text text not null,
  constraint texts_pkey primary key (key)
);
comment on table likes.texts is 'The words of notifications; {username}, {n} and {contentType} are filled in. Translate by updating the rows.';
insert into likes.texts (key, text) values
  ('title_liked', 'New Like!'),
  ('title_unliked', 'Like Removed'),
  ('message_one', '{username} liked your {contentType}'),
  ('message_two', '{username} and 1 other liked your {contentType}'),
  ('message_many', '{username} and {n} others liked your {contentType}'),
  ('post', 'post'),
  ('video', 'video');

create table likes.mutes (
  user_id uuid not null,
  content_type text not null,
  content_id uuid not null,
  created_at timestamptz not null default now(),
  constraint mutes_pkey primary key (user_id, content_type, content_id),
  constraint mutes_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table likes.mutes is 'Contents whose likes their author does not want to hear of.';

create table likes.preferences (
  user_id uuid not null,
  like_notifications boolean not null default true,
  constraint preferences_pkey primary key (user_id),
  constraint preferences_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);

alter table likes.settings enable row level security;
alter table likes.content_likes enable row level security;
alter table likes.changes enable row level security;
alter table likes.counters enable row level security;
alter table likes.activity enable row level security;
alter table likes.budget enable row level security;
alter table likes.usage enable row level security;
alter table likes.rate_limits enable row level security;
alter table likes.viewers enable row level security;
alter table likes.rooms enable row level security;
alter table likes.last_seen enable row level security;
alter table likes.notifications enable row level security;
alter table likes.departures enable row level security;
alter table likes.texts enable row level security;
alter table likes.mutes enable row level security;
alter table likes.preferences enable row level security;
