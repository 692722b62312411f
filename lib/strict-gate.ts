/** Owns which strict change is being made, and that it meets each transaction before that is committed. */
import type { Store } from "./store.ts";
import type { StrictChange } from "./strict-change.ts";

export class StrictGate {
  #change: StrictChange | undefined;

  /** To be made when whatever else adds rows to a transaction at its end has been. */
  constructor(store: Store) {
    store.beforeCommit(() => this.#change?.beforeCommit());
  }

  /** What is being made; undefined: what is done is not strict. */
  get change(): StrictChange | undefined {
    return this.#change;
  }

  /** Does something that stays only once the shared log has it. @throws Deferred, StrictRefusal, and what `action` throws */
  run<Result>(change: StrictChange, action: () => Result): Result {
    this.#change = change;
    try {
      return action();
    } finally {
      this.#change = undefined;
    }
  }
}
