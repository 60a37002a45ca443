import { describe, expect, it } from "vitest";
import { LANGUAGES, predictionUrl, snippet, type Target } from "./snippets";

const TARGET: Target = {
  endpoint: "http://127.0.0.1:10010",
  projectId: "3f9c1a52-0000-4000-8000-000000000001",
  publishName: "Iteration1",
  predictionKey: "key",
  isDetection: false,
  source: "file",
  stored: true,
};

describe("predictionUrl", () => {
  it.each([
    [{}, "classify/iterations/Iteration1/image"],
    [{ source: "url" }, "classify/iterations/Iteration1/url"],
    [{ isDetection: true, stored: false }, "detect/iterations/Iteration1/image/nostore"],
    [{ source: "url", stored: false }, "classify/iterations/Iteration1/url/nostore"],
    [{ publishName: 'it\'s a/"ü" $(x)' }, "classify/iterations/it%27s%20a%2F%22%C3%BC%22%20%24%28x%29/image"],
  ] as const)("with %o ends with %s", (change, end) => {
    expect(predictionUrl({ ...TARGET, ...change })).toBe(
      `http://127.0.0.1:10010/customvision/v3.1/prediction/${TARGET.projectId}/${end}`,
    );
  });
});

describe("snippet", () => {
  it("names the operation of the SDKs", () => {
    const target = { ...TARGET, isDetection: true, source: "url", stored: false } as const;
    expect(snippet("Python", target)).toContain("predictor.detect_image_url_with_no_store(");
    expect(snippet("JavaScript", target)).toContain(".detectImageUrlWithNoStore(");
    expect(snippet("C#", target)).toContain("predictor.DetectImageUrlWithNoStoreAsync(");
    expect(snippet("C#", TARGET)).toContain("predictor.ClassifyImageAsync(");
  });

  it.each(LANGUAGES)("keeps quotation marks within the literals of %s", (language) => {
    const text = snippet(language, { ...TARGET, publishName: 'a"b\\c' });
    expect(text).toContain(language === "curl" ? "a%22b%5Cc" : '"a\\"b\\\\c"');
  });
});
