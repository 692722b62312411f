/** `pfs audit-head`: the log's position, signed, for whoever wants to know later that nobody rewrote it. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { HeadSigner } from "../../lib/head-signer.ts";
import type { ContextOf } from "./command.ts";
import { unwritableFile } from "./target-file.ts";

interface AuditHeadOptions {
  readonly output?: string;
  readonly publicKey?: boolean;
}

export function addAuditHead(program: Command, contextOf: ContextOf): void {
  program
    .command("audit-head")
    .summary("the log's last row and its hash, signed")
    .description(
      "Prints the position of the log and the hash of its last row, signed with the store's own key (Ed25519), as JSON. " +
        "Keep it where whoever can write the store cannot: `pfs verify --head FILE` then proves that the log still extends it.",
    )
    .option("-o, --output <file>", "write it there")
    .option("--public-key", "print only the key that signatures are checked with (PEM)")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs audit-head -o /mnt/auditor/$(date +%F).json\n  pfs verify --head /mnt/auditor/2026-01-31.json",
    )
    .action(async ({ output, publicKey = false }: AuditHeadOptions, command: Command) => {
      const context = contextOf(command);
      const signer = new HeadSigner(context.storeDirectory);
      const head = await context.read((reader) => signer.sign(reader.head()));
      if (publicKey) context.output.put({ store_id: head.store_id, public_key: head.public_key });
      else context.output.put(head);
      const text = publicKey ? head.public_key : `${JSON.stringify(head, null, 2)}\n`;
      if (output !== undefined) writeTo(output, text);
      else if (!context.output.json) process.stdout.write(text);
    });
}

function writeTo(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw unwritableFile(path, error);
  }
}
