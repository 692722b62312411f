/** Owns the routes that write, delete and rename a book's files. */
import { parseTreePath } from "../../schema/paths.ts";
import type { Daemon } from "../daemon.ts";
import { findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import { writeStream } from "../write-stream.ts";
import { check, type Route } from "./route.ts";
import { bookId, deleteQuery, renamesBody, writeQuery } from "./shapes.ts";

export function fileRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "PUT",
      path: "/books/:book/files",
      takesBytes: true,
      summary:
        "Writes the body as the next version of ?path=…; &expect=HASH or absent, &user=…, &executable=1, &agent=…",
      async handle({ params, query, bytes }) {
        const asked = check(writeQuery, Object.fromEntries(query));
        const { path, expect, user, executable, agent, ...client } = asked;
        const own = currentActor(agent ?? findAgent(undefined));
        const { uid = own.uid, gid = own.gid, pid = own.pid, command = own.command } = client;
        const written = await writeStream(daemon.owner, {
          bookId: check(bookId, params.book),
          userId: user,
          path,
          expect,
          executable: executable === "1",
          actor: { agent: own.agent, uid, gid, pid, command },
          bytes,
        });
        // Whoever is answered may look at a mount at once.
        await daemon.mounts.told();
        return written;
      },
    },
    {
      method: "DELETE",
      path: "/books/:book/files",
      summary: "Deletes ?path=…&agent=…; a file that is not there is no failure.",
      handle({ params, query }) {
        const { path, agent } = check(deleteQuery, Object.fromEntries(query));
        return daemon.host.call("deleteFile", {
          bookId: check(bookId, params.book),
          path: parseTreePath(path),
          actor: currentActor(agent ?? findAgent(undefined)),
        });
      },
    },
    {
      method: "POST",
      path: "/books/:book/renames",
      summary:
        'Renames {"renames": [{"path", "to"}]} to names that are free; one line for each says what came of it.',
      async *handle({ params, body }) {
        const { renames, actor = currentActor(findAgent(undefined)) } = check(renamesBody, body);
        const renamed = await daemon.host.call("renamePaths", {
          bookId: check(bookId, params.book),
          renames,
          actor,
        });
        // Whoever is answered may look at a mount at once.
        await daemon.mounts.told();
        yield* renamed;
      },
    },
  ];
}
