/**
 * The mounter: what systemd runs as root for each connection to its socket, which is standard input. Does the one thing that the
 * daemon asks for and ends. Runs when it is imported.
 */
import { configPlace, readConfig } from "./config-file.ts";
import { admitMounting } from "./mounter-rules.ts";
import { answerConnection } from "./mounter-service.ts";

const CONNECTION = 0;

await answerConnection(CONNECTION, {
  admit: async (held, request, { uid }) => {
    // Who may have mounts made may have them taken away.
    if (request.operation === "unmount") return;
    const rules = {
      below: process.env.PFS_MOUNT_BELOW,
      config: () => readConfig(configPlace()),
    };
    await admitMounting(held, request, { uid, rules });
  },
  // To the journal: escaped, as names may hold anything.
  tell: (what) => void process.stderr.write(`${JSON.stringify(what).slice(1, -1)}\n`),
});
