import { Radio, SimpleGrid, Stack } from "@mantine/core";
import styles from "./project.module.css";

interface Choice {
  value: string;
  label: string;
  text: string;
}

interface Props {
  label: string;
  description?: string;
  choices: readonly Choice[];
  value: string;
  onChange: (value: string) => void;
  /** Number of choices side by side, where there is room. */
  columns?: number;
  error?: string | null;
}

/** One of a few choices, each with a sentence about it. */
export function Choices({ label, description, choices, value, onChange, columns = 2, error }: Props) {
  return (
    <Radio.Group label={label} description={description} value={value} onChange={onChange} error={error}>
      <SimpleGrid cols={{ base: 1, sm: columns }} spacing="xs" verticalSpacing="xs" mt={6}>
        {choices.map((each) => (
          <ChoiceCard key={each.value} choice={each} />
        ))}
      </SimpleGrid>
    </Radio.Group>
  );
}

function ChoiceCard({ choice }: { choice: Choice }) {
  return <Radio className={styles.choice} value={choice.value} label={choice.label} description={choice.text} />;
}

/** Choices below a heading, for groups within one question; closer together than cards. */
export function ChoiceColumn({ heading, choices }: { heading: string; choices: readonly Choice[] }) {
  return (
    <Stack gap={8} role="group" aria-label={heading}>
      <span className={styles.heading}>{heading}</span>
      {choices.map((each) => (
        <Radio key={each.value} size="sm" value={each.value} label={each.label} description={each.text} />
      ))}
    </Stack>
  );
}
