import { afterEach, describe, expect, it } from "vitest";
import { setConnection } from "../../api/connection";
import { ApiError, ConnectionLost } from "../../api/errors";
import { fromRegion, toRegion } from "./geometry";
import type { Image, LabelApi } from "./labelApi";
import type { LabelBox } from "./labels";
import { LabelStore } from "./LabelStore";

const IMAGE: Image = { id: "i", created: "", width: 640, height: 480, resizedImageUri: "", originalImageUri: "", thumbnailUri: "" };
type Region = NonNullable<Image["regions"]>[number];

/** A server of one image, with a log of what was asked and failures to come. */
class Server implements LabelApi {
  regions: Region[] = [];
  tags: string[] = [];
  known = new Set(["cat", "dog"]);
  exists = true;
  log: string[] = [];
  /** Failure of the next call of an operation; "after": it is thrown though the operation was done. */
  failures = new Map<string, { error: Error; after?: boolean }>();
  #number = 0;

  async #call<Result>(name: string, act: () => Result): Promise<Result> {
    await Promise.resolve();
    this.log.push(name);
    const failure = this.failures.get(name);
    this.failures.delete(name);
    if (failure && !failure.after) throw failure.error;
    const result = act();
    if (failure) throw failure.error;
    return result;
  }

  add(tagId: string, x: number): Region {
    this.#number += 1;
    const region = { regionId: `r${this.#number}`, tagId, tagName: tagId, created: "", ...toRegion({ x, y: 10, width: 20, height: 30 }, IMAGE) };
    this.regions.push(region);
    return region;
  }

  read() {
    return this.#call("read", () =>
      this.exists ? { ...IMAGE, regions: [...this.regions], tags: this.tags.map((tagId) => ({ tagId, tagName: tagId, created: "" })) } : undefined,
    );
  }
  createBoxes(image: Image, boxes: readonly (LabelBox & { tagId: string })[]) {
    return this.#call("create", () => {
      if (boxes.some((each) => !this.known.has(each.tagId))) throw new ApiError(404, "NotFoundTag", "Tag not found");
      return {
        exceeded: 0,
        created: boxes.map(({ key, tagId, box }) => {
          const region = { ...this.add(tagId, 0), ...toRegion(box, image) };
          this.regions = this.regions.map((each) => (each.regionId === region.regionId ? region : each));
          return { regionId: region.regionId, key, tagId, box };
        }),
      };
    });
  }
  deleteRegions(ids: readonly string[]) {
    return this.#call("delete", () => {
      this.regions = this.regions.filter((each) => !ids.includes(each.regionId));
    });
  }
  addTags(_: string, tagIds: readonly string[]) {
    return this.#call("tag", () => void this.tags.push(...tagIds));
  }
  removeTags(_: string, tagIds: readonly string[]) {
    return this.#call("untag", () => {
      this.tags = this.tags.filter((each) => !tagIds.includes(each));
    });
  }
  tagIds() {
    return this.#call("tags", () => this.known);
  }
  get lefts() {
    return this.regions.map((region) => Math.round(fromRegion(region, IMAGE).x)).toSorted((a, b) => a - b);
  }
}

const at = (x: number) => ({ x, y: 10, width: 20, height: 30 });

async function opened(server: Server, single = false) {
  const store = new LabelStore(server, { isDetection: server.tags.length === 0, single, retryMs: 1 });
  await store.open("i");
  const labels = () => store.get("i")?.steps.current ?? { boxes: [], tagIds: [] };
  const draw = (x: number, tagId: string | null = "cat") => {
    const key = store.newKey();
    store.change("i", { ...labels(), boxes: [...labels().boxes, { key, tagId, box: at(x) }] }, "Drew a box");
    return key;
  };
  const move = (key: string, x: number) =>
    store.change("i", { ...labels(), boxes: labels().boxes.map((each) => (each.key === key ? { ...each, box: at(x) } : each)) }, "Moved a box");
  return { store, labels, draw, move, state: () => store.get("i")?.state, notice: () => store.get("i")?.notice };
}

afterEach(() => setConnection("online"));

