/**
 * Owns `.pfs/plan/`: for each manifest hash, what has changed since the book had it; `all` for whoever has nothing yet. Only
 * `all` is listed, as every state that was ever shown has a plan.
 */
import { ANY_MANIFEST_HASH, findManifestHash, type Manifest } from "../../lib/manifest.ts";
import { makePlan, type PlannedFile, type PlanTarget, planPages, planText } from "../../lib/plan.ts";
import type { Store } from "../../lib/store.ts";
import { now } from "../../lib/time.ts";
import { answer } from "./answer.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlContent, ControlDirectory, ControlFile, ControlName } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { SnapshotContent } from "./generated-file.ts";
import { LineStream } from "./line-stream.ts";

const ALL = "all";
/** Up to so many pages are made at once, so that the size is known: the beginning, some hundreds of paths, the end. */
const MEASURED_PAGES = 4;
/** And so many for whoever opens it, some 2,000 paths: tar believes the size that an open file has. */
const OPENED_PAGES = 12;
const MAX_FILES = 16;

export const planDirectory: ControlModule = {
  name: "plan",
  description:
    "plan/<manifest hash>: which files have changed since the book had it, and what it is now; read it, build, and ask for\n" +
    "the plan of its manifest_hash next time. plan/all: every file, for a first build",
  make: (source) => new PlanDirectory(source),
};

class PlanDirectory implements ControlDirectory {
  readonly kind = "directory";
  readonly #source: ControlSource;
  readonly #madeAt = now();
  /** Those that were asked for lately, as they know their sizes. */
  readonly #files = new Map<PlanTarget, PlanFile>();

  constructor(source: ControlSource) {
    this.#source = source;
  }

  mtime() {
    return this.#madeAt;
  }

  /** @throws PfsError NOT_FOUND */
  find(name: string): ControlFile | undefined {
    if (name === ALL) return this.#file(ALL);
    // What programs look for everywhere is no question.
    if (name.startsWith(".")) return undefined;
    const { store, worktree } = this.#source;
    store.read();
    return this.#file(answer(() => findManifestHash(store.database, worktree.book.bookId, name)));
  }

  *list(after: number): Iterable<ControlName> {
    if (after < 1) yield { name: ALL, kind: "file", cookie: 1 };
  }

  #file(target: PlanTarget): PlanFile {
    let file = this.#files.get(target);
    if (file === undefined) {
      if (this.#files.size >= MAX_FILES) this.#files.clear();
      file = new PlanFile(this.#source, target);
      this.#files.set(target, file);
    }
    return file;
  }
}

/** What a plan leads to. */
type Now = Pick<Manifest, "hash" | "seq" | "since">;

class PlanFile implements ControlFile {
  readonly kind = "file";
  readonly #source: ControlSource;
  readonly #target: PlanTarget;
  /** How many bytes it has at a position; undefined when more than are made to know. */
  #measured: { readonly seq: number; readonly sizeBytes: number | undefined } | undefined;

  constructor(source: ControlSource, target: PlanTarget) {
    this.#source = source;
    this.#target = target;
  }

  look() {
    const { manifest } = this.#source;
    // What `all` lists does not depend on what the manifest is: `find` in the mount makes none.
    const { seq, since, hash } =
      this.#target === ALL ? { ...manifest.look(), hash: ANY_MANIFEST_HASH } : manifest.get();
    if (seq !== this.#measured?.seq) {
      this.#measured = { seq, sizeBytes: undefined };
      this.#stream({ hash, seq, since }).takeWhole(MEASURED_PAGES);
    }
    return { sizeBytes: this.#measured.sizeBytes, mtime: since };
  }

  open(): ControlContent {
    // Whoever reads a plan builds what it is for, and asks for what came after that.
    const manifest = this.#source.manifest.tell();
    const { counters } = this.#source.log;
    const stream = this.#stream(manifest, (files) => counters.planned(files));
    const whole = stream.takeWhole(OPENED_PAGES);
    return whole === undefined ? stream : new SnapshotContent(whole, stream.mtime);
  }

  /** `onMade` is told how many files it lists, when somebody has read to its end. */
  #stream({ hash: manifestHash, seq, since: mtime }: Now, onMade?: (files: number) => void): LineStream {
    const { store, worktree } = this.#source;
    store.read();
    const { plan, query } = makePlan(store.database, worktree.book.bookId, this.#target, {
      manifestHash,
      seq,
    });
    return new LineStream({
      mtime,
      sizeBytes: this.#measured?.seq === seq ? (this.#measured.sizeBytes ?? 0) : 0,
      pages: () => planText(plan, counted(readFirst(store, planPages(store.database, query)), onMade), "\n"),
      onEnd: (sizeBytes) => {
        this.#measured = { seq, sizeBytes };
      },
    });
  }
}

/** Tells how many files there were in the pages, after the last. */
function* counted(
  pages: Iterable<readonly PlannedFile[]>,
  onEnd?: (files: number) => void,
): Generator<readonly PlannedFile[], void> {
  let files = 0;
  for (const page of pages) {
    files += page.length;
    yield page;
  }
  onEnd?.(files);
}

/** Before each page the connection is made ready to read. */
function* readFirst<Page>(store: Store, pages: Iterator<Page>): Generator<Page, void> {
  for (;;) {
    store.read();
    const { done, value } = pages.next();
    if (done === true) return;
    yield value;
  }
}
