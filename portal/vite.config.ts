import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin, type UserConfig } from "vite";

const OUT = new URL("../emulator/portal/static/", import.meta.url).pathname;
// The emulator that the development server passes requests on to.
const EMULATOR = process.env.EMULATOR_URL ?? "http://127.0.0.1:10010";
const SMALLEST_COMPRESSED_BYTES = 1024;

/** Compressed copies beside the built files, which the emulator chooses from by Accept-Encoding. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    apply: "build",
    async closeBundle() {
      const folder = join(OUT, "assets");
      for (const name of await readdir(folder)) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const path = join(folder, name);
        const bytes = await readFile(path);
        if (bytes.length < SMALLEST_COMPRESSED_BYTES) continue;
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
        await writeFile(`${path}.br`, brotliCompressSync(bytes, quality));
        await writeFile(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

export default defineConfig(({ command }) => ({
  // The built page refers to its files by relative addresses, since a proxy may serve it below any path.
  base: command === "build" ? "./" : "/portal/",
  plugins: [react(), precompressed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    // No data: URIs in scripts and styles, and one license file for all bundled packages.
    assetsInlineLimit: 0,
    license: { fileName: "licenses.md" },
    target: "es2022",
    // Browsers with light-dark(); for older ones it would be replaced by variables that nobody sets.
    cssTarget: ["chrome123", "edge123", "firefox120", "safari17.5"],
    // All styles at the start: a page whose script is requested again must not lack its styles.
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
  },
  server: {
    port: 5173,
    proxy: {
      "/customvision": EMULATOR,
      "/_emulator": EMULATOR,
      "/portal/session": EMULATOR,
      // Images, models and archives by signed URI.
      "^/(i-|m-|prjexp-|predictionimages/)": EMULATOR,
    },
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
}) as UserConfig);
