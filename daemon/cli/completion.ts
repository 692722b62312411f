/** `pfs completion`: makes a shell complete command lines of pfs; `pfs complete` is what that shell then asks. */
import { Argument, type Command } from "commander";
import { StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import type { ContextOf } from "./command.ts";
import { complete } from "./completion-words.ts";

/** What stands for names of files in the answer to a shell. */
const FILES = ":files";

const BASH = `_pfs() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      ${FILES}) compopt -o default ;;
      *=*) compopt -o nospace; COMPREPLY+=("\${line%%$'\\t'*}") ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(pfs complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _pfs pfs
`;

const ZSH = `#compdef pfs
_pfs() {
  local -a candidates
  local line word files=0
  for line in "\${(@f)$(pfs complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    word="\${line%%$'\\t'*}"
    case "$line" in
      '') ;;
      ${FILES}) files=1 ;;
      *) candidates+=("\${word//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  (( $#candidates )) && _describe 'pfs' candidates
  (( files )) && _files
}
compdef _pfs pfs
`;

const FISH = `function __pfs_complete
  set --local before (commandline -opc)
  for line in (pfs complete -- $before[2..-1] (commandline -ct) 2>/dev/null)
    if test "$line" = ${FILES}
      __fish_complete_path (commandline -ct)
    else
      echo -- $line
    end
  end
end
complete -c pfs -f -a '(__pfs_complete)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export function addCompletion(program: Command, contextOf: ContextOf): void {
  program
    .command("completion")
    .summary("make a shell complete command lines of pfs")
    .description("Prints what makes a shell complete commands, options and names of books.")
    .addArgument(new Argument("<shell>", "which one").choices(Object.keys(SCRIPTS)))
    .addHelpText(
      "after",
      "\nExamples:\n  pfs completion bash > ~/.local/share/bash-completion/completions/pfs\n  pfs completion zsh > ~/.zfunc/_pfs" +
        "\n  pfs completion fish > ~/.config/fish/completions/pfs.fish",
    )
    .action((shell: string) => void process.stdout.write(SCRIPTS[shell] ?? ""));
  program
    .command("complete", { hidden: true })
    .description("Says what may come next on a command line: a word, a tab and what it is, one a line.")
    .argument("[words...]", "after --: what was typed after pfs")
    .action((words: string[], _options: object, command: Command) => {
      const { candidates, takesFiles } = complete(program, words, () => booksOf(contextOf, command));
      const lines = candidates.map(({ word, about }) => `${word}\t${about}\n`);
      process.stdout.write(lines.join("") + (takesFiles ? `${FILES}\n` : ""));
    });
}

/** None where they cannot be read: a shell is no place to say why. */
function booksOf(contextOf: ContextOf, command: Command): string[] {
  try {
    const reader = StoreReader.open(contextOf(command).storeDirectory);
    try {
      return reader.listBooks().map(({ bookId }) => bookId);
    } finally {
      reader.close();
    }
  } catch (error) {
    if (error instanceof PfsError) return [];
    throw error;
  }
}
