/** Owns what kind of file a name says it is, for browsers. Must never look at the bytes. */
import mime from "mime";

const TEXT = /^text\/|[/+](?:json|xml)$|\/javascript$/;

/** Value of a Content-Type header; text is UTF-8, as in a book. */
export function contentTypeOf(name: string): string {
  const type = mime.getType(name) ?? "application/octet-stream";
  return TEXT.test(type) ? `${type}; charset=utf-8` : type;
}
