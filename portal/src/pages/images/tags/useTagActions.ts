import { useQueryClient } from "@tanstack/react-query";
import { allTargets } from "../../../api/bulk/apply";
import { restoreTag } from "../../../api/bulk/restore";
import { body, training, type Schemas } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";
import type { Tag } from "../../../api/queries/tags";
import { announce } from "../../../components/announce";
import { replaceInTagOrder } from "../../../components/tagOrder";
import { named } from "../../../lib/format";
import { ALL_IMAGES } from "../../../lib/imageFilter";
import type { TaskHandle } from "../../../tasks/tasks";
import { useUndo } from "../../../undo/UndoProvider";
import { mergeOf } from "./merging";

export type TagType = Schemas["Tag"]["type"];

interface TagValues {
  name: string;
  description: string;
  type: TagType;
}

/** Creating, changing, merging and deleting tags. `create`, `change` and `merge` reject with the failure. */
export function useTagActions(projectId: string) {
  const client = useQueryClient();
  const undo = useUndo();

  async function create({ name, description, type }: TagValues): Promise<Tag> {
    const tag = await body(
      training.POST("/projects/{projectId}/tags", {
        params: { path: { projectId }, query: { name, ...(description ? { description } : {}), type } },
      }),
    );
    announce(`Tag ${tag.name} created`);
    await client.invalidateQueries({ queryKey: cacheKeys.tags(projectId) });
    return tag;
  }

  async function update(tagId: string, values: Partial<TagValues>): Promise<void> {
    await training.PATCH("/projects/{projectId}/tags/{tagId}", {
      params: { path: { projectId, tagId } },
      body: values,
    });
  }

  /** A failure is shown by the caller, who asked for the values. */
  async function change(tag: Tag, values: TagValues): Promise<void> {
    const stored = { name: tag.name, description: tag.description ?? "", type: tag.type };
    const [changed, before] = [difference(stored, values), difference(values, stored)];
    await update(tag.id, changed);
    let first = true;
    await undo.run({
      label: `Changed tag ${named(values.name)}`,
      redo: async () => {
        if (!first) await update(tag.id, changed);
        first = false;
      },
      undo: () => update(tag.id, before),
    });
  }

  /** Give the images of `from` the tag `into`, boxes included, and delete `from`. */
  async function merge(from: Tag, into: Tag): Promise<void> {
    const imagesOf = (tagId: string, task: TaskHandle) => allTargets(projectId, { ...ALL_IMAGES, tagIds: [tagId] }, task);
    let failure: unknown;
    const onError = (error: unknown) => {
      failure = error;
    };
    if (!(await undo.run(mergeOf(projectId, from, into, imagesOf), { toast: true, onError }))) throw failure;
  }

  /** Delete a tag; undo brings it back on its images. Resolves to whether it was deleted. */
  async function remove(tag: Tag): Promise<boolean> {
    let tagId = tag.id;
    return undo.run(
      {
        label: `Deleted tag ${named(tag.name)}`,
        redo: async () => {
          await training.DELETE("/projects/{projectId}/tags/{tagId}", { params: { path: { projectId, tagId } } });
        },
        undo: async () => {
          const before = tagId;
          tagId = await restoreTag(projectId, before);
          replaceInTagOrder(projectId, before, tagId);
        },
      },
      { toast: true },
    );
  }

  return { create, change, merge, remove };
}

/** The values that differ from those before: only these are requested, so that changes of other windows stay. */
function difference(before: TagValues, after: TagValues): Partial<TagValues> {
  return {
    ...(after.name === before.name ? {} : { name: after.name }),
    ...(after.description === before.description ? {} : { description: after.description }),
    ...(after.type === before.type ? {} : { type: after.type }),
  };
}
