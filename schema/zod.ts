/**
 * Owns when zod is loaded: with the first value that it is to check. Its hundred modules cost a command that checks nothing
 * a tenth of a second, and the mount thread 5 MB. Not for modules that check as soon as they are used.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

type Zod = typeof import("zod").z;

let loaded: Zod | undefined;

/** A shape that is made when it is asked for. */
export function lazily<Shape>(make: (z: Zod) => Shape): () => Shape {
  let shape: Shape | undefined;
  return () => {
    shape ??= make(load());
    return shape;
  };
}

/** The very module that `import "zod"` gives, without waiting. */
function load(): Zod {
  loaded ??= createRequire(import.meta.url)(fileURLToPath(import.meta.resolve("zod"))).z as Zod;
  return loaded;
}
