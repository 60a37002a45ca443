/** Requests for imports of data sets. */
import { persistently } from "../api/bulk/batches";
import { body, emulator, type EmulatorTypes } from "../api/client";
import { ApiError, ConnectionLost, Problem } from "../api/errors";
import { queryClient } from "../app/queryClient";
import { cacheKeys } from "../api/keys";
import { reasonOf } from "../uploads/intake";
import { formatOf } from "./formats";

export type DataSetImport = EmulatorTypes["schemas"]["DataSetImport"];
export type Report = EmulatorTypes["schemas"]["DataSetReport"];

/** What a person chooses for an import. Empty texts: as the data set says. */
export interface Choices {
  /** Id of the project, or the name of one, which is created if there is none. */
  project: string;
  format: string;
  /** Of a new project: name of the domain. */
  domain: string;
  /** Of a new project. */
  classificationType: string;
  missingImagesAllowed: boolean;
  /** Of a divided data set; null: all. */
  parts: readonly string[] | null;
}

const POLL_MS = 300;

function queryOf(choices: Choices) {
  const format = formatOf(choices.format);
  return {
    project: choices.project,
    dryRun: true,
    ...(format ? { format } : {}),
    ...(choices.domain ? { domain: choices.domain } : {}),
    ...(choices.classificationType ? { classificationType: choices.classificationType as "Multiclass" } : {}),
    ...(choices.missingImagesAllowed ? { missingImagesAllowed: true } : {}),
    ...(choices.parts ? { parts: choices.parts.join(",") } : {}),
  };
}

/** Send an archive for a dry run. Waits for the emulator after a lost connection, and sends the archive again. */
export async function sendForCheck(archive: Blob, choices: Choices, signal: AbortSignal): Promise<DataSetImport> {
  return persistently(async () => {
    try {
      return await body(
        emulator.POST("/_emulator/dataSets", {
          params: { query: queryOf(choices) },
          body: archive as never,
          bodySerializer: (content: unknown) => content as Blob,
          headers: { "Content-Type": "application/zip" },
          signal,
        }),
      );
    } catch (error) {
      // A file that was deleted since it was chosen looks like a lost connection.
      if (error instanceof ConnectionLost && !(await isReadable(archive))) throw new Problem(reasonOf("unreadable"));
      throw error;
    }
  }, signal);
}

async function isReadable(blob: Blob): Promise<boolean> {
  try {
    await blob.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** The import when it waits and runs no longer. */
export async function ended(begun: DataSetImport, signal: AbortSignal): Promise<DataSetImport> {
  await queryClient.invalidateQueries({ queryKey: cacheKeys.jobs });
  let state = begun;
  while (state.status === "Waiting") {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    state = await persistently(() => get(begun.id, signal), signal);
  }
  return state;
}

function get(importId: string, signal: AbortSignal): Promise<DataSetImport> {
  return body(emulator.GET("/_emulator/dataSets/{importId}", { params: { path: { importId } }, signal }));
}

/** Import what was checked. Rejects with an ApiError of status 404 or 409 where the emulator has it no longer. */
export async function importChecked(checked: DataSetImport, signal: AbortSignal): Promise<DataSetImport> {
  const path = { importId: checked.id };
  return persistently(async () => {
    try {
      return await body(emulator.POST("/_emulator/dataSets/{importId}/import", { params: { path } }));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
      // The request before was carried out, and its response was lost.
      const state = await get(checked.id, signal);
      if (state.status === "Checked") throw error;
      return state;
    }
  }, signal);
}

/** Forget a check, with the archive that was sent. */
export async function forget(importId: string): Promise<void> {
  try {
    await emulator.DELETE("/_emulator/dataSets/{importId}", { params: { path: { importId } } });
  } catch {
    // It is forgotten within an hour anyway.
  }
  await queryClient.invalidateQueries({ queryKey: cacheKeys.jobs });
}
