/**
 * Makes books of a given size for measuring: lessons of real sizes in real nesting. Bytes are the same in every run.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILES_PER_CHAPTER = 20;
const CHAPTERS_PER_PART = 8;

export interface BookShape {
  readonly files: number;
  /** Mean size; sizes go from a third of it to five thirds. */
  readonly meanBytes: number;
}

/** Writes `content/NN-Part/NN-Chapter/NN-lesson.md` and an empty `static/img` below `directory`. */
export function makeBook(directory: string, { files, meanBytes }: BookShape): void {
  mkdirSync(join(directory, "static", "img"), { recursive: true });
  const line =
    "Every save is checked against the journal, so that nobody overwrites what they have not seen.\n";
  const text = line.repeat(Math.ceil((meanBytes * 2) / line.length));
  let folder = "";
  for (let index = 0; index < files; index++) {
    const chapter = Math.floor(index / FILES_PER_CHAPTER);
    if (index % FILES_PER_CHAPTER === 0) {
      const part = Math.floor(chapter / CHAPTERS_PER_PART);
      folder = join(
        directory,
        "content",
        `${part % 100}`.padStart(2, "0").concat(`-Part-${part}`),
        `${chapter}`.padStart(2, "0").concat("-Chapter"),
      );
      mkdirSync(folder, { recursive: true });
    }
    const bytes = Math.floor(meanBytes / 3 + ((index * 7919) % 1000) * (meanBytes / 750));
    writeFileSync(join(folder, `${index}-lesson.md`), `# Lesson ${index}\n${text}`.slice(0, bytes));
  }
}
