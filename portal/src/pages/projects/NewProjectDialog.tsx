import { Alert, Button, Group, Modal, Stack, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { body, training } from "../../api/client";
import { cacheKeys } from "../../api/keys";
import { detectsAnomalies, useDomains, type Domain, type Project } from "../../api/queries/projects";
import { Choices } from "../../components/project/Choices";
import { DomainChoice } from "../../components/project/DomainChoice";
import { refusalOf, type ProjectField, type Refusal } from "../../components/project/fieldErrors";
import { CLASSIFICATION_TYPES, EXPORT_CAPABILITIES, targetPlatforms, TASKS, type ClassificationType, type Task } from "../../components/project/kinds";
import { Loaded } from "../../components/states";

interface Props {
  opened: boolean;
  onClose: () => void;
  onCreated: (project: Project) => void;
}

/** What was typed stays until a project was created, also when the dialog is closed meanwhile. */
export function NewProjectDialog({ opened, onClose, onCreated }: Props) {
  const domains = useDomains();
  return (
    <Modal opened={opened} onClose={onClose} title="New project" size={860} keepMounted>
      <Loaded query={domains}>{(all) => <Form domains={all} onClose={onClose} onCreated={onCreated} />}</Loaded>
    </Modal>
  );
}

function firstOf(domains: readonly Domain[], task: Task): string {
  return domains.find((each) => each.type === task)?.id ?? "";
}

function Form({ domains, onClose, onCreated }: Omit<Props, "opened"> & { domains: readonly Domain[] }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [task, setTask] = useState<Task>("Classification");
  const [classificationType, setClassificationType] = useState<ClassificationType>("Multiclass");
  const [domainId, setDomainId] = useState(firstOf(domains, "Classification"));
  const [platforms, setPlatforms] = useState("");
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const domain = domains.find((each) => each.id === domainId);
  const isAnomaly = detectsAnomalies(domain);
  const isCompact = !isAnomaly && (domain?.exportable ?? false);
  const errorOf = (field: ProjectField) => (refusal?.field === field ? refusal.message : null);

  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (refusal?.field) form.current?.querySelector<HTMLElement>("[aria-invalid=true], [data-error] input")?.focus();
  }, [refusal]);

  async function submit() {
    setBusy(true);
    setRefusal(null);
    try {
      const project = await body(
        training.POST("/projects", {
          params: {
            query: {
              name,
              description,
              domainId,
              classificationType: isAnomaly ? "Multiclass" : task === "Classification" ? classificationType : "Multilabel",
              ...(isCompact && platforms ? { targetExportPlatforms: targetPlatforms(platforms) } : {}),
            },
          },
        }),
      );
      await client.invalidateQueries({ queryKey: cacheKeys.projects });
      onCreated(project);
    } catch (error) {
      setRefusal(refusalOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form
      ref={form}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          required
          data-autofocus
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={errorOf("name")}
        />
        <Textarea
          label="Description"
          autosize
          minRows={1}
          maxRows={6}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          error={errorOf("description")}
        />
        <Choices
          label="Project type"
          description="It cannot be changed later."
          choices={TASKS}
          value={task}
          onChange={(value) => {
            setTask(value as Task);
            setDomainId(firstOf(domains, value as Task));
          }}
        />
        {task === "Classification" && !isAnomaly && (
          <Choices
            label="Classification type"
            choices={CLASSIFICATION_TYPES}
            value={classificationType}
            onChange={(value) => setClassificationType(value as ClassificationType)}
            error={errorOf("classificationType")}
          />
        )}
        <DomainChoice domains={domains} task={task} value={domainId} onChange={setDomainId} error={errorOf("domain")} />
        {isCompact && (
          <Choices
            label="Export capability"
            choices={EXPORT_CAPABILITIES}
            value={platforms}
            onChange={setPlatforms}
            error={errorOf("export")}
          />
        )}
        {refusal?.field === null && (
          <Alert color="red" role="alert">
            {refusal.message}
          </Alert>
        )}
        <Group justify="flex-end" className="dialog-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy}>
            Create project
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
