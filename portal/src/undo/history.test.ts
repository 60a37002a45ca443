import { describe, expect, it } from "vitest";
import { GoneForGood, History } from "./history";

function recorder() {
  const log: string[] = [];
  const change = (name: string) => ({
    label: name,
    redo: () => Promise.resolve(void log.push(`+${name}`)),
    undo: () => Promise.resolve(void log.push(`-${name}`)),
  });
  return { log, change };
}

describe("History", () => {
  it("undoes the last change first and redoes in order", async () => {
    const { log, change } = recorder();
    const history = new History();
    await history.run(change("a"));
    await history.run(change("b"));
    await history.undo();
    await history.undo();
    await history.redo();
    expect(log).toEqual(["+a", "+b", "-b", "-a", "+a"]);
    expect(history.undoable?.label).toBe("a");
    expect(history.redoable?.label).toBe("b");
  });

  it("forgets a change that can never be undone, so that those before it can", async () => {
    const { log, change } = recorder();
    const history = new History();
    await history.run(change("a"));
    await history.run({ ...change("b"), undo: () => Promise.reject(new GoneForGood("An hour has passed.")) });
    await expect(history.undo()).rejects.toThrow("An hour has passed.");
    expect(history.redoable).toBeUndefined();
    await history.undo();
    expect(log).toEqual(["+a", "+b", "-a"]);
  });

  it("forgets what was undone when something else is done", async () => {
    const { change } = recorder();
    const history = new History();
    await history.run(change("a"));
    await history.undo();
    await history.run(change("b"));
    expect(await history.redo()).toBeUndefined();
  });

  it("keeps the change when its undo fails", async () => {
    const history = new History();
    await history.run({ label: "a", redo: () => Promise.resolve(), undo: () => Promise.reject(new Error("no")) });
    await expect(history.undo()).rejects.toThrow("no");
    expect(history.undoable?.label).toBe("a");
  });

  it("runs changes one after another", async () => {
    const { log, change } = recorder();
    const history = new History();
    let release = () => {};
    const slow = { ...change("slow"), redo: () => new Promise<void>((done) => (release = done)).then(() => void log.push("+slow")) };
    const first = history.run(slow);
    const second = history.run(change("fast"));
    await Promise.resolve();
    release();
    await Promise.all([first, second]);
    expect(log).toEqual(["+slow", "+fast"]);
  });
});
