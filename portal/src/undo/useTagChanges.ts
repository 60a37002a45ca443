import { tagging, untagging, type TagRules } from "../api/bulk/labels";
import { useProjectKind } from "../api/queries/projects";
import { useTags, type Tag } from "../api/queries/tags";
import { named } from "../lib/format";
import { labelChange, type Targets } from "./labelChanges";
import { useUndo } from "./UndoProvider";

/** Tagging and untagging of many images. Each resolves to whether it was done; a failure is shown. */
export function useTagChanges(projectId: string) {
  const undo = useUndo();
  const { isMulticlass } = useProjectKind(projectId);
  const tags = useTags(projectId).data ?? [];
  const rules: TagRules = {
    isMulticlass,
    negative: new Set(tags.filter((tag) => tag.type === "Negative").map((tag) => tag.id)),
  };

  function tag(targets: Targets, added: Tag): Promise<boolean> {
    const name = named(added.name);
    const change = labelChange(projectId, {
      targets,
      plan: (found) => tagging(found, added.id, rules),
      task: "Tagging images",
      label: (images) => `Tagged ${images} with ${name}`,
      nothing: `The images have ${name} already.`,
    });
    return undo.run(change, { toast: true });
  }

  function untag(targets: Targets, removed: readonly Tag[]): Promise<boolean> {
    const names = removed.map((each) => named(each.name)).join(", ");
    const change = labelChange(projectId, {
      targets,
      plan: (found) => untagging(found, removed.map((each) => each.id)),
      task: "Untagging images",
      label: (images) => `Untagged ${images} from ${names}`,
      nothing: `No image has ${names}.`,
    });
    return undo.run(change, { toast: true });
  }

  /**
   * Untag the images if all of them have the tag, and tag them otherwise. Their tags are read first, after the
   * changes that were made before: two presses of a key leave the images as they were.
   */
  function toggle(targets: Targets, toggled: Tag): Promise<boolean> {
    const name = named(toggled.name);
    let isOff = false;
    const change = labelChange(projectId, {
      targets,
      plan: (found) => {
        isOff = found.length > 0 && found.every((target) => target.tagIds.includes(toggled.id));
        return isOff ? untagging(found, [toggled.id]) : tagging(found, toggled.id, rules);
      },
      task: "Tagging images",
      label: (images) => (isOff ? `Untagged ${images} from ${name}` : `Tagged ${images} with ${name}`),
      nothing: "The image does not exist.",
    });
    return undo.run(change, { toast: true });
  }

  return { tag, untag, toggle };
}
