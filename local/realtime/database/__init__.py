"""The project's database: committed messages come out of its write-ahead log, policies are asked, replays are read."""
