/**
 * Owns when zod is loaded: with the first value that it is to check. Its hundred modules cost a command that checks nothing
 * a tenth of a second, and the mount thread 5 MB. Not for modules that check as soon as they are used.
 */
import { createRequire, registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

export type Zod = typeof import("zod").z;

/** Imports all of them; English is imported by itself. */
const LANGUAGES = "/zod/v4/locales/index.js";

let loaded: Zod | undefined;

/** A shape that is made when it is asked for. */
export function lazily<Shape>(make: (z: Zod) => Shape): () => Shape {
  let shape: Shape | undefined;
  return () => {
    shape ??= make(load());
    return shape;
  };
}

/** The very module that `import "zod"` gives, without waiting, and without its messages in fifty languages: they are 7 MB. */
function load(): Zod {
  if (loaded !== undefined) return loaded;
  const hooks = registerHooks({
    load: (url, context, next) =>
      url.endsWith(LANGUAGES) ? { format: "module", source: "", shortCircuit: true } : next(url, context),
  });
  try {
    loaded = createRequire(import.meta.url)(fileURLToPath(import.meta.resolve("zod"))).z as Zod;
  } finally {
    hooks.deregister();
  }
  return loaded;
}
