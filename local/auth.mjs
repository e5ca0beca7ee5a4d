// Supabase Auth for the local stack: the `/auth/v1` routes of @supabase/lite on our PostgreSQL, and nothing else of lite.
//
// Reads from the environment: AUTH_HOST, AUTH_PORT, AUTH_DB_URL (as supabase_auth_admin), AUTH_JWT_SECRET, AUTH_SITE_URL.
// `GET /auth/v1/health` answers as soon as the tables are there.
//
// lite's own start-up (`ensureSystemSchema`) is left out on purpose: it rewrites auth.uid() to read a setting that
// PostgREST no longer sets, and every policy that asks for the user would silently match nothing. Its tables are made
// here, the functions by local/sql/platform.sql.
import { serve } from "@hono/node-server";
import { App, getAuthSchemaSql, splitSqlStatements } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";

const required = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

const connection = createPostgresConnection({
  url: required("AUTH_DB_URL"),
  // A few connections are plenty on one machine and each costs memory; notices ("already exists, skipping") are noise.
  postgresOptions: { max: 4, idle_timeout: 60, onnotice: () => {} },
});

for (const statement of splitSqlStatements(getAuthSchemaSql())) {
  // The schema itself belongs to the roles' set-up: `create schema if not exists` asks for a right on the database.
  if (!/^\s*create\s+schema/i.test(statement)) await connection.exec(statement);
}

const app = new App({
  connection,
  auth: { enabled: true, jwt_secret: required("AUTH_JWT_SECRET"), site_url: required("AUTH_SITE_URL") },
  // The gateway has checked the key, as Kong does in front of GoTrue.
  options: { server: { apiKeys: false } },
});

const server = serve({
  fetch: (request) => app.fetch(request),
  hostname: required("AUTH_HOST"),
  port: Number(required("AUTH_PORT")),
});

const stop = () => {
  server.close(() => connection.close().then(() => process.exit(0)));
  server.closeIdleConnections();
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
