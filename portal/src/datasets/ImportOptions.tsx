import { Checkbox, Group, Select, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { useDomains, useProjects } from "../api/queries/projects";
import { CLASSIFICATION_TYPES } from "../components/project/kinds";
import { folded, problemOfName } from "../lib/names";
import { formatOptions, FORMATS } from "./formats";
import type { Choices, DataSetImport } from "./requests";

interface Props {
  isNew: boolean;
  choices: Choices;
  onChange: (change: Partial<Choices>) => void;
  /** The last check. */
  found: DataSetImport | null;
  disabled: boolean;
}

/** What is chosen for an import: the project, the format, and what to do with parts and missing images. */
export function ImportOptions({ isNew, choices, onChange, found, disabled }: Props) {
  const recognized = !choices.format && found?.format ? FORMATS[found.format].title : null;
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        {isNew && <ProjectName choices={choices} onChange={onChange} disabled={disabled} />}
        <Select
          label="Format"
          data={[{ value: "", label: recognized === null ? "Recognize it" : `Recognized: ${recognized}` }, ...formatOptions()]}
          value={choices.format}
          onChange={(format) => onChange({ format: format ?? "", parts: null })}
          allowDeselect={false}
          disabled={disabled}
        />
        {isNew && <NewProjectOptions choices={choices} onChange={onChange} found={found} disabled={disabled} />}
      </SimpleGrid>
      <Parts choices={choices} onChange={onChange} found={found} disabled={disabled} />
      <Checkbox
        label="Leave out labels of images that are not there"
        description="Otherwise a data set with such labels is refused."
        checked={choices.missingImagesAllowed}
        onChange={(event) => onChange({ missingImagesAllowed: event.currentTarget.checked })}
        disabled={disabled}
      />
    </Stack>
  );
}

function ProjectName({ choices, onChange, disabled }: Pick<Props, "choices" | "onChange" | "disabled">) {
  const projects = useProjects().data ?? [];
  const exists = projects.some((each) => each.name === choices.project.trim());
  return (
    <TextInput
      label="Project"
      required
      value={choices.project}
      onChange={(event) => onChange({ project: event.currentTarget.value })}
      error={problemOfName(choices.project)}
      description={exists ? "There is a project of this name: the images are added to it." : "A new project of this name is created."}
      inputWrapperOrder={["label", "input", "description", "error"]}
      disabled={disabled}
    />
  );
}

function NewProjectOptions({ choices, onChange, found, disabled }: Omit<Props, "isNew">) {
  const domains = useDomains().data ?? [];
  const isDetection = found?.report?.detection;
  const names = domains
    .filter((each) => isDetection === undefined || (each.type === "ObjectDetection") === isDetection)
    .map((each) => each.name);
  return (
    <>
      <Select
        label="Domain of a new project"
        data={[{ value: "", label: "That of the data set, or General" }, ...new Set(names)]}
        value={choices.domain}
        onChange={(domain) => onChange({ domain: domain ?? "" })}
        allowDeselect={false}
        disabled={disabled}
      />
      {isDetection !== true && (
        <Select
          label="Classification type of a new project"
          data={[
            { value: "", label: "Multilabel if an image has several tags" },
            ...CLASSIFICATION_TYPES.map(({ value, label }) => ({ value, label })),
          ]}
          value={choices.classificationType}
          onChange={(type) => onChange({ classificationType: type ?? "" })}
          allowDeselect={false}
          disabled={disabled}
        />
      )}
    </>
  );
}

function Parts({ choices, onChange, found, disabled }: Omit<Props, "isNew">) {
  const parts = found?.report?.parts ?? [];
  if (parts.length < 2) return null;
  const all = parts.map((part) => part.name);
  return (
    <Checkbox.Group
      label="Parts"
      description="Of a data set that is divided for training and validation."
      value={[...(choices.parts ?? all)]}
      onChange={(chosen) => onChange({ parts: chosen.length === all.length ? null : all.filter((part) => chosen.includes(part)) })}
    >
      <Group gap="md" mt={6}>
        {parts.map((part) => (
          <Checkbox
            key={folded(part.name)}
            value={part.name}
            label={`${part.name} (${part.imageCount.toLocaleString()})`}
            disabled={disabled || (choices.parts ?? all).join() === part.name}
          />
        ))}
      </Group>
    </Checkbox.Group>
  );
}
