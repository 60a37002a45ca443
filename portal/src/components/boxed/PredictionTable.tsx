import { Table, Text } from "@mantine/core";
import { tagHue } from "../tagColors";
import { percent } from "../../lib/format";
import classes from "./predictions.module.css";

interface ShownPrediction {
  key: string;
  tagId: string;
  tagName: string;
  probability: number;
}

interface Props {
  predictions: readonly ShownPrediction[];
  /** The emphasized row, and a change of it by pointer or focus. */
  current?: string | null;
  onCurrent?: (key: string | null) => void;
}

const MOST_ROWS = 200;

/** Tags with their probabilities, most probable first, as numbers and bars. */
export function PredictionTable({ predictions, current = null, onCurrent }: Props) {
  return (
    <>
      <Table verticalSpacing={4} highlightOnHover className={classes.table}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Tag</Table.Th>
            <Table.Th w={150}>Probability</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {predictions.slice(0, MOST_ROWS).map(({ key, tagId, tagName, probability }) => (
            <Table.Tr
              key={key}
              data-current={key === current || undefined}
              onMouseEnter={() => onCurrent?.(key)}
              onMouseLeave={() => onCurrent?.(null)}
            >
              <Table.Td className={classes.tag} title={tagName}>
                <span className={classes.swatch} style={{ background: `var(--mantine-color-${tagHue(tagId)}-6)` }} aria-hidden />
                <bdi>{tagName}</bdi>
              </Table.Td>
              <Table.Td>
                <div className={classes.probability}>
                  <span className={classes.number}>{percent(probability)}</span>
                  <span className={classes.track} aria-hidden>
                    <span className={classes.bar} style={{ width: percent(probability) }} />
                  </span>
                </div>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {predictions.length > MOST_ROWS && (
        <Text size="sm" c="dimmed" p="xs">
          {predictions.length - MOST_ROWS} more with a lower probability
        </Text>
      )}
    </>
  );
}
