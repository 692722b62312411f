/** Owns how a path is written in a command that somebody is to paste. Must never be used to run one. */

/** `text` as one word of a shell: as it is where that is safe, else in quotes. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
