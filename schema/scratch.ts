/**
 * Owns which names are scratch (S1): what editors and tools leave beside a file while they save it. They are kept on
 * this machine and never journaled. Everything below a scratch directory is scratch too; the caller sees to that.
 * Must never look at anything but the name: a pattern belongs here only if its tool cannot be told apart otherwise,
 * and is kept narrow, because a lesson that is taken for scratch is not in the book.
 */
/** Names that are scratch by themselves. */
const names: ReadonlySet<string> = new Set([
  // vim tries whether it may create files in the directory (bufwrite.c). When 4913 exists it goes on in steps of 123;
  // those are left out: in a book full of numbered files they would be lost, and vim saves without the trial too.
  "4913",
  ".git",
  ".DS_Store",
  ".~tmp~", // rsync --delay-updates
]);

const patterns: readonly RegExp[] = [
  /^(?:\..*)?\.sw[a-px]$/, // vim and nano: .x.swp, .x.swo …, .swp of an unnamed buffer, .x.swx while it tries names
  /^.+~$/, // backups of vim, emacs, gedit; vim's undo file .x.un~
  /^\.#./, // emacs' lock, a symlink
  /^#.+#$/, // emacs' auto-save
  /^\.goutputstream-./, // GIO: gedit and everything of GNOME
  /^.+\.tmp$/, // x.tmp, steno's .x.tmp, LibreOffice's lu*.tmp
  /^.+\.tmp\../, // x.tmp.<pid>.<time> and its like
  /^.+\.tmp-[0-9a-zA-Z-]+$/, // npm atomically: x.tmp-<10 digits><hex>
  /^.+\.vsctmp$/, // VS Code's own settings
  /___jb_(?:tmp|old)___$/, // JetBrains' safe write
  /^\.~lock\..+#$/, // LibreOffice's lock
  /^~\$./, // Microsoft Office's lock
  /^\._./, // macOS' resource forks
  /^\.nfs[0-9a-f]{16,}$/, // an NFS client's unlinked open file
  /^\.fuse_hidden./, // libfuse's unlinked open file
  /^\..+\.kate-swp$/, // kate
  /^tmp[a-z0-9_]{8}$/, // Python's tempfile, and with it atomicwrites
  /^\.tmp[A-Za-z0-9_]{6,8}$/, // Rust's tempfile; Python's with the prefix .tmp
  /^\.tmp-./, // .tmp-<uuid> of hand-written atomic writers
  /^tmp[A-Za-z0-9]{6}$/, // emacs with file-precious-flag
  /^XX[A-Za-z0-9]{6}$/, // perl -i since 5.28: mkstemp("XXXXXXXX"), which replaces the last six
  // x.<digits> of npm write-file-atomic (a 32-bit hash) and of those that append their process id: only after an
  // extension, so that report.2024 and v1.2.3456 are ordinary. Shorter numbers (x.log.1, libx.so.6) are ordinary too.
  /^.+\.[A-Za-z][A-Za-z0-9]*\.[0-9]{4,}$/,
  /^\..+\.[A-Za-z]+[0-9]{5,}$/, // Go's renameio: .x.md<digits>
];

const sedTemporary = /^sed[A-Za-z0-9]{6}$/;
/** The English words of that form; a random name hits one of them once in 10^10 times. */
const sedWords: ReadonlySet<string> = new Set([
  "sedations",
  "sedatives",
  "sedentary",
  "sediments",
  "seditions",
  "seditious",
]);

const rsyncTemporary = /^\.(?<target>.+)\.(?<random>[A-Za-z0-9]{6})$/;
/** Six-letter endings that hidden configuration files have in the wild. */
const ordinaryEndings: ReadonlySet<string> = new Set(
  "backup bundle client config custom global ignore legacy locals master module plugin public remote sample schema server shared source stable static styles values".split(
    " ",
  ),
);

/** True when `name`, a single segment, is scratch whatever the book's profile says. */
export function isScratchName(name: string): boolean {
  return (
    names.has(name) ||
    isSedTemporary(name) ||
    isRsyncTemporary(name) ||
    isPatchTemporary(name) ||
    patterns.some((pattern) => pattern.test(name))
  );
}

function isSedTemporary(name: string): boolean {
  return sedTemporary.test(name) && !sedWords.has(name);
}

/**
 * rsync writes `.x.XXXXXX`, six of [A-Za-z0-9] (receiver.c, get_tmpname). A hidden name with an ordinary six-letter
 * ending looks the same: `.eslintrc.config`. Taken as rsync's are endings with a digit or an upper-case letter, and
 * all-lower-case ones (one random name in 185) only when x has an extension itself and the ending is no usual word.
 */
function isRsyncTemporary(name: string): boolean {
  const groups = rsyncTemporary.exec(name)?.groups;
  if (groups === undefined) return false;
  const random = groups.random!;
  if (/[A-Z0-9]/.test(random)) return true;
  return groups.target!.includes(".") && !ordinaryEndings.has(random);
}

const patchTemporary = /^.+\.[A-Za-z][A-Za-z0-9]*\.(?<ending>[ior][A-Za-z0-9]{6})$/;
/** Seven-letter endings that are more likely somebody's own copy. */
const copyEndings: ReadonlySet<string> = new Set([
  "initial",
  "include",
  "install",
  "outline",
  "rebuild",
  "release",
  "replace",
  "restore",
  "reverse",
  "revised",
  "rewrite",
]);

/** GNU patch writes x.oXXXXXX (output), x.iXXXXXX and x.rXXXXXX beside x (util.c, make_tempfile). */
function isPatchTemporary(name: string): boolean {
  const ending = patchTemporary.exec(name)?.groups?.ending;
  return ending !== undefined && !copyEndings.has(ending);
}

const leadingDecorations = [".~lock.", ".#", ".~", "._", "~$", ".", "_", "#", "~"] as const;
const trailingMarks = ".~#-_;";

/**
 * The sibling rule: a decoration of a valid name is scratch. Asked only after the profile has refused `name`.
 * True when taking away a leading `.`, `_`, `#`, `~`, `.#`, `.~`, `._`, `.~lock.` and/or an ending that begins with
 * one of `.~#-_;` leaves a name that `isValid` admits. Asks at most a few times per character of the name.
 */
export function isDecoration(name: string, isValid: (candidate: string) => boolean): boolean {
  if (hasValidStem(name, isValid)) return true;
  for (const decoration of leadingDecorations) {
    if (!name.startsWith(decoration)) continue;
    const rest = name.slice(decoration.length);
    if ((rest !== "" && isValid(rest)) || hasValidStem(rest, isValid)) return true;
  }
  return false;
}

function hasValidStem(name: string, isValid: (candidate: string) => boolean): boolean {
  for (let at = name.length - 1; at > 0; at--) {
    if (trailingMarks.includes(name[at]!) && isValid(name.slice(0, at))) return true;
  }
  return false;
}
