/**
 * Owns how what changes in the base shows in an overlay that is in use: at once, unless the overlay has something of its
 * own there. Must never write.
 */
import type { FileId } from "../../schema/ids.ts";
import type { Change } from "../node.ts";
import { trackedNode } from "./node-rows.ts";
import { attributesOf } from "./open-file.ts";
import type { Tree } from "./tree.ts";

type Listener = (change: Change, origin: object | undefined) => void;

/** Lets `overlay` and its `listeners` hear of what changes in `base`. Returns what ends that. */
export function followBase(overlay: Tree, base: Tree, listeners: ReadonlySet<Listener>): () => void {
  base.overlays.add(overlay);
  const stop = base.onChange((change, origin) => {
    if (change.type === "entry") followEntry(overlay, change);
    else if (overlay.journal.find(change.fileId) !== undefined) return;
    else followFile(overlay, change.fileId);
    for (const listener of listeners) listener(change, origin);
  });
  return () => {
    stop();
    base.overlays.delete(overlay);
  };
}

/** Whoever has the base's file open here and has written nothing sees the base's version. */
export function followFile(overlay: Tree, fileId: FileId): void {
  const file = overlay.openFiles.get(fileId);
  if (file === undefined || file.state !== "tracked" || file.dirty || file.refused !== undefined) return;
  const row = overlay.shared?.fileById(fileId);
  if (row === undefined) return;
  const attributes = attributesOf(trackedNode(row, overlay.store));
  if (row.sha256 === file.hash) file.attributes = attributes;
  else file.reload(row.sha256, row.size, attributes);
}

/** A file of the base that is open here may have another name now. */
function followEntry(overlay: Tree, { parent, name }: { parent: FileId; name: string }): void {
  for (const file of overlay.openFiles.values()) {
    if (file.parent !== parent || file.name !== name || file.state !== "tracked") continue;
    // One that is being made is where it was made, also if it takes over the identity of what was removed there.
    if (overlay.newborn(parent, name) === file) continue;
    const row = file.hash === null ? undefined : overlay.tracked(file.fileId);
    if (row === undefined) continue;
    const place = { parent: row.parent, name: row.path.slice(row.path.lastIndexOf("/") + 1) };
    // It shows no more: what is written into it is refused at the name that it had.
    if (overlay.lookup(place.parent, place.name)?.fileId !== file.fileId) continue;
    file.parent = place.parent;
    file.name = place.name;
  }
}
