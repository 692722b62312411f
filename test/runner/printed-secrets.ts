// Looks for the suite's secrets in whatever a file of tests or a step has printed, failed tests' messages too. Must never print
// one.

import { describeSecrets, findSecrets, withoutSecrets } from "../secrets.ts";
import type { Failure } from "./outcome.ts";

/** The failures, without secrets; and one more if there was any in what was printed, or in them. */
export function withSecretsFound(title: string, printed: string, failures: readonly Failure[]): Failure[] {
  const clean = failures.map(({ name, details }) => ({
    name: withoutSecrets(name),
    details: withoutSecrets(details),
  }));
  const said = failures.map(({ name, details }) => `${name}\n${details}`).join("\n");
  const places = [
    describeSecrets(`what ${title} printed`, findSecrets(printed)),
    describeSecrets(`the failures of ${title}`, findSecrets(said)),
  ].filter((each) => each !== "");
  return places.length === 0
    ? clean
    : [...clean, { name: "secrets are printed", details: places.join("\n") }];
}
