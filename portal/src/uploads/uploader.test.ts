import { beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "../api/errors";
import { upload, type Finding, type TaggedFile } from "./uploader";

const { POST } = vi.hoisted(() => ({ POST: vi.fn<() => Promise<{ data: unknown }>>() }));
vi.mock("../api/client", () => ({
  training: { POST },
  body: async (call: Promise<{ data: unknown }>) => (await call).data,
}));
vi.mock("../api/queries/images", () => ({ fetchImages: () => Promise.resolve([]) }));

const FULL = new ApiError(507, "", "");
const files: TaggedFile[] = Array.from({ length: 400 }, (_, index) => ({
  file: new Blob(["x"]),
  name: `${index}.png`,
  tags: [],
  tagIds: [],
  scale: false,
}));
let found: Finding[] = [];
let uploaded = 0;

const run = () =>
  upload("project", files, {
    signal: new AbortController().signal,
    isMulticlass: false,
    nameOfTag: () => "",
    onUploaded: (amount) => (uploaded += amount),
    onFindings: (more) => found.push(...more),
  });

beforeEach(() => {
  [found, uploaded] = [[], 0];
  POST.mockReset();
  POST.mockImplementation(() =>
    Promise.resolve({
      data: { images: Array.from({ length: 64 }, (_, index) => ({ status: "OK", image: { id: `${uploaded} ${index}`, created: "" } })) },
    }),
  );
});

it("lists each file that was not sent when it stops, to be tried again", async () => {
  let answer: (response: { data: unknown }) => void = () => undefined;
  POST.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve))).mockRejectedValueOnce(FULL);
  const upload = run();
  const rejected = expect(upload).rejects.toBe(FULL);
  await vi.waitFor(() => expect(found.length).toBeGreaterThan(0));
  // Another request is still under way when the upload has to stop.
  answer({ data: { images: Array.from({ length: 64 }, (_, index) => ({ status: "OK", image: { id: String(index) } })) } });
  await rejected;
  expect(uploaded + found.length).toBe(files.length);
  expect(new Set(found.map((each) => each.file.name)).size).toBe(found.length);
  expect(found.filter((each) => each.outcome === "refused")).toHaveLength(64);
  expect(found.every((each) => each.canRetry)).toBe(true);
});

it("does not offer to try again where the project is gone", async () => {
  POST.mockRejectedValue(new ApiError(404, "", ""));
  await expect(run()).rejects.toThrow();
  expect(found).toHaveLength(files.length);
  expect(found.some((each) => each.canRetry)).toBe(false);
});
