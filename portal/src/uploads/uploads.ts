/** The uploads of this window, which go on while pages change: a store that the shell shows. */
import { useSyncExternalStore } from "react";
import { persistently } from "../api/bulk/batches";
import { body, training } from "../api/client";
import { ApiError, inWords } from "../api/errors";
import { cacheKeys } from "../api/keys";
import type { Tag } from "../api/queries/tags";
import { queryClient } from "../app/queryClient";
import { announce } from "../components/announce";
import { count } from "../lib/format";
import { compareNames, folded } from "../lib/names";
import { Store } from "../lib/store";
import { notSent, upload, type Finding, type Outcome, type TaggedFile, type UploadFile } from "./uploader";

export interface Upload {
  id: number;
  projectId: string;
  total: number;
  uploaded: number;
  /** Files that were not simply uploaded. */
  findings: readonly Finding[];
  state: "running" | "done" | "cancelled" | "failed";
  /** Why nothing more was sent. */
  failure: string | null;
  cancel: () => void;
}

const REFRESH_MS = 1500;
const uploads = new Store<readonly Upload[]>([]);
let lastId = 0;

function update(id: number, values: (before: Upload) => Partial<Upload>): void {
  uploads.set(uploads.get().map((each) => (each.id === id ? { ...each, ...values(each) } : each)));
}

export function useUploads(): readonly Upload[] {
  return useSyncExternalStore(uploads.subscribe, uploads.get);
}

export function dismissUpload(id: number): void {
  uploads.set(uploads.get().filter((each) => each.id !== id));
}

/** The files of an upload that were not simply uploaded, in numbers. */
export function problemsOf({ findings }: Upload): string {
  const of = (outcome: Outcome) => findings.filter((finding) => finding.outcome === outcome).length;
  const [refused, unsent, duplicates] = [of("refused"), of("not sent"), of("duplicate")];
  return [
    refused && `${refused.toLocaleString()} refused`,
    unsent && `${unsent.toLocaleString()} not sent`,
    duplicates && count(duplicates, "duplicate"),
  ]
    .filter(Boolean)
    .join(", ");
}

/** Upload files; resolves when all were handled. Failures are in the upload. */
export async function startUpload(
  projectId: string,
  files: readonly UploadFile[],
  { isMulticlass, refused = [] }: { isMulticlass: boolean; refused?: readonly Finding[] },
): Promise<void> {
  await run(projectId, files, refused, isMulticlass);
}

/** Send the files of an upload again that failed for a passing reason. */
export async function retryUpload(each: Upload, isMulticlass: boolean): Promise<void> {
  const again = each.findings.filter((finding) => finding.canRetry).map((finding) => finding.file);
  dismissUpload(each.id);
  const rest = each.findings.filter((finding) => !finding.canRetry);
  await run(each.projectId, again, rest, isMulticlass);
}

async function run(
  projectId: string,
  files: readonly UploadFile[],
  findings: readonly Finding[],
  isMulticlass: boolean,
): Promise<void> {
  const total = files.length + findings.length;
  const controller = new AbortController();
  const id = ++lastId;
  uploads.set([
    ...uploads.get(),
    { id, projectId, total, uploaded: 0, findings, state: "running", failure: null, cancel: () => controller.abort() },
  ]);
  const leaving = (event: BeforeUnloadEvent) => event.preventDefault();
  window.addEventListener("beforeunload", leaving);
  const refresh = throttled(() => void queryClient.invalidateQueries({ queryKey: cacheKeys.project(projectId) }), REFRESH_MS);
  try {
    const tagged = await withTags(projectId, files, controller.signal).catch((error: unknown) => {
      if (!controller.signal.aborted) update(id, (before) => ({ findings: [...before.findings, ...notSent(files, error)] }));
      throw error;
    });
    const tags = queryClient.getQueryData<Tag[]>(cacheKeys.tags(projectId)) ?? [];
    const names = new Map(tags.map((tag) => [tag.id, tag.name]));
    await upload(projectId, tagged, {
      signal: controller.signal,
      isMulticlass,
      nameOfTag: (tagId) => names.get(tagId) ?? "",
      onUploaded: (amount) => {
        update(id, (before) => ({ uploaded: before.uploaded + amount }));
        refresh();
      },
      onFindings: (more) => update(id, (before) => ({ findings: [...before.findings, ...more] })),
    });
    update(id, () => ({ state: "done" }));
  } catch (error) {
    if (controller.signal.aborted) update(id, () => ({ state: "cancelled" }));
    else {
      const isGone = error instanceof ApiError && error.status === 404;
      update(id, () => ({ state: "failed", failure: isGone ? "The project does not exist any more." : inWords(error) }));
    }
  } finally {
    window.removeEventListener("beforeunload", leaving);
    const ended = uploads.get().find((each) => each.id === id);
    if (ended) announce(`${count(ended.uploaded, "image")} uploaded`);
    await queryClient.invalidateQueries({ queryKey: cacheKeys.project(projectId) });
    await queryClient.invalidateQueries({ queryKey: cacheKeys.projects });
  }
}

async function withTags(projectId: string, files: readonly UploadFile[], signal: AbortSignal): Promise<TaggedFile[]> {
  const known = await tagsByName(projectId, files.flatMap((file) => file.tags), signal);
  return files.map((file) => ({
    ...file,
    tagIds: [...new Set(file.tags.map((name) => known.get(folded(name))?.id).filter((id) => id !== undefined))],
  }));
}

/** The tags of these names, created where they do not exist; by their folded names. */
async function tagsByName(projectId: string, names: readonly string[], signal: AbortSignal): Promise<Map<string, Tag>> {
  const path = { projectId };
  const list = () => persistently(() => body(training.GET("/projects/{projectId}/tags", { params: { path } })), signal);
  let known = new Map((await list()).map((tag) => [folded(tag.name), tag]));
  for (const name of new Set(names)) {
    if (known.has(folded(name))) continue;
    try {
      const tag = await persistently(
        () => body(training.POST("/projects/{projectId}/tags", { params: { path, query: { name: name.trim() } } })),
        signal,
      );
      known.set(folded(name), tag);
    } catch (error) {
      // Created meanwhile, in another window or by a request whose response was lost.
      if (!(error instanceof ApiError && error.code === "BadRequestTagNameNotUnique")) throw error;
      known = new Map((await list()).map((tag) => [folded(tag.name), tag]));
    }
  }
  queryClient.setQueryData(cacheKeys.tags(projectId), [...known.values()].toSorted((a, b) => compareNames(a.name, b.name)));
  return known;
}

function throttled(act: () => void, milliseconds: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      act();
    }, milliseconds);
  };
}
