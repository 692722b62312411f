/** Owns a temporary store with one book and sessions on it, without any mount: for tests of the mount floor. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Library } from "../../lib/library.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { Deliveries } from "../../mount/deliveries.ts";
import type { Answer, Notification } from "../../mount/kernel-link.ts";
import { Session } from "../../mount/session.ts";
import { parseAgentName, parseBookId } from "../../schema/ids.ts";
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
  /** Another mount of the book; INIT is done. */
  mount(options?: { readonly readOnly?: boolean; readonly agent?: string }): TestMount;
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
  return {
    library,
    worktree,
    deliveries,
    faults,
    mount({ readOnly = false, agent = "test-agent" } = {}) {
      const [notifications, lateAnswers] = [[] as Notification[], [] as Answer[]];
      const session = new Session({
        worktree,
        agent: parseAgentName(agent),
        readOnly,
        control: { status: () => ({ book: "test-book" }), refusals: () => worktree.refusals.list() },
        owner: { uid: 0, gid: 0 },
        deliveries,
        link: {
          notify: (message) => notifications.push(message),
          answer: (answer) => lateAnswers.push(answer),
        },
        siblings,
        onFault: (error) => faults.push(error),
      });
      const client = new TestClient(session, notifications, lateAnswers);
      client.init();
      return client;
    },
  };
}