describe("saving", () => {
  it("stores a new box and is then saved", async () => {
    const server = new Server();
    const { store, draw, state } = await opened(server);
    draw(100);
    expect([state(), store.unsaved]).toEqual(["changed", 1]);
    await store.save("i");
    expect([state(), store.unsaved, server.lefts]).toEqual(["saved", 0, [100]]);
  });

  it("stores the new box before it deletes the one that it replaces", async () => {
    const server = new Server();
    const region = server.add("cat", 5);
    const { store, move } = await opened(server);
    move(region.regionId, 50);
    await store.save("i");
    expect(server.log).toEqual(["read", "read", "create", "delete"]);
    expect(server.lefts).toEqual([50]);
    move(region.regionId, 60);
    await store.save("i");
    expect(server.lefts).toEqual([60]);
  });

  it("loses nothing when the server goes away between the two", async () => {
    const server = new Server();
    const region = server.add("cat", 5);
    const { store, move, state } = await opened(server);
    move(region.regionId, 50);
    server.failures.set("delete", { error: new ConnectionLost() });
    setConnection("lost");
    const saving = store.save("i");
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(state()).toBe("waiting");
    expect(server.lefts).toEqual([5, 50]);
    setConnection("online");
    await saving;
    expect([server.lefts, state()]).toEqual([[50], "saved"]);
  });

  it("does not store a box twice whose response was lost", async () => {
    const server = new Server();
    const { store, draw } = await opened(server);
    draw(100);
    server.failures.set("create", { error: new ConnectionLost(), after: true });
    await store.save("i");
    expect(server.lefts).toEqual([100]);
    expect(server.log.filter((each) => each === "create")).toHaveLength(1);
  });

  it("tries again when the server is busy, and takes in what changed meanwhile", async () => {
    const server = new Server();
    const { store, draw } = await opened(server);
    draw(100);
    server.failures.set("create", { error: new ApiError(429, "", "", 0) });
    const saving = store.save("i");
    draw(200);
    await saving;
    expect(server.lefts).toEqual([100, 200]);
  });

  it("says why when it cannot be saved, and keeps the labels", async () => {
    const server = new Server();
    const { store, draw, state, notice, labels } = await opened(server);
    draw(100);
    server.failures.set("create", { error: new ApiError(507, "", "") });
    await expect(store.save("i")).rejects.toThrow();
    expect([state(), labels().boxes.length]).toEqual(["failed", 1]);
    expect(notice()).toContain("disk");
    await store.save("i");
    expect(server.lefts).toEqual([100]);
  });

  it("changes the tag of an image with one tag", async () => {
    const server = new Server();
    server.tags = ["cat"];
    const { store } = await opened(server, true);
    store.change("i", { boxes: [], tagIds: ["dog"] }, "Tagged");
    await store.save("i");
    expect([server.tags, server.log.slice(-2)]).toEqual([["dog"], ["untag", "tag"]]);
  });
});

describe("other windows", () => {
  it("keeps their boxes and says so", async () => {
    const server = new Server();
    const { store, draw, labels, notice } = await opened(server);
    draw(100);
    server.add("dog", 300);
    await store.save("i");
    expect(server.lefts).toEqual([100, 300]);
    expect(labels().boxes).toHaveLength(2);
    expect(notice()).toContain("1 box added");
    // Undo takes back the own box only.
    store.undo("i");
    await store.save("i");
    expect(server.lefts).toEqual([300]);
  });

  it("says that the image was deleted", async () => {
    const server = new Server();
    const { store, draw, state, notice } = await opened(server);
    draw(100);
    server.exists = false;
    await store.save("i");
    expect(state()).toBe("gone");
    expect(notice()).toContain("deleted in another window");
    expect(store.unsaved).toBe(0);
  });

  it("says that a tag was deleted, and saves the other boxes", async () => {
    const server = new Server();
    const { store, draw, labels, notice, state } = await opened(server);
    draw(100, "cat");
    draw(200, "dog");
    server.known.delete("dog");
    await store.save("i");
    expect(server.lefts).toEqual([100]);
    expect(labels().boxes.map((each) => each.tagId)).toEqual(["cat", null]);
    expect(notice()).toContain("One box has no tag");
    expect(state()).toBe("changed");
  });
});

describe("undo", () => {
  it("goes back step by step while the image is open", async () => {
    const server = new Server();
    const { store, draw, move } = await opened(server);
    const key = draw(100);
    move(key, 150);
    await store.save("i");
    expect(store.undo("i")).toBe("Moved a box");
    await store.save("i");
    expect(server.lefts).toEqual([100]);
    expect(store.redo("i")).toBe("Moved a box");
    await store.save("i");
    expect(server.lefts).toEqual([150]);
  });

  it("takes back the whole image after it was left, beside what came since", async () => {
    const server = new Server();
    const first = server.add("cat", 5);
    const { store, draw, move } = await opened(server);
    draw(100);
    move(first.regionId, 6);
    const change = store.leave("i");
    if (!change) throw new Error("nothing changed");
    await store.save("i");
    expect(store.undo("i")).toBeNull();
    server.add("dog", 300);
    await store.apply("i", change.after, change.before);
    expect(server.lefts).toEqual([5, 300]);
    await store.apply("i", change.before, change.after);
    expect(server.lefts).toEqual([6, 100, 300]);
    expect(store.leave("i")).toBeNull();
  });
});
