import { Radio, SimpleGrid } from "@mantine/core";
import type { Domain } from "../../api/queries/projects";
import { ChoiceColumn } from "./Choices";
import { domainText, type Task } from "./kinds";

interface Props {
  domains: readonly Domain[];
  task: Task;
  value: string;
  onChange: (domainId: string) => void;
  error?: string | null;
}

/** The domains of a task: those for predictions here, and the compact ones, which can be exported too. */
export function DomainChoice({ domains, task, value, onChange, error }: Props) {
  const choices = (exportable: boolean) =>
    domains
      .filter((each) => each.type === task && each.exportable === exportable)
      .map((each) => ({ value: each.id, label: each.name, text: domainText(each) }));
  return (
    <Radio.Group
      label="Domain"
      description="What the images show. It can be changed later; the next training uses it."
      value={value}
      onChange={onChange}
      error={error}
    >
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md" mt={6}>
        <ChoiceColumn heading="Predictions by this emulator" choices={choices(false)} />
        <ChoiceColumn heading="Compact: predictions and exports" choices={choices(true)} />
      </SimpleGrid>
    </Radio.Group>
  );
}
