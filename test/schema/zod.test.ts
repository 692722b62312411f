// Where zod comes from: only when something is to be checked, and without what is never shown.

import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { test } from "node:test";
import { lazily } from "../../schema/zod.ts";

test("a shape loads zod when it is first asked for, English only, and says in English what is wrong", () => {
  const loaded: string[] = [];
  const hooks = registerHooks({
    load(url, context, next) {
      loaded.push(url);
      return next(url, context);
    },
  });
  try {
    const name = lazily((z) => z.strictObject({ name: z.string() }));
    assert.deepEqual(loaded, []);
    assert.equal(name().safeParse({ name: "a" }).success, true);
    const languages = loaded.flatMap((url) => /\/locales\/(.*)\.js$/.exec(url)?.[1] ?? []);
    assert.deepEqual(languages, ["en"]);
    const { error } = name().safeParse({ name: 1 });
    assert.equal(error?.issues[0]?.message, "Invalid input: expected string, received number");
    assert.equal(name(), name());
    const count = loaded.length;
    lazily((z) => z.number())();
    assert.equal(loaded.length, count);
  } finally {
    hooks.deregister();
  }
});
