// Tests run on Node 20 and newer; files that need a document say so in their first line (`@vitest-environment happy-dom`).
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    // Two workers: the project's smallest machine has two cores, and more only fight each other.
    maxWorkers: 2,
    // For a machine that is busy with other things: no test waits for time to pass.
    testTimeout: 30_000,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text", "json-summary"],
      thresholds: { statements: 95, branches: 95, functions: 95, lines: 95 },
    },
  },
});
