import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { body, emulator, training, type Schemas } from "../../api/client";
import { inBatches } from "../../api/bulk/batches";
import { inWords } from "../../api/errors";
import { cacheKeys } from "../../api/keys";
import { announce } from "../../components/announce";
import { count } from "../../lib/format";
import type { Change } from "../../undo/history";
import { useUndo } from "../../undo/UndoProvider";

export type Entry = Schemas["ImageIdCreateEntry"];

/** Most predictions of CreateImagesFromPredictions and of DeletePrediction. */
const MOST_AT_ONCE = 64;
const REASONS: Record<string, string> = {
  OKDuplicate: "is among the training images already; it got the tags",
  ErrorDuplicate: "is among the training images already",
  ErrorTagLimitExceed: "would have too many tags",
  ErrorRegionLimitExceed: "would have too many boxes",
  ErrorNegativeAndRegularTagOnSameImage: "cannot have a negative tag beside others",
  ErrorSource: "is no longer stored",
  ErrorPrediction: "is no longer stored",
};

export function usePredictionActions(projectId: string) {
  const undo = useUndo();
  const client = useQueryClient();
  const path = { projectId };

  /** Make training images of predictions. Resolves to whether all requests were accepted. */
  async function addToTraining(entries: readonly Entry[]): Promise<boolean> {
    const created: string[] = [];
    const refused: string[] = [];
    const change: Change = {
      label: "",
      redo: async () => {
        // The first time; a prediction whose image was added is gone, its image can be restored.
        if (created.length > 0) {
          for (const imageIds of inBatches(created, MOST_AT_ONCE))
            await emulator.POST("/_emulator/projects/{projectId}/images/restore", { params: { path }, body: { imageIds } });
          return;
        }
        try {
          for (const images of inBatches(entries, MOST_AT_ONCE)) {
            const summary = await body(
              training.POST("/projects/{projectId}/images/predictions", { params: { path }, body: { images } }),
            );
            for (const { status, image } of summary.images) {
              if (status === "OK" && image) created.push(image.id);
              else refused.push(`An image ${REASONS[status] ?? `was refused (${status})`}`);
            }
          }
        } catch (error) {
          if (created.length === 0) throw error;
          refused.push(inWords(error)); // what was added until then can be undone
        }
        change.label = `Added ${count(created.length, "image")} to the training images`;
      },
      undo: async () => {
        for (const imageIds of inBatches(created, MOST_AT_ONCE))
          await training.DELETE("/projects/{projectId}/images", { params: { path, query: { imageIds } } });
      },
    };
    const done = await undo.run(change, { toast: true });
    if (done && refused.length > 0)
      notifications.show({
        color: "orange",
        title: created.length ? "Not all were added" : "No image was added",
        message: [...new Set(refused)].join(". "),
        autoClose: 10_000,
      });
    return done;
  }

  /** Delete stored predictions, which cannot be undone: ask before. */
  async function remove(ids: readonly string[]): Promise<boolean> {
    try {
      for (const batch of inBatches(ids, MOST_AT_ONCE))
        await training.DELETE("/projects/{projectId}/predictions", { params: { path, query: { ids: batch } } });
      announce(`Deleted ${count(ids.length, "prediction")}`);
      return true;
    } catch (error) {
      notifications.show({ color: "red", title: "Not all were deleted", message: inWords(error) });
      return false;
    } finally {
      await client.invalidateQueries({ queryKey: cacheKeys.predictions(projectId) });
    }
  }

  return { addToTraining, remove };
}
