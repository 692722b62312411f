/** Owns which files are compressed already, by their names: deflating them again only takes time. Must never look at bytes. */

const SUFFIXES: ReadonlySet<string> = new Set(
  (
    "png jpg jpeg gif webp avif heic jxl ico mp4 m4v mov webm mkv avi mp3 m4a aac ogg oga ogv opus flac wma wmv " +
    "zip gz tgz bz2 xz zst 7z rar br jar epub docx pptx xlsx odt odp ods woff woff2"
  ).split(" "),
);

export function isCompressed(path: string): boolean {
  const dot = path.lastIndexOf(".");
  return dot !== -1 && SUFFIXES.has(path.slice(dot + 1).toLowerCase());
}
