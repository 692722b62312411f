/** Owns a temporary store with one book and sessions on it, without any mount: for tests of the mount floor. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Errand } from "../../lib/errands.ts";
import { Library } from "../../lib/library.ts";
import { PastTrees } from "../../lib/past/past-trees.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import type { ControlSource } from "../../mount/control/control-source.ts";
import { Deliveries } from "../../mount/deliveries.ts";
import { ErrandDesk } from "../../mount/errand-desk.ts";
import type { Answer, Notification } from "../../mount/kernel-link.ts";
import { SeenCheck } from "../../mount/seen-check.ts";
import { Session } from "../../mount/session.ts";
import { parseAgentName, parseBookId, type Seq } from "../../schema/ids.ts";
import { DEFAULT_MODE, type MountMode } from "../../schema/mount-options.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import { KernelClient } from "./kernel-client.ts";

export interface TestMount extends KernelClient {
  /** What was to be told this mount's kernel. */
  readonly notifications: Notification[];
  /** Answers that were kept back and then sent. */
  readonly lateAnswers: Answer[];
}

class TestClient extends KernelClient implements TestMount {
  readonly notifications: Notification[];
  readonly lateAnswers: Answer[];

  constructor(session: Session, notifications: Notification[], lateAnswers: Answer[]) {
    super(session);
    this.notifications = notifications;
    this.lateAnswers = lateAnswers;
  }
}

export interface TestBook {
  readonly library: Library;
  readonly worktree: Worktree;
  readonly deliveries: Deliveries;
  readonly faults: unknown[];
  /** Where requests wait for errands, and those that were asked for: nobody does them by itself. */
  readonly desk: ErrandDesk;
  readonly errands: { readonly id: number; readonly errand: Errand }[];
  /** Lets every kernel have been told what it was to be told. */
  deliverAll(): void;
  /** Another mount of the book; INIT is done. */
  mount(
    options?: Partial<MountMode> & Pick<Partial<ControlSource>, "shownLayers"> & { readonly agent?: string },
  ): TestMount;
}

/** Runs `use` with an empty book that takes any names. */
export function withTestBook(use: (book: TestBook) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const library = Library.open(directory);
    try {
      const bookId = parseBookId("test-book");
      library.createBook(bookId, builtInProfile("any"));
      use(testBook(library, library.worktree(bookId)));
    } finally {
      library.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function testBook(library: Library, worktree: Worktree): TestBook {
  const [deliveries, siblings, faults] = [new Deliveries(), new Set<Session>(), [] as unknown[]];
  const seen = new SeenCheck(worktree);
  const pastTrees = new PastTrees({ store: library.store, blobs: library.blobs, book: worktree.book });
  const errands: { id: number; errand: Errand }[] = [];
  const desk = new ErrandDesk((id, errand) => errands.push({ id, errand }));
  const mounts: TestMount[] = [];
  return {
    library,
    worktree,
    deliveries,
    faults,
    desk,
    errands,
    deliverAll() {
      for (const { notifications } of mounts)
        for (const { ticket } of notifications.splice(0)) deliveries.delivered(ticket);
    },
    mount({ agent = "test-agent", shownLayers, ...mode } = {}) {
      const [notifications, lateAnswers] = [[] as Notification[], [] as Answer[]];
      const session = new Session({
        ...DEFAULT_MODE,
        ...mode,
        tree: worktree,
        agent: parseAgentName(agent),
        control: {
          base: undefined,
          position: undefined,
          past: (reference) => pastTrees.find(reference),
          layer: (user) => pastTrees.at(library.log.seq as Seq, user),
          store: library.store,
          worktree,
          manifest: library.manifest(worktree.book.bookId),
          log: library.log,
          logPages: library.logPages,
          shownLayers,
          signer: library.signer,
          process: () => ({}),
          mount: () => ({ agent }),
        },
        owner: { uid: 0, gid: 0 },
        deliveries,
        errands: desk,
        link: {
          notify: (message) => notifications.push(message),
          // The buffer is used again.
          answer: ({ buffer, length }) =>
            lateAnswers.push({ buffer: Buffer.from(buffer.subarray(0, length)), length }),
        },
        siblings,
        seen,
        onFault: (error) => faults.push(error),
      });
      const client = new TestClient(session, notifications, lateAnswers);
      client.init();
      mounts.push(client);
      return client;
    },
  };
}
