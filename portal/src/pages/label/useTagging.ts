/** The tags of the project for labeling: the one in use, their keys, and making new ones. */
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { body, training } from "../../api/client";
import { cacheKeys } from "../../api/keys";
import type { Tag } from "../../api/queries/tags";
import { useOrderedTags } from "../../components/tagOrder";
import { named } from "../../lib/format";
import { useUndo } from "../../undo/UndoProvider";
import { prefer, usePreferences } from "./preferences";

const NONE: readonly Tag[] = [];

export function useTagging(projectId: string) {
  const client = useQueryClient();
  const undo = useUndo();
  const [params, setParams] = useSearchParams();
  const { lastTags } = usePreferences();
  const ordered = useOrderedTags(projectId);
  const tags = ordered ?? NONE;
  const byId = useMemo(() => new Map(tags.map((tag) => [tag.id, tag])), [tags]);
  const wanted = [params.get("tag"), lastTags[projectId], tags.length === 1 ? tags[0]?.id : null];
  const currentTag = wanted.find((id) => id != null && byId.has(id)) ?? null;

  const use = useCallback(
    (tagId: string) => {
      prefer({ lastTags: { ...lastTags, [projectId]: tagId } });
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          after.set("tag", tagId);
          return after;
        },
        { replace: true },
      );
    },
    [lastTags, projectId, setParams],
  );

  const create = useCallback(
    async (name: string): Promise<string | null> => {
      const path = { projectId };
      let tag: Tag | null = null;
      await undo.run({
        label: `Created the tag ${named(name)}`,
        redo: async () => {
          const made = await body(training.POST("/projects/{projectId}/tags", { params: { path, query: { name } } }));
          tag = made;
          client.setQueryData<Tag[]>(cacheKeys.tags(projectId), (before) => [...(before ?? []), made]);
        },
        undo: async () => {
          if (tag) await training.DELETE("/projects/{projectId}/tags/{tagId}", { params: { path: { projectId, tagId: tag.id } } });
        },
      });
      return (tag as Tag | null)?.id ?? null;
    },
    [client, projectId, undo],
  );

  const nameOf = useCallback(
    (tagId: string | null) => {
      if (tagId === null) return null;
      // A tag that was just created is not in the list of the last drawing.
      const latest = client.getQueryData<Tag[]>(cacheKeys.tags(projectId));
      return (byId.get(tagId) ?? latest?.find((tag) => tag.id === tagId))?.name ?? "Deleted tag";
    },
    [byId, client, projectId],
  );
  const isKnown = useCallback((tagId: string) => byId.has(tagId), [byId]);
  /** isLoaded: before, a box could not get the tag in use. */
  return { isLoaded: ordered !== undefined, tags, byId, currentTag, use, create, nameOf, isKnown };
}

export type Tagging = ReturnType<typeof useTagging>;
