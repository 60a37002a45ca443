import { Radio, SimpleGrid, Stack } from "@mantine/core";
import { detectsAnomalies, type Domain } from "../../api/queries/projects";
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
  const choices = (isChosen: (domain: Domain) => boolean) =>
    domains
      .filter((each) => each.type === task && isChosen(each))
      .map((each) => ({ value: each.id, label: each.name, text: domainText(each) }));
  const own = choices(detectsAnomalies);
  return (
    <Radio.Group
      label="Domain"
      description="What the images show. It can be changed later; the next training uses it."
      value={value}
      onChange={onChange}
      error={error}
    >
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md" mt={6}>
        <ChoiceColumn heading="Predictions by this emulator" choices={choices((each) => !each.exportable && !detectsAnomalies(each))} />
        <Stack gap="md">
          <ChoiceColumn heading="Compact: predictions and exports" choices={choices((each) => each.exportable && !detectsAnomalies(each))} />
          {own.length > 0 && <ChoiceColumn heading="This emulator only: predictions and exports" choices={own} />}
        </Stack>
      </SimpleGrid>
    </Radio.Group>
  );
}
