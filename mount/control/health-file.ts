/** Owns `.pfs/health.json`: whether all is well with the store, as far as that can be seen at once. */
import { checkHealth } from "../../lib/health.ts";
import type { ControlModule } from "./control-module.ts";
import { GeneratedFile, jsonText } from "./generated-file.ts";

export const healthFile: ControlModule = {
  name: "health.json",
  description:
    "whether all is well with the store: quick checks with pass or fail; `pfs verify` looks at everything",
  make: ({ store, log }) =>
    new GeneratedFile(() => {
      const checks = checkHealth(store, log);
      return jsonText({ pass: checks.every(({ pass }) => pass), checks });
    }),
};
