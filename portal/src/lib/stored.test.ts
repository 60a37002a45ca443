import { afterEach, expect, it, vi } from "vitest";

afterEach(() => {
  localStorage.clear();
  vi.resetModules();
});

it.each(["", "null", "[]", "3", "{", '{"changed":null,"singleKeys":null}', '{"changed":{"undo":5,"redo":[7]}}'])(
  "starts with the default keys where %j is stored",
  async (text) => {
    localStorage.setItem("custom-vision-keys", text);
    const { bindings, keysOf } = await import("../keyboard/bindings");
    expect(bindings()).toEqual({ changed: {}, singleKeys: true });
    expect(keysOf("undo")).toEqual(["$mod+z"]);
  },
);

it("keeps the keys that are stored as they should be", async () => {
  localStorage.setItem("custom-vision-keys", '{"changed":{"undo":["u"],"redo":null},"singleKeys":false}');
  const { bindings } = await import("../keyboard/bindings");
  expect(bindings()).toEqual({ changed: { undo: ["u"] }, singleKeys: false });
});

it.each(["null", '{"threshold":"x","drawMode":"fly","lastTags":null}', '{"threshold":null,"lastTags":{"p":3}}', '{"threshold":7}'])(
  "labels by default where %j is stored",
  async (text) => {
    localStorage.setItem("custom-vision-labeling", text);
    const { preferences } = await import("../pages/label/preferences");
    expect(preferences()).toMatchObject({ threshold: 0.4, drawMode: "drag", lastTags: {} });
  },
);
