// Builds the package (dist/index.js with declarations) and the demo page (dist/page: one HTML, one CSS, one script).
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);
// Not all of dist: a stack that is running serves the page from it.
rmSync("dist/types", { recursive: true, force: true });
mkdirSync("dist/page", { recursive: true });

const common = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  sourcemap: true,
  legalComments: "none",
  logLevel: "warning",
};
await Promise.all([
  // The application brings supabase-js; valibot is a dependency that its bundler finds.
  build({ ...common, entryPoints: ["src/index.ts"], outfile: "dist/index.js", packages: "external" }),
  build({ ...common, entryPoints: ["page/main.ts"], outfile: "dist/page/app.js", minify: true }),
  build({ ...common, entryPoints: ["page/style.css"], outfile: "dist/page/style.css", minify: true, sourcemap: false }),
]);
copyFileSync("page/index.html", "dist/page/index.html");
const tsc = fileURLToPath(import.meta.resolve("typescript/package.json")).replace("package.json", "bin/tsc");
execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });
