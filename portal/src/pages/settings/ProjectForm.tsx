import { Alert, Button, Group, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { body, training, type Schemas } from "../../api/client";
import { cacheKeys } from "../../api/keys";
import { detectsAnomalies, type Domain, type Project } from "../../api/queries/projects";
import { Choices } from "../../components/project/Choices";
import { DomainChoice } from "../../components/project/DomainChoice";
import { refusalOf, type ProjectField, type Refusal } from "../../components/project/fieldErrors";
import { CLASSIFICATION_TYPES, EXPORT_CAPABILITIES, type ClassificationType, type Task } from "../../components/project/kinds";
import { PermittedButton } from "../../components/PermittedButton";
import { Section } from "../../components/Section";
import { useUndo } from "../../undo/UndoProvider";
import { changedOf, differs, draftOf, lossNote, requestBack, requestOf, trainingNote, type Draft } from "./changes";

interface Props {
  project: Project;
  domains: readonly Domain[];
}

/** Name, description and settings. What is edited stays until it is saved, whatever changes on the server. */
export function ProjectForm({ project, domains }: Props) {
  const client = useQueryClient();
  const undo = useUndo();
  const [edited, setEdited] = useState<Partial<Draft>>({});
  /** The stored values of what is edited, as they were when the editing began. */
  const [base, setBase] = useState<Partial<Draft>>({});
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const [saved, setSaved] = useState(false);
  const draft = { ...draftOf(project), ...edited };
  const domain = domains.find((each) => each.id === draft.domainId);
  const task: Task = domain?.type ?? "Classification";
  const note = trainingNote(project, draft, domain);
  const isChanged = differs(project, edited);
  const errorOf = (field: ProjectField) => (refusal?.field === field ? refusal.message : null);
  const edit = (change: Partial<Draft>) => {
    const stored = draftOf(project);
    setBase((before) => ({ ...Object.fromEntries(Object.keys(change).map((key) => [key, stored[key as keyof Draft]])), ...before }));
    setEdited((before) => ({ ...before, ...change }));
    setSaved(false);
  };

  function discard() {
    setEdited({});
    setBase({});
  }

  const params = { path: { projectId: project.id } };

  async function patch(changes: Schemas["ProjectUpdate"]) {
    await training.PATCH("/projects/{projectId}", { params, body: changes });
    void client.invalidateQueries({ queryKey: cacheKeys.projects });
  }

  async function submit() {
    setBusy(true);
    setRefusal(null);
    const done = await save().catch((error: unknown) => {
      setRefusal(refusalOf(error));
      return false;
    });
    setBusy(false);
    setSaved(done);
    if (!done) return;
    await client.invalidateQueries({ queryKey: cacheKeys.project(project.id), exact: true });
    discard();
  }

  /** Resolves to whether it was saved; a refusal is shown. */
  async function save(): Promise<boolean> {
    const stored = await body(training.GET("/projects/{projectId}", { params }));
    const changed = changedOf(stored, edited);
    const note = lossNote(base, stored, changed);
    if (note !== null) {
      setRefusal({ field: null, message: note });
      setBase(draftOf(stored));
      return false;
    }
    const [next, before] = [requestOf(stored, changed), requestBack(stored, changed)];
    return undo.run(
      { label: "Changed the settings", redo: () => patch(next), undo: () => patch(before) },
      { onError: (error) => setRefusal(refusalOf(error)) },
    );
  }

  return (
    <Section title="Project">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Stack gap="md">
          <TextInput
            label="Name"
            required
            value={draft.name}
            onChange={(event) => edit({ name: event.currentTarget.value })}
            error={errorOf("name")}
          />
          <Textarea
            label="Description"
            autosize
            minRows={2}
            maxRows={8}
            value={draft.description}
            onChange={(event) => edit({ description: event.currentTarget.value })}
            error={errorOf("description")}
          />
          {task === "Classification" && !detectsAnomalies(domain) && (
            <Choices
              label="Classification type"
              choices={CLASSIFICATION_TYPES}
              value={draft.classificationType}
              onChange={(value) => edit({ classificationType: value as ClassificationType })}
              error={errorOf("classificationType")}
            />
          )}
          <DomainChoice
            domains={domains}
            task={task}
            value={draft.domainId}
            onChange={(domainId) => edit({ domainId })}
            error={errorOf("domain")}
          />
          {domain?.exportable && !detectsAnomalies(domain) && (
            <Choices
              label="Export capability"
              choices={EXPORT_CAPABILITIES}
              value={draft.platforms}
              onChange={(platforms) => edit({ platforms })}
              error={errorOf("export")}
            />
          )}
          {note !== null && <Alert color="blue">{note}</Alert>}
          {refusal?.field === null && (
            <Alert color="red" role="alert">
              {refusal.message}
            </Alert>
          )}
          <Group>
            <PermittedButton operation="UpdateProject" type="submit" loading={busy} disabled={!isChanged || !draft.name.trim()}>
              Save changes
            </PermittedButton>
            {isChanged && (
              <Button variant="default" onClick={discard}>
                Discard
              </Button>
            )}
            {saved && !isChanged && (
              <Text size="sm" c="dimmed">
                Saved
              </Text>
            )}
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
