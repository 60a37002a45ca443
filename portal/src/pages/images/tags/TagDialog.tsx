import { Alert, Button, Group, Modal, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { inWords } from "../../../api/errors";
import { useProjectKind } from "../../../api/queries/projects";
import type { Tag } from "../../../api/queries/tags";
import { count, named } from "../../../lib/format";
import { folded } from "../../../lib/names";
import { useTagActions, type TagType } from "./useTagActions";

interface Props {
  projectId: string;
  tags: readonly Tag[];
  edited: Tag | "new" | null;
  onClose: () => void;
}

/** Name, description and type of a new or an existing tag. The name of another tag offers to merge the two. */
export function TagDialog({ projectId, tags, edited, onClose }: Props) {
  return (
    <Modal opened={edited !== null} onClose={onClose} title={edited === "new" ? "New tag" : "Tag"} centered>
      {edited !== null && (
        <TagForm key={edited === "new" ? "new" : edited.id} projectId={projectId} tags={tags} edited={edited} onClose={onClose} />
      )}
    </Modal>
  );
}

function TagForm({ projectId, tags, edited, onClose }: Props & { edited: Tag | "new" }) {
  const tag = edited === "new" ? null : edited;
  const { domain, isDetection } = useProjectKind(projectId);
  const actions = useTagActions(projectId);
  const [name, setName] = useState(tag?.name ?? "");
  const [description, setDescription] = useState(tag?.description ?? "");
  const [type, setType] = useState<TagType>((tag?.type ?? "Regular"));
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const sought = folded(name);
  const same = tags.find((each) => each.id !== tag?.id && folded(each.name) === sought);
  const types = [
    { value: "Regular", label: "Regular" },
    ...(isDetection ? [] : [{ value: "Negative", label: "Negative: images without any of the other tags" }]),
    ...(domain?.name === "Products on Shelves" ? [{ value: "GeneralProduct", label: "General product" }] : []),
  ];

  async function submit() {
    setBusy(true);
    setProblem(null);
    try {
      if (tag && same) await actions.merge(tag, same);
      else if (tag) await actions.change(tag, { name: name.trim(), description, type });
      else await actions.create({ name: name.trim(), description, type });
      onClose();
    } catch (error) {
      setProblem(inWords(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Stack>
        <TextInput
          label="Name"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          data-autofocus
          error={same && !tag ? "There is a tag of this name." : undefined}
        />
        {same && tag ? (
          <Alert color="orange" title="Merge two tags">
            There is a tag {named(same.name)} with {count(same.imageCount, "image")}. Merging gives it the{" "}
            {count(tag.imageCount, "image")} of {named(tag.name)}
            {isDetection && " and their boxes"}, and deletes {named(tag.name)}. It can be undone for one hour.
          </Alert>
        ) : (
          <>
            <Textarea
              label="Description"
              value={description}
              onChange={(event) => setDescription(event.currentTarget.value)}
              autosize
              minRows={2}
              maxRows={8}
            />
            {types.length > 1 && (
              <Select
                label="Type"
                data={types}
                value={type}
                onChange={(value) => setType((value ?? "Regular") as TagType)}
                allowDeselect={false}
              />
            )}
          </>
        )}
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            type="submit"
            loading={busy}
            disabled={!name.trim() || (same !== undefined && !tag)}
                      >
            {same && tag ? "Merge" : tag ? "Save" : "Create tag"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
