// Starts one of the project's entry modules: checks the Node that runs, then imports the module, whose import runs it.
// Owns the choice of the runtime and of source or build. Must never use syntax or modules that Node 12 lacks: an older
// Node has to get as far as the one sentence that says what is missing.
"use strict";

const childProcess = require("child_process");
const fs = require("fs");
const nodeModule = require("module");
const os = require("os");
const path = require("path");
const url = require("url");

const NEEDED = [22, 18];
const ROOT = path.resolve(__dirname, "..");
const CHECKOUT_NODE = path.join(ROOT, "node_modules", "node", "bin", "node");
const FORWARDED = ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR2"];
const FROM_TERMINAL = ["SIGINT", "SIGQUIT"];

/**
 * Runs an entry module. A checkout (it has the source) always runs the source, so that a stale build is never what is
 * tried out by accident; an installed package has the build only.
 * @param {{source: string, built: string}} entry both relative to the package's root
 */
function launch(entry) {
  const source = path.join(ROOT, entry.source);
  const inCheckout = fs.existsSync(source);
  if (isNewEnough(process.versions.node)) {
    // A command is short: a good part of it is compiling what was compiled the last time. Its threads and the daemon that
    // it starts are told by the environment; there it also saves the memory of the compiler for types.
    // In a directory of the user's own: what is in it is executed, so it must not be where others can write.
    nodeModule.enableCompileCache(
      path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "pfs", "node"),
    );
    process.env.NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE || nodeModule.getCompileCacheDir() || "";
    import(url.pathToFileURL(inCheckout ? source : path.join(ROOT, entry.built)).href);
  } else if (inCheckout && fs.existsSync(CHECKOUT_NODE)) {
    continueIn(CHECKOUT_NODE);
  } else {
    const remedy = inCheckout
      ? "run `npm ci` in " + ROOT + ", which brings one along."
      : "install a newer Node and put it first on the PATH.";
    process.stderr.write(
      "pfs needs Node " +
        NEEDED.join(".") +
        " or newer, this is Node " +
        process.versions.node +
        ": " +
        remedy +
        "\n",
    );
    process.exit(1);
  }
}

function isNewEnough(version) {
  const parts = version.split(".").map(Number);
  return parts[0] > NEEDED[0] || (parts[0] === NEEDED[0] && parts[1] >= NEEDED[1]);
}

/** Runs this same command line in another Node and ends as it ends: same exit code, or the same signal. */
function continueIn(node) {
  const child = childProcess.spawn(node, process.execArgv.concat(process.argv.slice(1)), {
    stdio: "inherit",
  });
  const forward = {};
  FORWARDED.forEach((signal) => {
    forward[signal] = () => {
      // The terminal has sent its Ctrl-C to the child, too; a second one could be taken for impatience.
      if (FROM_TERMINAL.indexOf(signal) < 0 || !isInTerminalForeground()) child.kill(signal);
    };
    process.on(signal, forward[signal]);
  });
  child.on("error", (error) => {
    process.stderr.write("pfs cannot run " + node + ": " + error.message + "; run `npm ci` again.\n");
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    FORWARDED.forEach((name) => {
      process.removeListener(name, forward[name]);
    });
    process.kill(process.pid, signal);
  });
}

/** Whether this process is in the foreground of its terminal: fields pgrp, tty_nr and tpgid of proc(5)'s stat. */
function isInTerminalForeground() {
  try {
    const stat = fs.readFileSync("/proc/self/stat", "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[4] !== "0" && fields[2] === fields[5];
  } catch (_error) {
    return false;
  }
}

exports.launch = launch;
