/** Owns the names of the archives in `.pfs/`, and what README says of them. */
import type { ArchiveScope } from "../../schema/archive-scope.ts";
import { ArchiveFile } from "./archive-file.ts";
import type { ControlModule } from "./control-module.ts";

export const archiveFiles: readonly ControlModule[] = [
  moduleOf(
    "archive.zip",
    "all",
    "the files as they are here, as a ZIP archive: made when it is opened; for unzip, copy it first",
  ),
  moduleOf("archive-content.zip", "content", "those that are not below static/"),
  moduleOf("archive-assets.zip", "assets", "those that are"),
];

function moduleOf(name: string, scope: ArchiveScope, description: string): ControlModule {
  return { name, description, make: (source) => new ArchiveFile(source, scope) };
}
