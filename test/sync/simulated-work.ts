// Does the steps of a simulation of sync on its machines, as programs and daemons would. Must never judge what comes of them.

import { hash } from "node:crypto";
import { mock } from "node:test";
import type { OpenFile } from "../../lib/worktree/open-file.ts";
import { PfsError, PosixError } from "../../schema/errors.ts";
import type { Seq } from "../../schema/ids.ts";
import { type BookFixture, EXCHANGE, layerOf, PLAIN_RENAME } from "../lib/book-fixture.ts";
import type { Machine } from "./machine.ts";
import { Cut } from "./memory-remote.ts";
import { type Command, LAYERS } from "./simulated-steps.ts";

const LINES = ["one", "", "two", "", "three", "", "four", ""];

/** What programs have open and have not saved, by machine. */
type Drafts = Map<Machine, OpenFile[]>;

/** Answers the hashes of all that was saved. @param machines of one remote */
export async function run(machines: readonly Machine[], commands: readonly Command[]): Promise<Set<string>> {
  const saved = new Set<string>();
  const drafts: Drafts = new Map(machines.map((machine) => [machine, []]));
  for (const each of commands) {
    const machine = machines[each.machine % machines.length] as Machine;
    mock.timers.setTime(Date.now() + each.passedMs);
    await attempt(() => act(machines, machine, each, { saved, drafts }));
  }
  for (const machine of machines)
    while (drafts.get(machine)?.length !== 0) await attempt(() => save(machine, { saved, drafts }));
  return saved;
}

/** What is refused is refused; but nothing may be damaged. */
async function attempt(action: () => Promise<void> | void): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof PosixError || error instanceof PfsError || error instanceof Cut)) throw error;
    if (error instanceof PfsError && error.code === "STORE_DAMAGED") throw error;
  }
}

/** The draft that waits longest. */
function save(machine: Machine, { saved, drafts }: Memory): void {
  const file = drafts.get(machine)?.shift();
  if (file === undefined) return;
  try {
    file.commit(machine.actor, { durable: false });
    if (file.state === "tracked" && file.hash !== null) saved.add(file.hash);
  } finally {
    file.release(machine.actor);
  }
}

/** Of one schedule. */
interface Memory {
  /** Hashes of what was saved. */
  readonly saved: Set<string>;
  readonly drafts: Drafts;
}

function isThere(layer: BookFixture, path: string): boolean {
  try {
    return layer.find(path) !== undefined;
  } catch {
    // No such directory.
    return false;
  }
}

/** @throws PosixError where a program would get one */
function requireFile(layer: BookFixture, path: string): void {
  if (!isThere(layer, path)) throw new PosixError("ENOENT");
}

function makeParents(layer: BookFixture, path: string): void {
  const directory = path.split("/").slice(0, -1).join("/");
  if (directory !== "") layer.makeDirectories(directory);
}

async function act(
  machines: readonly Machine[],
  machine: Machine,
  each: Command,
  memory: Memory,
): Promise<void> {
  const user = LAYERS[each.layer];
  const layer: BookFixture = user === undefined ? machine : layerOf(machine, user);
  const actor = { ...machine.actor, hidesBase: each.hidesBase };
  machine.pageRows = each.pageRows;
  const change = async (action: () => void): Promise<void> =>
    each.isStrict ? machine.strictly(action, layer.worktree) : action();
  switch (each.type) {
    case "edit": {
      makeParents(layer, each.path);
      if (layer.find(each.path) !== undefined) machine.fetchAll();
      const lines = layer.find(each.path) === undefined ? [...LINES] : layer.text(each.path).split("\n");
      lines[each.line] = `${each.text}`;
      const text = lines.join("\n");
      const isThere = layer.find(each.path) !== undefined;
      const file = isThere ? layer.open(each.path) : layer.create(each.path, machine.actor);
      try {
        if (isThere) file.truncate(0, machine.actor);
        file.write(0, Buffer.from(text), machine.actor);
        await change(() => file.commit(machine.actor, { durable: false }));
        memory.saved.add(hash("sha256", text));
      } finally {
        file.release(machine.actor);
      }
      return;
    }
    case "rename":
    case "exchange":
      // What others did may come in between: it is all done anew then.
      await change(() => {
        requireFile(layer, each.path);
        makeParents(layer, each.to);
        layer.rename(each.path, each.to, each.type === "rename" ? PLAIN_RENAME : EXCHANGE, actor);
      });
      return;
    case "remove":
      await change(() => {
        requireFile(layer, each.path);
        layer.unlink(each.path, actor);
      });
      return;
    case "chmod": {
      requireFile(layer, each.path);
      const { fileId, mode } = layer.node(each.path);
      await change(() => layer.worktree.setAttributes(fileId, { mode: mode ^ 0o111 }, machine.actor));
      return;
    }
    case "mkdir":
      layer.makeDirectories(each.path);
      return;
    case "rmdir":
      if (isThere(layer, each.path)) layer.removeDirectory(each.path, actor);
      return;
    case "symlink":
      makeParents(layer, each.path);
      layer.symlink("a.md", each.path, actor);
      return;
    case "draft": {
      makeParents(layer, each.path);
      if (isThere(layer, each.path)) machine.fetchAll();
      const file = isThere(layer, each.path) ? layer.open(each.path) : layer.create(each.path, machine.actor);
      memory.drafts.get(machine)?.push(file);
      file.write(0, Buffer.from(each.text), machine.actor);
      return;
    }
    case "save":
      save(machine, memory);
      return;
    case "resolve": {
      machine.fetchAll();
      const ids = [...layer.worktree.conflicts.ids(0)];
      const id = ids[each.which % ids.length];
      if (id === undefined) return;
      if (each.choice === "removed") layer.worktree.removeConflict(id, machine.actor);
      else layer.worktree.resolveConflict(id, each.choice, machine.actor);
      return;
    }
    case "publish":
    case "revert":
      machine.fetchAll();
      if (user === undefined) return;
      layer.worktree[each.type]([each.path], actor);
      return;
    case "restore": {
      machine.fetchAll();
      const seq = Math.max(0, machine.library.log.seq - each.back) as Seq;
      layer.worktree.restore(seq, [each.path], machine.actor);
      return;
    }
    case "settle":
      layer.settle();
      return;
    case "die":
      memory.drafts.set(machine, []);
      machine.crash();
      return;
    case "restart":
      while (memory.drafts.get(machine)?.length !== 0) await attempt(() => save(machine, memory));
      machine.reopen();
      return;
    case "cut":
    case "join":
      machine.isCutOff = each.type === "cut";
      return;
    case "pull":
      await machine.pullAll();
      return;
    case "push":
      await machine.pushAll();
      return;
    case "fault":
      machine.fault = each.fault;
      if (!each.isStrict) await machine.pushAll();
      return;
    case "race": {
      const other = machines[each.other % machines.length] as Machine;
      if (other !== machine) machine.race = () => race(other, each.path);
      if (each.path !== undefined && isThere(machine, each.path)) {
        machine.fetchAll();
        machine.write(each.path, `${machine.text(each.path)}?`, machine.actor);
      }
      if (!each.isStrict) await machine.pushAll();
    }
  }
}

/** Pushes; and with a path leaves there what was there before, which nobody could tell from its bytes. */
async function race(machine: Machine, path: string | undefined): Promise<void> {
  await machine.pushAll();
  if (path === undefined || !isThere(machine, path)) return;
  machine.fetchAll();
  const text = machine.text(path);
  for (const next of [`${text}!`, text]) machine.write(path, next, machine.actor);
  await machine.pushAll();
}
