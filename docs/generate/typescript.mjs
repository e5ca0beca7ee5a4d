// Writes client/src/core/types.gen.ts, the TypeScript types of everything on the wire, from docs/schemas/all.json.
// With --check it fails where the file differs.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const TARGET = "client/src/core/types.gen.ts";

const BANNER = `// Generated from the Python models by bin/generate: change those, not this file.
// The types of everything on the wire, keys as they are there.`;

async function generate() {
  const schema = JSON.parse(readFileSync(join(ROOT, "docs/schemas/all.json"), "utf8"));
  // Receivers must tolerate keys that they do not know, which needs no index signature in TypeScript.
  const options = { additionalProperties: false, bannerComment: BANNER, unreachableDefinitions: true, format: false };
  const types = await compile(schema, "Everything", options);
  const described = types
    .replace(/export interface Everything \{[^}]*\}\n/, "")
    .replace(/^ ?\* This interface was referenced by `Everything`'s JSON-Schema\n ?\* via the `definition` "\w+"\.\n/gm, "");
  return formatted(described).replaceAll("\n *\n */", "\n */");
}

function formatted(source) {
  const biome = join(ROOT, "node_modules/.bin/biome");
  const ran = spawnSync(biome, ["format", `--stdin-file-path=${TARGET}`], { cwd: ROOT, input: source, encoding: "utf8" });
  if (ran.status !== 0) throw new Error(`biome cannot format the types: ${ran.stderr}`);
  return ran.stdout;
}

const file = join(ROOT, TARGET);
const text = await generate();
const present = existsSync(file) ? readFileSync(file, "utf8") : "";
if (text !== present && process.argv.includes("--check")) {
  console.error(`${TARGET} does not fit the models: run bin/generate`);
  process.exitCode = 1;
} else if (text !== present) {
  writeFileSync(file, text);
}
