"""The local stack's Realtime server: Supabase's Broadcast, Presence, Authorization and Replay on one machine."""
