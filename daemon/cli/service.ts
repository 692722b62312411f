/** `pfs service`: makes the daemon a service of systemd, and undoes that. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Argument, type Command } from "commander";
import { installFiles, type ServiceFile, systemFiles, uninstallFiles, userFiles } from "../service-files.ts";
import type { ContextOf } from "./command.ts";
import type { Output } from "./output.ts";

interface ServiceOptions {
  readonly user?: boolean;
  readonly root?: string;
}

export function addService(program: Command, contextOf: ContextOf): void {
  program
    .command("service")
    .summary("make the daemon a service of systemd")
    .description(
      "Puts files in place, or takes just those away again; starts and stops nothing. As root: pfsd.service (as the user " +
        "pfs, with the store /var/lib/pfs), pfs-mounter.socket and pfs-mounter@.service (what mounts for it), and " +
        "pfs-mount@.service, all in /etc/systemd/system; /etc/sysusers.d/pfs.conf and /etc/tmpfiles.d/pfs.conf (the user and " +
        "/etc/pfs); and /sbin/mount.fuse.pfs and /sbin/mount.pfs, with which `mount -t fuse.pfs` and fstab work. With --user: " +
        "pfsd.service in ~/.config/systemd/user, of your own store. The store and /etc/pfs stay.",
    )
    .addArgument(new Argument("<action>", "what to do").choices(["install", "uninstall"]))
    .option("--user", "for this user alone")
    .option("--root <dir>", "below another root directory, as for a package; tells systemd nothing")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs service install && systemctl enable --now pfsd\n  pfs service install --user && systemctl --user enable --now pfsd" +
        "\n  systemctl disable --now pfsd && pfs service uninstall",
    )
    .action((action: "install" | "uninstall", options: ServiceOptions, command: Command) => {
      const { output } = contextOf(command);
      (action === "install" ? install : uninstall)(output, options);
    });
}

function install(output: Output, options: ServiceOptions): void {
  const files = filesOf(options);
  installFiles(files);
  for (const { path } of files) {
    output.put({ path, outcome: "installed" });
    output.say(`Put ${path} in place.`);
  }
  if (options.root !== undefined) return;
  if (options.user !== true) {
    run("systemd-sysusers");
    run("systemd-tmpfiles", "--create", "pfs.conf");
  }
  reload(options);
  const systemctl = options.user === true ? "systemctl --user" : "systemctl";
  output.say(`\`${systemctl} enable --now pfsd\` starts it, now and at each start.`);
}

function uninstall(output: Output, options: ServiceOptions): void {
  const removed = uninstallFiles(filesOf(options));
  for (const path of removed) {
    output.put({ path, outcome: "removed" });
    output.say(`Removed ${path}.`);
  }
  if (removed.length === 0) output.say("Nothing was in place.");
  else if (options.root === undefined) reload(options);
}

function filesOf({ user, root }: ServiceOptions): ServiceFile[] {
  if (user !== true) return systemFiles(root === undefined ? "" : resolve(root));
  return userFiles(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"));
}

/** Where systemd runs, it reads its units again. */
function reload({ user }: ServiceOptions): void {
  if (!existsSync("/run/systemd/system")) return;
  run("systemctl", ...(user === true ? ["--user"] : []), "daemon-reload");
}

/** What it has to say goes to standard error. A machine without it is none of systemd, or gets along otherwise. */
function run(program: string, ...args: string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: ["ignore", 2, 2] });
  if (error === undefined && status === 0) return;
  process.stderr.write(
    `pfs: \`${[program, ...args].join(" ")}\` has failed: ${error?.message ?? `exit code ${status}`}.\n`,
  );
}
