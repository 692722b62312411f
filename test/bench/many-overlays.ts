/** Makes what a book has that many people read: thousands of overlays, of a file or two each. Needs the store for itself. */
import { Library } from "../../lib/library.ts";
import type { Actor } from "../../lib/node.ts";
import { parseAgentName, parseBookId, parseUserId } from "../../schema/ids.ts";

const agent = parseAgentName("bench");
const ACTOR: Actor = { agent, uid: 0, gid: 0, pid: 0, command: () => "bench", origin: undefined };

/** `count` users, each with a version of their own of one of the book's lessons and a file that the book does not have. */
export function makeOverlays(storeDirectory: string, book: string, count: number): void {
  const bookId = parseBookId(book);
  const library = Library.open(storeDirectory);
  try {
    const base = library.worktree(bookId);
    const lessons: { parent: Parameters<typeof base.lookup>[0]; name: string }[] = [];
    const visit = (directory: typeof base.rootId): void =>
      base.list(directory, 0, (name, node) => {
        if (node.hash === undefined) visit(node.fileId);
        else lessons.push({ parent: directory, name });
        return true;
      });
    visit(base.rootId);
    for (let index = 0; index < count; index++) {
      const overlay = library.worktree(bookId, parseUserId(`reader-${index}`));
      const { parent, name } = lessons[index % lessons.length] as (typeof lessons)[number];
      const lesson = overlay.lookup(parent, name);
      if (lesson === undefined) throw new Error(`${name} is not there`);
      for (const file of [
        overlay.open(lesson.fileId),
        overlay.create(parent, `own-${index}.md`, 0o100644, ACTOR),
      ]) {
        file.write(0, Buffer.from(`of reader ${index}`), ACTOR);
        file.commit(ACTOR, { durable: false });
        file.release(ACTOR);
      }
      library.closeOverlay(overlay);
    }
  } finally {
    library.close();
  }
}
