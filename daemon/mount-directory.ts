/** Owns the directory that a daemon mounts on without being asked by anybody who could make it. */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { directoryRefused, makeDirectories } from "../lib/make-directories.ts";
import { clearStale } from "../mount/kernel/mounting.ts";

/** Makes it, with those above it, and takes a dead mount of the last time away, which is no directory that can be made or found. @throws as makeDirectories */
export async function makeMountDirectory(directory: string): Promise<void> {
  await make(dirname(directory));
  await clearStale(directory);
  await make(directory);
}

/** Not to be asked at once: what is below a network's file system may take long to answer. What does not answer is not asked again. */
async function make(directory: string): Promise<void> {
  try {
    if ((await stat(directory)).isDirectory()) return;
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    if (cause.code !== "ENOENT" && cause.code !== "ENOTDIR") throw directoryRefused(directory, cause);
  }
  makeDirectories(directory, 0o777);
}
