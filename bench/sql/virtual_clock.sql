-- The engine's clock, set by the simulation.
create table bench.clock (now timestamptz not null);
insert into bench.clock values ('2026-01-01 00:00:00Z');
create or replace function likes.clock() returns timestamptz language plpgsql volatile set search_path = '' as $$
begin
  return (select c.now from bench.clock c);
end;
$$;
