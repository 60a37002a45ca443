/** Undo and redo of changes that were made on the server. */
import { Problem } from "../api/errors";

export interface Change {
  /** What was done, in the past tense: "Tagged 3 images with 'cat'". */
  label: string;
  /** Make the change, again after an undo. */
  redo: () => Promise<void>;
  /** Rejects when something of the change is left; what was taken back until then is not taken back again. */
  undo: () => Promise<void>;
}

/** An undo that took back a part only: the change stays the last one, so that another undo takes back the rest. */
export class PartlyUndone extends Problem {
  /** `why`: one or two sentences on what stopped it. */
  constructor(done: number, all: number, why: string) {
    super(`${done.toLocaleString()} of ${all.toLocaleString()} images are undone. ${why} Undo again for the others.`);
    this.name = "PartlyUndone";
  }
}

/** What was done cannot be undone any more: the change is forgotten, so that those before it can be undone. */
export class GoneForGood extends Problem {
  override name = "GoneForGood";
}

const LONGEST = 200;

/**
 * The changes of one project, oldest first. One change runs at a time: what is asked for meanwhile waits, so that
 * changes reach the server in the order in which they were made.
 */
export class History {
  #done: Change[] = [];
  #undone: Change[] = [];
  #last: Promise<unknown> = Promise.resolve();

  get undoable(): Change | undefined {
    return this.#done.at(-1);
  }

  get redoable(): Change | undefined {
    return this.#undone.at(-1);
  }

  /** Make a change and remember it. Rejects as its `redo` does, and remembers nothing then. */
  run(change: Change): Promise<void> {
    return this.#inTurn(async () => {
      await change.redo();
      this.#done = [...this.#done, change].slice(-LONGEST);
      this.#undone = [];
    });
  }

  /** Undo the last change; resolves to it, or to undefined when there is none. */
  undo(): Promise<Change | undefined> {
    return this.#inTurn(async () => {
      const change = this.#done.at(-1);
      if (!change) return undefined;
      try {
        await change.undo();
      } catch (error) {
        if (error instanceof GoneForGood) this.#done = this.#done.slice(0, -1);
        throw error;
      }
      this.#done = this.#done.slice(0, -1);
      this.#undone = [...this.#undone, change];
      return change;
    });
  }

  redo(): Promise<Change | undefined> {
    return this.#inTurn(async () => {
      const change = this.#undone.at(-1);
      if (!change) return undefined;
      await change.redo();
      this.#undone = this.#undone.slice(0, -1);
      this.#done = [...this.#done, change];
      return change;
    });
  }

  #inTurn<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(step, step);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
