import { expect, it, vi } from "vitest";
import { Store } from "./store";

it("calls its listeners at each change, until they end", () => {
  const store = new Store(1);
  const listener = vi.fn();
  const end = store.subscribe(listener);
  store.set(1);
  expect(listener).not.toHaveBeenCalled();
  store.set(2);
  expect([store.get(), listener.mock.calls.length]).toEqual([2, 1]);
  end();
  store.set(3);
  expect(listener).toHaveBeenCalledOnce();
});
